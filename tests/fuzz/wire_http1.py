"""HTTP/1.1 of any bytes has one reading, or is refused with PeerError; a cut anywhere changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from l7gw.wire.errors import PeerError
from l7gw.wire.events import NO_BODY, Body, End, HttpEvent, Raw, Request, Response
from l7gw.wire.http1 import ServerConnection
from l7gw.wire.http1_client import ClientConnection

WORDS = [
    *(f"{method} / HTTP/1.1\r\nhost: a\r\n".encode() for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS")),
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 101 Switching Protocols\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.0",
    b"Host: a\r\n", b"content-length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
    b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n", b"Upgrade: SPDY/3.1\r\n", b"Expect: 100-continue\r\n",
    b"\r\n", b"\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"\n", b"\r", b": ", b"\t", b"\0", b"\x80",
]  # fmt: skip
RUNS = 5000

Outcome = tuple[list[HttpEvent], int, bool]  # the events, the refusal's code or 0, whether the connection may be used again


def one(data: bytes) -> None:
    """Either role gives the same events, or the same refusal, whole and cut in two; what is accepted means the same when it is
    written anew; and nothing but PeerError is raised."""
    cut = sum(data[:4]) * len(data) // 1021 if data else 0
    for answer in (200, 403):
        whole = served([data], answer)
        _same(whole, served([data[:cut], data[cut:]], answer))
        for event in whole[0]:
            if isinstance(event, Request):
                assert meaning(rewritten(event)) == meaning(event)
    for method, upgrade in (("GET", ""), ("HEAD", ""), ("GET", "websocket")):
        _same(answered([data], method, upgrade), answered([data[:cut], data[cut:]], method, upgrade))


def _same(whole: Outcome, cut: Outcome) -> None:
    assert whole[1:] == cut[1:]
    if whole[1]:  # a refused read gives none of its events, so the cut bytes may give more of them
        assert whole[0] == cut[0][: len(whole[0])]
    else:
        assert whole[0] == cut[0]


def served(pieces: Sequence[bytes], answer: int = 200) -> Outcome:
    """What a server reads that answers each request as soon as it is complete. Where `answer`
    is 200, it answers an upgrade with 101."""
    connection = ServerConnection()
    events: list[HttpEvent] = []
    try:
        for piece in pieces:
            came = connection.receive(piece) if piece else []
            while came:
                events += came
                came = _answer(connection, came, answer)
    except PeerError as error:
        assert connection.answerable, "whoever is refused is told so"
        assert connection.must_close and connection.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == connection.resume() == []
        return merged(events), error.code, False
    return merged(events), 0, not connection.must_close


def _answer(connection: ServerConnection, came: list[HttpEvent], answer: int) -> list[HttpEvent]:
    if not isinstance(came[-1], End):
        return []
    upgrade = next((event.upgrade for event in came if isinstance(event, Request)), "")
    if upgrade and answer == 200:
        connection.send(Response(101, (), upgrade=upgrade))
    else:
        connection.send(Response(answer, (), 2))
        connection.send(Body(b"ok"))
        connection.send(End())
    return connection.resume()


def answered(pieces: Sequence[bytes], method: str = "GET", upgrade: str = "") -> Outcome:
    """What a client reads that has sent one request."""
    connection = ClientConnection()
    connection.send(Request(method, "/", (("host", "a"),), upgrade=upgrade))
    connection.send(End())
    events: list[HttpEvent] = []
    try:
        for piece in pieces:
            # Bytes behind a complete answer are surplus, in the same read or in the next.
            if piece and not (events and isinstance(events[-1], End)):
                events += connection.receive(piece)
            elif piece:
                return merged(events), 0, False
    except PeerError as error:
        assert not connection.reusable and connection.receive(b"HTTP/1.1 204 No Content\r\n\r\n") == []
        return merged(events), error.code, False
    return merged(events), 0, connection.reusable


def merged(events: Sequence[HttpEvent]) -> list[HttpEvent]:
    """The events, with neighbouring bytes joined, as the ends of reads mean nothing."""
    found: list[HttpEvent] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, Body) and isinstance(last, Body):
            found[-1] = Body(last.data + event.data)
        elif isinstance(event, Raw) and isinstance(last, Raw):
            found[-1] = Raw(last.data + event.data)
        else:
            found.append(event)
    return found


def rewritten(request: Request) -> Request:
    """The request, written by a client of ours and read by a server of ours."""
    client, server = ClientConnection(), ServerConnection()
    client.send(request)
    (again, *_) = server.receive(client.take())
    assert isinstance(again, Request)
    return again


def meaning(request: Request) -> Request:
    """A request without what belongs to its connection or is spelled in two ways."""
    length = 0 if request.length == NO_BODY and request.method in ("POST", "PUT", "PATCH") else request.length
    return msgspec.structs.replace(
        request, length=length, keep_alive=request.keep_alive or bool(request.upgrade), expects_continue=False
    )
