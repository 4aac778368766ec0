"""Tables in plain lines, as wide as the terminal. Without a terminal each row is one line, however long."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from l7gw.recording.terminal.unseen import width

GAP = "  "
NARROW = 120  # columns; sentences behind a name of forty have less than half of a narrower terminal
LEAST = 10  # columns of a text that is broken over lines
NAMES = re.compile(r"(?<= )|(?=[@:/(])|(?<=[-,])")  # where a name may be broken, if it can be; else where it must
WORDS = re.compile("(?<= )")  # and where a sentence or a command may


class Column(NamedTuple):
    name: str
    right: bool = False  # whether it is a number
    broken: bool = False  # whether its texts may be broken over several lines


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(width, text))


def natural(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    """How wide a table is in which nothing is broken."""
    return sum(_widths(columns, rows)) + len(GAP) * (len(columns) - 1)


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], within: int | None) -> Iterator[str]:
    """The lines of a table, not wider than `within` columns as far as breaking texts helps. None: nothing is broken."""
    widths = _widths(columns, rows)
    over = sum(widths) + len(GAP) * (len(columns) - 1) - within if within is not None else 0
    for place in sorted((at for at, column in enumerate(columns) if column.broken), key=lambda at: -widths[at]):
        if over <= 0:
            break
        # The widest gives most; the next gives what is missing then
        less = min(over, max(0, widths[place] - max(LEAST, cells(columns[place].name))))
        widths[place] -= less
        over -= less
    for row in ([column.name for column in columns], *rows):
        parts = [[*wrapped(cell, size)] if cells(cell) > size else [cell] for cell, size in zip(row, widths, strict=True)]
        for line in range(max(map(len, parts))):
            texts = (part[line] if line < len(part) else "" for part in parts)
            yield GAP.join(
                _padded(text, size, right=column.right) for text, size, column in zip(texts, widths, columns, strict=True)
            ).rstrip()


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max([cells(column.name), *(cells(row[at]) for row in rows)]) for at, column in enumerate(columns)]


def _padded(text: str, size: int, *, right: bool) -> str:
    spaces = " " * (size - cells(text))
    return spaces + text if right else text + spaces


def wrapped(text: str, size: int, breaks: re.Pattern[str] = NAMES) -> Iterator[str]:
    """A text in lines of at most `size` columns, broken at `breaks` if it can be."""
    line, used = "", 0
    for part in _pieces(breaks.split(text), size):
        wide = cells(part)
        if line and part.strip() and used + cells(part.rstrip()) > size:
            yield line.rstrip()
            line, used = "", 0
        line += part
        used += wide
    yield line.rstrip()


def indented(text: str, indent: str, within: int) -> Iterator[str]:
    """A sentence or a command in lines of at most `within` columns, each with this indent."""
    return (indent + line for line in wrapped(text, max(LEAST, within - len(indent)), WORDS))


def statement(word: str, mark: int, name: str, widest: int, said: str, within: int | None) -> list[str]:
    """`word` in `mark` columns, what it is about, and what is said of it. On a terminal of less than NARROW columns the name has no
    column of its own, which would leave too little to the sentence. Without a terminal (None) it is one line."""
    if within is None:
        return [f"{word:<{mark}}{name:<{widest}} {said}"]
    narrow = within < NARROW
    indent = " " * (mark if narrow else mark + widest + 1)
    first, *further = indented(f"{name}: {said}" if narrow else said, indent, within)
    head = f"{word:<{mark}}" if narrow else f"{word:<{mark}}{name:<{widest}} "
    return [head + first[len(indent) :], *further]


def _pieces(parts: Iterable[str], size: int) -> Iterator[str]:
    """The parts, of which those that are wider than `size` columns are cut."""
    for part in parts:
        while cells(part.rstrip()) > size:
            taken, used = 0, 0
            for character in part:
                used += cells(character)
                if used > size:
                    break
                taken += 1
            taken = max(taken, 1)
            yield part[:taken]
            part = part[taken:]
        yield part
