"""A clock that the traffic turns, and sets like somebody who sets the machine's clock."""

from __future__ import annotations


class TurnedClock:
    """All values are in seconds. `wall` begins at `wall`, the monotonic clock at 1,000."""

    def __init__(self, wall: float) -> None:
        self._wall = wall
        self._monotonic = 1_000.0

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._wall += seconds
        self._monotonic += seconds

    def set_ahead(self, seconds: float) -> None:
        """Set the wall clock alone."""
        self._wall += seconds
