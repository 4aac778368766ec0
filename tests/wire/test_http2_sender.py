"""HTTP/2's windows in both directions, and the turns of streams: what is written when, and which window updates are sent."""

from __future__ import annotations

import itertools

import pytest

from l7gw.wire import http2_frames as frames
from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, Body, BodyParts, End, Request, Response
from l7gw.wire.http2 import ServerConnection
from l7gw.wire.http2_frames import DEFAULT_WINDOW, FLOW_CONTROL_ERROR, LARGEST_WINDOW, PROTOCOL_ERROR, SMALLEST_FRAME
from l7gw.wire.http2_limits import CLIENT_STREAM_WINDOW, CLIENT_WINDOW, CLUSTER_FRAME
from l7gw.wire.http2_sender import LARGEST_SENT, TAKEN
from tests.support.http2_reading import (
    ANSWERED,
    HOST,
    PADDED,
    asked,
    client,
    data,
    frame,
    frames_of,
    get,
    headers,
    post,
    refused,
    reset,
    seen,
    sent,
    server,
    settings,
    shown,
    window,
)


def answering(*streams: int, body: bytes = b"") -> ServerConnection:
    """A server that answers these streams, each with `body`. The heads are taken already."""
    connection = server(b"".join(get(stream) for stream in streams))
    for stream in streams:
        connection.send(stream, Response(200, (), CHUNKED))
    connection.take()
    for stream in streams:
        connection.send(stream, Body(body))
    return connection


def first_window(size: int) -> bytes:
    return settings((frames.INITIAL_WINDOW_SIZE, size))


def amounts(written: bytes) -> dict[int, int]:
    """The bytes of DATA of each stream."""
    found: dict[int, int] = {}
    for kind, _, stream, payload in frames_of(written):
        if kind == frames.DATA:
            found[stream] = found.get(stream, 0) + len(payload)
    return found


# ---------------------------------------------------------------------- the peer's windows


def test_no_more_is_sent_than_both_windows_allow() -> None:
    connection = answering(1, body=b"x" * 200_000)
    assert amounts(connection.take()) == {1: DEFAULT_WINDOW} and connection.waiting(1) == 200_000 - DEFAULT_WINDOW
    connection.receive(window(1, 100_000))
    assert connection.take() == b""
    connection.receive(window(0, 1))
    assert seen(connection.take()) == ["data 1 x"]
    connection.receive(window(0, 200_000))
    assert amounts(connection.take()) == {1: 99_999}
    connection.send(1, End())
    assert connection.take() == b"" and connection.drained() == []
    connection.receive(window(1, 200_000))
    assert amounts(connection.take()) == {1: 200_000 - DEFAULT_WINDOW - 100_000}
    assert connection.waiting(1) == 0 and connection.drained() == [1] and connection.streams == 0


def test_a_window_of_nothing_lets_heads_and_ends_through_and_no_body() -> None:
    connection = server(first_window(0) + get(1) + get(3))
    connection.take()
    connection.send(1, Response(200, (), CHUNKED))
    connection.send(1, Body(b"a"))
    assert sent(connection, 3, Response(200, (), CHUNKED), End()) == ["headers 1", "headers 3", "data 3 end"]
    assert connection.waiting(1) == 1 and connection.take() == b""
    connection.receive(window(1, 1))
    assert seen(connection.take()) == ["data 1 a"] and sent(connection, 1, End()) == ["data 1 end"]


def test_a_window_may_become_negative_and_is_filled_first() -> None:
    connection = answering(1, body=b"x" * 20_000)
    connection.take()
    connection.send(1, Body(b"y" * 300))
    connection.receive(first_window(100))
    connection.take()
    assert connection.take() == b"" and connection.waiting(1) == 300
    connection.receive(window(1, 19_900))  # the window is zero now
    assert connection.take() == b""
    connection.receive(window(1, 100))
    assert amounts(connection.take()) == {1: 100}
    connection.receive(first_window(300))
    assert amounts(connection.take()) == {1: 200} and connection.waiting(1) == 0


def test_a_first_window_holds_for_streams_to_come_and_its_change_for_those_that_are() -> None:
    connection = server(first_window(10) + get(1) + first_window(20) + get(3))
    for stream in (1, 3):
        connection.send(stream, Response(200, (), CHUNKED))
        connection.send(stream, Body(b"x" * 100))
    assert amounts(connection.take()) == {1: 20, 3: 20}
    opened = asked()
    opened.receive(ANSWERED + first_window(7))
    stream = opened.open()
    opened.send(stream, Request("POST", "/a", HOST, CHUNKED))
    opened.send(stream, Body(b"0123456789"))
    assert seen(opened.take())[-1] == "data 1 0123456"


def test_a_window_may_have_2_gib_less_one_byte_and_no_more() -> None:
    most = LARGEST_WINDOW - DEFAULT_WINDOW
    assert server(window(0, most)).take() == b"" and refused(server(), window(0, most + 1)) == FLOW_CONTROL_ERROR
    assert refused(server(first_window(LARGEST_WINDOW) + get()), first_window(LARGEST_WINDOW + 1)) == FLOW_CONTROL_ERROR
    assert shown(server(get()).receive(window(1, most))) == ""
    connection = server(get() + get(3))
    connection.take()
    assert shown(connection.receive(window(1, most + 1) + window(3, 1))) == f"1 refused 400 then reset {FLOW_CONTROL_ERROR}"
    assert sent(connection, 1, Response(400, (), 0), End()) == ["headers 1 end", f"reset 1 {FLOW_CONTROL_ERROR}"]
    assert refused(server(get() + window(1, most)), first_window(DEFAULT_WINDOW + 1)) == FLOW_CONTROL_ERROR


def test_a_window_update_of_zero_is_a_fault() -> None:
    assert refused(server(), window(0, 0)) == PROTOCOL_ERROR
    assert refused(server(), window(0, 1 << 31)) == PROTOCOL_ERROR  # the reserved bit does not count
    assert shown(server(get()).receive(window(1, 0))) == f"1 refused 400 then reset {PROTOCOL_ERROR}"


# ---------------------------------------------------------------------- frames and turns


def test_frames_are_as_large_as_the_peer_takes_and_64_kib_at_most() -> None:
    for largest, size in ((None, SMALLEST_FRAME), (20_000, 20_000), (LARGEST_SENT, LARGEST_SENT), (LARGEST_SENT + 1, LARGEST_SENT)):
        connection = answering(1, body=b"x" * 150_000)
        connection.receive(window(0, 1 << 20) + window(1, 1 << 20))
        if largest is not None:
            connection.receive(settings((frames.MAX_FRAME_SIZE, largest)))
        sizes = [len(payload) for kind, _, _, payload in frames_of(connection.take()) if kind == frames.DATA]
        assert set(sizes[:-1]) == {size} and sum(sizes) == 150_000


@pytest.mark.parametrize("largest", [SMALLEST_FRAME - 1, frames.LARGEST_FRAME + 1, 0])
def test_a_largest_frame_that_cannot_be_ends_the_connection(largest: int) -> None:
    assert refused(server(), settings((frames.MAX_FRAME_SIZE, largest))) == PROTOCOL_ERROR
    assert refused(server(), settings((frames.MAX_FRAME_SIZE, frames.LARGEST_FRAME))) == -1


def test_a_head_that_is_larger_than_a_frame_is_continued() -> None:
    connection = server(get())
    big = tuple((f"x-{number}", "v" * 8000) for number in range(6))
    written = sent(connection, 1, Response(200, big, 0))
    assert written == ["headers 1 end", "continuation 1", "continuation 1"]
    connection = client(methods=[])
    connection.send(connection.open(), Request("GET", "/a", (*HOST, *big)))
    (came, _) = server().receive(connection.take())
    assert came == (1, Request("GET", "/a", (*HOST, *big)))


def test_streams_take_turns_by_the_frame() -> None:
    connection = answering(1, 3, 5, body=b"x" * 40_000)
    connection.receive(window(0, 1 << 20))
    turns = [stream for kind, _, stream, _ in frames_of(connection.take())]
    assert turns == [1, 3, 5, 1, 3, 5, 1, 3, 5]


def test_a_take_gives_about_as_much_as_is_asked_and_the_next_goes_on() -> None:
    connection = answering(1, 3, body=b"x" * 60_000)
    connection.receive(window(0, 1 << 20))
    assert amounts(connection.take(1)) == {1: SMALLEST_FRAME}
    assert amounts(connection.take(SMALLEST_FRAME + 1)) == {1: SMALLEST_FRAME, 3: SMALLEST_FRAME}
    assert amounts(connection.take(1)) == {3: SMALLEST_FRAME}
    connection.receive(window(1, 1 << 20) + window(3, 1 << 20))
    connection.send(1, Body(b"y" * 1_000_000))
    assert TAKEN <= sum(amounts(connection.take()).values()) < TAKEN + SMALLEST_FRAME


def test_a_stream_that_is_out_of_its_window_does_not_hold_up_the_others() -> None:
    connection = answering(1, 3, body=b"x" * 10)
    connection.receive(first_window(5))
    connection.take()
    connection.receive(window(3, 10))
    assert seen(connection.take()) == ["data 3 xxxxx"]


def test_with_the_connections_window_used_up_ends_still_go_out_and_turns_go_on() -> None:
    connection = answering(1, 3, 5, body=b"x" * 40_000)
    connection.take()
    connection.receive(get(7))
    connection.send(7, Response(200, (), CHUNKED))
    connection.send(7, End())
    assert seen(connection.take()) == ["headers 7", "data 7 end"]
    waiting = {stream: connection.waiting(stream) for stream in (1, 3, 5)}
    connection.receive(window(0, 1 << 20))
    assert amounts(connection.take()) == waiting


def test_pieces_are_joined_and_cut_without_loss() -> None:
    connection = server(first_window(7) + get())
    connection.take()
    connection.send(1, Response(200, (), CHUNKED))
    connection.take()
    pieces = [b"ab", b"c", memoryview(b"defgh"), b"ijklmnopq", b"r"]
    for piece in pieces:
        connection.send(1, Body(piece) if isinstance(piece, bytes) else BodyParts((piece,), len(piece)))
    came = b""
    for _ in range(4):
        came += b"".join(payload for kind, _, _, payload in frames_of(connection.take()) if kind == frames.DATA)
        assert connection.waiting(1) == 18 - len(came)
        connection.receive(window(1, 5))
    assert came == b"abcdefghijklmnopqr"


def test_a_body_that_waits_for_a_window_is_dropped_once_its_stream_is_reset() -> None:
    connection = answering(1, 3, body=b"x" * 100_000)
    connection.take()
    assert shown(connection.receive(reset(1))) == "1 reset 8" and connection.waiting(1) == 0
    connection.reset(3)
    connection.receive(window(0, 1 << 20) + first_window(1 << 20))
    assert amounts(connection.take()) == {} and connection.drained() == []


def test_a_drained_stream_is_reported_once() -> None:
    connection = answering(1, 3, body=b"x")
    connection.take()
    assert connection.drained() == [1, 3] and connection.drained() == []
    connection.send(3, Body(b"y"))
    assert connection.drained() == []
    connection.take()
    assert connection.drained() == [3]


# ---------------------------------------------------------------------- our windows


def test_a_streams_window_is_kept_open_while_it_is_not_held() -> None:
    connection = server(post())
    connection.take()
    piece = b"x" * SMALLEST_FRAME
    for _ in range(3):
        connection.receive(data(1, piece))
    assert connection.take() == b""
    connection.receive(data(1, piece))
    assert seen(connection.take()) == [f"window 1 {4 * SMALLEST_FRAME}"]


def test_a_held_stream_gives_up_its_window_and_no_byte_more_and_goes_on_when_let_go() -> None:
    connection = server(post() + post(3))
    connection.take()
    connection.hold(1, held=True)
    piece = b"x" * SMALLEST_FRAME
    for _ in range(CLIENT_STREAM_WINDOW // SMALLEST_FRAME):
        connection.receive(data(1, piece))
    assert connection.take() == b""
    connection.hold(1, held=False)
    assert seen(connection.take()) == [f"window 1 {CLIENT_STREAM_WINDOW}"]
    connection.hold(1, held=True)
    for _ in range(CLIENT_STREAM_WINDOW // SMALLEST_FRAME):
        connection.receive(data(1, piece))
    came = connection.receive(data(1, b"x") + data(3, b"y"))
    assert shown(came) == f"1 refused 400 then reset {FLOW_CONTROL_ERROR} | 3 body y"


def test_the_connections_window_is_kept_open_by_what_comes_on_any_stream() -> None:
    connection = server(post() + post(3))
    connection.take()
    connection.reset(3)
    connection.take()
    piece = b"x" * SMALLEST_FRAME
    for count in range(1, CLIENT_WINDOW // 2 // SMALLEST_FRAME):
        connection.receive(data(3, piece))
        assert connection.take() == b"", count
    connection.receive(data(3, piece))
    assert seen(connection.take()) == [f"window 0 {CLIENT_WINDOW // 2}"]


def test_more_than_the_connections_window_ends_it() -> None:
    connection = server(b"".join(post(stream) for stream in range(1, 11, 2)))
    connection._window_half = 1 << 30  # nothing is asked for
    for stream in (1, 3, 5, 7):
        connection.hold(stream, held=True)
        for _ in range(CLIENT_STREAM_WINDOW // SMALLEST_FRAME):
            connection.receive(data(stream, b"x" * SMALLEST_FRAME))
    assert refused(connection, data(9, b"x")) == FLOW_CONTROL_ERROR


def test_padding_counts_for_the_windows_and_is_asked_for_again() -> None:
    connection = server(post())
    connection.take()
    padded = frame(frames.DATA, PADDED, 1, b"\xff" + b"x" * 744 + b"\0" * 255)
    windows = 0
    for _ in range(10_000):
        ((stream, event),) = connection.receive(padded)
        assert stream == 1 and event == Body(b"x" * 744)
        windows += sum(int.from_bytes(payload, "big") for _, _, stream, payload in frames_of(connection.take()) if stream == 1)
    assert windows > 10_000 * 1000 - CLIENT_STREAM_WINDOW


def test_padding_uses_up_the_connections_window() -> None:
    connection = server(post())
    connection._window_half = 1 << 30  # nothing is asked for
    padded = frame(frames.DATA, PADDED, 1, b"\xff" + b"x" * 768 + b"\0" * 255)
    for _ in range(CLIENT_WINDOW // 1024):
        assert len(connection.receive(padded)) == 1
    assert refused(connection, data(1, b"x")) == FLOW_CONTROL_ERROR


def test_no_window_is_asked_for_a_body_that_is_complete() -> None:
    connection = server(post())
    connection.hold(1, held=True)
    connection.receive(b"".join(data(1, b"x" * SMALLEST_FRAME) for _ in range(5)) + data(1, end=True))
    connection.take()
    connection.hold(1, held=False)
    assert connection.take() == b""


def test_a_clients_windows_are_kept_open_too() -> None:
    connection = client(methods=["GET"])
    connection.receive(headers(1, (":status", "200"), end=False))
    came = asked_for = 0
    for _ in range(400):
        came += CLUSTER_FRAME
        connection.receive(data(1, b"x" * CLUSTER_FRAME))
        asked_for += sum(int.from_bytes(payload, "big") for kind, _, stream, payload in frames_of(connection.take()) if stream == 1)
    assert asked_for == came


# ---------------------------------------------------------------------- the number of window updates (threats B7)


@pytest.mark.parametrize("refills", [0, 1])
def test_a_download_of_a_hundred_megabytes_may_be_acknowledged_as_go_does(refills: int) -> None:
    """Go sends a window update of the stream and one of the connection for each 4 KiB, and they may come a second late."""
    connection = answering(1)
    connection.receive(settings((frames.INITIAL_WINDOW_SIZE, 4 << 20)) + window(0, 1 << 30))
    body = b"x" * (1 << 20)
    for _ in range(100):
        connection.send(1, Body(body))
        came = 0
        while written := amounts(connection.take()):
            came += written[1]
        for _ in range(refills):
            connection.refill()
        for _ in range(came // 4096):
            connection.receive(window(1, 4096) + window(0, 4096))
    assert came == len(body)


def test_each_frame_may_be_acknowledged_for_its_stream_and_for_the_connection() -> None:
    connection = answering(1)
    for _ in range(5000):
        connection.send(1, Body(b"x"))
        connection.take()
        connection.receive(window(1, 1) + window(0, 1))


def test_window_updates_of_nothing_that_was_sent_are_counted() -> None:
    connection = server(get())
    updates = itertools.cycle((window(0, 1), window(1, 1)))
    for _ in range(200):
        connection.receive(next(updates))
    connection.refill()
    for _ in range(200):
        connection.receive(next(updates))
    with pytest.raises(PeerError) as refusal:
        connection.receive(next(updates))
    assert refusal.value.code == frames.ENHANCE_YOUR_CALM


def test_a_peer_that_asks_for_a_byte_at_a_time_is_counted() -> None:
    """CVE-2019-9511: a peer asks for one byte at a time, so that every byte would be a frame."""
    connection = server(first_window(0) + get())
    connection.send(1, Response(200, (), CHUNKED))
    connection.send(1, Body(b"x" * 10_000))
    for _ in range(200):
        connection.receive(window(1, 1))
        assert len(connection.take()) == 10 or _ == 0
    with pytest.raises(PeerError) as refusal:
        connection.receive(window(1, 1))
    assert refusal.value.code == frames.ENHANCE_YOUR_CALM
