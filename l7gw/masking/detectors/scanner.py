"""Finds credentials in bytes: hyperscan notices that one may be there, google-re2 locates it in the bytes around.

A scan of text in which nothing is noticed costs one pass of hyperscan. Where something is noticed, a search of bounded length
follows; searches that overlap are made as one, so that every scan is linear in the text, whatever it holds.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

import hyperscan
import msgspec
import re2

from l7gw.masking.detectors.detector import Detector, Shape
from l7gw.masking.detectors.marks import Expression, MadeAside, Marks
from l7gw.masking.detectors.regex_tree import VALUE, NoTree, Tree, read
from l7gw.masking.placeholder import FILLER, PLACEHOLDER
from l7gw.obligations import EVERYTHING
from l7gw.steps import spent

CONTEXT = 256  # bytes before a value that a detector may look at: the name before a password, the beginning of its line
LONGEST_BEGUN = 64  # bytes of the longest beginning of a value by which it is told from a word
LARGEST_PROGRAM = 64 * 1024**2  # bytes that re2 may use for an expression and its states; ours take less than 4 MiB
MOST_SCANNERS = 32  # sets of detectors that are kept; a policy names few, and each takes about a megabyte
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
        self.back = min(shape.longest, _widest(notice_of(shape))) + CONTEXT  # from where it was noticed to where it may begin
        self.group = 1 if VALUE in shape.pattern else 0
        self.tree = tree_of(shape)

    @cached_property
    def located(self) -> Any:
        return compiled(self.shape.pattern)

    @cached_property
    def opening(self) -> Any:
        assert self.tree is not None
        return compiled(self.tree.flagged(self.shape.opening or self.tree.opening()) + r"\z")

    def finds(self, data: bytes, start: int, stop: int, *, sent: bool) -> Iterator[tuple[int, int]]:
        """The values between two offsets."""
        keeps, keeps_sent = self.shape.keeps, self.detector.keeps_sent if sent else None
        for match in self.located.finditer(data, start, stop):
            spent()
            begin, end = match.span(self.group)
            value = data[begin:end]
            if (
                value
                and (keeps is None or keeps(value))
                and (keeps_sent is None or keeps_sent(value))
                and not _MASKED.fullmatch(value)
            ):
                yield begin, end

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
        self._noticed = _Noticed(locators, notice_of)
        self._unknown = [locator for locator in locators if locator.tree is None]
        self._longest = max((locator.longest for locator in locators), default=0)
        self._marks: MadeAside | None = None
        self._nothing_in: set[str] = set()  # texts in which nothing was noticed

    def warm(self) -> None:
        """Compile what any scan, and any stream, needs."""
        self.scan(b"")
        self.open_from(b"")

    @cached_property
    def _opened(self) -> _Noticed:
        return _Noticed([locator for locator in self._locators if locator.tree], beginning_of, once=True)

    @cached_property
    def _begun(self) -> Any:
        texts = [locator.tree.flagged(text) for locator in self._locators if locator.tree and (text := begun_of(locator.shape))]
        return compiled(f"(?:{'|'.join(dict.fromkeys(texts))})\\z") if texts else None

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
        """One search for these expressions, which are the same at each call, and for what `may_hold` notices, by the mark DETECTOR.
        `size` bytes are to be searched. None as long as it is not made."""
        if self._marks is None:
            self._marks = MadeAside(beside, list(dict.fromkeys(notice_of(locator.shape) for locator in self._locators)))
        return self._marks.get(size)

    def scan(self, data: bytes, *, sent: bool = False) -> list[Span]:
        """What is found, in order; no two overlap. Of values that overlap their union is one find, by the name of the longest.

        `sent`: the bytes are what a caller sent. Then only those detectors look whose finds have a fixed shape, because a command
        must not hide behind a word such as `password=`.
        """
        found: list[tuple[int, int, int, str]] = []
        for places, locators in self._noticed.places(data):
            for locator in locators:
                if sent and not locator.detector.fixed:
                    continue
                for start, stop in _windows(places, locator.back, locator.longest):
                    spans = locator.finds(data, start, stop, sent=sent)
                    found.extend((begin, end, locator.rank, locator.detector.name) for begin, end in spans)
        return _merged(found)

    def open_from(self, data: bytes) -> int:
        """The smallest offset from which the bytes could be, or become, a value with bytes that follow; len(data) where none.

        A stream may send what stands before it, and masks what `scan` found there. It keeps CONTEXT bytes of what it sent before
        what it holds, and scans both, so that the name before a value is seen. Where a span goes across the offset, the stream
        holds from that span's start. What is longer than its detector looks for is not waited for.
        """
        size = first = len(data)
        if self._begun is not None:
            match = self._begun.search(data, max(0, size - LONGEST_BEGUN))
            first = size if match is None else match.start()
        for locator in self._unknown:
            first = min(first, locator.open_from(data))
        for _, locators in self._opened.places(memoryview(data)[max(0, size - self._longest) :]):
            for locator in locators:
                first = min(first, locator.open_from(data))
        return first


class _Noticed:
    """hyperscan's part: which locators have something to look for, and where."""

    def __init__(self, locators: list[_Locator], text_of: Callable[[Shape], str], *, once: bool = False) -> None:
        """`text_of` gives what notices a shape. `once`: one place is enough."""
        self._locators: list[list[_Locator]] = []  # by the number of the text
        numbers: dict[str, int] = {}
        for locator in locators:
            number = numbers.setdefault(text_of(locator.shape), len(numbers))
            if number == len(self._locators):
                self._locators.append([])
            self._locators[number].append(locator)
        self._database = noticing(list(numbers), once=once)
        self._own = threading.local()  # hyperscan wants scratch space for each thread

    def anything(self, data: bytes) -> bool:
        if self._database is None:
            return False
        try:
            self._database.scan(data, match_event_handler=_stop, scratch=self._scratch())
        except hyperscan.ScanTerminated:
            return True
        return False

    def places(self, data: bytes | memoryview) -> Iterator[tuple[list[int], list[_Locator]]]:
        """The offsets at which something was noticed, in order, with those that look around them."""
        if self._database is None:
            return
        noticed: list[tuple[int, int]] = []
        self._database.scan(data, match_event_handler=_keep, context=noticed, scratch=self._scratch())
        ends: dict[int, list[int]] = {}
        for number, end in noticed:
            ends.setdefault(number, []).append(end)
        for number, places in ends.items():
            yield places, self._locators[number]

    def _scratch(self) -> Any:
        try:
            return self._own.scratch
        except AttributeError:
            self._own.scratch = hyperscan.Scratch(self._database)
            return self._own.scratch


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


# ---------------------------------------------------------------------- the engines


def compiled(pattern: str) -> Any:
    """An expression for re2, over bytes. Raises re2.error."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = LARGEST_PROGRAM
    return re2.compile(pattern.encode(), options=options)


def noticing(patterns: list[str], *, once: bool = False) -> Any:
    """A database for hyperscan that reports each pattern by its place in the list; None for none. `once`: only that it is there.
    Raises hyperscan.error."""
    if not patterns:
        return None
    return _database(tuple(patterns), once=once)


@lru_cache(maxsize=2 * MOST_SCANNERS)  # a reload that changes nothing here costs nothing
def _database(patterns: tuple[str, ...], *, once: bool) -> Any:
    flags = hyperscan.HS_FLAG_SINGLEMATCH if once else 0
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[pattern.encode() for pattern in patterns], ids=list(range(len(patterns))), flags=flags)
    return database


@lru_cache(maxsize=1024)
def tree_of(shape: Shape) -> Tree | None:
    """The tree of a shape's expression; None where there is none."""
    try:
        return read(shape.pattern)
    except NoTree:
        return None


def _widest(notice: str) -> int:
    """The most bytes between the beginning and the end of what is noticed."""
    try:
        return read(notice).widths[1]
    except NoTree:
        return LARGEST_PROGRAM


@lru_cache(maxsize=1024)
def notice_of(shape: Shape) -> str:
    """What hyperscan looks for in a scan."""
    tree = tree_of(shape)
    return shape.notice or (tree.notice() if tree else shape.pattern)


def beginning_of(shape: Shape) -> str:
    """What hyperscan looks for where a value may have begun."""
    tree = tree_of(shape)
    return shape.opens or (tree.beginning() if tree else "")


def begun_of(shape: Shape) -> str:
    """What re2 looks for at the end of a text, where the first bytes of a value may stand."""
    tree = tree_of(shape)
    if tree is None or tree.is_behind_something:
        return ""
    if not shape.opens:
        return tree.begun()
    return read(shape.opens).prefixes() if shape.early else ""


def _keep(number: int, _start: int, end: int, _flags: int, noticed: list[tuple[int, int]]) -> None:
    noticed.append((number, end))


def _stop(*_: object) -> bool:
    return True


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
