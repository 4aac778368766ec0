"""The bell rings at another gateway for what was committed, and says so when it may have missed something."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.clock import SystemClock
from l7gw.store.bell import LONGEST, Bell, Listener, ring
from l7gw.store.server import Server
from tests.support.databases import engine_of
from tests.support.postgres import Postgres


class Ear:
    """A gateway's bell with a listener, and what it heard of the topic `thing`, without the ring of its beginning."""

    def __init__(self, server: Server) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.bell = Bell()
        self.bell.subscribe("thing", self.heard.put_nowait)
        self.listener = Listener(self.bell, asyncio.get_running_loop(), server.listening, lambda: server.own_process)

    async def next(self) -> str:
        async with asyncio.timeout(60):
            return await self.heard.get()


def change(server: Server, *subjects: str, topic: str = "thing") -> None:
    with server.engine.begin() as connection:
        for subject in subjects:
            ring(connection, topic, subject)


def two(postgres: Postgres) -> tuple[Server, Server]:
    return Server(postgres.keywords(), SystemClock()), Server(postgres.keywords(), SystemClock())


def test_a_commit_rings_at_others_once_for_each_subject_and_never_at_home(postgres: Postgres) -> None:
    async def rings() -> None:
        here, there = two(postgres)
        change(here)  # it has its connection
        ears = Ear(here), Ear(there)
        assert [await ear.next() for ear in ears] == ["", ""]  # what came before is not known
        with pytest.raises(RuntimeError), here.engine.begin() as connection:
            ring(connection, "thing", "rolled back")
            raise RuntimeError
        await asyncio.to_thread(change, here, "a", "b", "a")
        await asyncio.to_thread(change, here, "x", topic="another")
        await asyncio.to_thread(change, there, "c")
        assert [await ears[1].next(), await ears[1].next()] == ["a", "b"]
        assert await ears[0].next() == "c"
        assert ears[1].heard.empty() and ears[0].heard.empty()
        for one in ears:
            one.listener.close()

    asyncio.run(rings())


def test_what_no_gateway_sends_rings_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bell, heard = Bell(), []
    bell.subscribe("thing", lambda subject: [][int(subject)])  # a bug
    bell.subscribe("thing", heard.append)
    for message in ("", "thing", "thing ", f"thing {'x' * (LONGEST + 1)}", "other a", "Thing a"):
        bell.rang(message)
    assert heard == []
    bell.rang("thing 1")
    bell.missed()
    assert heard == ["1", ""] and len(caplog.records) == 2


def test_sqlite_has_no_bell(tmp_path: Path) -> None:
    with engine_of(tmp_path).begin() as connection:
        ring(connection, "thing", "a")
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1


@pytest.mark.long
def test_a_bell_that_was_away_rings_for_everything_and_goes_on() -> None:
    async def away(server: Postgres) -> None:
        here, there = two(server)
        ear = Ear(there)
        assert await ear.next() == ""
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        await asyncio.to_thread(server.start)
        assert await ear.next() == ""
        here.engine.dispose()
        await asyncio.to_thread(change, here, "a")
        assert await ear.next() == "a"
        ear.listener.close()

    with Postgres() as server:
        asyncio.run(away(server))
