"""What is derived from an expression says the same as the expression."""

from __future__ import annotations

import pytest

from l7gw.masking.detectors.engines import compiled
from l7gw.masking.detectors.regex_tree import NoTree, read
from l7gw.masking.detectors.table import BUILT_IN

PATTERNS = [shape.pattern for detector in BUILT_IN for shape in detector.shapes]


@pytest.mark.parametrize(
    "pattern, text",
    [
        (r"ab{2,5}c", b"abbbc"),
        (r"\bgh[ps]_[a-z]{3,6}\b", b"ghp_abcd"),
        (r"(?i)key=(?P<value>(?:ab|cde){1,3};)x", b"KEY=abcdeAB;x"),
        (r"a(?:bc)?d+e", b"abcddde"),
        (r"x(?P<value>a|bc|d(?:ef)*)$", b"xdefef"),
    ],
)
def test_every_beginning_of_a_match_that_has_reached_its_value_is_an_opening(pattern: str, text: bytes) -> None:
    tree = read(pattern)
    opening = compiled(tree.flagged(tree.opening()) + r"\z")
    start = compiled(pattern).fullmatch(text).start(1) if "value" in pattern else 0
    for size in range(start + 1, len(text)):
        match = opening.search(text[:size])
        assert match is not None and match.start(1) == start, text[:size]
    other = opening.search(text[:start] + b"!!")
    assert other is None or other.start(1) == start + 2


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_pattern_of_ours_is_one_that_all_three_engines_read(pattern: str) -> None:
    tree = read(pattern)
    assert compiled(pattern) and compiled(tree.notice()) and compiled(tree.opening())


@pytest.mark.parametrize("pattern", ["[[:digit:]]x", r"\pNx", r"\Qa.b\E", "a(?!b)", "é", "((?P<value>a))", "(?s)a.b"])
def test_what_the_parser_reads_in_another_way_has_no_tree(pattern: str) -> None:
    with pytest.raises(NoTree):
        read(pattern)


def test_a_notice_ends_where_a_match_has_its_shortest_length() -> None:
    assert read(r"\bghp_[a-z]{3,9}(?:x*)\b").notice() == r"\bghp\x5f(?:[a-z]){3,3}"
    assert read(r"(?i)key=(?P<value>[a-z]+)").notice() == r"(?i)key\x3d(?:[a-z])"
