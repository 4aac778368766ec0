"""The screen of a recorded terminal: a cursor, margins, tabs, two grids of cells, and the operations on them. `emulator` says which
sequence calls which operation."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, replace

from l7gw.recording.terminal.cells import Grid, Lost
from l7gw.recording.terminal.style import PLAIN, Style
from l7gw.recording.terminal.unseen import safe, width

MOST_MARKS = 16  # code points in one cell; Unicode's stream-safe text has at most 30 marks, living languages up to 8
# These characters take one column each. A run of them is drawn at once; the width of all others is looked up.
_NARROW = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u0400-\u0482\u2500-\u257f]+")


@dataclass
class Cursor:
    x: int = 0  # from 0; where it equals the number of columns, the next character goes to the next row
    y: int = 0
    style: Style = PLAIN
    origin: bool = False


class Screen:
    """A screen of at least one cell. `lost` is called with every line that is lost before it was told. With `in_order`, the lines
    above it are told first."""

    def __init__(self, columns: int, rows: int, lost: Lost | None = None, *, in_order: bool = False) -> None:
        self.columns, self.rows = columns, rows
        self.now = 0  # the time of what is being written, in the unit of whoever sets it
        self._lost, self._in_order = lost, in_order
        self._main = self.grid = self._new_grid(alternate=False)
        self._start()

    # ------------------------------------------------------------------ for the replay

    def tell_all(self) -> None:
        """Tell all text that is untold, also on the screen behind the alternate one."""
        if self.grid is not self._main:
            self._main.tell_all()
        self.grid.tell_all()

    def seen(self) -> None:
        """Count all text on the screen as told."""
        for row in self.grid.rows:
            if row is not None:
                row.untold[:] = bytes(len(row.untold))

    @property
    def scrolls_as_a_whole(self) -> bool:
        """Whether the cursor stands at the beginning of the last row, and a line of text and its end would move all rows up by what
        the line takes."""
        whole = self.grid is self._main and self.top == 0 and self.bottom == self.rows - 1
        return whole and self.wrap and not self.insert and (self.cursor.x, self.cursor.y) == (0, self.rows - 1)

    def resize(self, columns: int, rows: int) -> None:
        off = self.grid.resize(columns, rows, self.cursor.y)
        if self.grid is not self._main:
            self._saved_main.y -= self._main.resize(columns, rows, self._saved_main.y)
        self.columns, self.rows = columns, rows
        self.top, self.bottom = 0, rows - 1
        x = self.cursor.x
        self.move_to(x, self.cursor.y - off)
        self.cursor.x = min(x, columns)

    def lines(self) -> list[str]:
        """The rows as plain text, without those that are blank at the end."""
        found = ["" if row is None else safe("".join(row.cells)).rstrip() for row in self.grid.rows]
        while found and not found[-1]:
            found.pop()
        return found

    # ------------------------------------------------------------------ state

    def _new_grid(self, *, alternate: bool) -> Grid:
        return Grid(self.rows, self._lost, in_order=self._in_order, alternate=alternate)

    def _start(self) -> None:
        self.cursor, self._saved, self._saved_main = Cursor(), Cursor(), Cursor()
        self.top, self.bottom = 0, self.rows - 1
        self.wrap, self.insert, self.newline = True, False, False
        self._tabs = list(range(0, 1000, 8))
        self._last = ""  # the character that REP repeats

    def move_to(self, x: int, y: int) -> None:
        self.cursor.x = max(0, min(x, self.columns - 1))
        self.cursor.y = max(0, min(y, self.rows - 1))

    @property
    def x(self) -> int:
        """The cursor's column; the last one where the cursor waits behind it."""
        return min(self.cursor.x, self.columns - 1)

    # ------------------------------------------------------------------ characters

    def draw(self, text: str) -> None:
        at = 0
        while at < len(text):
            match = _NARROW.match(text, at)
            if match is not None:
                self._draw_narrow(match[0])
                at = match.end()
            else:
                self._draw_one(text[at])
                at += 1
        self._last = text[-1:]

    def _draw_narrow(self, text: str) -> None:
        at = 0
        while at < len(text):
            self._next_row_if_full()
            room = self.columns - self.cursor.x
            part = text[at : at + room]
            if not self.wrap and len(text) - at > room:
                # Each of the others stands in the last cell for a moment, until the next one overwrites it.
                if self._lost is not None:
                    self._lost(text[at + room - 1 : -1], goes_on=False, replaced=True, time=self.now)
                part, at = part[:-1] + text[-1], len(text)
            self._put(list(part))
            at += len(part)

    def _draw_one(self, character: str) -> None:
        columns = width(character)
        if columns == 0:
            self._draw_mark(character)
            return
        self._next_row_if_full()
        if columns == 2 and self.columns - self.cursor.x < 2 <= self.columns:
            if self.wrap:
                self._next_row()
            else:
                self.cursor.x = self.columns - 2
        self._put([character, ""] if columns == 2 <= self.columns else [character])

    def _draw_mark(self, mark: str) -> None:
        """Add a combining mark to the character before the cursor or, where that cell is full, draw it in a cell of its own."""
        row = self.grid.row(self.cursor.y)
        at = self.cursor.x - 1
        if 0 < at < len(row.cells) and row.cells[at] == "":
            at -= 1
        if 0 <= at < len(row.cells) and len(row.cells[at]) < MOST_MARKS:
            row.cells[at] += mark
            row.untold[at] = 1
            row.drawn = None
            row.time = self.now
            return
        self._next_row_if_full()
        self._put([" " + mark])

    def _next_row_if_full(self) -> None:
        if self.cursor.x < self.columns:
            return
        if self.wrap:
            self._next_row()
        else:
            self.cursor.x = self.columns - 1

    def _next_row(self) -> None:
        before = self.grid.row(self.cursor.y).number
        self.cursor.x = 0
        self.index()
        self.grid.row(self.cursor.y).continues = before

    def _put(self, cells: list[str]) -> None:
        """Write cells into the row at the cursor, which has room for them."""
        at, y = self.cursor.x, self.cursor.y
        end = at + len(cells)
        row = self.grid.row(y)
        if self.insert:
            self.insert_blanks(len(cells))
        if row.cells[at:end] != cells:
            self.grid.cut(y, at)
            self.grid.lose(y, at, end)
            self.grid.cut(y, end)
            row.put(at, cells, self.cursor.style)
        elif row.styles[at:end] != [self.cursor.style] * len(cells):
            row.styles[at:end] = [self.cursor.style] * len(cells)
            row.drawn = None
        row.time = self.now
        self.cursor.x = end

    def insert_blanks(self, number: int) -> None:
        x, y = self.x, self.cursor.y
        row = self.grid.row(y)
        if x < len(row.cells):
            number = min(number, self.columns - x)
            self.grid.cut(y, x)
            self.grid.erase(y, self.columns - number)
            if x < len(row.cells):
                row.insert(x, number)

    def delete(self, number: int) -> None:
        x, y = self.x, self.cursor.y
        row = self.grid.row(y)
        if x < len(row.cells):
            end = min(x + number, len(row.cells))
            self.grid.cut(y, x)
            self.grid.lose(y, x, end)
            self.grid.cut(y, end)
            row.remove(x, end)

    # ------------------------------------------------------------------ controls

    def index(self) -> None:
        """Move the cursor one row down. At the lower margin the rows scroll up instead."""
        if self.cursor.y == self.bottom:
            self.grid.up(self.top, self.bottom, 1)
        elif self.cursor.y < self.rows - 1:
            self.cursor.y += 1

    def line_feed(self) -> None:
        self.cursor.x = 0 if self.newline else self.x
        self.index()

    def reverse_index(self) -> None:
        self.cursor.x = self.x
        if self.cursor.y == self.top:
            self.grid.down(self.top, self.bottom, 1)
        elif self.cursor.y > 0:
            self.cursor.y -= 1

    def next_line(self) -> None:
        self.cursor.x = 0
        self.index()

    def back(self) -> None:
        self.cursor.x = max(0, self.x - 1)

    def carriage_return(self) -> None:
        self.cursor.x = 0

    def tab(self, number: int) -> None:
        place = bisect_right(self._tabs, self.x) + number - 1
        self.cursor.x = min(self._tabs[place] if place < len(self._tabs) else self.columns, self.columns - 1)

    def back_tab(self, number: int) -> None:
        place = bisect_left(self._tabs, self.x) - number
        self.cursor.x = self._tabs[place] if place >= 0 else 0

    def set_tab(self) -> None:
        place = bisect_left(self._tabs, self.x)
        if self._tabs[place : place + 1] != [self.x]:
            insort(self._tabs, self.x)

    def clear_tab(self, which: int) -> None:
        if which == 3:
            self._tabs.clear()
        elif which == 0:
            place = bisect_left(self._tabs, self.x)
            if self._tabs[place : place + 1] == [self.x]:
                del self._tabs[place]

    # ------------------------------------------------------------------ the cursor

    def save(self) -> None:
        self._saved = replace(self.cursor)

    def restore(self) -> None:
        self._go_back(self._saved)

    def _go_back(self, saved: Cursor) -> None:
        """Move the cursor to where it was saved, as far as the screen still reaches."""
        self.cursor = replace(saved, x=min(saved.x, self.columns), y=min(saved.y, self.rows - 1))

    def vertical(self, by: int, x: int | None = None) -> None:
        """Move the cursor up or down, not across a margin."""
        x, y = self.x if x is None else x, self.cursor.y
        if by < 0:
            limit = self.top if y >= self.top else 0
            self.move_to(x, max(limit, y + by))
        else:
            limit = self.bottom if y <= self.bottom else self.rows - 1
            self.move_to(x, min(limit, y + by))

    def place(self, row: int, column: int) -> None:
        """Move the cursor to a row and column, counted from 1."""
        if self.cursor.origin:
            self.move_to(column - 1, min(self.top + row - 1, self.bottom))
        else:
            self.move_to(column - 1, row - 1)

    def margins(self, top: int, bottom: int) -> None:
        bottom = min(bottom or self.rows, self.rows) - 1
        top = max(top, 1) - 1
        if top < bottom:
            self.top, self.bottom = top, bottom
            self.place(1, 1)

    # ------------------------------------------------------------------ erasing and scrolling

    def erase_display(self, which: int) -> None:
        y = self.cursor.y
        if which == 0:
            self.grid.erase(y, self.x)
            self.grid.clear(y + 1, self.rows)
        elif which == 1:
            self.grid.clear(0, y)
            self.grid.erase(y, 0, self.x + 1)
        elif which == 2:
            self.grid.clear(0, self.rows)

    def erase_line(self, which: int) -> None:
        if which == 0:
            self.grid.erase(self.cursor.y, self.x)
        elif which == 1:
            self.grid.erase(self.cursor.y, 0, self.x + 1)
        elif which == 2:
            self.grid.erase(self.cursor.y, 0)

    def insert_lines(self, number: int) -> None:
        if self.top <= self.cursor.y <= self.bottom:
            self.grid.down(self.cursor.y, self.bottom, number)
            self.cursor.x = 0

    def delete_lines(self, number: int) -> None:
        if self.top <= self.cursor.y <= self.bottom:
            self.grid.up(self.cursor.y, self.bottom, number)
            self.cursor.x = 0

    def repeat(self, number: int) -> None:
        """Repeat the last character, to the row's end at most: more would be text that the recording does not have."""
        if self._last and width(self._last) == 1:
            character = self._last
            self._draw_narrow(character * min(number, max(1, self.columns - self.cursor.x)))

    def align(self) -> None:
        self.grid.clear(0, self.rows)
        self.top, self.bottom = 0, self.rows - 1
        self.move_to(0, 0)

    def start_anew(self) -> None:
        self.leave_alternate()
        self.grid.clear(0, self.rows)
        self._start()

    # ------------------------------------------------------------------ the alternate screen, resets

    def enter_alternate(self) -> None:
        if self.grid is self._main:
            if self._in_order:
                self._main.tell_all()
            self._saved_main = replace(self.cursor)
            self.grid = self._new_grid(alternate=True)

    def leave_alternate(self) -> None:
        """Show the first screen again, with its cursor."""
        if self.grid is not self._main:
            self.grid.tell_all()
            self.grid = self._main
            self._go_back(self._saved_main)

    def soft_reset(self) -> None:
        self.wrap, self.insert = True, False
        self.top, self.bottom = 0, self.rows - 1
        self.cursor.style, self.cursor.origin = PLAIN, False
        self._saved = Cursor()
