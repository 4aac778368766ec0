"""Exec, attach and port-forward over SPDY/3.1, plain or inside WebSocket messages. Each channel is a SPDY stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal, assert_never

from l7gw.gateway.backpressure import OPENING
from l7gw.gateway.pace import Newest, ping
from l7gw.gateway.tunnel import Tunnel
from l7gw.gateway.tunnel_sides import Sides
from l7gw.kube.channel_frames import Channel, ChannelFrame
from l7gw.kube.streams import SpdyChannels
from l7gw.kube.terminal_sizes import Sizes
from l7gw.wire import websocket_events, websocket_frames
from l7gw.wire.errors import PeerError
from l7gw.wire.spdy import Connection
from l7gw.wire.spdy_events import (
    Data,
    GoAway,
    HeadersFrame,
    Ping,
    Reset,
    Run,
    Settings,
    SpdyEvent,
    SpdyFrame,
    SynReply,
    SynStream,
    WindowUpdate,
)
from l7gw.wire.spdy_frames import CANCEL, PROTOCOL_ERROR, REFUSED_STREAM
from l7gw.wire.websocket import Connection as WebSocket

LARGEST_WRAPPED = 32 * 1024  # bytes of SPDY in one WebSocket message; kubectl's own writes have as many
# The ids of our pings. A peer answers a ping whose id does not have the parity of its own. spdystream counts its own ids up from 1
# or 2, and would panic at a second answer to one of them, so ours are the highest. All its versions answer, also in old kubectls
# and kubelets.
PING_TO_CLIENT, PING_TO_CLUSTER = 0xFFFFFFFE, 0xFFFFFFFF


class SpdyInWebSocket:
    """A leg whose SPDY bytes travel in binary messages. The boundaries of the messages mean nothing (kubernetes-wire 5.3). The
    control frames of the WebSocket are events of this leg too."""

    def __init__(self, role: Literal["client", "server"]) -> None:
        self._outer = WebSocket(role)
        self._inner = Connection(role)
        self._close = websocket_events.Close(websocket_frames.NORMAL)

    def receive_runs(self, data: bytes) -> Iterator[LegEvent]:
        """The events in these bytes, message by message: a PeerError is raised only after the events of the messages before it."""
        for event in self._outer.receive(data):
            if isinstance(event, websocket_events.Message):
                if event.data:  # kubectl also writes empty messages; b"" would mean the end to the codec
                    yield from self._inner.receive_runs(event.data)
                continue
            if isinstance(event, websocket_events.Close):
                self._close = websocket_events.Close(event.code)  # RFC 6455 section 5.5.1: the answer has the same code
            yield event

    def send(self, event: SpdyFrame) -> None:
        self._inner.send(event)

    def take(self, answer: bool = True) -> bytes:
        self._pack()
        return self._outer.take(answer)

    def ping(self) -> websocket_events.Pong | None:
        return ping(self._outer)

    def _pack(self) -> None:
        data = self._inner.take()
        if not (self._outer.close_sent or self._outer.close_received):
            for start in range(0, len(data), LARGEST_WRAPPED):
                self._outer.send(websocket_events.Message(data[start : start + LARGEST_WRAPPED]))

    def end(self) -> bytes:
        """The bytes that are left to write, with a Close behind them."""
        self._pack()
        if not self._outer.close_sent:
            self._outer.send(self._close)
        return self._outer.take()


Leg = Connection | SpdyInWebSocket  # one side of the tunnel
LegEvent = SpdyEvent | Run | websocket_events.Ping | websocket_events.Pong | websocket_events.Close


class SpdyTunnel(Tunnel):
    """A tunnel of SPDY streams. Only the client opens streams. They go up in the order in which they came, under the same ids."""

    def __init__(self, sides: Sides, channels: SpdyChannels, client_leg: Leg, cluster_leg: Leg) -> None:
        super().__init__(sides)
        self._channels = channels
        self._client_leg = client_leg
        self._cluster_leg = cluster_leg
        self._sizes = Newest(sides.clock, self._resize)
        self._reading = Sizes()
        self._began = sides.clock.monotonic()
        self._opened_any = False
        self._halves: dict[int, float] = {}  # stream without the other one of its pair -> monotonic seconds when it came
        self._left = False  # whether the client's GOAWAY went up: spdystream reads nothing after it, and unread bytes cause a reset
        self._held: deque[LegEvent] | None = None  # a stream's opening that is not on the disk yet, and the events behind it

    # -- from the client

    def _up(self, data: bytes) -> None:
        for event in self._client_leg.receive_runs(data):
            if self._over:
                return
            if self._held is not None:
                self._held.append(event)
            else:
                self._relay_up(event)

    def _relay_up(self, event: LegEvent) -> None:
        match event:
            case Run(stream, data):
                if self._record_up_run(self._channels.typed(stream), data):
                    self._cluster_leg.send(event)
                    return
                for one in data:
                    if not self._over:
                        self._data_up(Data(stream, one))
            case Data():
                self._data_up(event)
            case HeadersFrame(stream, _, final):
                if final:  # headers after a stream's first mean nothing, and a kubelet would hang at them
                    self._data_up(Data(stream, b"", final=True))
                else:
                    self._control.count()
            case SynStream():
                self._open(event)
            case Reset(stream):
                self._gone(stream, unheard=True)
                self._cluster_leg.send(event)
            case Ping():
                if not self._to_client.is_answer(event):
                    self._control.count()
                    self._cluster_leg.send(event)
            case GoAway():
                self._left = True
                self._cluster_leg.send(event)
            case websocket_events.Ping():
                self._control.count()
            case websocket_events.Pong():
                if not self._to_client.is_answer(event):
                    self._control.count()
            case websocket_events.Close():
                self._closed()
            case SynReply() | Settings() | WindowUpdate():
                pass  # a reply to a stream that the gateway never opened, or a frame for one leg alone, which spdystream ignores
            case _:
                assert_never(event)

    def _closed(self) -> None:
        """The client sent a Close. It ends the tunnel as the end of the connection does, but it is answered."""
        left = self._by_client("the client closed the tunnel")
        self._client.write(_last(self._client_leg))
        self._cluster.write(self._goodbye())
        self._finish(*left)

    def _data_up(self, event: Data) -> None:
        frame = self._channels.frame(event.stream, up=True, data=event.data, final=event.final)
        if frame is None:
            return
        if not frame.passed:
            self._keep_back(frame)
        elif frame.channel == "resize":
            self._sized(frame)
        elif self._record_up(frame):
            self._cluster_leg.send(event)
            if frame.final:
                self._masks.forget(frame.stream, up=True)

    def _ended(self, event: SynStream | SynReply | HeadersFrame, *, up: bool) -> None:
        """Half-close the channel of a stream whose FIN came without data."""
        if event.final and (frame := self._channels.frame(event.stream, up=up, data=b"", final=True)) is not None:
            self._record.frame(frame.channel, up=up, stream=frame.stream, data=b"", final=True)

    def _sized(self, frame: ChannelFrame) -> None:
        """Hand on terminal sizes, each whole, ten a second at most. The end of their stream goes up after the last size."""
        sizes, odd = self._reading.feed(frame.data)
        if frame.final:
            odd += self._reading.end()
        if odd:
            self._keep_back(ChannelFrame(channel="resize", up=True, stream=frame.stream, data=odd, passed=False))
        for size in sizes:
            self._sizes.offer((frame.stream, size))
        if frame.final:
            self._sizes.now()
            self._record.frame("resize", up=True, stream=frame.stream, data=b"", final=True)
            self._cluster_leg.send(Data(frame.stream, b"", final=True))

    def _resize(self, sized: tuple[int, bytes]) -> None:
        stream, size = sized
        if not self._over and stream in self._channels.live:
            self._record.frame("resize", up=True, stream=stream, data=size)
            self._cluster_leg.send(Data(stream, size))
            self._flush()

    def tick(self, now: float) -> None:
        """Once a second: end a tunnel whose streams were not opened in time, and reset a stream whose pair is not whole in time.
        The kubelet waits as long (threats C4, C5)."""
        if (self._channels.awaited or not self._opened_any) and now - self._began > self._timeouts.first_streams:
            self.end(f"the streams that were asked for were not opened within {self._timeouts.first_streams:.0f} seconds")
            return
        for stream, since in list(self._halves.items()):
            if not self._channels.half(stream):
                del self._halves[stream]
            elif now - since > self._timeouts.first_streams:
                del self._halves[stream]
                self._reset(stream)
        super().tick(now)

    def _gone(self, stream: int, *, unheard: bool = False) -> None:
        """A stream is reset: it is gone in both directions. What is held of it is given first."""
        self._settle(stream=stream, unheard=unheard)
        self._channels.reset(stream)
        for up in (False, True):
            self._masks.forget(stream, up=up)

    def _reset(self, stream: int) -> None:
        """End a stream on both sides."""
        self._gone(stream)
        self._client_leg.send(Reset(stream, CANCEL))
        self._cluster_leg.send(Reset(stream, CANCEL))

    def _open(self, event: SynStream) -> None:
        """The client opens a stream. A forwarded connection is an act of its own: it is judged, and its verdict is on the disk,
        before the stream goes up. Raises PeerError."""
        if event.unidirectional:
            raise PeerError(PROTOCOL_ERROR, "a stream of one direction")
        opened = self._channels.opened(event.stream, event.headers)
        self._opened_any = True
        if self._channels.half(event.stream):
            self._halves[event.stream] = self._clock.monotonic()
        if not opened.passed:
            self._shut(event, opened.channel)
            return
        self._record.frame(opened.channel, up=True, stream=opened.stream, data=b"")
        self._ended(event, up=True)
        anew = SynStream(event.stream, opened.headers, event.final)
        if opened.port is None:
            self._cluster_leg.send(anew)
            return
        if not self._call.may_forward(opened.port):
            self._refuse(event.stream, opened.port)
            return
        self._held = deque((anew,))
        self._client.read(wanted=False, why=OPENING)
        self._record.durable(self._opened)

    def _shut(self, event: SynStream, channel: Channel) -> None:
        """Answer a stream that the call did not ask for, and half-close it. The stream does not go up."""
        self._keep_back(ChannelFrame(channel=channel, up=True, stream=event.stream, data=b"", passed=False))
        self._client_leg.send(SynReply(event.stream, final=True))
        if event.final:
            self._data_up(Data(event.stream, b"", final=True))

    def _refuse(self, stream: int, port: int) -> None:
        """Refuse a data stream: its error stream says why. The error stream is reset at the cluster, so that the cluster does not
        wait for the pair (kubernetes-wire 4.5)."""
        if not self._client.writable:
            raise PeerError(PROTOCOL_ERROR, "streams are opened and what becomes of them is not read")  # or refusals pile up here
        error = self._channels.partner(stream)
        self._client_leg.send(Reset(stream, REFUSED_STREAM))
        self._channels.reset(stream)
        if error is not None:
            self._client_leg.send(Data(error, f"l7gw: port {port} may not be forwarded".encode(), final=True))
            self._cluster_leg.send(Reset(error, CANCEL))
            self._channels.reset(error)

    def _opened(self, error: Exception | None) -> None:
        held, self._held = self._held, None
        if self._over or held is None:
            return
        if error is not None:
            self.end("this stream cannot be recorded, so it does not pass")
            return
        self._client.read(wanted=True, why=OPENING)
        try:
            opening = held.popleft()
            assert isinstance(opening, SynStream)
            self._cluster_leg.send(opening)
            while held and not self._over:
                if self._held is not None:  # now the opening of another stream waits
                    self._held.extend(held)
                    break
                self._relay_up(held.popleft())
        except PeerError as fault:
            self._broken(fault)
            return
        if not self._over:
            self._flush()

    # -- from the cluster

    def _down(self, data: bytes) -> None:
        """Record bytes of the cluster, and put them into the client's leg. Headers of the cluster mean nothing, so none goes
        down."""
        for event in self._cluster_leg.receive_runs(data):
            if self._over:
                return
            match event:
                case Run():
                    self._run_down(event)
                case Data():
                    self._data_down(event)
                case Reset(stream):
                    self._gone(stream)
                    self._client_leg.send(event)
                case SynReply(stream, _, final):
                    self._ended(event, up=False)
                    self._client_leg.send(SynReply(stream, final=final))
                case HeadersFrame(stream, _, final):
                    if final:
                        self._data_down(Data(stream, b"", final=True))
                case Ping():
                    if not self._to_cluster.is_answer(event):
                        self._client_leg.send(event)
                case websocket_events.Close():
                    self._cluster.write(_last(self._cluster_leg))
                    self.cluster_ended()
                    return
                case SynStream() | GoAway() | Settings() | WindowUpdate() | websocket_events.Ping() | websocket_events.Pong():
                    pass  # a cluster opens no streams; the other frames are for this leg alone
                case _:
                    assert_never(event)

    def _run_down(self, event: Run) -> None:
        if (frame := self._channels.printed(event.stream)) is not None:
            self._pass_down(frame, event.data, event)
            return
        for data in event.data:
            if not self._over:
                self._data_down(Data(event.stream, data))

    def _data_down(self, event: Data) -> None:
        frame = self._channels.frame(event.stream, up=False, data=event.data, final=event.final)
        if frame is not None:
            self._pass_down(frame, [event.data], event)

    def _send_down(self, event: Data | Run) -> None:
        self._client_leg.send(event)

    def _event(self, stream: int, data: bytes, *, final: bool) -> Data:
        return Data(stream, data, final)

    def _stderr(self) -> int | None:
        return self._channels.stderr

    def _for_cluster(self) -> bytes:
        return self._cluster_leg.take()

    def _for_client(self) -> bytes:
        client = self._client_leg
        answer = self._client.writable  # for a client that does not read, the last of several Pongs is enough
        return client.take(answer) if isinstance(client, SpdyInWebSocket) else client.take()

    def _ping_client(self) -> object:
        return _ping(self._client_leg, PING_TO_CLIENT)

    def _ping_cluster(self) -> object:
        return None if self._left else _ping(self._cluster_leg, PING_TO_CLUSTER)

    # -- ends

    def _complete(self) -> bool:
        return self._channels.complete

    def _failure(self, status: bytes) -> bytes:
        for event in self._channels.failure_frames(status):
            self._client_leg.send(event)
        return _last(self._client_leg)

    def _farewell(self) -> bytes:
        return _last(self._client_leg)

    def _goodbye(self) -> bytes:
        for stream in self._channels.live:
            self._cluster_leg.send(Reset(stream, CANCEL))
        self._cluster_leg.send(GoAway(0, 0))
        return _last(self._cluster_leg)


def _last(leg: Leg) -> bytes:
    """A leg's last bytes. A WebSocket ends with a Close of its own."""
    return leg.end() if isinstance(leg, SpdyInWebSocket) else leg.take()


def _ping(leg: Leg, number: int) -> LegEvent | None:
    """Put a ping into a leg. Where a WebSocket carries the SPDY, the ping is the WebSocket's. Returns the event that will
    answer."""
    if isinstance(leg, SpdyInWebSocket):
        return leg.ping()
    leg.send(Ping(number))
    return Ping(number)
