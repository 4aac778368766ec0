"""Several connections, and processes that are killed: an approval is used once, and nothing that waited is sent by anybody else."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.states import move
from l7gw.store.tables import holds
from tests.support.databases import VARIABLE, engine_of
from tests.support.desks import Waits, asked, reviewer, seat, terms

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
            assert not await one.claim(by_id(waits), "b-w")  # before the first look, too
            if goal == "approved":
                await one.tick(1)
                assert await one.claim(by_id(back), "i-c")
                return
            assert not await one.claim(by_id(back), "i-c")
            await one.tick(1)
            assert tuple([(await one.now(by_id(hold))).state for hold in (waits, back)]) == AFTER[goal]
            assert not await one.claim(by_id(waits), "b-w")
            if goal == "pending":
                assert (await one.held(asked("c", terms=terms(wait="come-back", ttl=3600, use_within=3600)))).id == back
                assert (await one.now(by_id(waits))).why.startswith("the gateway at which the call waited is gone")

    def by_id(hold: str) -> Any:
        class Of:
            id = hold

        return Of()

    asyncio.run(reopened())


@pytest.mark.timeout(300)  # 30 s of one core
@pytest.mark.long
def test_ten_thousand_holds_leave_memory_flat(tmp_path: Path) -> None:
    """In a process of its own, so that what other tests left does not count. Most expire, some are approved and used. The disk is
    not what is asked about: the database lies in memory where the system has room for it there."""
    work = """
import asyncio, gc, json, resource, sys, tempfile
from pathlib import Path
from tests.support.desks import Waits, asked, reviewer, Seat, terms
from tests.support.manual_clock import ManualClock

def size():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

class Nothing(list):
    def append(self, event):
        pass

async def main(state):
    seat = Seat(Path(state), ManualClock())
    seat.desk.configure(most=500)
    seat.record.events = Nothing()
    sizes = []
    for number in range(10_000):
        back = number % 2 == 0
        hold = await seat.held(asked(f"{number}", terms=terms(wait="come-back" if back else "wait")), None if back else Waits())
        if number % 25 == 0:
            await seat.review(hold, reviewer())
            assert await seat.claim(hold, ("i-" if back else "b-") + str(number))
        if number % 200 == 199:
            await seat.tick(700)
        if number % 1000 == 999:
            sizes.append(size())
    print(json.dumps([sizes, len(seat.desk._waiting)]))
    await seat.end()

with tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
    asyncio.run(main(folder + "/s"))
"""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else tmp_path
    done = subprocess.run(
        [sys.executable, "-c", work, str(place)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), VARIABLE: os.environ[VARIABLE]},
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    sizes, waiting = json.loads(done.stdout)
    assert waiting == 0
    assert sizes[-1] - sizes[1] < 8 * 1024 * 1024, sizes  # after the caches of the first two thousand are full


def test_a_waiter_of_a_living_gateway_is_not_disturbed_by_one_that_starts(tmp_path: Path) -> None:
    async def beside() -> None:
        waiter = Waits()
        async with seat(tmp_path / "s") as one:
            hold = await one.held(asked(), waiter)
            async with seat(tmp_path / "s") as other:
                await other.tick(1)
                assert (await other.now(hold)).state == "pending" and waiter.told == []

    asyncio.run(beside())
