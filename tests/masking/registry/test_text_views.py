"""Views of a text: what is read in them, and where it stood."""

from __future__ import annotations

import pytest

from l7gw.masking.registry.text_views import View, shown, unescaped


def _stood(view: View, data: bytes, text: bytes) -> bytes:
    """The bytes from which a part of the view was read."""
    at = bytes(view.text).index(text)
    return data[view.start_of(at) : view.end_of(at + len(text))]


@pytest.mark.parametrize(
    "data, text",
    [
        (rb"a\u0062c", b"abc"),
        (rb"a\u00e9\ud83d\ude00c", "aé😀c".encode()),
        (rb"\ud83dx", b"?x"),
        (rb"a\"\\\/\n\r\tb\q", b'a"\\/\n\r\tb\\q'),
        (b"a%62%63%zz%4", b"abc%zz"),
        (b"A" * 64 + b"\nB\nC", b"A" * 64 + b"B\nC"),
        (b"A" * 76 + b"\r\nBB==", b"A" * 76 + b"BB=="),
        (b"A" * 64 + b"\n", b"A" * 64),
        (b"x\\", b"x"),
        (b"x\\u00", b"x"),
        (b"plain", b"plain"),
        (b"", b""),
    ],
)
def test_escapes_are_decoded_and_one_that_is_not_whole_at_the_end_is_left_out(data: bytes, text: bytes) -> None:
    assert bytes(unescaped(data).text) == text


@pytest.mark.parametrize(
    "data, text",
    [
        (b"h\x1b[31mun\x1b[0mter", b"hunter"),
        (b"\x1b]0;title\x07hun\x1b]8;;http://x\x1b\\ter", b"hunter"),
        (b"hunx\x08\x1b[Kter", b"hunx\x08ter"),
        (b"hun\x1b[5Cter\x00\x7f", b"hunter\x00\x7f"),
        (b"hun\x1b(Bter\x1b=", b"hunter"),
        (b"hun\x1b[3", b"hun"),
        (b"hun\x1b", b"hun"),
    ],
)
def test_what_a_terminal_shows_is_read_without_its_escapes(data: bytes, text: bytes) -> None:
    view = shown(data)
    assert view is not None
    assert bytes(view.text) == text


def test_text_without_escapes_needs_no_view() -> None:
    assert shown(b"plain\r\ntext\t\x00") is None


def test_a_part_of_a_view_knows_where_it_stood() -> None:
    data = b"say h\x1b[31mu\x1b[0mn\x1b[1mter2!"
    view = shown(data)
    assert view is not None
    assert _stood(view, data, b"hunter2") == b"h\x1b[31mu\x1b[0mn\x1b[1mter2"
    data = rb"x%68%75nter\u0032%32"
    assert _stood(unescaped(data), data, b"hunter2") == rb"%68%75nter\u0032"
    data = rb"x%68%75%6e%74"
    assert _stood(unescaped(data), data, b"un") == b"%75%6e"


def test_the_end_of_a_view_is_where_what_was_left_out_begins() -> None:
    data = b"hun%7"
    view = unescaped(data)
    assert view.start_of(len(view.text)) == view.whole == 3


def test_a_byte_of_the_bytes_has_a_place_in_the_view_and_one_that_is_left_out_that_of_the_next() -> None:
    data = b"ab\x1b[1mcd\x1b[0me"
    view = shown(data)
    assert view is not None and bytes(view.text) == b"abcde"
    assert [view.place_of(at) for at in range(len(data) + 1)] == [0, 1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 4, 4, 5]
    assert View().place_of(3) == 0
