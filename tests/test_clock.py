"""A steady clock does not jump, a turn calls back once, and a silent peer is asked once before it counts as dead."""

from __future__ import annotations

import asyncio

from l7gw.clock import Pulse, SteadyClock, Turn
from tests.support.manual_clock import ManualClock


class Jumping(ManualClock):
    """A clock whose wall somebody sets."""

    def set_ahead(self, seconds: float) -> None:
        self._wall += seconds


def test_a_steady_clock_runs_on_when_the_machines_is_set_and_follows_when_told() -> None:
    clock = Jumping()
    steady, began = SteadyClock(clock), clock.wall()
    clock.advance(5)
    clock.set_ahead(-3600)
    assert (steady.wall(), steady.step()) == (began + 5, -3600)
    steady.follow(steady.step())
    assert (steady.wall(), steady.step()) == (clock.wall(), 0)


def test_a_turn_calls_back_once_however_often_it_was_asked_and_never_after_its_end() -> None:
    async def run() -> list[int]:
        counts: list[int] = []
        calls: list[None] = []
        turn = Turn(lambda: calls.append(None))
        for times in (3, 1, 0):
            for _ in range(times):
                turn.ask()
            await asyncio.sleep(0)
            counts.append(len(calls))
        turn.ask()
        turn.end()
        await asyncio.sleep(0)
        return [*counts, len(calls)]

    assert asyncio.run(run()) == [1, 2, 2, 2]


def test_a_silent_peer_is_asked_once_and_is_dead_when_it_does_not_answer() -> None:
    pulse = Pulse(100, quiet=30, answer=10)
    assert not pulse.should_ask(129) and not pulse.is_dead(10_000), "who was not asked owes no answer"
    assert pulse.should_ask(130) and not pulse.should_ask(135)
    assert not pulse.is_dead(139) and pulse.is_dead(140)


def test_a_peer_that_is_heard_lives_and_its_silence_begins_anew() -> None:
    pulse = Pulse(100, quiet=30, answer=10)
    assert pulse.should_ask(130)
    pulse.heard(139)
    assert not pulse.is_dead(200) and not pulse.should_ask(168) and pulse.should_ask(169)
