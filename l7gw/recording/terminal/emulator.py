"""What control sequences do to a screen. The model is xterm (its `ctlseqs` page). Sequences that could only hide text are not
obeyed:

- Character sets (ESC ( 0, line drawing) do not change letters. Concealed text is drawn. ESC # 8 clears the screen and fills it with
no E. - Left and right margins, protected cells and rectangles do not exist. Double width and height are drawn single.
"""

from __future__ import annotations

from collections.abc import Callable

from l7gw.recording.terminal.cells import Lost
from l7gw.recording.terminal.parser import Params, Parser
from l7gw.recording.terminal.screen import Screen
from l7gw.recording.terminal.style import restyled

MOST_NUMBER = 65535  # the largest number in a sequence, as in xterm


_CONTROLS: dict[str, Callable[[Screen], None]] = {
    "\x08": Screen.back, "\t": lambda s: s.tab(1), "\n": Screen.line_feed, "\x0b": Screen.line_feed, "\x0c": Screen.line_feed,
    "\r": Screen.carriage_return, "\x84": Screen.index, "\x85": Screen.next_line, "\x88": Screen.set_tab,
    "\x8d": Screen.reverse_index,
}  # fmt: skip
_ESCAPES: dict[str, Callable[[Screen], None]] = {
    "D": Screen.index, "E": Screen.next_line, "H": Screen.set_tab, "M": Screen.reverse_index, "7": Screen.save,
    "8": Screen.restore, "c": Screen.start_anew, "#8": Screen.align,
}  # fmt: skip
_SILENT = "=>NOZ\\lmno|}~69VW"  # keypads, shifts of character sets, reports, locks of memory, guarded areas
_SILENT_WITH_MORE = "()*+-./%# "  # character sets, sizes of lines, how controls are sent


def _some(action: Callable[[Screen, int], None]) -> Callable[[Screen, list[int]], None]:
    """An action whose number is 1 where it is absent or 0."""
    return lambda screen, numbers: action(screen, numbers[0] or 1)


def _which(action: Callable[[Screen, int], None]) -> Callable[[Screen, list[int]], None]:
    return lambda screen, numbers: action(screen, numbers[0])


def _two(numbers: list[int]) -> tuple[int, int]:
    return numbers[0], numbers[1] if len(numbers) > 1 else 0


def _position(screen: Screen, numbers: list[int]) -> None:
    row, column = _two(numbers)
    screen.place(row or 1, column or 1)


def _modes(screen: Screen, numbers: list[int], *, on: bool) -> None:
    for number in numbers:
        if number == 4:
            screen.insert = on
        elif number == 20:
            screen.newline = on


def _private_modes(screen: Screen, numbers: list[int], *, on: bool) -> None:
    for number in numbers:
        if number == 6:
            screen.cursor.origin = on
            screen.place(1, 1)
        elif number == 7:
            screen.wrap = on
        elif number == 1048:
            screen.save() if on else screen.restore()
        elif number in (47, 1047, 1049):
            screen.enter_alternate() if on else screen.leave_alternate()


_SEQUENCES: dict[str, Callable[[Screen, list[int]], None]] = {
    "@": _some(Screen.insert_blanks),
    "A": _some(lambda s, n: s.vertical(-n)),
    "B": _some(lambda s, n: s.vertical(n)),
    "C": _some(lambda s, n: s.move_to(s.x + n, s.cursor.y)),
    "D": _some(lambda s, n: s.move_to(s.x - n, s.cursor.y)),
    "E": _some(lambda s, n: s.vertical(n, 0)),
    "F": _some(lambda s, n: s.vertical(-n, 0)),
    "G": _some(lambda s, n: s.move_to(n - 1, s.cursor.y)),
    "H": _position,
    "I": _some(Screen.tab),
    "J": _which(Screen.erase_display),
    "?J": _which(Screen.erase_display),
    "K": _which(Screen.erase_line),
    "?K": _which(Screen.erase_line),
    "L": _some(Screen.insert_lines),
    "M": _some(Screen.delete_lines),
    "P": _some(Screen.delete),
    "S": _some(lambda s, n: s.grid.up(s.top, s.bottom, n)),
    "T": lambda s, n: s.grid.down(s.top, s.bottom, n[0] or 1) if len(n) < 2 else None,  # five numbers: mouse tracking
    "X": _some(lambda s, n: s.grid.erase(s.cursor.y, s.x, s.x + n)),
    "Z": _some(Screen.back_tab),
    "`": _some(lambda s, n: s.move_to(n - 1, s.cursor.y)),
    "a": _some(lambda s, n: s.move_to(s.x + n, s.cursor.y)),
    "b": _some(Screen.repeat),
    "d": _some(lambda s, n: s.place(n, s.x + 1)),
    "e": _some(lambda s, n: s.vertical(n)),
    "f": _position,
    "g": _which(Screen.clear_tab),
    "h": lambda s, n: _modes(s, n, on=True),
    "l": lambda s, n: _modes(s, n, on=False),
    "?h": lambda s, n: _private_modes(s, n, on=True),
    "?l": lambda s, n: _private_modes(s, n, on=False),
    "r": lambda s, n: s.margins(*_two(n)),
    "s": lambda s, n: s.save(),
    "u": lambda s, n: s.restore(),
    "!p": lambda s, n: s.soft_reset(),
}


class Emulator:
    """A recorded terminal. No input raises, and no sequence is answered."""

    def __init__(self, columns: int, rows: int, lost: Lost | None = None, *, in_order: bool = False) -> None:
        self.screen = Screen(columns, rows, lost, in_order=in_order)
        self.draw = self.screen.draw
        self.strings = 0  # control strings that were whole; `characters_in_strings` counts their characters
        self.characters_in_strings = 0
        self._parser = Parser(self)

    def feed(self, text: str) -> None:
        self._parser.feed(text)

    @property
    def between_sequences(self) -> bool:
        """Whether no sequence has begun and not ended."""
        return self._parser.is_between

    def finish(self) -> None:
        """The recording ends: draw what is left of a broken sequence."""
        self._parser.finish()

    # ------------------------------------------------------------------ for the parser

    def control(self, character: str) -> None:
        action = _CONTROLS.get(character)
        if action is not None:
            action(self.screen)

    def escape(self, body: str) -> bool:
        action = _ESCAPES.get(body)
        if action is not None:
            action(self.screen)
        return action is not None or body in _SILENT or body[0] in _SILENT_WITH_MORE

    def csi(self, prefix: str, params: Params, final: str) -> None:
        if prefix == "" and final == "m":
            self.screen.cursor.style = restyled(self.screen.cursor.style, params)
            return
        action = _SEQUENCES.get(prefix + final)
        if action is not None:
            action(self.screen, [min(param[0], MOST_NUMBER) for param in params])

    def string(self, length: int) -> None:
        self.strings += 1
        self.characters_in_strings += length
