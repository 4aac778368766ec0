"""A timer that exists only while something waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from l7gw.clock import Clock


class Alarm:
    """Calls `then` once, at the earliest moment that it was set to. A call has one of it, which rests while nothing is held."""

    __slots__ = ("_at", "_clock", "_handle", "_then")

    def __init__(self, clock: Clock, then: Callable[[], None]) -> None:
        self._clock = clock
        self._then = then
        self._at = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """Call at `at` (monotonic seconds), unless a call comes earlier anyhow."""
        if self._handle is not None:
            if self._at <= at:
                return
            self._handle.cancel()
        self._at = at
        self._handle = asyncio.get_running_loop().call_later(max(0.0, at - self._clock.monotonic()), self._ring)

    def _ring(self) -> None:
        self._handle = None
        self._then()

    def end(self) -> None:
        """Call no more, and let go of `then`: it is a method of an object that has this one."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._then = _nothing


def _nothing() -> None:
    pass
