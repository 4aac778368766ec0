"""Clocks. Code is handed its clock, so that a test can hand it one that the test turns."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    def wall(self) -> float:
        """Seconds since 1970, UTC. It jumps when somebody sets the machine's clock."""

    def monotonic(self) -> float:
        """Seconds since some moment. They never go back: for intervals."""


class SystemClock:
    """The machine's own clocks."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


def moment(microseconds: int) -> str:
    """Microseconds since 1970 in the form of RFC 3339: UTC, with microseconds, ending in Z."""
    when = datetime.datetime.fromtimestamp(microseconds // 1_000_000, datetime.UTC)
    return f"{when.isoformat()[:19]}.{microseconds % 1_000_000:06d}Z"  # half the time of strftime: a list has thousands


def local_time(microseconds: int) -> str:
    """Microseconds since 1970 for people: `2026-11-28 09:02:11`, in the machine's time zone."""
    return datetime.datetime.fromtimestamp(microseconds / 1e6).strftime("%Y-%m-%d %H:%M:%S")


class SteadyClock:
    """A wall clock that runs evenly when somebody sets the machine's clock.

    It is the monotonic clock and a constant. `step` says how far the real wall clock has moved away, and `follow` moves this clock.
    """

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
        """Set this clock `step` seconds ahead."""
        self.apart += step


class Turn:
    """Calls `then` once at the end of the event loop's turn, however often `ask` was called within the turn."""

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
        """Call back no more, and let go of `then`. An object that passes its own method would else keep itself in memory until
        the garbage collector runs."""
        self._then = _nothing


def _nothing() -> None:
    pass


class Pulse:
    """Whether a silent peer still lives.

    The peer is asked when nothing was heard for `quiet` seconds. It counts as dead when `answer` seconds more were silent.
    All times are monotonic, in seconds.
    """

    __slots__ = ("_answer", "_asked", "_heard", "_quiet")

    def __init__(self, now: float, quiet: float, answer: float) -> None:
        self._quiet = quiet
        self._answer = answer
        self._heard = now
        self._asked = 0.0  # when the peer was asked; 0: it is not asked now

    def heard(self, now: float) -> None:
        self._heard = now
        self._asked = 0.0

    def should_ask(self, now: float) -> bool:
        """Whether to ask the peer now: true once in each silence."""
        if self._asked or now - self._heard < self._quiet:
            return False
        self._asked = now
        return True

    def is_dead(self, now: float) -> bool:
        return self._asked != 0.0 and now - self._asked >= self._answer
