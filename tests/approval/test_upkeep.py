"""What time does: holds of dead gateways are void, approved ones too; ended ones are forgotten after a month."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.messages import Hold
from l7gw.approval.states import move
from l7gw.approval.upkeep import AT_ONCE, GONE, KEPT, STOPPED
from l7gw.errors import Refusal
from tests.support.desks import Seat, Waits, answer, asked, reviewer, seat, terms
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.usefixtures("each_database")

NOW = 1_700_000_000_000_000
BACK = terms(wait="come-back", ttl=3600, use_within=3600)


def test_what_waited_at_a_gateway_that_stops_is_void_and_what_comes_back_lives_on(tmp_path: Path) -> None:
    async def stopped() -> None:
        clock, waiter = ManualClock(), Waits()
        async with seat(tmp_path / "s", clock) as first:
            waits, back = await first.held(asked(), waiter), await first.held(asked("b", terms=BACK))
        assert waiter.told == ["void"] and ("void" in [what for _, what in first.record.events])
        async with seat(tmp_path / "s", clock) as second:
            found = await second.now(waits)
            assert (found.state, found.why) == ("void", STOPPED)
            assert (await second.held(asked("b", terms=BACK))).id == back.id

    asyncio.run(stopped())


def test_a_gateway_that_is_not_heard_of_for_half_a_minute_loses_what_waits_at_it_and_is_told(tmp_path: Path) -> None:
    async def dead() -> None:
        clock = ManualClock()
        async with seat(tmp_path / "s", clock) as slow, seat(tmp_path / "s", clock) as other:
            pending, approved = Waits(), Waits()
            first, second = await slow.held(asked(), pending), await slow.held(asked("b"), approved)
            await slow.review(second, reviewer())
            await other.tick()
            for _ in range(3):
                await other.tick(10)
            assert (await other.now(first)).state == "pending"
            await other.tick(1)
            assert {(await other.now(one)).state for one in (first, second)} == {"void"}
            assert (await other.now(first)).why == GONE
            assert not await slow.claim(second, "b-b")
            await slow.tick()
            assert (pending.told, approved.told) == (["void"], ["approved", "void"])
            again = await slow.held(asked("c"), Waits())  # it lives, and is listed anew
            await other.tick(1)
            assert (await other.now(again)).state == "pending"

    asyncio.run(dead())


def test_a_gateway_that_renews_its_lease_keeps_what_waits_at_it(tmp_path: Path) -> None:
    async def kept() -> None:
        clock = ManualClock()
        async with seat(tmp_path / "s", clock) as one, seat(tmp_path / "s", clock) as other:
            hold = await one.held(asked(terms=terms(ttl=3600)), Waits())
            for _ in range(12):
                await one.tick(10)
                await other.tick()
            assert (await other.now(hold)).state == "pending"

    asyncio.run(kept())


def test_a_review_at_another_gateway_reaches_the_call_at_the_next_tick(tmp_path: Path) -> None:
    async def elsewhere() -> None:
        clock, waiter = ManualClock(), Waits()
        async with seat(tmp_path / "s", clock) as here, seat(tmp_path / "s", clock) as there:
            hold = await here.held(asked(), waiter)
            await there.review(hold, reviewer())
            assert not await there.claim(hold, "b-a")  # the call waits here
            await here.tick(1)
            assert waiter.told == ["approved"] and await here.claim(hold, "b-a")

    asyncio.run(elsewhere())


def test_no_change_reaches_a_call_before_its_hold_does(tmp_path: Path) -> None:
    """The recording's disk is slow, and somebody approves at another gateway meanwhile."""

    async def slow() -> None:
        clock, heard, slept = ManualClock(), [], []
        async with seat(tmp_path / "s", clock) as here, seat(tmp_path / "s", clock) as there:
            here.desk._evidence = Slow(slept)

            class Call:
                def hold_changed(self, hold: Hold) -> None:
                    heard.append(hold.state)

            def told(hold: Hold | Refusal) -> None:
                assert isinstance(hold, Hold)
                heard.append(f"asked: {hold.state}")

            here.desk.ask(asked(), Call(), told)
            await here.settled()
            (pending,) = await listed(there)  # type: ignore[misc]
            await there.review(pending, reviewer())
            await here.tick(1)
            assert heard == []
            slept.pop()(None)
            await here.tick(1)
            assert heard == ["asked: pending", "approved"]
            here.desk._evidence = here.record

    class Slow:
        def __init__(self, slept: list[Any]) -> None:
            self.slept = slept

        def changed(self, hold: Hold, review: object, then: Any) -> None:
            self.slept.append(then)

        def covered(self, hold: str, asked: object, then: Any) -> None:
            self.slept.append(then)

    async def listed(one: Seat) -> list[Hold] | Refusal:
        return await answer(lambda then: one.desk.list((), then))

    asyncio.run(slow())


def test_ended_holds_are_forgotten_after_a_month_a_few_at_once(tmp_path: Path) -> None:
    async def forgotten() -> None:
        async with seat(tmp_path / "s") as one:
            await answer(lambda then: one.store.do(many, then))
            await one.tick(KEPT / 1e6)
            assert len(await listed(one)) == AT_ONCE + 1
            await one.tick(10)
            assert len(await listed(one)) == 1
            await one.tick(10)
            assert await listed(one) == []

    def many(connection: sa.Connection) -> None:
        for number in range(AT_ONCE + 1):
            rows.insert(connection, asked(f"{number}"), hold=f"{number:036}", gateway="g", now=NOW)
            move(connection, f"{number:036}", "deny", NOW, why="")

    async def listed(one: Seat) -> list[Hold] | Refusal:
        return await answer(lambda then: one.desk.list((), then))

    asyncio.run(forgotten())
