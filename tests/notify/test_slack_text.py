"""Texts for Slack say what they say, and mention, link and format nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.notify.slack_text import block, code, cut, escaped, is_cut, units
from tests.support.slack_stand_in import _check_text as taken


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@U1&gt;"),
        ("a`b", "a\\x60b"),
        ("a\u202eb\nc\x1b[31m", "a\\u202eb\\x0ac\\x1b[31m"),
        ("&lt;", "&amp;lt;"),
        ("ä€", "ä€"),
    ],
)
def test_what_slack_or_a_reader_could_take_for_something_else_is_written_out(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.text(max_size=300), st.integers(3, 120))
def test_code_is_taken_whatever_the_text_and_ends_where_it_begins(text: str, most: int) -> None:
    found = code(text, most)
    taken(found, most, mrkdwn=True)
    assert found.count("`") == 2 and found[0] == found[-1] == "`"


@given(st.lists(st.text(max_size=200), max_size=40), st.integers(100, 900))
def test_a_block_is_taken_whatever_its_lines(lines: list[str], most: int) -> None:
    found = block(lines, most)
    taken(found, most, mrkdwn=True)
    assert found.startswith("```\n") and found.endswith("\n```") and found.count("`") == 6


def test_what_is_left_out_of_a_block_is_said() -> None:
    found = block([f"line {number}" for number in range(1000)], 500)
    shown = re.findall("line ([0-9]+)\n", found)
    assert shown == [str(number) for number in range(len(shown))]
    assert found.endswith(f"… and {1000 - len(shown)} more lines\n```")
    assert block(["a", "b"], 500) == "```\na\nb\n```"
    assert [is_cut(text) for text in (found, block(["a", "b"], 500), block(["x" * 900], 500), block(["a"] * 250, 500))] == [
        True,
        False,
        True,
        True,
    ]


def test_no_escape_is_cut_within() -> None:
    assert [cut("a&amp;b", most) for most in (7, 6, 5, 2, 1)] == ["a&amp;b", "a…", "a…", "a…", "…"]
    assert cut("x" * 10, 4) == "xxx…"


def test_a_length_is_that_of_javascript() -> None:
    assert (units("abc"), units("äöü"), units("🦊a")) == (3, 3, 3)
