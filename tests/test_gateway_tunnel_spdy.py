"""SPDY inside WebSocket messages: their boundaries, empty ones among them, mean nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Literal

import pytest

from l7gw.clock import ManualClock
from l7gw.gateway.tunnel_spdy import CANCEL, LARGEST_MESSAGE, STREAMS_WITHIN, SpdyInWebSocket, SpdyTunnel
from l7gw.kube.channels import SpdyChannels
from l7gw.wire import websocket
from l7gw.wire.spdy import Connection as Spdy
from l7gw.wire.spdy import Data, Reset, SpdyEvent, SynReply, SynStream
from l7gw.wire.websocket import Message

HEADERS = (("streamtype", "data"), ("port", "80"), ("requestid", "0"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_spdy_frames_may_be_cut_into_messages_anywhere_with_empty_ones_between(size: int) -> None:
    inner = Spdy("client")
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


# ---------------------------------------------------------------------- time


class Wires:
    """Both connections of a tunnel, and what is said on them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.client = SpdyPeer("client")
        self.cluster = SpdyPeer("server")
        self.outcome = ""
        record = SimpleNamespace(frame=lambda *_: None, durable=lambda then: then(None), session=SimpleNamespace(backlogged=False))
        exchange = SimpleNamespace(
            worker=SimpleNamespace(clock=self.clock), record_of=record, audit_id="A", began=self.clock.monotonic(),
            client=SimpleNamespace(write=self.client.hear, read=lambda *_: None, linger=lambda: None),
            upstream=SimpleNamespace(write=self.cluster.hear, close=lambda: None),
            may_forward=lambda _: True, ended=lambda outcome: setattr(self, "outcome", outcome),
        )  # fmt: skip
        self.tunnel = SpdyTunnel(exchange, SpdyChannels("portforward"), Spdy("server"), Spdy("client"))  # type: ignore[arg-type]

    def say(self, *events: SpdyEvent) -> None:
        for event in events:
            self.client.codec.send(event)
        self.tunnel.from_client(self.client.codec.take())

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.tunnel.tick(self.clock.monotonic())


class SpdyPeer:
    """One end's own codec, and what it heard."""

    def __init__(self, role: Literal["client", "server"]) -> None:
        self.codec = Spdy(role)
        self.heard: list[SpdyEvent] = []

    def hear(self, data: bytes) -> None:
        if data:
            self.heard += self.codec.receive(data)


def half(stream: int, kind: str) -> SynStream:
    return SynStream(stream, (("streamtype", kind), ("port", "80"), ("requestid", "0")))


def test_half_a_pair_is_reset_on_both_sides_after_the_kubelets_time() -> None:
    wires = Wires()
    wires.say(half(1, "error"))
    wires.wait(STREAMS_WITHIN)
    assert not [event for event in wires.client.heard if isinstance(event, Reset)]
    wires.wait(1)
    assert Reset(1, CANCEL) in wires.client.heard
    assert Reset(1, CANCEL) in wires.cluster.heard


def test_a_whole_pair_lives_on() -> None:
    wires = Wires()
    wires.say(half(1, "error"), half(3, "data"))
    wires.wait(STREAMS_WITHIN + 1)
    assert not [event for event in [*wires.client.heard, *wires.cluster.heard] if isinstance(event, Reset)]
    assert not wires.outcome


def test_a_tunnel_without_a_stream_ends() -> None:
    wires = Wires()
    wires.wait(STREAMS_WITHIN)
    assert not wires.outcome
    wires.wait(1)
    assert wires.outcome == "cut"
