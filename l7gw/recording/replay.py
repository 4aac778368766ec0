"""A terminal exec, shown again through a terminal emulator: the auditor's terminal gets cells and colours, never the recording's
own bytes, which may hold escape sequences that attack it (threats H7)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Any

import pyte

from l7gw.recording import events as e
from l7gw.recording.export import Exec, sizes

LONGEST_PAUSE = 2.0  # seconds; longer silences of the recording are cut to this
LONGEST_LINE = 1024 * 1024  # characters without a line's end that are kept together
FRAME_EVERY = 1 / 30  # seconds: the screen is not drawn more often
COLOURS = {"black": 0, "red": 1, "green": 2, "brown": 3, "blue": 4, "magenta": 5, "cyan": 6, "white": 7}
RESET = "\x1b[0m"
CUT_ROWS, WRAP_ROWS = "\x1b[?7l", "\x1b[?7h"  # DECAWM
# DCS, SOS, PM and APC with their contents (ECMA-48 section 5.6; the emulator itself knows only OSC). ST ends one, CAN and SUB
# cancel it, and so does any other escape sequence, as in xterm.
STRING_BEGINS = re.compile("\x1b[PX^_]|[\x90\x98\x9e\x9f]")
STRING_ENDS = re.compile("\x1b\\\\|(?=\x1b)|[\x9c\x18\x1a]")
Out = Callable[[str], object]


class _Mute(pyte.Screen):
    """No query is ever answered."""

    def write_process_input(self, data: str) -> None:
        pass


class Screen:
    """An emulated terminal that answers nothing and titles nothing."""

    def __init__(self, columns: int, rows: int) -> None:
        self._screen = _Mute(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""  # an ESC whose sequence comes with the next bytes
        self._in_string = False

    def feed(self, data: bytes) -> None:
        text = self._without_strings(self._decoder.decode(data))
        try:
            self._stream.feed(text)
        except Exception:  # a sequence that the emulator trips over: shown without it
            self._stream = pyte.Stream(self._screen)

    def _without_strings(self, text: str) -> str:
        """Text without the control strings that the emulator would print."""
        text, self._held = self._held + text, ""
        if text.endswith("\x1b"):
            text, self._held = text[:-1], "\x1b"
        kept: list[str] = []
        at = 0
        while at < len(text):
            match = (STRING_ENDS if self._in_string else STRING_BEGINS).search(text, at)
            if not self._in_string:
                kept.append(text[at : match.start()] if match else text[at:])
            if match is None:
                break
            self._in_string = not self._in_string
            at = match.end()
        return "".join(kept)

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)

    def lines(self, *, colour: bool) -> list[str]:
        """The screen's rows, without those that are blank at the end."""
        rows = [self._row(number, colour) for number in range(self._screen.lines)]
        while rows and not rows[-1].replace(RESET, "").strip():
            rows.pop()
        return rows

    def _row(self, number: int, colour: bool) -> str:
        buffer = self._screen.buffer[number]
        cells = [buffer[column] for column in range(self._screen.columns)]
        while cells and cells[-1].data == " " and not cells[-1].reverse and cells[-1].bg == "default":
            cells.pop()
        row, style = "", ""
        for cell in cells:
            if colour and (wanted := _style(cell)) != style:
                row += RESET + wanted
                style = wanted
            row += safe(cell.data)
        return row + RESET if style else row


def _style(cell: Any) -> str:
    """SGR for a cell: the only sequences that are ever written."""
    codes = []
    if cell.bold:
        codes.append("1")
    if cell.underscore:
        codes.append("4")
    if cell.reverse:
        codes.append("7")
    for name, base in ((cell.fg, 30), (cell.bg, 40)):
        number = COLOURS.get(name.removeprefix("bright"))
        if number is not None:
            codes.append(str(base + number + (60 if name.startswith("bright") else 0)))
    return f"\x1b[{';'.join(codes)}m" if codes else ""


def safe(text: str) -> str:
    """Text without control and format characters, bidi overrides among them; tabs are spaces."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "\ufffd" for c in text)


def final_screen(one: Exec, *, colour: bool = False) -> list[str]:
    """What stood on the terminal at the end; without a terminal, all that was written, line by line."""
    if not one.tty:
        return list(written(one))
    screen = Screen(*one.size)
    for frame in one.frames:
        _apply(screen, frame)
    return screen.lines(colour=colour)


def written(one: Exec) -> Iterator[str]:
    """The lines that a command without a terminal wrote, stdout and stderr as they came, each with its lines kept whole."""
    rest = {"stdout": "", "stderr": ""}
    decoders = {channel: codecs.getincrementaldecoder("utf-8")("replace") for channel in rest}
    for frame in one.frames:
        if frame.channel in rest:
            *lines, last = (rest[frame.channel] + decoders[frame.channel].decode(frame.data)).split("\n")
            if len(last) > LONGEST_LINE:
                lines, last = [*lines, last], ""
            rest[frame.channel] = last
            yield from (safe(line.removesuffix("\r")) for line in lines)
    for channel, decoder in decoders.items():
        if last := rest[channel] + decoder.decode(b"", True):
            yield safe(last)


def play(
    one: Exec,
    out: Out,
    sleep: Callable[[float], object],
    *,
    speed: float = 1.0,
    longest_pause: float = LONGEST_PAUSE,
    rows: int = 10_000,
) -> None:
    """Show an exec at its own pace, or `speed` times that, on a terminal that understands cursor movement. Of a recording with
    more `rows` than the terminal has, the last are shown; longer rows are cut by the terminal."""
    screen = Screen(*one.size)
    drawn: list[str] = []
    last, owed = one.started, 0.0
    out(f"{CUT_ROWS}\x1b[2J\x1b[H")
    for frame in one.frames:
        pause = min(max(frame.time - last, 0) / 1e6, longest_pause) / speed
        last = frame.time
        owed += pause
        if owed >= FRAME_EVERY:
            drawn = _draw(screen, drawn, out, rows)
            sleep(owed)
            owed = 0.0
        if not one.tty and frame.channel in ("stdout", "stderr"):
            screen.feed(frame.data.replace(b"\n", b"\r\n"))
        else:
            _apply(screen, frame)
    _draw(screen, drawn, out, rows)
    out(f"\x1b[{min(len(screen.lines(colour=False)), rows - 1) + 1};1H{RESET}{WRAP_ROWS}\n")


def _draw(screen: Screen, drawn: list[str], out: Out, most: int) -> list[str]:
    """Write the rows that changed."""
    rows = screen.lines(colour=True)[-most:]
    for number in range(max(len(rows), len(drawn))):
        row = rows[number] if number < len(rows) else ""
        if number >= len(drawn) or drawn[number] != row:
            out(f"\x1b[{number + 1};1H{row}{RESET}\x1b[K")
    return rows


def _apply(screen: Screen, frame: e.Frame) -> None:
    if frame.channel in ("stdout", "stderr"):
        screen.feed(frame.data)
    elif frame.channel == "resize" and frame.data:
        screen.resize(*sizes(frame.data)[-1])
