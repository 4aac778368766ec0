"""hyperscan tells which texts stand in bytes, and where."""

from __future__ import annotations

from l7gw.masking.detectors.detector import Shape
from l7gw.masking.detectors.engines import Noticed, grouped, notice_of


def test_each_place_of_each_text_is_told_or_one_of_each() -> None:
    assert Noticed(["ab", "b+c"]).places(b"ab abbc") == [(0, 2), (0, 5), (1, 7)]
    assert Noticed(["ab", "b+c"], once=True).places(memoryview(b"ab abbc")) == [(0, 2), (1, 7)]
    assert Noticed(["ab"]).anything(b"ab") and not Noticed(["ab"]).anything(b"a b")
    assert Noticed([]).places(b"ab") == [] and not Noticed([]).anything(b"ab")


def test_shapes_that_are_noticed_by_the_same_text_are_one_group() -> None:
    class Known:
        def __init__(self, pattern: str, notice: str) -> None:
            self.shape = Shape(pattern, notice=notice)

    one, two, other = Known("a[0-9]", "a"), Known("a[a-z]", "a"), Known("b[0-9]{2}", "")
    assert list(grouped([one, two, other], notice_of).values()) == [[one, two], [other]]
