"""Sequences and strings: where they end, how long they may be, and what a broken one shows."""

from __future__ import annotations

from l7gw.recording.terminal.emulator import Emulator
from l7gw.recording.terminal.parser import LONGEST_SEQUENCE, LONGEST_STRING
from tests.support.shown_terminal import screen


def test_sequences_and_strings_beyond_their_limits_are_drawn() -> None:
    assert screen("\x1b[" + "1" * (LONGEST_SEQUENCE - 2) + "mx", 1000) == ["x"]
    assert screen("\x1b[" + "1" * (LONGEST_SEQUENCE - 1) + "mx", 1000) == ["\\u001b[" + "1" * (LONGEST_SEQUENCE - 1) + "mx"]
    emulator = Emulator(1000, 100)
    emulator.feed("\x1b]" + "y" * (LONGEST_STRING - 2) + "\x07")
    assert (emulator.strings, emulator.screen.lines()) == (1, [])
    emulator.feed("\x1b]" + "y" * (LONGEST_STRING - 1))
    assert emulator.strings == 1 and sum(map(len, emulator.screen.lines())) == LONGEST_STRING + 1 + len("\\u001b") - 1


def test_whole_strings_are_counted_and_broken_ones_drawn() -> None:
    emulator = Emulator(80, 24)
    emulator.feed("\x1b]0;title\x07\x1bPabc\x1b\\\x9fdef\x9cx\x1b_y\x1b[mz")
    assert (emulator.strings, emulator.characters_in_strings) == (3, len("0;title") + 3 + 3)
    assert emulator.screen.lines() == ["x\\u001b_yz"]
