"""A tunnel without a gateway around it: its two connections, with a codec for the peer at each end, and a clock that the test
turns."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

from l7gw.gateway.tunnel import Sides
from l7gw.gateway.tunnel_spdy import SpdyInWebSocket, SpdyTunnel
from l7gw.gateway.tunnel_websocket import WebSocketTunnel
from l7gw.kube.channels import EXEC_STREAMS, WebSocketChannels, WebSocketPorts
from l7gw.kube.streams import SpdyChannels
from l7gw.masking.bodies.streams import StreamRules
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.find import Find
from l7gw.masking.placeholder import Tagger
from l7gw.obligations import NO_OBLIGATIONS
from l7gw.timeouts import USUAL_TIMEOUTS
from l7gw.wire import websocket, websocket_events
from l7gw.wire.spdy import Connection as Spdy
from l7gw.wire.spdy_events import Data, HeadersFrame, Reset, SpdyEvent
from tests.support.manual_clock import ManualClock
from tests.support.spdy_peer import TalkingConnection

UNMASKED = StreamRules(
    tagger=Tagger(b"k" * 32, "c", "n"), scanner=Scanner([]), registry=None, obligations=NO_OBLIGATIONS, sender="", tty=False
)
Said = SpdyEvent | websocket_events.Frame


class Wires:
    """Both connections of a tunnel, and the peers at their ends."""

    def __init__(
        self,
        make: Callable[[Sides], Any],
        peer: Callable[[Literal["client", "server"]], Peer],
        rules: StreamRules = UNMASKED,
        hooks: Any = None,
    ) -> None:
        self.clock = ManualClock()
        self.client = peer("client")
        self.cluster = peer("server")
        self.outcome = self.reason = ""
        self.recorded: list[tuple[str, bytes, bool]] = []
        self.disk: list[Callable[[None], None]] | None = None  # callbacks that wait for a slow disk; None where it is fast
        record = SimpleNamespace(
            frame=lambda channel, *, up, stream, data, final=False: self.recorded.append((channel, data, final)),
            frames=self._frames,
            mask=lambda find, *, up: self.found.append(find),
            durable=self._durable, session=SimpleNamespace(backlogged=False),
        )  # fmt: skip
        self.downstream = SimpleNamespace(writable=True, write=self.client.hear, read=lambda **_: None, linger=lambda: None)
        call = SimpleNamespace(
            may_forward=lambda _: True, wait_for_disk=lambda: None, client_broke=lambda error: None, cluster_broke=lambda error: None,
            held_bytes_due=lambda: self.tunnel.release(), guessing=lambda values: setattr(self, "guesses", values),
            ended=lambda outcome, reason: self._ended(outcome, reason),
        )  # fmt: skip
        upstream = SimpleNamespace(write=self.cluster.hear, close=lambda: None)
        self.found: list[Find] = []
        self.guesses = 0
        masks = SimpleNamespace(
            streams=lambda: rules, call_hooks=lambda: hooks, obligations=rules.obligations, act=SimpleNamespace(tty=rules.tty),
            ends=lambda *found: f"a value was masked ({', '.join(found)})" if rules.obligations.ends_on_mask and not rules.obligations.reveal else "",
        )  # fmt: skip
        sides = Sides(call, self.downstream, upstream, record, masks, self.clock, USUAL_TIMEOUTS)  # type: ignore[arg-type]
        self.tunnel = make(sides)

    def _frames(self, channel: str, *, up: bool, stream: int, data: list[bytes], final: bool = False) -> None:
        self.recorded += [(channel, one, final and number == len(data)) for number, one in enumerate(data, 1)]

    def _ended(self, outcome: str, reason: str) -> None:
        self.outcome, self.reason = outcome, reason

    def _durable(self, then: Callable[[None], None]) -> None:
        if self.disk is None:
            then(None)
        else:
            self.disk.append(then)

    def say(self, *events: Said) -> None:
        self.tunnel.from_client(self.client.bytes_of(*events))

    def answer(self, *events: Said) -> None:
        self.tunnel.from_cluster(self.cluster.bytes_of(*events))

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.tunnel.tick(self.clock.monotonic())

    @property
    def resets(self) -> list[Said]:
        return [event for event in [*self.client.heard, *self.cluster.heard] if isinstance(event, Reset)]


class Peer:
    """The codec of one end (SPDY, WebSocket, or SPDY in WebSocket) and the events that it read. Of SPDY in WebSocket, the messages
    that carry the SPDY are left out."""

    def __init__(
        self, role: Literal["client", "server"], inner: TalkingConnection | None, outer: websocket.Connection | None
    ) -> None:
        self._masks = role == "client"
        self.inner = inner
        self._outer = outer
        self.heard: list[Said] = []

    def hear(self, data: bytes) -> None:
        if not data:
            return
        if self._outer is None:
            assert self.inner is not None
            self.heard += self.inner.receive(data)
            return
        for event in self._outer.receive(data):
            if self.inner is not None and isinstance(event, websocket_events.Message):
                self.heard += self.inner.receive(event.data)
            else:
                self.heard.append(event)

    def bytes_of(self, *events: Said) -> bytes:
        said = b""
        for event in events:
            if self._outer is not None and isinstance(event, websocket_events.Pong):
                self._outer.take()  # drop the answers that the codec makes by itself
                said += websocket.frame_bytes(websocket.PONG, event.data, self._masks)
                continue
            if self._outer is not None and isinstance(event, websocket_events.Frame):
                self._outer.send(event)
                said += self._outer.take()
                continue
            assert self.inner is not None and not isinstance(event, websocket_events.Frame)
            self.inner.send(event)
            data = self.inner.take()
            said += data if self._outer is None else self.bytes_of(websocket_events.Message(data))
        return said

    def data(self, stream: int) -> bytes:
        return b"".join(event.data for event in self.heard if isinstance(event, Data) and event.stream == stream)

    def ends(self, stream: int) -> bool:
        return any(isinstance(event, Data | HeadersFrame) and event.stream == stream and event.final for event in self.heard)


def spdy_wires(
    kind: str = "portforward",
    *,
    wrapped: bool = False,
    asked: frozenset[str] = EXEC_STREAMS,
    rules: StreamRules = UNMASKED,
    hooks: Any = None,
) -> Wires:
    """A tunnel of SPDY or, with `wrapped`, of SPDY in WebSocket. `asked` are the streams that an exec asked for."""
    leg = SpdyInWebSocket if wrapped else Spdy
    channels = SpdyChannels(None if kind == "portforward" else asked)
    return Wires(
        lambda sides: SpdyTunnel(sides, channels, leg("server"), leg("client")),
        lambda role: Peer(role, TalkingConnection(role), websocket.Connection(role) if wrapped else None),
        rules,
        hooks,
    )


def websocket_wires(channels: WebSocketChannels | WebSocketPorts, rules: StreamRules = UNMASKED, hooks: Any = None) -> Wires:
    """A tunnel of WebSocket messages with these channels."""
    return Wires(
        lambda sides: WebSocketTunnel(sides, channels), lambda role: Peer(role, None, websocket.Connection(role)), rules, hooks
    )
