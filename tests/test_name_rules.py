"""Different names never look alike: Unicode's properties decide which text is a name, and a text in a message hides nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from l7gw import name_rules
from tests.conftest import missing

PROPERTIES = """
const ranges = (property) => {
  const found = [], one = new RegExp(`^\\\\p{${property}}$`, 'u')
  for (let c = 0, first = -1; c <= 0x110000; c++) {
    const has = c < 0x110000 && one.test(String.fromCodePoint(c))
    if (has && first < 0) first = c
    if (!has && first >= 0) { found.push([first, c - 1]); first = -1 }
  }
  return found
}
console.log(JSON.stringify([ranges('Default_Ignorable_Code_Point'), ranges('White_Space')]))
"""
# Characters whose names say "blank" or the like, though their glyphs are visible
DRAWN = (
    "GAP FILLER",
    "LINE FILLER",
    "BLANK SYMBOL",
    "EMPTY",
    "SYMBOL FOR NULL",
    "SYMBOL FOR SPACE",
    "HALF FILL SPACE",
    "PLANE SPACE",
)


def _points(*tables: Iterable[tuple[int, int]]) -> set[int]:
    return {point for table in tables for first, last in table for point in range(first, last + 1)}


_barred = _points(name_rules.IGNORABLE, name_rules.WHITE, name_rules.BLANK)


def test_the_tables_are_those_of_another_implementation_of_unicode() -> None:
    node = shutil.which("node")
    if node is None:
        missing("Node.js has Unicode's properties")
    said = subprocess.run([node, "-e", PROPERTIES], capture_output=True, check=True, text=True).stdout
    ignorable, white = json.loads(said)
    assert _points(name_rules.IGNORABLE) == _points(ignorable)
    assert _points(name_rules.WHITE) | {0x20} == _points(white)


def test_every_character_whose_name_says_that_it_shows_nothing_is_refused() -> None:
    words = {"BLANK", "FILLER", "NULL", "INVISIBLE", "EMPTY", "SPACE", "JOINER"}
    for point in range(sys.maxunicode + 1):
        name = unicodedata.name(chr(point), "")
        if point != 0x20 and words & set(name.split()) and not any(drawn in name for drawn in DRAWN) and "SET" not in name:
            mark = unicodedata.category(chr(point)) == "Mn"  # drawn onto the character before it, and never the first one
            assert point in _barred or mark or not chr(point).isprintable(), f"{point:04X} {name}"


@pytest.mark.parametrize("name", ["ann", "Domain Users", "a,b", "system:x", "Büro-admins", "ann@example.com", "日本", "ann'", "👩"])
def test_a_name_is_what_a_reader_sees(name: str) -> None:
    assert name_rules.fault(name) == ""


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "is empty"),
        (" ", "begins or ends with a space"),
        ("ann ", "begins or ends with a space"),
        (" system:masters", "begins or ends with a space"),
        ("a\nb", "holds U+000A"),
        ("a\x7f", "holds U+007F"),
        ("\ud800", "holds U+D800"),
        ("nna\u202e", "holds U+202E"),
        ("an\u200bn", "holds U+200B"),
        ("ann\u200d", "holds U+200D"),
        ("Team\u00a0Blue", "holds U+00A0"),
        ("\u3164", "holds U+3164"),
        ("ann\ufe00", "holds U+FE00"),
        ("ann\u034f", "holds U+034F"),
        ("\u2800", "holds U+2800"),
        ("ann\U000e0100", "holds U+E0100"),
        ("ann\U0001d159", "holds U+1D159"),
        ("a\u0378", "holds U+0378"),  # an unassigned code point
        ("\u0301ann", "begins with U+0301"),
        ("Bu\u0308ro", "NFC"),
        ("\u212bngstrom", "NFC"),  # the sign of the unit, which NFC replaces by the letter
    ],
)
def test_a_text_that_looks_like_another_name_or_like_nothing_is_no_name(text: str, said: str) -> None:
    assert said in name_rules.fault(text)
    assert name_rules.quoted(text).isprintable()


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=12))
def test_a_name_has_one_spelling_and_the_last_spelling_of_anything_is_a_name_or_nothing(text: str) -> None:
    spelled = name_rules.spellings(text)
    assert spelled[0] == text
    assert spelled[-1] == "" or name_rules.fault(spelled[-1]) == "" or unicodedata.category(spelled[-1][0])[0] == "M"
    if not name_rules.fault(text):
        assert spelled == (text,)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
@example("\u1a55")  # a mark that would be drawn into the quote
def test_a_quoted_text_is_bounded_and_visible(text: str) -> None:
    shown = name_rules.quoted(text)
    assert len(shown) <= name_rules.LONGEST_SHOWN + 2 and shown.isprintable()
    assert not _barred & set(map(ord, shown))
    if name_rules.fault(text) and len(text) < 10:
        assert shown[1:-1] != text or text != text.strip() or not text


@given(st.text(), st.integers(1, 50))
def test_a_clipped_text_is_itself_or_as_long_as_allowed_and_says_that_it_was_cut(text: str, most: int) -> None:
    clipped = name_rules.clipped(text, most)
    assert clipped == (text if len(text) <= most else text[: most - 1] + "…")
    assert len(clipped) <= most


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=40))
def test_a_visible_text_hides_nothing_and_changes_no_character_that_is_seen(text: str) -> None:
    shown = name_rules.visible(text)
    assert shown.isprintable() and not _barred & set(map(ord, shown))
    assert (
        text.isprintable() is False or _barred & set(map(ord, text)) or not unicodedata.is_normalized("NFC", text) or shown == text
    )


@pytest.mark.parametrize(
    "text, shown",
    [
        ("web-0", "web-0"),
        ("Büro 日本", "Büro 日本"),
        ("a\u3164b\u00a0c\u200d", "a\\u3164b\\xa0c\\u200d"),
        ("Bu\u0308ro-ü", "Bu\\u0308ro-\\xfc"),
        ("\x1b[31m\n\ud800", "\\x1b[31m\\x0a\\ud800"),
        ("\U000e0100", "\\U000e0100"),
    ],
)
def test_the_escapes_are_those_of_python(text: str, shown: str) -> None:
    assert name_rules.visible(text) == shown


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("Team Blue ", ("Team Blue ", "Team Blue")),
        ("Team\u00a0Blue", ("Team\u00a0Blue", "Team Blue")),
        ("contrac\u200dtors", ("contrac\u200dtors", "contractors")),
        ("\ufeffcontractors\n", ("\ufeffcontractors\n", "contractors")),
        ("Bu\u0308ro", ("Bu\u0308ro", "Büro")),
        ("", ("",)),
        ("\u3164", ("\u3164", "")),
    ],
)
def test_the_spellings_of_a_text_that_is_no_name_hold_the_name_that_was_meant(text: str, wanted: tuple[str, ...]) -> None:
    assert name_rules.spellings(text) == wanted
