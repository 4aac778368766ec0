"""Rows are written where they changed, and no wider than the terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording.drawing import Canvas, bar, forget_drawn
from l7gw.recording.terminal.emulator import Emulator
from l7gw.recording.terminal.unseen import safe, width


def test_only_rows_that_changed_are_written_below_the_top() -> None:
    written: list[str] = []
    emulator = Emulator(20, 3)
    canvas = Canvas(written.append, 10, 3, top=1)
    emulator.feed("one\r\ntwo")
    canvas.draw(emulator.screen)
    assert [row[:6] for row in written] == ["\x1b[2;1H", "\x1b[3;1H"] and canvas.end == 3
    written.clear()
    emulator.feed("!\x1b[2J\x1b[Hone")
    canvas.draw(emulator.screen)
    assert written == ["\x1b[3;1H\x1b[0m\x1b[K"]


def test_a_row_is_drawn_anew_for_another_width_once_it_is_forgotten() -> None:
    written: list[str] = []
    emulator = Emulator(20, 3)
    emulator.feed("0123456789")
    Canvas(written.append, 4, 3).draw(emulator.screen)
    forget_drawn(emulator.screen)
    Canvas(written.append, 8, 3).draw(emulator.screen)
    assert "0123\x1b" in written[0] and "01234567\x1b" in written[1]


@given(text=st.text(max_size=30), columns=st.integers(1, 20))
def test_a_bar_is_as_wide_as_the_terminal_and_says_when_it_is_cut(text: str, columns: int) -> None:
    shown = bar(text, columns).removeprefix("\x1b[7m").removesuffix("\x1b[0m")
    assert sum(map(width, shown)) == columns and safe(shown) == shown
    assert (sum(map(width, safe(text))) > columns) == (shown != safe(text).ljust(len(shown)))
    assert shown == safe(text).ljust(len(shown)) or shown.rstrip().endswith("…")
