"""A rule that an earlier one hides whole is found, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.policy.doubts import doubts
from l7gw.policy.load import load
from l7gw.policy.patterns import Globs
from l7gw.policy.rules import Rule
from l7gw.policy.shadows import Earlier, hides

SRE = "reviewers: {groups: [sre]}"


def found(tmp_path: Path, first: str, second: str, *, section: str = "rules") -> list[str]:
    path = tmp_path / "policy.yaml"
    path.write_text(f"{section}:\n- {{name: a, {first}}}\n{'rules:' if section != 'rules' else ''}\n- {{name: b, {second}}}\n")
    guardrails, rules, *_ = load(path)
    return [doubt for doubt in doubts((*guardrails, *rules), None) if "never reached" in doubt]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("verdict: allow", "verdict: allow"),
        ("verdict: allow, effects: [read, write]", "verdict: allow, effects: [read]"),
        (
            "verdict: allow, effects: [read], groups: [eng*]",
            "verdict: allow, effects: [read], groups: [engineers, 'engine*'], resources: [pods]",
        ),
        ("verdict: deny, namespaces: [prod*]", "verdict: allow, namespaces: [prod-1]"),
        (f"verdict: hold, {SRE}, namespaces: ['prod*']", "verdict: allow, namespaces: [prod]"),
        (f"verdict: hold, {SRE}, effects: [write]", f"verdict: hold, {SRE}, effects: [write], names: [web]"),
        ('verdict: allow, effects: ["*"]', "verdict: deny, effects: [delete]"),
        ("verdict: allow, effects: [delete, secrets, other]", "verdict: deny, resources: [secrets], effects: [delete]"),
        (
            "verdict: allow, resources: ['*.apps'], effects: [read]",
            "verdict: allow, resources: [deployments.apps], effects: [read]",
        ),
        ("verdict: allow, kinds: [agent, human]", "verdict: allow, kinds: [agent]"),
        ("verdict: allow, commands: ['ps **', ls], effects: [execute]", "verdict: allow, commands: [ls], effects: [execute]"),
    ],
)
def test_a_rule_that_an_earlier_one_hides_whole_is_doubted_and_the_doubt_names_that(
    tmp_path: Path, first: str, second: str
) -> None:
    assert found(tmp_path, first, second) == ["rule 'b' is never reached: rule 'a' in line 2 decides every call that it matches"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("verdict: allow, effects: [read]", "verdict: allow, effects: [read, write]"),
        ("verdict: allow, groups: [a]", "verdict: allow, groups: [a*]"),
        ("verdict: allow, groups: ['*']", "verdict: allow"),  # a caller may have no groups
        ("verdict: allow, namespaces: [dev]", "verdict: allow, namespaces: [dev, prod]"),
        ('verdict: allow, namespaces: [dev], effects: ["*"]', "verdict: deny, namespaces: [dev]"),  # a call about all namespaces
        ("verdict: allow, effects: [read]", "verdict: deny, effects: [read]"),  # the call may have another effect beside
        ('verdict: allow, namespaces: ["*"], effects: ["*"]', "verdict: allow, effects: [other]"),  # paths
        (
            "verdict: allow, commands: [ps], effects: [execute]",
            "verdict: allow, commands: [ps], effects: [execute], interactive: true",
        ),
        ("verdict: allow, verbs: [get]", "verdict: allow"),
        ("verdict: allow, kinds: [agent]", "verdict: allow"),
        ("verdict: allow, resources: [pods]", "verdict: allow, resources: ['*']"),
        ("verdict: deny, clusters: [prod]", "verdict: allow, clusters: ['*']"),
        ("verdict: allow, when: 'request.name != \"\"'", "verdict: allow"),
    ],
)
def test_a_rule_that_some_call_reaches_is_not_doubted(tmp_path: Path, first: str, second: str) -> None:
    assert found(tmp_path, first, second) == []


def test_a_guardrail_that_denies_hides_rules_and_one_that_holds_hides_none(tmp_path: Path) -> None:
    assert found(tmp_path, "verdict: deny, effects: [delete]", "verdict: allow, effects: [delete]", section="guardrails") == [
        "rule 'b' is never reached: guardrail 'a' in line 2 decides every call that it matches"
    ]
    assert (
        found(tmp_path, f"verdict: hold, {SRE}, effects: [delete]", "verdict: allow, effects: [delete]", section="guardrails") == []
    )


NAMES = st.lists(st.sampled_from(("a", "b", "ab", "a*", "*")), min_size=1, max_size=2).map(Globs)
RULES = st.builds(
    Rule,
    name=st.just("r"),
    allow=st.booleans(),
    guardrail=st.just(False),
    users=st.none() | NAMES,
    groups=st.none() | NAMES,
    clusters=st.none() | NAMES,
    kinds=st.none() | st.just(frozenset(("human",))),
    effects=st.sampled_from((frozenset(("read",)), frozenset(("read", "write")))),
)


@given(st.lists(RULES, min_size=2, max_size=8))
def test_the_first_rule_that_hides_is_found_as_when_all_are_compared(rules: list[Rule]) -> None:
    *before, rule = rules
    earlier = Earlier()
    for one in before:
        earlier.add(one)
    assert earlier.hiding(rule) is next((one for one in before if hides(one, rule)), None)
