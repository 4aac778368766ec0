"""Places that are masked, of which some overlap: which stays whole, and by which names each byte of them is masked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec


class Place(Protocol):
    """A place that is masked; a Struct, which a Protocol cannot say."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def detector(self) -> str: ...
    @property
    def others(self) -> tuple[str, ...]: ...
    @property
    def names(self) -> tuple[str, ...]: ...


P = TypeVar("P", bound=Place)


def parted(cuts: Iterable[P]) -> list[P]:
    """Cuts that are in order of their starts, as disjoint ones. Of two that overlap the first stays whole, and of the other what
    stands behind it. Each has the names of all that overlap it, since the client may see what is revealed by each of them."""
    kept: list[P] = []
    named: dict[tuple[str, ...], int] = {}  # up to which of those that are kept have these names, so that none is named twice
    end = 0
    for cut in cuts:
        names = cut.names
        if cut.start < end:
            first = bisect_right(kept, cut.start, key=lambda one: one.end)
            for number in range(max(first, named.get(names, 0)), len(kept)):
                if kept[number].start >= cut.end:
                    break
                kept[number] = _named(kept[number], names)
                named[names] = number + 1
        if cut.end > end:
            kept.append(cut if cut.start >= end else msgspec.structs.replace(cut, start=end))  # type: ignore[type-var]
            end = cut.end
    return kept


def _named(cut: P, names: tuple[str, ...]) -> P:
    """The cut, by these names too."""
    if cut.names == names:
        return cut
    others = dict.fromkeys((*cut.others, *names))
    others.pop(cut.detector, None)
    return msgspec.structs.replace(cut, others=tuple(others))  # type: ignore[type-var]
