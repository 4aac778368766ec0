"""Where at the end of a text a value may have begun that more bytes could complete: what a stream must hold back.

Each read of a stream asks. Most values reach back a few hundred bytes at most, so only the end of the text is searched for their
beginnings. The few that may be long (keys in PEM, tokens of several kilobytes) are looked for in all of it, by one search together
with what the detectors notice: 16 KiB of a log cost 8 us, where a search each took 21.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from l7gw.masking.detectors.detector import Shape
from l7gw.masking.detectors.engines import Noticed, beginning_of, begun_of, compiled, grouped, notice_of
from l7gw.masking.detectors.regex_tree import Tree, alphabet

NEAR = 1536  # bytes that most values reach back at most, with what stands before them
LONGEST_BEGUN = 256  # bytes of the longest beginning of a value by which it is told from a word


class Locator(Protocol):
    """What locates one shape (`scanner`)."""

    shape: Shape
    longest: int
    tree: Tree | None

    def open_from(self, data: bytes) -> int:
        """The offset of the first byte of a value that more bytes could still make, len(data) where there is none."""


class Openings:
    """Where values of some shapes may have begun. May be used by several threads at once."""

    def __init__(self, locators: Sequence[Locator]) -> None:
        read = [locator for locator in locators if locator.tree is not None]
        near, far = [one for one in read if _is_near(one)], [one for one in read if not _is_near(one)]
        self._unknown = [locator for locator in locators if locator.tree is None]
        self._longest = max((locator.longest for locator in locators), default=0)
        self._reach = max((locator.longest for locator in near), default=0) + 1  # with the byte before, for what begins a word
        near_texts, far_texts, notices = grouped(near, beginning_of), grouped(far, beginning_of), grouped(locators, notice_of)
        self._near, self._by_text = len(near_texts), [*near_texts.values(), *far_texts.values()]
        self._end = Noticed([*near_texts, *far_texts, *notices], once=True)  # searches a short text, or the end of a long one
        self._whole = Noticed([*far_texts, *notices], once=True)
        begun = [locator.tree.flagged(text) for locator in read if locator.tree and (text := begun_of(locator.shape))]
        self._begun: Any = compiled(f"(?:{'|'.join(dict.fromkeys(begun))})\\z") if begun else None
        self._begun_ends = frozenset().union(*map(alphabet, begun))

    def first(self, data: bytes) -> int:
        """As `Scanner.open_from`."""
        size = len(data)
        return self.look(data)[0] if size <= self._longest else self._begun_in(data, self._far(data[size - self._longest :]))

    def look(self, data: bytes) -> tuple[int, bool]:
        """As `Scanner.look`."""
        size, opens = len(data), len(self._by_text)
        if size <= self._reach:
            seen = [number for number, _ in self._end.places(data)]
            return self._opened(data, [number for number in seen if number < opens]), any(number >= opens for number in seen)
        seen = self._far(data)
        near_enough = size <= self._longest or all(number >= opens for number in seen)  # what is not in all of it is not in its end
        first = self._begun_in(data, seen) if near_enough else self.first(data)
        return first, any(number >= opens for number in seen)

    def _far(self, data: bytes) -> list[int]:
        """The numbers of the texts, of those that are looked for in all of a text, that stand in it."""
        near = self._near
        return [number + near for number, _ in self._whole.places(data)]

    def _begun_in(self, data: bytes, far: list[int]) -> int:
        """Where a value may have begun in a long text in which these stand."""
        near = [number for number, _ in self._end.places(memoryview(data)[len(data) - self._reach :]) if number < self._near]
        return self._opened(data, [*near, *(number for number in far if number < len(self._by_text))])

    def _opened(self, data: bytes, seen: list[int]) -> int:
        """The smallest offset at which a value may have begun, where the beginnings of these numbers were seen."""
        size = first = len(data)
        if size and data[-1] in self._begun_ends:
            match = self._begun.search(data, max(0, size - LONGEST_BEGUN))
            first = size if match is None else match.start()
        for locator in self._unknown:
            first = min(first, locator.open_from(data))
        for number in seen:
            for locator in self._by_text[number]:
                first = min(first, locator.open_from(data))
        return first


def _is_near(locator: Locator) -> bool:
    """Whether the beginning of an unfinished match stands in the last NEAR bytes: it is in the match, and that is not longer."""
    shape, tree = locator.shape, locator.tree
    assert tree is not None
    return locator.longest <= NEAR and (not shape.opens or bool(shape.opening) or tree.is_behind_something)
