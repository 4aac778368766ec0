"""HTTP/2 of any bytes has one reading, or is refused with PeerError; a cut anywhere changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import h2.config
import h2.connection
import h2.events

from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Body, End, Refused, Request, Response
from l7gw.wire.http2 import ClientConnection, ServerConnection
from l7gw.wire.http2_frames import PREFACE
from l7gw.wire.http2_limits import MOST_STREAMS
from l7gw.wire.http2_side import StreamEvent
from l7gw.wire.semantics import BODILESS
from tests.fuzz.wire_http1 import meaning

SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
ASKED = ("GET", "HEAD", "POST")

WORDS = [
    SETTINGS, b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0", b"\0\0\0\x04\x01\0\0\0\0", b"\0\0\x08\x06\0\0\0\0\0pingpong",
    b"\0\0\x04\x08\0\0\0\0\0\0\1\0\0", b"\0\0\x04\x08\0\0\0\0\x01\0\1\0\0", b"\0\0\x04\x08\0\0\0\0\x01\x7f\xff\xff\xff",
    b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08", b"\0\0\x08\x07\0\0\0\0\0\0\0\0\1\0\0\0\0", b"\0\0\x05\x02\0\0\0\0\1\0\0\0\0\0",
    b"\0\0\x05\0\0\0\0\0\x01hello", b"\0\0\0\0\x01\0\0\0\x01", b"\0\0\x04\0\x09\0\0\0\x03\1ab\0", b"\0\0\0\x4a\0\0\0\0\0",
    b"\0\0\x08\x01\x05\0\0\0\x01\x82\x87\x84\x01\x03gw1", b"\0\0\x07\x01\x04\0\0\0\x03\x83\x87\x84\x41\x02gw",
    b"\0\0\x09\x01\x05\0\0\0\x05\x82\x87\x84\xbe\x40\1x\1y", b"\0\0\x03\x01\x01\0\0\0\x07\x82\x87\x84", b"\0\0\x01\x01\x04\0\0\0\x01\x88",
    b"\0\0\x04\x09\x04\0\0\0\x07\x01\x02gw", b"\0\0\x05\x01\x05\0\0\0\x01\0\1a\1b", b"\x82\x87\x84\x01\x02gw", b"\x83", b"\x88", b"\x8d",
    b"\x40\x01x\x01y", b"\x0f\x0d\x015", b"\x5c\x015", b"\xbe", b"\xbf", b"\x20", b"\x3f\xe1\x1f", b"\x41\x83\x9c\xab\xff", b"\x48\x03103",
]  # fmt: skip
RUNS = 3000

Outcome = tuple[list[StreamEvent], int, bytes]  # the events, the code that the connection ended with or -1, what was written


def one(data: bytes) -> None:
    """Either role gives the same events and writes the same, or is refused the same, whole, cut in two and byte by byte; what is
    accepted means the same when it is written anew, to us and to h2; and nothing but PeerError is raised."""
    cut = sum(data[:4]) * len(data) // 1021 if data else 0
    for read in (served, answered):
        whole = read([data])
        for pieces in ([data[:cut], data[cut:]], [data[at : at + 1] for at in range(len(data))] if len(data) < 200 else [data]):
            other = read(pieces)
            assert other[1:] == whole[1:]
            assert other[0] == whole[0] or whole[1] >= 0
    for _, event in served([data])[0]:
        if isinstance(event, Request):
            _means_the_same(event)


def served(pieces: Sequence[bytes]) -> Outcome:
    """What a server reads behind a client's opening, unless the bytes have their own. Each request is answered in the end."""
    connection = ServerConnection()
    data = b"".join(pieces)
    if not data.startswith(PREFACE[:4]):
        connection.receive(PREFACE + SETTINGS)
    events, code = _read(connection, pieces)
    written = connection.take()
    requests = list(dict.fromkeys(stream for stream, event in events if isinstance(event, Request | Refused)))
    assert connection.streams <= min(len(requests), MOST_STREAMS)
    if code < 0:
        for number, stream in enumerate(requests):
            connection.send(stream, Response(200, (), (CHUNKED, 2, NO_BODY, 0)[number % 4]))
            connection.send(stream, Body(b"ok"))
            connection.send(stream, End())
            written += connection.take()
    return events, code, written


def answered(pieces: Sequence[bytes]) -> Outcome:
    """What a client reads that has sent `ASKED` on streams 1, 3 and 5. The last request has a body that is still to be sent."""
    connection = ClientConnection()
    for method in ASKED:
        stream = connection.open()
        connection.send(stream, Request(method, "/a", (("host", "gw"),), CHUNKED if method == "POST" else NO_BODY))
        if method != "POST":
            connection.send(stream, End())
    if b"".join(pieces)[3:4] != SETTINGS[3:4]:
        connection.receive(SETTINGS)
    events, code = _read(connection, pieces)
    connection.send(5, Body(b"x" * 100_000))
    connection.send(5, End())
    return events, code, connection.take()


def _read(connection: ServerConnection | ClientConnection, pieces: Sequence[bytes]) -> tuple[list[StreamEvent], int]:
    events: list[StreamEvent] = []
    for piece in pieces:
        try:
            events += connection.receive(piece) if piece else []
        except PeerError as error:
            assert connection.over and connection.streams == 0
            return events, error.code
    return events, -1


def _means_the_same(request: Request) -> None:
    told = meaning(request)
    client, server = ClientConnection(), ServerConnection()
    client.send(client.open(), request)
    written = client.take()
    ((_, again), *_) = server.receive(written)
    if again == Refused(431, again.reason if isinstance(again, Refused) else ""):
        return  # by the Content-Length of nothing that we say
    assert isinstance(again, Request) and meaning(again) == told
    assert read_by_h2(written) == told


def read_by_h2(data: bytes) -> Request:
    """The only request in these bytes, as h2 reads it."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=False))
    connection.initiate_connection()
    events = connection.receive_data(data)
    (came,) = [event for event in events if isinstance(event, h2.events.RequestReceived)]
    ended = any(isinstance(event, h2.events.StreamEnded) for event in events)
    return request_of(came.headers, ended)


def request_of(headers: Sequence[tuple[bytes, bytes]], ended: bool) -> Request:
    """A request of h2, in our events."""
    fields = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]
    told = dict(fields)
    bodiless = ended or told[":method"] in BODILESS
    length = int(told["content-length"]) if "content-length" in told else NO_BODY if bodiless else CHUNKED
    kept = [
        (name, value)
        for name, value in fields
        if name[0] != ":" and name not in ("content-length", "host", "te", "trailer", "expect")
    ]
    host = told.get(":authority", told.get("host", ""))
    return meaning(Request(told[":method"], told[":path"], (("host", host), *kept), length))
