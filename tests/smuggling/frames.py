"""HTTP/2 vectors: a small language for frames, which is made bytes; and the client that reads the answers.

A line without indentation is a frame, `NAME key=value ...`; the indented lines below are what is in it. `stream` is 1 where
nothing is said. `\\xNN` is a byte.

    HEADERS end_stream=1         fields, `name: value`. end_headers=0; padding=N bytes; pad_length=N announces another
      :method: GET               number; depends=STREAM adds a priority; cut=N,M cuts the block there into CONTINUATIONs;
      :path: /api                block=HEX is a block of its own instead of fields
    CONTINUATION end_headers=1   more fields, or block=HEX
    DATA end_stream=1            text, its lines joined as they stand; padding, pad_length
      hello
    RST code=8, PRIORITY depends=1, WINDOW by=0, PING, GOAWAY, PUSH promised=2, SETTINGS 4=0 (ack=1)
    FRAME type=66 flags=1        any frame; its payload in hex; length=N announces another length
      00ff
    BYTES                        hex, as it is
      00ff

Every frame takes `flags=N` (added to its own), `reserved=1` (the stream's first bit) and `times=N` (so often).
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from itertools import pairwise

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
TYPES = {"DATA": 0, "HEADERS": 1, "PRIORITY": 2, "RST": 3, "SETTINGS": 4, "PUSH": 5, "PING": 6, "GOAWAY": 7, "WINDOW": 8}
TYPES["CONTINUATION"] = 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 32
ACK = 1


@dataclass
class Line:
    """One frame as the text says it."""

    name: str
    keys: dict[str, str]
    content: list[str] = field(default_factory=list)

    def number(self, key: str, default: int = 0) -> int:
        return int(self.keys.get(key, str(default)), 0)


def lines(text: str) -> list[Line]:
    """The frames of a vector. Raises ValueError where a line is neither a frame nor content of one."""
    found: list[Line] = []
    for line in text.splitlines():
        if line.startswith("  "):
            found[-1].content.append(line[2:])
        elif line:
            name, *pairs = line.split(" ")
            if name not in TYPES and name not in ("FRAME", "BYTES"):
                raise ValueError(f"no frame: {line!r}")
            found.append(Line(name, dict(pair.split("=", 1) for pair in pairs)))
    return found


def opened(text: str) -> set[int]:
    """The streams on which the vector sends a request."""
    asked = [line for line in lines(text) if line.name == "HEADERS"]
    return {stream for line in asked if (stream := line.number("stream", 1)) % 2 == 1}


def unescape(text: str) -> bytes:
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text.encode("latin-1"))


def fields(content: list[str]) -> list[tuple[bytes, bytes]]:
    found = []
    for line in content:
        match = re.fullmatch(r"(:?[^:]*):(?: (.*))?", line)
        if match is None:
            raise ValueError(f"no field: {line!r}")
        found.append((unescape(match[1]), unescape(match[2] or "")))
    return found


def frame(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


class Writer:
    """The bytes of a vector's text, which the client writes behind its preface and settings."""

    def __init__(self) -> None:
        self._encoder = hpack.Encoder()

    def write(self, text: str) -> bytes:
        out = b""
        for line in lines(text):
            for _ in range(line.number("times", 1)):
                out += self._frame(line)
        return out

    def _frame(self, line: Line) -> bytes:
        if line.name == "BYTES":
            return bytes.fromhex("".join(line.content))
        connection_wide = line.name in ("SETTINGS", "PING", "GOAWAY")
        stream = line.number("stream", 0 if connection_wide else 1) | line.number("reserved") << 31
        flags = line.number("flags") | (END_STREAM if line.number("end_stream") else 0)
        length = line.number("length") if "length" in line.keys else None
        if line.name == "FRAME":
            return frame(line.number("type"), flags, stream, bytes.fromhex("".join(line.content)), length)
        if line.name in ("HEADERS", "CONTINUATION"):
            return self._headers(line, flags, stream)
        payload, more = self._payload(line)
        return frame(TYPES[line.name], flags | more, stream, payload, length)

    def _payload(self, line: Line) -> tuple[bytes, int]:
        if line.name == "DATA":
            return _padded(line, unescape("\n".join(line.content)))
        if line.name == "SETTINGS":
            pairs = [(int(key), int(value)) for key, value in line.keys.items() if key.isdigit()]
            return b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs), line.number("ack")
        if line.name == "PUSH":
            return line.number("promised", 2).to_bytes(4, "big") + self._block(line), END_HEADERS
        if line.name == "PRIORITY":
            return line.number("depends").to_bytes(4, "big") + b"\x0f", 0
        if line.name == "PING":
            return b"smuggled", line.number("ack")
        if line.name == "GOAWAY":
            return bytes(4) + line.number("code").to_bytes(4, "big"), 0
        return line.number("code" if line.name == "RST" else "by").to_bytes(4, "big"), 0

    def _block(self, line: Line) -> bytes:
        if "block" in line.keys:
            return bytes.fromhex(line.keys["block"])
        return bytes(self._encoder.encode(fields(line.content)))

    def _headers(self, line: Line, flags: int, stream: int) -> bytes:
        block = self._block(line)
        cuts = [0, *(int(cut) for cut in line.keys.get("cut", "").split(",") if cut), len(block)]
        pieces = [block[start:stop] for start, stop in pairwise(cuts)]
        ends = END_HEADERS if line.number("end_headers", 1) else 0
        if line.name == "CONTINUATION":
            return frame(9, flags | ends, stream, block)
        first = pieces[0]
        if "depends" in line.keys:
            first = line.number("depends").to_bytes(4, "big") + b"\x0f" + first
            flags |= PRIORITY
        first, padded = _padded(line, first)
        out = frame(1, flags | padded | (ends if len(pieces) == 1 else 0), stream, first)
        for number, piece in enumerate(pieces[1:], 2):
            out += frame(9, ends if number == len(pieces) else 0, stream, piece)
        return out


def _padded(line: Line, payload: bytes) -> tuple[bytes, int]:
    if "padding" not in line.keys:
        return payload, 0
    padding = line.number("padding")
    return bytes((line.number("pad_length", padding),)) + payload + bytes(padding), PADDED


@dataclass
class Reader:
    """The client's reading side: final statuses, resets, and the answers that it owes (SETTINGS, PING)."""

    statuses: list[int] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    reset: set[int] = field(default_factory=set)
    failed: bool = False  # GOAWAY with an error
    last: int = 2**31  # the last stream that is answered, as GOAWAY says
    _buffer: bytes = b""
    _block: bytes = b""
    _ends: bool = False
    _decoder: hpack.Decoder = field(default_factory=hpack.Decoder)

    def receive(self, data: bytes) -> bytes:
        """Read these bytes. Gives the bytes to write in answer."""
        self._buffer += data
        out = b""
        while len(self._buffer) >= 9:
            size = int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) < 9 + size:
                break
            kind, flags = self._buffer[3], self._buffer[4]
            stream = int.from_bytes(self._buffer[5:9], "big") & 0x7FFFFFFF
            payload, self._buffer = self._buffer[9 : 9 + size], self._buffer[9 + size :]
            out += self._take(kind, flags, stream, payload)
        return out

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        if kind in (0, 1) and flags & END_STREAM:
            self._ends = True
        if kind in (1, 9):
            if flags & PADDED and kind == 1:
                payload = payload[1 : len(payload) - payload[0]]
            self._block += payload[5:] if kind == 1 and flags & PRIORITY else payload
            if flags & END_HEADERS:
                pairs = dict(self._decoder.decode(self._block, raw=True))
                self._block = b""
                status = int(pairs.get(b":status", b"0"))
                if status >= 200 or status == 101:
                    self.statuses.append(status)
        elif kind == 3:
            self.reset.add(stream)
        elif kind == 7:
            self.last = int.from_bytes(payload[:4], "big")
            self.failed = self.failed or payload[4:8] != bytes(4)
        elif kind == 4 and not flags & ACK:
            return frame(4, ACK, 0, b"")
        elif kind == 6 and not flags & ACK:
            return frame(6, ACK, 0, payload)
        if self._ends and kind in (0, 1, 9) and (kind == 0 or flags & END_HEADERS):
            self.ended.add(stream)
            self._ends = False
        return b""


def chose_h2(client: ssl.SSLSocket) -> bool:
    return client.selected_alpn_protocol() == "h2"
