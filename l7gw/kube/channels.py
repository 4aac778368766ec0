"""The channels of exec, attach and port-forward: one vocabulary for WebSocket messages and
SPDY streams, and what a channel may carry.

`up` is from the client to the cluster. Of an exec or an
attach only those channels pass that its query asks for. Policy judged the query, so nothing may be typed into a call that was
judged as one without stdin. Here are the channels of WebSocket; those of SPDY are in `streams`.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from l7gw.kube.act import Act
from l7gw.kube.channel_frames import ChannelFrame, ExecChannel, PortChannel
from l7gw.kube.requestinfo import truthy
from l7gw.kube.values import port_number
from l7gw.wire.errors import PeerError
from l7gw.wire.websocket_events import Close, Message
from l7gw.wire.websocket_frames import NORMAL, POLICY_VIOLATION

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

NAMES: dict[int, ExecChannel] = {STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", ERROR: "error", RESIZE: "resize"}
EXEC_STREAMS = frozenset(NAMES.values())
NOT_PASSED = "-not-passed"  # ends the name of a channel in the record where its bytes were not passed on
MOST_PORTS = 100  # of a port-forward over WebSocket, which has two channels a port, numbered by one byte


def port_channel(port: int, *, error: bool) -> PortChannel:
    """The channel of the bytes of a forwarded port, or of its errors."""
    return PortChannel(f"port-{port}-error" if error else f"port-{port}")


def asked_channels(act: Act) -> frozenset[ExecChannel]:
    """The names of the channels of an exec or attach that may pass. `act` is the act that policy judged.

    `error` always passes. `resize` passes with a terminal. `stderr` passes beside a terminal too, where the query asks for it: some
    clients open it, though the kubelet turns it off (kubernetes-wire 4.3) and nothing comes on it.
    """
    pairs = parse_qsl(act.query, keep_blank_values=True)
    wanted: dict[ExecChannel, bool] = {
        "stdin": act.stdin,
        "stdout": truthy([value for key, value in pairs if key == "stdout"]),
        "stderr": truthy([value for key, value in pairs if key == "stderr"]),
        "error": True,
        "resize": act.tty,
    }
    return frozenset(name for name, is_wanted in wanted.items() if is_wanted)


def check_kept_back(frame: ChannelFrame) -> None:
    """Raises PeerError 1008 for bytes on stdin of a call that was judged as one without stdin. An empty frame is let through."""
    if frame.channel == "stdin" and frame.data:
        raise PeerError(POLICY_VIOLATION, "bytes for stdin, which the call did not ask for (stdin=true in the query, kubectl's -i)")


# ---------------------------------------------------------------------- WebSocket: a message is the number of a channel, and data


HALF_CLOSING = "v5.channel.k8s.io"  # the one subprotocol whose clients may half-close a channel (kubernetes-wire 5.1)


def _written(channel: int, data: bytes) -> Message:
    return Message(bytes((channel,)) + data)


def _without_channel(*, up: bool) -> ChannelFrame:
    """The frame of an empty message. The API server and the kubelet ignore one; kubectl
    would end its exec (kubernetes-wire 5.1)."""
    return ChannelFrame(channel="message", up=up, stream=0, data=b"", passed=False)


class WebSocketChannels:
    """The channels of an exec or attach over v4 or v5.channel.k8s.io, the only subprotocols that the gateway offers (threats C8).

    `asked` names the channels that pass. `up` reads one message of the client, `down` one of the cluster. Both raise
    PeerError 1008 for a message that its sender may not write (threats C12). A resize frame has the client's own
    bytes, of which `sizes` takes what passes.
    """

    def __init__(self, protocol: str, asked: frozenset[ExecChannel]) -> None:
        self._half_closing = protocol == HALF_CLOSING
        self._asked = asked
        self._stdin = "stdin" in asked
        self._stdin_closed = False
        self._printed = {
            number: ChannelFrame(channel=NAMES[number], up=False, stream=number, data=b"")
            for number in (STDOUT, STDERR)
            if NAMES[number] in asked
        }

    def up(self, message: Message) -> ChannelFrame:
        data = message.data  # of a text message too: Python's client sends stdin so
        if not data:
            return _without_channel(up=True)
        channel = data[0]
        if channel == STDIN:
            if self._stdin_closed:
                raise PeerError(POLICY_VIOLATION, "stdin after its end")
            return ChannelFrame(channel="stdin", up=True, stream=STDIN, data=data[1:], passed=self._stdin)
        if channel == RESIZE:
            return ChannelFrame(channel="resize", up=True, stream=RESIZE, data=data[1:], passed="resize" in self._asked)
        if channel == CLOSE and len(data) == 2 and data[1] in NAMES:
            return self._closing(data[1])
        raise PeerError(POLICY_VIOLATION, "a channel that clients do not write")

    def _closing(self, channel: int) -> ChannelFrame:
        """The close signal of v5, by which a client half-closes a channel. The API server takes it
        for any channel; in v4 it is ignored."""
        passed = self._half_closing and NAMES[channel] in self._asked
        if channel == STDIN and passed:
            self._stdin_closed = True
        return ChannelFrame(channel=NAMES[channel], up=True, stream=channel, data=b"", final=True, passed=passed)

    def down(self, message: Message) -> ChannelFrame:
        data = message.data
        if not data:
            return _without_channel(up=False)
        if data[0] not in (STDOUT, STDERR, ERROR):
            raise PeerError(POLICY_VIOLATION, "a channel that the cluster does not write")
        name = NAMES[data[0]]
        return ChannelFrame(channel=name, up=False, stream=data[0], data=data[1:], passed=name in self._asked)

    def typed(self, first: int) -> ChannelFrame | None:
        """As `printed`, of messages of the client."""
        if first != STDIN or self._stdin_closed or not self._stdin:
            return None
        return ChannelFrame(channel="stdin", up=True, stream=STDIN, data=b"")

    def printed(self, first: int) -> ChannelFrame | None:
        """A frame, without data, that stands for any message of the cluster that begins with this byte; None where each has to be
        read by `down`."""
        return self._printed.get(first)

    @property
    def stderr(self) -> int | None:
        """The channel of stderr; None where the call did not ask for it."""
        return STDERR if "stderr" in self._asked else None

    def size(self, size: bytes) -> Message:
        """The message that tells the cluster one terminal size."""
        return _written(RESIZE, size)

    def failure(self, status: bytes) -> list[Message | Close]:
        """The messages that end an exec as failed: the Status in JSON on the error channel, then a Close (kubernetes-wire 5.5)."""
        return [_written(ERROR, status), Close(NORMAL)]


class WebSocketPorts:
    """The older port-forward over WebSocket (kubernetes-wire 5.3).

    `ports` are the ports of the query. Channel 2i carries the bytes of port i in both directions, channel 2i+1 its
    errors. The cluster's first message on each channel is the port in two bytes. `up` and `down` raise
    PeerError 1008 for what a channel may not carry.
    """

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._channels = [port_channel(port, error=error) for port in ports for error in (False, True)]  # by their number
        self._told: set[int] = set()  # channels on which the cluster has told the port

    def up(self, message: Message) -> ChannelFrame:
        data = message.data
        if not data:
            return _without_channel(up=True)
        channel = self._channel(data)
        if channel % 2:
            raise PeerError(POLICY_VIOLATION, "a channel that clients do not write")
        return ChannelFrame(channel=self._channels[channel], up=True, stream=channel, data=data[1:])

    def down(self, message: Message) -> ChannelFrame:
        data = message.data
        if not data:
            return _without_channel(up=False)
        channel = self._channel(data)
        if channel not in self._told:
            if data[1:] != self._ports[channel // 2].to_bytes(2, "little"):  # else the record would name the wrong port
                raise PeerError(POLICY_VIOLATION, "a channel that does not begin with the port that was asked for")
            self._told.add(channel)
            return ChannelFrame(channel=self._channels[channel], up=False, stream=channel, data=data[1:], preamble=True)
        return ChannelFrame(channel=self._channels[channel], up=False, stream=channel, data=data[1:])

    def typed(self, first: int) -> ChannelFrame | None:
        """As that of `WebSocketChannels`."""
        if first % 2 or first >= len(self._channels):
            return None
        return ChannelFrame(channel=self._channels[first], up=True, stream=first, data=b"")

    def printed(self, first: int) -> ChannelFrame | None:
        """As that of `WebSocketChannels`."""
        if first not in self._told:
            return None
        return ChannelFrame(channel=self._channels[first], up=False, stream=first, data=b"")

    def _channel(self, data: bytes) -> int:
        """The number of the channel of a message that is not empty."""
        if data[0] >= len(self._channels):
            raise PeerError(POLICY_VIOLATION, "a channel of no port that was asked for")
        return data[0]

    def failure(self, status: bytes) -> list[Message | Close]:
        """The messages that end all connections as failed: words on each error channel, behind its port, then a Close."""
        messages: list[Message | Close] = []
        for number, port in enumerate(self._ports):
            channel = 2 * number + 1
            if channel not in self._told:
                messages.append(_written(channel, port.to_bytes(2, "little")))
            messages.append(_written(channel, words_of(status)))
        return [*messages, Close(NORMAL)]


def requested_ports(query: str) -> list[int]:
    """The ports in the query of an older port-forward, in their order: `ports=80&ports=443` or `ports=80,443`,
    as apimachinery's Convert_Slice_string_To_Slice_int32 splits them. Raises ValueError where there is none, or
    one is no port, or there are too many."""
    pairs = parse_qsl(query, keep_blank_values=True)
    ports = [port_number(port) for key, value in pairs if key == "ports" for port in value.split(",")]
    if not ports or len(ports) > MOST_PORTS or not all(ports):
        raise ValueError("a port-forward over WebSocket channels names 1 to 100 ports in the query")
    return ports


def words_of(status: bytes) -> bytes:
    """The message of a Status in JSON, for streams that carry words instead of a Status."""
    message: str = json.loads(status)["message"]
    return message.encode()
