"""The grants in force, in memory: whose they are, until when, and that each change is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from l7gw.approval.active_grants import MOST_REMEMBERED, ActiveGrant, ActiveGrants
from l7gw.identity.principal import Principal
from tests.support.manual_clock import ManualClock

ANN = Principal("ann", ("dev",), "human", "https://idp", address="10.0.0.1")
HOLDER = ("https://idp", "ann", "human", "", "prod")


def grant(clock: ManualClock, name: str = "g", seconds: float = 60, **fields: object) -> ActiveGrant:
    about = {
        "id": name,
        "group": "oncall",
        "holder": HOLDER,
        "ends": int((clock.wall() + seconds) * 1e6),
        "lasts": int(seconds * 1e6),
    }
    return ActiveGrant(**about | fields)  # type: ignore[arg-type]


def ids(active: ActiveGrants, who: Principal = ANN, cluster: str = "prod") -> list[str]:
    return [one.id for one in active.of(who, cluster)]


@pytest.mark.parametrize(
    "other",
    [
        replace(ANN, user="eve"),
        replace(ANN, issuer="https://other"),
        replace(ANN, kind="agent"),
        replace(ANN, actor="bot"),
    ],
)
def test_a_grant_is_of_exactly_one_principal_on_one_cluster(other: Principal) -> None:
    clock = ManualClock()
    active = ActiveGrants(clock)
    active.replace([grant(clock)], {}, clock.wall())
    assert ids(active) == ids(active, replace(ANN, address="10.9.9.9", groups=(), expires=5.0)) == ["g"]
    assert ids(active, other) == ids(active, cluster="dev") == []


def test_a_grant_ends_at_its_time_before_any_tick_and_its_end_is_told() -> None:
    clock = ManualClock()
    active = ActiveGrants(clock)
    told: list[int] = []
    active.when_changed(lambda: told.append(active.generation))
    active.replace([grant(clock), grant(clock, "h", 90)], {}, clock.wall())
    clock.advance(60)
    assert ids(active) == ["h"] and not active.has("g")
    assert active.tick() == ["g"] and active.tick() == []
    assert told == [1, 2] and active.why_over("g").startswith("ended at 20") and active.known == ("h",)


def test_a_clock_that_is_set_back_makes_no_grant_longer_and_wakes_none() -> None:
    clock = ManualClock()
    active = ActiveGrants(clock)
    one = grant(clock)
    active.replace([one], {}, clock.wall())
    clock.advance(30)
    clock._wall -= 3600
    active.replace([one], {}, clock.wall())
    clock.advance(29)
    assert ids(active) == ["g"]
    clock.advance(1)
    assert ids(active) == []
    active.tick()
    active.replace([one], {}, clock.wall())  # the database has not noticed yet
    assert ids(active) == [] and not active.has("g")


def test_a_clock_that_was_set_back_while_the_gateway_was_down_makes_no_grant_longer_than_it_was_given() -> None:
    clock = ManualClock()
    one = grant(clock)
    clock._wall -= 86400
    started = ActiveGrants(clock)
    started.replace([one], {}, clock.wall())
    clock.advance(59)
    started.replace([one], {}, clock.wall())
    assert ids(started) == ["g"]
    clock.advance(1)
    assert ids(started) == []


def test_what_is_read_again_without_a_change_is_no_change() -> None:
    clock = ManualClock()
    active = ActiveGrants(clock)
    active.replace([grant(clock)], {}, clock.wall())
    active.replace([grant(clock)], {}, clock.wall())
    assert active.generation == 1
    active.replace([], {"g": "was revoked by lea"}, clock.wall())
    assert active.generation == 2 and active.why_over("g") == "was revoked by lea" and ids(active) == []
    active.drop("g", "again")
    assert active.generation == 2
    assert active.why_over("never heard of") == "has ended"


def test_one_that_is_taken_back_leaves_the_others() -> None:
    clock = ManualClock()
    active = ActiveGrants(clock)
    active.replace([grant(clock), grant(clock, "h", group="dba")], {}, clock.wall())
    active.drop("g", "was revoked by lea")
    assert ids(active) == ["h"] and active.generation == 2


def test_the_words_of_those_that_are_over_do_not_pile_up() -> None:
    clock = ManualClock()
    active = ActiveGrants(clock)
    for number in range(MOST_REMEMBERED + 10):
        active.replace([grant(clock, str(number))], {}, clock.wall())
    assert len(active._words) == MOST_REMEMBERED
