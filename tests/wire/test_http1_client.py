"""HTTP/1.1 towards a cluster: what may be sent in each state, when a connection is used again, and what a cut answer is."""

from __future__ import annotations

import pytest

from l7gw.wire import http1_client
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import CHUNKED, Body, Closed, End, HttpEvent, Informational, Raw, Request, Response
from l7gw.wire.http1_client import ClientConnection
from tests.support.http1_reading import OK, SWITCH, asked, sent, shown

EVENTS: list[HttpEvent] = [
    Request("GET", "/", ()), Informational(100), Response(200, (), CHUNKED), Body(b"x"), End(), Raw(b"x"), Closed(),
]  # fmt: skip


def _client_in(state: str) -> ClientConnection:
    connection = ClientConnection()
    if state == "body":
        connection.send(Request("POST", "/", (), CHUNKED))
    if state == "tunnel":
        connection = asked(upgrade="websocket")
        connection.receive(SWITCH)
    return connection


@pytest.mark.parametrize("state", ["idle", "body", "tunnel"])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_client_sends_what_the_table_has_and_nothing_else(state: str, event: HttpEvent) -> None:
    connection = _client_in(state)
    assert connection.writing == state
    row = http1_client.CLIENT_SENDS.get((state, type(event)))
    if row is None:
        with pytest.raises(OurError):
            connection.send(event)
    else:
        connection.send(event)
        assert connection.writing == row


def test_a_connection_is_used_again_after_a_complete_exchange_and_not_before() -> None:
    connection = ClientConnection()
    assert connection.reusable
    for _ in range(3):
        connection.send(Request("POST", "/a", (("host", "gw"),), 2))
        assert not connection.reusable
        assert sent(connection, Body(b"ok"), End()).endswith(b"content-length: 2\r\n\r\nok")
        assert not connection.reusable
        assert shown(connection.receive(OK[:-1])) == "response 200 length=2 | body o" and not connection.reusable
        assert shown(connection.receive(OK[-1:])) == "body k | end" and connection.reusable


def test_answers_with_and_without_a_body_follow_one_another_on_one_connection() -> None:
    connection = ClientConnection()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    empty = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    for answer, ends in ((OK, "body ok | end"), (empty, "length=0 | end"), (chunked, "body x | end"), (empty, "length=0 | end")):
        sent(connection, Request("DELETE", "/a", (("host", "gw"),)), End())
        came = shown(connection.receive(answer))
        assert came.endswith(ends) and came.count("end") == 1 and connection.reusable


def test_a_post_without_a_body_is_sent_with_a_length_of_zero_and_a_get_without_one() -> None:
    assert sent(ClientConnection(), Request("POST", "/", ()), End()) == b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
    assert sent(ClientConnection(), Request("GET", "/", ()), End()) == b"GET / HTTP/1.1\r\n\r\n"
    assert (
        sent(ClientConnection(), Request("GET", "/", (), keep_alive=False), End()) == b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"H",
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"1.1", b"1.0"),
        OK[:-1],
    ],
)
def test_a_connection_in_doubt_is_not_used_again(answer: bytes) -> None:
    connection = asked()
    connection.receive(answer)
    assert not connection.reusable
    with pytest.raises(OurError):
        connection.send(Request("GET", "/", ()))


def test_a_connection_is_not_used_again_after_an_answer_that_came_early_a_refused_upgrade_or_a_close() -> None:
    early = ClientConnection()
    early.send(Request("POST", "/", (), 2))
    assert shown(early.receive(OK)).endswith("end")
    sent(early, Body(b"ok"), End())
    assert not early.reusable
    for connection in (asked(upgrade="websocket"), asked(keep_alive=False)):
        connection.receive(OK)
        assert not connection.reusable


def test_bytes_of_a_server_that_answer_no_request_are_a_fault() -> None:
    for connection in (ClientConnection(), asked()):
        if connection.reading != "idle":
            connection.receive(OK)
        with pytest.raises(PeerError) as refused:
            connection.receive(OK)
        assert refused.value.code == 502 and not connection.reusable
    assert ClientConnection().receive(b"") == [Closed()]


@pytest.mark.parametrize(
    "answer", [OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\nx: y\r\n\r\n"]
)
def test_an_answer_cut_at_any_byte_never_ends_cleanly(answer: bytes) -> None:
    for at in range(len(answer)):
        connection = asked()
        events = connection.receive(answer[:at]) if at else []
        assert End() not in events
        with pytest.raises(PeerError) as refused:
            connection.receive(b"")
        assert refused.value.code == 502 and not connection.reusable
    connection = asked()
    assert connection.receive(answer)[-1] == End()
    assert connection.receive(b"") == [Closed()] and not connection.reusable
