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
KEPT = CONTEXT + 1  # bytes that are kept of a text of which a part is done: with the one before them (`Scanner.scan_from`, `cut`)
LONGEST_SAID = 1024  # characters of a text that is remembered; a request's line or its header fields have a few hundred
MOST_SAID = 2048  # texts that are remembered: with LONGEST_SAID 2 MiB, and up to 8 where they are not ASCII

_MASKED = re.compile(rb"(?:%s)?%s*" % (PLACEHOLDER.pattern.encode(), re.escape(FILLER).encode()))


Found = tuple[int, int, bool]  # where a value begins and ends; of a locator, whether it is one


class Span(msgspec.Struct, frozen=True, gc=False):
    """A value that was found."""

    detector: str
    start: int  # offsets in the bytes that were scanned
    end: int
    others: tuple[str, ...] = ()  # the names of the detectors whose finds it is the union of, beside that of the longest


class _Locator:
    """One shape. Its expressions are compiled when they are first needed: most never are, and all take a tenth of a second.

    Whether a match begins at a byte depends on that byte, on CONTEXT bytes before its value and on `longest` bytes from its
    beginning, and on nothing else. So a stream, which knows no more than these, finds what a scan of the whole finds.
    """

    def __init__(self, shape: Shape, detector: Detector, rank: int) -> None:
        self.shape = shape
        self.detector = detector
        self.rank = rank
        self.longest = shape.longest + 2 * CONTEXT  # bytes of a match that are looked at; what is longer ends there
        self.back = min(shape.longest, widest(notice_of(shape))) + CONTEXT  # from where it was noticed to where it may begin
        self.group = 1 if VALUE in shape.pattern else 0
        self.tree = tree_of(shape)
        self.named = self.tree is not None and self.tree.is_behind_something  # whether a name stands before the value
        self.spaced = self.tree is None or self.tree.holds(b" \t\r\n")  # whether white space may stand in a value
        self.lead = CONTEXT if self.tree is not None and self.tree.before else 0  # bytes that may stand before the value

    @cached_property
    def located(self) -> Any:
        return compiled(self.shape.pattern)

    @cached_property
    def names(self) -> Any:
        """What stands before a value."""
        assert self.tree is not None
        return compiled(self.tree.flagged(self.tree.name()))

    @cached_property
    def unended(self) -> Any:
        """A value behind its name, whatever stands behind it."""
        assert self.tree is not None
        return compiled(self.tree.flagged(self.tree.unended()))

    @cached_property
    def opening(self) -> Any:
        assert self.tree is not None
        return compiled(self.tree.flagged(self.shape.opening or self.tree.opening()) + r"\z")

    def finds(self, data: bytes, start: int, stop: int, *, sent: bool, done: int) -> Iterator[Found]:
        """The matches between two offsets whose values reach behind `done`, where all was found that begins before it. Only what is
        noticed late may have begun there unseen."""
        keeps, keeps_sent = self.shape.keeps, self.detector.keeps_sent if sent else None
        if self.named:
            matches = self._behind_names(data, start, stop)
        else:
            matches = self._without_names(data, start, stop, done if self.shape.early else 0)
        for begin, end, long in matches:
            spent()
            if end <= done:
                continue
            value = data[begin:end]
            kept = (keeps is None or keeps(value)) and (keeps_sent is None or keeps_sent(value)) and not _MASKED.fullmatch(value)
            if kept or long:
                yield begin, end, kept

    def _behind_names(self, data: bytes, start: int, stop: int) -> Iterator[Found]:
        """The values that stand behind a name. One may begin within another, which has a name in its last bytes: a stream, which
        keeps CONTEXT bytes of what is done, finds it there."""
        at, next_one = start, self._next_of_any_length if self._may_be_long(data, start, stop) else self._next
        while True:
            start, begin, end = next_one(data, at, stop)
            if start < 0:
                return
            at = start + 1
            size = end - start
            if begin == end or begin - start > CONTEXT:
                continue
            yield begin, end, size > CONTEXT
            if size > CONTEXT:
                at = max(start + CONTEXT, end - 3 * CONTEXT) if size > self.longest - CONTEXT else end - CONTEXT

    def _may_be_long(self, data: bytes, start: int, stop: int) -> bool:
        """Whether a value may stand there that is longer than is asked for."""
        enough = self.longest - 2 * CONTEXT
        return stop - start > enough and (self.spaced or max(map(len, data[start:stop].split()), default=0) > enough)

    def _next(self, data: bytes, at: int, stop: int) -> tuple[int, int, int]:
        """Where the next match begins, and its value, where no value is too long; -1 where there is none."""
        match = self.located.search(data, at, stop)
        return (match.start(), *match.span(self.group)) if match is not None else (-1, 0, 0)

    def _next_of_any_length(self, data: bytes, at: int, stop: int) -> tuple[int, int, int]:
        """As `_next`, by the names alone: a value of no bytes where nothing stands behind one."""
        name = self.names.search(data, at, stop)
        if name is None:
            return -1, 0, 0
        start = name.start()
        match, first = self._match(data, start)
        if match is None:
            return start, *self._long(data, start)
        begin, end = match.span(self.group)
        return start, first + begin, first + end

    def _without_names(self, data: bytes, start: int, stop: int, done: int) -> Iterator[Found]:
        """The values that stand for themselves. Each of their bytes could begin another one, so none begins within another, but
        for the rest of one that is too long."""
        at, group, most = max(start, done - self.lead), self.group, self.longest
        while at < stop:
            last = min(stop, at + 2 * most)
            match, first = self.located.search(data, at, last), 0
            start = match.start() if match is not None else last
            if last < stop and start + most > last:  # not all that counts for it was looked at
                at = last - most if match is None else start
                continue
            if match is None:
                return
            if match.end() - start > most:
                match, first = self._match(data, start)
            at = start + 1
            if match is None:
                continue
            begin, end = first + match.start(group), first + match.end(group)
            if begin < end and begin >= done:
                yield begin, end, True
                at = max(at, end - CONTEXT if first + match.end() >= start + most else first + match.end())

    def _match(self, data: bytes, start: int) -> tuple[Any, int]:
        """The match that begins at this offset, and what its offsets count from. One that is too long ends as if the text did."""
        first = max(0, start - 1)  # the byte before tells whether a word begins
        return self.located.match(data[first : start + self.longest], start - first), first

    def _long(self, data: bytes, start: int) -> tuple[int, int]:
        """The value behind a name behind which no match ends as it should, where it is longer than is asked for; else nothing."""
        first, enough = max(0, start - 1), start + self.longest - CONTEXT
        if enough >= len(data) or self.located.match(data[first:enough], start - first) is None:
            return 0, 0
        match = self.unended.match(data[first : start + self.longest], start - first)
        return (first + match.start(1), first + match.end(1)) if match is not None else (0, 0)

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

    def scan(self, data: bytes, *, sent: bool = False) -> list[Span]:
        """What is found, in order; no two overlap. Of values that overlap their union is one find, by the name of the longest.

        `sent`: the bytes are what a caller sent. Then only those detectors look whose finds have a fixed shape, because a command
        must not hide behind a word such as `password=`.
        """
        return self.scan_from(data, 0, sent=sent)[0]

    def scan_from(
        self, data: bytes, done: int, *, sent: bool = False, cut: bool = False
    ) -> tuple[list[Span], list[tuple[int, int]]]:
        """As `scan`, of the values that reach behind the first `done` bytes, in which another scan found all that begins there. It
        also gives the places of what looks like a value and is none: no text is parted within one, or its rest would look like a
        value.

        `cut`: other bytes stood before these. The first one tells then whether a word or a line begins behind it, and nothing
        begins with it: who knows what stands before it would find nothing there.
        """
        found: list[tuple[int, int, int, str]] = []
        other: list[tuple[int, int]] = []
        ends: dict[int, list[int]] = {}
        for number, end in self._noticed.places(data):
            ends.setdefault(number, []).append(end)
        for number, places in ends.items():
            for locator in self._by_notice[number]:
                if sent and not locator.detector.fixed:
                    continue
                for start, stop in _windows(places, locator.back, locator.longest):
                    for begin, end, kept in locator.finds(data, max(start, cut), min(stop, len(data)), sent=sent, done=done):
                        if kept:
                            found.append((begin, end, locator.rank, locator.detector.name))
                        else:
                            other.append((begin, end))
        return _merged(found), other

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
