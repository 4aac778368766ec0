"""Output that only scrolls a terminal: lines of plain text, one below the other.

On a screen that shows nothing but such lines, with the cursor at the beginning of the last row, each further line pushes the
uppermost one out. So nothing has to be drawn, but the lines that are still on the screen when something else comes.
"""

from __future__ import annotations

import re
from collections import deque

from l7gw.recording.terminal.emulator import Emulator

# Characters of one column each, colours, and line ends. The end of a frame may cut a colour or a line end.
_PLAIN = re.compile(
    "(?:[ -~\u00a1-\u00ac\u00ae-\u02ff\u0400-\u0482\u2500-\u257f]++|\\x1b\\[[0-9;]{0,60}m|\\r\\n)*+"
    "(?:\\r|\\x1b(?:\\[[0-9;]{0,60})?)?"
)
_UNSEEN = re.compile("\x1b\\[[0-9;]*m|\r\\Z|\x1b(?:\\[[0-9;]*)?\\Z")
BLANKS = " " * 40  # a screen tells of no row without text, and not all the blanks before it: lines with more blanks are drawn
LEAST_COLUMNS = 41  # so that no row of a line that is wrapped is blank
LONGEST = 4 * 1024  # characters of a line, because a screenful of them is kept; longer ones are drawn


class Scrolling:
    """Begins when the screen is as it must be; `scrolls` says whether it is."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._on_screen: deque[tuple[int, str]] = deque()
        self._rest = ""
        self._rest_time = 0

    def take(self, time: int, text: str) -> list[tuple[int, str]] | None:
        """The lines that leave the screen, each with its time, without blank ones. None where this is more than lines of plain
        text: then it is not taken."""
        together = self._rest + text
        if not plain(together):
            return None
        *lines, rest = together.split("\r\n")
        if max(map(len, lines), default=0) > LONGEST or len(rest) > LONGEST:
            return None
        # A line has the time of its last character, which its end and colours are not
        first = lines[0] if lines else rest
        first_time = self._rest_time if self._rest and _visible(first) == _visible(self._rest) else time
        self._rest, self._rest_time = rest, time if lines else first_time
        on_screen = self._on_screen
        on_screen.extend((time if number else first_time, line) for number, line in enumerate(lines))
        left = []
        while len(on_screen) > self._rows:
            when, line = on_screen.popleft()
            if shown := _visible(line).rstrip(" "):
                left.append((when, shown))
        return left

    def leave(self) -> list[tuple[int, str]]:
        """What must be drawn so that the screen is as it would be."""
        left = [(time, f"{line}\r\n") for time, line in self._on_screen]
        return [*left, (self._rest_time, self._rest)] if self._rest else left


def _visible(line: str) -> str:
    return _UNSEEN.sub("", line) if "\x1b" in line or "\r" in line else line


def plain(text: str) -> bool:
    """Whether this is plain text in lines."""
    return BLANKS not in text and _PLAIN.fullmatch(text) is not None


def scrolls(emulator: Emulator) -> bool:
    """Whether the screen is as it must be, apart from what is on it."""
    screen = emulator.screen
    return screen.columns >= LEAST_COLUMNS and emulator.between_sequences and screen.scrolls_as_a_whole
