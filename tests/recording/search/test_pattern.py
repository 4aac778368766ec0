"""A pattern is about one line, and many lines are searched at once as each would be by itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording.search.pattern import MOST_STEPS, BadPattern, Pattern

EXPRESSIONS = ["a", "ab", "^a", "b$", "^$", "a.b", "[^a]", "[^a]*b", r"\s", r"\bab\b", "(?i)AB", r"\Aa", r"b\z", "(?-m)^a", "a|^b", "x*", r"\W$", r"\C*", r"a\C", r"\C$", r"(?s).+", r"[\x00-\x1f]+"]  # fmt: skip
LINES = st.lists(st.text("ab \t-", max_size=6), max_size=8)


@given(lines=LINES, expression=st.sampled_from(EXPRESSIONS))
def test_lines_that_are_searched_together_match_as_python_finds_each_alone(lines: list[str], expression: str) -> None:
    python = re.compile(expression.replace(r"\z", r"\Z").replace("(?-m)", "").replace(r"\C", "."))
    wanted = [line for line in lines if python.search(line)]
    found = list(Pattern(expression).matches("".join(f"{line}\n" for line in lines).encode()))
    assert [match.line.decode() for match in found] == wanted
    for match in found:
        first = Pattern(expression).match(match.line)
        assert first == match, "the offsets are those of the first match in the line alone"


@given(lines=LINES, text=st.text("ab .-", min_size=1, max_size=3))
def test_a_literal_text_is_found_wherever_it_stands(lines: list[str], text: str) -> None:
    found = Pattern(text, literal=True).matches("".join(f"{line}\n" for line in lines).encode())
    assert [match.line.decode() for match in found] == [line for line in lines if text in line]


def test_case_is_ignored_in_every_script() -> None:
    lines = "Straße ÄRGER\närger\n".encode()
    assert len(list(Pattern("ärger", ignore_case=True).matches(lines))) == 2
    assert len(list(Pattern("ÄRGER", ignore_case=True, literal=True).matches(lines))) == 2
    assert len(list(Pattern("ärger").matches(lines))) == 1


@pytest.mark.parametrize(
    ("expression", "words"),
    [("a(b", "missing ): a(b"), ("*", "no argument for repetition operator: *"), ("(?=a)", "invalid perl operator: (?="), ("\udcff", "invalid UTF-8")],
)  # fmt: skip
def test_a_wrong_expression_is_refused_in_words_of_re2(expression: str, words: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(words)):
        Pattern(expression)


def test_a_literal_text_with_a_line_end_is_refused() -> None:
    with pytest.raises(BadPattern, match="line's end"):
        Pattern("a\nb", literal=True)


@given(data=st.binary(max_size=40), known=st.integers(0, 10), goes_on=st.booleans())
def test_a_part_gives_only_what_ends_behind_what_is_known(data: bytes, known: int, goes_on: bool) -> None:
    part = data.replace(b"\n", b"") + b"ab"
    known = min(known, len(part))
    match = Pattern("ab").match_in_part(part, known, goes_on=goes_on)
    ends = [
        found.end()
        for found in re.finditer(b"ab", part[: len(part) - goes_on])
        if (found.end() > known or not known) and (found.start() or not known)
    ]
    assert (match.end if match else None) == (ends[0] if ends else None)


def test_a_part_that_matches_everywhere_is_searched_in_bounded_steps() -> None:
    pattern, searches = Pattern("aaa"), 0
    search = pattern._search

    def counted(*where: Any) -> Any:
        nonlocal searches
        searches += 1
        return search(*where)

    pattern._search = counted
    known = 64 * MOST_STEPS
    match = pattern.match_in_part(b"a" * (known + 9), known, goes_on=True)
    assert match is not None and (match.begin, match.end) == (known - 2, known + 1)
    assert searches <= 2 * MOST_STEPS + 1


def test_the_end_of_a_part_is_no_end_of_a_line() -> None:
    assert Pattern("b$").match_in_part(b"aab", 0, goes_on=True) is None
    assert Pattern(r"b\b").match_in_part(b"aabb", 0, goes_on=True) is None
    assert Pattern("^a").match_in_part(b"aab", 1, goes_on=False) is None
    assert Pattern("b$").match_in_part(b"aab", 1, goes_on=False) is not None


def test_an_expression_that_backtracks_elsewhere_comes_to_its_end_here() -> None:
    """With Python's re it would not before this test's timeout."""
    assert not Pattern("(a+)+$x").may_match(b"a" * 200_000 + b"\n")
