"""WebSocket: golden vectors, wsproto as the other implementation in both roles, and every way to cut the bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection as Other
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.events import Ping as OtherPing

from l7gw.wire import websocket
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.websocket import Close, Connection, Frame, Message, Ping, Pong, accept_key, frame_bytes, mask_plainly, valid_key
from tests.vector import Vector, vectors

VECTORS = vectors("wire_websocket")


def shown(events: list[Frame]) -> str:
    """Events as the vectors write them."""
    words = []
    for event in events:
        match event:
            case Message(data, text):
                words.append(f"{'text' if text else 'message'}:{data.hex()}")
            case Ping(data):
                words.append(f"ping:{data.hex()}")
            case Pong(data):
                words.append(f"pong:{data.hex()}")
            case Close(code, _):
                words.append(f"close:{code}")
    return " ".join(words)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


def read(role: str, parts: list[bytes]) -> list[Frame]:
    connection = Connection(role)  # type: ignore[arg-type]
    return [event for part in parts for event in connection.receive(part)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_is_read_as_it_says_however_its_bytes_are_cut(vector: Vector) -> None:
    role, _, expected = vector.fields["expect"].partition(" ")
    for parts in ([vector.data], [bytes((b,)) for b in vector.data], *(pieces(vector.data, [n]) for n in range(len(vector.data)))):
        if expected.isdigit():
            with pytest.raises(PeerError) as refused:
                read(role, parts)
            assert refused.value.code == int(expected)
        else:
            events = [event for event in read(role, parts) if vector.name != "fragments" or not isinstance(event, Ping)]
            assert shown(events) == expected.strip()


def test_what_we_write_is_byte_for_byte_what_the_vectors_hold() -> None:
    for vector in VECTORS:
        if vector.name.startswith("server-") and vector.name != "server-pong":
            connection = Connection("server")
            for event in Connection("client").receive(vector.data):
                connection.send(event)
            assert connection.take() == vector.data


MESSAGES = st.lists(st.tuples(st.binary(max_size=70_000), st.booleans()), max_size=6)


def texts(messages: list[tuple[bytes, bool]]) -> list[Message]:
    return [Message(data.decode("latin-1").encode() if text else data, text) for data, text in messages]


@given(MESSAGES, st.lists(st.integers(0, 100_000), max_size=8), st.sampled_from(["client", "server"]))
def test_wsproto_reads_what_we_write(messages: list[tuple[bytes, bool]], cuts: list[int], role: str) -> None:
    ours = Connection(role)  # type: ignore[arg-type]
    for message in texts(messages):
        ours.send(message)
    ours.send(Close(1000, "bye"))
    other = Other(ConnectionType.SERVER if role == "client" else ConnectionType.CLIENT)
    found: list[Message] = []
    gathered = b""
    closed = None
    for part in pieces(ours.take(), cuts):
        other.receive_data(part)
        for event in other.events():
            if isinstance(event, BytesMessage | TextMessage):
                gathered += event.data.encode() if isinstance(event.data, str) else bytes(event.data)
                if event.message_finished:
                    found.append(Message(gathered, isinstance(event, TextMessage)))
                    gathered = b""
            elif isinstance(event, CloseConnection):
                closed = (event.code, event.reason)
    assert found == texts(messages)
    assert closed == (1000, "bye")


@given(MESSAGES, st.lists(st.integers(0, 100_000), max_size=8), st.sampled_from(["client", "server"]))
def test_we_read_what_wsproto_writes(messages: list[tuple[bytes, bool]], cuts: list[int], role: str) -> None:
    other = Other(ConnectionType.SERVER if role == "client" else ConnectionType.CLIENT)
    data = b""
    for message in texts(messages):
        if message.text:
            data += other.send(TextMessage(data=message.data.decode()))
        else:
            half = len(message.data) // 2
            data += other.send(BytesMessage(data=message.data[:half], message_finished=False))
            data += other.send(OtherPing(payload=b"between"))
            data += other.send(BytesMessage(data=message.data[half:]))
    assert [event for event in read(role, pieces(data, cuts)) if not isinstance(event, Ping)] == texts(messages)


@pytest.mark.parametrize("first", range(256))
def test_a_continuation_is_data_whatever_byte_it_begins_with(first: int) -> None:
    start, rest = b"\x01hello", bytes((first,)) + b"world"
    data = bytes((0x02, len(start))) + start + frame_bytes(websocket.PING, b"", False) + bytes((0x80, len(rest))) + rest
    assert read("client", [data]) == [Ping(b""), Message(start + rest)]


@pytest.mark.parametrize(("size", "refused"), [(1000, False), (1001, True)])
@pytest.mark.parametrize("fragments", [1, 4])
def test_a_message_has_a_largest_size(size: int, refused: bool, fragments: int) -> None:
    payload = bytes(size)
    step = -(-size // fragments)
    parts = [payload[at : at + step] for at in range(0, size, step)]
    connection = Connection("client", limit=1000)
    try:
        for number, part in enumerate(parts):
            head = (0x80 if number == len(parts) - 1 else 0) | (2 if number == 0 else 0)
            connection.receive(bytes((head, 126)) + len(part).to_bytes(2, "big") + part)
    except PeerError as error:
        assert refused and error.code == 1009
    else:
        assert not refused


def test_a_message_too_large_is_refused_before_a_byte_of_it_is_buffered() -> None:
    with pytest.raises(PeerError) as refused:
        Connection("client").receive(b"\x82\x7f" + (1 << 30).to_bytes(8, "big"))
    assert refused.value.code == 1009


def test_floods_of_empty_fragments_and_pings_end() -> None:
    for frame in (b"\x00\x00", b"\x89\x00"):
        connection = Connection("client")
        connection.receive(b"\x02\x00")
        with pytest.raises(PeerError) as refused:
            for _ in range(websocket.MOST_FRAGMENTS + 1):
                connection.receive(frame)
        assert refused.value.code == 1008


def test_a_ping_is_answered_before_anybody_asks() -> None:
    connection = Connection("server")
    assert connection.receive(frame_bytes(websocket.PING, b"hi", True)) == [Ping(b"hi")]
    assert connection.take() == b"\x8a\x02hi"


def test_the_end_without_a_close_is_told_apart() -> None:
    connection = Connection("client")
    with pytest.raises(PeerError) as refused:
        connection.receive(b"")
    assert refused.value.code == 1006
    connection = Connection("client")
    connection.receive(b"\x88\x02\x03\xe8")
    assert connection.receive(b"") == []


def test_nothing_follows_our_close() -> None:
    connection = Connection("server")
    connection.send(Close(1000))
    with pytest.raises(OurError):
        connection.send(Message(b"more"))


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_the_fast_mask_is_the_plain_one(data: bytes, mask: bytes) -> None:
    assert websocket.apply_mask(data, mask) == mask_plainly(data, mask)


def test_handshake_keys() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
    assert valid_key(websocket.new_key())
    assert not any(map(valid_key, ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ==\n", "x" * 24]))
