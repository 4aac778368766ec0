"""Finds credentials in bytes: hyperscan notices that one may be there, google-re2 locates it in the bytes around.

A scan of text in which nothing is noticed costs one pass of hyperscan. Where something is noticed, a search of bounded length
follows; searches that overlap are made as one, so that every scan is linear in the text, whatever it holds.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import msgspec

from l7gw.masking.detectors.detector import Detector, Shape
from l7gw.masking.detectors.engines import MOST_SCANNERS, Noticed, compiled, grouped, notice_of, tree_of, widest
from l7gw.masking.detectors.marks import Expression, MadeAside, Marks
from l7gw.masking.detectors.openings import Openings
from l7gw.masking.detectors.regex_tree import VALUE
from l7gw.masking.placeholder import FILLER, PLACEHOLDER
from l7gw.obligations import EVERYTHING
from l7gw.steps import spent

CONTEXT = 256  # bytes before a value that a detector may look at: the name before a password, the beginning of its line
KEPT = CONTEXT + 1  # bytes that are kept of a text of which a part is done: with the one before them (`Scanner.scan`, `cut`)
LONGEST_SAID = 1024  # characters of a text that is remembered; a request's line or its header fields have a few hundred
MOST_SAID = 2048  # texts that are remembered: with LONGEST_SAID 2 MiB, and up to 8 where they are not ASCII

_MASKED = re.compile(rb"(?:%s)?%s*" % (PLACEHOLDER.pattern.encode(), re.escape(FILLER).encode()))


class Span(msgspec.Struct, frozen=True, gc=False):
    """A value that was found."""

    detector: str
    start: int  # offsets in the bytes that were scanned
    end: int
    others: tuple[str, ...] = ()  # the names of the detectors whose finds it is the union of, beside that of the longest


class _Locator:
    """One shape. Its expressions are compiled when they are first needed: most never are, and all take a tenth of a second."""

    def __init__(self, shape: Shape, detector: Detector, rank: int) -> None:
        self.shape = shape
        self.detector = detector
        self.rank = rank
        self.longest = shape.longest + CONTEXT
        self.back = min(shape.longest, widest(notice_of(shape))) + CONTEXT  # from where it was noticed to where it may begin
        self.group = 1 if VALUE in shape.pattern else 0
        self.tree = tree_of(shape)
        self.named = self.tree is not None and self.tree.is_behind_something  # whether a name stands before the value

    @cached_property
    def located(self) -> Any:
        return compiled(self.shape.pattern)

    @cached_property
    def opening(self) -> Any:
        assert self.tree is not None
        return compiled(self.tree.flagged(self.shape.opening or self.tree.opening()) + r"\z")

    def finds(self, data: bytes, start: int, stop: int, *, sent: bool) -> Iterator[tuple[int, int]]:
        """The values between two offsets. In the last CONTEXT bytes of a long match the name of another value may stand: a stream,
        which keeps no more of what is done, finds it there. Where no name is asked for, each match would begin others. A value
        that is longer than is looked for ends at `stop`."""
        first = 0
        if stop < len(data):
            first = max(0, start - 1)  # the byte before tells whether a word begins
            data = data[first:stop]
        keeps, keeps_sent = self.shape.keeps, self.detector.keeps_sent if sent else None
        at: int | None = start - first
        while at is not None:
            at, begun = None, at
            for match in self.located.finditer(data, begun):
                spent()
                begin, end = match.span(self.group)
                value = data[begin:end]
                if (
                    value
                    and (keeps is None or keeps(value))
                    and (keeps_sent is None or keeps_sent(value))
                    and not _MASKED.fullmatch(value)
                ):
                    yield first + begin, first + end
                if self.named and match.end() - match.start() > CONTEXT // 2:
                    at = max(match.start() + 1, match.end() - CONTEXT)
                    break

    def open_from(self, data: bytes) -> int:
        """The offset of the first byte of a value that more bytes could still make, len(data) where there is none."""
        size = len(data)
        if self.tree is None:
            return max(0, size - self.shape.longest)
        match = self.opening.search(data, max(0, size - self.longest))
        if match is None:
            return size
        start: int = match.start(1)
        return start


class Scanner:
    """Looks for what a set of detectors finds. May be used by several threads at once."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        """The first of two detectors that find the same bytes gives them its name."""
        self.names = frozenset(detector.name for detector in detectors)
        locators = [_Locator(shape, detector, rank) for rank, detector in enumerate(detectors) for shape in detector.shapes]
        self._locators = locators
        noticed = grouped(locators, notice_of)
        self._noticed = Noticed(list(noticed))
        self._by_notice = list(noticed.values())
        self._marks: dict[int, MadeAside] = {}  # by the identity of the expressions beside
        self._nothing_in: set[str] = set()  # texts in which nothing was noticed

    def warm(self) -> None:
        """Compile what any scan, and any stream, needs."""
        self.scan(b"")
        self.open_from(b"")

    @cached_property
    def _openings(self) -> Openings:
        return Openings(self._locators)

    def may_hold(self, data: bytes) -> bool:
        """Whether something in the bytes is worth a look. Where `scan` finds something this is true, and also where it finds
        something in a text of which the bytes are the JSON, unless that writes letters or digits as \\u escapes."""
        return self._noticed.anything(data)

    def may_hold_text(self, text: str) -> bool:
        """As `may_hold`, for a text that calls say again and again, such as a header field: one in which nothing was noticed is
        remembered, which saves its search. A text with a backslash may be written in escapes, so it may hold something."""
        if text in self._nothing_in:
            return False
        if "\\" in text or self.may_hold(text.encode("utf-8", "surrogateescape")):
            return True
        if len(text) <= LONGEST_SAID:
            if len(self._nothing_in) >= MOST_SAID:
                self._nothing_in.clear()  # keeps no order, which would cost more at each call than this does once
            self._nothing_in.add(text)
        return False

    def marks(self, beside: Sequence[Expression], size: int) -> Marks | None:
        """One search for these expressions, a constant, and for what `may_hold` notices, by the mark DETECTOR. `size` bytes are to
        be searched. None as long as it is not made."""
        aside = self._marks.get(id(beside))
        if aside is None:
            aside = self._marks[id(beside)] = MadeAside(beside, list(grouped(self._locators, notice_of)))
        return aside.get(size)

    def scan(self, data: bytes, *, sent: bool = False, cut: bool = False) -> list[Span]:
        """What is found, in order; no two overlap. Of values that overlap their union is one find, by the name of the longest.

        `cut`: other bytes stood before these. The first one tells then whether a word or a line begins behind it, and nothing
        begins with it: who knows what stands before it would find nothing there.

        `sent`: the bytes are what a caller sent. Then only those detectors look whose finds have a fixed shape, because a command
        must not hide behind a word such as `password=`.
        """
        found: list[tuple[int, int, int, str]] = []
        ends: dict[int, list[int]] = {}
        for number, end in self._noticed.places(data):
            ends.setdefault(number, []).append(end)
        for number, places in ends.items():
            for locator in self._by_notice[number]:
                if sent and not locator.detector.fixed:
                    continue
                for start, stop in _windows(places, locator.back, locator.longest):
                    spans = locator.finds(data, max(start, cut), stop, sent=sent)
                    found.extend((begin, end, locator.rank, locator.detector.name) for begin, end in spans)
        return _merged(found)

    def open_from(self, data: bytes) -> int:
        """The smallest offset from which the bytes could be, or become, a value with bytes that follow; len(data) where none.

        A stream may send what stands before it, and masks what `scan` found there. It keeps KEPT bytes of what it sent before
        what it holds, and scans both, so that the name before a value is seen. Where a span goes across the offset, the stream
        holds from that span's start. What is longer than its detector looks for is not waited for.
        """
        return self._openings.first(data)

    def look(self, data: bytes) -> tuple[int, bool]:
        """`open_from` and `may_hold` of the bytes, for one search of them."""
        return self._openings.look(data)


class Scanners:
    """The scanners of one configuration: one for each set of detectors that a call may want."""

    def __init__(self, detectors: Iterable[Detector], on: frozenset[str] | None = None) -> None:
        """`on` names those that are on; None: as each says itself."""
        self.detectors = tuple(detectors)
        self.on = on if on is not None else frozenset(d.name for d in self.detectors if d.on)
        self._names = frozenset(d.name for d in self.detectors)
        self._made: OrderedDict[frozenset[str], Scanner] = OrderedDict()
        self._making = threading.Lock()  # who needs a scanner that a thread makes already waits for it

    @cached_property
    def default(self) -> Scanner:
        """The scanner for what the configuration has on. Each call asks for it."""
        return self.with_(frozenset())

    def with_(self, names: frozenset[str]) -> Scanner:
        """The scanner for what is on and what a rule masks beside; EVERYTHING is all detectors. Other names change nothing."""
        wanted = self._names if EVERYTHING in names else self.on | (names & self._names)
        with self._making:
            made = self._made.get(wanted)
            if made is None:
                made = self._made[wanted] = Scanner([d for d in self.detectors if d.name in wanted])
                if len(self._made) > MOST_SCANNERS:
                    self._made.popitem(last=False)
            else:
                self._made.move_to_end(wanted)
            return made


def _windows(ends: list[int], back: int, reach: int) -> Iterator[tuple[int, int]]:
    """The places around ends of notices, `back` bytes before and `reach` bytes behind them, joined where they overlap; in order.
    `ends` are in order."""
    start, stop = max(0, ends[0] - back), ends[0] + reach
    for end in ends:
        if end - back > stop:
            yield start, stop
            start = end - back
        stop = end + reach
    yield start, stop


def _merged(found: list[tuple[int, int, int, str]]) -> list[Span]:
    """Unions of the finds that overlap, each by the name of its longest; of equals, of the first in rank. The others are named
    beside it."""
    found.sort()
    spans: list[Span] = []
    start = end = -1
    best: tuple[int, int, str] = (0, 0, "")
    names: list[str] = []

    def whole() -> Span:
        others = tuple(dict.fromkeys(name for name in names if name != best[2])) if len(names) > 1 else ()
        return Span(best[2], start, end, others)

    for begin, stop, rank, name in found:
        own = (begin - stop, rank, name)
        if begin < end:
            end, best = max(end, stop), min(best, own)
            names.append(name)
            continue
        if end >= 0:
            spans.append(whole())
        start, end, best, names = begin, stop, own, [name]
    if end >= 0:
        spans.append(whole())
    return spans
