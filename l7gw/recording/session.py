"""Sessions, and the exchanges in them: what the data path appends events to. Appending encodes an event and puts it in a list. One
core appends 1.4 million frames of 64 bytes a second, or 190,000 calls of five events and 1 kB; 450,000 by a form (`call_form`).

The beginnings of a session and of its runs, the steps of its clock and its end lie in blocks of their own. So the list of sessions
is made without reading a body.
"""

from __future__ import annotations

import datetime
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Literal

from l7gw.clock import SteadyClock
from l7gw.kube.act import Act
from l7gw.limits import Limits
from l7gw.recording import events as e
from l7gw.recording.batches import Chain, Piece
from l7gw.recording.call_form import CallForm
from l7gw.recording.call_record import Bytes, CallRecord, Silent
from l7gw.recording.layout import HOLDS_SESSION_EVENTS
from l7gw.recording.outbox import Outbox, Then

IDLE_AFTER = 15 * 60.0  # seconds without an open call, after which a session ends
LONGEST_SESSION = 24 * 3600.0  # seconds; a principal's calls after them begin another session
BLOCK = 256 * 1024  # bytes of events in one block, unless a single event is larger; larger blocks compress no better
MOST_RECENT = 20  # requests of a session that are remembered for the reviewers of its next call
LONGEST_ATTEMPT = 8 * 1024  # characters kept of a header or target, in a call without a principal


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
        self.takes_calls = True  # False once new calls of the principal belong to another session, or this one has ended
        self.chain = Chain(uuid.UUID(started.id).bytes)
        self._runs: dict[tuple[str, int], int] = {}
        self._run_count = 0
        self.runs_forgotten = 0  # how many of `_runs` were forgotten: if they come back, they are recorded anew
        self._exchanges = 0
        self._denied = 0
        self._held = 0
        self.recent: deque[tuple[int, str, Act]] = deque(maxlen=MOST_RECENT)  # requests: microseconds since 1970, method, act
        self.content = 0  # bytes of bodies and channels so far
        self._head: list[bytes] = []  # events that the list of sessions reads; their blocks come before the others
        self._parts: list[Bytes] = []  # of the block that is being filled
        self._filled = 0  # bytes in `_parts`
        self._more = 0  # events in `_parts`, beyond one a part
        self._full: list[tuple[list[Bytes], int, int]] = []  # blocks that are full, each with its bytes and events
        self._blocks: list[Piece] = []  # blocks that were closed before a step of the clock
        self._other = 0  # bytes in `_head`, `_full` and `_blocks`
        self._flush_at = BLOCK  # bytes in `_parts` at which the outbox is asked to hand over
        self._why_ended: e.WhyEnded | None = None
        self._end_taken = False
        self._about(started)

    @property
    def backlogged(self) -> bool:
        """Whether so much of this session waits for the disk that its calls should be slowed."""
        return self._filled + self._other + self.chain.queued > self._most_unwritten or self._outbox.backlogged

    def begin(self, *, run_id: str, client: str, command: str, content: bool = True) -> CallRecord:
        """A new exchange in the run of this client process. Without `content`, bodies and the bytes of frames are not kept
        (`record: metadata`)."""
        run = self.run_of(run_id, client, command)
        self._exchanges += 1
        self.open_calls += 1
        return CallRecord(self, run_id, self._exchanges, run, content)

    def run_of(self, run_id: str, client: str, command: str) -> int:
        """The number of the run of a client process. Its first call records that it began."""
        # An id that comes with another client or command is another run: else the record would name the wrong command.
        # Of client and command, which may be long, only a hash is kept. Python's hash has a new key in each process.
        key = run_id, hash((client, command))
        run = self._runs.get(key)
        if run is None:
            if len(self._runs) >= self._limits.runs_known:
                del self._runs[next(iter(self._runs))]
                self.runs_forgotten += 1
            run = self._runs[key] = self._run_count
            self._run_count += 1
            self._about(e.RunStarted(self.now(), id=run_id, client=client[:LONGEST_ATTEMPT], command=command[:LONGEST_ATTEMPT]))
        return run

    def begin_alike(self, form: CallForm) -> CallRecord:
        """As `begin`, of a call of this form. The form is of this session, so its run is known."""
        self._exchanges = number = self._exchanges + 1
        self.open_calls += 1
        return CallRecord(self, form.run_id, number, form.run, form.content)

    def append(self, event: e.WrittenEvent) -> int:
        """Append an event. Returns its size in bytes."""
        return self.append_encoded(e.encode(event))

    def append_encoded(self, part: bytes, more: int = 0) -> int:
        """Append an event that is already encoded, and so many more that stand behind it. They come into one block. Returns their
        size in bytes."""
        size, outbox = len(part), self._outbox
        filled = self._filled + size
        if filled == size:
            outbox.dirty(self)
        if filled >= self._flush_at:
            self._fill((part,), size, more)
            return size
        self._parts.append(part)
        self._filled = filled
        self._more += more
        outbox.held += size
        return size

    def append_parts(self, parts: Sequence[Bytes], *, events: int) -> None:
        """Append so many encoded events, each of them whole, in parts that together are their bytes. They come into one block, and
        are not copied on this thread."""
        if not self._filled:
            self._outbox.dirty(self)
        self._fill(parts, sum(map(len, parts)), events - len(parts))

    def _fill(self, parts: Sequence[Bytes], size: int, more: int) -> None:
        """Add parts to the block that is being filled, or to the next one. `more`: their events, beyond one a part."""
        if self._parts and self._filled + size > BLOCK:
            self._close_full()
        self._parts += parts
        self._filled += size
        self._more += more
        self._outbox.held += size
        if self._filled >= self._flush_at:
            self._outbox.flush()

    def _close_full(self) -> None:
        """The block that is being filled is full."""
        self._full.append((self._parts, self._filled, len(self._parts) + self._more))
        self._beside(self._filled)
        self._parts, self._filled, self._more = [], 0, 0

    def _beside(self, size: int) -> None:
        """So many bytes more wait beside the block that is being filled."""
        self._other += size
        self._flush_at = BLOCK - self._other

    def _about(self, event: e.WrittenEvent) -> None:
        """Append an event that the list of sessions reads."""
        data = e.encode(event)
        self._head.append(data)
        self._beside(len(data))
        self._outbox.held += len(data)
        self._outbox.dirty(self)

    def now(self) -> int:
        """Microseconds since 1970, by the wall clock as this process follows it."""
        return int((self._monotonic() + self._clock.apart) * 1_000_000)

    def close_block(self) -> None:
        """Close the block: events after this call lie in another block. Called before a step of the clock."""
        if self._parts:
            self._close_full()
        self._blocks += self._head_pieces()
        self._blocks += [self._piece(*full, flags=0) for full in self._full]
        self._full = []

    def stepped(self, by: int) -> None:
        """Record that the wall clock was set ahead by so many microseconds. The list of sessions reads this event, too."""
        self._about(e.ClockStepped(self.now(), by))

    def count(self, content: int = 0, *, denied: int = 0, held: int = 0) -> None:
        self.content += content
        self._denied += denied
        self._held += held

    def closed_call(self) -> int:
        """A call has ended. Returns what `now` would."""
        self.open_calls -= 1
        self.idle_since = at = self._monotonic()
        return int((at + self._clock.apart) * 1_000_000)

    def why_over(self, now: float) -> Literal["", "idle", "day"]:
        """Why no new call may begin in this session at `now` (monotonic seconds); "" where one may."""
        if self.open_calls == 0 and now - self.idle_since >= IDLE_AFTER:
            return "idle"
        return "day" if now - self.started >= LONGEST_SESSION else ""

    def end(self, reason: e.WhyEnded) -> None:
        self.takes_calls = False
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
        self.chain.queued += self._other
        self._beside(-self._other)
        if self._why_ended is not None and not self._end_taken:
            self._end_taken = True
            last = e.encode(e.SessionEnded(self.now(), self._why_ended))
            self.chain.queued += len(last)
            self._outbox.held += len(last)
            pieces.append(self._piece([last], len(last), 1, flags=HOLDS_SESSION_EVENTS))
        return pieces

    def _head_pieces(self) -> list[Piece]:
        """The pieces of the events that the list of sessions reads."""
        pieces: list[Piece] = []
        some: list[Bytes] = []
        size = 0
        for part in self._head:
            if size + len(part) > BLOCK and some:
                pieces.append(self._piece(some, size, len(some), flags=HOLDS_SESSION_EVENTS))
                some, size = [], 0
            some.append(part)
            size += len(part)
        if some:
            pieces.append(self._piece(some, size, len(some), flags=HOLDS_SESSION_EVENTS))
        self._head = []
        return pieces

    def _piece(self, parts: list[Bytes], size: int, events: int, *, flags: int) -> Piece:
        return Piece(
            self.chain,
            parts,
            size=size,
            events=events,
            last=self.now(),
            flags=flags,
            exchanges=self._exchanges,
            denied=self._denied,
            held=self._held,
            content=self.content,
        )

    def durable(self, then: Then) -> None:
        self._outbox.durable(then)


class Attempts(Session):
    """The day's calls without a principal on one cluster. Their number and size are limited, so that strangers can neither fill the
    disk nor slow others."""

    def __init__(self, outbox: Outbox, clock: SteadyClock, started: e.SessionStarted, limits: Limits, day: datetime.date) -> None:
        super().__init__(outbox, clock, started, limits)
        self.takes_calls = False  # as another one's: calls without a principal are not alike, and each is counted
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
        return super().append(event)

    def append_encoded(self, part: bytes, more: int = 0) -> int:
        size = super().append_encoded(part, more)
        self._written += size
        return size

    def append_parts(self, parts: Sequence[Bytes], *, events: int) -> None:
        super().append_parts(parts, events=events)
        self._written += sum(map(len, parts))

    def tell_dropped(self) -> None:
        if self._dropped:
            self.append(e.AttemptsDropped(self.now(), count=self._dropped))
            self._dropped = 0
