"""SPDY/3.1: vectors, the table of states, limits, and every way to cut the bytes."""

from __future__ import annotations

import hashlib
import random
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
from l7gw.wire.spdy_frames import CANCEL, INVALID_STREAM, STREAM_ALREADY_CLOSED
from l7gw.wire.spdy_sender import LARGEST_SENT_DATA
from l7gw.wire.spdy_streams import DROP, RECEIVING, REMEMBERED_RESETS
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


def test_many_frames_are_taken_as_one_string_once() -> None:
    client = client_of(1)
    for _ in range(3):
        client.send(Data(1, b"x"))
    assert client.take() == frames.data(1, b"x") * 3
    assert client.take() == b""


def test_stream_129_is_not_stream_1() -> None:
    client, server = Connection("client"), Connection("server")
    for stream in range(1, 131, 2):
        client.send(SynStream(stream, (("streamtype", str(stream)),)))
    client.send(Data(129, b"for 129"))
    assert server.receive(client.take())[-1] == Data(129, b"for 129")


# ---------------------------------------------------------------------- states


def in_state(state: str) -> tuple[Connection, Peer]:
    """A connection whose stream 1 is in this state, and the writer of its peer's frames."""
    if state in ("unanswered", "answered"):
        client, peer = client_of(1), Peer()
        if state == "answered":
            client.receive(peer.reply(1))
        return client, peer
    server, peer = server_of(*([] if state == "idle" else [1]))
    if state == "reset":
        server.receive(frames.reset(1))
    elif state in ("half-closed", "closed"):
        server.receive(frames.data(1, b"", spdy.FLAG_FIN))
    if state == "closed":
        server.send(SynReply(1, (), True))
    server.take()
    return server, peer


def frame_of(kind: int, peer: Peer, flags: int = 0) -> bytes:
    if kind == spdy.DATA:
        return frames.data(1, b"", flags)
    if kind == spdy.RST_STREAM:
        return frames.reset(1)
    return peer.reply(1, (), flags) if kind == spdy.SYN_REPLY else peer.headers(1, (), flags)


ROWS = [(state, kind) for state, row in RECEIVING.items() for kind in row]


@pytest.mark.parametrize(("state", "kind"), ROWS)
def test_every_row_of_what_the_peer_may_send_is_as_it_says(state: str, kind: int) -> None:
    connection, peer = in_state(state)
    outcome = RECEIVING[state][kind]
    frame = frame_of(kind, peer)
    event = {spdy.DATA: Data(1, b""), spdy.SYN_REPLY: SynReply(1), spdy.HEADERS: HeadersFrame(1, ()), spdy.RST_STREAM: Reset(1, 5)}[
        kind
    ]
    open_before = 1 in connection.streams.open
    events = connection.receive(frame)
    if isinstance(outcome, int):
        assert events == ([Reset(1, outcome)] if open_before else [])
        assert connection.take() == frames.reset(1, outcome)
        assert not may_send(connection, 1)
    else:
        assert events == ([event] if outcome == spdy.REPORT else [])
        assert connection.take() == b""
    strays = 0 if outcome in (spdy.REPORT, DROP) else 1
    rest = b"".join(frames.data(9 + (stream % 2), b"x") for stream in range(spdy.MOST_STRAYS - strays))
    connection.receive(rest)  # as many further strays as are allowed
    with pytest.raises(PeerError):
        connection.receive(frames.data(9, b"x"))


@pytest.mark.parametrize("kind", [spdy.DATA, spdy.HEADERS, spdy.SYN_REPLY])
def test_a_final_frame_of_any_kind_closes_the_peers_direction_alone(kind: int) -> None:
    client, peer = client_of(1), Peer()
    client.receive(frame_of(kind, peer, spdy.FLAG_FIN))
    assert may_send(client, 1)
    assert client.receive(frames.data(1, b"x")) == [Reset(1, STREAM_ALREADY_CLOSED)]


def test_a_half_closed_direction_stays_half_closed_and_the_other_open() -> None:
    client, server = Connection("client"), Connection("server")
    client.send(SynStream(1, ()))
    client.send(Data(1, b"last", True))
    server.receive(client.take())
    with pytest.raises(OurError):
        client.send(Data(1, b"more"))
    server.send(SynReply(1))
    server.send(Data(1, b"answer", True))
    assert client.receive(server.take()) == [SynReply(1), Data(1, b"answer", True)]
    assert not client.streams.open and not server.streams.open


@pytest.mark.parametrize(("flags", "reads", "writes"), [(0, True, True), (1, False, True), (2, True, False), (3, False, False)])
def test_a_streams_opening_says_which_directions_it_has(flags: int, reads: bool, writes: bool) -> None:
    server, peer = Connection("server"), Peer()
    server.receive(peer.syn(1, flags=flags))
    assert may_send(server, 1) == writes
    assert (server.receive(frames.data(1, b"x")) == [Data(1, b"x")]) == reads
    client = Connection("client")
    client.send(SynStream(1, (), bool(flags & 1), bool(flags & 2)))
    assert may_send(client, 1) == reads
    assert (client.receive(frames.data(1, b"x")) == [Data(1, b"x")]) == writes


REFUSED_SENDING = {
    "idle": [Data(1, b"x"), SynReply(1)],
    "reset": [Data(1, b"x"), SynReply(1)],
    "closed": [Data(1, b"x"), SynReply(1)],
    "half-closed": [],
    "theirs": [],
    "unanswered": [SynReply(1)],
    "answered": [SynReply(1)],
}


@pytest.mark.parametrize("state", RECEIVING)
def test_a_frame_that_its_streams_state_forbids_us_raises_and_writes_nothing(state: str) -> None:
    for event in (Data(1, b"x"), SynReply(1)):
        connection, _ = in_state(state)
        if event in REFUSED_SENDING[state]:
            with pytest.raises(OurError):
                connection.send(event)
            assert connection.take() == b""
        else:
            connection.send(event)
            assert connection.take()


@pytest.mark.parametrize("state", RECEIVING)
def test_a_reset_of_ours_goes_out_for_an_open_stream_and_is_nothing_for_another(state: str) -> None:
    connection, _ = in_state(state)
    was_open = 1 in connection.streams.open
    connection.send(Reset(1, CANCEL))
    assert connection.take() == (frames.reset(1) if was_open else b"")
    assert not may_send(connection, 1)


def test_nothing_of_a_server_goes_ahead_of_its_reply_even_if_its_caller_forgets_it() -> None:
    server, _ = server_of(1)
    server.send(Data(1, b"x"))
    server.send(SynReply(1, (), True))
    assert client_of(1).receive(server.take()) == [SynReply(1), Data(1, b"x"), Data(1, b"", True)]
    with pytest.raises(OurError):
        server.send(SynReply(1))
    server, _ = server_of(1)
    server.send(Data(1, b"x"))
    with pytest.raises(OurError):
        server.send(SynReply(1, (("late", "header"),)))
    server.send(SynReply(1))
    assert client_of(1).receive(server.take()) == [SynReply(1), Data(1, b"x")]
    with pytest.raises(OurError):
        server.send(SynReply(1))


def test_after_a_fault_streams_can_be_ended_and_those_whose_end_was_not_told_are_passed_over() -> None:
    server, peer = server_of(1, 3)
    with pytest.raises(PeerError):
        server.receive(frames.reset(1) + frames.control(10, b""))  # the read gives no events, not even the reset of 1
    server.send(Data(1, b"failed", True))
    server.send(Data(3, b"failed", True))
    server.send(GoAway(3))
    assert client_of(1, 3).receive(server.take()) == [SynReply(3), Data(3, b"failed", True), GoAway(3)]
    assert server.receive(peer.syn(5)) == []


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


def test_more_resets_than_are_remembered_are_forgotten_oldest_first() -> None:
    server, peer = Connection("server"), Peer()
    for number in range(REMEMBERED_RESETS + 1):
        server.receive(peer.syn(2 * number + 1) + frames.reset(2 * number + 1))
    server.receive(frames.data(3, b"x"))
    assert server.take() == b""
    server.receive(frames.data(1, b"x"))
    assert server.take() == frames.reset(1, STREAM_ALREADY_CLOSED)


def test_ten_thousand_streams_opened_and_closed_leave_nothing_behind() -> None:
    server, _ = server_of()
    client = Connection("client")
    for number in range(10_000):
        client.send(SynStream(2 * number + 1, ()))
        client.send(Data(2 * number + 1, b"x", True))
        server.receive(client.take())
        server.send(Reset(2 * number + 1, 5) if number % 2 else Data(2 * number + 1, b"", True))
        client.receive(server.take())
    for side in (client, server):
        assert not side.streams.open
        assert len(side.streams.resets) <= REMEMBERED_RESETS


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


def test_data_larger_than_a_frame_may_be_is_sent_as_several() -> None:
    client, (server, _) = client_of(1), server_of(1)
    text = random.Random(1).randbytes(2 * LARGEST_SENT_DATA + 5)
    client.send(Data(1, text, True))
    sent = client.take()
    assert sent[:8] == struct.pack(">II", 1, LARGEST_SENT_DATA)
    received = server.receive(sent)
    assert len(received) == 3
    assert whole(received) == [Data(1, text, True)]


WRONG: list[SpdyFrame] = [
    SynStream(2, ()),
    SynStream(1, ()),
    SynStream(0, ()),
    SynStream(2**31 + 1, ()),
    SynStream(3, (("Upper", "x"),)),
    Reset(1, 0),
    Reset(1, 2**32),
    Ping(2**32),
    Ping(-1),
    GoAway(2**32),
]


@pytest.mark.parametrize("event", WRONG, ids=str)
def test_a_value_that_its_frame_cannot_hold_raises_and_writes_nothing(event: SpdyFrame) -> None:
    client, (server, _) = client_of(1), server_of(1)
    with pytest.raises(OurError):
        client.send(event)
    assert client.take() == b""
    client.send(Data(1, b"still whole"))
    assert server.receive(client.take()) == [Data(1, b"still whole")]
