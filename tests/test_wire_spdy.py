"""SPDY/3.1: golden vectors, npm's spdy-transport as the other implementation in both roles, and every way to cut the bytes."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.wire import spdy
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.spdy import (
    Connection,
    Data,
    GoAway,
    HeadersFrame,
    Ping,
    Reset,
    Settings,
    SpdyEvent,
    SynReply,
    SynStream,
    WindowUpdate,
)
from l7gw.wire.spdy_dictionary import DICTIONARY
from tests.fuzz.wire_spdy import whole
from tests.npm.install import MissingNode, node_modules
from tests.vector import Vector, vectors

VECTORS = vectors("wire_spdy")


def shown(events: list[SpdyEvent]) -> str:
    """Events as the vectors write them; a stream's headers in the order of their names' importance to Kubernetes."""
    words = []
    for event in events:
        match event:
            case SynStream(stream, headers):
                named = dict(headers)
                values = [named[name] for name in ("streamtype", "port", "requestid") if name in named]
                words.append(":".join(["syn", str(stream), *values]))
            case Data(stream, data, final):
                words.append(f"data:{stream}:{'final' if final else data.hex()}")
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
    return " ".join(words)


def read(parts: list[bytes], role: str = "server") -> list[SpdyEvent]:
    connection = Connection(role)  # type: ignore[arg-type]
    return whole([event for part in parts for event in connection.receive(part)])


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


def test_the_dictionary_is_the_drafts() -> None:
    assert hashlib.sha256(DICTIONARY).hexdigest() == "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_is_read_as_it_says_however_its_bytes_are_cut(vector: Vector) -> None:
    expected = vector.fields["expect"]
    cuts = range(1, min(len(vector.data), 300))
    for parts in ([vector.data], [bytes((b,)) for b in vector.data], *(pieces(vector.data, [n]) for n in cuts)):
        if expected.isdigit():
            with pytest.raises(PeerError) as refused:
                read(parts)
            assert refused.value.code == int(expected)
        else:
            assert shown(read(parts)) == expected


NAMES = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz-"), min_size=1, max_size=12)
HEADERS = st.dictionaries(NAMES, st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40), max_size=8)
ACTS = st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=5000), HEADERS), max_size=20)


@given(ACTS, st.lists(st.integers(0, 60_000), max_size=8))
def test_the_other_role_reads_what_was_sent(acts: list[tuple[int, bytes, dict[str, str]]], cuts: list[int]) -> None:
    client = Connection("client")
    sent: list[SpdyEvent] = []
    stream = -1
    for kind, data, headers in acts:
        event: SpdyEvent
        if kind == 0 or stream < 0:
            stream += 2
            event = SynStream(stream, tuple(headers.items()))
        elif not client.may_send(stream):
            continue
        elif kind == 1:
            event = HeadersFrame(stream, tuple(headers.items()))
        elif kind == 2:
            event = Ping(len(data))
        elif kind == 3 and len(data) % 5 == 0:
            event = Reset(stream, 5)
        else:
            event = Data(stream, data, len(data) % 7 == 0)
        client.send(event)
        sent.append(event)
    assert read(pieces(client.take(), cuts)) == whole(sent)


def test_stream_129_is_not_stream_1() -> None:
    client, server = Connection("client"), Connection("server")
    for stream in range(1, 131, 2):
        client.send(SynStream(stream, (("streamtype", str(stream)),)))
    client.send(Data(129, b"for 129"))
    assert server.receive(client.take())[-1] == Data(129, b"for 129")


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
    assert not client.streams and not server.streams


def test_data_for_a_stream_that_never_was_is_answered_by_a_reset_and_a_flood_of_it_ends() -> None:
    server = Connection("server")
    assert server.receive(bytes.fromhex("0000000300000001") + b"x") == []
    assert Connection("client").receive(server.take()) == []
    with pytest.raises(PeerError):
        server.receive((bytes.fromhex("0000000300000001") + b"x") * (spdy.MOST_UNKNOWN + 1))


def test_late_data_of_a_stream_that_was_reset_is_dropped_in_silence() -> None:
    client, server = Connection("client"), Connection("server")
    client.send(SynStream(1, ()))
    server.receive(client.take())
    server.send(Reset(1, 5))
    server.take()
    client.send(Data(1, b"late"))
    assert server.receive(client.take()) == []
    assert server.take() == b""


@pytest.mark.parametrize("ids", [[2], [0], [3, 1], [1, 1]])
def test_a_stream_id_that_is_wrong_sided_or_falling_is_refused(ids: list[int]) -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, 0, DICTIONARY)
    server = Connection("server")
    with pytest.raises(PeerError) as refused:
        for stream in ids:
            block = deflate.compress(bytes(4)) + deflate.flush(zlib.Z_SYNC_FLUSH)
            payload = stream.to_bytes(4, "big") + bytes(6) + block
            server.receive(b"\x80\x03\x00\x01" + len(payload).to_bytes(4, "big") + payload)
    assert refused.value.code == spdy.PROTOCOL_ERROR


@pytest.mark.parametrize(("size", "refused"), [(spdy.LARGEST_DATA, False), (spdy.LARGEST_DATA + 1, True)])
def test_a_data_frame_has_a_largest_size_and_comes_in_pieces(size: int, refused: bool) -> None:
    client, server = Connection("client"), Connection("server")
    client.send(SynStream(1, ()))
    server.receive(client.take())
    head = (1).to_bytes(4, "big") + b"\x01" + size.to_bytes(3, "big")
    if refused:
        with pytest.raises(PeerError):
            server.receive(head)
        return
    assert server.receive(head + b"x" * 1000) == [Data(1, b"x" * 1000)]
    assert server.receive(b"x" * (size - 1000)) == [Data(1, b"x" * (size - 1000), True)]


@pytest.mark.parametrize(("count", "refused"), [(spdy.MOST_HEADERS, False), (spdy.MOST_HEADERS + 1, True)])
def test_a_block_has_a_most_of_headers(count: int, refused: bool) -> None:
    client, server = Connection("client"), Connection("server")
    client.send(SynStream(1, tuple((f"h{number}", "v") for number in range(count))))
    if refused:
        with pytest.raises(PeerError):
            server.receive(client.take())
    else:
        assert len(server.receive(client.take())[0].headers) == count  # type: ignore[union-attr]


def test_the_end_within_a_frame_is_no_end() -> None:
    server = Connection("server")
    server.receive(b"\x80\x03\x00")
    with pytest.raises(PeerError):
        server.receive(b"")
    assert Connection("server").receive(b"") == []


# ---------------------------------------------------------------------- npm's spdy-transport


def peer(role: str, *arguments: object) -> subprocess.Popen[bytes]:
    try:
        modules = node_modules()
    except MissingNode as missing:
        if os.environ.get("L7GW_NO_SKIP") == "1":
            raise
        pytest.skip(str(missing))
    driver = Path(__file__).parent / "npm" / "spdy-peer.js"
    command = ["node", str(driver), str(modules), role, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)


def test_spdy_transport_answers_our_streams_within_its_windows() -> None:
    process = peer("server")
    assert process.stdin and process.stdout
    client = Connection("client", windows=True)
    text = b"the quick brown fox " * 10_000  # 200 KB: three windows
    for stream in (1, 3):
        path = f"/{stream}"
        headers = ((":method", "POST"), (":path", path), (":scheme", "https"), (":host", "x"), (":version", "HTTP/1.1"))
        client.send(SynStream(stream, headers))
        client.send(Data(stream, text, True))
    heard = {1: b"", 3: b""}
    ended: set[int] = set()
    try:
        while ended != {1, 3}:
            process.stdin.write(client.take())
            data = process.stdout.read(65536)
            assert data, process.stderr.read().decode() if process.stderr else ""
            for event in client.receive(data):
                if isinstance(event, Data):
                    heard[event.stream] += event.data
                    if event.final:
                        ended.add(event.stream)
    finally:
        process.kill()
        process.communicate()
    assert heard == {1: text.upper(), 3: text.upper()}


def test_we_answer_spdy_transports_streams_within_our_windows() -> None:
    count, size = 5, 150_000
    process = peer("client", count, size)
    assert process.stdin and process.stdout and process.stderr
    server = Connection("server", windows=True)
    heard: dict[int, int] = {}
    ended = 0
    try:
        while ended < count:
            data = process.stdout.read(65536)
            assert data, process.stderr.read().decode()
            for event in server.receive(data):
                if isinstance(event, SynStream):
                    assert dict(event.headers)["streamtype"] == "data"
                    heard[event.stream] = 0
                    server.send(SynReply(event.stream, ((":status", "200"), (":version", "HTTP/1.1"))))
                elif isinstance(event, Data):
                    heard[event.stream] += len(event.data)
                    server.send(Data(event.stream, event.data, event.final))
                    ended += event.final
            process.stdin.write(server.take())
        told = sorted(process.stderr.readline().decode().strip() for _ in range(count))
    finally:
        process.kill()
        process.communicate()
    assert told == [f"{number} {size}" for number in range(count)]
    assert set(heard.values()) == {size}
