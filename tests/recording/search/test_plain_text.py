"""Text without escape sequences, and typed lines after their corrections."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording.search.plain_text import as_typed, without_sequences


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (b"\x1b[1;31mred\x1b[0m", b"red"), (b"\x1b]0;title\x07text", b"text"), (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", b"link"),
        (b"a\x1b(Bb\x1b7c\x1b=d", b"abcd"), (b"\xc2\x9b31mred", b"red"), (b"\x1b[?25lx", b"x"), (b"plain", b"plain"),
        (b"\x1b]0;no end", b"\x1b]0;no end"), (b"\x1b[12", b"\x1b[12"), (b"\x1b]0;a\nb\x07", b"\x1b]0;a\nb\x07"), (b"\x1b", b"\x1b"),
    ],
)  # fmt: skip
def test_whole_sequences_are_taken_out_and_nothing_else(data: bytes, plain: bytes) -> None:
    assert without_sequences(data) == plain


@given(st.lists(st.sampled_from([b"\x1b", b"[", b"]", b"\n", b"m", b"\x07", b"\\", b"1", b"P", b"\xc2\x9b", b"text"]), max_size=30))
def test_line_ends_stay_and_nothing_is_made_up(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    plain = without_sequences(data)
    assert plain.count(b"\n") == data.count(b"\n")
    at = 0
    for byte in plain:  # a subsequence
        at = data.index(byte, at) + 1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lx\x7fs", "ls"), ("\x7f\x7fls", "ls"), ("rm -rf /\x15ls", "ls"), ("cat one two  \x17three", "cat one three"), ("ä\x7fö", "ö"),
        ("ls\x1b[D\x1b[C", "ls"), ("ab\x08\x08c", "c"), ("\x17x", "x"),
    ],
)  # fmt: skip
def test_corrections_take_away_what_stands_before_them(typed: str, meant: str) -> None:
    assert as_typed(typed.encode()).decode() == meant


def test_bytes_that_are_no_utf_8_stay_as_they_are() -> None:
    assert as_typed(b"a\xffb\x7fc") == b"a\xffc"


@pytest.mark.parametrize("piece", [b"\x1b]", b"\x1b[1", b"ab \x17", b"word \x17\x17", b"\xc2\x9b", b"\x1b[ ", b"a\x15"])
def test_the_work_grows_as_the_line_does(piece: bytes) -> None:
    def work(number: int) -> int:
        calls = 0

        def count(frame: FrameType, event: str, argument: Any) -> None:
            nonlocal calls
            calls += 1

        line = b"x" * number + piece * number
        sys.setprofile(count)
        try:
            as_typed(line)
        finally:
            sys.setprofile(None)
        return calls

    assert work(2000) <= 2.2 * work(1000) + 100
