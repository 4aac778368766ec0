"""The engines by which detectors look: hyperscan, which notices that a value may be there, and google-re2, which locates it; and
the texts that each of them is given for a shape."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import hyperscan
import re2

from l7gw.masking.detectors.detector import Shape
from l7gw.masking.detectors.regex_tree import NoTree, Tree, read

LARGEST_PROGRAM = 64 * 1024**2  # bytes that re2 may use for an expression and its states; ours take less than 4 MiB
MOST_SCANNERS = 32  # sets of detectors that are kept; a policy names few, and each takes about a megabyte


# A text with `|` between parts that have no groups
_PART = r"(?:\\[^QE]|\[\^?\]?(?:\\.|[^\]\\])*\]|[^\\\[()|])+"
_PARTS = re.compile(rf"{_PART}(?:\|{_PART})+")


class HasShape(Protocol):
    @property
    def shape(self) -> Shape: ...


L = TypeVar("L", bound=HasShape)


class Noticed:
    """hyperscan's part: which of some texts stand in bytes, and where. May be used by several threads at once."""

    def __init__(self, texts: list[str], *, once: bool = False) -> None:
        """`once`: one place of a text is enough."""
        self._database = noticing(texts, once=once)
        self._own = threading.local()  # hyperscan wants scratch space for each thread

    def anything(self, data: bytes) -> bool:
        """Whether any of the texts stands in the bytes."""
        if self._database is None:
            return False
        try:
            self._database.scan(data, match_event_handler=_stop, scratch=self._scratch())
        except hyperscan.ScanTerminated:
            return True
        return False

    def places(self, data: bytes | memoryview) -> list[tuple[int, int]]:
        """The numbers of the texts that stand in the bytes, each with an offset at which it ends, in the order of the ends."""
        noticed: list[tuple[int, int]] = []
        if self._database is not None:
            self._database.scan(data, match_event_handler=_keep, context=noticed, scratch=self._scratch())
        return noticed

    def _scratch(self) -> Any:
        try:
            return self._own.scratch
        except AttributeError:
            self._own.scratch = hyperscan.Scratch(self._database)
            return self._own.scratch


def _keep(number: int, _start: int, end: int, _flags: int, noticed: list[tuple[int, int]]) -> None:
    noticed.append((number, end))


def _stop(*_: object) -> bool:
    return True


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
    numbers, texts = numbered(patterns)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=texts, ids=numbers, elements=len(texts), flags=flags)
    return database


def numbered(patterns: Sequence[str]) -> tuple[list[int], list[bytes]]:
    """What hyperscan compiles for some patterns, and the number of each one's pattern. Parts with `|` between them, where they have
    no groups, are compiled one by one: hyperscan then looks for the plain bytes of each, where a pattern with a choice in it may
    cost a look at every byte."""
    pairs = [(number, part) for number, pattern in enumerate(patterns) for part in parts(pattern)]
    return [number for number, _ in pairs], [part.encode() for _, part in pairs]


def parts(pattern: str) -> list[str]:
    """The parts of a pattern that stand for what it stands for."""
    return re.findall(_PART, pattern) if _PARTS.fullmatch(pattern) else [pattern]


@lru_cache(maxsize=1024)
def tree_of(shape: Shape) -> Tree | None:
    """The tree of a shape's expression; None where there is none."""
    try:
        return read(shape.pattern)
    except NoTree:
        return None


def widest(notice: str) -> int:
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


def grouped(found: Iterable[L], text_of: Callable[[Shape], str]) -> dict[str, list[L]]:
    """By each text that hyperscan looks for, what has a shape of that text."""
    groups: dict[str, list[L]] = {}
    for one in found:
        groups.setdefault(text_of(one.shape), []).append(one)
    return groups


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
