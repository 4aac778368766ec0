"""Who may end a call that is under way."""

from __future__ import annotations

import pytest

from l7gw.api.callers import Caller
from l7gw.api.running import ends_calls, may_end
from l7gw.approval.messages import Requester, Reviewer, local_root
from l7gw.approval.people import People
from l7gw.config.settings import Person
from l7gw.hold_terms import Reviewers
from l7gw.identity.principal import Principal
from tests.support.endable_calls import Call

PEOPLE = People((Person(user="ann", also=("cert:ann",)),))


def caller(user: str, *groups: str, kind: str = "human", actor: str = "", proven: str = "oidc", sees_all: bool = False) -> Caller:
    principal = Principal(user, groups, kind=kind, actor=actor)  # type: ignore[arg-type]
    reviewer = Reviewer(principal=principal, proven=proven, token_digest="")  # type: ignore[arg-type]
    return Caller(name=user, reviewer=reviewer, sees_all=sees_all)


OWN, AGENTS = Call(Requester(user="ann")), Call(Requester(user="ann", kind="agent", actor="bot"))
HELD = Call(Requester(user="bob"), Reviewers(groups=("sre",)), Reviewers(users=("l*",), emergency=("night",)))


@pytest.mark.parametrize(
    ("who", "call", "may"),
    [
        (caller("ann"), OWN, True),
        (caller("ann"), AGENTS, True),
        (caller("cert:ann", proven="client-certificate"), OWN, True),
        (caller("bot"), AGENTS, True),
        (caller("eve", "sre"), OWN, False),
        (caller("eve", "sre"), HELD, True),
        (caller("lea"), HELD, True),
        (caller("dan", "night"), HELD, True),
        (caller("dan", "dev"), HELD, False),
        (caller("ann", kind="agent"), OWN, False),
        (caller("ann", kind="workload"), OWN, False),
        (caller("ann", actor="bot", kind="agent"), AGENTS, False),
        (caller("ann", actor="bot"), OWN, False),
        (caller("ann", proven="aws"), OWN, False),
        (caller("eve", "sre", kind="agent"), HELD, False),
        (caller("eve", sees_all=True), OWN, True),
        (Caller(name="local:root", reviewer=local_root, sees_all=True), HELD, True),
        (Caller(name="the gateway's own user", reviewer=None, sees_all=True), HELD, True),
        (Caller(name="nobody", reviewer=None), OWN, False),
    ],
)  # fmt: skip
def test_root_his_own_person_and_the_reviewers_of_its_rule_end_a_call_and_nobody_else(who: Caller, call: Call, may: bool) -> None:
    assert may_end(who, call, PEOPLE) is may


def test_a_person_is_who_has_proven_it_and_acts_for_nobody() -> None:
    assert (
        ends_calls(caller("ann"))
        and not ends_calls(caller("ann", kind="agent"))
        and not ends_calls(Caller(name="x", reviewer=None))
    )
