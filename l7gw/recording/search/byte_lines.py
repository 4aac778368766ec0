"""A stream of bytes that comes in pieces, cut into lines."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_LINE = 1024 * 1024  # bytes of a line that are searched as one; a list of 1,000 pods in JSON is a line of 3 MB
OVERLAP = 64 * 1024  # bytes of a part that are searched again with the next one: no match of that length is missed


class Part(NamedTuple):
    """A part of a line that is longer than LONGEST_LINE. The first `known` bytes are the end of the part before."""

    data: bytes
    known: int
    goes_on: bool  # whether the line goes on behind it


class ByteLines:
    """Gives the lines of a stream, as soon as they are whole. Each ends in a line feed, without a carriage return."""

    __slots__ = ("_known", "_parts", "held")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._known = 0
        self.held = 0  # bytes of the line that has no end yet

    def feed(self, data: bytes) -> tuple[Part | None, bytes]:
        """Take bytes. Gives a part of a line that is too long, and behind it whole lines."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._parts.append(data)
            self.held += len(data)
            return self._too_long(), b""
        self._parts.append(data[:end])
        lines = b"".join(self._parts)
        known, self._known = self._known, 0
        self._parts, self.held = [], 0
        part = None
        if known:
            first = lines.index(b"\n")
            part, lines = Part(lines[:first].removesuffix(b"\r"), known, goes_on=False), lines[first + 1 :]
        if end < len(data):
            self._parts.append(data[end:])
            self.held = len(data) - end
        if b"\r" in lines:
            lines = lines.replace(b"\r\n", b"\n")
        return part, lines

    def end(self) -> tuple[Part | None, bytes]:
        """The stream ends, and with it the line that has no end yet."""
        return self.feed(b"\n") if self.held else (None, b"")

    def _too_long(self) -> Part | None:
        if self.held <= LONGEST_LINE:
            return None
        data = b"".join(self._parts)
        part = Part(data, self._known, goes_on=True)
        self._known = OVERLAP
        self._parts, self.held = [data[-OVERLAP:]], OVERLAP
        return part
