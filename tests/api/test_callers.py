"""Who calls the API, how he proved it, and which holds he sees (threats G3)."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from l7gw.api.callers import Caller, Peer, as_seen, of_peer, of_principal, sees
from l7gw.approval.messages import Asked, Hold, Requester, Shown
from l7gw.approval.people import People
from l7gw.approval.rows import _hold
from l7gw.config.settings import Person
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers
from l7gw.identity.principal import Principal
from l7gw.identity.remembered import digest
from tests.support.desks import ANN, SRE, asked, terms
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import Issuer

PEOPLE = People([Person("ann", ("cert:ann",))])
AGENT = Requester(user="ann", kind="agent", actor="coder", issuer="https://idp.example.com")


def hold(who: Requester = ANN, reviewers: Reviewers = SRE) -> Hold:
    call: Asked = asked(who=who, terms=terms(("rule", reviewers), wait="come-back"))
    row: dict[str, Any] = {"id": "x", "state": "pending", "created": 0, "expires": 0, "ended": None, "why": "", "replaces": ""}
    return _hold(SimpleNamespace(**row), call, ())


def caller(user: str, *groups: str, **fields: Any) -> Caller:
    issuer = fields.pop("issuer", "https://idp.example.com")
    return of_principal(Principal(user, groups, issuer=issuer, **fields), None, (b"der",), None)


def does_see(who: Caller, what: Hold) -> bool:
    return sees(who, what, PEOPLE.person)


def test_root_at_the_socket_is_local_root_and_sees_every_hold() -> None:
    root = of_peer(Peer(1, 0, 0))
    assert root.reviewer is not None and root.reviewer.local
    assert does_see(root, hold())


def test_the_gateways_own_user_at_the_socket_looks_and_is_no_reviewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 992)
    own = of_peer(Peer(1, 992, 992))
    assert own.reviewer is None
    assert does_see(own, hold())


def test_another_user_at_the_socket_must_send_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Refusal) as refused:
        of_peer(Peer(1, 1000, 1000))
    assert refused.value.code == 401


def test_a_token_at_the_socket_reviews_as_its_person_and_not_as_root() -> None:
    token = Issuer(ManualClock()).token(sub="lea")
    found = of_principal(Principal("lea", ("sre",), issuer="https://idp.example.com"), token, (), Peer(1, 0, 0))
    assert found.reviewer is not None
    assert (found.reviewer.principal.user, found.reviewer.proven, found.reviewer.local) == ("lea", "oidc", False)
    assert found.sees_all


@pytest.mark.parametrize(
    ("claim", "known"), [({"auth_time": 1700}, 1700.0), ({}, None), ({"auth_time": "1700"}, None), ({"auth_time": True}, None)]
)
def test_when_somebody_logged_in_is_read_from_the_token(claim: dict[str, Any], known: float | None) -> None:
    token = Issuer(ManualClock()).token(sub="lea", **claim)
    found = of_principal(Principal("lea", issuer="https://idp.example.com"), token, (), None).reviewer
    assert found is not None and found.auth_time == known and found.token_digest == digest(token)


def test_a_certificate_is_told_apart_by_its_own_bytes() -> None:
    found = of_principal(Principal("lea", issuer="client-certificate"), None, (b"own", b"authority"), None).reviewer
    assert found is not None and (found.proven, found.token_digest) == ("client-certificate", digest(b"own"))


def test_what_is_neither_a_token_of_an_issuer_nor_a_certificate_proves_too_little_to_review() -> None:
    found = caller("lea", "sre", issuer="aws")
    assert found.reviewer is not None and found.reviewer.proven == "aws"
    assert not does_see(found, hold())


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (caller("lea", "sre"), True),
        (caller("lea", "dev"), False),
        (caller("lea"), False),
        (caller("rob", "dev"), False),
        (caller("bot", "sre", kind="agent"), False),
        (caller("job", "sre", kind="workload"), False),
        (caller("lea", "sre", actor="coder"), False),
        (caller("ann", "dev"), True),
        (caller("cert:ann", issuer="client-certificate"), True),
    ],
)
def test_a_hold_is_seen_by_who_could_review_it_and_by_who_asked(who: Caller, seen: bool) -> None:
    assert does_see(who, hold()) is seen


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (caller("ann"), True),
        (caller("ann", kind="agent", actor="coder"), True),
        (caller("coder", kind="agent"), True),
        (caller("ann", kind="agent", actor="other"), False),
        (caller("rob", kind="agent", actor="coder"), False),
    ],
)
def test_an_agents_hold_is_seen_by_the_agent_and_its_person_and_by_no_other_agent(who: Caller, seen: bool) -> None:
    assert does_see(who, hold(AGENT)) is seen


@pytest.mark.parametrize(
    ("reviewers", "seen"),
    [
        (Reviewers(users=("lea",)), True),
        (Reviewers(users=("l*",)), True),
        (Reviewers(groups=("team-*",)), True),
        (Reviewers(groups=("none",), emergency=("team-a",)), True),
        (Reviewers(users=("rob",), owner=True), False),
    ],
)
def test_reviewers_are_meant_by_user_by_group_and_by_emergency(reviewers: Reviewers, seen: bool) -> None:
    assert does_see(caller("lea", "team-a"), hold(reviewers=reviewers)) is seen


@pytest.mark.parametrize(
    ("who", "reviewers", "shown"),
    [
        (caller("ann"), Reviewers(groups=("sre",)), False),  # her call, of an object that the policy may forbid her to read
        (caller("ann", kind="agent", actor="coder"), Reviewers(groups=("sre",), owner=True), False),
        (caller("ann"), Reviewers(owner=True), True),
        (caller("lea", "sre"), Reviewers(groups=("sre",)), True),
    ],
)
def test_what_a_call_would_do_is_shown_to_reviewers_alone(who: Caller, reviewers: Reviewers, shown: bool) -> None:
    asked = msgspec.structs.replace(hold(AGENT, reviewers=reviewers), shown=Shown(diff="-a"))
    assert does_see(who, asked)
    assert as_seen(who, asked, PEOPLE.person).shown == (Shown(diff="-a") if shown else Shown())
