"""Messages that are sent and read whole, in one call, are those that are sent and read part by part: the same bytes, the same events,
and the same state behind them, for every kind of request and answer."""

from __future__ import annotations

import contextlib
import itertools

import pytest

from l7gw.wire import http1, http2_frames
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import CHUNKED, END, NO_BODY, Body, ReadyHead, Request, Response
from l7gw.wire.http1_client import ClientConnection
from tests.support.http1_reading import GET, POST, UPGRADE
from tests.support.http2_reading import GET as FIELDS
from tests.support.http2_reading import get, headers, server, settings

HEAD = GET.replace(b"GET", b"HEAD")
OLD = GET.replace(b"1.1", b"1.0")
CLOSE = GET[:-2] + b"Connection: close\r\n\r\n"
REQUESTS = {"get": GET, "head": HEAD, "1.0": OLD, "close": CLOSE, "post": POST, "posted": POST + b"hello", "upgrade": UPGRADE}
STATUSES = (200, 204, 304, 500)
BODIES = (b"", b"x", b"y" * (http1.LARGE - 1), b"z" * http1.LARGE)


def _http1(connection: http1.ServerConnection) -> tuple[object, ...]:
    """What is written, and how the connection goes on."""
    written = b"".join(map(bytes, connection.take_apart()))
    behind = connection.resume() if not connection.must_close else []
    state = connection.reading, connection.writing, connection.must_close, connection.request_complete, connection.answerable
    return written, behind, state, connection.receive(GET) if connection.request_complete else None


@pytest.mark.parametrize("name", REQUESTS)
def test_an_answer_over_http1_is_that_of_its_parts(name: str) -> None:
    heads = itertools.product(STATUSES, BODIES, (0, 1), (True, False), (True, False), (b"", GET))
    for status, body, more, keeps, ready, held in heads:
        answers: list[object] = []
        for whole in (True, False):
            connection = http1.ServerConnection()
            connection.receive(REQUESTS[name])
            if held and connection.request_complete:
                connection.receive(held)
            length = len(body) + more
            response = Response(status, (("audit-id", "a-1"),), length, keep_alive=keeps, ready=ReadyHead() if ready else None)
            try:
                if whole:
                    connection.send_whole(response, Body(body))
                else:
                    for event in (response, Body(body), END):
                        connection.send(event)
            except OurError as error:
                answers.append(str(error))
            else:
                answers.append(_http1(connection))
        assert answers[0] == answers[1], (status, len(body), more, keeps, ready, held)


@pytest.mark.parametrize("data", [GET, HEAD, OLD, CLOSE, POST[:-5] + b"0\r\n\r\n", UPGRADE, GET + GET])
def test_a_head_that_came_before_is_read_as_at_first(data: bytes) -> None:
    read = [_again(data, pieces) for pieces in ([data], [data[:7], data[7:]])]
    assert read[0] == read[1]


def _again(data: bytes, pieces: list[bytes]) -> list[object]:
    """How a connection that has answered `data` before reads it in these pieces, where it goes on at all."""
    connection = http1.ServerConnection()
    events = connection.receive(data)
    while connection.reading == http1.WAIT and not connection.must_close:
        connection.send_whole(Response(200, (), 2), Body(b"ok"))
        connection.take()
        again = connection.resume()
        if not again:
            break
        events += again
    if connection.reading == http1.HEAD:
        events += [event for piece in pieces for event in connection.receive(piece)]
    return [events, connection.reading, connection.writing, connection.must_close, connection.resume()]


REQUESTED = [
    Request("GET", "/a", (("audit-id", "1"),)),
    Request("GET", "/a", (("audit-id", "1"),), ready=ReadyHead()),
    Request("GET", "/a", (), keep_alive=False),
    Request("GET", "/a", (), upgrade="websocket"),
    Request("POST", "/a", ()),
    Request("POST", "/a", (), length=0),
    Request("DELETE", "/a", ()),
]


@pytest.mark.parametrize("request_", REQUESTED, ids=str)
@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 204 No Content\r\n\r\n"])
def test_a_request_over_http1_is_that_of_its_parts(request_: Request, answer: bytes) -> None:
    whole, parts = ClientConnection(), ClientConnection()
    for _ in range(2):
        written = whole.send_whole(request_)
        parts.send(request_)
        parts.send(END)
        assert written == parts.take() and whole.take() == b""
        assert whole.receive(answer) == parts.receive(answer)
        assert (whole.reading, whole.writing, whole.reusable) == (parts.reading, parts.writing, parts.reusable)
        if not whole.reusable:
            break


ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("early", [False, True], ids=["asked", "while-asked"])
def test_an_answer_that_comes_with_its_head_is_that_which_comes_behind_it(method: str, answer: bytes, early: bool) -> None:
    found: list[object] = []
    at = answer.rindex(b"\n\r\n", 0, max(len(answer) - 5, answer.index(b"\n\r\n") + 3)) + 3  # behind the last head
    for pieces in ([answer], [answer[:at], answer[at:]]):
        connection = ClientConnection()
        connection.send(Request("POST" if early else method, "/a", (), length=3 if early else NO_BODY))
        if not early:
            connection.send(END)
        events: list[object] = []
        with contextlib.suppress(PeerError):  # of bytes behind an answer that has no body
            for piece in filter(None, pieces):
                events += connection.receive(piece)
        if early and connection.reading != http1.OVER:  # how the server reads the rest of such a request is in doubt
            connection.send(Body(b"abc"))
            connection.send(END)
            assert not connection.reusable
        found.append((events, connection.reusable))
    assert found[0] == found[1]


# ---------------------------------------------------------------------- HTTP/2


@pytest.mark.parametrize("first", [0, 1, 5, 70_000])
@pytest.mark.parametrize("status", STATUSES)
def test_an_answer_over_http2_is_that_of_its_parts(status: int, first: int) -> None:
    sizes = (0, 1, 5, 6, http2_frames.SMALLEST_FRAME, http2_frames.SMALLEST_FRAME + 1)
    for size, more, method, busy in itertools.product(sizes, (0, 1, CHUNKED), ("GET", "HEAD"), (False, True)):
        found: list[object] = []
        for whole in (True, False):
            asked = (
                get(1)
                if method == "GET"
                else headers(1, *[(name, method if name == ":method" else value) for name, value in FIELDS])
            )
            connection = server(settings((http2_frames.INITIAL_WINDOW_SIZE, first)) + asked + get(3))
            connection.take()
            if busy:
                connection.send(3, Response(200, (), CHUNKED))
                connection.send(3, Body(b"waits"))
            response = Response(status, (("audit-id", "a-1"),), CHUNKED if more == CHUNKED else size + more)
            try:
                if whole:
                    connection.send_whole(1, response, Body(b"x" * size))
                else:
                    for event in (response, Body(b"x" * size), END):
                        connection.send(1, event)
            except OurError as error:
                found.append(str(error))
            else:
                written = connection.take()
                found.append((written, connection.streams, connection.waiting(1), connection.answerable(1)))
        assert found[0] == found[1], (size, more, method, busy)
