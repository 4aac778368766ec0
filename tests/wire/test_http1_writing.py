"""Heads that are sent again and again: what is written of them is byte for byte what is written of a head that is not ready."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from l7gw.wire import http1, http1_client, http2
from l7gw.wire.errors import OurError
from l7gw.wire.events import CHUNKED, NO_BODY, Body, End, HttpEvent, Informational, ReadyFields, ReadyHead, Request, Response
from tests.support.http2_reading import GET as GET2
from tests.support.http2_reading import POST as POST2
from tests.support.http2_reading import headers as headers2
from tests.support.http2_reading import server, settings

ID = "0b9e1a52-7f43-4d0e-9b7b-8a0c7a1d2f11"
NAMES = ["accept", "user-agent", "authorization", "x-forwarded-for", "host", "cookie", "x-odd", "etag"]
VALUES = st.sampled_from(["", "a", "gzip, deflate", "gw", "Bearer x", "200", "\xe9", "a\tb", "v" * 600])
# The value of the last field is what differs; some of these values must be refused, whatever was sent before
LAST = st.one_of(
    st.sampled_from(
        [ID, "", "a" * 511, "a" * 512, "\xe9", "a\tb", "a\r\nb: c", "a\n", "\r", "\0", "\u20ac", "\x85", "\x7f", "a b"]
    ),
    st.text(st.characters(max_codepoint=0x17F, exclude_categories=("Cs",)), max_size=40),
)
FIXED = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4).map(tuple)
LAST_NAME = st.sampled_from(["audit-id", "accept-encoding", "host", "content-type", "x-odd"])
LENGTHS = st.sampled_from([NO_BODY, CHUNKED, 0, 7, 1012, 10**17])

ANSWERS = st.tuples(LAST, LENGTHS, st.booleans())
REQUESTS = st.tuples(LAST, LENGTHS, st.booleans(), st.sampled_from(["", "websocket"]))

HTTP1 = [
    b"GET /a HTTP/1.1\r\nHost: gw\r\n\r\n",
    b"HEAD /a HTTP/1.1\r\nHost: gw\r\n\r\n",
    b"GET /a HTTP/1.0\r\nHost: gw\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\n\r\n",
]
HTTP2 = [headers2(1, *GET2), headers2(1, (":method", "HEAD"), *GET2[1:]), headers2(1, *POST2, end=False)]
TARGETS = ("/", "/index.html", "/api/v1/pods?limit=500", "/api/v1/pods/a", "/" + "a" * 600, "/a\r\nx: y", "/\u00e9", "/\u20ac")


def rest(event: Request | Response) -> list[HttpEvent]:
    """What follows a head: a body of the announced length, and the end."""
    if isinstance(event, Response) and event.status == 101:
        return []
    size = event.length if 0 < event.length < 10_000 else 3 if event.length == CHUNKED else 0
    return [Body(b"x" * size), End()] if event.length != 10**17 else []


def written_by_server(data: bytes, event: Response) -> bytes | str:
    connection = http1.ServerConnection()
    connection.receive(data)
    try:
        connection.send(event)
        for one in rest(event):
            connection.send(one)
    except OurError as error:
        return str(error)
    return connection.take() + bytes((connection.must_close,))


def written_by_server_2(data: bytes, event: Response, *, larger: bool) -> bytes | str:
    connection = server(data)
    connection.receive(settings((5, 30_000)) if larger else b"\0\0\0\x04\1\0\0\0\0")
    connection.take()
    try:
        connection.send(1, event)
        for one in rest(event):
            connection.send(1, one)
    except OurError as error:
        return str(error)
    return connection.take()


def written_by_client(event: Request) -> bytes | str:
    connection = http1_client.ClientConnection()
    try:
        connection.send(event)
        for one in rest(event):
            connection.send(one)
    except OurError as error:
        return str(error)
    return connection.take() + bytes((connection.reusable,))


def written_by_client_2(event: Request) -> bytes | str:
    connection = http2.ClientConnection()
    connection.take()
    number = connection.open()
    try:
        connection.send(number, event)
        for one in rest(event):
            connection.send(number, one)
    except OurError as error:
        return str(error)
    return connection.take()


@given(
    st.one_of(st.sampled_from([200, 101, 204, 206, 299, 304, 404, 599]), st.integers(200, 599)),
    FIXED, LAST_NAME, st.lists(st.tuples(ANSWERS, st.sampled_from([*HTTP1, *HTTP2]), st.booleans()), min_size=1, max_size=6),
)  # fmt: skip
@example(
    200, (("x-odd", "a"),), "audit-id", [((ID, 7, True), one, False) for one in HTTP1 + HTTP2] * 2
).via("each way to write a head")  # fmt: skip
def test_an_answer_whose_head_is_ready_is_written_as_one_whose_head_is_not(
    status: int, fixed: tuple[tuple[str, str], ...], last: str, sends: list[tuple[tuple[str, int, bool], bytes, bool]]
) -> None:
    ready = ReadyHead()
    for (value, length, keep_alive), data, larger in sends:
        upgrade = "websocket" if status == 101 else ""
        plain = Response(status, (*fixed, (last, value)), length, keep_alive, upgrade)
        again = replace(plain, ready=ready)
        if data in HTTP1:
            assert written_by_server(data, again) == written_by_server(data, plain)
        else:
            assert written_by_server_2(data, again, larger=larger) == written_by_server_2(data, plain, larger=larger)


@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    FIXED, LAST_NAME, st.lists(st.tuples(REQUESTS, st.booleans()), min_size=1, max_size=6),
)  # fmt: skip
@example("POST", (), "audit-id", [((ID, 7, True, ""), over2) for over2 in (False, True)] * 2).via("each way to write a head")
def test_a_request_whose_head_is_ready_is_written_as_one_whose_head_is_not(
    method: str, fixed: tuple[tuple[str, str], ...], last: str, sends: list[tuple[tuple[str, int, bool, str], bool]]
) -> None:
    ready = ReadyHead()
    for (value, length, keep_alive, upgrade), over2 in sends:
        plain = Request(method, "/api/v1/pods?limit=500", (*fixed, (last, value)), length, keep_alive, upgrade)
        written = written_by_client_2 if over2 else written_by_client
        assert written(replace(plain, ready=ready)) == written(plain)


@given(
    FIXED, LAST_NAME,
    st.lists(st.tuples(REQUESTS, st.sampled_from(TARGETS), st.booleans()), min_size=1, max_size=6),
)  # fmt: skip
@example((("host", "a"),), "audit-id", [((ID, NO_BODY, True, ""), target, over2) for over2 in (False, True) for target in TARGETS])
@example((), "host", [(("a\r\nb: c", NO_BODY, True, ""), "/\u20ac", over2) for over2 in (False, True)]).via(
    "two faults, told alike"
)
def test_requests_that_differ_in_their_target_too_are_written_as_those_that_are_not_ready(
    fixed: tuple[tuple[str, str], ...], last: str, sends: list[tuple[tuple[str, int, bool, str], str, bool]]
) -> None:
    ready = ReadyFields()
    for (value, length, keep_alive, upgrade), target, over2 in sends:
        plain = Request("GET", target, (*fixed, (last, value)), length, keep_alive, upgrade)
        written = written_by_client_2 if over2 else written_by_client
        assert written(replace(plain, ready=ready)) == written(plain)


@pytest.mark.parametrize("event", [Request("GET", "/a", (("x", "y"), ("audit-id", ID))), Response(200, (("audit-id", ID),), 0)])
def test_the_bytes_of_a_ready_head_are_made_once_and_are_those_up_to_the_last_value(event: Request | Response) -> None:
    ready = ReadyHead()
    event = replace(event, ready=ready)
    written = written_by_client(event) if isinstance(event, Request) else written_by_server(HTTP1[0], event)
    assert (
        isinstance(written, bytes) and written.startswith(ready.http1) and ready.http1.endswith(b"audit-id: ") and not ready.http2
    )
    again = replace(event, headers=(("not", "looked at"), ("audit-id", "other")))
    written = written_by_client(again) if isinstance(again, Request) else written_by_server(HTTP1[0], again)
    assert isinstance(written, bytes) and written.startswith(ready.http1 + b"other\r\n")
    over2 = written_by_client_2(event) if isinstance(event, Request) else written_by_server_2(HTTP2[0], event, larger=False)
    assert isinstance(over2, bytes) and ready.http2.endswith(b"audit-id") and ready.http2 in over2


def test_a_message_without_headers_is_written_though_its_head_would_be_ready() -> None:
    for event in (Response(200, (), 0), Response(204, ())):
        assert written_by_server(HTTP1[0], replace(event, ready=ReadyHead())) == written_by_server(HTTP1[0], event)
        over2 = written_by_server_2(HTTP2[0], replace(event, ready=ReadyHead()), larger=False)
        assert over2 == written_by_server_2(HTTP2[0], event, larger=False)


def test_an_interim_answer_before_a_ready_one_changes_nothing() -> None:
    ready = ReadyHead()
    for _ in range(2):
        connection = http1.ServerConnection()
        connection.receive(HTTP1[5] + b"hello")
        connection.send(Informational(103, (("link", "</a>"),)))
        connection.send(Response(200, (("audit-id", ID),), 0, ready=ready))
        connection.send(End())
        expected = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\naudit-id: " + ID.encode()
        assert connection.take() == expected + b"\r\ncontent-length: 0\r\n\r\n"
