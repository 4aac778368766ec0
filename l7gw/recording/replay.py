"""Replays execs through a terminal of our own (`recording.terminal`). The auditor's terminal gets cells and colours, never the
bytes of the recording: these may hold escape sequences that attack it (threats H7). What a replay leaves out is counted and
told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from l7gw.recording import events as e
from l7gw.recording.export import Exec
from l7gw.recording.shown_lines import Line, Player, TerminalLines, written
from l7gw.recording.terminal.cells import Row
from l7gw.recording.terminal.screen import Screen
from l7gw.recording.terminal.style import RESET
from l7gw.recording.terminal.unseen import safe, width

LONGEST_PAUSE = 2.0  # seconds; longer silences of the recording are cut to this
FRAME_EVERY = 1 / 30  # seconds between two drawings of the screen, at least
CUT_ROWS, WRAP_ROWS = "\x1b[?7l", "\x1b[?7h"  # DECAWM: cut rows at the terminal's edge, or wrap them
Out = Callable[[str], object]


@dataclass
class LeftOut:
    """Counts what the recording has and a replay did not show."""

    lines: int = 0  # lines of text that left the screen before it was drawn, or had no room on it
    strings: int = 0  # control strings: window titles, clipboards, pictures
    characters: int = 0  # in these control strings
    messages: int = 0  # messages without bytes, where the whole exec was recorded without bytes (`record: metadata`)
    parts: int = 0  # lines that were printed in several, because they are longer than LONGEST_LINE

    def add_strings(self, player: Player) -> None:
        """Add what the emulator skipped."""
        self.strings += player.emulator.strings
        self.characters += player.emulator.characters_in_strings

    def sentence(self) -> str:
        """The counts in words; "" where all are 0."""
        parts = []
        if self.lines:
            parts.append(
                f"{self.lines:,} line{'s' * (self.lines != 1)} of text that passed before the screen was drawn or had no room on it"
            )
        if self.strings:
            parts.append(
                f"{self.strings:,} control string{'s' * (self.strings != 1)} that are no text, such as window titles and pictures"
                f" ({self.characters:,} characters)"
            )
        if self.messages:
            parts.append(f"the bytes of {self.messages:,} messages, which were not recorded (`record: metadata`)")
        return " and ".join(parts)


def _frames(one: Exec, left_out: LeftOut) -> Iterator[e.Frame]:
    """All frames of an exec. Where none has bytes, their number is added to `left_out`. A single frame without bytes does not
    count: kube-apiserver begins with an empty message over WebSocket."""
    messages, recorded = 0, False
    for frame in one.frames:
        recorded = recorded or bool(frame.data)
        messages += not frame.final
        yield frame
    if not recorded and messages > 1:
        left_out.messages += messages


def final_screen(one: Exec, left_out: LeftOut, *, colour: bool = False) -> list[str]:
    """The rows that stood on the terminal at the end. `left_out` counts the lines that had left it."""

    def count(text: str, *, goes_on: bool, replaced: bool, time: int) -> None:
        left_out.lines += not goes_on

    player = Player(one.size, count, tty=one.tty)
    for frame in _frames(one, left_out):
        player.take(frame)
    player.finish()
    left_out.add_strings(player)
    player.screen.seen()
    player.screen.tell_all()
    return _rows(player.screen, None) if colour else player.screen.lines()


def text(one: Exec, left_out: LeftOut) -> Iterator[str]:
    """All text that was shown, as lines that can be printed, with what was overwritten, erased or scrolled away. Of an exec without
    a terminal, the lines are those that the command wrote."""
    for line in shown(one, left_out):
        left_out.parts += line.goes_on
        yield safe(line.text).rstrip() if one.tty else safe(line.text)


def shown(one: Exec, left_out: LeftOut) -> Iterator[Line]:
    """The same lines with their times, as they were recorded."""
    if not one.tty:
        yield from written(_frames(one, left_out))
        return
    lines = TerminalLines(one.size)
    for frame in _frames(one, left_out):
        yield from lines.take(frame)
    yield from lines.finish()
    left_out.add_strings(lines.player)


def play(
    one: Exec,
    out: Out,
    sleep: Callable[[float], object],
    left_out: LeftOut,
    *,
    speed: float = 1.0,
    longest_pause: float = LONGEST_PAUSE,
    size: tuple[int, int] = (1000, 1000),
) -> None:
    """Show an exec at its own pace, or `speed` times as fast, on a terminal that understands cursor movement.

    `size` is the (columns, rows) of that terminal. Where the recording has more rows, the last ones are shown; where it has longer
    rows, their beginning. `left_out` counts the lines that were never drawn."""

    def count(text: str, *, goes_on: bool, replaced: bool, time: int) -> None:
        left_out.lines += not goes_on

    player = Player(one.size, count, tty=one.tty)
    drawn: list[str] = []
    last, owed = one.started, 0.0
    out(f"{CUT_ROWS}\x1b[2J\x1b[H")
    for frame in _frames(one, left_out):
        pause = min(max(frame.time - last, 0) / 1e6, longest_pause) / speed
        last = frame.time
        owed += pause
        if owed >= FRAME_EVERY:
            drawn = _draw(player.screen, drawn, out, size)
            sleep(owed)
            owed = 0.0
        player.take(frame)
    player.finish()
    left_out.add_strings(player)
    drawn = _draw(player.screen, drawn, out, size)
    player.screen.tell_all()
    out(f"\x1b[{min(len(drawn), size[1] - 1) + 1};1H{RESET}{WRAP_ROWS}\n")


def _draw(screen: Screen, drawn: list[str], out: Out, size: tuple[int, int]) -> list[str]:
    """Write the rows that changed."""
    columns, most = size
    rows = _rows(screen, columns, most)
    for number in range(max(len(rows), len(drawn))):
        row = rows[number] if number < len(rows) else ""
        if number >= len(drawn) or drawn[number] != row:
            out(f"\x1b[{number + 1};1H{row}{RESET}\x1b[K")
    return rows


def _rows(screen: Screen, columns: int | None, most: int | None = None) -> list[str]:
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
