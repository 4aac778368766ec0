"""Names that identity gives and the configuration writes: which may be one, and how any text is shown in a message.

Two names that look alike must be one name or none: a text with characters that nobody sees, or in another composition, is
refused. The tables are Unicode's own, written out because Python's `unicodedata` has neither property; `tests/test_names.py` holds
them to another implementation. (Names of objects in Kubernetes are not meant: they are what the API server takes.)
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST_SHOWN = 80  # characters of somebody's text in a message

# Default_Ignorable_Code_Point, Unicode 17.0, DerivedCoreProperties.txt: shown as nothing by whoever has no better idea
IGNORABLE = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
# White_Space, Unicode 17.0, PropList.txt, without U+0020, which may stand within a name
WHITE = (
    *((0x0009, 0x000D), (0x0085, 0x0085), (0x00A0, 0x00A0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
# Neither property has them, and their glyph is empty: braille's blank, the hieroglyphs' blanks, Khitan's filler, the null notehead
BLANK = ((0x2800, 0x2800), (0x13441, 0x13442), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159))


def _class(*tables: tuple[tuple[int, int], ...]) -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for table in tables for first, last in table)


_UNSEEN = re.compile(f"[{_class(IGNORABLE, WHITE, BLANK)}]")
_SPACED = re.compile(f"[{_class(WHITE, BLANK)}]")


@lru_cache(maxsize=4096)
def _shows(c: str) -> bool:
    return c.isprintable() and not _UNSEEN.match(c)


def _joins(c: str) -> bool:
    """Whether it is drawn into what stands before it, as a combining accent is."""
    return unicodedata.category(c)[0] == "M"


def fault(text: str) -> str:
    """Why a text is no name, "" where it is one: `holds U+3164, which no name has`.

    Python's `isprintable` is false for controls, lone surrogates, format characters and what Unicode has not assigned. A space at
    an end is refused because HTTP strips it (RFC 9110 section 5.5): " system:masters" would be another group at the other side.
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
    """What somebody may have meant by a text that is no name: as it came; trimmed and composed; that without what nobody sees."""
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
    """A text in a message: in quotes, at most 80 characters, and nothing that a terminal obeys or a reader does not see: a mark at
    its beginning would be drawn into the quote."""
    cut = text[: LONGEST_SHOWN + 1]
    plain = unicodedata.is_normalized("NFC", cut) and not (cut and _joins(cut[0]))
    whole = _UNSEEN.sub(lambda found: _escaped(found[0]), repr(cut)) if plain else ascii(cut)
    if len(text) <= LONGEST_SHOWN and len(whole) <= LONGEST_SHOWN + 2:
        return whole
    return whole[: LONGEST_SHOWN - 2] + "..." + whole[0]


def visible(text: str) -> str:
    """The whole text for a terminal, a log or a message of ours: what shows as nothing, or would be obeyed, is its escape. Where
    the text is in another composition than readers expect, so is all that is not ASCII."""
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.is_normalized("NFC", text)
    return "".join([c if _shows(c) and (composed or c.isascii()) else _escaped(c) for c in text])


def _escaped(c: str) -> str:
    number = ord(c)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
