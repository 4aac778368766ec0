"""The header `Warning` of an answer. kubectl prints its text beside whatever else it shows, also where discovery failed and it
shows nothing else (kubernetes-wire 3.3)."""

from __future__ import annotations

import re

from l7gw.name_rules import visible

MESSAGE = "l7gw: "
CODE = "299 -"  # of the codes that RFC 7234 section 5.5 lists, client-go prints this one alone (CG rest/warnings.go)
LONGEST_WARNING = 300  # bytes of the whole value; kubectl prints a longer one whole, but what stands between may cut it
CUT = "..."
ROOM = LONGEST_WARNING - len(f'{CODE} ""')  # bytes of the text
# client-go decodes `=?utf-8?q?...?=` within the text, and drops a warning that then holds controls (AM pkg/util/net/http.go).
_ENCODED_WORD = re.compile(r"=\?")


def warning_field(text: str) -> tuple[str, str]:
    """The field that warns of `text`, which gets the prefix `l7gw: `.

    The value is ASCII without controls and has LONGEST_WARNING bytes at most: its text is cut, and then ends with `...`. Letters
    beyond ASCII and controls are escaped as Python writes them. Quotes and backslashes have a backslash before them, as
    apimachinery's ParseWarningHeader takes them off (AM pkg/util/net/http.go). The same text gives the same value, and of equal
    ones kubectl prints one.
    """
    letters = _letters(text)
    length = sum(map(len, letters))
    if length > ROOM:
        while length > ROOM - len(CUT):
            length -= len(letters.pop())
        letters.append(CUT)
    return "warning", f'{CODE} "{"".join(letters)}"'


def fits(text: str) -> bool:
    """Whether a Warning has all of this text."""
    return sum(map(len, _letters(text))) <= ROOM


def _letters(text: str) -> list[str]:
    """The letters of the value, each with what escapes it; of a text that is too long in any case not all."""
    plain = _ENCODED_WORD.sub(r"=\\x3f", _ascii(visible(MESSAGE + text[:LONGEST_WARNING])))
    return ["\\" + letter if letter in '"\\' else letter for letter in plain]


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
