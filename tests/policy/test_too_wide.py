"""Rules that decide everything are doubted; one that says whom or what it is for is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.policy.doubts import doubts
from l7gw.policy.load import load
from tests.policy.test_doubts import one

NARROWING = (
    *('kinds: ["*"]', "users: [ann]", 'groups: ["*"]', "clusters: [dev]", "namespaces: [dev]", "effects: [read]", "verbs: [get]"),
    *("resources: [pods]", "names: [web]", "commands: [ls], effects: [execute]", "as: {users: [ann]}"),
    *("when: 'request.name != \"x\"'", "budget: {calls: 3, per: 1h}"),
)


@pytest.mark.parametrize("keys", ["", ', effects: ["*"]', ', namespaces: ["*"], resources: ["*"]'])
def test_an_allow_that_names_nobody_and_nothing_is_doubted(tmp_path: Path, keys: str) -> None:
    (doubt,) = doubts([one(tmp_path, f"verdict: allow{keys}")], None)
    assert "rule 'r' allows everything that is not decided before it, to everybody" in doubt and '`kinds: ["*"]` says so' in doubt


@pytest.mark.parametrize("keys", NARROWING)
def test_an_allow_that_says_for_whom_or_for_what_it_is_may_be_meant(tmp_path: Path, keys: str) -> None:
    assert not any("everything" in doubt for doubt in doubts([one(tmp_path, f"verdict: allow, {keys}")], None))


@pytest.mark.parametrize(
    ("keys", "doubted"),
    [
        ("verdict: deny", True),
        ('verdict: deny, users: ["*"], effects: ["*"]', True),
        ("verdict: deny, groups: [x]", False),
        ('verdict: deny, groups: ["*"]', False),  # some callers have none
        ("verdict: deny, effects: [write]", False),
        ("verdict: deny, resources: [secrets]", False),
        ("verdict: hold, reviewers: {groups: [sre]}", False),
    ],
)
def test_a_guardrail_that_denies_everything_is_doubted(tmp_path: Path, keys: str, doubted: bool) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f"guardrails: [{{name: g, {keys}}}]\n")
    found = doubts(load(path).guardrails, None)
    assert found == ["guardrail 'g' denies everything but discovery to everybody: no rule counts beside it"] * doubted
