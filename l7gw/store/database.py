"""The database and its thread. Work is done in the order in which it was asked for, one transaction each."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from l7gw.config.private import fault_of_state
from l7gw.store.migrate import migrate
from l7gw.store.outbox import CHANNELS
from l7gw.store.present import keep_present, url_of

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sa.Connection], T]
Then = Callable[[T | Exception], None]

NAME = "metadata.sqlite"  # in the state
BUSY = 5000  # milliseconds that another process on the same state may hold the database; a transaction of ours takes a few
READ_ONLY = "25006"  # PostgreSQL's code: a write where there are none
TRIES = 4  # times that one piece of work is run, where others come between
AGAIN = 1.0  # seconds until a database that cannot be reached is tried again
WATCHED = 1.0  # seconds between two looks at whether a server answers
LONGEST_WORK = 15.0  # seconds; a server ends a statement itself after five, and a connection is made within five
LONGEST_PREPARING = 150.0  # seconds, of which another gateway's changes of the tables may take sixty
CLOSES_WITHIN = 5.0  # seconds beyond the longest work; nobody waits for a gateway that ends for longer
LONGEST_WORDS = 500  # characters of what a database said of a failure
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
    """The thread. `do` is called on the loop, and calls back on it.

    `prepare` is run in the thread before the first work, and again until it succeeds: it makes the tables of a server that was away
    when the gateway began. `cut` ends the connections of one that says nothing for `longest` seconds: it is called on the loop, and
    what waits in the thread then fails.
    """

    def __init__(
        self,
        engine: sa.Engine,
        loop: asyncio.AbstractEventLoop,
        prepare: Callable[[], None] | None = None,
        cut: Callable[[], None] | None = None,
        longest: float = LONGEST_WORK,
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._prepare = prepare
        self._cut = cut
        self._longest = longest
        self._until = math.inf  # monotonic seconds at which the work that runs is cut
        self._hangs = False  # whether it was cut
        self._away = ""  # why the database cannot be reached; "" while it can
        self._next_try = 0.0  # monotonic seconds
        self._waiting: queue.SimpleQueue[tuple[Work[Any], Then[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="l7gw-store", daemon=True)
        self._thread.start()
        self._watching = loop.call_later(WATCHED, self._watch) if cut is not None else None

    def tell(self, channels: Sequence[str]) -> None:
        """Name the channels that are told of changes from now on (`outbox.note`)."""
        self._engine.update_execution_options(**{CHANNELS: tuple(channels)})

    def do(self, work: Work[T], then: Then[T]) -> None:
        """Run `work` in a transaction, and call `then` with what it gave or raised; what raises leaves nothing behind. A database
        that cannot be used is a StoreAway. A `Refusal` that `work` raises comes back as it is.

        `work` may be run again, in a new transaction, where another gateway came between or the connection was lost before the
        commit. Whether a commit whose answer is lost was done is not known: that is a StoreAway too.
        """
        if self._waiting.qsize() >= MOST_WAITING:
            self._loop.call_soon(then, StoreAway("the database of the holds is behind"))
            return
        self._waiting.put((work, then))

    def close(self) -> None:
        """Do what was asked for, and end. What it gives is told no more, unless the loop still runs. Blocks its caller."""
        self._waiting.put(None)
        self._thread.join(self._longest + CLOSES_WITHIN)
        if self._watching is not None:
            self._watching.cancel()
        self._engine.dispose()

    def _watch(self) -> None:
        if time.monotonic() > self._until and self._cut is not None:
            self._until = math.inf
            self._hangs = True
            self._cut()
        self._watching = self._loop.call_later(WATCHED, self._watch)

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            work, then = job
            self._hangs = False
            self._until = time.monotonic() + (self._longest if self._prepare is None else LONGEST_PREPARING)
            found = self._done(work)
            self._until = math.inf
            with suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(then, found)
            del job, work, then, found  # or they would live until the next work comes

    def _done(self, work: Work[T]) -> T | Exception:
        if self._away and time.monotonic() < self._next_try:  # or each that waits would wait for a connection of its own
            return StoreAway(self._away)
        try:
            if self._prepare is not None:
                self._prepare()
                self._prepare = None
            found = self._tried(work)
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError) as error:
            return self._failed(error)
        except Exception as error:
            return error
        if self._away:
            self._away = ""
            log.info("the database of the holds is back")
        return found

    def _tried(self, work: Work[T]) -> T:
        for _ in range(TRIES - 1):
            with suppress(_Again):
                return self._once(work)
        return self._once(work, last=True)

    def _once(self, work: Work[T], *, last: bool = False) -> T:
        """One transaction. Raises _Again where it left nothing behind and may succeed when it is run once more."""
        committing = False
        try:
            with self._engine.connect() as connection:
                transaction = connection.begin()
                found = work(connection)
                committing = True
                transaction.commit()
                return found
        except sa.exc.DBAPIError as error:
            lost = error.connection_invalidated
            if committing and lost:
                raise OSError("the connection was lost, and whether the change was stored is not known") from error
            if not last and not self._hangs and (lost or _came_between(error)):
                raise _Again from error
            raise

    def _failed(self, error: Exception) -> StoreAway:
        """The words of a failure. Where the database cannot be reached, whoever comes next is told so at once."""
        why = f"the database of the holds cannot be used: {in_words(error)}"
        if getattr(getattr(error, "orig", None), "sqlstate", None) == READ_ONLY:
            self._engine.dispose()  # it is a standby now: the next connection looks for who is not
        if self._engine.dialect.name != "sqlite" and _unreachable(error):
            self._next_try = time.monotonic() + AGAIN
            if not self._away:
                log.error("%s", why)
            self._away = why
        else:
            log.warning("%s", why)
        return StoreAway(why)


def _unreachable(error: Exception) -> bool:
    """Whether there is no connection. What the server itself said has a code of its own."""
    if isinstance(error, sa.exc.DBAPIError):
        unnamed = isinstance(error, sa.exc.OperationalError) and getattr(error.orig, "sqlstate", None) is None
        return error.connection_invalidated or unnamed
    return True


class _Again(Exception):
    """The transaction may succeed when it is run once more."""


def _came_between(error: sa.exc.DBAPIError) -> bool:
    """Whether another connection did something at the same time: wrote what must be there once, or waited for us as we for it."""
    state = getattr(error.orig, "sqlstate", None)
    return isinstance(error, sa.exc.IntegrityError) or state in ("40001", "40P01")


def in_words(error: Exception) -> str:
    """What the database said, in one line: neither the statement nor its values, which PostgreSQL's details have."""
    original = getattr(error, "orig", None) or error
    said = str(getattr(getattr(original, "diag", None), "message_primary", None) or original)
    return " ".join(said.split())[:LONGEST_WORDS]
