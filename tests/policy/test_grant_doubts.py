"""Entries of `grants` that are probably mistakes are doubted, and none that may be meant."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from l7gw.config.settings import Cluster
from l7gw.policy.grant_doubts import grant_doubts
from l7gw.policy.judge import Policy
from tests.policy.test_grants import SRE

RULES = """
guardrails:
- {name: g, verdict: deny, groups: [guarded], effects: [delete]}
rules:
- {name: r, verdict: allow, groups: ["on*"], effects: [read]}
- {name: all, verdict: allow, groups: ["*"], effects: [read]}
- {name: w, verdict: allow, effects: [write], when: '"conditioned" in principal.groups'}
"""


def doubted(tmp_path: Path, *entries: str, clusters: dict[str, Cluster] | None = None) -> list[str]:
    path = tmp_path / "policy.yaml"
    path.write_text(RULES + "grants:\n" + "".join(f"- {{{entry}}}\n" for entry in entries))
    return grant_doubts(Policy.load(path), clusters)


@pytest.mark.parametrize("group", ["oncall", "conditioned", "guarded"])
def test_a_group_that_something_looks_at_is_not_doubted(tmp_path: Path, group: str) -> None:
    assert doubted(tmp_path, f"group: {group}, {SRE}") == []


def test_a_group_that_nothing_names_opens_nothing(tmp_path: Path) -> None:
    (doubt,) = doubted(tmp_path, f"group: admins, {SRE}")
    assert doubt == "the grant of 'admins' in line 9 opens nothing: no rule names the group, and no cluster's `groups`"


def test_a_group_that_a_cluster_is_told_may_be_meant(tmp_path: Path) -> None:
    clusters = {"prod": cluster(("adm*",)), "dev": cluster()}
    assert doubted(tmp_path, f"group: admins, {SRE}", clusters=clusters) == []
    assert len(doubted(tmp_path, f"group: admins, {SRE}, clusters: [dev]", clusters=clusters)) == 1


def cluster(groups: tuple[str, ...] = ()) -> Cluster:
    """A cluster, as far as it matters here."""
    return SimpleNamespace(groups=groups)  # type: ignore[return-value]


def test_a_cluster_that_is_not_configured_is_doubted(tmp_path: Path) -> None:
    (doubt,) = doubted(tmp_path, f"group: oncall, {SRE}, clusters: [prdo]", clusters={"prod": cluster()})
    assert "is about clusters that are not configured: prdo; did you mean prod?" in doubt


def test_too_few_reviewers_are_doubted(tmp_path: Path) -> None:
    (doubt,) = doubted(tmp_path, "group: oncall, reviewers: {users: [lea], minimum: 2}")
    assert "needs 2 approvals, and its reviewers are fewer" in doubt


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ("", "", True),
        ("", "users: [ann], max: 5m", True),
        ("users: [ann]", "", False),
        ("users: [ann, bob]", "users: [bob]", True),
        ("clusters: [dev]", "clusters: [prod]", False),
        ("kinds: [human]", "kinds: [agent]", False),
        ("kinds: [human, agent]", "kinds: [agent]", True),
    ],
)
def test_an_entry_behind_one_that_decides_for_all_of_it_is_never_reached(
    tmp_path: Path, first: str, second: str, hidden: bool
) -> None:
    entries = [f"group: oncall, {SRE}" + (f", {keys}" if keys else "") for keys in (first, second)]
    found = [doubt for doubt in doubted(tmp_path, *entries) if "never reached" in doubt]
    assert found == (
        ["the grant of 'oncall' in line 10 is never reached: the one in line 9 decides for everybody whom it is for"]
        if hidden
        else []
    )
