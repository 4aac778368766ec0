"""SPDY inside WebSocket messages: their boundaries, empty ones among them, mean nothing."""

from __future__ import annotations

import pytest

from l7gw.gateway.tunnel_spdy import LARGEST_MESSAGE, SpdyInWebSocket
from l7gw.wire import websocket
from l7gw.wire.spdy import Data, SynReply, SynStream
from l7gw.wire.websocket import Message

HEADERS = (("streamtype", "data"), ("port", "80"), ("requestid", "0"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_spdy_frames_may_be_cut_into_messages_anywhere_with_empty_ones_between(size: int) -> None:
    from l7gw.wire import spdy

    inner = spdy.Connection("client")
    inner.send(SynStream(1, HEADERS))
    inner.send(Data(1, b"hello", True))
    data = inner.take()
    outer = websocket.Connection("client")
    for at in range(0, len(data), size):
        outer.send(Message(b""))
        outer.send(Message(data[at : at + size]))
    assert SpdyInWebSocket("server").receive(outer.take())[0] == SynStream(1, HEADERS)
    leg = SpdyInWebSocket("server")
    for at in range(0, len(data), size):
        outer.send(Message(b""))
        outer.send(Message(data[at : at + size]))
    events = leg.receive(outer.take())
    assert b"".join(event.data for event in events if isinstance(event, Data)) == b"hello"


def test_what_we_write_comes_in_messages_of_a_bounded_size() -> None:
    leg, other = SpdyInWebSocket("server"), SpdyInWebSocket("client")
    other.send(SynStream(1, HEADERS))
    leg.receive(other.take())
    leg.send(SynReply(1))
    for _ in range(10):
        leg.send(Data(1, bytes(20_000)))
    sent = leg.take()
    sizes = [len(event.data) for event in websocket.Connection("client").receive(sent) if isinstance(event, Message)]
    assert max(sizes) <= LARGEST_MESSAGE
    assert sum(len(event.data) for event in other.receive(sent) if isinstance(event, Data)) == 200_000
