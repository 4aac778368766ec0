"""A clock that stands still until a test turns it."""

from __future__ import annotations


class ManualClock:
    """A clock that stands still until `advance`, which turns both the wall clock and the monotonic clock. All values are in
    seconds."""

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
