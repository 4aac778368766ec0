"""The database and its thread. Work is done in the order in which it was asked for, one transaction each."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from l7gw.config.private import fault_of_state
from l7gw.store.migrate import migrate
from l7gw.store.present import keep_present, url_of

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sa.Connection], T]
Then = Callable[[T | Exception], None]

NAME = "metadata.sqlite"  # in the state
BUSY = 5000  # milliseconds that another process on the same state may hold the database; a transaction of ours takes a few
MOST_WAITING = 4096  # pieces of work; where the disk takes none, the next are refused instead of piling up


class StoreAway(Exception):
    """The database cannot be used just now. The text says why, in words for people."""


def of_state(state: Path) -> sa.Engine:
    """The database in a state, made where there is none, with the newest tables. Several processes may have it open. Raises
    OSError, in words for people, where it cannot be used."""
    path = state / NAME
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        if fault := fault_of_state(path, path.stat()):
            raise OSError(f"{path} {fault[0]}\n  hint: {fault[1]}")
        engine = sa.create_engine(url_of(path))
        sa.event.listen(engine, "connect", _connected)
        keep_present(engine, path)
        sa.event.listen(engine, "begin", _begin)
        migrate(engine)
    except sa.exc.DBAPIError as error:
        hint = f"move {path} away; holds that wait for their answer are lost with it, recordings are not"
        raise OSError(f"{path} cannot be used: {error.orig}\n  hint: {hint}") from error
    return engine


def _connected(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # `_begin` says when a transaction begins, and not the driver
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a commit is on the disk before it is told
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA busy_timeout={BUSY}")


def _begin(connection: sa.Connection) -> None:
    """Take the lock for writing at once: a transaction that reads and then writes would else fail where another wrote between."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class Store:
    """The thread. `do` is called on the loop, and calls back on it."""

    def __init__(self, engine: sa.Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop
        self._waiting: queue.SimpleQueue[tuple[Work[Any], Then[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="l7gw-store", daemon=True)
        self._thread.start()

    def do(self, work: Work[T], then: Then[T]) -> None:
        """Run `work` in a transaction, and call `then` with what it gave or raised; what raises leaves nothing behind. A database
        that cannot be used is a StoreAway. A `Refusal` that `work` raises comes back as it is."""
        if self._waiting.qsize() >= MOST_WAITING:
            self._loop.call_soon(then, StoreAway("the database of the holds is behind"))
            return
        self._waiting.put((work, then))

    def close(self) -> None:
        """Do what was asked for, and end. What it gives is told no more, unless the loop still runs. Blocks its caller."""
        self._waiting.put(None)
        self._thread.join()
        self._engine.dispose()

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            work, then = job
            found = self._done(work)
            with suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(then, found)
            del job, work, then, found  # or they would live until the next work comes

    def _done(self, work: Work[T]) -> T | Exception:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError) as error:
            log.warning("the database of the holds: %s", error)
            return StoreAway(f"the database of the holds cannot be used: {getattr(error, 'orig', None) or error}")
        except Exception as error:
            return error
