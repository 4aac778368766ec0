"""`grants:` of a policy: who may ask for what, and the mistakes in it, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.config.settings import Kind
from l7gw.errors import ConfigurationError
from l7gw.hold_terms import Reviewers
from l7gw.identity.principal import Principal
from l7gw.policy.grants import GrantEntry, first_for, in_words
from l7gw.policy.judge import Policy


def policy(tmp_path: Path, *entries: str, before: str = "") -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(f"{before}rules: []\ngrants:\n" + "".join(f"- {{{entry}}}\n" for entry in entries))
    return Policy.load(path)


def one(tmp_path: Path, entry: str, before: str = "") -> GrantEntry:
    return policy(tmp_path, entry, before=before).grants[0]


SRE = "reviewers: {groups: [sre]}"


def test_an_entry_has_what_it_says_and_usual_values_else(tmp_path: Path) -> None:
    entry = one(tmp_path, f"group: oncall, {SRE}")
    assert (entry.group, entry.reviewers, entry.kinds) == ("oncall", Reviewers(groups=("sre",)), frozenset(("human",)))
    assert (entry.most, entry.ttl, entry.line, entry.terms.rule) == (3600, 600, 3, "grant of oncall")
    long = one(tmp_path, f"group: oncall, {SRE}, max: 2h, ttl: 1m, users: [ann], groups: [dev], kinds: [agent], clusters: [prod]")
    assert (long.most, long.ttl) == (7200, 60)
    assert in_words(long) == "oncall for 2h at most, after an approval by group sre"


def test_reviewers_may_come_from_the_defaults(tmp_path: Path) -> None:
    entry = one(tmp_path, "group: oncall", before="defaults: {reviewers: {groups: [ops], minimum: 2}}\n")
    assert entry.reviewers == Reviewers(groups=("ops",), minimum=2)


WHO = {
    "users: ['a*']": (Principal("ann"), Principal("bob")),
    "groups: [dev]": (Principal("x", ("dev",)), Principal("x", ("ops",))),
    "clusters: ['prod*']": (Principal("x"), None),
    "kinds: [agent, human]": (Principal("x", kind="agent"), Principal("x", kind="workload")),
    "users: [ann], groups: [dev]": (Principal("ann", ("dev",)), Principal("ann")),
}


@pytest.mark.parametrize("keys", WHO)
def test_an_entry_is_for_whom_each_of_its_keys_names(tmp_path: Path, keys: str) -> None:
    entry = one(tmp_path, f"group: oncall, {SRE}, {keys}")
    his, others = WHO[keys]
    assert entry.is_for(his, "prod-1")
    assert not (entry.is_for(others, "prod-1") if others is not None else entry.is_for(his, "dev"))


@pytest.mark.parametrize("kind", ["agent", "workload"])
def test_only_people_ask_where_kinds_are_not_named(tmp_path: Path, kind: Kind) -> None:
    assert not one(tmp_path, f"group: oncall, {SRE}").is_for(Principal("bot", kind=kind), "prod")


def test_the_first_entry_that_fits_decides(tmp_path: Path) -> None:
    found = policy(tmp_path, f"group: x, {SRE}", f"group: oncall, {SRE}, users: [ann], max: 5m", f"group: oncall, {SRE}").grants
    assert first_for(found, Principal("ann"), "prod", "oncall") is found[1]
    assert first_for(found, Principal("bob"), "prod", "oncall") is found[2]
    assert first_for(found, Principal("bob"), "prod", "admins") is None


MISTAKES = {
    f"{SRE}": "3: `group` is missing in this grant",
    f"group: '', {SRE}": "3: `group` is empty",
    f"group: 'on*', {SRE}": "3: `group`: 'on*' is a pattern, and a grant is of one group",
    f"group: system:masters, {SRE}": "3: `group`: 'system:masters' is Kubernetes' own, and is never granted",
    f'group: " x", {SRE}': "3: `group`: ' x' begins or ends with a space",
    "group: oncall": "3: `reviewers` is missing in this grant",
    "group: oncall, reviewers: {}": "3: `reviewers` names nobody who could approve",
    f"group: oncall, {SRE}, max: 2d": "3: `max` must be within 60s and 24h",
    f"group: oncall, {SRE}, max: 1s": "3: `max` must be within 60s and 24h",
    f"group: oncall, {SRE}, ttl: 1s": "3: `ttl` must be within 10s and 24h",
    f"group: oncall, {SRE}, kinds: [people]": "3: `kinds`: 'people' is not known",
    f"group: oncall, {SRE}, users: []": "3: `users` is an empty list",
    f"group: oncall, {SRE}, effects: [read]": "3: unknown key `effects`",
    f"group: oncall, {SRE}, name: x": "3: unknown key `name`",
}


@pytest.mark.parametrize("entry", MISTAKES)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, entry: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        policy(tmp_path, entry)
    assert MISTAKES[entry] in str(told.value), str(told.value)


def test_a_list_of_anything_else_is_a_mistake_and_so_are_too_many(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("rules: []\ngrants: {group: oncall}\n")
    with pytest.raises(ConfigurationError, match="`grants` must be a list"):
        Policy.load(path)
    with pytest.raises(ConfigurationError, match="`grants` has more than 200 entries"):
        policy(tmp_path, *[f"group: g{number}, {SRE}" for number in range(201)])


def test_a_policy_that_grants_something_asks_reviewers(tmp_path: Path) -> None:
    assert policy(tmp_path, f"group: oncall, {SRE}").holds
