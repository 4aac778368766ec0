"""HTTP/2 for tests: frames and header blocks as bytes, written without our codec, and the codec's events in words."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hpack.hpack import encode_integer

from l7gw.wire import http2_frames as frames
from l7gw.wire.errors import PeerError
from l7gw.wire.events import NO_BODY, End, HttpEvent, Refused, Request, Reset
from l7gw.wire.http2 import ClientConnection, ServerConnection
from l7gw.wire.http2_side import StreamEvent
from tests.support import http1_reading

Pair = tuple[str, str]

GET = ((":method", "GET"), (":scheme", "https"), (":authority", "gw"), (":path", "/a"))
POST = ((":method", "POST"), *GET[1:])
OK = ((":status", "200"),)
HOST = (("host", "gw"),)

END_STREAM, END_HEADERS, PADDED, PRIORITIZED, ACK = 1, 4, 8, 0x20, 1


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">BHBBL", len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(frames.SETTINGS, payload=b"".join(struct.pack(">HL", *pair) for pair in pairs))


def number(kind: int, stream: int, value: int) -> bytes:
    """A RST_STREAM or a WINDOW_UPDATE."""
    return frame(kind, 0, stream, struct.pack(">L", value))


def window(stream: int, more: int) -> bytes:
    return number(frames.WINDOW_UPDATE, stream, more)


def reset(stream: int, code: int = frames.CANCEL) -> bytes:
    return number(frames.RST_STREAM, stream, code)


def goaway(last: int, code: int = frames.NO_ERROR) -> bytes:
    return frame(frames.GOAWAY, payload=struct.pack(">LL", last, code))


def ping(payload: bytes = b"12345678", flags: int = 0) -> bytes:
    return frame(frames.PING, flags, 0, payload)


def data(stream: int, payload: bytes = b"", *, end: bool = False) -> bytes:
    return frame(frames.DATA, END_STREAM if end else 0, stream, payload)


def text(value: str) -> bytes:
    """A string literal without Huffman coding (RFC 7541 section 5.2)."""
    raw = value.encode("latin-1")
    return bytes(encode_integer(len(raw), 7)) + raw


def literal(name: str, value: str, first: int = 0) -> bytes:
    """A field whose name is spelled out. `first` is its first byte: 0 is not indexed, 0x40 is."""
    return bytes((first,)) + text(name) + text(value)


def block(*fields: Pair) -> bytes:
    return b"".join(literal(*field) for field in fields)


def headers(stream: int, *fields: Pair, end: bool = True) -> bytes:
    return head_of(stream, block(*fields), end=end)


def head_of(stream: int, fragment: bytes, *, end: bool = True, rest: bool = False) -> bytes:
    """A HEADERS frame. With `rest`, a CONTINUATION must follow."""
    return frame(frames.HEADERS, (END_STREAM if end else 0) | (0 if rest else END_HEADERS), stream, fragment)


HELLO = frames.PREFACE + settings()
ANSWERED = settings() + frame(frames.SETTINGS, ACK)  # how a server begins


def get(stream: int = 1, *fields: Pair) -> bytes:
    return headers(stream, *GET, *fields)


def post(stream: int = 1, *fields: Pair) -> bytes:
    return headers(stream, *POST, *fields, end=False)


# ---------------------------------------------------------------------- connections


def server(data: bytes = b"") -> ServerConnection:
    """A server's connection that has read a client's opening and these bytes."""
    connection = ServerConnection()
    connection.receive(HELLO)
    connection.take()
    if data:
        connection.receive(data)
    return connection


def asked(*methods: str) -> ClientConnection:
    """A client's connection that has sent these requests on streams 1, 3, 5..., before it read anything from the server."""
    connection = ClientConnection()
    for method in methods:
        stream = connection.open()
        connection.send(stream, Request(method, "/a", HOST, NO_BODY))
        connection.send(stream, End())
    connection.take()
    return connection


def client(data: bytes = b"", methods: Sequence[str] = ("GET",)) -> ClientConnection:
    """A client's connection that has sent these requests, and has read a server's opening and these bytes."""
    connection = asked(*methods)
    connection.receive(ANSWERED + data)
    connection.take()
    return connection


def sent(connection: ServerConnection | ClientConnection, stream: int, *events: HttpEvent) -> list[str]:
    """The frames that a connection makes of these events, in words."""
    for event in events:
        connection.send(stream, event)
    return seen(connection.take())


def refused(connection: ServerConnection | ClientConnection, data: bytes) -> int:
    """The code with which these bytes end a connection; -1 where it goes on."""
    try:
        connection.receive(data)
    except PeerError as error:
        assert connection.over and connection.receive(ping()) == [] and connection.streams == 0
        last = frames_of(connection.take())[-1]
        assert last[0] == frames.GOAWAY and struct.unpack(">L", last[3][4:8]) == (error.code,)
        return error.code
    assert not connection.over
    return -1


# ---------------------------------------------------------------------- in words


def frames_of(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Type, flags, stream and payload of each frame. All frames must be whole."""
    found = []
    while data:
        high, low, kind, flags, stream = struct.unpack_from(">BHBBL", data)
        end = 9 + (high << 16 | low)
        assert end <= len(data)
        found.append((kind, flags, stream, data[9:end]))
        data = data[end:]
    return found


NAMES = ("data", "headers", "priority", "reset", "settings", "push", "ping", "goaway", "window", "continuation")


def seen(data: bytes) -> list[str]:
    """Frames in words: for each its kind, its stream, its content, and `end` where it ends the stream."""
    return [_seen(*one) for one in frames_of(data)]


def _seen(kind: int, flags: int, stream: int, payload: bytes) -> str:
    words = [NAMES[kind], str(stream)]
    if kind == frames.DATA:
        words.append(repr(payload)[2:-1] if len(payload) < 20 else f"({len(payload)})")
    elif kind in (frames.RST_STREAM, frames.WINDOW_UPDATE):
        words.append(str(int.from_bytes(payload, "big")))
    elif kind == frames.GOAWAY:
        words += map(str, struct.unpack_from(">LL", payload))
    elif kind == frames.PING:
        words.append(repr(payload)[2:-1])
    if flags & 1:
        words.append("end" if kind in (frames.DATA, frames.HEADERS) else "ack")
    return " ".join(word for word in words if word)


def shown(events: Sequence[StreamEvent]) -> str:
    """Events in the words of the vectors."""
    return " | ".join(f"{stream} {_shown(event)}" for stream, event in events)


def _shown(event: HttpEvent) -> str:
    if isinstance(event, Refused):
        return f"refused {event.status}{f' then reset {event.fault}' if event.fault else ''}"
    if isinstance(event, Reset):
        return f"reset {event.code}{' unread' if event.unread else ''}"
    return http1_reading.shown([event])
