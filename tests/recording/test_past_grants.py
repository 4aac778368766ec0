"""A grant counts from its approval to its end, for the principal that asked, on one cluster."""

from __future__ import annotations

import pytest

from l7gw.clock import moment
from l7gw.recording.events import GrantRecorded, SessionStarted
from l7gw.recording.past_grants import LONGEST, PastGrants

SECOND = 1_000_000
NOW = 1_779_000_000 * SECOND


def session(user: str = "ann", cluster: str = "prod", **more: str) -> SessionStarted:
    return SessionStarted(
        NOW, "id", cluster, user, ("dev",), more.get("kind", "human"), "https://idp", more.get("actor", ""), "10.0.0.1"
    )


def event(state: str, grant: str = "g1", group: str = "oncall", ends: int = NOW + 3600 * SECOND) -> GrantRecorded:
    return GrantRecorded(
        NOW, grant, state, group, "prod", "approve", "lea", "", 3600, moment(NOW), moment(ends) if state == "approved" else ""
    )


def groups(grants: PastGrants, time: int, of: SessionStarted | None = None) -> list[str]:
    return [one.group for one in grants.at(of or session(), time)]


def test_it_counts_from_its_approval_to_its_end_in_every_session_of_its_holder() -> None:
    grants = PastGrants()
    grants.take(session(), event("pending"))
    assert groups(grants, NOW) == []
    grants.take(session(), event("approved"))
    assert groups(grants, NOW) == groups(grants, NOW + 3600 * SECOND - 1) == ["oncall"]
    assert groups(grants, NOW + 3600 * SECOND) == []
    elsewhere = session()
    elsewhere.address = "10.0.0.9"
    assert groups(grants, NOW, elsewhere) == ["oncall"]


@pytest.mark.parametrize("state", ["revoked", "ended", "expired", "denied", "news"])
def test_whatever_comes_behind_the_approval_ends_it(state: str) -> None:
    grants = PastGrants()
    grants.take(session(), event("approved"))
    grants.take(session(), event("approved", "g2", "dba"))
    grants.take(session(), event(state))
    assert groups(grants, NOW) == ["dba"]


def test_nobody_else_has_it() -> None:
    grants = PastGrants()
    grants.take(session(), event("approved"))
    for other in (session("bob"), session(cluster="stage"), session(kind="agent"), session(actor="bot")):
        assert groups(grants, NOW, other) == []


def test_what_is_long_over_is_forgotten() -> None:
    grants = PastGrants()
    grants.take(session(), event("approved"))
    assert groups(grants, NOW + 2 * LONGEST) == []
    assert grants._of[next(iter(grants._of))] == {}
