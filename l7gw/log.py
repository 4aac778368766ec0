"""Log lines that a peer can cause as often as it likes: written once, then counted."""

from __future__ import annotations

import logging
from collections.abc import Callable

EVERY = 60.0  # seconds between a line and the count of its repetitions
MOST_REMEMBERED = 256  # lines that are counted one by one; a peer of many addresses must not fill the disk either


class _Repeated:
    """One line since it was last written."""

    __slots__ = ("level", "since", "text", "times")

    def __init__(self, level: int, since: float) -> None:
        self.level = level
        self.since = since
        self.text = ""  # the last of them
        self.times = 0


class CountedLog:
    """A logger in front of which the same line about the same peer is written at most once in EVERY seconds.

    Lines are the same if `about` (an address, an issuer, a cluster) and `line`, the format without its arguments, are. The first is
    written at once. Of those that follow, the last is written with their number when EVERY seconds are over: by `tick`, if
    somebody calls that, else when it is said the next time. Behind `MOST_REMEMBERED` different ones, the others share one count.
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
        """Write the counts that are due, and forget what was not said again."""
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
