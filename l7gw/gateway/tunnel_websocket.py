"""Exec and attach over WebSocket (v4, v5.channel.k8s.io), and the port-forward of older clients. In each message the first byte is
the channel, the rest is data."""

from __future__ import annotations

from l7gw.gateway.pace import Newest, ping
from l7gw.gateway.tunnel import Tunnel
from l7gw.gateway.tunnel_sides import Sides
from l7gw.kube.channel_frames import ChannelFrame
from l7gw.kube.channels import RESIZE, WebSocketChannels, WebSocketPorts
from l7gw.kube.terminal_sizes import whole_sizes
from l7gw.recording.events import Outcome
from l7gw.wire.websocket import Connection
from l7gw.wire.websocket_events import Close, Message, Run
from l7gw.wire.websocket_frames import GOING_AWAY, NORMAL


class WebSocketTunnel(Tunnel):
    """A tunnel of WebSocket messages. Each leg answers its own pings, so that a slow reader on one side does not look dead to the
    other (kubernetes-wire 5.2)."""

    def __init__(self, sides: Sides, channels: WebSocketChannels | WebSocketPorts) -> None:
        super().__init__(sides)
        self._client_leg = Connection("server")
        self._cluster_leg = Connection("client")
        self._channels = channels
        self._sizes = Newest(sides.clock, self._resize)
        self._closed_by_cluster = False
        self._closed_by_client = False
        # Whether the cluster has told the command's end: an exec's comes on the error channel, a port-forward has no command.
        self._end_told = isinstance(channels, WebSocketPorts)

    def _up(self, data: bytes) -> None:
        for event in self._client_leg.receive_runs(data):
            if isinstance(event, Run):
                if self._record_up_run(self._channels.typed(event.first), event.rests):
                    self._cluster_leg.send(event)
                    continue
                for message in event.messages:
                    self._message_up(message)
                    if self._over:
                        return
            elif isinstance(event, Message):
                self._message_up(event)
                if self._over:
                    return
            elif isinstance(event, Close):
                if not self._closed_by_client:
                    self._sizes.now()
                    self._closed_by_client = True
                    self._cluster_leg.send(event)
            elif not self._to_client.is_answer(event):
                self._control.count()

    def _message_up(self, event: Message) -> None:
        frame = self._channels.up(event)
        if not frame.passed:
            self._keep_back(frame)
            return
        if frame.channel == "resize":
            if not frame.final:
                self._sized(frame)
                return
            self._sizes.now()
        if self._record_up(frame) and not self._closed_by_client:
            self._cluster_leg.send(event)

    def _sized(self, frame: ChannelFrame) -> None:
        """Hand on terminal sizes, ten a second at most. A message that has anything else, or nothing, is kept back and ends no
        exec."""
        sizes, odd = whole_sizes(frame.data)
        if odd or not sizes:
            self._keep_back(ChannelFrame(channel="resize", up=True, stream=RESIZE, data=odd, passed=False))
        for size in sizes:
            self._sizes.offer(size)

    def _resize(self, size: bytes) -> None:
        if not self._over and not self._closed_by_client:
            assert isinstance(self._channels, WebSocketChannels)
            self._record.frame("resize", up=True, stream=RESIZE, data=size)
            self._cluster_leg.send(self._channels.size(size))
            self._flush()

    def _down(self, data: bytes) -> None:
        for event in self._cluster_leg.receive_runs(data):
            if isinstance(event, Run):
                frame = self._channels.printed(event.first)
                if frame is not None:
                    self._pass_down(frame, event.rests, event)
                else:
                    for message in event.messages:
                        if not self._over:
                            self._message_down(message)
                if self._over:
                    return
            elif isinstance(event, Message):
                self._message_down(event)
                if self._over:
                    return
            elif isinstance(event, Close):
                self._settle()
                if self._over:
                    return
                self._closed_by_cluster = True
                self._client_leg.send(event)
                self._flush()
                self._finish(*self._as_ended())
                return

    def _message_down(self, event: Message) -> None:
        frame = self._channels.down(event)
        if not frame.passed:
            self._keep_back(frame)
            return
        if frame.channel == "error" and frame.data:
            self._end_told = True
        if frame.preamble:
            self._send_batch()
            self._record.frame(frame.channel, up=False, stream=frame.stream, data=frame.data)
            self._client_leg.send(event)
            return
        self._pass_down(frame, [frame.data], event)

    def _send_down(self, event: Message | Run) -> None:
        self._client_leg.send(event)

    def _event(self, stream: int, data: bytes, *, final: bool) -> Message:
        return Message(bytes((stream,)) + data)

    def _stderr(self) -> int | None:
        return self._channels.stderr if isinstance(self._channels, WebSocketChannels) else None

    def _for_cluster(self) -> bytes:
        return self._cluster_leg.take()

    def _for_client(self) -> bytes:
        return self._client_leg.take(self._client.writable)

    def _ping_client(self) -> object:
        return ping(self._client_leg)

    def _ping_cluster(self) -> object:
        return ping(self._cluster_leg)

    def _complete(self) -> bool:
        return self._closed_by_cluster or self._closed_by_client

    def _as_ended(self) -> tuple[Outcome, str]:
        """A client's Close ends the stream. The command may run on."""
        if self._closed_by_client and not self._end_told:
            return "aborted", "the client closed the stream before the command's end was told"
        return super()._as_ended()

    def _failure(self, status: bytes) -> bytes:
        for event in self._channels.failure(status):
            self._client_leg.send(event)
        return self._client_leg.take()

    def _farewell(self) -> bytes:
        """A Close, where the client sent one and the cluster ended without an answer to it."""
        self._client_leg.send(Close(NORMAL))
        return self._client_leg.take()

    def _goodbye(self) -> bytes:
        if not self._closed_by_client and not self._closed_by_cluster:
            self._cluster_leg.send(Close(GOING_AWAY, ""))
        return self._cluster_leg.take()
