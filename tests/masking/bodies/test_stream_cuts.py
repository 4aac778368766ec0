"""Places of a stream that are masked stand in its bytes, in order and disjoint."""

from __future__ import annotations

from l7gw.masking.bodies.stream_cuts import Cut, apart, before_all, moved, placed
from l7gw.masking.registry.text_views import shown


def test_of_two_that_begin_together_the_longer_counts_and_of_equals_the_registered_value() -> None:
    short, long, registered = Cut(0, 3, "a", "t"), Cut(0, 5, "b", "t"), Cut(0, 5, "c", "t", 1)
    assert [(one.start, one.end, one.detector) for one in apart([short, long])] == [(0, 5, "b")]
    assert [(one.start, one.end, one.detector) for one in apart([long, registered])] == [(0, 5, "c")]


def test_a_cut_in_a_view_stands_in_the_bytes_and_moves_with_them() -> None:
    data = b"a\x1b[1mbc\x1b[0md"
    cut = placed(shown(data), 1, 4, "a", "t")
    assert data[cut.start : cut.end] == b"bc\x1b[0md"
    assert (moved(cut, 2).start, moved(cut, 2).end) == (cut.start - 2, cut.end - 2)


def test_no_place_is_parted_by_an_offset_that_stands_before_all_that_reach_over_it() -> None:
    places = [(5, 20), (10, 12), (30, 40)]
    assert [before_all(at, places) for at in (4, 5, 6, 11, 20, 25, 35, 40)] == [4, 5, 5, 5, 20, 25, 30, 40]
