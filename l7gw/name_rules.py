"""Names of users, groups, clusters and rules: which text may be a name, and how any text is shown in a message.

Two different names must not look alike. So a text with invisible characters, or one that is not in Unicode's composed form, is no
name. The tables are Unicode's; they are written out because Python's `unicodedata` has neither property. `tests/test_name_rules.py`
compares them with another implementation. Names of Kubernetes objects are not checked here: the API server decides about those.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST_SHOWN = 80  # characters of a quoted text in a message

# Default_Ignorable_Code_Point, Unicode 17.0, DerivedCoreProperties.txt: programs that do not support them show nothing
IGNORABLE = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
# White_Space, Unicode 17.0, PropList.txt. U+0020 is left out: it may stand within a name
WHITE = (
    *((0x0009, 0x000D), (0x0085, 0x0085), (0x00A0, 0x00A0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
# Characters of neither property with an empty glyph: braille's blank, the hieroglyphs' blanks, Khitan's filler, the null notehead
BLANK = ((0x2800, 0x2800), (0x13441, 0x13442), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159))


def _class(*tables: tuple[tuple[int, int], ...]) -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for table in tables for first, last in table)


_UNSEEN = re.compile(f"[{_class(IGNORABLE, WHITE, BLANK)}]")
_SPACED = re.compile(f"[{_class(WHITE, BLANK)}]")


@lru_cache(maxsize=4096)
def _shows(c: str) -> bool:
    return c.isprintable() and not _UNSEEN.match(c)


def _joins(c: str) -> bool:
    """Whether the character is drawn into the one before it, as a combining accent is."""
    return unicodedata.category(c)[0] == "M"


def fault(text: str) -> str:
    """Why a text is no name, such as `holds U+3164, which no name has`; "" where it is a name.

    Python's `isprintable` is false for controls, lone surrogates, format characters and unassigned code points. A space at either
    end is refused because HTTP strips it (RFC 9110 section 5.5): to the cluster " system:masters" would be another group.
    """
    if not text:
        return "is empty"
    if text[0] == " " or text[-1] == " ":
        return "begins or ends with a space"
    if text.isascii() and text.isprintable():
        return ""
    for c in text:
        if not _shows(c):
            return f"holds U+{ord(c):04X}, which no name has"
    if _joins(text[0]):
        return f"begins with U+{ord(text[0]):04X}, which joins what stands before it"
    return "" if unicodedata.is_normalized("NFC", text) else "is not in Unicode's composed form (NFC)"


def spellings(text: str) -> tuple[str, ...]:
    """What somebody may have meant by a text that is no name, each spelling once: the text as it came; the text trimmed and
    composed; the same without invisible characters."""
    if text.isascii() and text.isprintable():
        return (text, text.strip()) if text != text.strip() else (text,)
    seen = "".join([c if _shows(c) else " " if _SPACED.match(c) else "" for c in text])
    return tuple(dict.fromkeys((text, *(unicodedata.normalize("NFC", _trimmed(one)) for one in (text, seen)))))


def _trimmed(text: str) -> str:
    begin, end = 0, len(text)
    while begin < end and (text[begin] == " " or not _shows(text[begin])):
        begin += 1
    while begin < end and (text[end - 1] == " " or not _shows(text[end - 1])):
        end -= 1
    return text[begin:end]


def quoted(text: str) -> str:
    """A text for a message: in quotes, at most LONGEST_SHOWN characters of it.

    Characters that a terminal obeys, or that a reader cannot see, are escaped. So is a mark at the beginning, which would be drawn
    into the quote.
    """
    cut = text[: LONGEST_SHOWN + 1]
    plain = unicodedata.is_normalized("NFC", cut) and not (cut and _joins(cut[0]))
    whole = _UNSEEN.sub(lambda found: _escaped(found[0]), repr(cut)) if plain else ascii(cut)
    if len(text) <= LONGEST_SHOWN and len(whole) <= LONGEST_SHOWN + 2:
        return whole
    return whole[: LONGEST_SHOWN - 2] + "..." + whole[0]


def clipped(text: str, most: int) -> str:
    """The text, `most` characters of it at most: a longer one ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def visible(text: str) -> str:
    """The whole text for a terminal, a log or a message. Characters that a reader cannot see, or that a terminal obeys, are
    escaped. In a text that is not in composed form, everything beyond ASCII is escaped."""
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.is_normalized("NFC", text)
    return "".join([c if _shows(c) and (composed or c.isascii()) else _escaped(c) for c in text])


def _escaped(c: str) -> str:
    number = ord(c)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
