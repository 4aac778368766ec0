"""The outbox's states, row by row: what may be handed to the journal, and which state each of the journal's answers leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from l7gw.limits import USUAL_LIMITS
from l7gw.recording.batches import Batch, Chain, Piece
from l7gw.recording.layout import NO_SESSION
from l7gw.recording.outbox import MAY, Outbox, State
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.manual_clock import ManualClock

BROKEN = OSError(5, "Input/output error")


class Journal:
    """A journal that keeps the batches it gets. The test answers them."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def put(self, batch: Batch) -> None:
        self.batches.append(batch)


class Session:
    """A session that gives one piece for the events recorded since it was last asked."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._gathered: list[Piece] = []
        self.chain = Chain(NO_SESSION)
        self.count = 0

    def record(self) -> None:
        data = str(self.count).encode()
        self.count += 1
        self._gathered.append(Piece(self.chain, (data,), size=len(data), events=1, last=0))
        self._outbox.held += len(data)
        self._outbox.dirty(self)

    def take(self) -> list[Piece]:
        gathered, self._gathered = self._gathered, []
        self.chain.queued += sum(piece.size for piece in gathered)
        return gathered


@dataclass
class Stage:
    """An outbox between a session and a journal, brought into one of its states."""

    clock: ManualClock = field(default_factory=ManualClock)
    journal: Journal = field(default_factory=Journal)
    told: list[str] = field(default_factory=list)
    answers: list[Exception | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outbox = Outbox(
            self.journal,
            self.clock,
            asyncio.get_running_loop(),
            USUAL_TIMEOUTS,
            USUAL_LIMITS,
            on_failed=lambda: self.told.append("failed"),
            on_written=lambda: self.told.append("drained"),
        )
        self.session = Session(self.outbox)

    async def in_state(self, state: State) -> None:
        if state is State.WRITING:
            self.session.record()
            self.outbox.flush()
        elif state is State.SYNCING:
            self.outbox.durable(self.answers.append)
            self.journal.batches[-1].written = True
        elif state is State.FAILED:
            self.session.record()
            self.outbox.flush()
            await self.answer(BROKEN)
        assert self.outbox.state is state

    async def answer(self, error: Exception | None = None, number: int = -1) -> None:
        """Answer a batch as the journal: everything was written (and synced) or, with `error`, nothing."""
        batch = self.journal.batches[number]
        batch.written = error is None
        batch.done(list(batch.pieces) if error else [], error)
        await asyncio.sleep(0)


def played(test: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        await test(Stage())

    asyncio.run(run())


# (state, whether events wait to be written, what happens; the batches handed over as (pieces, sync), the state afterwards)
ROWS = [
    (State.IDLE, False, "flush", [], State.IDLE),
    (State.IDLE, True, "flush", [(1, False)], State.WRITING),
    (State.IDLE, False, "durable", [(0, True)], State.WRITING),
    (State.IDLE, True, "durable", [(1, True)], State.WRITING),
    (State.IDLE, True, "try again", [], State.IDLE),
    (State.WRITING, True, "flush", [], State.WRITING),
    (State.WRITING, True, "durable", [], State.WRITING),
    (State.WRITING, True, "try again", [], State.WRITING),
    (State.SYNCING, False, "flush", [], State.SYNCING),
    (State.SYNCING, True, "flush", [(1, False)], State.WRITING),
    (State.SYNCING, False, "durable", [], State.SYNCING),
    (State.SYNCING, True, "durable", [], State.SYNCING),
    (State.SYNCING, True, "try again", [], State.SYNCING),
    (State.FAILED, True, "flush", [], State.FAILED),
    (State.FAILED, False, "durable", [(1, True)], State.WRITING),  # the events that the failed write left go first
    (State.FAILED, True, "durable", [(2, True)], State.WRITING),
    (State.FAILED, False, "try again", [(1, True)], State.WRITING),
    (State.FAILED, True, "try again", [(2, True)], State.WRITING),
]


@pytest.mark.parametrize(("state", "recorded", "what", "batches", "after"), ROWS)
def test_each_state_of_the_outbox_hands_over_what_its_row_says(
    state: State, recorded: bool, what: str, batches: list[tuple[int, bool]], after: State
) -> None:
    async def test(stage: Stage) -> None:
        await stage.in_state(state)
        before = len(stage.journal.batches)
        if recorded:
            stage.session.record()
        if what == "durable":
            stage.outbox.durable(stage.answers.append)
        elif what == "try again":
            stage.outbox.try_again()
        else:
            stage.outbox.flush()
        assert [(len(batch.pieces), batch.sync) for batch in stage.journal.batches[before:]] == batches
        assert stage.outbox.state is after
        assert stage.outbox.quiet is (after is State.IDLE or (state is after is State.FAILED))

    played(test)


def test_every_state_of_the_outbox_has_a_row_for_every_event() -> None:
    assert {(state, what) for state, _, what, _, _ in ROWS} == {
        (state, what) for state in State for what in ("flush", "durable", "try again")
    }
    assert set(MAY) == set(State)


# (whether the batch handed over has a sync, whether it was seen written before the answer, the error; the state after the answer)
ANSWERS = [
    (False, False, None, State.IDLE),
    (False, False, BROKEN, State.FAILED),
    (True, False, None, State.IDLE),
    (True, True, None, State.IDLE),
    (True, False, BROKEN, State.FAILED),
    (True, True, BROKEN, State.FAILED),
]


@pytest.mark.parametrize(("sync", "written", "error", "after"), ANSWERS)
def test_an_answer_of_the_journal_leads_to_the_state_in_its_row(
    sync: bool, written: bool, error: Exception | None, after: State
) -> None:
    async def test(stage: Stage) -> None:
        stage.session.record()
        if sync:
            stage.outbox.durable(stage.answers.append)
        else:
            stage.outbox.flush()
        assert stage.outbox.state is State.WRITING
        if written:
            stage.journal.batches[0].written = True
            assert stage.outbox.state is State.SYNCING
        assert not stage.outbox.quiet
        await stage.answer(error)
        assert stage.outbox.state is after and stage.outbox.quiet
        assert stage.answers == ([error] if sync else [])
        assert stage.told == (["failed"] if error else []) + ["drained"]
        assert (stage.outbox.held, stage.session.chain.queued) == ((1, 1) if error else (0, 0))

    played(test)


def test_calls_that_wait_during_a_sync_share_the_next_one() -> None:
    async def test(stage: Stage) -> None:
        await stage.in_state(State.SYNCING)
        for _ in range(3):
            stage.outbox.durable(stage.answers.append)
        assert len(stage.journal.batches) == 1
        await stage.answer()
        assert stage.answers == [None]
        assert [batch.sync for batch in stage.journal.batches] == [True, True]
        await stage.answer()
        assert stage.answers == [None] * 4

    played(test)


def test_an_outage_is_told_once_and_ends_with_the_first_sync_that_succeeds() -> None:
    async def test(stage: Stage) -> None:
        await stage.in_state(State.FAILED)
        for _ in range(3):
            stage.outbox.try_again()
            await stage.answer(BROKEN)
        assert stage.told.count("failed") == 1 and "Input/output error" in stage.outbox.unavailable
        stage.outbox.try_again()
        await stage.answer()
        assert stage.outbox.state is State.IDLE and stage.outbox.unavailable == "" and stage.outbox.held == 0

    played(test)


def test_no_second_trial_goes_while_the_sync_before_the_failure_is_not_answered() -> None:
    async def test(stage: Stage) -> None:
        await stage.in_state(State.SYNCING)
        stage.session.record()
        stage.outbox.flush()
        await stage.answer(BROKEN)
        stage.outbox.try_again()
        assert len(stage.journal.batches) == 2
        await stage.answer(number=0)
        stage.outbox.try_again()
        assert [(len(batch.pieces), batch.sync) for batch in stage.journal.batches[2:]] == [(1, True)]

    played(test)


@pytest.mark.parametrize(("state", "words"), [(State.WRITING, "has not taken a write"), (State.SYNCING, "has not finished a sync")])
def test_a_disk_that_answers_no_write_or_sync_is_an_obstacle_after_a_time(state: State, words: str) -> None:
    async def test(stage: Stage) -> None:
        await stage.in_state(state)
        stage.clock.advance(USUAL_TIMEOUTS.disk)
        assert stage.outbox.unavailable == ""
        stage.clock.advance(0.1)
        assert words in stage.outbox.unavailable
        await stage.answer()
        assert stage.outbox.unavailable == ""

    played(test)


def test_a_backlog_beyond_the_limit_is_an_obstacle() -> None:
    async def test(stage: Stage) -> None:
        stage.outbox.held = USUAL_LIMITS.unwritten
        assert not stage.outbox.backlogged and stage.outbox.unavailable == ""
        stage.outbox.held += 1
        assert stage.outbox.backlogged and "too slow" in stage.outbox.unavailable

    played(test)


def test_closing_the_outbox_hands_over_everything_in_every_state() -> None:
    for state in State:

        async def test(stage: Stage, state: State = state) -> None:
            await stage.in_state(state)
            stage.session.record()
            stage.outbox.close()
            last = stage.journal.batches[-1]
            assert last.sync and len(last.pieces) == (2 if state is State.FAILED else 1)

        played(test)
