"""One search of bytes for many expressions at once, each of which stands for a mark: which of the marks are there, and not where.

It costs 1 us and 1 ns a byte, as much for the detectors' expressions and others together as for one of them alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import hyperscan

from l7gw.masking.detectors.engines import numbered

WORTH = 256 * 1024  # bytes that are searched before the search for all is made: that takes a quarter of a second
DETECTOR = 1  # the mark of what a detector notices


class Expression(NamedTuple):
    """An expression for hyperscan, over bytes; `.` is any of them. `mark` is one bit, and none of DETECTOR."""

    text: bytes
    mark: int


class Marks:
    """Searches for some expressions. May be used by several threads at once."""

    def __init__(self, expressions: Sequence[Expression], detectors: Sequence[str] = ()) -> None:
        """`detectors` are the expressions by which detectors notice something. Raises hyperscan.error."""
        self._marks = [DETECTOR] * len(detectors) + [expression.mark for expression in expressions]
        self._database = _database(tuple(detectors), tuple(expression.text for expression in expressions))
        self._own = threading.local()  # hyperscan wants scratch space for each thread

    def find(self, data: bytes, stop: int) -> int:
        """The marks in the bytes, as bits. The search ends at the first of those in `stop`; some others may be missing then."""
        seen = [0, stop]
        try:
            scratch = self._own.scratch
        except AttributeError:
            scratch = self._own.scratch = hyperscan.Scratch(self._database)
        try:  # contextlib.suppress costs half a microsecond
            self._database.scan(data, match_event_handler=_see, context=(self._marks, seen), scratch=scratch)
        except hyperscan.ScanTerminated:
            return seen[0]
        return seen[0]


def _see(number: int, _start: int, _end: int, _flags: int, context: tuple[list[int], list[int]]) -> bool:
    marks, seen = context
    mark = marks[number]
    seen[0] |= mark
    return mark & seen[1] != 0


@lru_cache(maxsize=64)  # a reload that changes nothing here costs nothing
def _database(detectors: tuple[str, ...], expressions: tuple[bytes, ...]) -> Any:
    once = hyperscan.HS_FLAG_SINGLEMATCH
    # hyperscan's \\s lacks one of the spaces that Python's and re2's have
    numbers, noticed = numbered(detectors)
    texts = noticed + [text.replace(rb"\s", rb"[\t-\r ]") for text in expressions]
    numbers += range(len(detectors), len(detectors) + len(expressions))
    flags = [once] * len(noticed) + [once | hyperscan.HS_FLAG_DOTALL] * len(expressions)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=texts, ids=numbers, elements=len(texts), flags=flags)
    return database


class MadeAside:
    """Marks that a thread makes once WORTH bytes were to be searched for them."""

    def __init__(self, expressions: Sequence[Expression], detectors: Sequence[str]) -> None:
        self._given = expressions, detectors
        self._made: Marks | None = None
        self._left = WORTH
        self._begun = threading.Lock()  # taken by who makes them, and never given back

    def get(self, size: int) -> Marks | None:
        """The marks, for a search of so many bytes; None as long as they are not made."""
        if self._made is None:
            self._left -= size
            if self._left < 0 and self._begun.acquire(blocking=False):
                threading.Thread(target=self._make, name="l7gw-marks", daemon=True).start()
        return self._made

    def _make(self) -> None:
        self._made = Marks(*self._given)
