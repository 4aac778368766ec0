"""What another gateway changes is told here at once: to the call that waits, and to everybody who watches."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from l7gw.approval.messages import Hold
from l7gw.approval.overheard import MOST_NOTED, Overheard
from l7gw.approval.states import TOPIC
from l7gw.store.bell import Bell
from tests.support.desks import NO, Waits, asked, reviewer, seat, terms
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.usefixtures("each_database")
BACK = terms(wait="come-back", ttl=3600)


def test_a_review_elsewhere_reaches_the_call_and_the_watchers_before_any_tick(tmp_path: Path) -> None:
    async def elsewhere() -> None:
        clock, waiter, seen, bell = ManualClock(), Waits(), [], Bell()
        async with seat(tmp_path / "s", clock) as here, seat(tmp_path / "s", clock) as there:
            bell.subscribe(TOPIC, here.desk.rang)
            here.desk.watch(lambda hold: seen.append((hold.id, hold.state)))
            hold = await here.held(asked(), waiter)
            back = await there.held(asked("b", terms=BACK))
            bell.rang(f"{TOPIC} {back.id}")
            await there.review(hold, reviewer())
            bell.rang(f"{TOPIC} {hold.id}")
            await there.review(back, reviewer(), NO)
            bell.rang(f"{TOPIC} {back.id}")
            bell.rang(f"{TOPIC} no-such-hold")
            for _ in range(3):
                await here.settled()
            assert waiter.told == ["approved"] and await here.claim(hold, "b-a")
            assert [one for one in seen if one[0] == back.id][-1] == (back.id, "denied")
            assert (hold.id, "approved") in seen

    asyncio.run(elsewhere())


def test_after_a_silence_everything_alive_and_what_ended_lately_is_told(tmp_path: Path) -> None:
    async def silence() -> None:
        clock, seen = ManualClock(), []
        async with seat(tmp_path / "s", clock) as here, seat(tmp_path / "s", clock) as there:
            long_ago = await there.held(asked("0", terms=BACK))
            await there.review(long_ago, reviewer(), NO)
            clock.advance(601)
            ended, alive = await there.held(asked("1", terms=BACK)), await there.held(asked("2", terms=BACK))
            await there.review(ended, reviewer(), NO)
            here.desk.watch(lambda hold: seen.append((hold.id, hold.state)))
            here.desk.rang("")
            await here.settled()
            assert seen == [(ended.id, "denied"), (alive.id, "pending")]

    asyncio.run(silence())


def test_where_nobody_waits_or_watches_nothing_is_read(tmp_path: Path) -> None:
    async def quiet() -> None:
        async with seat(tmp_path / "s") as here:
            before = here.desk._overheard._reading
            here.desk.rang("a")
            assert (before, here.desk._overheard._reading) == (False, False)

    asyncio.run(quiet())


def test_more_changes_than_are_noted_are_read_as_what_is_alive(tmp_path: Path) -> None:
    async def flood() -> None:
        told: list[Hold] = []
        async with seat(tmp_path / "s") as here:
            hold = await here.held(asked(terms=BACK))
            overheard = Overheard(here.store, lambda: int(here.clock.wall() * 1_000_000), told.append)
            overheard.rang("first")
            for number in range(MOST_NOTED + 1):
                overheard.rang(f"{number}")
            await here.settled()
            await here.settled()
            assert [one.id for one in told] == [hold.id]

    asyncio.run(flood())
