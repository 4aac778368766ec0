"""HTTP/2's frames, and limits on a peer's costs: each limit and one more, whole and byte by byte (threats B1 to B8, B14)."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable

import pytest

from l7gw.wire import http2_frames as frames
from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, Body, End, Response
from l7gw.wire.http2 import ServerConnection
from l7gw.wire.http2_frames import (
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    LARGEST_BLOCK,
    MOST_CONTINUATIONS,
    PROTOCOL_ERROR,
    SMALLEST_FRAME,
)
from l7gw.wire.http2_limits import CLUSTER_FRAME, CONTROL_A_SECOND, LARGEST_UNSENT, MOST_SETTINGS, RESETS, RESETS_A_SECOND
from tests.support.http2_reading import (
    ACK,
    END_HEADERS,
    END_STREAM,
    GET,
    PADDED,
    POST,
    PRIORITIZED,
    block,
    client,
    data,
    frame,
    get,
    goaway,
    head_of,
    headers,
    literal,
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
)

PRIORITY = frame(frames.PRIORITY, 0, 1, b"\0\0\0\3\0")


def ends(opening: bytes, wrong: bytes, code: int) -> None:
    """Assert that `wrong` ends a server's connection with this code, whole and byte by byte, and that one byte less does not."""
    assert refused(server(opening), wrong) == code
    slow = server(opening)
    for at in range(len(wrong) - 1):
        slow.receive(wrong[at : at + 1])
    assert refused(slow, wrong[-1:]) == code


# ---------------------------------------------------------------------- frames (sections 4 and 6)


@pytest.mark.parametrize(
    "kind",
    [frames.DATA, frames.HEADERS, frames.PRIORITY, frames.RST_STREAM, frames.PUSH_PROMISE, frames.CONTINUATION],
)
def test_a_frame_that_belongs_to_a_stream_must_name_one(kind: int) -> None:
    ends(get(), frame(kind, 0, 0, b"\1" * frames.LENGTHS.get(kind, 0)), PROTOCOL_ERROR)


@pytest.mark.parametrize("wrong", [settings(), ping(), goaway(0)])
def test_a_frame_that_belongs_to_the_connection_must_name_no_stream(wrong: bytes) -> None:
    ends(get(), wrong[:8] + b"\1" + wrong[9:], PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [0, 3, 4, 5, 6, 7, 8, 9])
@pytest.mark.parametrize("kind", [frames.RST_STREAM, frames.PING, frames.WINDOW_UPDATE])
def test_a_frame_has_the_length_of_its_kind(kind: int, length: int) -> None:
    wrong = frame(kind, 0, 0 if kind == frames.PING else 1, b"\1" * length)
    assert refused(server(get()), wrong) == (FRAME_SIZE_ERROR if length != frames.LENGTHS[kind] else -1)


def test_settings_come_in_sixes_and_an_acknowledgement_holds_none() -> None:
    for length in (1, 5, 7):
        ends(b"", frame(frames.SETTINGS, 0, 0, b"\0" * length), FRAME_SIZE_ERROR)
    ends(b"", frame(frames.SETTINGS, ACK, 0, b"\0\1\0\0\0\0"), FRAME_SIZE_ERROR)
    ends(b"", frame(frames.GOAWAY, 0, 0, b"\0" * 7), FRAME_SIZE_ERROR)
    assert server().receive(frame(frames.GOAWAY, 0, 0, b"\0" * 8 + b"debug data")) == []


def test_settings_are_acknowledged_each_and_unknown_ones_passed_over() -> None:
    connection = server()
    connection.receive(settings((0xAAAA, 5), (frames.HEADER_TABLE_SIZE, 1 << 31)) + settings())
    assert seen(connection.take()) == ["settings 0 ack"] * 2
    assert connection.receive(frame(frames.SETTINGS, ACK)) == [] and connection.take() == b""


def test_the_later_of_two_settings_with_one_id_counts() -> None:
    connection = server(get() + settings((frames.INITIAL_WINDOW_SIZE, 100), (frames.INITIAL_WINDOW_SIZE, 3)))
    connection.send(1, Response(200, (), CHUNKED))
    assert sent(connection, 1, Body(b"abcde"))[-1] == "data 1 abc"


@pytest.mark.parametrize(
    ("value", "server_says", "client_says"), [(0, -1, -1), (1, PROTOCOL_ERROR, -1), (2, PROTOCOL_ERROR, PROTOCOL_ERROR)]
)
def test_a_server_allows_no_pushes_and_says_nothing_of_them(value: int, server_says: int, client_says: int) -> None:
    assert refused(client(), settings((frames.ENABLE_PUSH, value))) == server_says
    assert refused(server(), settings((frames.ENABLE_PUSH, value))) == client_says


def test_a_frame_may_hold_32_settings_and_no_more() -> None:
    pair = (frames.INITIAL_WINDOW_SIZE, 5)
    assert refused(server(), settings(*[pair] * MOST_SETTINGS)) == -1
    ends(b"", settings(*[pair] * (MOST_SETTINGS + 1)), ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("kind", [0x0A, 0x10, 0x4A, 0xFF])
@pytest.mark.parametrize("stream", [0, 1, 2, 99])
def test_unknown_frames_are_passed_over(kind: int, stream: int) -> None:
    connection = server(get())
    connection.take()
    assert connection.receive(frame(kind, 0xFF, stream, b"?" * 100)) == [] and connection.take() == b""


def test_the_reserved_bit_of_a_stream_is_ignored() -> None:
    assert shown(server().receive(headers(0x8000_0001, *GET))) == "1 request GET /a | 1 end"


def test_unknown_flags_are_ignored() -> None:
    whole = frame(frames.HEADERS, 0xFF & ~PADDED & ~PRIORITIZED & ~END_STREAM, 1, block(*POST)) + frame(frames.DATA, 0xF6, 1, b"a")
    assert shown(server().receive(whole)) == "1 request POST /a chunked | 1 body a"


@pytest.mark.parametrize(("role", "largest"), [(server, SMALLEST_FRAME), (client, CLUSTER_FRAME)])
@pytest.mark.parametrize("kind", [frames.DATA, frames.HEADERS, frames.SETTINGS, 0x4A])
def test_a_frame_is_as_large_as_we_said_and_one_byte_more_is_refused_by_its_head(
    role: Callable[[], ServerConnection], largest: int, kind: int
) -> None:
    def head(length: int) -> bytes:
        return struct.pack(">BHBBL", length >> 16, length & 0xFFFF, kind, 0, 1)

    connection = role()
    connection.receive(head(largest))
    assert connection.unfinished and not connection.over
    for length in (largest + 1, 0xFFFFFF):
        connection = role()
        connection.receive(head(length)[:8])
        assert refused(connection, head(length)[8:]) == FRAME_SIZE_ERROR


@pytest.mark.parametrize("fill", [0, 1, 255])
def test_padding_is_no_part_of_a_frame(fill: int) -> None:
    pad = bytes((fill,))
    request = frame(frames.HEADERS, PADDED | END_HEADERS, 1, pad + block(*POST) + b"\1" * fill)
    body = frame(frames.DATA, PADDED | END_STREAM, 1, pad + b"ab" + b"\1" * fill)
    assert shown(server().receive(request + body)) == "1 request POST /a chunked | 1 body ab | 1 end"


@pytest.mark.parametrize("kind", [frames.DATA, frames.HEADERS])
@pytest.mark.parametrize("payload", [b"", b"\1", b"\2a", b"\xff" + b"a" * 254])
def test_padding_that_is_longer_than_its_frame_ends_the_connection(kind: int, payload: bytes) -> None:
    ends(post() if kind == frames.DATA else b"", frame(kind, PADDED | END_HEADERS, 1, payload), PROTOCOL_ERROR)


def test_a_priority_is_ignored_wherever_it_stands() -> None:
    weight = b"\x80\0\0\3\xff"
    assert shown(server().receive(frame(frames.HEADERS, PRIORITIZED | 5, 1, weight + block(*GET)))) == "1 request GET /a | 1 end"
    padded = frame(frames.HEADERS, PRIORITIZED | PADDED | 5, 1, b"\2" + weight + block(*GET) + b"\0\0")
    assert shown(server().receive(padded)) == "1 request GET /a | 1 end"
    assert server().receive(PRIORITY + frame(frames.PRIORITY, 0, 8, weight)) == []
    ends(b"", frame(frames.HEADERS, PRIORITIZED | 5, 1, weight[:4]), FRAME_SIZE_ERROR)


def test_a_stream_that_depends_on_itself_or_has_half_a_priority_ends() -> None:
    own = frame(frames.PRIORITY, 0, 1, b"\x80\0\0\1\0")
    assert shown(server(post()).receive(own)) == f"1 refused 400 then reset {PROTOCOL_ERROR}"
    assert shown(server(post()).receive(frame(frames.PRIORITY, 0, 1, b"\0"))) == f"1 refused 400 then reset {FRAME_SIZE_ERROR}"
    connection = server()
    connection.take()
    came = connection.receive(frame(frames.HEADERS, PRIORITIZED | 5, 1, b"\0\0\0\1\0" + block(*GET)))
    assert shown(came) == f"1 refused 400 then reset {PROTOCOL_ERROR}"


@pytest.mark.parametrize(("payload", "code"), [(b"\x80\0\0\1\0", PROTOCOL_ERROR), (b"\0", FRAME_SIZE_ERROR)])
def test_a_stream_that_never_was_is_not_reset_for_its_priority(payload: bytes, code: int) -> None:
    ends(b"", frame(frames.PRIORITY, 0, 1, payload), code)  # section 5.1: an idle stream may not be reset


# ---------------------------------------------------------------------- header blocks (threats B3)


def parts(*fragments: bytes, end: bool = True) -> bytes:
    first, *rest = fragments
    found = [head_of(1, first, end=end, rest=bool(rest))]
    found += [frame(frames.CONTINUATION, END_HEADERS if index == len(rest) else 0, 1, one) for index, one in enumerate(rest, 1)]
    return b"".join(found)


@pytest.mark.parametrize(
    "wrong", [ping(), data(1), get(3), frame(frames.CONTINUATION, 0, 3), frame(0x4A), window(0, 1), reset(1), settings()]
)
def test_nothing_cuts_a_header_block_in_two(wrong: bytes) -> None:
    ends(head_of(1, block(*GET)[:9], rest=True), wrong[:9], PROTOCOL_ERROR)


def test_nothing_but_a_header_block_is_continued() -> None:
    ends(b"", frame(frames.CONTINUATION, END_HEADERS, 1), PROTOCOL_ERROR)
    ends(get(), frame(frames.CONTINUATION, END_HEADERS, 1), PROTOCOL_ERROR)
    ends(parts(block(*GET)[:3], block(*GET)[3:]), frame(frames.CONTINUATION, END_HEADERS, 1), PROTOCOL_ERROR)


def test_a_header_block_may_be_cut_anywhere_into_as_many_frames_as_the_limit_allows() -> None:
    whole = block(*GET)
    for at in range(len(whole) + 1):
        assert shown(server().receive(parts(whole[:at], whole[at:]))) == "1 request GET /a | 1 end"
    assert shown(server().receive(parts(*[b""] * MOST_CONTINUATIONS, whole))) == "1 request GET /a | 1 end"
    trailers = parts(block(("a", "b"))[:2], block(("a", "b"))[2:])
    assert shown(server(post()).receive(trailers)) == "1 end"


@pytest.mark.parametrize("size", [0, 1])
def test_a_header_block_of_more_frames_ends_the_connection_before_it_is_whole(size: int) -> None:
    endless = frame(frames.CONTINUATION, 0, 1, b"\0" * size)
    connection = server(head_of(1, b"\0" * size, rest=True) + endless * MOST_CONTINUATIONS)
    ends_by = frame(frames.CONTINUATION, 0, 1, b"\0" * size)
    assert refused(connection, ends_by) == ENHANCE_YOUR_CALM


def test_a_header_block_of_64_kib_is_read_and_no_byte_more_is_kept() -> None:
    request = block(*GET)
    room = LARGEST_BLOCK - len(request)
    filling = b"".join(literal("x", "y" * (2040 - 6)) for _ in range(room // 2040 - 1))
    filling += literal("x", "y" * (room - len(filling) - 6))
    whole = request + filling
    assert len(whole) == LARGEST_BLOCK
    cut = [whole[at : at + SMALLEST_FRAME] for at in range(0, len(whole), SMALLEST_FRAME)]
    assert shown(server().receive(parts(*cut))) == "1 refused 431"
    begun = head_of(1, cut[0], rest=True) + b"".join(frame(frames.CONTINUATION, 0, 1, one) for one in cut[1:])
    assert refused(server(begun), frame(frames.CONTINUATION, 0, 1, b"x")) == ENHANCE_YOUR_CALM


# ---------------------------------------------------------------------- control frames (threats B7)

CONTROL = {
    "ping": ping(),
    "ping answer": ping(flags=ACK),
    "settings": settings(),
    "settings answer": frame(frames.SETTINGS, ACK),
    "priority": PRIORITY,
    "unknown": frame(0x4A),
    "goaway": goaway(0),
}


@pytest.mark.parametrize("one", CONTROL.values(), ids=CONTROL)
def test_control_frames_are_counted_by_the_second(one: bytes) -> None:
    connection = server()
    connection.refill()
    for _ in range(2):
        for _ in range(CONTROL_A_SECOND):
            connection.receive(one)
            connection.take()
        connection.refill()
    for _ in range(CONTROL_A_SECOND):
        connection.receive(one)
    assert refused(connection, one) == ENHANCE_YOUR_CALM


def test_answers_that_nobody_reads_are_not_piled_up() -> None:
    connection = server()
    size = len(ping())
    with pytest.raises(PeerError) as refusal:
        for _ in range(LARGEST_UNSENT // size + 2):
            connection.refill()
            connection.receive(ping())
    assert refusal.value.code == ENHANCE_YOUR_CALM
    assert len(connection.take()) <= LARGEST_UNSENT + 2 * size
    connection = server()
    for _ in range(LARGEST_UNSENT // size + 2):
        connection.refill()
        connection.receive(ping())
        connection.take()


# ---------------------------------------------------------------------- resets of the peer and of ours (threats B1, B2)

WAYS_TO_RESET = {
    "their reset": (post(), reset(1)),
    "a reset of what is complete": (get(), b"answer", reset(1)),
    "malformed": (headers(1, *GET[1:]),),
    "a window that overflows": (get(), window(1, (1 << 31) - 1)),
    "an update of nothing": (get(), window(1, 0)),
    "data behind the end": (get(), data(1)),
    "headers behind the end": (get(), headers(1, ("a", "b"))),
    "half a priority": (get(), frame(frames.PRIORITY, 0, 1, b"\0")),
    "its own parent": (get(), frame(frames.PRIORITY, 0, 1, b"\0\0\0\1\0")),
    "more body than announced": (post(1, ("content-length", "0")), data(1, b"x")),
    "trailers without an end": (post(), headers(1, ("a", "b"), end=False)),
    "answered before its end": (post(), b"answer", reset(1)),
}


def renumbered(whole: bytes, stream: int) -> bytes:
    """One frame with the number of another stream; in a PRIORITY the stream that it depends on is changed too."""
    own = stream.to_bytes(4, "big")
    payload = whole[9:].replace(b"\0\0\0\1", own) if whole[3] == frames.PRIORITY else whole[9:]
    return whole[:5] + own + payload


@pytest.mark.parametrize("script", WAYS_TO_RESET.values(), ids=WAYS_TO_RESET)
def test_every_stream_that_ends_early_by_a_clients_doing_is_counted(script: tuple[bytes, ...]) -> None:
    connection = server()
    streams = itertools.count(1, 2)

    def once() -> None:
        stream = next(streams)
        for step in script:
            if step == b"answer":
                connection.send(stream, Response(200, (), 0))
                connection.send(stream, End())
            else:
                connection.receive(renumbered(step, stream))
        if connection.answerable(stream):
            connection.send(stream, Response(400, (), 0))
            connection.send(stream, End())
        connection.take()
        assert connection.streams == 0

    for _ in range(RESETS):
        once()
    connection.refill()
    for _ in range(RESETS_A_SECOND):
        once()
    with pytest.raises(PeerError) as refusal:
        once()
        connection.receive(renumbered(post(), next(streams)) + renumbered(reset(1), next(streams) - 2))
    assert refusal.value.code == ENHANCE_YOUR_CALM


def test_quiet_seconds_refill_the_count_of_resets_up_to_its_bound() -> None:
    connection = server()
    for _ in range(100):
        connection.refill()
    streams = itertools.count(1, 2)
    for _ in range(RESETS):
        stream = next(streams)
        connection.receive(post(stream) + reset(stream))
    stream = next(streams)
    assert refused(connection, post(stream) + reset(stream)) == ENHANCE_YOUR_CALM


def test_a_cluster_may_reset_as_it_likes() -> None:
    connection = client(methods=[])
    for _ in range(3 * RESETS):
        stream = connection.open()
        assert len(connection.receive(reset(stream))) == 1
