"""Writes a recorded screen onto somebody's terminal: cells, colours and movements of the cursor, and nothing else (threats H7)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from l7gw.recording.terminal.cells import Row
from l7gw.recording.terminal.screen import Screen
from l7gw.recording.terminal.style import RESET
from l7gw.recording.terminal.unseen import safe, width

CUT_ROWS, WRAP_ROWS = "\x1b[?7l", "\x1b[?7h"  # DECAWM: cut rows at the terminal's edge, or wrap them
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
CLEAR = "\x1b[2J\x1b[H"
REVERSE = "\x1b[7m"
Out = Callable[[str], object]


class Canvas:
    """Rows of somebody's terminal, from row `top` on (from 0). It writes those that changed."""

    def __init__(self, out: Out, columns: int, rows: int, top: int = 0) -> None:
        self.columns, self.rows, self.top = columns, rows, top
        self._out = out
        self._drawn: list[str] = []

    @property
    def end(self) -> int:
        """The row behind the last one that something stands in."""
        return self.top + len(self._drawn)

    def draw(self, screen: Screen) -> None:
        """Where the screen has more rows, its last ones are drawn; where it has longer rows, their beginnings."""
        self.put(rows_in_colour(screen, self.columns, self.rows))

    def put(self, rows: list[str]) -> None:
        drawn = self._drawn
        for number in range(max(len(rows), len(drawn))):
            row = rows[number] if number < len(rows) else ""
            if number >= len(drawn) or drawn[number] != row:
                self._out(f"\x1b[{self.top + number + 1};1H{row}{RESET}\x1b[K")
        self._drawn = rows


def bar(text: str, columns: int) -> str:
    """One row in reverse, as wide as the terminal. What has no room is told by an ellipsis."""
    cells = safe(text)
    ends = list(accumulate(map(width, cells)))
    if ends and ends[-1] > columns:
        cells = cells[: bisect_right(ends, columns - 1)] + "…"
    return f"{REVERSE}{cells}{' ' * (columns - sum(map(width, cells)))}{RESET}"


def forget_drawn(screen: Screen) -> None:
    """The terminal has another size: each row must be drawn anew."""
    for row in screen.grid.rows:
        if row is not None:
            row.drawn = None


def rows_in_colour(screen: Screen, columns: int | None, most: int | None = None) -> list[str]:
    """The rows in colour, without the blank ones at the end: the last `most` of them, each cut to `columns`."""
    last = len(screen.grid.rows)
    while last and ((row := screen.grid.rows[last - 1]) is None or not "".join(row.cells).strip()):
        last -= 1
    shown = screen.grid.rows[max(0, last - most) if most is not None else 0 : last]
    return ["" if row is None else _row(row, columns) for row in shown]


def _row(row: Row, columns: int | None) -> str:
    """One row in colour. Its text counts as told from now on."""
    if row.drawn is None:
        end = row.end_of_what_shows()
        if columns is not None and sum(map(_columns, row.cells)) > columns:
            end = _that_fit(row.cells, columns)
        drawn, style = "", ""
        for cell_style, cells in row.runs(end):
            if (wanted := cell_style.sequence()) != style:
                drawn += RESET + wanted
                style = wanted
            drawn += safe(cells)
        row.untold[:end] = bytes(end)
        row.drawn = drawn + RESET if style else drawn
    return row.drawn


def _that_fit(cells: list[str], columns: int) -> int:
    """How many of these cells fit on a terminal of so many columns, by the width in which they are written."""
    for at, cell in enumerate(cells):
        columns -= _columns(cell)
        if columns < 0:
            return at
    return len(cells)


def _columns(cell: str) -> int:
    if len(cell) == 1 and " " <= cell <= "~":
        return 1
    return sum(map(width, safe(cell)))
