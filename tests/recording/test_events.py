"""Events are read as they were written, and a recorded header is shown as its sender meant it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording import events as e


@pytest.mark.parametrize("text", ["kubectl/v1.33", "B\u00fcro", "\u4e2d\u6587"])
def test_a_header_of_utf_8_is_shown_as_its_characters(text: str) -> None:
    assert e.header_text(text.encode().decode("latin-1")) == text


@given(st.text(st.characters(max_codepoint=255)))
def test_a_header_of_any_bytes_has_a_text(value: str) -> None:
    shown = e.header_text(value)
    assert shown == value or shown.encode() == value.encode("latin-1")


@pytest.mark.parametrize(
    "event", [e.Frame(5, 1, "stdin", True, 3, b"ls\n"), e.SessionEnded(9, "idle"), e.VerdictRecorded(1, 2, "all", "allow", "")]
)
def test_an_event_is_read_as_it_was_written(event: e.WrittenEvent) -> None:
    assert msgspec.msgpack.decode(e.encode(event), type=e.WrittenEvent) == event
