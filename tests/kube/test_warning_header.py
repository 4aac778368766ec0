"""The header by which kubectl prints a sentence of ours, read again by a reading of its own, written from apimachinery's."""

from __future__ import annotations

import unicodedata
from email.header import decode_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.kube.warning_header import LONGEST_WARNING, warning_field

ANY = st.text(st.characters(codec=None), max_size=400) | st.text('"\\=?\n\x1b\x9b ab', max_size=400)


def read(value: str) -> str:
    """The text that kubectl prints. Raises AssertionError where it would print none, or more than one warning."""
    code, agent, quoted = value.split(" ", 2)
    assert (code, agent) == ("299", "-") and quoted[0] == '"'
    text, at = "", 1
    while quoted[at] != '"':
        at += quoted[at] == "\\"
        text += quoted[at]
        at += 1
    assert at == len(quoted) - 1
    assert decode_header(text) == [(text, None)]  # else client-go decodes it by RFC 2047
    assert not any(unicodedata.category(letter) == "Cc" for letter in text)
    return text


@given(ANY)
def test_any_text_is_one_warning_of_ascii_that_kubectl_prints(text: str) -> None:
    name, value = warning_field(text)
    assert name == "warning" and value.isascii() and value.isprintable() and len(value) <= LONGEST_WARNING
    assert read(value).startswith("l7gw: ")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('rule "a" and \\', 'l7gw: rule "a" and \\'),
        ("Büro\n\x1b[31m\u202e", "l7gw: B\\xfcro\\x0a\\x1b[31m\\u202e"),
        ("名前", "l7gw: \\u540d\\u524d"),
        ("=?utf-8?q?=1b[31m?=", "l7gw: =\\x3futf-8?q?=1b[31m?="),
        ("", "l7gw: "),
    ],
)
def test_quotes_survive_and_what_is_no_ascii_is_escaped(text: str, shown: str) -> None:
    assert read(warning_field(text)[1]) == shown


@pytest.mark.parametrize("letter", ["x", '"', "ü", "\0"])
def test_what_fits_is_whole_and_one_letter_more_ends_in_dots(letter: str) -> None:
    escaped = len(warning_field(letter)[1]) - len(warning_field("")[1])
    fits = (LONGEST_WARNING - len(warning_field("")[1])) // escaped
    assert not read(warning_field(letter * fits)[1]).endswith("...")
    cut = warning_field(letter * (fits + 1))[1]
    assert read(cut).endswith("...") and LONGEST_WARNING - 8 <= len(cut) <= LONGEST_WARNING
