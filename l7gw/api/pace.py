"""How often somebody may ask. Each caller has a bucket, so that a script in a loop does not keep the database from others."""

from __future__ import annotations

EACH_SECOND = 20.0  # calls of one caller, in the long run; a person makes one, a console a few
AT_ONCE = 60.0  # calls that he may make beyond it in a burst, as a list of fifty holds that is answered
MOST_CALLERS = 1024  # that are remembered; the one who asked least recently is forgotten


class Pace:
    """The buckets. All times are monotonic, in seconds."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # caller -> the calls that he may make, and when that was so

    def takes(self, caller: str, now: float) -> bool:
        """Count a call. False where the caller must wait; it is not counted then."""
        left, since = self._buckets.pop(caller, (AT_ONCE, now))
        left = min(AT_ONCE, left + (now - since) * EACH_SECOND)
        takes = left >= 1.0
        self._buckets[caller] = (left - takes, now)
        if len(self._buckets) > MOST_CALLERS:
            del self._buckets[next(iter(self._buckets))]
        return takes
