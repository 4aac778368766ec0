"""Rows of cells, and which of their text is still untold. Text is told when it is handed to `Lost`, or was seen on the screen.

A cell is a string: a character with its combining marks, or "" for the right half of a wide character. A row ends at its last
written cell, and a row without text is None. So clearing and scrolling cost what was written, not what the screen could hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Protocol

from l7gw.recording.terminal.style import PLAIN, Style

CONTEXT = 80  # cells on either side of lost cells that are told with them, so that the line can be read at a bounded cost
ABOVE = 100  # rows above a lost row that are told before it, so that lines come in reading order


class Lost(Protocol):
    """A callback that takes text which leaves the screen."""

    def __call__(self, text: str, *, goes_on: bool, replaced: bool, time: int) -> None:
        """`text` is a row's text, with its control characters. `goes_on`: it continues the line that was told before. `replaced`:
        it was overwritten in place, so the same text may come again and again. `time` is when the row was written to last."""


_numbers = count(1)
_TEXT = bytes(code not in (0x20, 0xA0) for code in range(256))


class Row:
    __slots__ = ("cells", "continues", "drawn", "number", "styles", "time", "untold")

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.styles: list[Style] = []
        self.untold = bytearray()  # a byte for each cell: 1 where its text is untold
        self.number = next(_numbers)
        self.continues = 0  # the number of the row that this row continues, because the text did not fit there; 0 for none
        self.drawn: str | None = None  # how a player drew the row; None once the row has changed
        self.time = 0  # when it was written to last, as `Screen.now` was then

    def put(self, at: int, cells: Sequence[str], style: Style) -> None:
        """Overwrite cells from column `at` on."""
        self.reach(at)
        end = at + len(cells)
        self.cells[at:end] = cells
        self.styles[at:end] = [style] * len(cells)
        self.untold[at:end] = text_in(cells)
        self.drawn = None

    def reach(self, at: int) -> None:
        """Fill the row with blanks up to a column."""
        missing = at - len(self.cells)
        if missing > 0:
            self.insert(len(self.cells), missing)

    def insert(self, at: int, blanks: int) -> None:
        self.cells[at:at] = [" "] * blanks
        self.styles[at:at] = [PLAIN] * blanks
        self.untold[at:at] = bytes(blanks)
        self.drawn = None

    def remove(self, begin: int, end: int | None = None) -> None:
        """Take cells out. The cells behind them move to their place."""
        del self.cells[begin:end], self.styles[begin:end], self.untold[begin:end]
        self.drawn = None

    def end_of_what_shows(self) -> int:
        """The column behind the last cell that shows: one with text or with a background of its own."""
        end = len(self.cells)
        while end and self.cells[end - 1] == " " and not self.styles[end - 1].shows_blanks:
            end -= 1
        return end

    def runs(self, last: int) -> Iterator[tuple[Style, str]]:
        """The row up to a column, as texts of one style each."""
        begin = 0
        while begin < last:
            style, at = self.styles[begin], begin + 1
            while at < last and self.styles[at] == style:
                at += 1
            yield style, "".join(self.cells[begin:at])
            begin = at


def text_in(cells: Sequence[str]) -> bytes:
    """1 for each cell that shows something."""
    joined = "".join(cells)
    if len(joined) == len(cells):
        return joined.encode("latin-1", "replace").translate(_TEXT)
    return bytes(cell not in ("", " ") for cell in cells)


class Grid:
    """The rows of a screen, or of its alternate one. `rows` always has as many as the screen."""

    def __init__(self, rows: int, lost: Lost | None, *, in_order: bool, alternate: bool) -> None:
        self.rows: list[Row | None] = [None] * rows
        self._lost = lost
        self._in_order = in_order
        self._alternate = alternate
        self._told = 0  # the number of the row that was told last, if it was told to its end

    def row(self, y: int) -> Row:
        row = self.rows[y]
        if row is None:
            row = self.rows[y] = Row()
        return row

    def lose(self, y: int, begin: int = 0, end: int | None = None, *, replaced: bool = True) -> None:
        """These cells of a row are about to be lost: tell what of their text is untold."""
        row = self.rows[y]
        if self._lost is None or row is None:
            return
        if end is None:
            end = len(row.untold)
        first = row.untold.find(1, begin, end)
        if first < 0:
            return
        if self._in_order:
            for above in self.rows[max(0, y - ABOVE) : y]:
                if above is not None and 1 in above.untold:
                    self._tell(above, 0, len(above.cells), replaced=False)
        last = row.untold.rfind(1, begin, end)
        self._tell(row, max(0, first - CONTEXT), min(len(row.cells), last + 1 + CONTEXT), replaced=replaced)

    def _tell(self, row: Row, begin: int, end: int, *, replaced: bool) -> None:
        if self._lost is not None:
            goes_on = begin == 0 and row.continues != 0 and row.continues == self._told
            self._lost("".join(row.cells[begin:end]), goes_on=goes_on, replaced=replaced, time=row.time)
        row.untold[begin:end] = bytes(end - begin)
        self._told = row.number if end == len(row.cells) else 0

    def cut(self, y: int, at: int) -> None:
        """Blank both halves of a wide character that stands on both sides of a column's beginning."""
        row = self.rows[y]
        if row is not None and 0 < at < len(row.cells) and row.cells[at] == "":
            self.lose(y, at - 1, at)
            row.put(at - 1, "  ", row.styles[at])

    def erase(self, y: int, begin: int, end: int | None = None) -> None:
        """Blank cells of a row. Without `end`, blank all that follow."""
        row = self.rows[y]
        if row is None or begin >= len(row.cells):
            return
        self.cut(y, begin)
        self.lose(y, begin, end)
        if end is None or end >= len(row.cells):
            row.remove(begin)
        else:
            self.cut(y, end)
            row.put(begin, [" "] * (end - begin), PLAIN)

    def clear(self, begin: int, end: int) -> None:
        """Blank rows."""
        if self.rows.count(None) == len(self.rows):
            return
        for y in range(begin, end):
            if self.rows[y] is not None:
                self.lose(y, replaced=self._alternate)
                self.rows[y] = None

    def up(self, top: int, bottom: int, by: int) -> None:
        """Move rows from `top` to `bottom`, both included, up. The upper ones are lost."""
        by = min(by, bottom - top + 1)
        self.clear(top, top + by)
        del self.rows[top : top + by]
        self.rows[bottom - by + 1 : bottom - by + 1] = [None] * by

    def down(self, top: int, bottom: int, by: int) -> None:
        by = min(by, bottom - top + 1)
        self.clear(bottom - by + 1, bottom + 1)
        del self.rows[bottom - by + 1 : bottom + 1]
        self.rows[top:top] = [None] * by

    def resize(self, columns: int, rows: int, cursor: int) -> int:
        """Change the size. As many rows as possible stay, above all the cursor's. Returns how many rows left at the top."""
        for y, row in enumerate(self.rows):
            if row is not None and len(row.cells) > columns:
                self.erase(y, columns)
        off = max(0, min(cursor + 1, len(self.rows)) - rows)
        self.clear(0, off)
        del self.rows[:off]
        self.clear(rows, len(self.rows))
        del self.rows[rows:]
        self.rows += [None] * (rows - len(self.rows))
        return off

    def tell_all(self) -> None:
        for y, row in enumerate(self.rows):
            if row is not None:
                self.lose(y, replaced=False)
