"""What the data path calls to record calls: the running sessions, the clocks, the free space on the disk.

Appending an event encodes it and puts it in a list. The outbox hands the list to the journal's threads. Nothing here waits: results
come by callback. A call that cannot be recorded does not pass: `refusal` says so before the call begins, and the callbacks of
`on_failure` end the streams that run.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib.metadata
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from l7gw.clock import Clock, SteadyClock
from l7gw.config.settings import Kind
from l7gw.errors import Refusal
from l7gw.identifiers import uuid7
from l7gw.identity.principal import Principal
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.recording import events as e
from l7gw.recording.disk_room import DiskRoom
from l7gw.recording.journal import Journal
from l7gw.recording.outbox import Outbox
from l7gw.recording.session import Attempts, Session
from l7gw.recording.state import check_state
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

log = logging.getLogger(__name__)

STEP = 1.0  # seconds; the wall clock was set if it moved by more than this against the monotonic clock within a tick (threats H5)

# The key of a session: the fields of the principal in the order of `SessionStarted`, without those of its credential, and the
# cluster.
_Key = tuple[str, tuple[str, ...], Kind, str, str, str, str]


class Recorder:
    """The recording of one process."""

    def __init__(
        self,
        state: Path,
        *,
        clock: Clock,
        reserve: int,
        loop: asyncio.AbstractEventLoop,
        version: str = "",
        timeouts: Timeouts = USUAL_TIMEOUTS,
        limits: Limits = USUAL_LIMITS,
    ) -> None:
        self.clock = SteadyClock(clock)
        self.disk = DiskRoom(state, reserve)
        self._state = state
        self._loop = loop
        self._limits = limits
        self._journal = Journal(state, version or importlib.metadata.version("l7gw"), self._sync_failed, timeouts, limits)
        self.outbox = Outbox(self._journal, clock, loop, timeouts, limits, on_failed=self._failed, on_written=self._written)
        self._sessions: dict[_Key, Session] = {}
        self._attempts: dict[str, Attempts] = {}
        self._former: list[tuple[Session, e.WhyEnded]] = []  # sessions that take no new call, and why; each ends with its last call
        self._of_failure: list[Callable[[], None]] = []
        self._of_write: list[Callable[[], None]] = []

    def open(self) -> None:
        """Open the journal. Raises OSError where the state cannot be used; its text says what to do."""
        check_state(self._state)
        self._journal.open()
        self.disk.look()

    def close(self) -> None:
        """End all sessions, write and sync everything. Called in the loop's thread, which it blocks."""
        for session in [*self._sessions.values(), *self._attempts.values(), *(session for session, _ in self._former)]:
            session.end("shutdown")
        self.outbox.close()
        self._journal.close()
        self.outbox.tell_what_is_lost()

    # ------------------------------------------------------------------ sessions

    def session(self, principal: Principal, cluster: str) -> Session:
        """The running session of a principal on a cluster, or a new one."""
        key = (principal.user, principal.groups, principal.kind, principal.issuer, principal.actor, principal.address, cluster)
        session = self._sessions.get(key)
        if session is None or not session.takes_calls:
            started = e.SessionStarted(
                self._now(),
                id=uuid7(),
                cluster=cluster,
                user=principal.user,
                groups=principal.groups,
                kind=principal.kind,
                issuer=principal.issuer,
                actor=principal.actor,
                address=principal.address,
            )
            session = self._sessions[key] = Session(self.outbox, self.clock, started, self._limits)
        return session

    def attempts(self, cluster: str) -> Attempts:
        """The day's session of calls without a principal."""
        today = datetime.datetime.fromtimestamp(self.clock.wall(), datetime.UTC).date()
        session = self._attempts.get(cluster)
        if session is None or session.day != today:
            if session is not None:
                self._leave(session, "day")
            started = e.SessionStarted(
                self._now(),
                id=uuid7(),
                cluster=cluster,
                user="",
                groups=(),
                kind="",
                issuer="",
                actor="",
                address="",
                attempts=True,
            )
            session = self._attempts[cluster] = Attempts(self.outbox, self.clock, started, self._limits, today)
        return session

    def tick(self) -> None:
        """End sessions whose time is over, look at the clocks and the disk, try again after a failure. Called once a second."""
        now_ = self.clock.monotonic()
        for key, session in list(self._sessions.items()):
            if why := session.why_over(now_):
                del self._sessions[key]
                self._leave(session, why)
        self._end_former()
        for attempts in self._attempts.values():
            attempts.tell_dropped()
        self._look_at_the_clocks()
        self.disk.look()
        self.outbox.try_again()

    def _leave(self, session: Session, why: e.WhyEnded) -> None:
        """Its open calls end in it; new calls begin another session."""
        session.takes_calls = False
        self._former.append((session, why))

    def _end_former(self) -> None:
        still: list[tuple[Session, e.WhyEnded]] = []
        for session, why in self._former:
            if session.open_calls:
                still.append((session, why))
            else:
                session.end(why)
        self._former = still

    def _look_at_the_clocks(self) -> None:
        """Follow the wall clock. Where it was set, every running session records the step. Events before the step keep their old
        times, so that readers can take the step out again."""
        step = self.clock.step()
        if abs(step) <= STEP:
            self.clock.follow(step)
            return
        log.warning("the wall clock stepped by %.1f s", step)
        running = [*self._sessions.values(), *self._attempts.values(), *(session for session, _ in self._former)]
        for session in running:
            session.close_block()
        self.clock.follow(step)
        for session in running:
            session.stepped(int(step * 1_000_000))

    def _now(self) -> int:
        return int(self.clock.wall() * 1_000_000)

    # ------------------------------------------------------------------ failure

    def refusal(self) -> Refusal | None:
        """The refusal (503) of a new call while nothing can be recorded; None while recording works."""
        outbox = self.outbox
        if outbox.quiet and outbox.held <= outbox.most_held and not outbox.failure and not self.disk.full:
            return None  # every call asks: while the journal owes no answer, none can be late, and no clock is read
        why = outbox.unavailable or self.disk.full
        if not why:
            return None
        return Refusal(503, "ServiceUnavailable", f"this call cannot be recorded, so it does not pass: {why}")

    def on_failure(self, callback: Callable[[], None]) -> None:
        """Register a callback for the first failure of each outage."""
        self._of_failure.append(callback)

    def on_written(self, callback: Callable[[], None]) -> None:
        """Register a callback for each time the journal has written something."""
        self._of_write.append(callback)

    def _sync_failed(self, error: Exception) -> None:
        """A sync failed that no call waited for. Called in one of the journal's threads."""
        with suppress(RuntimeError):  # the loop may have ended
            self._loop.call_soon_threadsafe(self.outbox.fail, error)

    def _failed(self) -> None:
        """What was handed to the failed segment may be lost. So calls after the failure belong to other sessions (threats H3)."""
        for session in self._sessions.values():
            self._leave(session, "failed")
        self._sessions.clear()
        for callback in self._of_failure:
            callback()

    def _written(self) -> None:
        for callback in self._of_write:
            callback()
