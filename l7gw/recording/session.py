"""Sessions, and the exchanges in them: what the data path appends events to. Appending encodes an event and puts it in a list. One
core appends 1.4 million frames of 64 bytes a second, or 190,000 calls of five events and 1 kB.

The beginnings of a session and of its runs, the steps of its clock and its end lie in blocks of their own. So the list of sessions
is made without reading a body.
"""

from __future__ import annotations

import asyncio
import datetime
import uuid

import msgspec

from l7gw.clock import SteadyClock
from l7gw.kube.act import Act
from l7gw.recording import events as e
from l7gw.recording.journal import Chain, Piece
from l7gw.recording.layout import HOLDS_SESSION_EVENTS
from l7gw.recording.outbox import Outbox, Then

BLOCK = 256 * 1024  # bytes of events in one block, unless a single event is larger; larger blocks compress no better
LARGEST_EVENT = 4 * 1024 * 1024  # bytes of a body or frame in one event; a reader accepts blocks of 8 MiB
BACKLOG = 4 * 1024 * 1024  # bytes of one session that may wait for the disk before its calls are slowed (threats H11)
RUNS_KNOWN = 1000  # runs that a session remembers, so that memory has a bound; an older run that comes back is recorded again
ATTEMPTS_A_SECOND = 10
ATTEMPTS_A_DAY = 64 * 1024 * 1024  # bytes of events of calls without a principal, for each cluster and day
LONGEST_ATTEMPT = 8 * 1024  # characters kept of a header or target, in a call without a principal

_encode = msgspec.msgpack.Encoder().encode


def _events_of(data: bytes) -> list[bytes]:
    """Bytes, cut into parts of at most LARGEST_EVENT."""
    return [data[at : at + LARGEST_EVENT] for at in range(0, len(data), LARGEST_EVENT)]


Asked = tuple[tuple[str, ...] | None, str | None, tuple[int, ...] | None, str | None, str | None, bool | None, bool | None]
NOTHING_ASKED: Asked = (None,) * 7


def _asked(act: Act) -> Asked:
    """What the query says, in the order of the last fields of `RequestRecorded`."""
    interactive = act.subresource in ("exec", "attach")
    return (
        act.argv,
        (act.container or None) if interactive or act.subresource == "log" else None,
        act.ports,
        act.label_selector,
        act.field_selector,
        act.stdin if interactive else None,
        act.tty if interactive else None,
    )


class Session:
    """What one principal does on one cluster, or (`Attempts`) the day's calls without a principal on it."""

    def __init__(self, outbox: Outbox, clock: SteadyClock, started: e.SessionStarted) -> None:
        self._outbox = outbox
        self._clock = clock
        self._monotonic = clock.monotonic
        self.id = started.id
        self.started = clock.monotonic()
        self.idle_since = self.started
        self.open_calls = 0
        self.chain = Chain(uuid.UUID(started.id).bytes)
        self._runs: dict[tuple[str, int], int] = {}
        self._run_count = 0
        self._exchanges = 0
        self._denied = 0
        self._content = 0
        self._head: list[bytes] = []  # events that the list of sessions reads; their blocks come before the others
        self._parts: list[bytes] = []
        self._blocks: list[Piece] = []  # blocks that were closed before a step of the clock
        self._size = 0  # bytes in `_head`, `_parts` and `_blocks`
        self._why_ended = ""
        self._end_taken = False
        self._about(started)

    @property
    def backlogged(self) -> bool:
        """Whether so much of this session waits for the disk that its calls should be slowed."""
        return self._size + self.chain.queued > BACKLOG or self._outbox.backlogged

    def begin(self, run_id: str, client: str, command: str, *, content: bool = True) -> CallRecord:
        """A new exchange in the run of this client process. Without `content`, bodies and the bytes of frames are not kept
        (`record: metadata`)."""
        # An id that comes with another client or command is another run: else the record would name the wrong command.
        # Of client and command, which may be long, only a hash is kept. Python's hash has a new key in each process.
        key = run_id, hash((client, command))
        run = self._runs.get(key)
        if run is None:
            if len(self._runs) >= RUNS_KNOWN:
                del self._runs[next(iter(self._runs))]
            run = self._runs[key] = self._run_count
            self._run_count += 1
            self._about(e.RunStarted(self.now(), run_id, client[:LONGEST_ATTEMPT], command[:LONGEST_ATTEMPT]))
        self._exchanges += 1
        self.open_calls += 1
        return CallRecord(self, self._exchanges, run, content)

    def append(self, event: e.Event) -> int:
        """Append an event. Returns its size in bytes."""
        return self.append_encoded(_encode(event))

    def append_encoded(self, part: bytes) -> int:
        """Append an event that is already encoded. Returns its size in bytes."""
        self._parts.append(part)
        size = len(part)
        self._size += size
        outbox = self._outbox
        outbox.held += size
        if size == self._size:
            outbox.dirty(self)
        if self._size >= BLOCK:
            outbox.flush()
        return size

    def _about(self, event: e.Event) -> None:
        """Append an event that the list of sessions reads."""
        data = _encode(event)
        self._head.append(data)
        self._size += len(data)
        self._outbox.held += len(data)
        self._outbox.dirty(self)

    def now(self) -> int:
        """Microseconds since 1970, by the wall clock as this process follows it."""
        return int((self._monotonic() + self._clock.apart) * 1_000_000)

    def close_block(self) -> None:
        """Close the block: events after this call lie in another block. Called before a step of the clock."""
        self._blocks += self._pieces(self._head, HOLDS_SESSION_EVENTS) + self._pieces(self._parts, 0)
        self._head, self._parts = [], []

    def stepped(self, by: int) -> None:
        """Record that the wall clock was set ahead by so many microseconds. The list of sessions reads this event, too."""
        self._about(e.ClockStepped(self.now(), by))

    def count(self, content: int = 0, denied: int = 0) -> None:
        self._content += content
        self._denied += denied

    def closed_call(self) -> None:
        self.open_calls -= 1
        self.idle_since = self._clock.monotonic()

    def end(self, reason: str) -> None:
        if not self._why_ended:
            self._why_ended = reason
            self._outbox.dirty(self)

    @property
    def ended(self) -> bool:
        return bool(self._why_ended)

    def take(self) -> list[Piece]:
        """The pieces gathered since the last call. Each is for one block: at most BLOCK bytes, or a single event. Beginnings come
        first, the session's end last."""
        self.close_block()
        pieces, self._blocks = self._blocks, []
        self.chain.queued += self._size
        self._size = 0
        if self._why_ended and not self._end_taken:
            self._end_taken = True
            last = _encode(e.SessionEnded(self.now(), self._why_ended))
            self.chain.queued += len(last)
            self._outbox.held += len(last)
            pieces.append(self._piece([last], HOLDS_SESSION_EVENTS))
        return pieces

    def _pieces(self, parts: list[bytes], flags: int) -> list[Piece]:
        pieces: list[Piece] = []
        some: list[bytes] = []
        size = 0
        for part in parts:
            if size + len(part) > BLOCK and some:
                pieces.append(self._piece(some, flags))
                some, size = [], 0
            some.append(part)
            size += len(part)
        if some:
            pieces.append(self._piece(some, flags))
        return pieces

    def _piece(self, parts: list[bytes], flags: int) -> Piece:
        data = b"".join(parts)
        return Piece(self.chain, data, len(parts), flags, self._exchanges, self._denied, 0, self._content, self.now())

    def durable(self, then: Then) -> None:
        self._outbox.durable(then)


class CallRecord:
    """Appends the events of one call. Every method but `durable` returns at once and waits for no disk."""

    __slots__ = ("_content", "_run", "number", "session")

    silent = False  # whether nothing is kept, so that a caller may skip making what it would record

    def __init__(self, session: Session, number: int, run: int, content: bool) -> None:
        self.session = session
        self.number = number
        self._run = run
        self._content = content

    def request(self, method: str, target: str, headers: e.Headers, act: Act | None, audit_id: str) -> None:
        if act is None:
            named: tuple[str, str, str, str, str, str, tuple[str, ...]] = ("", "", "", "", "", "", ())
            asked = NOTHING_ASKED
        else:
            effects = tuple(sorted(act.effects))
            named = (act.verb, act.group, act.resource, act.subresource, act.namespace, act.name, effects)
            asked = _asked(act)
        self.session.append(
            e.RequestRecorded(self.session.now(), self.number, self._run, method, target, headers, *named, audit_id, *asked)
        )

    def request_body(self, data: bytes) -> None:
        self.session.count(len(data))
        if self._content:
            for part in _events_of(data):
                self.session.append(e.RequestBody(self.session.now(), self.number, part))

    def verdict(self, rule: str, verdict: str, reason: str) -> None:
        if verdict == "deny":
            self.session.count(denied=1)
        self.session.append(e.VerdictRecorded(self.session.now(), self.number, rule, verdict, reason))

    def response(self, status: int, headers: e.Headers) -> None:
        self.session.append(e.ResponseRecorded(self.session.now(), self.number, status, headers))

    def response_body(self, data: bytes) -> None:
        self.session.count(len(data))
        if self._content:
            for part in (data,) if len(data) <= LARGEST_EVENT else _events_of(data):
                self.session.append(e.ResponseBody(self.session.now(), self.number, part))

    def frame(self, channel: str, up: bool, stream: int, data: bytes, final: bool = False) -> None:
        session = self.session
        session.count(len(data))
        if not self._content:
            data = b""
        elif len(data) > LARGEST_EVENT:
            *before, data = _events_of(data)
            for part in before:
                session.append(e.Frame(session.now(), self.number, channel, up, stream, part))
        session.append(e.Frame(session.now(), self.number, channel, up, stream, data, final))

    def end(self, outcome: str, reason: str = "") -> None:
        """Record the end of the call. `reason` says why the call failed; "" where it is complete."""
        self.session.append(e.ExchangeEnded(self.session.now(), self.number, outcome, reason))
        self.session.closed_call()

    def durable(self, then: Then) -> None:
        """Call `then` on the loop with None once all that was appended to the session so far is on the disk, or with the error."""
        self.session.durable(then)


class Silent(CallRecord):
    """An exchange that records nothing: on a cluster with `record: none`, or an attempt beyond the limits of `Attempts`."""

    __slots__ = ()

    silent = True

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

    def end(self, outcome: str, reason: str = "") -> None:
        pass

    def durable(self, then: Then) -> None:
        asyncio.get_running_loop().call_soon(then, None)


class Attempts(Session):
    """The day's calls without a principal on one cluster. Their number and size are limited, so that strangers can neither fill the
    disk nor slow others."""

    def __init__(self, outbox: Outbox, clock: SteadyClock, started: e.SessionStarted, day: datetime.date) -> None:
        super().__init__(outbox, clock, started)
        self.day = day
        self._second = 0
        self._this_second = 0
        self._written = 0
        self._dropped = 0

    def begin(self, run_id: str, client: str, command: str, *, content: bool = True) -> CallRecord:
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._this_second = second, 0
            self.tell_dropped()
        self._this_second += 1
        late = self._this_second > ATTEMPTS_A_SECOND or self._written > ATTEMPTS_A_DAY
        if late or self.backlogged or self._outbox.failure:
            self._dropped += 1
            return Silent(self, 0, 0, False)
        # All attempts share one run: strangers choose the ids of theirs, and could make any number of runs.
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
            self.append(e.AttemptsDropped(self.now(), self._dropped))
            self._dropped = 0
