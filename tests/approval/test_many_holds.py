"""Ten thousand holds: memory stays flat, and lists and looks at them stay quick, in either database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.messages import STATES, encode
from l7gw.store.tables import holds
from tests.support.databases import engine_of
from tests.support.desks import asked, terms

ROOT = Path(__file__).parents[2]
MANY = 10_000
NOW = 1_700_000_000_000_000


def fill(connection: sa.Connection) -> None:
    """Ten thousand holds that are over, and twenty that are pending, written at once."""
    call = asked(terms=terms(wait="come-back"))
    text = encode(call).decode()
    row = {
        "wait": "come-back", "bound": "b", "person": "ann", "actor": "", "session": "s", "gateway": "g", "created": NOW,
        "expires": NOW + 1, "why": "", "replaces": "", "asked": text,
    }  # fmt: skip
    over = ("denied", "expired", "consumed", "void", "cancelled")
    values = [
        row | {"id": f"{number:036}", "intent": f"i-{number}", "state": over[number % 5] if number < MANY else "pending", "ended": NOW if number < MANY else None}
        for number in range(MANY + 20)
    ]  # fmt: skip
    connection.execute(holds.insert(), values)


def scanned(connection: sa.Connection, statement: str) -> bool:
    """Whether the database would read a whole table for this."""
    word = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    plan = "\n".join(str(row) for row in connection.exec_driver_sql(f"{word} {statement}"))
    return "SCAN holds'" in plan or "Seq Scan on holds" in plan


@pytest.mark.usefixtures("each_database")
def test_lists_of_ten_thousand_holds_are_read_page_by_page_and_by_an_index(tmp_path: Path) -> None:
    with engine_of(tmp_path).begin() as connection:
        fill(connection)
    with engine_of(tmp_path).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE holds")
        before, seen = "", 0
        for _ in range(3):
            page = rows.listed(connection, STATES, most=500, before=before)
            assert len(page) == 500 and (not before or page[0].id < before)
            before, seen = page[-1].id, seen + 500
        assert len(rows.listed(connection, ("pending",), most=500, before="")) == 20
        for statement in (
            f"SELECT id FROM holds WHERE id < '{before}' ORDER BY id DESC LIMIT 500",
            "SELECT id FROM holds WHERE state IN ('pending', 'approved') AND expires <= 5",
            "SELECT count(*) FROM holds WHERE state = 'pending'",
            "SELECT id FROM holds WHERE intent = 'i-5' AND state IN ('pending', 'approved')",
            "SELECT id FROM holds WHERE ended < 5 LIMIT 200",
        ):
            assert not scanned(connection, statement), statement


@pytest.mark.timeout(300)  # 30 s of one core
@pytest.mark.long
def test_ten_thousand_holds_leave_memory_flat(tmp_path: Path) -> None:
    """In a process of its own, so that what other tests left does not count. Most expire, some are approved and used. The disk is
    not what is asked about: the database lies in memory where the system has room for it there."""
    work = """
import asyncio, gc, json, resource, sys, tempfile
from pathlib import Path
from tests.support.desks import NO, Waits, asked, reviewer, Seat, terms
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
        env={"PYTHONPATH": str(ROOT)},
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    sizes, waiting = json.loads(done.stdout)
    assert waiting == 0
    assert sizes[-1] - sizes[1] < 8 * 1024 * 1024, sizes  # after the caches of the first two thousand are full
