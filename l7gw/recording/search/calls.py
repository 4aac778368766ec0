"""One recorded call as texts to be searched: its request line and argv, its bodies, its channels, and what was said about it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import unquote

from l7gw.recording import events as e
from l7gw.recording.execs import DEFAULT_SIZE, sizes
from l7gw.recording.gzip_body import Gzip
from l7gw.recording.search.byte_lines import ByteLines, Part
from l7gw.recording.search.plain_text import as_typed, without_sequences
from l7gw.recording.shown_lines import Line, TerminalLines

CELL = 20  # bytes that a cell of a screen takes


class Text(NamedTuple):
    """Lines of one channel of a call. `lines` are as they were recorded, `plain` the same lines as people read them, each ending in
    a line feed. `shown`: what was found in the plain lines counts; of a terminal's output it does not, as what the terminal
    showed is searched beside it."""

    time: int  # microseconds since 1970 when the last of them was whole
    channel: str
    up: bool  # from the client
    lines: bytes | Part
    plain: bytes
    shown: bool = True


class Call:
    """A call as far as it was read. `held` counts the bytes that are kept for it, and `time` is that of the last ones."""

    __slots__ = ("_answers", "_gzip", "_screen", "_size", "_streams", "_tty", "held", "time")

    def __init__(self, request: e.RequestRecorded) -> None:
        self.held = 0
        self.time = request.time
        self._answers = "log" if request.subresource == "log" else "response-body"
        self._tty = bool(request.tty)
        self._size = DEFAULT_SIZE
        self._gzip: Gzip | None = None
        self._screen: TerminalLines | None = None
        self._streams: dict[tuple[str, bool, int], ByteLines] = {}

    def response(self, event: e.ResponseRecorded) -> None:
        if any(name == "content-encoding" and value.lower() == "gzip" for name, value in event.headers):
            self._gzip = Gzip()

    def body(self, event: e.RequestBody) -> Iterator[Text]:
        return self._bytes(event.time, "request-body", event.data, up=True)

    def answer(self, event: e.ResponseBody) -> Iterator[Text]:
        unpacked = self._gzip.feed(event.data) if self._gzip is not None else None
        return self._bytes(event.time, self._answers, event.data if unpacked is None else unpacked, up=False)

    def frame(self, event: e.Frame) -> Iterator[Text]:
        """Take a frame. Gives the lines that are whole with it."""
        if event.channel == "resize":
            for size in sizes(event.data):
                self._size = size
        if self._tty and event.channel in ("stdout", "resize"):
            yield from self._on_screen(event)
        if event.channel.startswith("resize") or not event.data:
            return
        if self._tty and event.channel == "stdin":
            for text in self._bytes(event.time, "stdin", event.data.replace(b"\r", b"\n"), up=True):
                yield text if isinstance(text.lines, Part) else text._replace(plain=_typed(text.lines))
        else:
            shown = not (self._tty and event.channel == "stdout")
            yield from self._bytes(event.time, event.channel, event.data, up=event.up, stream=event.stream, shown=shown)

    def end(self) -> Iterator[Text]:
        """The call is over, or is kept no longer: the lines that have no end."""
        for (channel, up, _), stream in self._streams.items():
            yield from _texts(self.time, channel, *stream.end(), up=up, shown=not (self._tty and channel == "stdout"))
        if self._screen is not None:
            yield from _on_terminal(self._screen.finish())
        self._streams, self._screen, self.held = {}, None, 0

    def _on_screen(self, event: e.Frame) -> Iterator[Text]:
        if self._screen is None:
            if event.channel == "resize":
                return
            self._screen = TerminalLines(self._size)
            self.held += self._size[0] * self._size[1] * CELL
        yield from _on_terminal(self._screen.take(event))

    def _bytes(self, time: int, channel: str, data: bytes, *, up: bool, stream: int = 0, shown: bool = True) -> Iterator[Text]:
        self.time = time
        key = channel, up, stream
        lines = self._streams.get(key)
        if lines is None:
            lines = self._streams[key] = ByteLines()
        before = lines.held
        part, whole = lines.feed(data)
        self.held += lines.held - before
        return _texts(time, channel, part, whole, up=up, shown=shown)


def _texts(time: int, channel: str, part: Part | None, lines: bytes, *, up: bool, shown: bool) -> Iterator[Text]:
    if part is not None:
        yield Text(time, channel, up, part, without_sequences(part.data))
    if lines:
        yield Text(time, channel, up, lines, without_sequences(lines), shown)


def _on_terminal(lines: list[Line]) -> Iterator[Text]:
    for time, of_a_time in groupby(lines, key=itemgetter(0)):
        data = "".join([f"{line.text}\n" for line in of_a_time]).encode("utf-8", "replace")
        yield Text(time, "stdout", up=False, lines=data, plain=data)


def _typed(lines: bytes) -> bytes:
    return b"".join(as_typed(line) + b"\n" for line in lines.split(b"\n")[:-1])


def request_texts(event: e.RequestRecorded, run: e.RunStarted | None, wanted: frozenset[str]) -> Iterator[Text]:
    """The request's line, the argv of an exec, and the command of the client where this is the run's first call."""
    if run is not None and "command" in wanted:
        words = "  ".join(e.header_text(word) for word in (run.command, run.client) if word)
        yield from _said(event.time, "command", words)
    if "request" in wanted:
        line = f"{event.method} {event.target}"
        yield from _said(event.time, "request", line, unquote(line) if "%" in line or "+" in line else line)
    if event.argv is not None and "argv" in wanted:
        yield from _said(event.time, "argv", " ".join(event.argv))


def said_texts(event: e.WrittenEvent, wanted: frozenset[str]) -> Iterator[Text]:
    """What was said about a call: a refusal and why, and the notes of people."""
    if isinstance(event, e.VerdictRecorded):
        if "verdict" in wanted and event.verdict != "allow" and not event.own:
            words = " ".join(word for word in (event.verdict, f"({event.rule})" if event.rule else "", event.reason) if word)
            yield from _said(event.time, "verdict", words, up=False)
    elif "note" in wanted and isinstance(event, e.ReviewRecorded | e.GrantRecorded | e.KillRecorded):
        note = "" if isinstance(event, e.KillRecorded) else event.note
        for word in (note, event.reason):
            if word:
                yield from _said(event.time, "note", f"{event.user}: {word}")


def _said(time: int, channel: str, text: str, plain: str | None = None, *, up: bool = True) -> Iterator[Text]:
    lines = text.encode("utf-8", "replace") + b"\n"
    if plain is None:
        yield Text(time, channel, up, lines, without_sequences(lines))
    else:
        # As decoded it may hold line ends, which the line as sent has not
        yield Text(time, channel, up, lines, plain.replace("\n", " ").encode("utf-8", "replace") + b"\n")
