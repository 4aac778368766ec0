"""HTTP/1.1 messages for tests, and the events that our codec reads from bytes, in words."""

from __future__ import annotations

from collections.abc import Sequence

from l7gw.wire.events import CHUNKED, NO_BODY, Body, End, HttpEvent, Informational, Raw, Request, Response
from l7gw.wire.http1 import ServerConnection
from l7gw.wire.http1_client import ClientConnection
from tests.fuzz.wire_http1 import answered, served

GET = b"GET /a HTTP/1.1\r\nHost: gw\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\n\r\n"
STREAM = b"POST /a HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET /exec HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def shown(events: Sequence[HttpEvent]) -> str:
    """Events in the words of the vectors."""
    return " | ".join(map(_shown, events))


def _shown(event: HttpEvent) -> str:
    match event:
        case Request(method, target):
            return f"request {method} {target}{_details(event)}{' expects-continue' if event.expects_continue else ''}"
        case Response(status):
            return f"response {status}{_details(event)}"
        case Informational(status):
            return f"interim {status}"
        case Body(data) | Raw(data):
            return f"{type(event).__name__.lower()} {repr(data)[2:-1]}"
    return type(event).__name__.lower()


def _details(event: Request | Response) -> str:
    length = {CHUNKED: " chunked", NO_BODY: ""}.get(event.length, f" length={event.length}")
    return length + ("" if event.keep_alive else " close") + (f" upgrade={event.upgrade}" if event.upgrade else "")


def ways(data: bytes) -> list[list[bytes]]:
    """The ways to feed bytes to a codec: whole, byte by byte, and cut in two at each byte."""
    return [[data], [bytes((byte,)) for byte in data], *([data[:at], data[at:]] for at in range(1, len(data)))]


def refusal(data: bytes, *, client: bool = False) -> int:
    """The code with which bytes are refused, the same whole and byte by byte; 0 where they are accepted."""
    read = answered if client else served
    codes = {read(pieces)[1] for pieces in ([data], [bytes((byte,)) for byte in data])}
    assert len(codes) == 1, codes
    return codes.pop()


def request(data: bytes = GET) -> ServerConnection:
    """A server's connection that has read these bytes."""
    connection = ServerConnection()
    connection.receive(data)
    return connection


def sent(connection: ServerConnection | ClientConnection, *events: HttpEvent) -> bytes:
    for event in events:
        connection.send(event)
    return connection.take()


def asked(method: str = "GET", *, upgrade: str = "", keep_alive: bool = True) -> ClientConnection:
    """A client's connection that has sent a request."""
    connection = ClientConnection()
    sent(connection, Request(method, "/a", (("host", "gw"),), NO_BODY, keep_alive, upgrade), End())
    return connection


def padded(start: bytes, size: int) -> bytes:
    """A head of exactly `size` bytes with its empty line; `start` is its beginning without that line."""
    room = size - len(start) - len(b"x: \r\n\r\n")
    return start + b"x: " + b"v" * room + b"\r\n\r\n"
