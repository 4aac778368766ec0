"""Sessions, and the exchanges in them: what the data path appends events to. Appending encodes an event and puts it in a list. One
core appends 1.4 million frames of 64 bytes a second, or 190,000 calls of five events and 1 kB.

The beginnings of a session and of its runs, the steps of its clock and its end lie in blocks of their own. So the list of sessions
is made without reading a body.
"""

from __future__ import annotations

import asyncio
import datetime
import uuid
from collections import deque
from typing import Literal

from l7gw.clock import SteadyClock
from l7gw.kube.act import Act
from l7gw.limits import Limits
from l7gw.masking.find import Find
from l7gw.recording import events as e
from l7gw.recording.journal import Chain, Piece
from l7gw.recording.layout import HOLDS_SESSION_EVENTS
from l7gw.recording.outbox import Outbox, Then

IDLE_AFTER = 15 * 60.0  # seconds without an open call, after which a session ends
LONGEST_SESSION = 24 * 3600.0  # seconds; a principal's calls after them begin another session
BLOCK = 256 * 1024  # bytes of events in one block, unless a single event is larger; larger blocks compress no better
LARGEST_EVENT = 4 * 1024 * 1024  # bytes of a body or frame in one event; a reader accepts blocks of 8 MiB
MOST_RECENT = 20  # requests of a session that are remembered for the reviewers of its next call
LONGEST_ATTEMPT = 8 * 1024  # characters kept of a header or target, in a call without a principal

UNREAD = Act(verb="", path="", query="", effects=frozenset())  # stands for what a request asked that could not be read


def _events_of(data: bytes) -> list[bytes]:
    """Bytes, cut into parts of at most LARGEST_EVENT."""
    return [data[at : at + LARGEST_EVENT] for at in range(0, len(data), LARGEST_EVENT)]


def _add_query(event: e.RequestRecorded, act: Act) -> None:
    """Set the last fields of the event, which say what the query asked for. They are set one by one, because Python makes a dict of
    more than 14 keywords: making the event would take 820 ns instead of 240."""
    interactive = act.subresource in ("exec", "attach")
    event.argv = act.argv
    if interactive or act.subresource == "log":
        event.container = act.container or None
    event.ports = act.ports
    event.label_selector = act.label_selector
    event.field_selector = act.field_selector
    if interactive:
        event.stdin = act.stdin
        event.tty = act.tty
    if act.acts_as is not None:
        event.as_user = act.acts_as.user
        event.as_groups = act.acts_as.groups


class Session:
    """What one principal does on one cluster, or (`Attempts`) the day's calls without a principal on it."""

    def __init__(self, outbox: Outbox, clock: SteadyClock, started: e.SessionStarted, limits: Limits) -> None:
        self._outbox = outbox
        self._limits = limits
        self._most_unwritten = limits.session_unwritten
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
        self._held = 0
        self.recent: deque[tuple[int, str, Act]] = deque(maxlen=MOST_RECENT)  # requests: microseconds since 1970, method, act
        self._content = 0
        self._head: list[bytes] = []  # events that the list of sessions reads; their blocks come before the others
        self._parts: list[bytes] = []
        self._blocks: list[Piece] = []  # blocks that were closed before a step of the clock
        self._size = 0  # bytes in `_head`, `_parts` and `_blocks`
        self._why_ended: e.WhyEnded | None = None
        self._end_taken = False
        self._about(started)

    @property
    def backlogged(self) -> bool:
        """Whether so much of this session waits for the disk that its calls should be slowed."""
        return self._size + self.chain.queued > self._most_unwritten or self._outbox.backlogged

    def begin(self, *, run_id: str, client: str, command: str, content: bool = True) -> CallRecord:
        """A new exchange in the run of this client process. Without `content`, bodies and the bytes of frames are not kept
        (`record: metadata`)."""
        # An id that comes with another client or command is another run: else the record would name the wrong command.
        # Of client and command, which may be long, only a hash is kept. Python's hash has a new key in each process.
        key = run_id, hash((client, command))
        run = self._runs.get(key)
        if run is None:
            if len(self._runs) >= self._limits.runs_known:
                del self._runs[next(iter(self._runs))]
            run = self._runs[key] = self._run_count
            self._run_count += 1
            self._about(e.RunStarted(self.now(), id=run_id, client=client[:LONGEST_ATTEMPT], command=command[:LONGEST_ATTEMPT]))
        self._exchanges += 1
        self.open_calls += 1
        return CallRecord(self, number=self._exchanges, run=run, content=content)

    def append(self, event: e.WrittenEvent) -> int:
        """Append an event. Returns its size in bytes."""
        return self.append_encoded(e.encode(event))

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

    def _about(self, event: e.WrittenEvent) -> None:
        """Append an event that the list of sessions reads."""
        data = e.encode(event)
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

    def count(self, content: int = 0, *, denied: int = 0, held: int = 0) -> None:
        self._content += content
        self._denied += denied
        self._held += held

    def closed_call(self) -> None:
        self.open_calls -= 1
        self.idle_since = self._clock.monotonic()

    def why_over(self, now: float) -> Literal["", "idle", "day"]:
        """Why no new call may begin in this session at `now` (monotonic seconds); "" where one may."""
        if self.open_calls == 0 and now - self.idle_since >= IDLE_AFTER:
            return "idle"
        return "day" if now - self.started >= LONGEST_SESSION else ""

    def end(self, reason: e.WhyEnded) -> None:
        if self._why_ended is None:
            self._why_ended = reason
            self._outbox.dirty(self)

    @property
    def ended(self) -> bool:
        return self._why_ended is not None

    def take(self) -> list[Piece]:
        """The pieces gathered since the last call. Each is for one block: at most BLOCK bytes, or a single event. Beginnings come
        first, the session's end last."""
        self.close_block()
        pieces, self._blocks = self._blocks, []
        self.chain.queued += self._size
        self._size = 0
        if self._why_ended is not None and not self._end_taken:
            self._end_taken = True
            last = e.encode(e.SessionEnded(self.now(), self._why_ended))
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
        return Piece(
            self.chain,
            data,
            events=len(parts),
            last=self.now(),
            flags=flags,
            exchanges=self._exchanges,
            denied=self._denied,
            held=self._held,
            content=self._content,
        )

    def durable(self, then: Then) -> None:
        self._outbox.durable(then)


class CallRecord:
    """Appends the events of one call. Every method but `durable` returns at once and waits for no disk."""

    __slots__ = ("_content", "_run", "number", "session")

    silent = False  # whether nothing is kept, so that a caller may skip making what it would record

    def __init__(self, session: Session, *, number: int, run: int, content: bool) -> None:
        self.session = session
        self.number = number
        self._run = run
        self._content = content

    def request(self, *, method: str, target: str, headers: e.Headers, act: Act | None, audit_id: str) -> None:
        """Record the request. `act` is None where the request could not be read."""
        if act is None:
            act = UNREAD
        event = e.RequestRecorded(
            self.session.now(),
            self.number,
            self._run,
            method=method,
            target=target,
            headers=headers,
            verb=act.verb,
            group=act.group,
            resource=act.resource,
            subresource=act.subresource,
            namespace=act.namespace,
            name=act.name,
            effects=tuple(sorted(act.effects)),
            audit_id=audit_id,
        )
        _add_query(event, act)
        self.session.recent.append((event.time, method, act))  # costs 0.1 us
        self.session.append(event)

    def request_body(self, data: bytes) -> None:
        self.session.count(len(data))
        if self._content:
            for part in _events_of(data):
                self.session.append(e.RequestBody(self.session.now(), self.number, part))

    def verdict(self, verdict: e.VerdictWord, *, rule: str = "", reason: str, own: bool = False) -> None:
        """Record a verdict. `rule` is the name of the rule that decided; "" where none did. `own`: it is about what the gateway
        itself asks the cluster within the call."""
        if verdict == "deny":
            self.session.count(denied=1)
        event = e.VerdictRecorded(self.session.now(), self.number, rule=rule, verdict=verdict, reason=reason, own=own)
        self.session.append(event)

    def response(self, status: int, headers: e.Headers) -> None:
        self.session.append(e.ResponseRecorded(self.session.now(), self.number, status=status, headers=headers))

    def response_body(self, data: bytes) -> None:
        self.session.count(len(data))
        if self._content:
            for part in (data,) if len(data) <= LARGEST_EVENT else _events_of(data):
                self.session.append(e.ResponseBody(self.session.now(), self.number, part))

    def frame(self, channel: str, *, up: bool, stream: int, data: bytes, final: bool = False) -> None:
        """Record bytes of a channel; see `Frame` for the fields. Keywords here and in the event cost 25 of a frame's 700 ns."""
        session = self.session
        session.count(len(data))
        if not self._content:
            data = b""
        elif len(data) > LARGEST_EVENT:
            *before, data = _events_of(data)
            for part in before:
                session.append(e.Frame(session.now(), self.number, channel=channel, up=up, stream=stream, data=part))
        session.append(e.Frame(session.now(), self.number, channel=channel, up=up, stream=stream, data=data, final=final))

    def mask(self, find: Find, *, up: bool) -> None:
        """Record that a value was masked. `up`: the caller sent it."""
        session = self.session
        event = e.MaskRecorded(
            session.now(), self.number, detector=find.detector, where=find.where, length=find.length, tag=find.tag, up=up
        )
        event.late = find.late
        session.append(event)

    def kill(self, user: str, reason: str, *, local: bool) -> None:
        """Record that somebody ends the call. `local`: he is known by the socket alone."""
        self.session.append(e.KillRecorded(self.session.now(), self.number, user=user, reason=reason, local=local))

    def end(self, outcome: e.Outcome, reason: str = "") -> None:
        """Record the end of the call. `reason` says why the call failed; "" where it is complete."""
        self.session.append(e.ExchangeEnded(self.session.now(), self.number, outcome=outcome, reason=reason))
        self.session.closed_call()

    def durable(self, then: Then) -> None:
        """Call `then` on the loop with None once all that was appended to the session so far is on the disk, or with the error."""
        self.session.durable(then)


class Silent(CallRecord):
    """An exchange that records nothing: on a cluster with `record: none`, or an attempt beyond the limits of `Attempts`."""

    __slots__ = ()

    silent = True

    def __init__(self, session: Session) -> None:
        super().__init__(session, number=0, run=0, content=False)

    def request(self, *, method: str, target: str, headers: e.Headers, act: Act | None, audit_id: str) -> None:
        pass

    def request_body(self, data: bytes) -> None:
        pass

    def verdict(self, verdict: e.VerdictWord, *, rule: str = "", reason: str, own: bool = False) -> None:
        pass

    def response(self, status: int, headers: e.Headers) -> None:
        pass

    def response_body(self, data: bytes) -> None:
        pass

    def frame(self, channel: str, *, up: bool, stream: int, data: bytes, final: bool = False) -> None:
        pass

    def mask(self, find: Find, *, up: bool) -> None:
        pass

    def kill(self, user: str, reason: str, *, local: bool) -> None:
        pass

    def end(self, outcome: e.Outcome, reason: str = "") -> None:
        pass

    def durable(self, then: Then) -> None:
        asyncio.get_running_loop().call_soon(then, None)


class Attempts(Session):
    """The day's calls without a principal on one cluster. Their number and size are limited, so that strangers can neither fill the
    disk nor slow others."""

    def __init__(self, outbox: Outbox, clock: SteadyClock, started: e.SessionStarted, limits: Limits, day: datetime.date) -> None:
        super().__init__(outbox, clock, started, limits)
        self.day = day
        self._second = 0
        self._this_second = 0
        self._written = 0
        self._dropped = 0

    def begin(self, *, run_id: str = "", client: str = "", command: str = "", content: bool = True) -> CallRecord:
        """The record of a new attempt. All attempts share one run: strangers choose their ids, and could make many runs."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._this_second = second, 0
            self.tell_dropped()
        self._this_second += 1
        late = self._this_second > self._limits.attempts_a_second or self._written > self._limits.attempts_a_day
        if late or self.backlogged or self._outbox.failure:
            self._dropped += 1
            return Silent(self)
        return super().begin(run_id="", client="", command="")

    def append(self, event: e.WrittenEvent) -> int:
        if isinstance(event, e.RequestRecorded):
            event.target = event.target[:LONGEST_ATTEMPT]
            event.headers = tuple((name[:256], value[:1024]) for name, value in event.headers[:20])
        size = super().append(event)
        self._written += size
        return size

    def tell_dropped(self) -> None:
        if self._dropped:
            self.append(e.AttemptsDropped(self.now(), count=self._dropped))
            self._dropped = 0
