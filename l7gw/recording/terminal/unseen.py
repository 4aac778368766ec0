"""Makes characters visible that a terminal does not show, or shows at another place. They are escaped as in JSON: `ls\\u200b;`."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from l7gw.name_rules import IGNORABLE

# The inside of a regular expression's class: the characters that a conforming terminal does not draw. They are joiners, direction
# marks, variation selectors, tags and the Hangul fillers.
INVISIBLE = "".join(f"{chr(first)}-{chr(last)}" for first, last in IGNORABLE)
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
PRESENTATION = "\ufe0e\ufe0f"  # behind a visible character these choose between text and emoji, and hide nothing
_PRESENTED = re.compile(f"[{PRESENTATION}]")
IDEOGRAPHIC_SPACE = "\u3000"
MOST_KNOWN = 4096  # characters whose written form is remembered, about 100 bytes each


def safe(text: str) -> str:
    """A text in which nothing moves a cursor, changes a direction or is invisible: such characters are escaped as in JSON. Tabs and
    spaces of every kind become plain spaces."""
    if text.isprintable() and not _INVISIBLE.search(text):
        return text
    if not _PRESENTED.search(text):
        return text.translate(_ALONE)
    return "".join(_seen(character, text[at - 1] if at else " ") for at, character in enumerate(text))


def _seen(character: str, before: str) -> str:
    if character == IDEOGRAPHIC_SPACE:
        return "  "
    if character == "\t" or unicodedata.category(character) == "Zs":
        return " "
    if is_visible(character) or (character in PRESENTATION and before != " " and is_visible(before)):
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _Alone(dict[int, str]):
    """How a character is written where the one before it does not matter. The answers are remembered: an archive that is printed on
    a screen has millions of odd characters."""

    def __missing__(self, code: int) -> str:
        written = _seen(chr(code), " ")
        if len(self) < MOST_KNOWN:
            self[code] = written
        return written


_ALONE = _Alone()


def is_visible(character: str) -> bool:
    """Whether a character has a shape, as far as Unicode says. Private characters of the first plane count: they are a font's
    symbols."""
    if "\ue000" <= character <= "\uf8ff":
        return True
    return character.isprintable() and not _INVISIBLE.match(character)


@lru_cache(maxsize=4096)
def width(character: str) -> int:
    """Columns that a character takes: 0, 1 or 2. An invisible character takes none, though `safe` shows it as an escape."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or _INVISIBLE.match(character):
        return 0
    if "\u1160" <= character <= "\u11ff":  # vowels and finals of Hangul stand in the cell of their initial
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
