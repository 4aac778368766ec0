"""Cells: wide characters and their halves, and marks upon characters."""

from __future__ import annotations

import pytest

from l7gw.recording.terminal.screen import MOST_MARKS
from tests.support.shown_terminal import screen, shown


def test_wide_characters_take_two_cells_and_no_half_stays() -> None:
    assert screen("\u4e2d\u6587x", 4, 2) == ["\u4e2d\u6587", "x"]
    assert screen("a\u4e2d\u6587\x1b[3Gx") == ["a x\u6587"]
    assert screen("a\u4e2d\u6587\x1b[2Gx") == ["ax \u6587"]
    assert screen("\u4e2d\u4e2d\x1b[2G\x1b[K") == []
    assert screen("abc\u4e2d", 4, 2) == ["abc", "\u4e2d"]
    assert screen("\u4e2d", 1, 1) == ["\u4e2d"]


@pytest.mark.parametrize("half", ["\x1b[2G", "\x1b[1G"])
@pytest.mark.parametrize("sequence", ["\x1b[K", "\x1b[1K", "\x1b[X", "\x1b[P", "\x1b[@", "x", "\x1b[4hx", "\x1b[J", "\x1b[9@"])
def test_a_wide_character_whose_half_is_overwritten_is_shown(half: str, sequence: str) -> None:
    assert "\u4e2d" in shown(f"\u4e2d\u6587{half}{sequence}", size=(4, 2))
    assert "\u6587" in shown(f"\u4e2d\u6587{half}{sequence}", size=(4, 2))
    assert "\u4e2d" in shown("\u4e2d\u6587", (3, 2), (1, 2), (4, 2), size=(4, 2))


def test_marks_have_a_bound_and_none_is_lost() -> None:
    marks = "\u0301" * (MOST_MARKS * 3)
    (line,) = screen("e" + marks)
    assert line.count("\u0301") == len(marks) and len(line) > len(marks) + 1
