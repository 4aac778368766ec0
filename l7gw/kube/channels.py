"""The channels of exec, attach and port-forward: one vocabulary over WebSocket messages and SPDY streams, and what each may carry.

Channels are stdin, stdout, stderr, error, resize, port-N and port-N-error. `up` is from the client to the cluster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from l7gw.wire.errors import PeerError
from l7gw.wire.events import event
from l7gw.wire.spdy import Data, GoAway, SpdyEvent
from l7gw.wire.websocket import Close, Message

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
NAMES = {STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", ERROR: "error", RESIZE: "resize"}
POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1
NORMAL = 1000
PROTOCOL_ERROR = 1  # SPDY

EXEC_STREAMS = frozenset(NAMES.values())
MOST_PAIRS = 256  # live connections of one port-forward (threats C5)
LARGEST_RESIZE = 256 * 1024  # bytes of one message on the resize channel: many sizes may come at once, each 30 bytes
LARGEST_STATUS = 64 * 1024  # bytes of an exec's Status that are looked at; the kubelet's have a few hundred
MOST_PORTS = 100  # of a legacy port-forward, whose channels are one byte


@event
class ChannelFrame:
    channel: str
    stream: int
    data: bytes
    final: bool


@event
class ChannelOpened:
    channel: str
    stream: int
    port: int | None  # of a port-forward's data stream: it is judged by itself


# ---------------------------------------------------------------------- WebSocket: a byte of channel, then data


class WebSocketChannels:
    """v4 and v5.channel.k8s.io (kubernetes-wire section 5.1). `up` and `down` read one message; PeerError 1008 for what it may not
    carry (threats C12)."""

    def __init__(self, protocol: str) -> None:
        self._v5 = protocol.startswith("v5.")
        self._stdin_closed = False

    def up(self, message: Message) -> ChannelFrame:
        data = message.data
        if not data:
            raise PeerError(POLICY_VIOLATION, "a message without a channel")
        channel = data[0]
        if channel == STDIN:
            if self._stdin_closed:
                raise PeerError(POLICY_VIOLATION, "stdin after its end")
            return ChannelFrame("stdin", STDIN, data[1:], False)
        if channel == RESIZE:
            check_resize(data[1:])
            return ChannelFrame("resize", RESIZE, data[1:], False)
        if channel == CLOSE and self._v5 and len(data) == 2 and data[1] in NAMES:
            if data[1] == STDIN:
                self._stdin_closed = True
            return ChannelFrame(NAMES[data[1]], data[1], b"", True)
        raise PeerError(POLICY_VIOLATION, "a channel that clients do not write")

    def down(self, message: Message) -> ChannelFrame:
        data = message.data
        if not data or data[0] not in (STDOUT, STDERR, ERROR):
            raise PeerError(POLICY_VIOLATION, "a channel that the cluster does not write")
        return ChannelFrame(NAMES[data[0]], data[0], data[1:], False)


class WebSocketPorts:
    """The older port-forward: channel 2i carries port i both ways, 2i+1 its errors; the first message of each, down, is the port in
    two bytes (kubernetes-wire section 5.3)."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports

    def up(self, message: Message) -> ChannelFrame:
        channel = self._channel(message.data)
        if channel % 2:
            raise PeerError(POLICY_VIOLATION, "a channel that clients do not write")
        return ChannelFrame(f"port-{self._ports[channel // 2]}", channel, message.data[1:], False)

    def down(self, message: Message) -> ChannelFrame:
        channel = self._channel(message.data)
        suffix = "-error" if channel % 2 else ""
        return ChannelFrame(f"port-{self._ports[channel // 2]}{suffix}", channel, message.data[1:], False)

    def _channel(self, data: bytes) -> int:
        if not data or data[0] >= 2 * len(self._ports):
            raise PeerError(POLICY_VIOLATION, "a channel of no port that was asked for")
        return data[0]


def requested_ports(query: str) -> list[int]:
    """The ports of a legacy port-forward: `ports=80&ports=443`, or `ports=80,443`. Raises ValueError."""
    from urllib.parse import parse_qsl

    ports = [int(port) for key, value in parse_qsl(query) if key == "ports" for port in value.split(",")]
    if not ports or len(ports) > MOST_PORTS or not all(0 < port < 65536 for port in ports):
        raise ValueError("a port-forward over WebSocket channels names 1 to 100 ports in the query")
    return ports


def check_resize(data: bytes) -> None:
    """Terminal sizes, several perhaps: JSON objects with Width and Height, as Go writes them. Raises PeerError 1008."""
    if len(data) > LARGEST_RESIZE:
        raise PeerError(POLICY_VIOLATION, "a resize larger than any")
    decoder = json.JSONDecoder()
    try:
        text = data.decode("ascii").strip()
        while text:
            size, end = decoder.raw_decode(text)
            text = text[end:].lstrip()
            values = {key.lower(): value for key, value in size.items()}
            if not all(isinstance(values[key], int) and 0 <= values[key] < 65536 for key in ("width", "height")):
                raise ValueError
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise PeerError(POLICY_VIOLATION, "a resize that is no size") from error


def is_resize(data: bytes) -> bool:
    """Whether these bytes are whole terminal sizes: over SPDY a size may come in pieces."""
    try:
        check_resize(data)
    except PeerError:
        return False
    return bool(data)


def failure_messages(status: bytes) -> list[Message | Close]:
    """What ends a v4 or v5 stream as failed: the Status on the error channel, then a Close (kubernetes-wire section 9.2)."""
    return [Message(bytes((ERROR,)) + status), Close(NORMAL)]


# ---------------------------------------------------------------------- SPDY: a stream a channel


@dataclass(slots=True)
class _Stream:
    channel: str
    pair: str  # the request id of a port-forward's pair
    up_open: bool = True
    down_open: bool = True


class SpdyChannels:
    """The streams of one tunnel by what their headers say they are (kubernetes-wire section 4.3)."""

    def __init__(self, kind: str) -> None:
        self._forwards = kind == "portforward"
        self._streams: dict[int, _Stream] = {}
        self._pairs: dict[str, list[int]] = {}  # request id -> its live streams
        self._ports: dict[str, int] = {}
        self._used: set[str] = set()  # channels of an exec: each is opened once
        self._status = b""  # what came on an exec's error stream
        self._error_complete = False

    def opened(self, stream: int, headers: tuple[tuple[str, str], ...]) -> ChannelOpened:
        """A stream of the client's. Raises PeerError for one that belongs to no exec or port-forward."""
        named = dict(headers)
        kind = named.get("streamtype", "")
        if self._forwards:
            return self._opened_port(stream, kind, named)
        if kind not in EXEC_STREAMS or kind in self._used:
            raise PeerError(PROTOCOL_ERROR, "a stream of an unknown type, or a second one of its type")
        self._used.add(kind)
        self._streams[stream] = _Stream(kind, "")
        return ChannelOpened(kind, stream, None)

    def _opened_port(self, stream: int, kind: str, named: dict[str, str]) -> ChannelOpened:
        port_text, pair = named.get("port", ""), named.get("requestid", "")
        if kind not in ("error", "data") or not port_text.isascii() or not port_text.isdigit() or not 0 < int(port_text) < 65536:
            raise PeerError(PROTOCOL_ERROR, "a stream without a type and a port")
        port = int(port_text)
        if not pair:
            # clients older than request ids: an error stream, then its data stream two ids later (CRI portforward/httpstream.go)
            pair = f"#{stream if kind == 'error' else stream - 2}"
        if len(pair) > 64 or self._ports.setdefault(pair, port) != port:
            raise PeerError(PROTOCOL_ERROR, "a pair of streams for two ports")
        live = self._pairs.setdefault(pair, [])
        channel = f"port-{port}-error" if kind == "error" else f"port-{port}"
        if len(live) >= 2 or any(self._streams[one].channel == channel for one in live):
            raise PeerError(PROTOCOL_ERROR, "more than two streams in a pair")
        if len(self._pairs) > MOST_PAIRS:
            raise PeerError(PROTOCOL_ERROR, f"more than {MOST_PAIRS} forwarded connections at once")
        live.append(stream)
        self._streams[stream] = _Stream(channel, pair)
        return ChannelOpened(channel, stream, port if kind == "data" else None)

    def frame(self, stream: int, up: bool, data: bytes, final: bool) -> ChannelFrame | None:
        """Data of a stream; None where the stream is gone, as after a reset."""
        known = self._streams.get(stream)
        if known is None:
            return None
        if known.channel == "error" and not up:
            self._tell(data, final)
        if final:
            if up:
                known.up_open = False
            else:
                known.down_open = False
            if not known.up_open and not known.down_open:
                self._forget(stream, known)
        return ChannelFrame(known.channel, stream, data, final)

    def _tell(self, data: bytes, final: bool) -> None:
        """The kubelet ends an exec by its Status and then the connection, without a FIN: a whole Status is the end."""
        self._status += data[: LARGEST_STATUS - len(self._status)]
        if final:
            self._error_complete = True
        elif data:
            try:
                self._error_complete = "status" in json.loads(self._status)
            except (ValueError, TypeError, RecursionError):
                self._error_complete = False

    def reset(self, stream: int) -> None:
        known = self._streams.get(stream)
        if known is not None:
            self._forget(stream, known)

    def _forget(self, stream: int, known: _Stream) -> None:
        del self._streams[stream]
        if known.pair:
            live = self._pairs[known.pair]
            live.remove(stream)
            if not live:
                del self._pairs[known.pair]
                del self._ports[known.pair]

    @property
    def live(self) -> list[int]:
        return list(self._streams)

    @property
    def complete(self) -> bool:
        """Whether an end of the connection now is an end: an exec told its Status, a port-forward has no live connection."""
        if self._forwards:
            return not self._streams
        return self._error_complete

    def failure_frames(self, status: bytes) -> list[SpdyEvent]:
        """What ends the tunnel as failed: the Status on an exec's error stream (words on those of a port-forward), then FINs, then
        GOAWAY. A bare cut, a reset or a GOAWAY alone would look like success (kubernetes-wire section 9.15)."""
        frames: list[SpdyEvent] = []
        errors = [number for number, one in self._streams.items() if one.channel.endswith("error") and one.down_open]
        text = json.loads(status)["message"].encode() if self._forwards else status
        frames += [Data(number, text, True) for number in errors]
        rest = (number for number, one in self._streams.items() if one.down_open and number not in errors)
        frames += [Data(number, b"", True) for number in rest]
        last = max(self._streams, default=0)
        self._streams.clear()
        return [*frames, GoAway(last)]
