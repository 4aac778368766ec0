"""HTTP/2's two roles: the order of events on a stream, and how streams and connections begin and end."""

from __future__ import annotations

import pytest

from l7gw.wire import http2_frames as frames
from l7gw.wire import semantics
from l7gw.wire.errors import OurError
from l7gw.wire.events import CHUNKED, NO_BODY, Body, Closed, End, HttpEvent, Informational, Request, Response
from l7gw.wire.http2 import ClientConnection, ServerConnection
from l7gw.wire.http2_frames import CANCEL, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED, STREAM_IDS
from l7gw.wire.http2_limits import DROPPED_FOR, MOST_DROPPED, MOST_STREAMS, STREAMS_ASSUMED
from tests.fuzz.wire_http2 import answered, served
from tests.support.http1_reading import ways
from tests.support.http2_reading import (
    ACK,
    ANSWERED,
    END_HEADERS,
    GET,
    HELLO,
    HOST,
    OK,
    Pair,
    asked,
    block,
    client,
    data,
    frame,
    frames_of,
    get,
    goaway,
    head_of,
    headers,
    ping,
    post,
    refused,
    reset,
    seen,
    sent,
    server,
    settings,
    shown,
    window,
)  # fmt: skip
from tests.support.vector_files import Vector, vectors

CONVERSATION = [
    HELLO,
    window(0, 1 << 30),
    post(1, ("content-length", "5")),
    data(1, b"he"),
    get(3),
    ping(),
    frame(0x4A, 0xFF, 9, b"?"),
    data(1, b"llo", end=True),
    head_of(5, block(*GET)[:7], rest=True),
    frame(frames.CONTINUATION, 0, 5, block(*GET)[7:20]),
    frame(frames.CONTINUATION, END_HEADERS, 5, block(*GET)[20:]),
    post(7),
    reset(7),
]
ITS_EVENTS = (
    "1 request POST /a length=5 | 1 body he | 3 request GET /a | 3 end | 1 body llo | 1 end | 5 request GET /a | 5 end"
    " | 7 request POST /a chunked | 7 reset 8"
)

# ---------------------------------------------------------------------- vectors


@pytest.mark.parametrize("vector", vectors("wire_http2"), ids=lambda vector: vector.name)
def test_a_vector_is_read_as_it_says_however_its_bytes_are_cut(vector: Vector) -> None:
    read = served if vector.fields["role"] == "server" else answered
    for pieces in ways(vector.data):
        events, code, _ = read(pieces)
        assert (shown(events) if code < 0 else f"ends {code}") == vector.fields["expect"]


# ---------------------------------------------------------------------- reads


def test_a_read_may_end_anywhere() -> None:
    for pieces in ways(b"".join(CONVERSATION)):
        connection = ServerConnection()
        connection.take()
        assert shown([event for piece in pieces for event in connection.receive(piece)]) == ITS_EVENTS
        assert seen(connection.take()) == ["settings 0 ack", "ping 0 12345678 ack"]
        assert not connection.unfinished and connection.streams == 3


def test_an_answer_may_be_cut_anywhere() -> None:
    answer = headers(1, *OK, ("content-length", "5"), end=False) + data(1, b"he") + frame(0x4A) + data(1, b"llo", end=True)
    answer += headers(3, (":status", "103"), end=False) + headers(3, *OK, end=False) + data(3) + headers(3, ("a", "b"))
    for pieces in ways(ANSWERED + answer):
        connection = ClientConnection()
        for _ in range(2):
            connection.send(connection.open(), Request("GET", "/a", HOST))
        events = [event for piece in pieces for event in connection.receive(piece)]
        assert shown(events) == (
            "1 response 200 length=5 | 1 body he | 1 body llo | 1 end | 3 interim 103 | 3 response 200 chunked | 3 end"
        )


def test_a_frame_or_a_header_block_that_came_in_part_is_unfinished() -> None:
    connection = ServerConnection()
    assert not connection.unfinished
    connection.receive(HELLO[:3])
    assert connection.unfinished
    connection.receive(HELLO[3:])
    assert not connection.unfinished
    connection.receive(head_of(1, b"", rest=True))
    assert connection.unfinished
    connection.receive(frame(frames.CONTINUATION, END_HEADERS, 1, block(*GET)))
    assert not connection.unfinished


def test_a_read_that_breaks_the_protocol_gives_nothing_and_is_the_last() -> None:
    connection = server()
    assert refused(connection, get() + data(0)) == PROTOCOL_ERROR
    connection.send(1, Response(200, (), 0))
    connection.reset(1)
    connection.go_away()
    assert connection.take() == b"" and connection.receive(b"") == []


def test_a_connection_is_over_when_the_peer_ends_it() -> None:
    for connection in (server(post()), client()):
        assert connection.receive(b"") == [(0, Closed())] and connection.over
        assert connection.receive(b"") == [] and connection.receive(ping()) == []


# ---------------------------------------------------------------------- openings


def test_a_server_begins_with_its_settings_and_a_window_of_a_mebibyte() -> None:
    (first, second) = frames_of(ServerConnection().take())
    assert first[:3] == (frames.SETTINGS, 0, 0)
    assert dict(frames.read_settings(first[3])) == {
        frames.MAX_CONCURRENT_STREAMS: 100,
        frames.INITIAL_WINDOW_SIZE: 256 * 1024,
        frames.MAX_HEADER_LIST_SIZE: 64 * 1024,
    }
    assert second == (frames.WINDOW_UPDATE, 0, 0, (1024 * 1024 - 65_535).to_bytes(4, "big"))


def test_a_client_begins_with_the_preface_and_allows_no_push() -> None:
    opening = ClientConnection().take()
    assert opening.startswith(frames.PREFACE)
    (first, second) = frames_of(opening[len(frames.PREFACE) :])
    assert first[0] == frames.SETTINGS and dict(frames.read_settings(first[3])) == {
        frames.ENABLE_PUSH: 0,
        frames.INITIAL_WINDOW_SIZE: 256 * 1024,
        frames.MAX_FRAME_SIZE: 64 * 1024,
        frames.MAX_HEADER_LIST_SIZE: 64 * 1024,
    }
    assert second == (frames.WINDOW_UPDATE, 0, 0, (16 * 1024 * 1024 - 65_535).to_bytes(4, "big"))


@pytest.mark.parametrize("at", range(len(frames.PREFACE)))
def test_a_preface_is_wrong_as_soon_as_one_byte_is(at: int) -> None:
    wrong = bytearray(frames.PREFACE)
    wrong[at] ^= 0x20
    connection = ServerConnection()
    for byte in wrong[:at]:
        assert connection.receive(bytes((byte,))) == []
    assert refused(connection, bytes(wrong[at : at + 1])) == PROTOCOL_ERROR
    assert refused(ServerConnection(), bytes(wrong) + settings()) == PROTOCOL_ERROR


@pytest.mark.parametrize("first", [ping(), get(), window(0, 1), frame(0x4A), frame(frames.SETTINGS, ACK), goaway(0)])
def test_the_first_frame_is_a_settings(first: bytes) -> None:
    assert refused(ServerConnection(), frames.PREFACE + first) == PROTOCOL_ERROR
    assert refused(asked(), first) == PROTOCOL_ERROR


# ---------------------------------------------------------------------- the server: what comes


def events(*parts: bytes) -> str:
    return shown(server().receive(b"".join(parts)))


def test_a_request_has_a_body_until_the_stream_ends() -> None:
    assert events(get()) == "1 request GET /a | 1 end"
    assert events(post(), data(1, end=True)) == "1 request POST /a chunked | 1 end"
    assert events(post(), data(1, b"a"), data(1), data(1, b"b", end=True)) == (
        "1 request POST /a chunked | 1 body a | 1 body b | 1 end"
    )
    assert events(post(1, ("content-length", "0")), data(1, end=True)) == "1 request POST /a length=0 | 1 end"
    assert events(headers(1, *GET, ("content-length", "0"))) == "1 request GET /a length=0 | 1 end"


def test_trailers_end_a_request_and_are_dropped() -> None:
    assert events(post(), data(1, b"a"), headers(1, ("impersonate-user", "root"))) == (
        "1 request POST /a chunked | 1 body a | 1 end"
    )


@pytest.mark.parametrize(
    ("trailers", "end"),
    [((("a", "b"),), False), (((":path", "/b"),), True), ((("A", "b"),), True), ((("connection", "close"),), True)],
)
def test_malformed_trailers_end_their_stream_alone(trailers: tuple[Pair, ...], end: bool) -> None:
    came = events(post(), headers(1, *trailers, end=end), get(3))
    assert came == "1 request POST /a chunked | 1 refused 400 then reset 1 | 3 request GET /a | 3 end"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ([data(1, b"123456")], "1 refused 400 then reset 1"),
        ([data(1, b"1234"), data(1, b"56", end=True)], "1 body 1234 | 1 refused 400 then reset 1"),
        ([data(1, b"1234", end=True)], "1 body 1234 | 1 refused 400 then reset 1"),
        ([data(1, end=True)], "1 refused 400 then reset 1"),
        ([headers(1, ("a", "b"))], "1 refused 400 then reset 1"),
        ([data(1, b"12345"), headers(1, ("a", "b"))], "1 body 12345 | 1 end"),
        ([data(1, b"12345"), data(1, end=True)], "1 body 12345 | 1 end"),
    ],
)
def test_a_body_is_as_long_as_was_announced(body: list[bytes], wrong: str) -> None:
    assert events(post(1, ("content-length", "5")), *body) == f"1 request POST /a length=5 | {wrong}"


@pytest.mark.parametrize("late", [data(1, b"x"), headers(1, ("a", "b")), headers(1, *GET)])
def test_a_frame_behind_the_end_of_a_request_resets_its_stream_after_an_answer(late: bytes) -> None:
    connection = server(get())
    connection.take()
    assert shown(connection.receive(late)) == f"1 refused 400 then reset {STREAM_CLOSED}"
    assert sent(connection, 1, Response(400, (), 0), End()) == ["headers 1 end", f"reset 1 {STREAM_CLOSED}"]
    assert connection.streams == 0


@pytest.mark.parametrize(("late", "code"), [(data(1, b"x"), STREAM_CLOSED), (headers(1, *GET), STREAM_CLOSED)])
def test_a_frame_that_may_not_come_on_a_complete_stream_ends_the_connection(late: bytes, code: int) -> None:
    connection = server(get())
    sent(connection, 1, Response(200, (), 0), End())
    assert connection.streams == 0
    assert refused(connection, late) == code


@pytest.mark.parametrize("late", [window(1, 5), frame(frames.PRIORITY, 0, 1, b"\0\0\0\3\0"), reset(1)])
def test_a_frame_that_may_come_late_on_a_complete_stream_is_dropped(late: bytes) -> None:
    connection = server(get())
    sent(connection, 1, Response(200, (), 0), End())
    assert connection.receive(late) == [] and connection.take() == b""


@pytest.mark.parametrize(
    "late", [data(1, b"x"), data(1, b"x", end=True), headers(1, ("a", "b")), window(1, 5), window(1, 0), reset(1)]
)
def test_a_late_frame_on_a_stream_that_we_ended_is_dropped(late: bytes) -> None:
    connection = server(post())
    connection.reset(1)
    assert seen(connection.take()) == [f"reset 1 {CANCEL}"] and connection.streams == 0
    assert connection.receive(late) == [] and connection.take() == b""
    assert shown(connection.receive(get(3))) == "3 request GET /a | 3 end"


def test_late_trailers_keep_the_header_table_right() -> None:
    connection = server(post())
    connection.reset(1)
    into_table = b"\x40\x01x\x01y"
    assert connection.receive(head_of(1, into_table) + head_of(3, block(*GET) + b"\xbe")) == [
        (3, Request("GET", "/a", (*HOST, ("x", "y")))),
        (3, End()),
    ]


def test_data_on_a_stream_that_the_client_ended_is_refused_again() -> None:
    connection = server(post() + reset(1))
    connection.take()
    assert connection.receive(data(1, b"x")) == [] and seen(connection.take()) == [f"reset 1 {STREAM_CLOSED}"]


@pytest.mark.parametrize("wrong", [data(1), reset(1), window(1, 5), headers(2, *GET), data(2), window(2, 1), reset(4)])
def test_on_a_stream_that_was_never_opened_only_a_request_may_come(wrong: bytes) -> None:
    assert refused(server(), wrong) == PROTOCOL_ERROR
    assert refused(server(get(5)), wrong.replace(b"\0\0\0\1", b"\0\0\0\7")) == PROTOCOL_ERROR


def test_streams_are_opened_in_order() -> None:
    assert refused(server(get(5)), get(3)) == PROTOCOL_ERROR
    connection = server(get(5))
    sent(connection, 5, Response(200, (), 0), End())
    assert refused(connection, get(5)) == STREAM_CLOSED
    assert shown(server(get(5)).receive(get(STREAM_IDS))) == f"{STREAM_IDS} request GET /a | {STREAM_IDS} end"


@pytest.mark.parametrize(
    "fields", [GET[:-1], (*GET, ("A", "b")), (*GET, ("connection", "close")), (("a", "b"), *GET), (*GET, ("a", "b\0"))]
)
def test_a_malformed_request_is_answered_and_ends_its_stream_alone(fields: tuple[Pair, ...]) -> None:
    connection = server()
    assert shown(connection.receive(headers(1, *fields) + get(3))) == "1 refused 400 then reset 1 | 3 request GET /a | 3 end"
    assert connection.take() == b"" and connection.answerable(1)
    answer = ["headers 1", "data 1 no end", f"reset 1 {PROTOCOL_ERROR}"]
    assert sent(connection, 1, Response(400, (), 2), Body(b"no"), End()) == answer
    assert not connection.answerable(1) and connection.receive(data(1, b"late")) == [] and connection.streams == 1


@pytest.mark.parametrize("fault", [data(1, b"123456"), data(1, end=True), headers(1, ("a", "b"), end=False), window(1, 0)])
def test_a_fault_within_a_request_is_answered_once(fault: bytes) -> None:
    connection = server(post(1, ("content-length", "5")) + fault)
    connection.receive(data(1, b"dropped"))
    assert connection.answerable(1) and connection.streams == 1
    assert sent(connection, 1, Response(400, (), 0), End()) == ["headers 1 end", f"reset 1 {PROTOCOL_ERROR}"]
    assert connection.streams == 0


def test_a_fault_within_an_answer_resets_its_stream() -> None:
    connection = server(get())
    sent(connection, 1, Response(200, (), CHUNKED), Body(b"a"))
    assert shown(connection.receive(window(1, 0))) == f"1 reset {PROTOCOL_ERROR}" and not connection.streams
    assert seen(connection.take()) == [f"reset 1 {PROTOCOL_ERROR}"]


def test_the_second_fault_on_a_stream_resets_it() -> None:
    connection = server(get() + window(1, 0))
    assert shown(connection.receive(window(1, 0))) == f"1 reset {PROTOCOL_ERROR}" and not connection.streams


@pytest.mark.parametrize("end", [True, False])
def test_a_request_that_is_not_served_is_answered_and_its_body_dropped(end: bool) -> None:
    connection = server()
    assert shown(connection.receive(headers(1, (":method", "TRACE"), *GET[1:], end=end))) == "1 refused 405"
    if not end:
        assert connection.receive(data(1, b"body") + data(1, end=True)) == []
    assert sent(connection, 1, Response(405, (), 2), Body(b"no"), End()) == ["headers 1", "data 1 no end"]
    assert connection.streams == 0


def test_no_body_answers_a_head_that_is_refused() -> None:
    connection = server(headers(1, (":method", "HEAD"), *GET[1:], ("content-length", "5"), end=False))
    assert sent(connection, 1, Response(400, (), 2), Body(b"no"), End()) == ["headers 1 end"]


def test_an_expectation_is_told_where_a_body_is_to_come() -> None:
    (came,) = server().receive(post(1, ("expect", "100-continue")))
    assert isinstance(came[1], Request) and came[1].expects_continue and came[1].headers == HOST
    (came, _) = server().receive(get(1, ("expect", "100-continue")))
    assert isinstance(came[1], Request) and not came[1].expects_continue


def test_the_hundred_and_first_stream_is_refused_and_the_next_after_an_end_is_not() -> None:
    connection = server(b"".join(get(stream) for stream in range(1, 2 * MOST_STREAMS, 2)))
    assert connection.streams == MOST_STREAMS
    connection.take()
    assert connection.receive(get(2 * MOST_STREAMS + 1)) == []
    assert seen(connection.take()) == [f"reset 201 {REFUSED_STREAM}"] and connection.streams == MOST_STREAMS
    sent(connection, 1, Response(200, (), 0), End())
    assert len(connection.receive(get(2 * MOST_STREAMS + 3))) == 2


def test_a_refused_request_keeps_the_header_table_right() -> None:
    connection = server(b"".join(get(stream) for stream in range(1, 2 * MOST_STREAMS, 2)))
    connection.receive(head_of(201, block(*GET) + b"\x40\x01x\x01y"))
    connection.reset(1)
    assert connection.receive(head_of(203, block(*GET) + b"\xbe"))[0] == (203, Request("GET", "/a", (*HOST, ("x", "y"))))


# ---------------------------------------------------------------------- the server: what is sent


@pytest.mark.parametrize(
    ("asked_by", "answer", "written"),
    [
        ("GET", Response(200, (), 2), ["headers 1", "data 1 ok end"]),
        ("GET", Response(200, (), CHUNKED), ["headers 1", "data 1 ok end"]),
        ("GET", Response(200, (), 0), ["headers 1 end"]),
        ("GET", Response(200, (), NO_BODY), ["headers 1 end"]),
        ("GET", Response(204, ()), ["headers 1 end"]),
        ("GET", Response(304, (), 2), ["headers 1 end"]),
        ("HEAD", Response(200, (), 2), ["headers 1 end"]),
        ("HEAD", Response(200, (), CHUNKED), ["headers 1 end"]),
    ],
)
def test_an_answer_ends_with_its_last_bytes(asked_by: str, answer: Response, written: list[str]) -> None:
    connection = server(headers(1, (":method", asked_by), *GET[1:]))
    assert sent(connection, 1, answer, Body(b"ok"), End()) == written
    assert connection.streams == 0 and connection.drained() == ([1] if len(written) == 2 else [])


def test_an_answer_whose_end_comes_later_ends_with_an_empty_frame() -> None:
    connection = server(get())
    assert sent(connection, 1, Response(200, (), CHUNKED), Body(b"a")) == ["headers 1", "data 1 a"]
    assert sent(connection, 1, Body(b"")) == []
    assert sent(connection, 1, End()) == ["data 1 end"] and connection.streams == 0


@pytest.mark.parametrize(
    "wrong",
    [
        [Body(b"a")],
        [End()],
        [Request("GET", "/", HOST)],
        [Closed()],
        [Informational(101)],
        [Informational(200)],
        [Response(100, ())],
        [Response(101, (), upgrade="websocket")],
        [Response(200, (), 2), Response(200, (), 2)],
        [Response(200, (), 2), Informational(103)],
        [Response(200, (), 2), Body(b"abc")],
        [Response(200, (), 2), Body(b"ab"), Body(b"c")],
        [Response(200, (), 2), Body(b"a"), End()],
        [Response(200, (), 2), End()],
        [Response(200, (), CHUNKED), End(), Body(b"a")],
        [Response(200, (), CHUNKED), End(), End()],
        [Response(200, (("A", "b"),))],
        [Response(200, (("connection", "close"),))],
    ],
)
def test_an_answer_out_of_order_is_our_error(wrong: list[HttpEvent]) -> None:
    connection = server(post())
    *before, last = wrong
    for event in before:
        connection.send(1, event)
    with pytest.raises(OurError):
        connection.send(1, last)


def test_after_a_head_that_cannot_be_sent_another_can() -> None:
    connection = server(get())
    with pytest.raises(OurError):
        connection.send(1, Response(204, (("a", "b\nc"),)))
    assert sent(connection, 1, Response(500, (), 2), Body(b"no"), End()) == ["headers 1", "data 1 no end"]


def test_interim_answers_come_before_the_answer() -> None:
    connection = server(post(1, ("expect", "100-continue")))
    assert sent(connection, 1, Informational(100), Informational(103)) == ["headers 1", "headers 1"]
    assert sent(connection, 1, Response(200, (), 0)) == ["headers 1 end"]


def test_the_rest_of_a_request_that_was_answered_before_its_end_is_read_and_dropped() -> None:
    """Java's and httpx's clients go on sending, and never look at an answer behind which a reset comes."""
    connection = server(post())
    assert sent(connection, 1, Response(403, (), 2), Body(b"no"), End()) == ["headers 1", "data 1 no end"]
    came = 0
    for _ in range(100):  # more than the stream's window, so that updates must come
        assert connection.receive(data(1, bytes(16_000))) == []
        came += 16_000
    assert any(told.startswith("window 1 ") for told in seen(connection.take())) and connection.streams == 1
    assert connection.receive(data(1, b"", end=True)) == [] and connection.streams == 0
    assert sent(connection, 1) == []


@pytest.mark.parametrize("much", [True, False])
def test_what_is_dropped_has_a_bound_and_a_time(much: bool) -> None:
    connection = server(post())
    sent(connection, 1, Response(403, (), 2), Body(b"no"), End())
    for number in range(MOST_DROPPED // 16_000 if much else DROPPED_FOR):
        if much:
            connection.receive(data(1, bytes(16_000)))
        else:
            connection.refill()
        assert connection.streams == 1, number
    connection.receive(data(1, bytes(16_000)))
    if not much:
        connection.refill()
    assert connection.streams == 0 and seen(connection.take())[-1] == f"reset 1 {NO_ERROR}"
    assert connection.receive(data(1, bytes(100))) == []


def test_a_reset_drops_the_body_that_waits() -> None:
    connection = server(post())
    sent(connection, 1, Response(200, (), CHUNKED))
    connection.send(1, Body(b"a"))
    connection.reset(1, REFUSED_STREAM)
    assert connection.waiting(1) == 0 and seen(connection.take()) == [f"reset 1 {REFUSED_STREAM}"]
    connection.send(1, Body(b"b"))
    connection.reset(1)
    connection.hold(1, held=False)
    assert connection.take() == b"" and connection.drained() == []


def test_a_client_that_resets_its_stream_is_sent_no_more_of_it() -> None:
    connection = server(get())
    connection.send(1, Response(200, (), CHUNKED))
    connection.send(1, Body(b"a"))
    assert shown(connection.receive(reset(1))) == f"1 reset {CANCEL}"
    connection.send(1, End())
    assert seen(connection.take()) == ["headers 1"]


# ---------------------------------------------------------------------- the client: what is sent


@pytest.mark.parametrize(
    ("request_", "written"),
    [
        (Request("GET", "/a", HOST), ["headers 1 end"]),
        (Request("POST", "/a", HOST), ["headers 1 end"]),
        (Request("POST", "/a", HOST, 0), ["headers 1 end"]),
        (Request("POST", "/a", HOST, 2), ["headers 1", "data 1 ok end"]),
        (Request("POST", "/a", HOST, CHUNKED), ["headers 1", "data 1 ok end"]),
    ],
)
def test_a_request_ends_with_its_last_bytes(request_: Request, written: list[str]) -> None:
    connection = asked()
    assert sent(connection, connection.open(), request_, Body(b"ok"), End()) == written
    assert connection.streams == 1


@pytest.mark.parametrize(
    "wrong",
    [
        [Body(b"a")],
        [End()],
        [Response(200, ())],
        [Informational(100)],
        [Request("GET", "/a", HOST, upgrade="websocket")],
        [Request("GET", "/a", HOST), Request("GET", "/a", HOST)],
        [Request("POST", "/a", HOST, 2), Body(b"abc")],
        [Request("POST", "/a", HOST, 2), Body(b"a"), End()],
        [Request("POST", "/a", HOST, CHUNKED), End(), End()],
        [Request("GET", "/a", (*HOST, ("te", "trailers")))],
    ],
)
def test_a_request_out_of_order_is_our_error(wrong: list[HttpEvent]) -> None:
    connection = asked()
    stream = connection.open()
    *before, last = wrong
    for event in before:
        connection.send(stream, event)
    with pytest.raises(OurError):
        connection.send(stream, last)


def test_streams_are_free_up_to_what_the_server_allows() -> None:
    connection = asked()
    assert [connection.open() for _ in range(STREAMS_ASSUMED)] == list(range(1, 2 * STREAMS_ASSUMED, 2))
    assert not connection.free
    with pytest.raises(OurError):
        connection.open()
    connection.receive(settings((frames.MAX_CONCURRENT_STREAMS, STREAMS_ASSUMED + 1)))
    assert connection.free and connection.open() == 201 and not connection.free
    connection.reset(1)
    assert connection.free
    connection.receive(settings((frames.MAX_CONCURRENT_STREAMS, 0)))
    assert not connection.free


def test_no_stream_is_free_once_the_numbers_are_used_up() -> None:
    connection = asked()
    connection._highest = STREAM_IDS - 4
    assert connection.free and connection.open() == STREAM_IDS - 2 and not connection.free


# ---------------------------------------------------------------------- the client: what comes


@pytest.mark.parametrize(
    ("method", "answer", "came"),
    [
        ("GET", [headers(1, *OK)], "1 response 200 | 1 end"),
        ("GET", [headers(1, *OK, end=False), data(1, end=True)], "1 response 200 chunked | 1 end"),
        ("GET", [headers(1, *OK, end=False), data(1, b"a"), headers(1, ("a", "b"))], "1 response 200 chunked | 1 body a | 1 end"),
        ("HEAD", [headers(1, *OK, ("content-length", "5"))], "1 response 200 length=5 | 1 end"),
        ("HEAD", [headers(1, *OK, end=False), data(1, end=True)], "1 response 200 | 1 end"),
        ("HEAD", [headers(1, *OK, end=False), data(1, b"a")], "1 reset 1"),
        ("HEAD", [headers(1, *OK, end=False), reset(1, CANCEL)], "1 reset 8"),
        ("GET", [headers(1, *OK, ("content-length", "0"), end=False), headers(1, ("a", "b"))], "1 response 200 length=0 | 1 end"),
        ("GET", [headers(1, (":status", "304"), ("content-length", "5"))], "1 response 304 length=5 | 1 end"),
        ("GET", [headers(1, (":status", "304"), ("content-length", "5"), end=False), data(1, b"a")], "1 reset 1"),
        ("GET", [headers(1, (":status", "204"))], "1 response 204 | 1 end"),
        ("GET", [headers(1, (":status", "204"), end=False), data(1, b"a")], "1 reset 1"),
        ("GET", [headers(1, (":status", "204"), ("content-length", "5"))], "1 reset 1"),
        ("GET", [headers(1, *OK, ("content-length", "5"))], "1 reset 1"),
        ("GET", [headers(1, *OK, ("content-length", "1"), end=False), data(1, b"ab")], "1 response 200 length=1 | 1 reset 1"),
        ("GET", [headers(1, *OK, ("content-length", "1"), end=False), data(1, end=True)], "1 response 200 length=1 | 1 reset 1"),
        ("GET", [data(1, b"a")], "1 reset 1"),
        ("GET", [headers(1, *OK, end=False), headers(1, ("a", "b"), end=False)], "1 response 200 chunked | 1 reset 1"),
        ("GET", [headers(1, *OK, end=False), headers(1, *OK)], "1 response 200 chunked | 1 reset 1"),
        ("GET", [headers(1, (":status", "100"), end=False), headers(1, *OK)], "1 interim 100 | 1 response 200 | 1 end"),
        ("GET", [headers(1, (":status", "100"))], "1 reset 1"),
        ("GET", [headers(1, (":status", "101"), end=False)], "1 reset 1"),
        ("GET", [headers(1, (":status", "600"))], "1 reset 1"),
        ("GET", [headers(1, ("a", "b"))], "1 reset 1"),
        ("GET", [reset(1, CANCEL)], "1 reset 8"),
        ("GET", [reset(1, REFUSED_STREAM)], "1 reset 7 unread"),
        ("GET", [headers(1, *OK, end=False), reset(1, REFUSED_STREAM)], "1 response 200 chunked | 1 reset 7"),
    ],
)  # fmt: skip
def test_an_answer_is_what_it_says_or_its_stream_ends(method: str, answer: list[bytes], came: str) -> None:
    connection = client(methods=[method, "GET"])
    assert shown(connection.receive(b"".join(answer))) == came
    assert shown(connection.receive(headers(3, *OK))) == "3 response 200 | 3 end"
    assert connection.streams == 0 or came.endswith("chunked")


def test_ten_interim_answers_are_taken_and_no_more() -> None:
    interim = headers(1, (":status", "103"), end=False)
    connection = client()
    assert len(connection.receive(interim * semantics.MOST_INTERIM)) == semantics.MOST_INTERIM
    assert shown(connection.receive(interim)) == f"1 reset {PROTOCOL_ERROR}"


def test_an_answer_may_be_complete_before_its_request() -> None:
    connection = asked()
    stream = connection.open()
    sent(connection, stream, Request("POST", "/a", HOST, CHUNKED))
    connection.receive(ANSWERED)
    connection.take()
    assert shown(connection.receive(headers(1, (":status", "413")))) == "1 response 413 | 1 end"
    assert connection.streams == 1
    assert sent(connection, 1, Body(b"a")) == ["data 1 a"]
    assert shown(connection.receive(reset(1, NO_ERROR))) == f"1 reset {NO_ERROR}"
    assert connection.streams == 0


@pytest.mark.parametrize("late", [headers(1, *OK), data(1, b"x"), reset(1), window(1, 1)])
def test_a_late_frame_on_a_stream_that_the_client_ended_is_dropped(late: bytes) -> None:
    connection = client()
    connection.reset(1)
    assert seen(connection.take()) == [f"reset 1 {CANCEL}"]
    assert connection.receive(late) == [] and connection.take() == b""


@pytest.mark.parametrize("wrong", [headers(2, *OK), headers(3, *OK), data(3), data(2), reset(3), window(3, 1)])
def test_a_server_answers_what_was_asked_and_nothing_else(wrong: bytes) -> None:
    assert refused(client(), wrong) == PROTOCOL_ERROR


def test_a_push_is_refused_by_client_and_server() -> None:
    push = frame(frames.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + block(*GET))
    assert refused(client(), push) == PROTOCOL_ERROR and refused(server(post()), push) == PROTOCOL_ERROR


def test_data_behind_a_complete_answer_ends_the_connection() -> None:
    assert refused(client(headers(1, *OK)), data(1, b"x")) == STREAM_CLOSED
