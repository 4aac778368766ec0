"""HTTP/2's ends of connections: GOAWAY in both directions (section 6.8, threats B13), PING, and the memory of ended streams."""

from __future__ import annotations

import pytest

from l7gw.wire.errors import OurError
from l7gw.wire.events import Body, End, Response
from l7gw.wire.http2_frames import PROTOCOL_ERROR, REFUSED_STREAM, STREAM_IDS
from l7gw.wire.http2_limits import MOST_RECENT
from tests.support.http2_reading import (
    ACK,
    OK,
    client,
    data,
    get,
    goaway,
    headers,
    ping,
    refused,
    seen,
    sent,
    server,
    shown,
)  # fmt: skip

# ---------------------------------------------------------------------- going away (section 6.8, threats B13)


def test_a_server_goes_away_in_two_steps_and_loses_no_request() -> None:
    connection = server(get())
    connection.go_away()
    assert seen(connection.take()) == [f"goaway 0 {STREAM_IDS} 0", "ping 0 l7gw-end"] and connection.going_away
    connection.go_away()
    assert connection.take() == b""
    assert len(connection.receive(get(3))) == 2  # the request was under way when the peer got the GOAWAY
    assert connection.receive(ping(b"l7gw-end", ACK)) == [] and seen(connection.take()) == ["goaway 0 3 0"]
    assert connection.receive(get(5)) == [] and seen(connection.take()) == [f"reset 5 {REFUSED_STREAM}"]
    assert sent(connection, 3, Response(200, (), 2), Body(b"ok"), End()) == ["headers 3", "data 3 ok end"]
    connection.go_away(at_once=True)
    assert connection.take() == b"" and connection.streams == 1


def test_a_server_may_go_away_at_once_with_or_without_the_first_step() -> None:
    for first in (True, False):
        connection = server(get(7))
        if first:
            connection.go_away()
            connection.take()
        connection.go_away(at_once=True)
        assert seen(connection.take()) == ["goaway 0 7 0"] and connection.going_away
        assert connection.receive(ping(b"l7gw-end", ACK)) == [] and connection.take() == b""
        assert connection.receive(get(9)) == []


def test_the_last_goaway_of_a_connection_says_which_streams_were_acted_upon() -> None:
    connection = server(get(3))
    connection.go_away(at_once=True)
    connection.receive(get(5))
    connection.take()
    assert refused(connection, data(0)) == PROTOCOL_ERROR
    connection = server(get(3))
    assert refused(connection, data(0)) == PROTOCOL_ERROR
    fresh = server(get(3))
    with pytest.raises(Exception, match="stream"):
        fresh.receive(data(0))
    assert seen(fresh.take())[-1] == f"goaway 0 3 {PROTOCOL_ERROR}"


def test_a_server_that_goes_away_lets_what_it_took_run_and_gives_the_rest_back_unread() -> None:
    connection = client(methods=["GET"] * 4)
    assert connection.receive(goaway(STREAM_IDS)) == [] and not connection.free and connection.going_away
    assert shown(connection.receive(goaway(3))) == "5 reset 7 unread | 7 reset 7 unread"
    assert connection.streams == 2
    assert shown(connection.receive(headers(1, *OK) + headers(3, *OK))) == ("1 response 200 | 1 end | 3 response 200 | 3 end")
    with pytest.raises(OurError):
        connection.open()


def test_a_request_that_was_answered_in_part_is_lost_and_not_unread_when_the_server_goes_away() -> None:
    connection = client(headers(1, *OK, end=False) + headers(3, (":status", "204"), end=False), methods=["GET"] * 3)
    assert shown(connection.receive(goaway(0))) == "1 reset 7 | 3 reset 7 | 5 reset 7 unread"


def test_a_client_goes_away_naming_no_stream_for_a_server_has_none() -> None:
    connection = client()
    connection.go_away()
    assert seen(connection.take()) == ["goaway 0 0 0"] and not connection.free and connection.streams == 1
    connection.go_away(at_once=True)
    assert connection.take() == b""
    assert shown(connection.receive(headers(1, *OK))) == "1 response 200 | 1 end"
    with pytest.raises(Exception, match="stream"):
        connection.receive(data(0))
    assert seen(connection.take())[-1] == f"goaway 0 0 {PROTOCOL_ERROR}"


def test_a_client_that_goes_away_is_answered_and_is_still_sent_our_last_goaway() -> None:
    connection = server(get())
    assert connection.receive(goaway(0)) == [] and connection.going_away
    connection.go_away()
    assert seen(connection.take()) == [f"goaway 0 {STREAM_IDS} 0", "ping 0 l7gw-end"]
    assert sent(connection, 1, Response(200, (), 0)) == ["headers 1 end"]


def test_an_answer_to_a_ping_that_nobody_sent_ends_nothing() -> None:
    connection = server()
    assert connection.receive(ping(b"l7gw-end", ACK)) == [] and connection.take() == b"" and not connection.going_away


# ---------------------------------------------------------------------- liveness


def test_a_ping_is_answered_and_an_answer_is_not() -> None:
    connection = server()
    connection.ping()
    assert seen(connection.take()) == ["ping 0 l7gwping"]
    connection.receive(ping(b"abcdefgh"))
    assert seen(connection.take()) == ["ping 0 abcdefgh ack"]
    assert connection.receive(ping(b"l7gwping", ACK)) == [] and connection.take() == b""


def test_ended_streams_are_remembered_up_to_a_bound() -> None:
    connection = server()
    for stream in range(1, 2 * MOST_RECENT + 3, 2):
        connection.receive(get(stream))
        connection.reset(stream)
        connection.take()
    assert len(connection._recent) == MOST_RECENT
    assert connection.receive(headers(3, ("a", "b"))) == []
    assert refused(connection, headers(1, ("a", "b"))) == PROTOCOL_ERROR
