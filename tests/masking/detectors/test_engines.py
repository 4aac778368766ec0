"""hyperscan tells which texts stand in bytes, and where."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.masking.detectors.detector import Shape
from l7gw.masking.detectors.engines import Noticed, beginning_of, grouped, notice_of, numbered, parts
from l7gw.masking.detectors.table import BUILT_IN


def test_each_place_of_each_text_is_told_or_one_of_each() -> None:
    assert Noticed(["ab", "b+c"]).places(b"ab abbc") == [(0, 2), (0, 5), (1, 7)]
    assert Noticed(["ab", "b+c"], once=True).places(memoryview(b"ab abbc")) == [(0, 2), (1, 7)]
    assert Noticed(["ab"]).anything(b"ab") and not Noticed(["ab"]).anything(b"a b")
    assert Noticed([]).places(b"ab") == [] and not Noticed([]).anything(b"ab")


@pytest.mark.parametrize(
    ("pattern", "its_parts"),
    [
        ("ab|c[|]d|e\\|f|[]|]+", ["ab", "c[|]d", "e\\|f", "[]|]+"]),
        ("[^]|]a|b", ["[^]|]a", "b"]),
        *((whole, [whole]) for whole in ("ab", "(?:a|b)c", "(?i)a|b", "a|", "|a", "\\Qa|b\\E", "a[|b", "[|]")),
    ],
)
def test_a_pattern_without_groups_is_compiled_part_by_part(pattern: str, its_parts: list[str]) -> None:
    assert parts(pattern) == its_parts


def test_each_part_has_the_number_of_its_pattern() -> None:
    assert numbered(["a|b", "(?:c|d)", "e"]) == ([0, 0, 1, 2], [b"a", b"b", b"(?:c|d)", b"e"])
    assert Noticed(["ab|b+c", "d"]).places(b"ab abbc d") == [(0, 2), (0, 5), (0, 7), (1, 9)]


def test_shapes_that_are_noticed_by_the_same_text_are_one_group() -> None:
    class Known:
        def __init__(self, pattern: str, notice: str) -> None:
            self.shape = Shape(pattern, notice=notice)

    one, two, other = Known("a[0-9]", "a"), Known("a[a-z]", "a"), Known("b[0-9]{2}", "")
    assert list(grouped([one, two, other], notice_of).values()) == [[one, two], [other]]


# The texts that hyperscan is given for the built-in detectors
LOOKED_FOR = sorted({text(shape) for one in BUILT_IN for shape in one.shapes for text in (notice_of, beginning_of) if text(shape)})


@pytest.mark.parametrize("runs", [20, pytest.param(200, marks=pytest.mark.long)])
def test_whatever_an_expression_stands_for_is_noticed_wherever_it_begins(runs: int) -> None:
    def check(text: str) -> None:
        noticed = Noticed([text])

        @settings(max_examples=runs, deadline=None)
        @given(st.sampled_from([b" ", b"a: "]), st.integers(0, 60), st.from_regex(re.compile(text.encode()), fullmatch=True))
        def holds(before: bytes, times: int, found: bytes) -> None:
            assert noticed.anything(before * times + found), text

        holds()

    for text in LOOKED_FOR:
        check(text)


@pytest.mark.parametrize("first", range(16))
def test_the_password_of_a_url_whose_slashes_are_escaped_is_noticed_at_any_depth(first: int) -> None:
    """hyperscan misses `:` with four backslashes, `/`, three of them and `/` where these repeats have a bound of 15."""
    (url,) = {notice_of(shape) for one in BUILT_IN if one.name == "connection-string" for shape in one.shapes}
    noticed = Noticed([url])
    for second in range(16):
        found = b":" + b"\\" * first + b"/" + b"\\" * second + b"/user:some-password@host"
        assert all(noticed.anything(b"x" * offset + found) for offset in range(70)), (first, second)
