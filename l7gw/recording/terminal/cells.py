"""Rows of cells, and what of them nobody was told yet.

A cell is a string: a character, the marks upon it, or "" for the right half of a wide one. Rows end at their last written cell,
and a row that nobody wrote on is None, so that clearing and scrolling cost what was written and not what could be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

from l7gw.recording.terminal.style import PLAIN, Style

CONTEXT = 80  # cells told on either side of those that are lost: a line can be read, and costs at most this
ABOVE = 100  # rows above a lost one that are told before it, so that lines come in the order in which they are read

Lost = Callable[[str, bool, bool], None]
"""Takes text of a row, controls and all; whether it goes on the line that was told before; and whether it was replaced where it
stood, so that the same may come again and again."""

_numbers = count(1)
_TEXT = bytes(code not in (0x20, 0xA0) for code in range(256))


class Row:
    __slots__ = ("cells", "continues", "drawn", "number", "styles", "untold")

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.styles: list[Style] = []
        self.untold = bytearray()  # 1 for each cell with text that nobody was told
        self.number = next(_numbers)
        self.continues = 0  # the number of the row that was too short for this text
        self.drawn: str | None = None  # what a player made of it; None once it has changed

    def put(self, at: int, cells: Sequence[str], style: Style) -> None:
        """Write over what is there."""
        self.reach(at)
        end = at + len(cells)
        self.cells[at:end] = cells
        self.styles[at:end] = [style] * len(cells)
        self.untold[at:end] = text_in(cells)
        self.drawn = None

    def reach(self, at: int) -> None:
        """Fill with blanks up to a column."""
        missing = at - len(self.cells)
        if missing > 0:
            self.insert(len(self.cells), missing)

    def insert(self, at: int, blanks: int) -> None:
        self.cells[at:at] = [" "] * blanks
        self.styles[at:at] = [PLAIN] * blanks
        self.untold[at:at] = bytes(blanks)
        self.drawn = None

    def remove(self, begin: int, end: int | None = None) -> None:
        """Take cells out; what stands behind moves to their place."""
        del self.cells[begin:end], self.styles[begin:end], self.untold[begin:end]
        self.drawn = None

    def end_of_what_shows(self) -> int:
        """Behind the last cell that is no blank on the terminal's own ground."""
        end = len(self.cells)
        while end and self.cells[end - 1] == " " and not self.styles[end - 1].shows_blanks:
            end -= 1
        return end

    def runs(self, last: int) -> Iterator[tuple[Style, str]]:
        """Neighbours of one style, as text, up to a column."""
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
        self._told = 0  # the number of the row that was told last, if to its end

    def row(self, y: int) -> Row:
        row = self.rows[y]
        if row is None:
            row = self.rows[y] = Row()
        return row

    def lose(self, y: int, begin: int = 0, end: int | None = None, *, replaced: bool = True) -> None:
        """Tell of these cells what nobody was told: they go."""
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
            self._lost("".join(row.cells[begin:end]), goes_on, replaced)
        row.untold[begin:end] = bytes(end - begin)
        self._told = row.number if end == len(row.cells) else 0

    def cut(self, y: int, at: int) -> None:
        """Of a wide character that stands across the beginning of a column, nothing stays."""
        row = self.rows[y]
        if row is not None and 0 < at < len(row.cells) and row.cells[at] == "":
            self.lose(y, at - 1, at)
            row.put(at - 1, "  ", row.styles[at])

    def erase(self, y: int, begin: int, end: int | None = None) -> None:
        """Blank cells of a row; without an end all that follow."""
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
        """Rows from `top` to `bottom`, both included, go up; the upper ones are lost."""
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
        """Keep what can be kept, above all where the cursor is; how many rows went off the top."""
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
