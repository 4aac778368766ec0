"""SPDY frames of ours: in the order that the peer may read them, and only with numbers that fit their fields."""

from __future__ import annotations

import random
import struct

import pytest

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.spdy_events import (
    Data,
    GoAway,
    Ping,
    Reset,
    SpdyFrame,
    SynReply,
    SynStream,
)
from l7gw.wire.spdy_sender import LARGEST_SENT_DATA
from tests.fuzz.wire_spdy import whole
from tests.support import spdy_frames as frames
from tests.support.spdy_frames import client_of, server_of


def test_many_frames_are_taken_as_one_string_once() -> None:
    client = client_of(1)
    for _ in range(3):
        client.send(Data(1, b"x"))
    assert client.take() == frames.data(1, b"x") * 3
    assert client.take() == b""


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
