"""What a rule says of holding: read with its defaults, and each mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.errors import ConfigurationError, Problem
from l7gw.hold_terms import LONGEST_MESSAGE, Reviewers
from l7gw.policy.holds import MOST_APPROVALS, MOST_REVIEWERS, Holding, document, in_words
from l7gw.policy.load import load
from l7gw.policy.rules import Rule

SRE = "reviewers: {groups: [sre]}"


def policy(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return path


def one(tmp_path: Path, keys: str, before: str = "") -> Rule:
    return load(policy(tmp_path, f"{before}rules:\n- {{name: r, verdict: hold, {keys}}}\n"))[1][0]


def problems(tmp_path: Path, text: str) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        load(policy(tmp_path, text))
    return caught.value.problems


def test_a_hold_has_its_defaults_and_its_kind_of_waiting_by_who_calls(tmp_path: Path) -> None:
    held = one(tmp_path, SRE).holding
    assert held == Holding(Reviewers(groups=("sre",)), None, 600, 600, "")
    assert [held.terms("r", kind).wait for kind in ("human", "agent", "workload")] == ["wait", "come-back", "come-back"]


def test_a_rule_beats_the_defaults_key_by_key(tmp_path: Path) -> None:
    defaults = f"defaults: {{{SRE}, wait: wait, ttl: 5m, use-within: 1m}}\n"
    assert one(tmp_path, "message: ask", defaults).holding == Holding(Reviewers(groups=("sre",)), "wait", 300, 60, "ask")
    keys = "reviewers: {users: [lea], owner: true, minimum: 2, emergency: {groups: [oncall]}}, wait: come-back, ttl: 1h"
    reviewers = Reviewers(users=("lea",), owner=True, minimum=2, emergency=("oncall",))
    assert one(tmp_path, keys, defaults).holding == Holding(reviewers, "come-back", 3600, 60, "")


def test_a_hold_says_in_words_and_as_json_who_approves_it(tmp_path: Path) -> None:
    keys = "reviewers: {users: [lea], groups: [sre], owner: true, minimum: 2, emergency: {groups: [oncall]}}"
    held = one(tmp_path, keys).holding
    assert held is not None
    assert in_words(held.terms("r", "human")) == [
        "rule 'r' needs 2 approvals by user lea or group sre or the person for whom the agent acts; oncall may force it",
        "the call waits up to 10m for that",
    ]
    assert in_words(held.terms("r", "agent"))[1].startswith("the call is refused, and passes when it is made again within 10m")
    reviewers = {"users": ["lea"], "groups": ["sre"], "owner": True, "minimum": 2, "emergency": {"groups": ["oncall"]}}
    rules = [{"rule": "r", "reviewers": reviewers}]
    assert document(held.terms("r", "agent")) == {"rules": rules, "wait": "come-back", "ttl": 600, "use-within": 600, "message": ""}


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("verdict: hold", "`reviewers` is missing in this rule"),
        ("verdict: hold, reviewers: {minimum: 2}", "`reviewers` names nobody who could approve"),
        ("verdict: hold, reviewers: {emergency: {groups: [x]}}", "`reviewers` names nobody who could approve"),
        ("verdict: hold, reviewers: {owner: false}", "`reviewers` names nobody who could approve"),
        ("verdict: hold, reviewers: sre", "`reviewers` must be a mapping (key: value)"),
        ("verdict: hold, reviewers: {groups: []}", "`groups` is an empty list, which would match nothing"),
        ("verdict: hold, reviewers: {groups: ['a ']}", "`groups`: 'a ' begins or ends with a space"),
        ("verdict: hold, reviewers: {group: [a], owner: true}", "unknown key `group` in `reviewers`"),
        ("verdict: hold, reviewers: {groups: [a], emergency: {}}", "`emergency` names no groups"),
        (f"verdict: hold, {SRE}, wait: come_back", "`wait` must be wait or come-back, not 'come_back'"),
        (f"verdict: hold, {SRE}, ttl: 9s", "`ttl` must be within 10s and 24h"),
        (f"verdict: hold, {SRE}, use-within: 2d", "`use-within` must be within 10s and 24h"),
        (f"verdict: hold, {SRE}, interactive: true", "`interactive` is for a rule that allows `commands`"),
        (f"verdict: deny, {SRE}", "`reviewers` is for a rule that holds"),
        ("verdict: allow, wait: wait", "`wait` is for a rule that holds"),
        ("verdict: allow, ttl: 10m", "`ttl` is for a rule that holds"),
        ("verdict: allow, message: ask", "`message` is for a rule that holds"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path: Path, keys: str, what: str) -> None:
    assert [(problem.line, problem.what) for problem in problems(tmp_path, f"rules:\n- {{name: r, {keys}}}\n")] == [(2, what)]


@pytest.mark.parametrize("minimum", ["0", "-1", "1.5", "true", "two", str(MOST_APPROVALS + 1)])
def test_a_minimum_is_a_small_number(tmp_path: Path, minimum: str) -> None:
    text = f"rules:\n- {{name: r, verdict: hold, reviewers: {{groups: [a], minimum: {minimum}}}}}\n"
    assert [problem.what for problem in problems(tmp_path, text)] == [f"`minimum` must be a number from 1 to {MOST_APPROVALS}"]
    held = one(tmp_path, f"reviewers: {{groups: [a], minimum: {MOST_APPROVALS}}}").holding
    assert held is not None and held.reviewers.minimum == MOST_APPROVALS


def test_messages_and_lists_of_reviewers_are_bounded(tmp_path: Path) -> None:
    listed = [f"u{number}" for number in range(MOST_REVIEWERS)]
    keys = f"reviewers: {{users: [{', '.join(listed)}]}}, message: {'x' * LONGEST_MESSAGE}"
    held = one(tmp_path, keys).holding
    assert held is not None and held.reviewers.users == tuple(listed) and len(held.message) == LONGEST_MESSAGE
    more = f"reviewers: {{users: [{', '.join([*listed, 'one'])}]}}, message: {'x' * (LONGEST_MESSAGE + 1)}"
    assert len(problems(tmp_path, f"rules:\n- {{name: r, verdict: hold, {more}}}\n")) == 2


def test_a_guardrail_that_holds_leaves_masking_to_the_rule(tmp_path: Path) -> None:
    found = problems(tmp_path, f"rules: []\nguardrails:\n- {{name: g, verdict: hold, {SRE}, mask: ['*']}}\n")
    assert [problem.what for problem in found] == ["`mask` is for a rule that allows"]
    assert one(tmp_path, f"{SRE}, mask: ['*']").obligations.mask == {"*"}
