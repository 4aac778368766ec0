"""Places that are masked are parted where they overlap, and none is masked by fewer names than before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l7gw.masking.objects.hiding import Cut
from l7gw.masking.objects.overlaps import parted

CUTS = st.lists(
    st.builds(
        lambda start, size, name, others: Cut(start=start, end=start + size, detector=name, others=others),
        *(st.integers(0, 20), st.integers(1, 12), st.sampled_from("abc"), st.sampled_from([(), ("d",)])),
    ),
    max_size=8,
)


def _bytes(cuts: list[Cut]) -> list[int]:
    return [at for cut in cuts for at in range(cut.start, cut.end)]


@given(CUTS)
def test_every_byte_stays_masked_once_and_by_the_names_of_all_that_mask_it_and_no_others(cuts: list[Cut]) -> None:
    kept = parted(sorted(cuts, key=lambda cut: cut.start))
    assert _bytes(kept) == sorted(set(_bytes(cuts)))
    for one in kept:
        beside = [cut for cut in cuts if max(cut.start, one.start) < min(cut.end, one.end)]
        assert set(one.names) == {name for cut in beside for name in cut.names}
        assert len(set(one.names)) == len(one.names)


def test_of_two_that_overlap_the_first_stays_whole() -> None:
    cuts = [Cut(start=0, end=5, detector="a"), Cut(start=3, end=9, detector="b"), Cut(start=4, end=5, detector="c")]
    assert [(one.start, one.end, one.names) for one in parted(cuts)] == [(0, 5, ("a", "b", "c")), (5, 9, ("b",))]
