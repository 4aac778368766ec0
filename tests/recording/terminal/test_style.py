"""Colours and other styles: read as xterm reads them, and none hides a text."""

from __future__ import annotations

import pytest

from l7gw.recording.terminal.emulator import Emulator
from l7gw.recording.terminal.style import RGB, Style


@pytest.mark.parametrize(
    ("style", "sequence"),
    [
        (Style(), ""),
        (Style(fg=1), "\x1b[31m"),
        (Style(fg=9, bg=100), "\x1b[91;48;5;100m"),
        (Style(fg=RGB | 0xFF8000, bold=True), "\x1b[1;38;2;255;128;0m"),
        (Style(conceal=True), "\x1b[7m"),
        (Style(fg=0, bg=0), "\x1b[7m"),
        (Style(fg=RGB | 0x010101, bg=16), "\x1b[7m"),
        (Style(fg=0), ""),
        (Style(fg=RGB | 0xFFFFFF), ""),
        (Style(fg=0, bg=7), "\x1b[30;47m"),
        (Style(bg=15), ""),
    ],
)
def test_no_colour_hides_text(style: Style, sequence: str) -> None:
    assert style.sequence() == sequence


@pytest.mark.parametrize(
    ("output", "style"),
    [
        ("\x1b[1;4;7m", Style(bold=True, underline=True, reverse=True)),
        ("\x1b[1;4;7m\x1b[22;24;27m", Style()),
        ("\x1b[38;5;200;48;2;1;2;3m", Style(fg=200, bg=RGB | 0x010203)),
        ("\x1b[38:2::1:2:3;48:5:7m", Style(fg=RGB | 0x010203, bg=7)),
        ("\x1b[4:0m", Style()),
        ("\x1b[4:3m", Style(underline=True)),
        ("\x1b[91;107m\x1b[39m", Style(bg=15)),
        ("\x1b[38;5m\x1b[38;2;1m\x1b[38;9m\x1b[48:5:999m", Style()),
        ("\x1b[8m\x1b[m", Style()),
        ("\x1b[?4m\x1b[>4;2m", Style()),
    ],
)
def test_colours_are_read_as_xterm_reads_them(output: str, style: Style) -> None:
    emulator = Emulator(80, 24)
    emulator.feed(output)
    assert emulator.screen.cursor.style == style
