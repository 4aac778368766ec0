"""Parses a recording's text into text to draw and control functions. It follows Paul Williams' state machine of DEC's terminals,
with one difference: what is no whole control function is drawn as text. A terminal drops it, but evidence must not.

    ground   --ESC-->  escape   --[-->  csi            characters are drawn, C0 and C1 controls are carried out
    escape, csi        C0 controls are carried out in between; a final character ends, anything else breaks
    string             of DCS, SOS, OSC, PM, APC: ends at ST (OSC: or BEL); every other control breaks, line ends above all
    string escape      ESC within a string: `\\` makes it ST, anything else breaks the string and is read behind the ESC

A broken sequence is drawn as it came, with its introducer. A string that is not ended is broken at the end of the recording.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

LONGEST_SEQUENCE = 256  # characters of an escape or control sequence; usual ones have 60 at most (SGR with two colours)
LONGEST_STRING = 64 * 1024  # characters of a control string; xterm accepts 0.5 MiB, but only pictures are so long
ESC, CAN, SUB, BEL, ST = "\x1b", "\x18", "\x1a", "\x07", "\x9c"
STRINGS = {"P": "DCS", "X": "SOS", "]": "OSC", "^": "PM", "_": "APC"}  # ECMA-48 section 5.6; as C1 controls: the letter + 0x40
_TEXT = re.compile("[^\x00-\x1f\x7f-\x9f]+")
_CSI_BODY = re.compile("[ -?]+")
_CSI = re.compile("([<=>?]?)([0-9:;]*)([ -/]*)([@-~])")

Params = list[list[int]]  # [[38, 2, 1, 2, 3], [1]] for `38:2:1:2:3;1`; an absent number is 0


class Terminal(Protocol):
    """What the parser tells a terminal. No method raises, and none answers."""

    def draw(self, text: str) -> None:
        """Draw characters at the cursor. Controls among them belong to a broken sequence and are drawn too."""

    def control(self, character: str) -> None:
        """Carry out a C0 or C1 control."""

    def escape(self, body: str) -> bool:
        """Carry out ESC with these intermediate and final characters. False where it is unknown; it is then drawn."""

    def csi(self, prefix: str, params: Params, final: str) -> None:
        """Carry out a control sequence. `final` is its last character, with the intermediate characters before it."""

    def string(self, length: int) -> None:
        """A whole control string of `length` characters has come. Terminals do not print it."""


class Parser:
    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._state: Callable[[str, int], int] = self._ground
        self._raw: list[str] = []  # the sequence so far, from its introducer on
        self._length = 0  # characters in `_raw`
        self._bel_ends = False

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            at = self._state(text, at)

    @property
    def is_between(self) -> bool:
        """Whether no sequence has begun and not ended."""
        return not self._raw

    def finish(self) -> None:
        """The recording ends: draw a sequence that is not whole as text."""
        if self._state == self._string_escape:
            self._raw.append(ESC)
        if self._raw:
            self._broken()

    # Each state reads the text from `at` on and returns where to read on. It may leave a character to the next state.

    def _ground(self, text: str, at: int) -> int:
        match = _TEXT.match(text, at)
        if match is not None:
            self._terminal.draw(match[0])
            return match.end()
        character = text[at]
        if character == ESC:
            self._begin(character, self._escape)
        elif character == "\x9b":
            self._begin(character, self._csi)
        elif character >= "\x80" and chr(ord(character) - 0x40) in STRINGS:
            self._begin_string(character, chr(ord(character) - 0x40))
        else:
            self._terminal.control(character)
        return at + 1

    def _escape(self, text: str, at: int) -> int:
        character = text[at]
        if len(self._raw) == 1 and character == "[":
            self._raw.append(character)
            self._length += 1
            self._state = self._csi
        elif len(self._raw) == 1 and character in STRINGS:
            self._begin_string(ESC + character, character)
        elif " " <= character <= "/":
            self._gather(character)
        elif "0" <= character <= "~":
            body = "".join(self._raw[1:]) + character
            self._reset()
            if not self._terminal.escape(body):
                self._terminal.draw(ESC + body)
        else:
            return self._within(character, at)
        return at + 1

    def _csi(self, text: str, at: int) -> int:
        match = _CSI_BODY.match(text, at)
        if match is not None:
            self._gather(match[0])
            return match.end()
        character = text[at]
        if not "@" <= character <= "~":
            return self._within(character, at)
        introducer = 1 if self._raw[0] == "\x9b" else 2
        whole = _CSI.fullmatch("".join(self._raw)[introducer:] + character)
        if whole is None:
            self._gather(character)
            if self._raw:
                self._broken()
        else:
            self._reset()
            self._terminal.csi(whole[1], _params(whole[2]), whole[3] + whole[4])
        return at + 1

    def _within(self, character: str, at: int) -> int:
        """A character within a sequence that is none of its own. C0 controls are carried out at once; others break the sequence."""
        if character in (ESC, CAN, SUB) or character >= "\x80":
            self._broken()
            return at
        self._terminal.control(character)
        return at + 1

    def _string(self, text: str, at: int) -> int:
        match = _TEXT.match(text, at)
        if match is not None:
            self._gather(match[0])
            return match.end()
        character = text[at]
        if character == ST or (character == BEL and self._bel_ends):
            self._string_ended()
        elif character == ESC:
            self._state = self._string_escape
        elif character == BEL:
            self._gather(character)
        else:
            self._broken()
            return at
        return at + 1

    def _string_escape(self, text: str, at: int) -> int:
        if text[at] == "\\":
            self._string_ended()
            return at + 1
        self._broken()
        self._begin(ESC, self._escape)
        return at

    def _string_ended(self) -> None:
        length = self._length - len(self._raw[0])
        self._reset()
        self._terminal.string(length)

    def _begin(self, introducer: str, state: Callable[[str, int], int]) -> None:
        self._raw, self._length, self._state = [introducer], len(introducer), state

    def _begin_string(self, introducer: str, kind: str) -> None:
        self._begin(introducer, self._string)
        self._bel_ends = STRINGS[kind] == "OSC"

    def _gather(self, text: str) -> None:
        self._raw.append(text)
        self._length += len(text)
        longest = LONGEST_STRING if self._state == self._string else LONGEST_SEQUENCE
        if self._length > longest:
            self._broken()

    def _broken(self) -> None:
        raw = "".join(self._raw)
        self._reset()
        self._terminal.draw(raw)

    def _reset(self) -> None:
        self._raw, self._length, self._state = [], 0, self._ground


def _params(text: str) -> Params:
    return [[int(part[:6] or 0) for part in param.split(":")] for param in text.split(";")]
