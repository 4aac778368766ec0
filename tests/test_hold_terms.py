"""One hold asks for what each of its rules asks for."""

from __future__ import annotations

from l7gw.hold_terms import HoldTerms, Reviewers, RuleTerms, together

SRE, LEA = Reviewers(groups=("sre",), minimum=2), Reviewers(users=("lea",))


def test_a_hold_of_several_rules_needs_each_ones_reviewers_in_the_shortest_time() -> None:
    first = HoldTerms((RuleTerms("a", SRE),), "wait", ttl=600, use_within=60)
    second = HoldTerms((RuleTerms("b", LEA),), "come-back", ttl=300, use_within=600, message="ask lea")
    both = together([first, second])
    assert both == HoldTerms((RuleTerms("a", SRE), RuleTerms("b", LEA)), "come-back", 300, 60, "ask lea")
    assert both.names == ("a", "b")


def test_a_hold_of_one_rule_is_what_the_rule_says() -> None:
    only = HoldTerms((RuleTerms("a", SRE),), "wait", ttl=600, use_within=60)
    assert together([only]) is only
