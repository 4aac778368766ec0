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

from l7gw.wire import websocket, websocket_frames
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.websocket import Connection, frame_bytes
from l7gw.wire.websocket_events import Close, Frame, Message, Ping, Pong
from tests.support.vector_files import Vector, vectors

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


def heard(connection: Connection, parts: list[bytes]) -> tuple[list[Frame], int]:
    """The events of bytes that come in parts, and the code of the fault behind them, 0 for no fault."""
    events: list[Frame] = []
    try:
        for part in parts:
            events.extend(connection.receive(part))
    except PeerError as fault:
        return events, fault.code
    return events, 0


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_is_read_as_it_says_however_its_bytes_are_cut(vector: Vector) -> None:
    role, _, expected = vector.fields["expect"].partition(" ")
    for parts in ([vector.data], [bytes((b,)) for b in vector.data], *(pieces(vector.data, [n]) for n in range(len(vector.data)))):
        events, code = heard(Connection(role), parts)  # type: ignore[arg-type]
        assert f"{shown(events)} {code or ''}".strip() == expected.strip()


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v.name.startswith(("server-", "length-126")) and v.name != "server-pong"], ids=lambda v: v.name
)
def test_what_we_write_is_byte_for_byte_what_the_vectors_hold(vector: Vector) -> None:
    connection = Connection("server")
    for event in Connection("client").receive(vector.data):
        connection.send(event)
    assert connection.take() == vector.data


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.name.startswith("client-")], ids=lambda v: v.name)
def test_what_we_write_with_the_vectors_mask_is_byte_for_byte_theirs(vector: Vector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_frames.os, "urandom", lambda size: bytes.fromhex("37fa213d"))
    connection = Connection("client")
    for event in Connection("server").receive(vector.data):
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


def fragment(head: int, payload: bytes, masked: bool) -> bytes:
    """A frame whose first byte is `head`."""
    return bytes((head,)) + frame_bytes(websocket.BINARY, payload, masked)[1:]


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("first", range(256))
def test_a_continuation_is_data_whatever_byte_it_begins_with(first: int, role: str) -> None:
    masked = role == "server"
    start, rest = b"\x01hello", bytes((first,)) + b"world"
    data = fragment(0x02, start, masked) + frame_bytes(websocket.PING, b"", masked) + fragment(0x80, rest, masked)
    assert read(role, [data]) == [Ping(b""), Message(start + rest)]


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("text", [False, True])
def test_a_message_is_the_same_wherever_it_is_split_with_pings_between(role: str, text: bool) -> None:
    masked, whole = role == "server", b'\x04{"Width":80,"Height":24}\n\xc3\xa4'
    opcode, ping = (websocket.TEXT if text else websocket.BINARY), frame_bytes(websocket.PING, b"p", masked)
    for at, to in itertools.combinations_with_replacement(range(len(whole) + 1), 2):
        data = (
            fragment(opcode, whole[:at], masked)
            + ping
            + fragment(0, whole[at:to], masked)
            + ping
            + fragment(0x80, whole[to:], masked)
        )
        assert read(role, [data + data]) == [Ping(b"p"), Ping(b"p"), Message(whole, text)] * 2


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, websocket.LARGEST_MESSAGE])
@pytest.mark.parametrize("role", ["client", "server"])
def test_every_length_is_written_in_its_shortest_form_and_read_again(size: int, role: str) -> None:
    writer = Connection("server" if role == "client" else "client")
    message = Message(b"\x01" + bytes(size - 1) if size else b"")
    writer.send(message)
    data = writer.take()
    assert len(data) == size + 2 + (0 if size < 126 else 2 if size < 65_536 else 8) + (4 if role == "server" else 0)
    assert read(role, [data]) == read(role, pieces(data, [3])) == [message]


@pytest.mark.parametrize(("size", "refused"), [(1000, False), (1001, True)])
@pytest.mark.parametrize("fragments", [1, 4])
@pytest.mark.parametrize("by_bytes", [False, True])
def test_a_message_has_a_largest_size(size: int, refused: bool, fragments: int, by_bytes: bool) -> None:
    payload = bytes(size)
    step = -(-size // fragments)
    parts = [payload[at : at + step] for at in range(0, size, step)]
    data = b""
    for number, part in enumerate(parts):
        head = (0x80 if number == len(parts) - 1 else 0) | (2 if number == 0 else 0)
        data += bytes((head, 126)) + len(part).to_bytes(2, "big") + part
    connection = Connection("client", limit=1000)
    try:
        events = [event for piece in ([bytes((b,)) for b in data] if by_bytes else [data]) for event in connection.receive(piece)]
    except PeerError as error:
        assert refused and error.code == 1009
    else:
        assert not refused and events == [Message(payload)]


def test_a_message_too_large_is_refused_before_a_byte_of_it_is_awaited() -> None:
    for size in (websocket.LARGEST_MESSAGE + 1, 1 << 30):
        with pytest.raises(PeerError) as refused:
            Connection("client").receive(b"\x82\x7f" + size.to_bytes(8, "big"))
        assert refused.value.code == 1009
    assert Connection("client").receive(b"\x82\x7f" + websocket.LARGEST_MESSAGE.to_bytes(8, "big")) == []


def test_a_control_frame_between_fragments_of_the_largest_message_is_no_part_of_it() -> None:
    connection = Connection("client", limit=100)
    connection.receive(b"\x02\x64" + bytes(100))
    assert connection.receive(b"\x89\x7d" + bytes(125)) == [Ping(bytes(125))]
    assert connection.receive(b"\x80\x00") == [Message(bytes(100))]
    assert connection.receive(b"\x82\x64" + bytes(100)) == [Message(bytes(100))]  # the next message may be as large


def test_a_large_message_in_single_bytes_is_put_together_once() -> None:
    class Counted(bytearray):
        copied = 0

        def __bytes__(self) -> bytes:
            Counted.copied += 1
            return bytes(memoryview(self))

    connection = Connection("client")
    connection._waiting = Counted()
    data = frame_bytes(websocket.BINARY, bytes(5000), False)
    assert [event for byte in data for event in connection.receive(bytes((byte,)))] == [Message(bytes(5000))]
    assert Counted.copied < 10


FREE, AVERAGE = websocket.FRAGMENTS_FREE, websocket.SMALLEST_AVERAGE


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("by_bytes", [False, True])
@pytest.mark.parametrize(("data", "more"), [(0, 0), (AVERAGE - 1, 0), (AVERAGE, 1), (100 * AVERAGE, 100)])
def test_a_message_of_small_fragments_has_a_largest_number_of_them(data: int, more: int, text: bool, by_bytes: bool) -> None:
    start = fragment(websocket.TEXT if text else websocket.BINARY, bytes(data), False)
    message = Message(bytes(data), text)
    connection = Connection("client")
    for _ in range(2):  # the next message may have as many
        most = start + b"\x00\x00" * (FREE + more - 2) + b"\x80\x00"
        assert heard(connection, [bytes((b,)) for b in most] if by_bytes else [most]) == ([message], 0)
    one_more = most + start + b"\x00\x00" * (FREE + more - 1)
    assert heard(connection, [one_more + b"\x80\x00\x82\x00"]) == ([message], 1008)


def test_a_message_of_fragments_that_bring_something_may_be_as_large_as_any() -> None:
    size = websocket.LARGEST_MESSAGE
    rest = (b"\x00\x40" + bytes(AVERAGE)) * (size // AVERAGE - 1)
    assert read("client", [b"\x02\x40" + bytes(AVERAGE) + rest + b"\x80\x00"]) == [Message(bytes(size))]


@pytest.mark.parametrize("fault", [(b"\xf2\x00", 1002), (b"\x81\x01\xff", 1007), (b"\x82\x7f" + bytes(3) + b"\xff" * 5, 1009)])
@pytest.mark.parametrize("role", ["client", "server"])
def test_frames_that_were_whole_before_a_fault_come_before_it_however_it_is_cut(role: str, fault: tuple[bytes, int]) -> None:
    broken, code = fault
    masked = role == "server"
    if masked:
        broken = broken[:1] + bytes((broken[1] | 0x80,)) + (broken[2:] if code == 1009 else bytes(4) + broken[2:])
    data = (
        frame_bytes(websocket.BINARY, b"\x01a", masked)
        + frame_bytes(websocket.PING, b"p", masked)
        + fragment(websocket.TEXT, b"b", masked)
        + fragment(0x80, b"c", masked)
    )
    expected = ([Message(b"\x01a"), Ping(b"p"), Message(b"bc", True)], code)
    for cut in range(len(data + broken)):
        connection = Connection(role)  # type: ignore[arg-type]
        assert heard(connection, pieces(data + broken, [cut])) == expected
        assert connection.receive(frame_bytes(websocket.BINARY, b"", masked)) == []
        assert connection.take()[0] == 0x80 | websocket.PONG


def test_a_fault_waits_for_whoever_takes_the_events_before_it() -> None:
    events = iter(Connection("client").receive(b"\x82\x01a\x82\x01b\xf2\x00"))
    assert [next(events), next(events)] == [Message(b"a"), Message(b"b")]
    with pytest.raises(PeerError):
        next(events)


# Bytes that cannot be UTF-8, and how many of them show it: an octet of no character, an overlong form, a surrogate, a number past
# U+10FFFF (RFC 3629 section 4). Two bytes show a surrogate, but Python's decoder waits for the third.
NO_TEXTS = [
    (b"\xff", 1),
    (b"\x80", 1),
    (b"\xc0\x80", 1),
    (b"\xe0\x80\x80", 2),
    (b"\xed\xa0\x80", 3),
    (b"\xf4\x90\x80\x80", 2),
    (b"\xc3a", 2),
]


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize(("broken", "tells"), NO_TEXTS, ids=lambda value: value.hex() if isinstance(value, bytes) else "")
def test_text_that_is_no_utf_8_is_refused_with_the_byte_that_tells(broken: bytes, tells: int, role: str) -> None:
    masked = role == "server"
    good = "κόσμε ä😀".encode()
    for size in (0, 1, 2, 3, len(good)):  # good bytes before it; a character may lie across two fragments
        whole = good + broken + b"more"
        ends = [fragment(0x00, whole[size:], masked), fragment(0x80, whole[size:], masked)]
        for end in ends:  # whether it is the last fragment
            data = frame_bytes(websocket.BINARY, b"a", masked) + fragment(websocket.TEXT, whole[:size], masked) + end
            until = len(data) - len(broken + b"more") + tells
            for cut in range(len(data)):
                connection = Connection(role)  # type: ignore[arg-type]
                assert heard(connection, pieces(data[: until - 1], [cut])) == ([Message(b"a")], 0)
                assert heard(connection, [data[until - 1 : until]]) == ([], 1007)
        frame = fragment(0x81, whole, masked)  # also in one frame, in several reads
        connection = Connection(role)  # type: ignore[arg-type]
        until = len(frame) - len(broken + b"more") + tells
        assert heard(connection, [bytes((b,)) for b in frame[: until - 1]]) == ([], 0)
        assert heard(connection, [frame[until - 1 : until]]) == ([], 1007)


@given(st.text(max_size=70), st.lists(st.integers(0, 200), max_size=5), st.lists(st.integers(0, 500), max_size=5))
def test_text_is_text_however_it_is_fragmented_and_cut(text: str, fragments: list[int], cuts: list[int]) -> None:
    parts = pieces(text.encode(), fragments) or [b""]
    for role, masked in (("client", False), ("server", True)):
        data = b""
        for number, part in enumerate(parts):
            head = (websocket.FIN if number == len(parts) - 1 else 0) | (0 if number else websocket.TEXT)
            data += fragment(head, part, masked)
        assert read(role, pieces(data + data, cuts)) == [Message(text.encode(), True)] * 2


def test_kubectls_pings_of_a_day_without_data_are_no_flood() -> None:
    connection = Connection("server")
    for _ in range(24 * 3600 // 5):
        assert connection.receive(b"\x89\x80\0\0\0\0") == [Ping(b"")]
        assert connection.take() == b"\x8a\x00"


@pytest.mark.parametrize("frame", [b"\x89\x00", b"\x8a\x00"])
def test_control_frames_without_data_either_way_end_at_their_bound(frame: bytes) -> None:
    most = websocket.MOST_CONTROL
    connection = Connection("client")
    for data in (b"\x82\x01a", b"\x81\x01a", b"\x02\x01a", b"\x80\x01a"):  # data of each kind reset the count
        assert len(connection.receive(frame * most)) == most
        connection.receive(data)
    connection.receive(frame * most)
    connection.send(Message(b"a"))
    connection.receive(frame * most)
    with pytest.raises(PeerError) as refused:
        connection.receive(frame)
    assert refused.value.code == 1008


def test_empty_fragments_are_no_data_that_excuses_pings() -> None:
    connection = Connection("client")
    connection.receive(b"\x02\x00" + b"\x89\x00" * websocket.MOST_CONTROL + b"\x00\x00")
    with pytest.raises(PeerError):
        connection.receive(b"\x89\x00")


def test_a_ping_is_answered_before_anybody_asks() -> None:
    connection = Connection("server")
    assert connection.receive(frame_bytes(websocket.PING, b"hi", True)) == [Ping(b"hi")]
    assert connection.take() == b"\x8a\x02hi"
    assert connection.take() == b""


def pings(*numbers: int) -> bytes:
    return b"".join(frame_bytes(websocket.PING, bytes((number,)) * 125, True) for number in numbers)


def pongs(*numbers: int) -> bytes:
    return b"".join(b"\x8a\x7d" + bytes((number,)) * 125 for number in numbers)


def test_each_ping_is_answered_and_before_what_we_say() -> None:
    connection = Connection("server")
    connection.receive(pings(1, 2))
    connection.send(Message(b"a"))
    connection.receive(pings(3))
    assert connection.take() == pongs(1, 2, 3) + b"\x82\x01a"
    assert connection.take() == b""


def test_a_peer_that_does_not_read_is_owed_the_last_pong_alone() -> None:
    connection = Connection("server")
    connection.receive(pings(1, 2))
    connection.send(Message(b"a"))
    assert connection.take(False) == b"\x82\x01a"
    connection.receive(pings(3))
    assert connection.take(False) == b""
    assert connection.take() == pongs(3)


def test_of_more_pings_than_could_be_answered_the_last_stands_for_those_before_it() -> None:
    connection = Connection("server")  # RFC 6455 section 5.5.3
    connection.receive(pings(*range(websocket.MOST_PONGS)))
    assert connection.take() == pongs(*range(websocket.MOST_PONGS))
    connection.receive(pings(*range(websocket.MOST_PONGS + 1)))
    assert connection.take() == pongs(*range(websocket.MOST_PONGS - 1), websocket.MOST_PONGS)
    for number in range(100):
        connection.receive(pings(number))
    assert connection.take() == pongs(*range(websocket.MOST_PONGS - 1), 99)


def test_a_ping_is_answered_before_our_close_and_not_behind_it() -> None:
    connection = Connection("server")
    connection.receive(frame_bytes(websocket.PING, b"1", True))
    connection.send(Close(1000))
    connection.receive(frame_bytes(websocket.PING, b"2", True))
    assert connection.take() == b"\x8a\x011" + b"\x88\x02\x03\xe8"
    assert connection.take() == b""


def test_several_sends_are_one_write() -> None:
    connection = Connection("server")
    connection.send(Message(b"\x01a"))
    connection.send(Message(b"\x00b", True))
    connection.send(Ping(bytes(125)))
    assert connection.take() == b"\x82\x02\x01a\x81\x02\x00b\x89\x7d" + bytes(125)
    assert connection.take() == b""


def test_every_frame_of_a_client_has_a_mask_of_its_own() -> None:
    connection = Connection("client")
    masks = set()
    for _ in range(32):
        connection.send(Message(b"abcd"))
        masks.add(connection.take()[2:6])
    assert len(masks) == 32


@pytest.mark.parametrize("fault", [b"\xf2\x00", b"\x82\x01a\xf2\x00", b""])
def test_after_a_fault_all_bytes_are_ignored(fault: bytes) -> None:
    connection = Connection("client")
    assert heard(connection, [fault])[1]
    assert connection.receive(b"\x82\x01a") == []
    assert connection.receive(b"") == []
    connection.send(Close(1002))  # the peer can still be told of its fault
    assert len(connection.take()) == 8


def test_the_end_of_the_bytes_without_a_close_is_a_1006() -> None:
    connection = Connection("client")
    with pytest.raises(PeerError) as refused:
        connection.receive(b"")
    assert refused.value.code == 1006
    connection = Connection("client")
    connection.receive(b"\x88\x02\x03\xe8")
    assert connection.receive(b"") == []
    assert connection.receive(b"\x82\x01a") == []
    connection = Connection("client")
    connection.receive(b"\x82\x05ab")
    with pytest.raises(PeerError) as refused:
        connection.receive(b"")
    assert refused.value.code == 1006


def test_nothing_follows_our_close() -> None:
    connection = Connection("server")
    connection.send(Close(1000))
    for event in (Message(b"more"), Ping(), Close()):
        with pytest.raises(OurError):
            connection.send(event)
    assert connection.close_sent and not connection.close_received


@pytest.mark.parametrize(
    "event", [Close(1004), Close(1005), Close(1006), Close(1015), Close(999), Close(5000), Ping(bytes(126)), Pong()]
)
def test_a_frame_that_nobody_may_send_is_our_error_and_is_not_written(event: Frame) -> None:
    connection = Connection("server")
    with pytest.raises(OurError):
        connection.send(event)
    assert connection.take() == b""
    connection.send(Close(1000))


def test_a_reason_is_cut_between_runes_to_fit() -> None:
    connection = Connection("server")
    connection.send(Close(1008, "ä" * 100))
    assert Connection("client").receive(connection.take()) == [Close(1008, "ä" * 61)]
    connection = Connection("server")
    connection.send(Close(1008, "a" * 124))
    assert Connection("client").receive(connection.take()) == [Close(1008, "a" * 123)]
    connection = Connection("server")
    connection.send(Close(None, "unsaid"))
    assert connection.take() == b"\x88\x00"


def mask_plainly(data: bytes, mask: bytes) -> bytes:
    """The mask of RFC 6455 section 5.3, as the RFC describes it."""
    return bytes(byte ^ mask[i & 3] for i, byte in enumerate(data))


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_the_fast_mask_is_the_plain_one(data: bytes, mask: bytes) -> None:
    assert websocket.apply_mask(data, mask) == mask_plainly(data, mask)
