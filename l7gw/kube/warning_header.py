"""The header `Warning` of an answer. kubectl prints its text beside whatever else it shows, also where discovery failed and it
shows nothing else (kubernetes-wire 3.3)."""

from __future__ import annotations

import re

from l7gw.name_rules import visible

MESSAGE = "l7gw: "
CODE = "299 -"  # of the codes that RFC 7234 section 5.5 lists, client-go prints this one alone (CG rest/warnings.go)
LONGEST_WARNING = 300  # bytes of the whole value; kubectl prints a longer one whole, but what stands between may cut it
CUT = "..."
# client-go decodes `=?utf-8?q?...?=` within the text, and drops a warning that then holds controls (AM pkg/util/net/http.go).
_ENCODED_WORD = re.compile(r"=\?")


def warning_field(text: str) -> tuple[str, str]:
    """The field that warns of `text`, which gets the prefix `l7gw: `.

    The value is ASCII without controls and has LONGEST_WARNING bytes at most: its text is cut, and then ends with `...`. Letters
    beyond ASCII and controls are escaped as Python writes them. Quotes and backslashes have a backslash before them, as
    apimachinery's ParseWarningHeader takes them off (AM pkg/util/net/http.go). The same text gives the same value, and of equal
    ones kubectl prints one.
    """
    plain = _ENCODED_WORD.sub(r"=\\x3f", _ascii(visible(MESSAGE + text[:LONGEST_WARNING])))
    letters = ["\\" + letter if letter in '"\\' else letter for letter in plain]
    room = LONGEST_WARNING - len(f'{CODE} ""')
    length = sum(map(len, letters))
    if length > room:
        while length > room - len(CUT):
            length -= len(letters.pop())
        letters.append(CUT)
    return "warning", f'{CODE} "{"".join(letters)}"'


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
