"""Several connections, and processes that are killed: an approval is used once, and nothing that waited is sent by anybody else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.messages import Hold, Requester, Review
from l7gw.approval.states import move
from l7gw.hold_terms import Reviewers
from l7gw.store.tables import holds
from tests.support.databases import VARIABLE, engine_of
from tests.support.desks import NO, Waits, asked, reviewer, seat, terms
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.usefixtures("each_database")

RACERS = 50
NOW = 1_700_000_000_000_000
ROOT = Path(__file__).parents[2]


def test_of_fifty_that_race_for_an_approval_one_wins(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    with engine.begin() as connection:
        rows.insert(connection, asked(), hold="h", gateway="g", now=NOW)
        move(connection, "h", "approve", NOW)
    barrier, won = threading.Barrier(RACERS), []

    def race() -> None:
        own = engine_of(tmp_path)  # a connection of its own
        barrier.wait()
        with own.begin() as connection:
            if move(connection, "h", "consume", NOW, holds.c.bound == "b-a"):
                won.append(threading.get_ident())
        own.dispose()

    racers = [threading.Thread(target=race) for _ in range(RACERS)]
    for one in racers:
        one.start()
    for one in racers:
        one.join()
    assert len(won) == 1
    with engine.connect() as connection:
        assert connection.execute(sa.select(holds.c.state)).scalars().all() == ["consumed"]


def test_of_fifty_calls_that_come_back_at_once_one_goes_on_and_the_others_are_one_new_hold(tmp_path: Path) -> None:
    async def race() -> None:
        async with seat(tmp_path / "s") as one:
            call = asked(terms=terms(wait="come-back"))
            hold = await one.held(call)
            await one.review(hold, reviewer())

            async def comes_back() -> bool:
                found = await one.held(call)
                return found.state == "approved" and await one.claim(found, "i-a")

            went = await asyncio.gather(*(comes_back() for _ in range(RACERS)))
            assert went.count(True) == 1
            again = {(await one.held(call)).id for _ in range(3)}
            assert len(again) == 1 and hold.id not in again

    asyncio.run(race())


def test_two_gateways_that_are_asked_the_same_at_once_make_one_hold(tmp_path: Path) -> None:
    async def race() -> None:
        clock = ManualClock()
        async with seat(tmp_path / "s", clock) as one, seat(tmp_path / "s", clock) as other:
            for number in range(20):
                call = asked(f"{number}", terms=terms(wait="come-back"), who=Requester(user=f"u{number}"))
                found = await asyncio.gather(one.held(call), other.held(call))
                assert found[0].id == found[1].id

    asyncio.run(race())


def test_two_gateways_let_no_more_calls_wait_or_pass_than_may(tmp_path: Path) -> None:
    """The limit of a principal's holds, and the rest of a run, are counted by both at once."""

    async def race() -> None:
        clock = ManualClock()
        async with seat(tmp_path / "s", clock) as one, seat(tmp_path / "s", clock) as other:
            for each in (one, other):
                each.desk.configure(most=5)
            found = await asyncio.gather(*(each.ask(asked(f"{n}"), Waits()) for n in range(10) for each in (one, other)))
            assert sum(isinstance(hold, Hold) for hold in found) == 5
            hold = next(hold for hold in found if isinstance(hold, Hold))
            await one.review(hold, reviewer(), Review(verdict="approve", rest_of_run=7, for_seconds=600))
            passed = await asyncio.gather(*(each.covered(asked("more")) for _ in range(10) for each in (one, other)))
            assert passed.count(hold.id) == 7 and passed.count(None) == 13

    asyncio.run(race())


def test_of_reviews_at_two_gateways_at_once_each_counts_and_one_moves_the_hold(tmp_path: Path) -> None:
    async def race() -> None:
        clock, two = ManualClock(), terms(("two", Reviewers(groups=("sre",), minimum=2)))
        async with seat(tmp_path / "s", clock) as one, seat(tmp_path / "s", clock) as other:
            for number in range(10):
                hold = await one.held(asked(f"{number}", terms=two, who=Requester(user=f"u{number}")), Waits())
                found = await asyncio.gather(one.review(hold, reviewer("rob")), other.review(hold, reviewer("lea")))
                assert sorted(each.state for each in found) == ["approved", "pending"]  # type: ignore[union-attr]
                twice = await asyncio.gather(one.review(hold, reviewer("rob"), NO), other.review(hold, reviewer("lea"), NO))
                assert sorted(type(each).__name__ for each in twice) == ["Hold", "Refusal"]

    asyncio.run(race())


# What the killed process does: it brings two holds into a state, one that waits and one that comes back, and says so.
KILLED = """
import asyncio, sys
from pathlib import Path
from tests.support.desks import NO, Waits, asked, reviewer, Seat, terms
from tests.support.manual_clock import ManualClock

async def main(state, goal):
    seat = Seat(Path(state), ManualClock())
    for name, wait in (("w", "wait"), ("c", "come-back")):
        hold = await seat.held(asked(name, terms=terms(wait=wait, ttl=3600, use_within=3600)), Waits())
        if goal in ("approved", "consumed", "expired"):
            await seat.review(hold, reviewer())
        if goal == "consumed":
            assert await seat.claim(hold, ("b-" if wait == "wait" else "i-") + name)
        if goal == "denied":
            await seat.review(hold, reviewer(), NO)
        if goal == "cancelled":
            seat.desk.cancel(hold.id, "gone")
        if goal == "void":
            seat.desk.void(hold.id, "changed")
        print(hold.id, flush=True)
    if goal == "expired":
        await seat.tick(3600)
    await seat.settled()
    print("there", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""
# of each state at the kill: that of the waiting call's hold, and of the one that comes back, once the state is opened again
AFTER = {
    "pending": ("void", "pending"), "approved": ("void", "approved"), "consumed": ("consumed", "consumed"), "denied": ("denied", "denied"),
    "expired": ("expired", "expired"), "cancelled": ("cancelled", "cancelled"), "void": ("void", "void"),
}  # fmt: skip


class Of(NamedTuple):
    """A hold, by its id alone."""

    id: str


def killed_in(state: Path, goal: str) -> list[str]:
    """The ids of the holds of a process that brought them to a state and was killed then."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(state), goal],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), VARIABLE: os.environ[VARIABLE]},
    )
    with process:
        assert process.stdout is not None
        *ids, last = [process.stdout.readline().strip() for _ in range(3)]
        process.kill()
    assert last == "there"
    return ids


@pytest.mark.parametrize("goal", AFTER)
def test_a_gateway_killed_in_each_state_sends_nothing_and_keeps_what_comes_back(goal: str, tmp_path: Path) -> None:
    waits, back = killed_in(tmp_path / "s", goal)

    async def reopened() -> None:
        async with seat(tmp_path / "s") as one:
            assert not await one.claim(Of(waits), "b-w")  # before the first look, too
            if goal == "approved":
                await one.tick(1)
                assert await one.claim(Of(back), "i-c")
                return
            assert not await one.claim(Of(back), "i-c")
            await one.tick(1)
            assert tuple([(await one.now(Of(hold))).state for hold in (waits, back)]) == AFTER[goal]
            assert not await one.claim(Of(waits), "b-w")
            if goal == "pending":
                assert (await one.held(asked("c", terms=terms(wait="come-back", ttl=3600, use_within=3600)))).id == back
                assert (await one.now(Of(waits))).why.startswith("the gateway at which the call waited is gone")

    asyncio.run(reopened())


@pytest.mark.long
@pytest.mark.parametrize("goal", AFTER)
def test_a_gateway_killed_in_each_state_is_noticed_by_one_elsewhere_after_half_a_minute(
    goal: str, tmp_path: Path, each_database: str
) -> None:
    if each_database == "sqlite":
        return  # its gateways share a state
    waits, back = killed_in(tmp_path / "s", goal)

    async def elsewhere() -> None:
        async with seat(tmp_path / "another", database=tmp_path / "s") as one:

            async def states() -> tuple[str, ...]:
                return tuple([(await one.now(Of(hold))).state for hold in (waits, back)])

            for _ in range(4):
                assert await states() == (goal, goal)
                assert not await one.claim(Of(waits), "b-w")
                await one.tick(10)
            await one.tick(1)
            assert await states() == AFTER[goal]
            assert await one.claim(Of(back), "i-c") is (goal == "approved")

    asyncio.run(elsewhere())


def test_a_waiter_of_a_living_gateway_is_not_disturbed_by_one_that_starts(tmp_path: Path) -> None:
    async def beside() -> None:
        waiter = Waits()
        async with seat(tmp_path / "s") as one:
            hold = await one.held(asked(), waiter)
            async with seat(tmp_path / "s") as other:
                await other.tick(1)
                assert (await other.now(hold)).state == "pending" and waiter.told == []

    asyncio.run(beside())
