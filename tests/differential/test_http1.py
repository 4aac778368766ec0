"""HTTP/1.1 against h11 in both roles, cut anywhere; and against itself: a message that is written is read as the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Body, End, HttpEvent, Request, Response
from l7gw.wire.http1 import ServerConnection
from l7gw.wire.http1_client import ClientConnection
from l7gw.wire.semantics import DECIDING, LISTS, SINGLE, SINGLE_IN_ANSWER, UNTOLD, VISIBLE
from tests.fuzz.wire_http1 import meaning, merged
from tests.support.http1_reading import GET, sent, ways

TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAMED = DECIDING | LISTS | SINGLE | SINGLE_IN_ANSWER
names = st.text(TOKEN, min_size=1, max_size=12).map(str.lower).filter(lambda name: name not in NAMED)
values = st.text([chr(byte) for byte in VISIBLE if byte < 0x80], max_size=20).map(lambda value: value.strip(" \t"))
targets = st.text([chr(byte) for byte in range(0x21, 0x7F) if byte != ord("#")], max_size=30).map(lambda rest: "/" + rest)
bodies = st.lists(st.binary(max_size=40), max_size=4)
cuts = st.lists(st.integers(0, 400), max_size=5)


def fields(fixed: tuple[tuple[str, str], ...] = ()) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    return st.lists(st.tuples(names, values), max_size=6).map(lambda pairs: (*fixed, *pairs))


@st.composite
def requests(draw: st.DrawFn) -> tuple[Request, list[bytes]]:
    """A request that any client may send, and its body."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]))
    headers = draw(fields((("host", "gw:6443"),)))
    if method in ("GET", "HEAD"):
        return Request(method, draw(targets), headers, keep_alive=draw(st.booleans())), []
    body = draw(bodies)
    length = draw(st.sampled_from([CHUNKED, sum(map(len, body))]))
    return Request(method, draw(targets), headers, length, draw(st.booleans())), body


@st.composite
def responses(draw: st.DrawFn) -> tuple[Response, list[bytes]]:
    """An answer to a GET, and its body."""
    status = draw(st.integers(200, 599))
    headers, keep_alive = draw(fields()), draw(st.booleans())
    if status in (204, 304):
        return Response(status, headers, NO_BODY, keep_alive), []
    body = draw(bodies)
    return Response(status, headers, draw(st.sampled_from([CHUNKED, sum(map(len, body))])), keep_alive), body


def pieces(data: bytes, marks: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(data), *(mark for mark in marks if mark < len(data))})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def message(head: Request | Response, body: list[bytes]) -> list[HttpEvent]:
    return merged([head, *(Body(piece) for piece in body if piece), End()])


# ---------------------------------------------------------------------- our codec against itself (threats A9)


@given(requests(), cuts)
def test_a_request_that_is_written_is_read_as_the_same(one: tuple[Request, list[bytes]], marks: list[int]) -> None:
    head, body = one
    data = sent(ClientConnection(), head, *map(Body, body), End())
    server = ServerConnection()
    events = merged([event for piece in pieces(data, marks) for event in server.receive(piece)])
    assert isinstance(events[0], Request)
    assert [meaning(events[0]), *events[1:]] == message(meaning(head), body)


@given(responses(), cuts)
def test_an_answer_that_is_written_is_read_as_the_same(one: tuple[Response, list[bytes]], marks: list[int]) -> None:
    head, body = one
    server, client = ServerConnection(), ClientConnection()
    server.receive(sent(client, Request("GET", "/", (("host", "a"),)), End()))
    data = sent(server, head, *map(Body, body), End())
    events = [event for piece in pieces(data, marks) for event in client.receive(piece)]
    assert merged(events) == message(head, body)
    assert client.reusable == head.keep_alive != server.must_close


# ---------------------------------------------------------------------- h11


def h11_events(connection: h11.Connection, data: bytes) -> tuple[list[Any], bytes]:
    """What h11 reads: the events of heads and ends, and the bytes of the body."""
    connection.receive_data(data)
    events: list[Any] = []
    body = b""
    while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        if isinstance(event, h11.Data):
            body += bytes(event.data)
        else:
            events.append(event)
    return events, body


def plain(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """The headers of h11, without those that our events tell in other fields."""
    return [(name.decode(), value.decode("latin-1")) for name, value in headers if name.decode() not in UNTOLD]


def h11_length(length: int) -> list[tuple[str, str]]:
    return (
        [("transfer-encoding", "chunked")] if length == CHUNKED else [] if length == NO_BODY else [("content-length", str(length))]
    )


@given(requests())
def test_h11_reads_our_request_as_we_meant_it(one: tuple[Request, list[bytes]]) -> None:
    head, body = one
    events, came = h11_events(h11.Connection(h11.SERVER), sent(ClientConnection(), head, *map(Body, body), End()))
    assert [type(event) for event in events] == [h11.Request, h11.EndOfMessage]
    assert (events[0].method.decode(), events[0].target.decode()) == (head.method, head.target)
    assert plain(events[0].headers) == list(head.headers)
    assert came == b"".join(body)


@given(requests(), cuts)
def test_our_server_reads_h11s_request_as_it_was_meant(one: tuple[Request, list[bytes]], marks: list[int]) -> None:
    head, body = one
    client = h11.Connection(h11.CLIENT)
    framing = h11_length(head.length) + ([] if head.keep_alive else [("connection", "close")])
    data = client.send(h11.Request(method=head.method, target=head.target, headers=[*head.headers, *framing]))
    data += b"".join(client.send(h11.Data(data=piece)) for piece in body) + client.send(h11.EndOfMessage())
    server = ServerConnection()
    events = merged([event for piece in pieces(data, marks) for event in server.receive(piece)])
    assert events == message(head, body)


@given(responses())
def test_h11_reads_our_answer_as_we_meant_it(one: tuple[Response, list[bytes]]) -> None:
    head, body = one
    client, server = h11.Connection(h11.CLIENT), ServerConnection()
    server.receive(client.send(h11.Request(method="GET", target="/", headers=[("host", "gw")])) + client.send(h11.EndOfMessage()))
    events, came = h11_events(client, sent(server, head, *map(Body, body), End()))
    assert [type(event) for event in events] == [h11.Response, h11.EndOfMessage] and events[0].status_code == head.status
    assert plain(events[0].headers) == list(head.headers) and came == b"".join(body)
    assert (client.their_state is h11.MUST_CLOSE) == (not head.keep_alive)


@given(responses(), cuts)
def test_our_client_reads_h11s_answer_as_it_was_meant(one: tuple[Response, list[bytes]], marks: list[int]) -> None:
    head, body = one
    client, server = ClientConnection(), h11.Connection(h11.SERVER)
    h11_events(server, sent(client, Request("GET", "/", (("host", "gw"),)), End()))
    framing = h11_length(head.length) + ([] if head.keep_alive else [("connection", "close")])
    data = server.send(h11.Response(status_code=head.status, headers=[*head.headers, *framing]))
    data += b"".join(server.send(h11.Data(data=piece)) for piece in body) + server.send(h11.EndOfMessage())
    assert merged([event for piece in pieces(data, marks) for event in client.receive(piece)]) == message(head, body)
    assert client.reusable == head.keep_alive


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_conversation_with_h11_goes_on_over_one_connection_however_it_is_cut(method: str) -> None:
    def conversation(client_cut: int) -> None:
        client, server = h11.Connection(h11.CLIENT), ServerConnection()
        for number in range(3):
            data = client.send(h11.Request(method=method, target=f"/{number}", headers=[("host", "gw")]))
            data += client.send(h11.EndOfMessage())
            events = [event for piece in pieces(data, [client_cut]) for event in server.receive(piece)]
            assert events == [Request(method, f"/{number}", (("host", "gw"),)), End()]
            answered, body = h11_events(client, sent(server, Response(200, (), 2), Body(b"ok"), End()))
            assert len(answered) == 2 and body == (b"" if method == "HEAD" else b"ok")
            assert server.resume() == []
            client.start_next_cycle()

    for cut in range(40):
        conversation(cut)


def test_a_request_that_we_take_is_read_alike_by_h11() -> None:
    """Any byte in any place of a request: h11 and our codec never read two different requests."""
    base = b"POST /a HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    taken = 0
    for at, byte in itertools.product(range(len(base)), range(256)):
        data = base[:at] + bytes((byte,)) + base[at + 1 :]
        try:
            ours = merged(ServerConnection().receive(data))
        except PeerError:
            continue
        if not ours:
            continue
        taken += 1
        theirs, body = h11_events(h11.Connection(h11.SERVER), data)
        head = ours[0]
        assert isinstance(head, Request)
        assert (theirs[0].method.decode(), theirs[0].target.decode()) == (head.method, head.target)
        assert plain(theirs[0].headers) == list(head.headers)
        assert body == b"".join(event.data for event in ours if isinstance(event, Body))
        assert isinstance(theirs[-1], h11.EndOfMessage) == isinstance(ours[-1], End)
    assert taken > 500


def test_a_request_is_read_alike_whole_in_bytes_cut_and_with_another_behind() -> None:
    head = Request("GET", "/a", (("host", "gw"),))
    for behind in (b"", GET, b"\n"):
        for parts in ways(GET + behind):
            server = ServerConnection()
            assert [event for part in parts for event in server.receive(part)] == [head, End()]
