"""HTTP/1.1 bodies (RFC 9112 sections 6.3 and 7.1): whole in any split, within their limits, and without copies where they are large."""

from __future__ import annotations

import itertools
import random

import pytest

from l7gw.wire import http1_body
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import CHUNKED, Body, BodyParts, End, HttpEvent, Request, Response
from l7gw.wire.http1_body import IN_PARTS, SMALLEST_PARTS
from l7gw.wire.http1_client import ClientConnection
from tests.fuzz.wire_http1 import served
from tests.support.http1_reading import POST, STREAM, refusal, request

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_chunk_of_fifteen_kilobytes_of_extension_is_refused_at_its_first_byte() -> None:
    connection = request(STREAM)
    with pytest.raises(PeerError):
        connection.receive(b"1;")


def test_a_request_of_one_byte_chunks_is_cut_and_an_answer_of_them_is_not() -> None:
    chunks = b"1\r\nx\r\n"
    few = STREAM + chunks * http1_body.CHUNKS_FREE
    assert refusal(few + b"0\r\n\r\n") == 0
    assert refusal(few + chunks) == 400
    fair = b"8\r\nabcdefgh\r\n" * (http1_body.CHUNKS_FREE + 10)
    assert served([STREAM + fair + b"0\r\n\r\n"])[1] == 0
    log = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks * (2 * http1_body.CHUNKS_FREE) + b"0\r\n\r\n"
    assert refusal(log, client=True) == 0


def test_a_body_has_all_its_bytes_whatever_the_chunks_and_the_reads() -> None:
    dice = random.Random(1)
    for _ in range(200):
        chunks = [dice.randbytes(dice.choice((1, 2, 17, 300))) for _ in range(dice.randint(0, 6))]
        data = STREAM + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        marks = sorted(dice.choices(range(len(data) + 1), k=dice.randint(0, 8)))
        pieces = [data[a:b] for a, b in itertools.pairwise([0, *marks, len(data)])]
        events, code, _ = served(pieces)
        assert code == 0
        assert events[1:] == ([Body(b"".join(chunks))] if chunks else []) + [End()]


def test_bodies_are_handed_over_as_they_arrive() -> None:
    connection = request(POST)
    assert connection.receive(b"he") == [Body(b"he")]
    assert connection.receive(b"llo") == [Body(b"llo"), End()]
    connection = request(STREAM)
    assert connection.receive(b"ff\r\nab") == [Body(b"ab")]
    assert connection.receive(b"c") == [Body(b"c")]


@pytest.mark.parametrize("client", [False, True])
def test_trailers_may_have_8_kib_and_no_byte_more(client: bool) -> None:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" if client else STREAM
    room = http1_body.LARGEST_TRAILERS - len(b"x: \r\n\r\n")
    for more, code in ((0, 0), (1, 502 if client else 400)):
        assert refusal(start + b"0\r\nx: " + b"v" * (room + more) + b"\r\n\r\n", client=client) == code
    assert refusal(start + b"0\r\nx: " + b"v" * (room + 10), client=client) == code


# ---------------------------------------------------------------------- large bodies


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


def asked(*, in_parts: bool = True) -> ClientConnection:
    """A connection that has read the head of an answer in chunks."""
    connection = ClientConnection()
    connection.send(Request("GET", "/log", (("host", "a"),)))
    connection.send(End())
    connection.take()
    connection.receive(HEAD)
    if in_parts:
        connection.in_parts()
    return connection


def joined(events: list[HttpEvent]) -> bytes:
    return b"".join(b"".join(one.parts) if isinstance(one, BodyParts) else one.data for one in events if not isinstance(one, End))


def test_large_chunks_are_given_as_they_lie_in_what_was_read_where_that_was_asked_for() -> None:
    read = chunked(b"a" * 40_000, b"b" * 40_000, b"c" * 20_000)
    (event,) = asked().receive(read)
    assert isinstance(event, BodyParts)
    assert [part.obj is read and len(part) for part in event.parts if isinstance(part, memoryview)] == [40_000, 40_000, 20_000]
    assert event.size == 100_000
    assert asked(in_parts=False).receive(read) == [Body(b"a" * 40_000 + b"b" * 40_000 + b"c" * 20_000)]


def test_a_large_body_with_a_length_is_given_as_it_lies_in_what_was_read_and_ends_with_its_length() -> None:
    connection = ClientConnection()
    connection.send(Request("GET", "/a", (("host", "a"),)))
    connection.send(End())
    connection.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    connection.in_parts()
    first, second = b"a" * 60_000, b"b" * 40_000
    (event,) = connection.receive(first)
    assert isinstance(event, BodyParts) and [part.obj is first for part in event.parts if isinstance(part, memoryview)] == [True]
    event, end = connection.receive(second)
    assert isinstance(event, BodyParts) and b"".join(event.parts) == second
    assert end == End() and connection.reusable


def test_a_read_in_a_buffer_that_is_used_again_is_read_as_bytes_are() -> None:
    dice = random.Random(5)
    for _ in range(60):
        chunks = [dice.randbytes(dice.choice((1, 300, 5_000, 20_000))) for _ in range(dice.randint(1, 6))]
        data = chunked(*chunks) + b"0\r\na: b\r\n\r\n"
        marks = sorted(dice.choices(range(len(data) + 1), k=dice.randint(0, 6)))
        connection, body, buffer, ended = asked(), b"", bytearray(len(data)), 0
        for a, b in itertools.pairwise([0, *marks, len(data)]):
            if b > a:
                buffer[: b - a] = data[a:b]
                events = connection.receive(memoryview(buffer)[: b - a])
                body += joined(events)
                ended += events[-1:] == [End()]
                del events
                buffer[:] = bytes(len(buffer))  # what is kept of a read must be a copy
        assert ended == 1 and body == b"".join(chunks)


def test_small_reads_and_small_chunks_are_given_as_one() -> None:
    assert asked().receive(chunked(b"x" * (IN_PARTS - 100))) == [Body(b"x" * (IN_PARTS - 100))]
    many = [bytes((65 + n % 20,)) * (SMALLEST_PARTS - 1) for n in range(20)]
    assert asked().receive(chunked(*many)) == [Body(b"".join(many))]


def test_the_next_answer_on_the_connection_is_not_given_in_parts() -> None:
    connection = asked()
    read = chunked(b"a" * 50_000)
    assert isinstance(connection.receive(read)[0], BodyParts)
    assert connection.receive(b"0\r\n\r\n") == [End()]
    connection.send(Request("GET", "/log", (("host", "a"),)))
    connection.send(End())
    connection.receive(HEAD)
    assert connection.receive(read) == [Body(b"a" * 50_000)]


def test_parts_hold_the_bytes_of_a_body_whatever_the_chunks_and_the_reads() -> None:
    dice = random.Random(7)
    for _ in range(100):
        chunks = [dice.randbytes(dice.choice((1, 300, 5_000, 70_000))) for _ in range(dice.randint(1, 9))]
        data = chunked(*chunks) + b"0\r\n\r\n"
        marks = sorted(dice.choices(range(len(data) + 1), k=dice.randint(0, 5)))
        connection, events = asked(), list[HttpEvent]()
        for a, b in itertools.pairwise([0, *marks, len(data)]):
            if b > a:
                events += connection.receive(data[a:b])
        assert events[-1] == End() and joined(events) == b"".join(chunks)
        assert all(event.size == sum(map(len, event.parts)) for event in events if isinstance(event, BodyParts))


@pytest.mark.parametrize("broken", [b"g\r\n", b"5;x\r\n", b"fffffffff\r\n"])
def test_what_is_wrong_behind_large_chunks_is_refused(broken: bytes) -> None:
    with pytest.raises(PeerError):
        asked().receive(chunked(b"a" * 50_000) + broken)
    with pytest.raises(PeerError):
        asked().receive(b"c350\r\n" + b"a" * 50_000 + b"xy")


def test_parts_are_sent_as_one_chunk_and_not_copied() -> None:
    whole = b"x" * 100_000
    parts = [memoryview(whole)[:70_000], memoryview(whole)[70_000:]]
    one, apart = request(), request()
    for connection in (one, apart):
        connection.send(Response(200, (), CHUNKED))
        connection.send(BodyParts(parts, len(whole)))
        connection.send(End())
    written = apart.take_apart()
    assert b"".join(written) == one.take()
    assert (
        sum(part.obj is whole for part in written if isinstance(part, memoryview)) == 1
    )  # a small part is joined with the framing
    assert apart.take() == b"" == one.take()


def test_parts_are_counted_against_the_length_that_was_announced() -> None:
    connection = request()
    connection.send(Response(200, (), 100))
    connection.send(BodyParts((b"x" * 60,), 60))
    with pytest.raises(OurError):
        connection.send(BodyParts((b"x" * 30, b"x" * 11), 41))
    connection.send(BodyParts((b"x" * 30, b"x" * 10), 40))
    connection.send(End())
    assert connection.take().endswith(b"\r\n\r\n" + b"x" * 100)
