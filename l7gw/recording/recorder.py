"""What the data path calls to write things down: sessions, their exchanges, and the one door to the journal.

Appending is an encoding and a list; a tick of 100 ms hands what has gathered to the journal's thread, sooner where somebody
waits for the disk. Callbacks only. What cannot be recorded does not pass: `refusal` says so before a call begins, and
`on_failure` ends the streams that run.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import stat
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from l7gw.clock import Clock
from l7gw.errors import Refusal
from l7gw.recording import events as e
from l7gw.recording.identifiers import uuid7
from l7gw.recording.journal import Batch, Chain, Journal, Piece
from l7gw.recording.layout import HOLDS_SESSION_EVENTS

if TYPE_CHECKING:
    from l7gw.identity.principal import Principal
    from l7gw.kube.act import Act

log = logging.getLogger(__name__)

TICK = 0.1  # seconds from an event to the kernel, about; a kill -9 loses at most a second
BLOCK = 256 * 1024  # bytes of a session's events that make a block before the tick
LARGEST_PIECE = 4 * 1024 * 1024  # bytes of one block at most, unless a single event (a body: 3 MiB) is larger
BACKLOG = 4 * 1024 * 1024  # bytes of one session that may wait for the disk before its calls are slowed (H11)
ALL_BACKLOG = 256 * 1024 * 1024  # and of all together; beyond it new calls are refused
STALLED = 10.0  # seconds that one write may take before new calls are refused
IDLE_AFTER = 15 * 60.0  # seconds without an open call that end a session
LONGEST_SESSION = 24 * 3600.0  # seconds
ATTEMPTS_A_SECOND = 10
ATTEMPTS_A_DAY = 64 * 1024 * 1024  # bytes of calls without a principal, a cluster and day
LONGEST_ATTEMPT = 8 * 1024  # characters of a stranger's header or target that are kept

Then = Callable[[Exception | None], None]

_encode = msgspec.msgpack.Encoder().encode


class Session:
    """One principal on one cluster (design section 8), or the day's attempts of nobody on it."""

    def __init__(self, recorder: Recorder, started: e.SessionStarted) -> None:
        self._recorder = recorder
        self.id = started.id
        self.started = recorder.clock.monotonic()
        self.idle_since = self.started
        self.open_calls = 0
        self.chain = Chain(uuid.UUID(started.id).bytes)
        self._runs: dict[str, int] = {}
        self._exchanges = 0
        self._denied = 0
        self._content = 0
        self._parts: list[bytes] = [_encode(started)]
        self._size = len(self._parts[0])
        recorder.held += self._size
        self._flags = HOLDS_SESSION_EVENTS
        self.queued = 0  # bytes handed to the journal's thread, not yet written
        self.ended = False

    @property
    def backlogged(self) -> bool:
        """The disk is behind: slow down whoever writes here."""
        return self._size + self.queued > BACKLOG or self._recorder.backlogged

    def begin(self, run_id: str, client: str, command: str, *, content: bool = True) -> Exchange:
        """A new exchange in the run of this client process. `content` false keeps bodies and frames out (record: metadata)."""
        run = self._runs.get(run_id)
        if run is None:
            run = self._runs[run_id] = len(self._runs)
            self._flags |= HOLDS_SESSION_EVENTS
            self.append(e.RunStarted(now(), run_id, client[:LONGEST_ATTEMPT], command[:LONGEST_ATTEMPT]))
        self._exchanges += 1
        self.open_calls += 1
        return Exchange(self, self._exchanges, run, content)

    def append(self, event: e.Event) -> int:
        """Remember an event; its size in bytes."""
        data = _encode(event)
        size = len(data)
        if not self._parts:
            self._recorder.dirty(self)
        self._parts.append(data)
        self._size += size
        self._recorder.held += size
        if self._size >= BLOCK:
            self._recorder.flush()
        return size

    def count(self, content: int = 0, denied: int = 0) -> None:
        self._content += content
        self._denied += denied

    def closed_call(self) -> None:
        self.open_calls -= 1
        self.idle_since = self._recorder.clock.monotonic()

    def end(self, reason: str) -> None:
        if not self.ended:
            self._flags |= HOLDS_SESSION_EVENTS
            self.append(e.SessionEnded(now(), reason))
            self.ended = True

    def take(self) -> list[Piece]:
        """What has gathered, each piece for one block: a disk that was slow leaves more than a block may hold."""
        pieces: list[Piece] = []
        parts: list[bytes] = []
        size = 0
        for part in self._parts:
            if size + len(part) > LARGEST_PIECE and parts:
                pieces.append(self._piece(parts))
                parts, size = [], 0
            parts.append(part)
            size += len(part)
        if parts:
            pieces.append(self._piece(parts))
        self.queued += self._size
        self._parts, self._size, self._flags = [], 0, 0
        return pieces

    def _piece(self, parts: list[bytes]) -> Piece:
        data = b"".join(parts)
        return Piece(self.chain, data, len(parts), self._flags, self._exchanges, self._denied, 0, self._content, now())

    def durable(self, then: Then) -> None:
        self._recorder.durable(self, then)


class Exchange:
    """One call's events. Every method but `durable` only remembers."""

    __slots__ = ("_content", "_run", "number", "session")

    def __init__(self, session: Session, number: int, run: int, content: bool) -> None:
        self.session = session
        self.number = number
        self._run = run
        self._content = content

    def request(self, method: str, target: str, headers: e.Headers, act: Act | None, audit_id: str) -> None:
        if act is None:
            named: tuple[str, str, str, str, str, str, tuple[str, ...]] = ("", "", "", "", "", "", ())
        else:
            effects = tuple(sorted(act.effects))
            named = (act.verb, act.group, act.resource, act.subresource, act.namespace, act.name, effects)
        self.session.append(e.RequestRecorded(now(), self.number, self._run, method, target, headers, *named, audit_id))

    def request_body(self, data: bytes) -> None:
        self.session.count(len(data))
        if self._content:
            self.session.append(e.RequestBody(now(), self.number, data))

    def verdict(self, rule: str, verdict: str, reason: str) -> None:
        if verdict == "deny":
            self.session.count(denied=1)
        self.session.append(e.VerdictRecorded(now(), self.number, rule, verdict, reason))

    def response(self, status: int, headers: e.Headers) -> None:
        self.session.append(e.ResponseRecorded(now(), self.number, status, headers))

    def response_body(self, data: bytes) -> None:
        self.session.count(len(data))
        if self._content:
            self.session.append(e.ResponseBody(now(), self.number, data))

    def frame(self, channel: str, up: bool, stream: int, data: bytes, final: bool = False) -> None:
        self.session.count(len(data))
        self.session.append(e.Frame(now(), self.number, channel, up, stream, data if self._content else b"", final))

    def end(self, outcome: str) -> None:
        self.session.append(e.ExchangeEnded(now(), self.number, outcome))
        self.session.closed_call()

    def durable(self, then: Then) -> None:
        """Call `then` on the loop once all that was appended to the session so far is on the disk, or with the error."""
        self.session.durable(then)


class Silent(Exchange):
    """An exchange that leaves no trace: of a cluster with `record: none`, or an attempt beyond what is kept."""

    __slots__ = ()

    def request(self, method: str, target: str, headers: e.Headers, act: Act | None, audit_id: str) -> None:
        pass

    def request_body(self, data: bytes) -> None:
        pass

    def verdict(self, rule: str, verdict: str, reason: str) -> None:
        pass

    def response(self, status: int, headers: e.Headers) -> None:
        pass

    def response_body(self, data: bytes) -> None:
        pass

    def frame(self, channel: str, up: bool, stream: int, data: bytes, final: bool = False) -> None:
        pass

    def end(self, outcome: str) -> None:
        pass

    def durable(self, then: Then) -> None:
        asyncio.get_running_loop().call_soon(then, None)


class Attempts(Session):
    """Calls without a principal, bounded so that strangers can neither fill the disk nor slow the others."""

    def __init__(self, recorder: Recorder, started: e.SessionStarted, day: datetime.date) -> None:
        super().__init__(recorder, started)
        self.day = day
        self._second = 0
        self._this_second = 0
        self._written = 0
        self._dropped = 0

    def begin(self, run_id: str, client: str, command: str, *, content: bool = True) -> Exchange:
        second = int(self._recorder.clock.monotonic())
        if second != self._second:
            self._second, self._this_second = second, 0
            self.tell_dropped()
        self._this_second += 1
        if self._this_second > ATTEMPTS_A_SECOND or self._written > ATTEMPTS_A_DAY:
            self._dropped += 1
            return Silent(self, 0, 0, False)
        # strangers' runs are one: their ids are theirs to choose, and would grow without end
        return super().begin("", "", "")

    def append(self, event: e.Event) -> int:
        if isinstance(event, e.RequestRecorded):
            event.target = event.target[:LONGEST_ATTEMPT]
            event.headers = tuple((name[:256], value[:1024]) for name, value in event.headers[:20])
        size = super().append(event)
        self._written += size
        return size

    def tell_dropped(self) -> None:
        if self._dropped:
            self.append(e.AttemptsDropped(now(), self._dropped))
            self._dropped = 0


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
        self._journal = Journal(state, version, self._sync_failed)
        self._sessions: dict[tuple[object, ...], Session] = {}
        self._attempts: dict[str, Attempts] = {}
        self._dirty: dict[Session, None] = {}
        self._waiting: list[Then] = []
        self._writing = False
        self._writing_since = 0.0
        self._former: list[Session] = []  # a day old and replaced; they end with their last call
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
        for session in [*self._sessions.values(), *self._attempts.values(), *self._former]:
            session.end("shutdown")
        if self._timer is not None:
            self._timer.cancel()
        pieces = [*self._left, *(piece for session in self._dirty for piece in session.take())]
        self._dirty.clear()
        self._journal.put(Batch(pieces, True, _last_words))
        self._journal.close()

    # ------------------------------------------------------------------ sessions

    def session(self, principal: Principal, cluster: str) -> Session:
        """The running session of a principal on a cluster, or a new one."""
        key = (principal.user, principal.groups, principal.issuer, principal.kind, principal.actor, principal.address, cluster)
        session = self._sessions.get(key)
        if session is None or session.ended:
            started = e.SessionStarted(
                now(), uuid7(), cluster, principal.user, principal.groups, principal.kind, principal.issuer,
                principal.actor, principal.address,
            )  # fmt: skip
            session = self._sessions[key] = Session(self, started)
            self._of_chain[session.chain.id] = session
            self.dirty(session)
        return session

    def attempts(self, cluster: str) -> Attempts:
        """The day's session of calls without a principal."""
        today = datetime.datetime.fromtimestamp(self.clock.wall(), datetime.UTC).date()
        session = self._attempts.get(cluster)
        if session is None or session.day != today:
            if session is not None:
                self._former.append(session)
            session = Attempts(self, e.SessionStarted(now(), uuid7(), cluster, "", (), "", "", "", "", True), today)
            self._attempts[cluster] = session
            self._of_chain[session.chain.id] = session
            self.dirty(session)
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
                self._former.append(self._sessions.pop(key))  # its open calls end in it; new ones begin another
        for session in [one for one in self._former if one.open_calls == 0]:
            session.end("day")
            self._former.remove(session)
        for attempts in self._attempts.values():
            attempts.tell_dropped()
        self._look_at_the_disk()
        if self._failure:
            self.flush(again=True)

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
        if self._writing and self.clock.monotonic() - self._writing_since > STALLED:
            return f"the disk of the recordings has not taken a write for {STALLED:.0f} seconds"
        return "the disk of the recordings is too slow" if self.backlogged else ""

    def _sync_failed(self, error: Exception) -> None:
        """From the journal's thread."""
        self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: Exception) -> None:
        first = not self._failure
        self._failure = f"writing the journal failed: {getattr(error, 'strerror', None) or error}"
        if first:
            log.error("nothing passes any more: %s", self._failure)
            for failed in self._failed:
                failed()

    # ------------------------------------------------------------------ to the journal

    def dirty(self, session: Session) -> None:
        self._dirty[session] = None
        if self._timer is None and not self._writing:
            self._timer = self._loop.call_later(TICK, self.flush)

    def durable(self, session: Session, then: Then) -> None:
        self._waiting.append(then)
        self.flush()

    def flush(self, *, again: bool = False) -> None:
        """Hand what has gathered to the writer, unless it is busy: it comes back for it. `again` tries the disk after a failure,
        though there be nothing to write."""
        if self._writing:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pieces, self._left = self._left, []
        pieces += [piece for session in self._dirty for piece in session.take()]
        self._dirty.clear()
        waiting, self._waiting = self._waiting, []
        if not pieces and not waiting and not again:
            return
        self._writing = True
        self._writing_since = self.clock.monotonic()

        def done(left: list[Piece], error: Exception | None) -> None:
            self._loop.call_soon_threadsafe(self._written, pieces, left, waiting, error)

        self._journal.put(Batch(pieces, bool(waiting) or again, done))

    def _written(self, pieces: list[Piece], left: list[Piece], waiting: list[Then], error: Exception | None) -> None:
        self._writing = False
        self._left = left
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
        if error is not None:
            self._fail(error)
        elif self._failure:
            self._failure = ""
            log.info("the journal is written again")
        for then in waiting:
            then(error)
        if error is None and (self._waiting or self._dirty):
            if self._waiting:
                self.flush()
            elif self._timer is None:
                self._timer = self._loop.call_later(TICK, self.flush)
        for drained in self._drained:
            drained()


def _last_words(left: list[Piece], error: Exception | None) -> None:
    if error is not None:
        log.error("%d blocks of the recordings could not be written at the end: %s", len(left), error)


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def check_state(state: Path) -> None:
    """The state is a folder of ours that nobody else can look into (threats J5). Raises OSError."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"the state {state} cannot be made: {error.strerror}\n  hint: name a folder of the gateway's own in `state`"
        ) from error
    for path in [state, *state.rglob("*")]:
        about = path.lstat()
        if stat.S_ISLNK(about.st_mode):
            raise OSError(f"{path} is a link; the state holds none")
        if about.st_uid != os.geteuid():
            raise OSError(f"{path} belongs to another user\n  hint: chown it to the gateway's user")
        wanted = 0o700 if stat.S_ISDIR(about.st_mode) else 0o600
        if stat.S_IMODE(about.st_mode) & ~wanted:
            raise OSError(f"others can look into {path}\n  hint: chmod {wanted:o} {path}")
