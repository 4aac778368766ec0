"""Other readings of a text that is looked through: with its escapes decoded, or without what a terminal does not show.

A view knows where each of its bytes stood, so that a find in it can be masked in the bytes as they came.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right

# Base64 is wrapped at 76 characters by coreutils and MIME, at 64 in PEM, at 60 by Ruby, and hex at 60 by `xxd -p`. A line end
# behind 60 characters or more of it is a wrap.
_B64 = rb"[A-Za-z0-9+/]"
_WRAP = rb"\n(?<=%b{60}\n)(?=[A-Za-z0-9+/=])|\r\n(?<=%b{60}\r\n)(?=[A-Za-z0-9+/=])" % (_B64, _B64)
# Each branch begins with a character, by which Python's `re` skips ten times as fast as without.
_JSON = rb"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[0-9A-Fa-f]{4}|\\u[0-9A-Fa-f]{4}|\\[\"\\/bfnrt]"
_PERCENT = rb"%[0-9A-Fa-f]{2}"
ESCAPED = re.compile(_JSON + rb"|" + _PERCENT + rb"|" + _WRAP)
_JSON_ESCAPED = re.compile(_JSON + rb"|" + _WRAP)
# The beginning of an escape at the end of the bytes; only the next bytes tell what it is.
UNFINISHED_ESCAPE = re.compile(rb"(?:%[0-9A-Fa-f]?|\\(?:u[0-9A-Fa-f]{0,3})?|(?<=[A-Za-z0-9+/]{60})\r?\n?)\Z")
_SHORT = {b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}

# What a terminal shows nothing of (ECMA-48 section 5.4: CSI; 5.6: strings): escape sequences.
_UNSHOWN = re.compile(rb"(?:\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\`-~])+")
_UNFINISHED_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z")
LONGEST_SEQUENCE = 64  # bytes of an escape sequence that is not whole yet; colours have under 30


class View:
    """A reading of bytes. `text` is what is read; `whole` is how many of the bytes were read: an escape that is not whole yet, at
    the end, is left out."""

    __slots__ = ("text", "whole", "_at", "_from", "_size")

    def __init__(self) -> None:
        self.text = bytearray()
        self.whole = 0
        self._at: list[int] = []  # where in the text each run begins
        self._from: list[int] = []  # where in the bytes it begins
        self._size: list[int] = []  # bytes that it was read from; -1 for a run that was copied

    def copy(self, data: bytes, start: int, end: int) -> None:
        """Read bytes as they are."""
        if end > start:
            self._at.append(len(self.text))
            self._from.append(start)
            self._size.append(-1)
            self.text += data[start:end]

    def put(self, text: bytes, start: int, end: int) -> None:
        """Read the bytes from `start` to `end` as this text."""
        if text:
            self._at.append(len(self.text))
            self._from.append(start)
            self._size.append(end - start)
            self.text += text

    def start_of(self, at: int) -> int:
        """Where in the bytes the text's byte `at` begins; `whole` for its end."""
        if at >= len(self.text):
            return self.whole
        run = bisect_right(self._at, at) - 1
        return self._from[run] + (at - self._at[run] if self._size[run] < 0 else 0)

    def place_of(self, at: int) -> int:
        """Where in the text stands what was read from the byte `at` of the bytes, or from those behind it."""
        run = bisect_right(self._from, at) - 1
        if run < 0:
            return 0
        end = self._at[run + 1] if run + 1 < len(self._at) else len(self.text)
        return min(self._at[run] + at - self._from[run], end)

    def end_of(self, at: int) -> int:
        """Where in the bytes the text's byte before `at` ends."""
        run = bisect_right(self._at, at - 1) - 1
        return self._from[run] + (at - self._at[run] if self._size[run] < 0 else self._size[run])


def unescaped(data: bytes, *, percent: bool = True) -> View:
    """The bytes with JSON's escapes and, where `percent` says so, percent-encoding decoded, and wrapped base64 joined."""
    view = View()
    unfinished = UNFINISHED_ESCAPE.search(data, max(0, len(data) - 80))
    view.whole = unfinished.start() if unfinished else len(data)
    done = 0
    for match in (ESCAPED if percent else _JSON_ESCAPED).finditer(data, 0, view.whole):
        start, end = match.span()
        view.copy(data, done, start)
        _decode(view, match[0], start)
        done = end
    view.copy(data, done, view.whole)
    return view


def _decode(view: View, token: bytes, start: int) -> None:
    if token[0] == 0x25:
        view.put(bytes((int(token[1:], 16),)), start, start + 3)
    elif token[:2] == b"\\u":
        text: str = json.loads(b'"' + token + b'"')
        view.put(text.encode("utf-8", "replace"), start, start + len(token))
    elif token[0] == 0x5C:
        view.put(_SHORT[token[1:]], start, start + 2)


def shown(data: bytes) -> View | None:
    """The bytes without escape sequences; None where there are none. Movements of the cursor are left out and not carried out: what
    a program draws in another order, or takes back, is not put together."""
    if b"\x1b" not in data:
        return None
    view = View()
    unfinished = _UNFINISHED_SEQUENCE.search(data, max(0, len(data) - LONGEST_SEQUENCE))
    view.whole = unfinished.start() if unfinished else len(data)
    done = 0
    for match in _UNSHOWN.finditer(data, 0, view.whole):
        start, end = match.span()
        view.copy(data, done, start)
        done = end
    view.copy(data, done, view.whole)
    return view
