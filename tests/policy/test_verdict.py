"""A verdict is spelled in one way."""

from __future__ import annotations

from l7gw.hold_terms import HoldTerms, Reviewers, RuleTerms
from l7gw.policy.verdict import Verdict


def test_a_verdict_is_spelled_as_in_rules_and_records() -> None:
    assert Verdict(True, "r", "").decision == "allow"
    assert Verdict(False, "", "no rule allows it").decision == "deny"
    terms = HoldTerms((RuleTerms("r", Reviewers(groups=("sre",))),), "wait", ttl=600, use_within=600)
    assert Verdict(False, "r", "", hold=terms).decision == "hold"


def test_a_verdict_that_needs_more_is_a_denial_for_whoever_does_not_ask_again() -> None:
    assert Verdict(False, "r", "", needs="object", remember=False).decision == "deny"
