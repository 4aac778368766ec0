"""Characters without a shape are written as escapes, and each character has its width."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording.terminal.unseen import safe, width


def test_characters_without_a_shape_are_shown_as_escapes() -> None:
    assert safe("ls\u200b; curl") == "ls\\u200b; curl"
    assert safe("a\u3164\u034f\U000e0041\u202e\x1b\x7f\x9b") == "a\\u3164\\u034f\\U000e0041\\u202e\\u001b\\u007f\\u009b"
    assert safe("\u26a0\ufe0f e\u0301 \ue0b0 \u4e2d") == "\u26a0\ufe0f e\u0301 \ue0b0 \u4e2d"
    assert safe("\ufe0f a\ufe0f\ufe0f \ufe01") == "\\ufe0f a\ufe0f\\ufe0f \\ufe01"
    assert safe("a\tb\u00a0c\u3000d") == "a b c  d"


@given(st.text(st.one_of(st.characters(), st.sampled_from("a \ufe0f\ufe0e\u200b\t\x1b\u3000\xa0\ufffd")), max_size=30))
def test_a_text_is_written_character_by_character(text: str) -> None:
    alone = "".join(safe(character) if character not in "\ufe0e\ufe0f" else "" for character in text)
    written = safe(text)
    for selector in "\ufe0e\ufe0f":
        written = written.replace(selector, "").replace(f"\\u{ord(selector):04x}", "")
    assert written == alone


def test_odd_characters_by_the_million_cost_no_call_each() -> None:
    """An archive that is printed on a screen has as many."""
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += 1

    text = "".join(map(chr, range(256))) * 100 + "\ufffd" * 10_000
    sys.setprofile(count)
    try:
        safe(text)
    finally:
        sys.setprofile(None)
    assert calls < len(text) / 10


def test_the_width_of_a_character_is_its_columns() -> None:
    assert [width(character) for character in "a\u4e2d\u0301\u200b\u1160\U0001f600\xad"] == [1, 2, 0, 0, 0, 2, 0]
