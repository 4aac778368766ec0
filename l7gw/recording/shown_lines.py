"""The lines that an exec showed, each with the time at which it was whole: from a terminal, or as the command wrote them."""

from __future__ import annotations

import codecs
from typing import NamedTuple

from l7gw.recording import events as e
from l7gw.recording.execs import sizes
from l7gw.recording.scrolling import Scrolling, plain, scrolls
from l7gw.recording.terminal.cells import Lost
from l7gw.recording.terminal.emulator import Emulator

LONGEST_LINE = 1024 * 1024  # characters; a longer line is shown in parts
SCREENS = 2  # of plain lines: then the first has left the screen with all that was on it before
LINES_KNOWN = 512  # of the last lines; a line that was overwritten in place and is among them is not given again


class Line(NamedTuple):
    time: int  # microseconds since 1970
    text: str  # with whatever it was written with; `unseen.safe` makes it fit to be printed
    goes_on: bool = False  # whether it is a part of a longer line, and another follows
    ours: bool = False  # whether it is said about the recording, and does not stand in it


class Player:
    """Writes the frames of an exec onto a screen."""

    def __init__(self, size: tuple[int, int], lost: Lost, *, tty: bool = True, in_order: bool = False) -> None:
        self.emulator = Emulator(*size, lost, in_order=in_order)
        self.screen = self.emulator.screen
        self._raw = tty
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(self, frame: e.Frame) -> None:
        if frame.channel in ("stdout", "stderr"):
            self.draw(frame.time, self.text_of(frame))
        elif frame.channel == "resize":
            for size in sizes(frame.data):
                self.screen.resize(*size)

    def text_of(self, frame: e.Frame) -> str:
        """The text of a frame of output. Frames must come in their order, as a character may begin in one and end in the next."""
        # Without a terminal, nothing turned LF into CR LF, which the emulator needs.
        return self._decoder.decode(frame.data if self._raw else frame.data.replace(b"\n", b"\r\n"))

    def draw(self, time: int, text: str) -> None:
        self.screen.now = time
        self.emulator.feed(text)

    def finish(self) -> None:
        """The recording ends."""
        self.emulator.feed(self._decoder.decode(b"", final=True))
        self.emulator.finish()


class TerminalLines:
    """All text that a terminal showed, as lines, with what was overwritten, erased or scrolled away.

    A line comes when it leaves the screen, after the lines above it. A line that was overwritten in place (a spinner) is left out
    where it is among the last LINES_KNOWN lines. Rows that were one line, wrapped at the screen's edge, become one line again.

    After `screens` screens of plain lines, more of them are not drawn (`scrolling`)."""

    def __init__(self, size: tuple[int, int], *, screens: int = SCREENS) -> None:
        self.player = Player(size, self._lost, in_order=True)
        self._screens = screens
        self._scrolling: Scrolling | None = None
        self._plain = 0  # line ends since there was something else than plain lines
        self._lines: list[Line] = []
        self._parts: list[str] = []
        self._length = 0
        self._time = 0
        self._replaced = False
        self._known: dict[str, None] = {}

    def take(self, frame: e.Frame) -> list[Line]:
        """The lines that left the screen with this frame."""
        if frame.channel in ("stdout", "stderr"):
            self._draw(frame.time, self.player.text_of(frame))
        elif frame.channel == "resize":
            self._leave()
            self.player.take(frame)
        return self._taken()

    def finish(self) -> list[Line]:
        """The recording ends: the lines that are left."""
        self._leave()
        self.player.finish()
        self.player.screen.tell_all()
        self._end()
        return self._taken()

    def _draw(self, time: int, text: str) -> None:
        if self._scrolling is not None:
            left = self._scrolling.take(time, text)
            if left is not None:
                if left:  # what was drawn before has left the screen by now: only now is it told, as it could be written again
                    self.player.screen.tell_all()
                    self._end()
                for when, line in left:
                    self._keep(when, line)
                return
            self._leave()
        while text:
            if not plain(text):
                self._plain = 0
                self.player.draw(time, text)
                return
            wanted = self._screens * self.player.screen.rows - self._plain
            lines = text.split("\r\n", wanted) if wanted > 0 else ["", text]
            now = text if len(lines) <= wanted else "".join(f"{line}\r\n" for line in lines[:wanted])
            self.player.draw(time, now)
            text = text[len(now) :]
            self._plain += now.count("\r\n")
            if self._plain >= self._screens * self.player.screen.rows and self._begin():
                self._draw(time, text)
                return

    def _begin(self) -> bool:
        """Draw no more, where that is the same."""
        if not scrolls(self.player.emulator):
            self._plain = 0
            return False
        self._scrolling = Scrolling(self.player.screen.rows)
        return True

    def _leave(self) -> None:
        """Draw again: first what would be on the screen now."""
        self._plain = 0
        if self._scrolling is not None:
            scrolling, self._scrolling = self._scrolling, None
            for time, text in scrolling.leave():
                self.player.draw(time, text)

    def _lost(self, text: str, *, goes_on: bool, replaced: bool, time: int) -> None:
        too_long = self._length > LONGEST_LINE
        if self._parts and (not goes_on or too_long):
            self._end(goes_on=goes_on)
        self._parts.append(text)
        self._length += len(text)
        self._time = max(self._time, time)
        self._replaced = replaced

    def _end(self, *, goes_on: bool = False) -> None:
        """The line has all its rows: keep it, unless it was overwritten in place and is known."""
        if self._parts:
            self._keep(self._time, "".join(self._parts).rstrip(" "), replaced=self._replaced, goes_on=goes_on)
        self._parts, self._length, self._time = [], 0, 0

    def _keep(self, time: int, line: str, *, replaced: bool = False, goes_on: bool = False) -> None:
        known = line in self._known
        if not known:
            self._known[line] = None
            if len(self._known) > LINES_KNOWN:
                del self._known[next(iter(self._known))]
        if not (known and replaced):
            self._lines.append(Line(time, line, goes_on))

    def _taken(self) -> list[Line]:
        if not self._lines:
            return []
        lines, self._lines = self._lines, []
        return lines


class Written:
    """The lines that a command without a terminal wrote to stdout and stderr, in the order in which they came. A line of the one is
    never cut by the other."""

    def __init__(self) -> None:
        self._time = 0
        self._rest: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._decoders = {channel: codecs.getincrementaldecoder("utf-8")("replace") for channel in self._rest}
        self._lengths = dict.fromkeys(self._rest, 0)

    def take(self, frame: e.Frame) -> list[Line]:
        """The lines that are whole with this frame."""
        channel = frame.channel
        if channel not in self._rest:
            return []
        self._time = frame.time
        *lines, last = self._decoders[channel].decode(frame.data).split("\n")
        parts = self._rest[channel]
        found = []
        for line in lines:
            found.append(_line(frame.time, [*parts, line]))
            parts.clear()
            self._lengths[channel] = 0
        parts.append(last)
        self._lengths[channel] += len(last)
        if self._lengths[channel] > LONGEST_LINE:
            found.append(Line(frame.time, "".join(parts), goes_on=True))
            parts.clear()
            self._lengths[channel] = 0
        return found

    def finish(self) -> list[Line]:
        """The recording ends: what has no line end."""
        lasts = ["".join([*self._rest[channel], decoder.decode(b"", final=True)]) for channel, decoder in self._decoders.items()]
        return [_line(self._time, [last]) for last in lasts if last]


def _line(time: int, parts: list[str]) -> Line:
    return Line(time, "".join(parts).removesuffix("\r"))
