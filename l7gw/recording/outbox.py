"""The way from the sessions to the journal: what has gathered is handed over in batches, a sync is asked for where somebody waits
for the disk, and after a failure nothing is overtaken.

The outbox knows encoded bytes, not events. Four states say what may be handed over; the journal's answers lead from one to the
next:

    idle     nothing is with the journal
    writing  the journal has a batch that it has not written yet
    syncing  everything is written, and the journal syncs for those who waited by then
    failed   the last write or sync failed

                     something waits to be written     somebody waits for the disk
    idle             a batch: writing                  a batch with a sync: writing
    writing          -                                 -                              then, once written: syncing, or idle
    syncing          a batch: writing                  -                              then, once synced: idle
    failed           -                                 a batch with a sync: writing   and so once a second, as a trial
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from l7gw.clock import Clock
from l7gw.recording.journal import Batch, Piece

log = logging.getLogger(__name__)

TICK = 0.1  # seconds from an event to the kernel, about; a kill -9 loses at most a second
ALL_BACKLOG = 256 * 1024 * 1024  # bytes of all sessions that may wait for the disk; beyond it new calls are refused (threats H11)
STALLED = 10.0  # seconds that one write may take before new calls are refused

Then = Callable[[Exception | None], None]


class State(Enum):
    IDLE = auto()
    WRITING = auto()
    SYNCING = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class May:
    """What a state lets go: a batch because something waits to be written, and a batch because somebody waits for a sync."""

    write: bool
    sync: bool


MAY = {
    State.IDLE: May(write=True, sync=True),
    State.WRITING: May(write=False, sync=False),  # what a failing write leaves must stand before what came later
    State.SYNCING: May(write=True, sync=False),  # one sync at a time: whoever comes meanwhile shares the next
    State.FAILED: May(write=False, sync=True),  # a disk that failed is tried with all that waits, and then with a sync
}


class Source(Protocol):
    """A session, as far as the outbox minds."""

    def take(self) -> list[Piece]:
        """What has gathered since the last time, in order."""


class Writer(Protocol):
    """The journal, as far as the outbox minds. It calls a batch's `done` once, in a thread of its own."""

    def put(self, batch: Batch) -> None: ...


class Outbox:
    """What is recorded and not written yet, of all sessions. All calls come from the event loop's thread.

    `on_failed` is called at the first failure of an outage, `on_drained` whenever the journal has answered.
    """

    def __init__(
        self,
        journal: Writer,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        *,
        on_failed: Callable[[], None],
        on_drained: Callable[[], None],
    ) -> None:
        self.held = 0  # bytes of events that are not written yet
        self.failure = ""  # why the last write or sync failed; "" where it did not
        self._journal = journal
        self._clock = clock
        self._loop = loop
        self._on_failed = on_failed
        self._on_drained = on_drained
        self._dirty: dict[Source, None] = {}  # those with something to take, in the order in which they came
        self._left: list[Piece] = []  # what a failed write did not take
        self._waiting: list[Then] = []  # who waits for the next sync
        self._unwritten: Batch | None = None  # the last batch, if it was not written when last looked at
        self._unwritten_since = 0.0  # by the monotonic clock
        self._syncing: Batch | None = None  # the batch whose sync is not answered
        self._syncing_since = 0.0
        self._trial: Batch | None = None  # the batch that tries a disk that failed: its success alone ends the outage
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def state(self) -> State:
        if self._unwritten is not None and not self._unwritten.written:
            return State.WRITING
        if self.failure:  # a trial is one at a time, so an answer that is still owed is waited for
            return State.FAILED if self._syncing is None else State.WRITING
        return State.SYNCING if self._syncing is not None else State.IDLE

    @property
    def backlogged(self) -> bool:
        """More waits for the disk, of all sessions together, than should."""
        return self.held > ALL_BACKLOG

    @property
    def obstacle(self) -> str:
        """Why nothing can be recorded now, in words; "" where it can."""
        if self.failure:
            return self.failure
        now = self._clock.monotonic()
        if self._unwritten is not None and not self._unwritten.written and now - self._unwritten_since > STALLED:
            return f"the disk of the recordings has not taken a write for {STALLED:.0f} seconds"
        if self._syncing is not None and now - self._syncing_since > STALLED:
            return f"the disk of the recordings has not finished a sync for {STALLED:.0f} seconds"
        return "the disk of the recordings is too slow" if self.backlogged else ""

    # ------------------------------------------------------------------ what sessions do

    def dirty(self, source: Source) -> None:
        """`source` has something to take: it is taken within TICK."""
        self._dirty[source] = None
        if self._timer is None:
            self._set_timer()

    def durable(self, then: Then) -> None:
        """Call `then` on the loop once all that was recorded so far is on the disk, or with the error."""
        self._waiting.append(then)
        if self._syncing is None:
            self.flush()

    def flush(self) -> None:
        """Hand over what the state lets go."""
        self._hand_over(trial=False)

    def try_again(self) -> None:
        """Try a disk that failed, though nothing may wait to be written. Called once a second."""
        if self.failure:
            self._hand_over(trial=True)

    def close(self) -> None:
        """Hand over everything, whatever the state: the journal writes and syncs it in its own closing."""
        if self._timer is not None:
            self._timer.cancel()
        self._closed = True
        self._journal.put(Batch(self._take(), True, _last_words))

    def tell_what_is_lost(self) -> None:
        """For the log, once the journal is closed."""
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
        may = MAY[state]
        sync = may.sync and (trial or bool(self._waiting))
        if not (may.write or sync):
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
            batch.left = left  # seen by close(), which the loop may never hear of
            with suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(self._answered, batch, waiting, error)

        batch = Batch(pieces, sync, done)
        self._unwritten, self._unwritten_since = batch, self._clock.monotonic()
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
        self._on_drained()
        batch.done = _last_words  # it holds the batch: what was written would stay in memory until the collector comes by

    def _forget(self, batch: Batch) -> None:
        """What was written is held no more."""
        left = {id(piece) for piece in batch.left}
        for piece in batch.pieces:
            if id(piece) not in left:
                self.held -= len(piece.data)
                piece.chain.queued -= len(piece.data)

    def fail(self, error: Exception) -> None:
        """A write or sync failed: nothing is handed over but as a trial, until one succeeds."""
        first = not self.failure
        self.failure = f"writing the journal failed: {getattr(error, 'strerror', None) or error}"
        if first:
            log.error("nothing passes any more: %s", self.failure)
            self._on_failed()


def _last_words(left: list[Piece], error: Exception | None) -> None:
    if error is not None:
        log.error("%d blocks of the recordings could not be written at the end: %s", len(left), error)
