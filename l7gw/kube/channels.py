"""The channels of exec, attach and port-forward: one vocabulary for WebSocket messages and
SPDY streams, and what a channel may carry.

Channels are stdin, stdout, stderr, error, resize, port-N and port-N-error. `up` is from the client to the cluster. Of an exec or an
attach only those channels pass that its query asks for. Policy judged the query, so nothing may be typed into a call that was
judged as one without stdin. Here are the channels of WebSocket; those of SPDY are in `streams`.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from l7gw.kube.act import Act
from l7gw.kube.requestinfo import truthy
from l7gw.kube.values import port_number
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Headers, event
from l7gw.wire.websocket import NORMAL, POLICY_VIOLATION, Close, Message

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
NAMES = {STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", ERROR: "error", RESIZE: "resize"}

EXEC_STREAMS = frozenset(NAMES.values())
NOT_PASSED = "-not-passed"  # ends the name of a channel in the record where its bytes were not passed on
MOST_PORTS = 100  # of a port-forward over WebSocket, which has two channels a port, numbered by one byte


@event
class ChannelFrame:
    channel: str
    up: bool
    stream: int  # the number of the WebSocket channel, or of the SPDY stream
    data: bytes
    final: bool  # nothing follows on the channel in this direction
    passed: bool = True  # False: the frame is recorded, and not passed on


@event
class ChannelOpened:
    channel: str
    stream: int
    port: int | None  # of a port-forward's data stream, which policy judges as an act; None for other streams
    headers: Headers = ()  # the headers of the stream for the cluster, written anew from what was understood
    passed: bool = True  # False: the call did not ask for the channel, so the cluster is not told of it


def asked_channels(act: Act) -> frozenset[str]:
    """The names of the channels of an exec or attach that may pass. `act` is the act that policy judged.

    `error` always passes. `resize` passes with a terminal. `stderr` passes beside a terminal too, where the query asks for it: some
    clients open it, though the kubelet turns it off (kubernetes-wire 4.3) and nothing comes on it.
    """
    pairs = parse_qsl(act.query, keep_blank_values=True)
    asked = {name for name in ("stdout", "stderr") if truthy([value for key, value in pairs if key == name])}
    asked |= {name for name, wanted in (("stdin", act.stdin), ("resize", act.tty)) if wanted}
    return frozenset(asked | {"error"})


def check_kept_back(frame: ChannelFrame) -> None:
    """Raises PeerError 1008 for bytes on stdin of a call that was judged as one without stdin. An empty frame is let through."""
    if frame.channel == "stdin" and frame.data:
        raise PeerError(POLICY_VIOLATION, "bytes for stdin, which the call did not ask for (stdin=true in the query, kubectl's -i)")


# ---------------------------------------------------------------------- WebSocket: a message is the number of a channel, and data


HALF_CLOSING = "v5.channel.k8s.io"  # the one subprotocol whose clients may half-close a channel (kubernetes-wire 5.1)


def _written(channel: int, data: bytes) -> Message:
    return Message(bytes((channel,)) + data)


def _without_channel(up: bool) -> ChannelFrame:
    """The frame of an empty message. The API server and the kubelet ignore one; kubectl
    would end its exec (kubernetes-wire 5.1)."""
    return ChannelFrame("message", up, 0, b"", False, passed=False)


class WebSocketChannels:
    """The channels of an exec or attach over v4 or v5.channel.k8s.io, the only subprotocols that the gateway offers (threats C8).

    `asked` names the channels that pass. `up` reads one message of the client, `down` one of the cluster. Both raise
    PeerError 1008 for a message that its sender may not write (threats C12). A resize frame has the client's own
    bytes, of which `sizes` takes what passes.
    """

    def __init__(self, protocol: str, asked: frozenset[str]) -> None:
        self._half_closing = protocol == HALF_CLOSING
        self._asked = asked
        self._stdin = "stdin" in asked
        self._stdin_closed = False

    def up(self, message: Message) -> ChannelFrame:
        data = message.data  # of a text message too: Python's client sends stdin so
        if not data:
            return _without_channel(True)
        channel = data[0]
        if channel == STDIN:
            if self._stdin_closed:
                raise PeerError(POLICY_VIOLATION, "stdin after its end")
            return ChannelFrame("stdin", True, STDIN, data[1:], False, self._stdin)
        if channel == RESIZE:
            return ChannelFrame("resize", True, RESIZE, data[1:], False, "resize" in self._asked)
        if channel == CLOSE and len(data) == 2 and data[1] in NAMES:
            return self._closing(data[1])
        raise PeerError(POLICY_VIOLATION, "a channel that clients do not write")

    def _closing(self, channel: int) -> ChannelFrame:
        """The close signal of v5, by which a client half-closes a channel. The API server takes it
        for any channel; in v4 it is ignored."""
        passed = self._half_closing and NAMES[channel] in self._asked
        if channel == STDIN and passed:
            self._stdin_closed = True
        return ChannelFrame(NAMES[channel], True, channel, b"", True, passed)

    def down(self, message: Message) -> ChannelFrame:
        data = message.data
        if not data:
            return _without_channel(False)
        if data[0] not in (STDOUT, STDERR, ERROR):
            raise PeerError(POLICY_VIOLATION, "a channel that the cluster does not write")
        name = NAMES[data[0]]
        return ChannelFrame(name, False, data[0], data[1:], False, name in self._asked)

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
        self._told: set[int] = set()  # channels on which the cluster has told the port

    def up(self, message: Message) -> ChannelFrame:
        data = message.data
        if not data:
            return _without_channel(True)
        channel, port = self._channel(data)
        if channel % 2:
            raise PeerError(POLICY_VIOLATION, "a channel that clients do not write")
        return ChannelFrame(f"port-{port}", True, channel, data[1:], False)

    def down(self, message: Message) -> ChannelFrame:
        data = message.data
        if not data:
            return _without_channel(False)
        channel, port = self._channel(data)
        if channel not in self._told:
            if data[1:] != port.to_bytes(2, "little"):  # else the record would name the wrong port
                raise PeerError(POLICY_VIOLATION, "a channel that does not begin with the port that was asked for")
            self._told.add(channel)
        return ChannelFrame(f"port-{port}-error" if channel % 2 else f"port-{port}", False, channel, data[1:], False)

    def _channel(self, data: bytes) -> tuple[int, int]:
        """The channel of a message that is not empty, and the port of that channel."""
        if data[0] >= 2 * len(self._ports):
            raise PeerError(POLICY_VIOLATION, "a channel of no port that was asked for")
        return data[0], self._ports[data[0] // 2]

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
