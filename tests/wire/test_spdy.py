"""SPDY/3.1: vectors, the table of states, limits, and every way to cut the bytes."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.wire import spdy
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import Headers
from l7gw.wire.spdy import Connection
from l7gw.wire.spdy_dictionary import DICTIONARY
from l7gw.wire.spdy_events import (
    Data,
    GoAway,
    HeadersFrame,
    Ping,
    Reset,
    Settings,
    SpdyEvent,
    SpdyFrame,
    SynReply,
    SynStream,
    WindowUpdate,
)
from l7gw.wire.spdy_frames import CANCEL, INVALID_STREAM
from tests.fuzz.wire_spdy import read as fuzz_read
from tests.fuzz.wire_spdy import whole
from tests.support import spdy_frames as frames
from tests.support.spdy_frames import Peer, client_of, may_send, pieces, server_of
from tests.support.spdy_peer import TalkingConnection
from tests.support.vector_files import Vector, vectors

VECTORS = vectors("wire_spdy")


def headers_shown(headers: Headers) -> list[str]:
    """The values of the headers that matter to Kubernetes, the most important first."""
    found = ["|".join(value for key, value in headers if key == name) for name in ("streamtype", "port", "requestid")]
    return [value for name, value in zip(("streamtype", "port", "requestid"), found, strict=True) if name in dict(headers)]


def shown(events: list[SpdyEvent]) -> str:
    """Events as the vectors write them; "-" stands for no event."""
    words = []
    for event in events:
        match event:
            case SynStream(stream, headers):
                words.append(":".join(["syn", str(stream), *headers_shown(headers)]))
            case SynReply(stream, headers):
                words.append(":".join(["reply", str(stream), *headers_shown(headers)]))
            case HeadersFrame(stream, headers):
                words.append(":".join(["headers", str(stream), *headers_shown(headers)]))
            case Data(stream, data, final):
                words.append(":".join(["data", str(stream), *([data.hex()] if data else []), *(["final"] if final else [])]))
            case Reset(stream, status):
                words.append(f"reset:{stream}:{status}")
            case Ping(number):
                words.append(f"ping:{number}")
            case GoAway(last, status):
                words.append(f"goaway:{last}:{status}")
            case WindowUpdate(stream, delta):
                words.append(f"window:{stream}:{delta}")
            case Settings(entries):
                words.append("settings:" + ",".join(f"{key}={value}" for key, value in entries))
    return " ".join(words) or "-"


def test_the_dictionary_is_the_drafts() -> None:
    assert hashlib.sha256(DICTIONARY).hexdigest() == "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02"


# ---------------------------------------------------------------------- vectors


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_is_read_as_it_says_however_its_bytes_are_cut(vector: Vector) -> None:
    expected, written = vector.fields["expect"], vector.fields.get("written")
    opened = [int(number) for number in vector.fields.get("opened", "").split()]
    behind = frames.control(6, bytes(4))  # a PING behind the vector changes no event before it
    cuts = range(1, min(len(vector.data), 300))
    for parts in ([vector.data], [bytes((b,)) for b in vector.data], *(pieces(vector.data, [n]) for n in cuts)):
        connection = client_of(*opened) if vector.fields.get("role") == "client" else Connection("server")
        if expected.isdigit():
            with pytest.raises(PeerError) as refused:
                [connection.receive(part) for part in parts]
            assert refused.value.code == int(expected)
            assert connection.receive(behind) == []
        else:
            events = whole([event for part in [*parts[:-1], parts[-1] + behind] for event in connection.receive(part)])
            assert events.pop() == Ping(0)
            assert shown(events) == expected
            if written is not None:
                assert connection.take().hex() == written


@pytest.mark.parametrize("vector", [vector for vector in VECTORS if "role" not in vector.fields], ids=lambda vector: vector.name)
def test_what_a_vector_says_is_written_as_it_is(vector: Vector) -> None:
    """Frames without a header block are compared byte for byte, blocks by their inflated bytes, as deflate has several results."""
    if vector.fields["expect"].isdigit() or vector.fields.get("written"):
        return
    events = Connection("server").receive(vector.data)
    client = TalkingConnection("client")
    for event in events:
        if isinstance(event, Settings | WindowUpdate):
            return  # the gateway only reads these frames
        if not isinstance(event, Data | HeadersFrame) or may_send(client, event.stream):
            client.send(event)
    sent = client.take()
    assert Connection("server").receive(sent) == events
    if not any(isinstance(event, SynStream) for event in events):
        assert sent == vector.data


# ---------------------------------------------------------------------- streams of bytes

NAMES = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz-"), min_size=1, max_size=12)
HEADERS = st.dictionaries(NAMES, st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40), max_size=8)
ACTS = st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=5000), HEADERS), max_size=20)


@given(ACTS, st.lists(st.integers(0, 60_000), max_size=8))
def test_the_other_role_reads_what_was_sent(acts: list[tuple[int, bytes, dict[str, str]]], cuts: list[int]) -> None:
    client, server = TalkingConnection("client"), Connection("server")
    sent: list[SpdyEvent] = []
    stream = -1
    for kind, data, headers in acts:
        event: SpdyFrame | HeadersFrame
        if kind == 0 or stream < 0:
            stream += 2
            event = SynStream(stream, tuple(headers.items()), False, len(data) % 3 == 0)
        elif kind == 2:
            event = Ping(len(data))
        elif not may_send(client, stream):
            continue
        elif kind == 1:
            event = HeadersFrame(stream, tuple(headers.items()), len(data) % 7 == 0)
        elif kind == 3 and len(data) % 5 == 0:
            event = Reset(stream, 5)
        else:
            event = Data(stream, data, len(data) % 7 == 0)
        client.send(event)
        sent.append(event)
    received = [event for part in pieces(client.take(), cuts) for event in server.receive(part)]
    assert whole(received) == whole(sent)


@st.composite
def frame_runs(draw: st.DrawFn) -> bytes:
    """Frames of a few streams in any order, most of them forbidden where they stand. The header blocks share one zlib context."""
    peer, parts = Peer(), []
    for _ in range(draw(st.integers(0, 12))):
        stream, flags = draw(st.sampled_from([1, 1, 2, 3, 5, 7])), draw(st.sampled_from([0, 0, 0, 1]))
        kind = draw(st.integers(0, 8))
        if kind <= 1:
            parts.append(peer.syn(stream, flags=draw(st.integers(0, 3))))
        elif kind <= 4:
            parts.append(frames.data(stream, bytes(draw(st.sampled_from([0, 1, 9, 40_000]))), flags))
        elif kind == 5:
            parts.append(peer.reply(stream, flags=flags))
        elif kind == 6:
            parts.append(peer.headers(stream, ((b"a", b"b"),), flags))
        elif kind == 7:
            parts.append(frames.reset(stream))
        else:
            parts.append(draw(st.sampled_from([frames.goaway(), frames.window(stream, 99), frames.control(6, bytes(4))])))
    return b"".join(parts)


@given(frame_runs(), st.sampled_from(["client", "server"]), st.lists(st.integers(0, 90_000), max_size=9))
def test_frames_in_any_order_are_judged_the_same_however_they_are_cut(run: bytes, role: str, cuts: list[int]) -> None:
    assert fuzz_read(role, pieces(run, cuts)) == fuzz_read(role, [run])


def plain_data(run: bytes, streams: set[int]) -> list[SpdyEvent]:
    """The events of DATA frames, read plainly: the twin of the codec's fast loop."""
    found: list[SpdyEvent] = []
    while run:
        stream, flags, length = int.from_bytes(run[:4], "big"), run[4], int.from_bytes(run[5:8], "big")
        if stream in streams:
            found.append(Data(stream, run[8 : 8 + length], bool(flags)))
        if flags:
            streams.discard(stream)
        run = run[8 + length :]
    return found


@given(st.lists(st.tuples(st.sampled_from([1, 3, 5, 7]), st.binary(max_size=300), st.integers(0, 1)), max_size=40))
def test_data_is_read_as_its_plain_twin_reads_it(run: list[tuple[int, bytes, int]]) -> None:
    server, _ = server_of(1, 3, 5)
    data = b"".join(frames.data(*frame) for frame in run)
    assert [one for one in server.receive(data) if isinstance(one, Data)] == plain_data(data, {1, 3, 5})


def test_a_large_frame_is_handed_on_as_it_comes_and_is_final_with_its_last_piece_alone() -> None:
    server, _ = server_of(1)
    frame = frames.data(1, b"abcdef", spdy.FLAG_FIN)
    assert [server.receive(part) for part in pieces(frame, [8, 9, 13])] == [
        [],
        [Data(1, b"a")],
        [Data(1, b"bcde")],
        [Data(1, b"f", True)],
    ]


def test_an_empty_frame_is_reported_once_with_or_without_an_end() -> None:
    server, _ = server_of(1)
    assert server.receive(frames.data(1) + frames.data(1, b"", spdy.FLAG_FIN)) == [Data(1, b""), Data(1, b"", True)]


def test_a_frame_of_a_stream_that_we_reset_meanwhile_is_dropped_to_its_end_and_the_next_is_read() -> None:
    server, _ = server_of(1, 3)
    assert server.receive(frames.data(1, b"abcdef")[:10]) == [Data(1, b"ab")]
    server.send(Reset(1, CANCEL))
    assert server.receive(b"cdef" + frames.data(3, b"x")) == [Data(3, b"x")]


def test_the_end_of_the_bytes_within_a_frame_is_a_fault() -> None:
    for part in (b"\x80\x03\x00", frames.data(1, b"ab")[:9]):
        server, _ = server_of(1)
        server.receive(part)
        with pytest.raises(PeerError):
            server.receive(b"")
    assert Connection("server").receive(b"") == []


def test_window_updates_are_ignored_and_none_are_sent() -> None:
    client, (server, _) = client_of(1), server_of(1)
    client.receive(frames.control(4, struct.pack(">III", 1, 7, 0)))
    client.send(Data(1, bytes(200_000)))
    assert server.receive(client.take()) == [Data(1, bytes(200_000))]
    assert server.take() == b""
    assert server.receive(frames.window(0, 2**31 - 1) * 2) == [WindowUpdate(0, 2**31 - 1)] * 2


def test_stream_129_is_not_stream_1() -> None:
    client, server = Connection("client"), Connection("server")
    for stream in range(1, 131, 2):
        client.send(SynStream(stream, (("streamtype", str(stream)),)))
    client.send(Data(129, b"for 129"))
    assert server.receive(client.take())[-1] == Data(129, b"for 129")


# ---------------------------------------------------------------------- going away


@pytest.mark.parametrize("ours", [True, False])
def test_after_a_goaway_of_either_side_a_new_stream_is_refused_and_the_open_ones_go_on(ours: bool) -> None:
    server, peer = server_of(1)
    if ours:
        server.send(GoAway(1))
        server.take()
        with pytest.raises(OurError):
            server.send(SynStream(2, ()))
    else:
        assert server.receive(frames.goaway()) == [GoAway(0)]
        server.send(SynStream(2, ()))
        server.take()
    assert server.receive(peer.syn(3, ((b"a", b"b"),)) + frames.data(3, b"dropped") + frames.data(1, b"x")) == [Data(1, b"x")]
    assert server.take() == frames.reset(3, spdy.REFUSED_STREAM)
    assert server.receive(peer.headers(1, ((b"a", b"b"),))) == [HeadersFrame(1, (("a", "b"),))]  # the zlib context is still in step


# ---------------------------------------------------------------------- limits


def test_strays_are_borne_up_to_a_number_and_each_frame_counts_once_however_it_is_cut() -> None:
    server = Connection("server")
    for byte in frames.data(9, b"x" * 50) * spdy.MOST_STRAYS:
        assert server.receive(bytes((byte,))) == []
    assert server.take() == frames.reset(9, INVALID_STREAM) * spdy.MOST_STRAYS
    with pytest.raises(PeerError):
        server.receive(frames.data(9))


@pytest.mark.parametrize("fault", ["reset of nothing", "data behind a FIN", "second reply"])
def test_a_flood_of_any_stray_ends_the_connection(fault: str) -> None:
    connection, peer = client_of(*range(1, 500, 2)), Peer()
    with pytest.raises(PeerError):
        for stream in range(1, 2 * spdy.MOST_STRAYS + 2, 2):
            connection.receive(
                {
                    "reset of nothing": lambda stream=stream: frames.reset(1000 + stream),
                    "data behind a FIN": lambda stream=stream: frames.data(stream, b"", 1) + frames.data(stream),
                    "second reply": lambda stream=stream: peer.reply(stream) + peer.reply(stream),
                }[fault]()
            )
    assert stream == 2 * spdy.MOST_STRAYS + 1


@pytest.mark.parametrize(("size", "refused"), [(spdy.LARGEST_DATA, False), (spdy.LARGEST_DATA + 1, True)])
def test_a_data_frame_has_a_largest_size_told_from_its_header(size: int, refused: bool) -> None:
    server, _ = server_of(1)
    head = struct.pack(">II", 1, spdy.FLAG_FIN << 24 | size)
    server.receive(head[:-1])
    if refused:
        with pytest.raises(PeerError) as error:
            server.receive(head[-1:])
        assert error.value.code == spdy.FRAME_TOO_LARGE
        return
    assert server.receive(head[-1:] + b"x" * 1000) == [Data(1, b"x" * 1000)]
    assert server.receive(b"x" * (size - 1000)) == [Data(1, b"x" * (size - 1000), True)]


@pytest.mark.parametrize(("size", "refused"), [(spdy.LARGEST_CONTROL, False), (spdy.LARGEST_CONTROL + 1, True)])
def test_a_control_frame_has_a_largest_size_told_from_its_header(size: int, refused: bool) -> None:
    server = Connection("server")
    head = frames.control(4, b"")[:4] + size.to_bytes(4, "big")
    server.receive(head[:-1])
    if refused:
        with pytest.raises(PeerError) as error:
            server.receive(head[-1:])
        assert error.value.code == spdy.FRAME_TOO_LARGE
    else:
        assert server.receive(head[-1:]) == []


def test_only_so_many_streams_are_open_at_once() -> None:
    server, peer = server_of(*range(1, 2 * spdy.MOST_STREAMS, 2))
    assert len(server.streams.open) == spdy.MOST_STREAMS
    with pytest.raises(PeerError):
        server.receive(peer.syn(2 * spdy.MOST_STREAMS + 1))
