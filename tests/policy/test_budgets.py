"""The budget of a rule: read with its defaults, each mistake with its line, and what the policy says beyond it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.budget_terms import BudgetTerms, Limit
from l7gw.errors import ConfigurationError
from l7gw.hold_terms import LONGEST_MESSAGE
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.policy.budgets import MOST_COUNTED, beyond, document, in_words, used_up
from l7gw.policy.doubts import doubts
from l7gw.policy.judge import Policy
from l7gw.policy.load import load

BOT = Principal("bot", kind="agent")
DELETE = describe("DELETE", "/api/v1/namespaces/dev/pods/a")
SWEEP = describe("DELETE", "/api/v1/namespaces/dev/pods")
FIVE = "budget: {deletes: 5, per: 10m}"
SRE = "reviewers: {groups: [sre]}"


def policy(folder: Path, keys: str, before: str = "", after: str = "") -> Policy:
    (folder / "p.yaml").write_text(f"{before}rules:\n- {{name: r, verdict: allow, {keys}}}\n{after}")
    return Policy.load(folder / "p.yaml")


def test_a_call_within_a_budget_is_allowed_and_never_remembered(tmp_path: Path) -> None:
    verdict = policy(tmp_path, FIVE).judge(BOT, "c", DELETE)
    assert (verdict.decision, verdict.remember) == ("allow", False)
    assert verdict.budget == BudgetTerms("r", (Limit("deletes", 5),), 600, None)
    assert policy(tmp_path, FIVE).holds  # it needs the database


@pytest.mark.parametrize("before", ["", f"defaults: {{{SRE}, ttl: 5m}}\n"])
def test_what_is_beyond_it_is_held_by_the_rules_or_the_default_reviewers(tmp_path: Path, before: str) -> None:
    keys = f"{FIVE}, message: slow down" + ("" if before else f", {SRE}, ttl: 5m")
    verdict = policy(tmp_path, keys, before).judge(BOT, "c", DELETE)
    held = beyond(verdict, "it is used up")
    assert held.decision == "hold" and held.hold is not None and held.budget == verdict.budget and not held.remember
    assert (held.hold.names, held.hold.ttl, held.hold.wait) == (("r",), 300, "come-back")
    assert held.hold.message == "it is used up. slow down" and held.reason == "held by rule 'r': it is used up"


def test_what_is_beyond_it_is_denied_where_nobody_reviews(tmp_path: Path) -> None:
    verdict = beyond(policy(tmp_path, FIVE).judge(BOT, "c", DELETE), "it is used up")
    assert (verdict.decision, verdict.rule, verdict.reason) == ("deny", "r", "denied by rule 'r': it is used up. Nothing was done")


def test_a_guardrail_and_a_budget_hold_a_call_together_and_a_denial_beats_both(tmp_path: Path) -> None:
    guard = "guardrails:\n- {name: g, verdict: hold, reviewers: {users: [lea]}, message: why}\n"
    verdict = policy(tmp_path, f"{FIVE}, {SRE}, message: '{'x' * 299}'", guard).judge(BOT, "c", DELETE)
    assert verdict.hold is not None and verdict.hold.names == ("g",)
    held = beyond(verdict, "it is used up").hold
    assert held is not None and held.names == ("g", "r")
    assert held.message.startswith("it is used up. xxx") and len(held.message) == LONGEST_MESSAGE
    nobody = beyond(policy(tmp_path, FIVE, guard).judge(BOT, "c", DELETE), "it is used up")
    assert (nobody.decision, nobody.rule) == ("deny", "r")


@pytest.mark.parametrize("keys", [FIVE, "budget: {calls: 9, per: 1h}", "budget: {writes: 9, per: 1h}"])
@pytest.mark.parametrize("more", ["", ", when: 'request.namespace == \"dev\"'"])
def test_a_deletecollection_exceeds_any_budget(tmp_path: Path, keys: str, more: str) -> None:
    assert policy(tmp_path, keys + more).judge(BOT, "c", SWEEP).decision == "deny"
    held = policy(tmp_path, f"{keys}, {SRE}{more}").judge(BOT, "c", SWEEP)
    assert held.decision == "hold" and held.hold is not None and held.hold.message.startswith("a deletecollection exceeds any")
    assert policy(tmp_path, f"{keys}{more}").judge(BOT, "c", DELETE).decision == "allow"


def test_the_tests_of_a_policy_take_its_budgets_as_fresh(tmp_path: Path) -> None:
    case = "tests:\n- {as: {user: bot, kind: agent}, call: kubectl delete pod a, verdict: allow, rule: r}\n"
    sweep = "- {as: {user: bot, kind: agent}, call: DELETE /api/v1/namespaces/dev/pods, verdict: hold, rule: r}\n"
    assert policy(tmp_path, f"budget: {{deletes: 1, per: 10m}}, {SRE}", after=case + case[7:] + sweep).tests == 3


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("budget: 5", "`budget` must be a mapping (key: value)"),
        ("budget: {deletes: 5}", "`per` is missing in `budget`"),
        ("budget: {per: 10m}", "`budget` counts none of calls, writes, deletes, executes"),
        ("budget: {deletes: 0, per: 10m}", f"`deletes` must be a number from 1 to {MOST_COUNTED}"),
        (f"budget: {{deletes: {MOST_COUNTED + 1}, per: 10m}}", f"`deletes` must be a number from 1 to {MOST_COUNTED}"),
        ("budget: {deletes: true, per: 10m}", f"`deletes` must be a number from 1 to {MOST_COUNTED}"),
        ("budget: {deletes: 5, per: 9s}", "`per` must be within 10s and 24h"),
        ("budget: {deletes: 5, per: 2d}", "`per` must be within 10s and 24h"),
        ("budget: {deletes: 5, per: 10m, x: 1}", "unknown key `x` in `budget`"),
        (f"{FIVE}, effects: [read]", "`budget` counts deletes, and the rule allows no delete"),
        (f"{FIVE}, ttl: 5m", "`ttl` is for a rule that holds"),
        (f"{FIVE}, reviewers: {{minimum: 2}}", "`reviewers` names nobody who could approve"),
        (SRE, "`reviewers` is for a rule that holds"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path: Path, keys: str, what: str) -> None:
    assert problems(tmp_path, f"rules:\n- {{name: r, verdict: allow, {keys}}}\n") == [(2, what)]


@pytest.mark.parametrize("verdict", ["deny", f"hold, {SRE}"])
def test_a_budget_is_for_a_rule_that_allows(tmp_path: Path, verdict: str) -> None:
    what = "`budget` is for a rule that allows"
    assert problems(tmp_path, f"rules:\n- {{name: r, verdict: {verdict}, {FIVE}}}\n") == [(2, what)]
    assert problems(tmp_path, f"guardrails:\n- {{name: r, verdict: {verdict}, {FIVE}}}\n") == [(2, what)]
    assert [what for _, what in problems(tmp_path, f"defaults: {{{FIVE}}}\nrules: []\n")] == ["unknown key `budget` in `defaults`"]


def problems(folder: Path, text: str) -> list[tuple[int, str]]:
    (folder / "p.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(folder / "p.yaml")
    return [(problem.line, problem.what) for problem in caught.value.problems]


def test_reviewers_of_a_budget_whom_nobody_can_name_are_a_doubt(tmp_path: Path) -> None:
    rules = policy(tmp_path, f"{FIVE}, reviewers: {{users: [lea], minimum: 2}}").rules
    assert doubts(rules, None) == ["rule 'r' needs 2 approvals, and its reviewers are fewer"]


def test_a_budget_is_told_in_words_and_as_json(tmp_path: Path) -> None:
    def terms(keys: str) -> Any:
        return policy(tmp_path, keys).judge(BOT, "c", DELETE).budget

    assert in_words(terms(FIVE)) == [
        "rule 'r' has a budget of 5 deletes per 10m, for each person",
        "beyond it the call is denied, until fewer have passed in the last 10m",
    ]
    assert in_words(terms(f"{FIVE}, {SRE}"))[1] == "beyond it rule 'r' needs an approval by group sre"
    assert document(terms("budget: {calls: 9, deletes: 5, per: 10m}")) == {"calls": 9, "deletes": 5, "per": 600, "beyond": None}
    assert document(terms(f"{FIVE}, {SRE}"))["beyond"]["ttl"] == 600  # type: ignore[index]
    assert used_up(Limit("deletes", 5), 600, 1_700_000_000_000_001) == (
        "the budget of 5 deletes per 10m is used up until 2023-11-14 22:13:21Z"
    )
