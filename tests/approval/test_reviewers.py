"""Who counts for which rule, and who never counts (threats G3)."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.approval.messages import Asked, Requester, Review, Reviewer, local_root
from l7gw.approval.people import People
from l7gw.approval.reviewers import FRESH, SKEW, Counts, counts
from l7gw.config.settings import Person
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers
from tests.support.desks import NO, YES, asked, reviewer, terms

NOW = 1_700_000_000.0
PEOPLE = People((Person("ann", ("aws:ann", "cert:ann", "sub-of-ann")),))
OWNED = terms(("owned", Reviewers(owner=True)))
AGENT = Requester(user="ann", kind="agent", actor="bot", issuer="https://idp")
FORCE = Review(verdict="approve", force=True, reason="the site is down")


def of(call: Asked, who: Reviewer, said: Review = YES, *, local: bool = False) -> Counts:
    return counts(call, who, said, PEOPLE, local=local, now=NOW)


def refused(call: Asked, who: Reviewer, said: Review = YES, *, local: bool = False) -> str:
    with pytest.raises(Refusal) as found:
        of(call, who, said, local=local)
    assert found.value.code == (400 if "reason" in found.value.message else 403)
    return found.value.message


def test_a_reviewer_counts_for_each_rule_that_he_fits() -> None:
    three = terms(("a", Reviewers(groups=("sre",))), ("b", Reviewers(users=("rob",))), ("c", Reviewers(groups=("security",))))
    assert of(asked(terms=three), reviewer("rob", "sre")).rules == ("a", "b")
    assert of(asked(terms=three), reviewer("eve", "security", "sre")).rules == ("a", "c")
    assert of(asked(terms=terms(("a", Reviewers(groups=("sre-*",))))), reviewer("eve", "sre-west")).rules == ("a",)


def test_who_fits_no_rule_is_told_whom_the_rules_ask() -> None:
    two = terms(("a", Reviewers(groups=("sre",), users=("rob",))), ("b", Reviewers(owner=True)), ("c", Reviewers()))
    assert refused(asked(terms=two), reviewer("eve", "dev")) == (
        "'eve' is not among the reviewers: rule 'a' asks users rob or groups sre; rule 'b' asks the owner of the agent; rule 'c' asks nobody"
    )


@pytest.mark.parametrize("said", [YES, NO], ids=["approve", "deny"])
@pytest.mark.parametrize(
    ("who", "why"),
    [
        (reviewer(kind="agent"), "agents and workloads"), (reviewer(kind="workload"), "agents and workloads"),
        (reviewer(actor="bot"), "agents and workloads"), (reviewer(proven="aws"), "AWS tokens never approve"),
    ],
    ids=["agent", "workload", "actor", "aws"],
)  # fmt: skip
def test_agents_workloads_and_aws_tokens_review_nothing(who: Reviewer, why: str, said: Review) -> None:
    assert why in refused(asked(), who, said)


@pytest.mark.parametrize("name", ["ann", "aws:ann", "cert:ann"])
@pytest.mark.parametrize("asking", ["ann", "aws:ann", "cert:ann"])
def test_nobody_approves_his_own_call_under_any_of_his_names(name: str, asking: str) -> None:
    call = asked(who=Requester(user=asking), person="ann")
    assert refused(call, reviewer(name, "sre")) == "nobody approves his own call, under whatever name"
    assert of(call, reviewer(name, "sre"), NO).rules == ("writes",)  # he may always say no


def test_a_name_that_is_no_longer_the_persons_still_cannot_approve_what_he_asked_as_that_person() -> None:
    call = asked(who=Requester(user="former:ann"), person="ann")
    assert "his own call" in refused(call, reviewer("cert:ann"))


def test_an_agents_call_is_approved_by_neither_the_agent_nor_the_person_unless_a_rule_says_so() -> None:
    assert "his own call" in refused(asked(who=AGENT), reviewer("ann"))
    assert "his own call" in refused(asked(who=AGENT, person="x"), reviewer("cert:ann"))
    assert "his own call" in refused(asked(who=Requester(user="eve", kind="agent", actor="sub-of-ann")), reviewer("ann"))
    assert of(asked(who=AGENT), reviewer("rob")).rules == ("writes",)


def owner(**fields: Any) -> Reviewer:
    return reviewer("cert:ann", "dev", **{"auth_time": NOW - 60} | fields)


@pytest.mark.parametrize("ago", [FRESH, 0.0, -SKEW])
def test_the_owner_of_an_agent_approves_it_by_a_fresh_login_where_a_rule_says_so(ago: float) -> None:
    assert of(asked(who=AGENT, terms=OWNED), owner(auth_time=NOW - ago)).rules == ("owned",)


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (owner(auth_time=NOW - FRESH - 1), "more than 10 minutes ago"), (owner(auth_time=NOW + SKEW + 1), "more than 10 minutes ago"),
        (owner(auth_time=None), "claim auth_time"), (owner(token_digest="used"), "another credential"),
        (owner(token_digest=""), "another credential"),
    ],
    ids=["old", "from the future", "unsaid", "the agent's", "unknown"],
)  # fmt: skip
def test_the_owner_of_an_agent_needs_a_fresh_login_and_a_credential_of_his_own(who: Reviewer, why: str) -> None:
    assert why in refused(asked(who=AGENT, terms=OWNED, tokens=("used",)), who)


def test_an_owner_counts_only_for_the_rules_that_ask_for_the_owner() -> None:
    both = terms(("a", Reviewers(groups=("dev",))), ("b", Reviewers(owner=True)))
    assert of(asked(who=AGENT, terms=both), owner()).rules == ("b",)


def test_without_an_agent_there_is_no_owner() -> None:
    assert "only as the owner" in refused(asked(terms=OWNED), owner())
    assert "only as the owner" in refused(asked(who=Requester(user="ann", kind="agent"), terms=OWNED), owner())
    assert "not among" in refused(asked(who=AGENT, terms=OWNED), reviewer("rob", auth_time=NOW))


def test_root_at_the_socket_is_an_approval_only_where_the_configuration_says_so() -> None:
    two = asked(terms=terms(("a", Reviewers(groups=("sre",))), ("b", Reviewers(owner=True))))
    assert of(two, local_root, local=True).rules == ("a", "b")
    for said in (YES, NO):
        assert "reviews: {local: true}" in refused(two, local_root, said)
    assert "no emergency group" in refused(two, local_root, FORCE, local=True)


def test_a_member_of_an_emergency_group_forces_with_a_reason() -> None:
    call = asked(
        terms=terms(("a", Reviewers(groups=("sre",), minimum=2, emergency=("oncall",))), ("b", Reviewers(groups=("sre",))))
    )
    assert of(call, reviewer("rob", "oncall"), FORCE) == Counts(("a",), ("a",))
    assert of(call, reviewer("rob", "oncall", "sre"), FORCE) == Counts(("a", "b"), ("a",))
    assert of(call, reviewer("rob", "oncall", "sre")) == Counts(("a", "b"))
    assert "emergency groups" in refused(call, reviewer("rob", "sre"), FORCE)
    assert "not among" in refused(call, reviewer("rob", "oncall"))
    assert "a reason" in refused(call, reviewer("rob", "oncall"), Review(verdict="approve", force=True, reason=" "))
    assert "emergency groups" in refused(call, reviewer("ann", "oncall"), FORCE)
    assert of(call, reviewer("rob", "oncall"), NO).rules == ("a",)
