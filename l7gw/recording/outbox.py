"""The way from the sessions to the journal. The outbox hands over in batches what the sessions have gathered. It asks for a sync
where a call waits for the disk. After a failure the order stays: what could not be written is written before anything newer.

The outbox knows encoded bytes, not events. Its state says what it may hand over; the state follows from what the journal has not
answered yet:

    idle     the journal has nothing to do
    writing  the journal has a batch that it has not written yet, or, after a failure, still owes the answer to a sync
    syncing  everything is written, and the journal syncs for the calls that waited when the sync was asked for
    failed   the last write or sync failed

                     events wait to be written         calls wait for a sync
    idle             a batch: writing                  a batch with a sync: writing
    writing          -                                 -                              then, once written: syncing, or idle
    syncing          a batch: writing                  -                              then, once synced: idle
    failed           -                                 a batch with a sync: writing   also once a second, as a trial
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Protocol

from l7gw.clock import Clock
from l7gw.limits import Limits
from l7gw.recording.batches import Batch, Piece
from l7gw.timeouts import Timeouts

log = logging.getLogger(__name__)

TICK = 0.1  # seconds from an event to its write, where no call waits; a kill -9 loses at most a second of events

Then = Callable[[Exception | None], None]


class State(Enum):
    IDLE = auto()
    WRITING = auto()
    SYNCING = auto()
    FAILED = auto()


# Whether in a state a batch may be handed over because events wait to be written, and one with a sync because calls wait for one
MAY = {
    State.IDLE: (True, True),
    State.WRITING: (False, False),  # if this write fails, what it leaves must be written before newer events
    State.SYNCING: (True, False),  # one sync at a time: calls that come meanwhile share the next
    State.FAILED: (False, True),  # a trial writes all that waits, and then syncs
}


class Source(Protocol):
    """What the outbox asks of a session."""

    def take(self) -> list[Piece]:
        """The pieces gathered since the last call, in order."""


class Writer(Protocol):
    """What the outbox asks of the journal. The journal calls a batch's `done` once, in a thread of its own."""

    def put(self, batch: Batch) -> None: ...


class Outbox:
    """Holds what all sessions have recorded and the journal has not written yet. All calls come from the event loop's thread.

    `on_failed` is called at the first failure of an outage. `on_written` is called whenever the journal has answered a batch.
    """

    def __init__(
        self,
        journal: Writer,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        timeouts: Timeouts,
        limits: Limits,
        *,
        on_failed: Callable[[], None],
        on_written: Callable[[], None],
    ) -> None:
        self.held = 0  # bytes of events that are not written yet
        self.most_held = limits.unwritten  # bytes
        self.quiet = True  # whether the journal has answered all that was handed over
        self.failure = ""  # why the last write or sync failed; "" while recording works
        self._journal = journal
        self._clock = clock
        self._loop = loop
        self._stalled = timeouts.disk  # seconds
        self._on_failed = on_failed
        self._on_written = on_written
        self._dirty: dict[Source, None] = {}  # the sessions with something to take, in the order of their first event
        self._left: list[Piece] = []  # what a failed write left unwritten
        self._waiting: list[Then] = []  # called after the next sync
        self._unwritten: Batch | None = None  # the last batch handed over; None once the journal has answered it
        self._unwritten_since = 0.0  # seconds, by the monotonic clock
        self._syncing: Batch | None = None  # the batch whose sync is not answered
        self._syncing_since = 0.0  # seconds, by the monotonic clock
        self._trial: Batch | None = None  # the batch that tries a disk that failed; only its success ends the outage
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def state(self) -> State:
        if self._unwritten is not None and not self._unwritten.written:
            return State.WRITING
        if self.failure:  # one trial at a time: no other batch goes before the last one is answered
            return State.FAILED if self._syncing is None else State.WRITING
        return State.SYNCING if self._syncing is not None else State.IDLE

    @property
    def backlogged(self) -> bool:
        """Whether more bytes wait for the disk than may, of all sessions together (`Limits.unwritten`)."""
        return self.held > self.most_held

    @property
    def unavailable(self) -> str:
        """Why nothing can be recorded now, in words; "" where it can."""
        if self.failure:
            return self.failure
        now = self._clock.monotonic()
        if self._unwritten is not None and not self._unwritten.written and now - self._unwritten_since > self._stalled:
            return f"the disk of the recordings has not taken a write for {self._stalled:.0f} seconds"
        if self._syncing is not None and now - self._syncing_since > self._stalled:
            return f"the disk of the recordings has not finished a sync for {self._stalled:.0f} seconds"
        return "the disk of the recordings is too slow" if self.backlogged else ""

    # ------------------------------------------------------------------ what sessions do

    def dirty(self, source: Source) -> None:
        """Note that `source` has something to take. It is taken within TICK seconds."""
        self._dirty[source] = None
        if self._timer is None:
            self._set_timer()

    def durable(self, then: Then) -> None:
        """Call `then` on the loop with None once all that was recorded so far is on the disk, or with the error if that failed."""
        self._waiting.append(then)
        if self._syncing is None:
            self.flush()

    def flush(self) -> None:
        """Hand over what may be handed over in this state."""
        self._hand_over(trial=False)

    def try_again(self) -> None:
        """After a failure, try the disk again, even where nothing waits to be written. Called once a second."""
        if self.failure:
            self._hand_over(trial=True)

    def close(self) -> None:
        """Hand over everything, whatever the state. The journal writes and syncs it when it closes."""
        if self._timer is not None:
            self._timer.cancel()
        self._closed = True
        self._journal.put(Batch(self._take(), sync=True, done=_last_words))

    def tell_what_is_lost(self) -> None:
        """Log how many blocks could not be written. Called after the journal was closed."""
        if self._unwritten is not None and self._unwritten.left:
            log.error("%d blocks of the recordings could not be written at the end", len(self._unwritten.left))

    # ------------------------------------------------------------------ time

    def _set_timer(self) -> None:
        if not self._closed:
            self._timer = self._loop.call_later(TICK, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.flush()
        if self._dirty and self._timer is None:
            self._set_timer()

    # ------------------------------------------------------------------ batches

    def _hand_over(self, *, trial: bool) -> None:
        state = self.state
        may_write, may_sync = MAY[state]
        sync = may_sync and (trial or bool(self._waiting))
        if not (may_write or sync):
            return
        pieces = self._take()
        if not pieces and not sync:
            return
        waiting: list[Then] = []
        if sync:
            waiting, self._waiting = self._waiting, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

        def done(left: list[Piece], error: Exception | None) -> None:
            batch.left = left  # for `tell_what_is_lost`: at the end the loop may not run any more
            with suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(self._answered, batch, waiting, error)

        batch = Batch(pieces, sync=sync, done=done)
        self._unwritten, self._unwritten_since = batch, self._clock.monotonic()
        self.quiet = False
        if sync:
            self._syncing, self._syncing_since = batch, self._unwritten_since
        if state is State.FAILED:
            self._trial = batch
        self._journal.put(batch)

    def _take(self) -> list[Piece]:
        pieces, self._left = self._left, []
        pieces += [piece for source in self._dirty for piece in source.take()]
        self._dirty.clear()
        return pieces

    def _answered(self, batch: Batch, waiting: list[Then], error: Exception | None) -> None:
        if self._unwritten is batch:
            self._unwritten = None
        if self._syncing is batch:
            self._syncing = None
        self.quiet = self._unwritten is None and self._syncing is None
        self._left += batch.left
        self._forget(batch)
        if error is not None:
            self.fail(error)
        elif batch is self._trial:
            self._trial, self.failure = None, ""
            log.info("the journal is written again")
        for then in waiting:
            then(error)
        if self._waiting and self._syncing is None:
            self.flush()
        self._on_written()
        batch.done = _last_words  # `done` refers to its batch: the circle would keep the bytes until the garbage collector runs

    def _forget(self, batch: Batch) -> None:
        """Subtract what was written from the bytes that wait."""
        left = {id(piece) for piece in batch.left}
        for piece in batch.pieces:
            if id(piece) not in left:
                self.held -= piece.size
                piece.chain.queued -= piece.size

    def fail(self, error: Exception) -> None:
        """Note that a write or sync failed. From now on nothing is handed over but trials, until one succeeds."""
        first = not self.failure
        self.failure = f"writing the journal failed: {getattr(error, 'strerror', None) or error}"
        if first:
            log.error("nothing passes any more: %s", self.failure)
            self._on_failed()


def _last_words(left: list[Piece], error: Exception | None) -> None:
    if error is not None:
        log.error("%d blocks of the recordings could not be written at the end: %s", len(left), error)
