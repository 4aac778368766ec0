"""HTTP/1.1 bodies (RFC 9112 sections 6.3 and 7.1): bytes to events, by a length or in chunks.

A body of chunks is given as one event a read. Who asked for it gets large ones in parts, as they lie in what was read.
"""

from __future__ import annotations

import re
from typing import TypeVar

from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, Body, BodyParts, HttpEvent
from l7gw.wire.http1_message import BROKEN_LINE, lines_of, parse_fields
from l7gw.wire.semantics import SINGLE, SINGLE_IN_ANSWER

# ---------------------------------------------------------------------- limits

LARGEST_TRAILERS = 8 * 1024  # bytes; trailers are checked and dropped (threats B11)
CHUNKS_FREE = 1024  # chunks of a request before their average size counts; small chunks cost a hundred times more (threats A5)
SMALLEST_AVERAGE = 8  # bytes a chunk after CHUNKS_FREE; answers are free of it, as a followed log may send short lines
IN_PARTS = 16 * 1024  # bytes of a read; the chunks in a smaller one are copied
SMALLEST_PARTS = 4 * 1024  # bytes of a chunk on average; smaller ones are copied, as a view takes 180 bytes of its own

# ---------------------------------------------------------------------- grammar (section 7.1)

SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
PART_OF_SIZE_LINE = re.compile(rb"(?:[0-9A-Fa-f]{1,8}\r?)?")

# ---------------------------------------------------------------------- reading

Sliced = TypeVar("Sliced", bytes, memoryview)

AT_SIZE, AT_DATA, AT_END, AT_TRAILERS = "size", "data", "end", "trailers"


class BodyReader:
    """Reads one message's body of `length`, as in the events. Call `read` until `complete`."""

    __slots__ = ("_answer", "_at", "_chunked", "_chunks", "_fault", "_left", "_payload", "_trailers", "complete", "in_parts")

    def __init__(self, length: int, *, answer: bool) -> None:
        self._chunked = length == CHUNKED
        self._left = 0 if self._chunked else length  # bytes of the body, or of the current chunk, that are still to come
        self._at = AT_SIZE
        self._answer = answer
        self._fault = 502 if answer else 400
        self._chunks = 0
        self._payload = 0
        self._trailers = 0
        self.complete = False
        self.in_parts = False  # whether chunks of a large read are given as they lie in it

    def read(self, data: bytes | memoryview, events: list[HttpEvent]) -> int:
        """Append a Body event, or BodyParts, for the bytes of the body in `data`. Gives how many bytes were used. Raises
        PeerError."""
        if self._chunked:
            if self.in_parts and len(data) >= IN_PARTS:
                return self._read_parts(data, events)
            pieces: list[bytes] = []
            used = self._read_chunks(bytes(data), pieces)
            if pieces:
                events.append(Body(pieces[0] if len(pieces) == 1 else b"".join(pieces)))
            return used
        used = min(len(data), self._left)
        if used and self.in_parts and used >= IN_PARTS:
            events.append(BodyParts((memoryview(data)[:used],), used))
        elif used:
            events.append(Body(bytes(data[:used])))  # a slice of all bytes is not copied
        self._left -= used
        self.complete = not self._left
        return used

    def _read_parts(self, data: bytes | memoryview, events: list[HttpEvent]) -> int:
        """As `read`, of many bytes in large chunks without a copy of them."""
        parts: list[memoryview] = []
        used = self._read_chunks(memoryview(data), parts)
        size = sum(map(len, parts))
        if size >= SMALLEST_PARTS * len(parts) > 0:
            events.append(BodyParts(parts, size))
        elif size:
            events.append(Body(b"".join(parts)))
        return used

    def _read_chunks(self, data: Sliced, pieces: list[Sliced]) -> int:
        """Read chunks (section 7.1) into `pieces`, which become one event. Gives how many bytes were used."""
        at, end = 0, len(data)
        while True:
            if self._at == AT_SIZE:
                match = SIZE_LINE.match(data, at)
                if match is None:
                    if PART_OF_SIZE_LINE.fullmatch(data, at) is None:
                        raise PeerError(self._fault, "a chunk size is malformed")
                    return at
                at = match.end()
                self._sized(int(match[1], 16))
            if self._at == AT_DATA:
                stop = min(at + self._left, end)
                if stop > at:
                    pieces.append(data[at:stop])
                    self._left -= stop - at
                    at = stop
                if self._left:
                    return at
                self._at = AT_END
            if self._at == AT_END:
                if data[at : at + 2] != b"\r\n":
                    if end - at > 1 or (end > at and data[at] != 13):
                        raise PeerError(self._fault, "a chunk does not end where it says")
                    return at
                at += 2
                self._at = AT_SIZE
            elif self._at == AT_TRAILERS:
                return at + self._read_trailers(bytes(data[at:]))

    def _sized(self, size: int) -> None:
        self._left = size
        self._at = AT_DATA if size else AT_TRAILERS
        if not self._answer and size:
            self._chunks += 1
            self._payload += size
            if self._chunks > CHUNKS_FREE and self._payload < self._chunks * SMALLEST_AVERAGE:
                raise PeerError(self._fault, "the chunks are too small")

    def _read_trailers(self, data: bytes) -> int:
        """Read the trailers (section 7.1.2). They are checked like header lines, and dropped (threats B11). Gives how many bytes
        were used."""
        at = 0
        while True:
            stop = data.find(b"\r\n", at)
            size = (len(data) if stop < 0 else stop + 2) - at
            if self._trailers + size > LARGEST_TRAILERS:
                raise PeerError(self._fault, "the trailers are too large")
            if stop < 0:
                if BROKEN_LINE.search(data, at) is not None:
                    raise PeerError(self._fault, "a line does not end in CR LF")
                return at
            line = data[at:stop]
            at = stop + 2
            self._trailers += size
            if not line:
                self.complete = True
                return at
            lines = lines_of(line, self._fault)
            parse_fields(lines, SINGLE_IN_ANSWER if self._answer else SINGLE, self._fault)
