"""The places in the held bytes of a stream that are masked, and what becomes of those that overlap."""

from __future__ import annotations

import msgspec

from l7gw.masking.objects.overlaps import parted
from l7gw.masking.registry.text_views import View


class Cut(msgspec.Struct, frozen=True, gc=False):
    """A place in the held bytes that is masked."""

    start: int
    end: int
    detector: str
    tag: str
    value: int = 0  # the number of a registered value
    others: tuple[str, ...] = ()  # the names of what else was found there: the client sees it where each of them is revealed, too

    @property
    def names(self) -> tuple[str, ...]:
        return (self.detector, *self.others)


def placed(
    view: View | None, start: int, end: int, detector: str, tag: str, value: int = 0, *, others: tuple[str, ...] = ()
) -> Cut:
    """What is masked between two offsets of the bytes, or of a view of them."""
    if view is not None:
        start, end = view.start_of(start), view.end_of(end)
    return Cut(start, end, detector, tag, value, others)


def moved(cut: Cut, by: int) -> Cut:
    """The same where the first `by` bytes are gone."""
    return Cut(cut.start - by, cut.end - by, cut.detector, cut.tag, cut.value, cut.others)


def apart(cuts: list[Cut]) -> list[Cut]:
    """Cuts in order and disjoint, as `parted`. Of two that begin together the longer counts; of equals, the registered value."""
    return cuts if len(cuts) < 2 else parted(sorted(cuts, key=lambda cut: (cut.start, -cut.end, not cut.value)))


def before_all(at: int, places: list[tuple[int, int]]) -> int:
    """The last offset up to `at` that lies within none of these places."""
    for start, end in sorted(places, reverse=True):
        if start < at < end:
            at = start
    return at
