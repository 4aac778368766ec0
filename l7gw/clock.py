"""Time is passed in, so that tests can turn it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    def wall(self) -> float:
        """Seconds since 1970, UTC; may jump."""

    def monotonic(self) -> float:
        """Seconds that only grow; for intervals."""


class SystemClock:
    """The machine's own clocks."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class SteadyClock:
    """A wall clock that runs on as the monotonic one does, and takes over what the real one was set to only when it is asked to."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.monotonic = clock.monotonic
        self.apart = clock.wall() - clock.monotonic()  # seconds that the wall clock is ahead

    def wall(self) -> float:
        return self.monotonic() + self.apart

    def step(self) -> float:
        """Seconds by which the real wall clock is ahead of this one."""
        return self._clock.wall() - self.wall()

    def follow(self, step: float) -> None:
        self.apart += step


class ManualClock:
    """A clock that stands still until it is told: for tests."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._wall = wall
        self._monotonic = 1_000.0

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._wall += seconds
        self._monotonic += seconds


class Turn:
    """Calls back once at the end of the event loop's turn, however often it was asked to within it."""

    __slots__ = ("_asked", "_then")

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then
        self._asked = False

    def ask(self) -> None:
        if not self._asked:
            self._asked = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._asked = False
        self._then()

    def end(self) -> None:
        """Call back no more. Whose own method is called back would else be held by itself, until the collector comes by."""
        self._then = _nothing


def _nothing() -> None:
    pass


class Pulse:
    """Whether a silent peer still lives: asked when nothing was heard for `QUIET` seconds, given up `ANSWER_WITHIN` later."""

    QUIET = 29.0  # seconds; about client-go's 30 and 15: with a look each second a dead peer is known within 45 (threats I5)
    ANSWER_WITHIN = 14.0

    __slots__ = ("_asked", "_heard")

    def __init__(self, now: float) -> None:
        self._heard = now
        self._asked = 0.0  # 0: nothing is asked

    def heard(self, now: float) -> None:
        self._heard = now
        self._asked = 0.0

    def should_ask(self, now: float) -> bool:
        """Once in a silence."""
        if self._asked or now - self._heard < self.QUIET:
            return False
        self._asked = now
        return True

    def is_dead(self, now: float) -> bool:
        return self._asked != 0.0 and now - self._asked >= self.ANSWER_WITHIN
