"""HTTP/1.1 connections: golden vectors, the order of events, and when a connection is at its end."""

from __future__ import annotations

import pytest

from l7gw.wire import http1, http1_message, semantics
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Body, Closed, End, HttpEvent, Informational, Raw, Request, Response
from l7gw.wire.http1 import ServerConnection
from l7gw.wire.http1_client import ClientConnection
from tests.fuzz.wire_http1 import answered, merged, served
from tests.support.http1_reading import GET, OK, POST, STREAM, SWITCH, UPGRADE, asked, padded, refusal, request, sent, shown, ways
from tests.support.vector_files import Vector, vectors

# ---------------------------------------------------------------------- vectors


@pytest.mark.parametrize("vector", vectors("wire_http1"), ids=lambda vector: vector.name)
def test_a_vector_is_read_as_it_says_however_its_bytes_are_cut(vector: Vector) -> None:
    expect = vector.fields["expect"]
    for pieces in ways(vector.data):
        if vector.fields["role"] == "server":
            events, code, _ = served(pieces, int(vector.fields.get("answer", "200")))
        else:
            method, _, upgrade = vector.fields["asked"].partition(" ")
            events, code, reusable = answered(pieces, method, upgrade)
            assert reusable or "reusable" in vector.fields or not expect.endswith("end") or "close" in expect or upgrade
            assert not (reusable and "reusable" in vector.fields)
        assert (f"refused {code}" if code else shown(events)) == expect
        for event in events:
            if isinstance(event, Request | Response):
                assert not http1_message.UNTOLD & {name for name, _ in event.headers}
                assert vector.fields.get("absent") not in [name for name, _ in event.headers]


# ---------------------------------------------------------------------- threats A11 to A16: upgrades, pipelining, interim answers


def test_bytes_behind_an_upgrade_are_raw_after_a_101_and_nothing_after_any_other_answer() -> None:
    connection = request(UPGRADE + b"GET /secrets")
    assert connection.receive(b" HTTP/1.1\r\n\r\n") == []
    line = sent(connection, Response(101, (("sec-websocket-accept", "x"),), upgrade="websocket"))
    assert (
        line == b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    )
    assert connection.resume() == [Raw(b"GET /secrets HTTP/1.1\r\n\r\n")]
    assert connection.receive(b"more") == [Raw(b"more")] and connection.resume() == []
    assert sent(connection, Raw(b"abc")) == b"abc"
    assert connection.receive(b"") == [Closed()]

    connection = request(UPGRADE + GET)
    answer = sent(connection, Response(403, (), 2), Body(b"no"), End())
    assert answer == b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"
    assert connection.must_close and not connection.request_complete and not connection.answerable
    assert connection.resume() == [] and connection.receive(GET) == []


def test_early_bytes_keep_their_place_before_later_ones() -> None:
    connection = request(UPGRADE + b"early ")
    sent(connection, Response(101, (), upgrade="websocket"))
    assert connection.receive(b"late") == [Raw(b"early late")] and connection.resume() == []


def test_behind_an_upgrade_64_kib_are_held_and_no_byte_more() -> None:
    connection = request(UPGRADE)
    assert connection.receive(b"x" * (http1.LARGEST_HELD - 1)) == [] and not connection.paused
    assert connection.receive(b"x") == [] and connection.paused
    with pytest.raises(PeerError) as refused:
        connection.receive(b"x")
    assert refused.value.code == 400 and connection.must_close and connection.answerable


def test_pipelined_bytes_pause_the_reader_and_are_bounded_by_one_read_more() -> None:
    connection = request()
    assert connection.receive(b"x" * (http1.LARGEST_HELD - 1)) == [] and not connection.paused
    assert connection.receive(b"x" * (http1.LARGEST_READ + 1)) == [] and connection.paused
    with pytest.raises(PeerError):
        connection.receive(b"x")
    with pytest.raises(PeerError):
        ServerConnection().receive(GET + b"x" * (http1.LARGEST_HELD + http1.LARGEST_READ + 1))


def test_a_pipelined_request_is_read_only_after_the_answer_before_it() -> None:
    connection = ServerConnection()
    assert shown(connection.receive(GET + POST + b"he")) == "request GET /a | end"
    assert connection.resume() == [] and connection.receive(b"l") == []
    sent(connection, Response(200, (), 0))
    assert connection.resume() == []
    sent(connection, End())
    assert shown(connection.resume()) == "request POST /a length=5 | body hel"
    assert shown(connection.receive(b"lo" + GET)) == "body lo | end"
    sent(connection, Response(200, (), 0), End())
    assert shown(connection.resume()) == "request GET /a | end" and connection.resume() == []


def test_a_malformed_pipelined_request_does_not_hurt_the_answer_before_it() -> None:
    connection = request(GET + b"\n")
    assert sent(connection, Response(200, (), 2), Body(b"ok"), End()).endswith(b"ok")
    with pytest.raises(PeerError):
        connection.resume()
    assert connection.answerable


def test_ten_interim_answers_are_taken_and_no_more() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert refusal(interim * semantics.MOST_INTERIM + OK, client=True) == 0
    assert refusal(interim * (semantics.MOST_INTERIM + 1) + OK, client=True) == 502


# ---------------------------------------------------------------------- what a server answers


def test_an_answers_framing_is_written_from_its_length() -> None:
    assert sent(request(), Response(200, (("a", "b"),), 2), Body(b"o"), Body(b""), Body(b"k"), End()) == (
        b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 2\r\n\r\nok"
    )
    assert sent(request(), Response(299, (), CHUNKED), Body(b"0123456789abcdef"), Body(b""), Body(b"x"), End()) == (
        b"HTTP/1.1 299 Unknown\r\ntransfer-encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n"
    )
    assert sent(request(), Response(403, ()), End()) == b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    assert sent(request(), Response(204, (), 0), End()) == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert sent(request(), Response(304, ()), End()) == b"HTTP/1.1 304 Not Modified\r\n\r\n"


@pytest.mark.parametrize("length", [5, CHUNKED, NO_BODY])
@pytest.mark.parametrize(("data", "status"), [(GET.replace(b"GET", b"HEAD"), 200), (GET, 204), (GET, 304)])
def test_an_answer_without_a_body_has_none_whatever_is_sent(data: bytes, status: int, length: int) -> None:
    connection = request(data)
    written = sent(connection, Response(status, (), length), Body(b"hello"), End())
    assert written.endswith(b"\r\n\r\n") and written.count(b"\r\n\r\n") == 1
    assert (b"content-length: 5" in written) == (length == 5 and status != 204)
    assert shown(connection.receive(GET)) == "request GET /a | end"


def test_a_client_of_http_1_0_gets_no_chunks_and_no_interim_answer() -> None:
    connection = request(GET.replace(b"1.1", b"1.0"))
    written = sent(connection, Informational(100), Response(200, (), CHUNKED), Body(b"a"), Body(b"b"), End())
    assert written == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab"
    assert connection.must_close


def test_an_interim_answer_goes_before_the_answer() -> None:
    connection = request(POST)
    assert sent(connection, Informational(100)) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert sent(connection, Informational(103, (("link", "x"),))) == b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    for status in (99, 101, 200):
        with pytest.raises(OurError):
            connection.send(Informational(status))


def test_an_answer_ends_the_connection_where_it_must() -> None:
    for data, keep_alive, closes, complete in (
        (GET, True, False, True),
        (GET, False, True, True),
        (GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), True, True, True),
        (POST + b"hell", True, True, False),
        (POST + b"hello", True, False, True),
    ):
        connection = request(data)
        written = sent(connection, Response(200, (), 0, keep_alive), End())
        assert (b"connection: close" in written) == closes == connection.must_close
        assert connection.request_complete == complete
        assert shown(connection.receive(GET)) == ("" if closes else "request GET /a | end")


def test_a_request_that_ends_while_its_early_answer_is_sent_still_ends_the_connection() -> None:
    connection = request(POST)
    sent(connection, Response(413, (), 0))
    assert shown(connection.receive(b"hello" + GET)) == "body hello | end"
    sent(connection, End())
    assert connection.must_close and connection.resume() == [] and connection.receive(GET) == []


def test_after_a_refusal_one_answer_may_be_sent_and_the_connection_ends() -> None:
    connection = ServerConnection()
    with pytest.raises(PeerError):
        connection.receive(b"\n")
    assert connection.answerable and connection.must_close and not connection.request_complete
    assert sent(connection, Response(400, (), 0), End()).count(b"connection: close") == 1
    assert not connection.answerable
    with pytest.raises(OurError):
        connection.send(Response(400, (), 0))
    assert connection.receive(GET) == connection.receive(b"") == []


def test_the_refusal_of_what_follows_a_head_request_has_a_body() -> None:
    connection = request(GET.replace(b"GET", b"HEAD") + b"\n")
    sent(connection, Response(200, (), 2), End())
    with pytest.raises(PeerError):
        connection.resume()
    assert sent(connection, Response(400, (), 2, False), Body(b"no"), End()).endswith(b"\r\n\r\nno")


def test_a_fault_in_a_body_is_answerable_until_the_answer_has_begun() -> None:
    for begun in (False, True):
        connection = request(STREAM)
        if begun:
            connection.send(Response(200, (), CHUNKED))
        with pytest.raises(PeerError):
            connection.receive(b"x")
        assert connection.answerable != begun


def test_the_clients_end_is_a_fault_within_a_request_and_none_between_them() -> None:
    for data in (GET[:5], GET[:-1], POST, POST + b"hell", STREAM, STREAM + b"5\r\nhello\r\n0\r\n"):
        connection = request(data)
        with pytest.raises(PeerError) as refused:
            connection.receive(b"")
        assert refused.value.code == 400
        assert connection.must_close and connection.answerable and connection.receive(GET) == []
    for data in (GET, GET + GET[:5]):
        connection = request(data)
        assert connection.receive(b"") == [Closed()] and connection.receive(b"") == []
        assert connection.must_close and connection.answerable
        sent(connection, Response(200, (), 0), End())
        assert connection.resume() == []
    fresh = ServerConnection()
    assert not fresh.must_close and not fresh.answerable and fresh.receive(b"") == [Closed()]


def test_a_101_is_sent_only_to_who_asked_for_that_protocol() -> None:
    for data, upgrade in ((GET, "websocket"), (UPGRADE, "SPDY/3.1"), (UPGRADE, "")):
        with pytest.raises(OurError):
            request(data).send(Response(101, (), upgrade=upgrade))


def test_a_body_has_the_length_that_was_announced() -> None:
    for connection, head in ((request(), Response(200, (), 2)), (ClientConnection(), Request("POST", "/", (), 2))):
        connection.send(head)
        connection.send(Body(b"o"))
        with pytest.raises(OurError):
            connection.send(End())
        with pytest.raises(OurError):
            connection.send(Body(b"kk"))


# ---------------------------------------------------------------------- the states


EVENTS: list[HttpEvent] = [
    Request("GET", "/", ()), Informational(100), Response(200, (), CHUNKED), Body(b"x"), End(), Raw(b"x"), Closed(),
]  # fmt: skip


def _server_in(state: str) -> ServerConnection:
    connection = ServerConnection()
    if state in ("head", "body"):
        connection.receive(GET)
    if state == "body":
        connection.send(Response(200, (), CHUNKED))
    if state == "tunnel":
        connection.receive(UPGRADE)
        connection.send(Response(101, (), upgrade="websocket"))
    if state == "over":
        connection.receive(GET)
        sent(connection, Response(200, (), 0, False), End())
    return connection


@pytest.mark.parametrize("state", ["idle", "head", "body", "tunnel", "over"])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_server_sends_what_the_table_has_and_nothing_else(state: str, event: HttpEvent) -> None:
    connection = _server_in(state)
    assert connection.writing == state
    row = http1.SERVER_SENDS.get((state, type(event)))
    if row is None:
        with pytest.raises(OurError) as refused:
            connection.send(event)
        assert state in str(refused.value) and type(event).__name__ in str(refused.value)
    else:
        connection.send(event)
        assert connection.writing == row


# ---------------------------------------------------------------------- tunnels


def test_after_a_101_everything_is_raw_both_ways() -> None:
    connection = asked(upgrade="websocket")
    assert merged(connection.receive(SWITCH + b"a")) == [Response(101, (), upgrade="websocket"), Raw(b"a")]
    assert connection.receive(OK) == [Raw(OK)] and sent(connection, Raw(b"x")) == b"x"
    assert connection.receive(b"") == [Closed()] and connection.receive(b"x") == []


# ---------------------------------------------------------------------- remembered heads


def test_a_head_is_remembered_for_equal_bytes_alone_and_only_if_it_was_accepted() -> None:
    connection = ServerConnection()
    heads = [GET, GET.replace(b"/a", b"/b"), GET.replace(b"gw", b"gw2"), GET.replace(b"GET", b"HEAD"), GET]
    for data in heads:
        (came, _) = connection.receive(data)
        assert [came] == served([data])[0][:1]
        sent(connection, Response(200, (), 0), End())
    assert connection.receive(GET)[0] is came
    sent(connection, Response(200, (), 0), End())
    with pytest.raises(PeerError):
        connection.receive(GET.replace(b"Host", b"Hos"))
    assert len(connection._known) == 4


def test_the_memory_of_heads_is_bounded() -> None:
    connection = ServerConnection()
    for number in range(2000):
        connection.receive(padded(b"GET /%d HTTP/1.1\r\nHost: gw\r\n" % number, 400))
        sent(connection, Response(200, (), 0), End())
        assert sum(map(len, connection._known)) <= http1.LARGEST_KNOWN
    assert len(connection._known) > 1
    connection.receive(padded(b"GET /big HTTP/1.1\r\nHost: gw\r\n", http1.LARGEST_KNOWN))
    assert all(len(head) < 1000 for head in connection._known) and connection._known


def test_short_heads_count_with_what_their_calls_mean() -> None:
    """What a call means takes 4 KiB of its connection's memory, however short its head is."""
    connection = ServerConnection()
    for number in range(2000):
        connection.receive(b"GET /%d HTTP/1.1\r\nHost: gw\r\n\r\n" % number)
        sent(connection, Response(200, (), 0), End())
        assert len(connection._known) <= http1.LARGEST_KNOWN // 512
    assert connection._known


@pytest.mark.parametrize(("remembered", "kept"), [(0, False), (99, False), (100, True)])
def test_a_connection_remembers_as_many_bytes_of_heads_as_it_is_told(remembered: int, kept: bool) -> None:
    connection = http1.ServerConnection(remembered)
    came = []
    for _ in range(2):
        came += connection.receive(GET)
        connection.send(Response(200, (), 0))
        connection.send(End())
    first, _, second, _ = came
    assert first == second and (first is second) is kept
