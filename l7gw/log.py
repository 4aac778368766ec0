"""A log for lines that a peer can cause as often as it likes. Each is written once, and then counted."""

from __future__ import annotations

import logging
from collections.abc import Callable

EVERY = 60.0  # seconds between a line and the count of its repetitions
MOST_REMEMBERED = 256  # lines with a count of their own; without a bound a peer of many addresses could fill the disk


class _Repeated:
    """One line since it was last written."""

    __slots__ = ("level", "since", "text", "times")

    def __init__(self, level: int, since: float) -> None:
        self.level = level
        self.since = since
        self.text = ""  # the last repetition, formatted
        self.times = 0


class CountedLog:
    """Writes the same line about the same peer to a logger at most once in EVERY seconds.

    Two lines are the same if they have the same `about` (an address, an issuer, a cluster) and the same `line`, the format without
    its values. The first is written at once. When EVERY seconds are over, the last repetition is written with the number of
    repetitions: by `tick`, or by the next repetition. Once `MOST_REMEMBERED` lines are counted, all others share one count.
    `now` is a monotonic clock, in seconds.
    """

    __slots__ = ("_log", "_now", "_others", "_said")

    def __init__(self, log: logging.Logger, now: Callable[[], float]) -> None:
        self._log = log
        self._now = now
        self._said: dict[tuple[str, str], _Repeated] = {}
        self._others = _Repeated(logging.NOTSET, now())

    def info(self, about: str, line: str, *values: object) -> None:
        self._say(logging.INFO, about, line, values)

    def warning(self, about: str, line: str, *values: object) -> None:
        self._say(logging.WARNING, about, line, values)

    def error(self, about: str, line: str, *values: object) -> None:
        self._say(logging.ERROR, about, line, values)

    def _say(self, level: int, about: str, line: str, values: tuple[object, ...]) -> None:
        key = about, line
        said = self._said.get(key)
        if said is None:
            if len(self._said) >= MOST_REMEMBERED:
                self.tick()
            if len(self._said) >= MOST_REMEMBERED:
                self._count_other(level)
                return
            self._said[key] = _Repeated(level, self._now())
            self._log.log(level, "%s: " + line, about, *values)
            return
        said.times += 1
        said.text = line % values
        if self._now() - said.since >= EVERY:
            self._write_count(about, said)

    def _count_other(self, level: int) -> None:
        others = self._others
        if not others.times:
            others.since = self._now()
        others.level = max(level, others.level)
        others.times += 1

    def tick(self) -> None:
        """Write the counts that are due. Forget each line that was not repeated for EVERY seconds."""
        now = self._now()
        for key, said in list(self._said.items()):
            if now - said.since < EVERY:
                continue
            if said.times:
                self._write_count(key[0], said)
            else:
                del self._said[key]
        others = self._others
        if others.times and now - others.since >= EVERY:
            self._log.log(others.level, "%d lines about others are left out", others.times)
            self._others = _Repeated(logging.NOTSET, now)

    def _write_count(self, about: str, said: _Repeated) -> None:
        now = self._now()
        self._log.log(said.level, "%s: %s (%d times in %d s)", about, said.text, said.times, now - said.since)
        said.since, said.times = now, 0
