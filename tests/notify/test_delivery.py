"""What was committed is told: after a channel was away, after a restart, and by one gateway of several."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from l7gw.approval.messages import Hold
from l7gw.notify.delivery import FIRST_PAUSE, LONGEST_PAUSE, LOOK_EVERY, Delivery
from l7gw.notify.posts import NotTold
from l7gw.store.outbox import TAKEN, Notice
from tests.support.desks import NO, Seat, Waits, asked, reviewer, run, terms

COMES = terms(wait="come-back", ttl=600)


class Channel:
    """Remembers what it was told; `fails` is raised instead, as long as it is there."""

    name = "slack"
    where = "Slack"

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []  # hold, state, and where it stood
        self.fails: NotTold | None = None
        self.asked = 0

    async def tell(self, hold: Hold, notice: Notice) -> str:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        self.told.append((hold.id, hold.state, notice.place))
        return f"C1/{len(self.told)}"


class Told:
    """A desk whose holds a channel is told of, by workers that the test steps."""

    def __init__(self, seat: Seat) -> None:
        seat.store.tell(["slack"])
        self.seat = seat
        self.channel = Channel()
        self.worker = self.another("g1")

    def another(self, holder: str) -> Delivery:
        return Delivery(self.seat.store, self.channel, self.seat.clock, holder, chance=lambda: 1.0)

    async def step(self, worker: Delivery | None = None) -> float:
        """Let a worker do all that is to be done now. Gives the pause that it asks for."""
        for _ in range(50):
            if pause := await (worker or self.worker).step():
                return pause
        raise AssertionError("it never rests")

    @property
    def states(self) -> list[str]:
        return [state for _, state, _ in self.channel.told]


def with_told(test: Callable[[Told], Coroutine[Any, Any, None]], folder: Path) -> None:
    run(lambda seat: test(Told(seat)), folder)


def test_each_change_is_told_once_and_at_the_place_of_the_first(tmp_path: Path) -> None:
    async def test(it: Told) -> None:
        assert await it.step() == LOOK_EVERY
        hold = await it.seat.held(asked(terms=COMES))
        await it.step()
        await it.step()
        await it.seat.review(hold, reviewer())
        await it.step()
        assert await it.seat.claim(hold, "i-a")
        await it.step()
        assert it.channel.told == [(hold.id, "pending", ""), (hold.id, "approved", "C1/1"), (hold.id, "consumed", "C1/2")]

    with_told(test, tmp_path)


def test_an_approval_after_which_another_is_needed_is_told_too(tmp_path: Path) -> None:
    async def test(it: Told) -> None:
        from l7gw.hold_terms import Reviewers

        hold = await it.seat.held(asked(terms=terms(("r", Reviewers(groups=("sre",), minimum=2)))), Waits())
        await it.step()
        await it.seat.review(hold, reviewer("rob"))
        await it.step()
        await it.seat.review(hold, reviewer("lea"))
        await it.step()
        assert it.states == ["pending", "pending", "approved"]

    with_told(test, tmp_path)


def test_what_ends_in_every_way_is_told(tmp_path: Path) -> None:
    async def test(it: Told) -> None:
        denied = await it.seat.held(asked("d", terms=COMES))
        gone = await it.seat.held(asked("g"), Waits())
        await it.seat.review(denied, reviewer(), NO)
        it.seat.desk.cancel(gone.id, "the client left")
        old = await it.seat.held(asked("o", terms=COMES))
        await it.seat.tick(601.0)
        await it.step()
        assert {(hold, state) for hold, state, _ in it.channel.told} == {
            (denied.id, "denied"), (gone.id, "cancelled"), (old.id, "expired"),
        }  # fmt: skip

    with_told(test, tmp_path)


def test_a_channel_that_is_away_is_asked_ever_less_often_and_told_how_things_are_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(it: Told) -> None:
        it.channel.fails = NotTold("it cannot be reached")
        holds = [await it.seat.held(asked(str(number), terms=COMES)) for number in range(5)]
        pauses = []
        for _ in range(10):
            pauses.append(round(await it.step(), 2))
            it.seat.clock.advance(pauses[-1])
        assert it.channel.asked == 10 and pauses == sorted(pauses)
        assert (pauses[0], pauses[3], pauses[-1]) == (FIRST_PAUSE, 8 * FIRST_PAUSE, LONGEST_PAUSE)
        await it.seat.review(holds[0], reviewer())
        it.channel.fails = None
        it.seat.clock.advance(LONGEST_PAUSE)
        await it.step()
        assert sorted(it.channel.told) == sorted((hold.id, "approved" if hold is holds[0] else "pending", "") for hold in holds)

    with caplog.at_level(logging.INFO):
        with_told(test, tmp_path)
    assert "Slack: cannot be told, and is tried again; holds are answered by `l7gw holds`: it cannot be reached" in caplog.text
    assert caplog.text.count("tried again") < 10 and "Slack is told again" in caplog.text


def test_a_channel_that_asks_for_time_gets_it(tmp_path: Path) -> None:
    async def test(it: Told) -> None:
        await it.seat.held(asked(terms=COMES))
        it.channel.fails = NotTold("it answered 429", rest=30.0)
        assert await it.step() == 30.0
        it.channel.fails = None
        it.seat.clock.advance(29.0)
        await it.step()
        assert it.states == []
        it.seat.clock.advance(1.0)
        await it.step()
        assert it.states == ["pending"]

    with_told(test, tmp_path)


def test_a_message_that_alone_is_refused_holds_up_no_other(tmp_path: Path) -> None:
    async def test(it: Told) -> None:
        await it.seat.held(asked("1", terms=COMES))
        it.channel.fails = NotTold("it answered 400", alone=True)
        assert await it.step() == FIRST_PAUSE
        it.channel.fails = None
        other = await it.seat.held(asked("2", terms=COMES))
        await it.step()
        assert it.channel.told == [(other.id, "pending", "")]

    with_told(test, tmp_path)


def test_a_hold_at_which_telling_goes_wrong_holds_up_no_other_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(it: Told) -> None:
        first = await it.seat.held(asked("1", terms=COMES))
        right = it.channel.tell

        async def wrong(hold: Hold, notice: Notice) -> str:
            if hold.id == first.id:
                raise KeyError("a bug")
            return await right(hold, notice)

        it.channel.tell = wrong  # type: ignore[method-assign]
        other = await it.seat.held(asked("2", terms=COMES))
        assert await it.step() == FIRST_PAUSE
        assert it.channel.told == [(other.id, "pending", "")]
        assert f"telling of hold {first.id} went wrong" in caplog.text and "KeyError" in caplog.text
        it.channel.tell = right  # type: ignore[method-assign]
        it.seat.clock.advance(FIRST_PAUSE)
        await it.step()
        assert it.channel.told[1:] == [(first.id, "pending", "")]

    with_told(test, tmp_path)


def test_what_is_over_for_an_hour_is_told_no_more_and_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(it: Told) -> None:
        hold = await it.seat.held(asked(terms=COMES))
        it.channel.fails = NotTold("away")
        await it.seat.review(hold, reviewer(), NO)
        await it.step()
        it.seat.clock.advance(3601.0)
        assert await it.step() == LOOK_EVERY
        assert it.channel.asked == 1
        assert f"was never told that hold {hold.id} is denied" in caplog.text

    with_told(test, tmp_path)


def test_of_two_gateways_one_tells_and_where_that_one_dies_the_other_does(tmp_path: Path) -> None:
    async def test(it: Told) -> None:
        await it.seat.held(asked(terms=COMES))
        other = it.another("g2")
        telling, release = asyncio.Event(), asyncio.Event()

        async def slow(hold: Hold, notice: Notice) -> str:
            telling.set()
            await release.wait()
            return "C1/slow"

        quick, it.channel.tell = it.channel.tell, slow  # type: ignore[method-assign]
        dying = asyncio.get_running_loop().create_task(it.worker.step())
        await telling.wait()
        it.channel.tell = quick  # type: ignore[method-assign]
        assert await it.step(other) == LOOK_EVERY
        assert it.states == []
        dying.cancel()
        it.seat.clock.advance(TAKEN / 1_000_000)
        await it.step(other)
        assert it.states == ["pending"]

    with_told(test, tmp_path)


def test_what_was_not_told_before_a_restart_is_told_after_it(tmp_path: Path) -> None:
    ids: list[str] = []

    async def before(it: Told) -> None:
        it.channel.fails = NotTold("away")
        ids.append((await it.seat.held(asked(terms=COMES))).id)
        await it.step()

    async def after(it: Told) -> None:
        it.seat.clock.advance(LONGEST_PAUSE)
        await it.step()
        assert it.channel.told == [(ids[0], "pending", "")]

    with_told(before, tmp_path)
    with_told(after, tmp_path)


def test_a_thing_that_is_gone_or_of_no_kind_that_is_known_is_left_out(tmp_path: Path) -> None:
    async def test(it: Told) -> None:
        from l7gw.store import outbox

        it.seat.store.do(lambda connection: outbox.note(connection, "hold", "gone", 1), lambda _: None)
        it.seat.store.do(lambda connection: outbox.note(connection, "song", "s1", 1), lambda _: None)
        assert await it.step() == LOOK_EVERY
        assert it.channel.asked == 0

    with_told(test, tmp_path)


def test_the_worker_tells_at_once_when_it_is_woken_and_goes_on_after_a_bug(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(it: Told) -> None:
        task = asyncio.get_running_loop().create_task(it.worker.run())
        await it.seat.settled()
        told = asyncio.Event()
        right = it.channel.tell

        async def wrong(hold: Hold, notice: Notice) -> str:
            it.channel.tell = then  # type: ignore[method-assign]
            raise KeyError("a bug")

        async def then(hold: Hold, notice: Notice) -> str:
            place = await right(hold, notice)
            told.set()
            return place

        it.channel.tell = wrong  # type: ignore[method-assign]
        await it.seat.held(asked("1", terms=COMES))
        it.worker.wake()
        while "went wrong" not in caplog.text:
            await asyncio.sleep(0)
        it.seat.clock.advance(TAKEN / 1_000_000)
        it.worker.wake()
        await told.wait()
        assert it.states == ["pending"]
        task.cancel()

    with_told(test, tmp_path)
