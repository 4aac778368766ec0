"""What the data path calls to write things down: sessions, their exchanges, and the one door to the journal.

Appending is an encoding and a list; a tick of 100 ms hands what has gathered to the journal's threads, sooner where somebody
waits for the disk. At most one batch is not yet written, so that what a failure left is never overtaken; a batch that is merely
being synced keeps nobody from handing over the next. Callbacks only. What cannot be recorded does not pass: `refusal` says so
before a call begins, and `on_failure` ends the streams that run.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib.metadata
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from l7gw.clock import Clock
from l7gw.errors import Refusal
from l7gw.recording import events as e
from l7gw.recording.identifiers import uuid7
from l7gw.recording.journal import Batch, Journal, Piece
from l7gw.recording.session import Attempts, Exchange, Session, Silent, Then
from l7gw.recording.state import check_state

if TYPE_CHECKING:
    from l7gw.identity.principal import Principal

__all__ = ["Exchange", "Recorder", "Session", "Silent", "check_state"]

log = logging.getLogger(__name__)

TICK = 0.1  # seconds from an event to the kernel, about; a kill -9 loses at most a second
ALL_BACKLOG = 256 * 1024 * 1024  # bytes of all sessions that may wait for the disk; beyond it new calls are refused (threats H11)
STALLED = 10.0  # seconds that one write may take before new calls are refused
STEP = 1.0  # seconds between wall and monotonic clock from one tick to the next that are told (threats H5)
IDLE_AFTER = 15 * 60.0  # seconds without an open call that end a session
LONGEST_SESSION = 24 * 3600.0  # seconds


class Recorder:
    """The recording of one process."""

    def __init__(
        self, state: Path, *, clock: Clock, durable: str, reserve: int, loop: asyncio.AbstractEventLoop, version: str = ""
    ) -> None:
        self.clock = clock
        self._state = state
        self.reserve = reserve  # bytes of the disk below which no new call passes
        self.held = 0  # bytes of events that are not yet written
        self._loop = loop
        self._journal = Journal(state, version or importlib.metadata.version("l7gw"), self._sync_failed)
        self._sessions: dict[tuple[object, ...], Session] = {}
        self._attempts: dict[str, Attempts] = {}
        self._dirty: dict[Session, None] = {}
        self._waiting: list[Then] = []
        self._out = 0  # batches that the journal has not answered
        self._unwritten: Batch | None = None  # the last of them, if it was not yet written when last looked at
        self._unwritten_since = 0.0
        self._syncing = False
        self._syncing_since = 0.0
        self._former: list[tuple[Session, str]] = []  # replaced, and why; they end with their last call
        self._closed = False
        self._clocks_apart = clock.wall() - clock.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._failure = ""
        self._full = ""
        self._failed: list[Callable[[], None]] = []
        self._drained: list[Callable[[], None]] = []
        self._left: list[Piece] = []
        self._of_chain: dict[bytes, Session] = {}

    def open(self) -> None:
        """Raises OSError where the state cannot be used, in words that say what to do."""
        check_state(self._state)
        self._journal.open()
        self._look_at_the_disk()

    def close(self) -> None:
        """End all sessions, write and sync everything. From the loop's thread, which it blocks."""
        for session in [*self._sessions.values(), *self._attempts.values(), *(session for session, _ in self._former)]:
            session.end("shutdown")
        if self._timer is not None:
            self._timer.cancel()
        pieces = [*self._left, *(piece for session in self._dirty for piece in session.take())]
        self._dirty.clear()
        self._closed = True
        self._journal.put(Batch(pieces, True, _last_words))
        self._journal.close()
        if self._unwritten is not None and self._unwritten.left:
            log.error("%d blocks of the recordings could not be written at the end", len(self._unwritten.left))

    # ------------------------------------------------------------------ sessions

    def session(self, principal: Principal, cluster: str) -> Session:
        """The running session of a principal on a cluster, or a new one."""
        key = (principal.user, principal.groups, principal.issuer, principal.kind, principal.actor, principal.address, cluster)
        session = self._sessions.get(key)
        if session is None or session.ended:
            started = e.SessionStarted(
                self._now(), uuid7(), cluster, principal.user, principal.groups, principal.kind, principal.issuer,
                principal.actor, principal.address,
            )  # fmt: skip
            session = self._sessions[key] = Session(self, started)
            self._of_chain[session.chain.id] = session
        return session

    def attempts(self, cluster: str) -> Attempts:
        """The day's session of calls without a principal."""
        today = datetime.datetime.fromtimestamp(self.clock.wall(), datetime.UTC).date()
        session = self._attempts.get(cluster)
        if session is None or session.day != today:
            if session is not None:
                self._former.append((session, "day"))
            session = Attempts(self, e.SessionStarted(self._now(), uuid7(), cluster, "", (), "", "", "", "", True), today)
            self._attempts[cluster] = session
            self._of_chain[session.chain.id] = session
        return session

    def tick(self) -> None:
        """Once a second: end sessions whose time is over, look at the disk, try again after a failure."""
        now_ = self.clock.monotonic()
        for key, session in list(self._sessions.items()):
            idle = session.open_calls == 0 and now_ - session.idle_since >= IDLE_AFTER
            if idle or (session.open_calls == 0 and now_ - session.started >= LONGEST_SESSION):
                session.end("idle" if idle else "day")
                del self._sessions[key]
            elif now_ - session.started >= LONGEST_SESSION:
                self._former.append((self._sessions.pop(key), "day"))  # its open calls end in it; new ones begin another
        self._end_former()
        for attempts in self._attempts.values():
            attempts.tell_dropped()
        self._look_at_the_clocks()
        self._look_at_the_disk()
        if self._failure:
            self.flush(again=True)

    def _end_former(self) -> None:
        still: list[tuple[Session, str]] = []
        for session, why in self._former:
            if session.open_calls:
                still.append((session, why))
            else:
                session.end(why)
        self._former = still

    def _look_at_the_clocks(self) -> None:
        """A step of the wall clock is told in every session that runs."""
        apart = self.clock.wall() - self.clock.monotonic()
        step, self._clocks_apart = apart - self._clocks_apart, apart
        if abs(step) > STEP:
            log.warning("the wall clock stepped by %.1f s", step)
            for session in [*self._sessions.values(), *(session for session, _ in self._former)]:
                session.append(e.ClockStepped(self._now(), int(step * 1_000_000)))

    def _now(self) -> int:
        return int(self.clock.wall() * 1_000_000)

    def _look_at_the_disk(self) -> None:
        try:
            disk = os.statvfs(self._state)
        except OSError as error:
            self._full = f"the state cannot be looked at: {error.strerror}"
            return
        free = disk.f_bavail * disk.f_frsize
        self._full = f"the disk of the recordings has {free // 1024**2} MiB left" if free < self.reserve else ""

    # ------------------------------------------------------------------ failure

    def refusal(self) -> Refusal | None:
        """Why nothing can be recorded now; None where it can."""
        why = self._failure or self._full or self._behind
        if not why:
            return None
        return Refusal(503, "ServiceUnavailable", f"this call cannot be recorded, so it does not pass: {why}")

    def on_failure(self, callback: Callable[[], None]) -> None:
        self._failed.append(callback)

    def on_drained(self, callback: Callable[[], None]) -> None:
        self._drained.append(callback)

    @property
    def backlogged(self) -> bool:
        return self.held > ALL_BACKLOG

    @property
    def _behind(self) -> str:
        """Why new calls must wait for the disk, though it has not failed: what they do would be in memory only."""
        now = self.clock.monotonic()
        if self._unwritten and not self._unwritten.written and now - self._unwritten_since > STALLED:
            return f"the disk of the recordings has not taken a write for {STALLED:.0f} seconds"
        if self._syncing and now - self._syncing_since > STALLED:
            return f"the disk of the recordings has not finished a sync for {STALLED:.0f} seconds"
        return "the disk of the recordings is too slow" if self.backlogged else ""

    @property
    def failing(self) -> bool:
        return bool(self._failure)

    def _sync_failed(self, error: Exception) -> None:
        """From the journal's threads."""
        with suppress(RuntimeError):  # the loop may have ended
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: Exception) -> None:
        first = not self._failure
        self._failure = f"writing the journal failed: {getattr(error, 'strerror', None) or error}"
        if first:
            log.error("nothing passes any more: %s", self._failure)
            # what was handed to the failed segment may be lost: what follows is another session (threats H3)
            self._former += [(session, "failed") for session in self._sessions.values()]
            self._sessions.clear()
            for failed in self._failed:
                failed()

    # ------------------------------------------------------------------ to the journal

    def dirty(self, session: Session) -> None:
        self._dirty[session] = None
        if self._timer is None:
            self._set_timer()

    def durable(self, session: Session, then: Then) -> None:
        """One sync at a time; who comes meanwhile shares the next."""
        self._waiting.append(then)
        if not self._syncing:
            self.flush()

    def _set_timer(self) -> None:
        if not self._closed:
            self._timer = self._loop.call_later(TICK, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.flush()
        if self._dirty and self._timer is None:
            self._set_timer()

    def flush(self, *, again: bool = False) -> None:
        """Hand what has gathered to the journal, unless it has not yet written what it got before: then it comes back for it.
        `again` tries the disk after a failure, though there be nothing to write."""
        if self._unwritten is not None and not self._unwritten.written:
            return
        if self._failure and not again and not self._waiting:
            return  # a tick tries once a second
        waiting: list[Then] = []
        if not self._syncing:
            waiting, self._waiting = self._waiting, []
        pieces, self._left = self._left, []
        pieces += [piece for session in self._dirty for piece in session.take()]
        self._dirty.clear()
        sync = bool(waiting) or (again and not self._syncing)
        if not pieces and not sync:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

        def done(left: list[Piece], error: Exception | None) -> None:
            batch.left = left
            with suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(self._answered, batch, left, waiting, error)

        batch = Batch(pieces, sync, done)
        self._unwritten, self._unwritten_since = batch, self.clock.monotonic()
        if sync:
            self._syncing, self._syncing_since = True, self._unwritten_since
        self._out += 1
        self._journal.put(batch)

    @property
    def _writing(self) -> bool:
        return self._out > 0

    def _answered(self, batch: Batch, left: list[Piece], waiting: list[Then], error: Exception | None) -> None:
        self._out -= 1
        if self._unwritten is batch:
            self._unwritten = None
        if batch.sync:
            self._syncing = False
        self._left += left
        self._account(batch.pieces, left)
        if error is not None:
            self._fail(error)
        elif self._failure and batch.sync:
            self._failure = ""
            log.info("the journal is written again")
        for then in waiting:
            then(error)
        if self._waiting and not self._syncing:
            self.flush()
        for drained in self._drained:
            drained()
        batch.done = _last_words  # it holds the batch: what was written would stay in memory until the collector comes by

    def _account(self, pieces: list[Piece], left: list[Piece]) -> None:
        """What was written is no longer held."""
        kept = {id(piece) for piece in left}
        for piece in pieces:
            if id(piece) in kept:
                continue
            self.held -= len(piece.data)
            session = self._of_chain.get(piece.chain.id)
            if session is not None:
                session.queued -= len(piece.data)
                if session.ended and not session.queued and session not in self._dirty:
                    del self._of_chain[piece.chain.id]


def _last_words(left: list[Piece], error: Exception | None) -> None:
    if error is not None:
        log.error("%d blocks of the recordings could not be written at the end: %s", len(left), error)
