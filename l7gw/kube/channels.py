"""The channels of exec, attach and port-forward: one vocabulary over WebSocket messages and SPDY streams, and what each may carry.

Channels are stdin, stdout, stderr, error, resize, port-N and port-N-error. `up` is from the client to the cluster.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from l7gw.wire.errors import PeerError
from l7gw.wire.events import event
from l7gw.wire.spdy import Data, GoAway, SpdyEvent
from l7gw.wire.spdy_frames import PROTOCOL_ERROR
from l7gw.wire.websocket import NORMAL, POLICY_VIOLATION, Close, Message

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
NAMES = {STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", ERROR: "error", RESIZE: "resize"}

EXEC_STREAMS = frozenset(NAMES.values())
MOST_PAIRS = 256  # live connections of one port-forward (threats C5)
UP = frozenset(("stdin", "resize"))  # what a client writes of an exec; the rest the cluster does
LARGEST_RESIZE = 4096  # bytes of one message on the resize channel; kubectl writes one size, of 30 bytes, in each
LARGEST_SIZE = 256  # bytes of one terminal size
LARGEST_STATUS = 64 * 1024  # bytes of an exec's Status that are looked at; the kubelet's have a few hundred
MOST_PORTS = 100  # of a legacy port-forward, whose channels are one byte


@event
class ChannelFrame:
    channel: str
    up: bool
    stream: int  # the channel's byte, or the SPDY stream's id
    data: bytes
    final: bool  # this direction of the channel is half-closed


@event
class ChannelOpened:
    channel: str
    stream: int
    port: int | None  # of a port-forward's data stream: it is judged by itself


# ---------------------------------------------------------------------- WebSocket: a byte of channel, then data


@dataclass(frozen=True, slots=True)
class Subprotocol:
    """What tells the channel protocols apart."""

    base64: bool  # the channel is an ASCII digit, its data base64
    resize: bool  # clients write terminal sizes
    status: bool  # the cluster ends an exec by a Status; before v4 by words where it failed, else by nothing
    close: bool  # clients may half-close a channel


# kubernetes-wire 5.1. Which of them pass is not said here: the gateway's list is shorter (threats C8). v2 and v3 are SPDY's
# by birth; some clients offer them here too. The kubelet reads sizes in all it knows, those without a version among them.
SUBPROTOCOLS = {
    "": Subprotocol(base64=False, resize=True, status=False, close=False),
    "channel.k8s.io": Subprotocol(base64=False, resize=True, status=False, close=False),
    "v2.channel.k8s.io": Subprotocol(base64=False, resize=False, status=False, close=False),
    "v3.channel.k8s.io": Subprotocol(base64=False, resize=True, status=False, close=False),
    "v4.channel.k8s.io": Subprotocol(base64=False, resize=True, status=True, close=False),
    "v5.channel.k8s.io": Subprotocol(base64=False, resize=True, status=True, close=True),
    "base64.channel.k8s.io": Subprotocol(base64=True, resize=True, status=False, close=False),
    "v4.base64.channel.k8s.io": Subprotocol(base64=True, resize=True, status=True, close=False),
}


def _read(message: Message, base64: bool) -> bytes:
    """A message as the byte of its channel, and data. Either opcode will do: Python's client writes text as TEXT. Raises PeerError
    1008. Line ends within base64 are skipped, as Go's decoder does."""
    data = message.data
    if not data:
        raise PeerError(POLICY_VIOLATION, "a message without a channel")
    if not base64:
        return data
    try:
        return bytes((data[0] - ord("0"),)) + b64decode(data[1:].translate(None, b"\r\n"), validate=True)
    except ValueError as error:
        raise PeerError(POLICY_VIOLATION, "a message that is not a digit and base64") from error


def _written(channel: int, data: bytes, base64: bool) -> Message:
    """The other way round."""
    if base64:
        return Message(bytes((ord("0") + channel,)) + b64encode(data), True)
    return Message(bytes((channel,)) + data)


class WebSocketChannels:
    """An exec's or attach's channels. `up` and `down` read one message; PeerError 1008 for what it may not carry (threats C12)."""

    def __init__(self, protocol: str) -> None:
        self._as = SUBPROTOCOLS[protocol]
        self._stdin_closed = False

    def up(self, message: Message) -> ChannelFrame:
        data = _read(message, self._as.base64)
        channel = data[0]
        if channel == STDIN:
            if self._stdin_closed:
                raise PeerError(POLICY_VIOLATION, "stdin after its end")
            return ChannelFrame("stdin", True, STDIN, data[1:], False)
        if channel == RESIZE and self._as.resize:
            check_resize(data[1:])
            return ChannelFrame("resize", True, RESIZE, data[1:], False)
        if (
            channel == CLOSE and self._as.close and len(data) == 2 and data[1] in NAMES
        ):  # as the API server takes it, for any channel
            if data[1] == STDIN:
                self._stdin_closed = True
            return ChannelFrame(NAMES[data[1]], True, data[1], b"", True)
        raise PeerError(POLICY_VIOLATION, "a channel that clients do not write")

    def down(self, message: Message) -> ChannelFrame:
        data = _read(message, self._as.base64)
        if data[0] not in (STDOUT, STDERR, ERROR):
            raise PeerError(POLICY_VIOLATION, "a channel that the cluster does not write")
        return ChannelFrame(NAMES[data[0]], False, data[0], data[1:], False)

    def failure(self, status: bytes) -> list[Message | Close]:
        """What ends a stream as failed: the Status, or its words, on the error channel, then a Close (kubernetes-wire 5.5)."""
        return [_written(ERROR, status if self._as.status else _words(status), self._as.base64), Close(NORMAL)]


class WebSocketPorts:
    """The older port-forward: channel 2i carries port i both ways, 2i+1 its errors; the first message of each, down, is the port in
    two bytes (kubernetes-wire 5.3). PeerError 1008 for what it may not carry."""

    def __init__(self, ports: list[int], protocol: str = "v4.channel.k8s.io") -> None:
        self._ports = ports
        self._base64 = SUBPROTOCOLS[protocol].base64
        self._told: set[int] = set()  # channels whose port came

    def up(self, message: Message) -> ChannelFrame:
        data = _read(message, self._base64)
        channel, port = self._channel(data)
        if channel % 2:
            raise PeerError(POLICY_VIOLATION, "a channel that clients do not write")
        return ChannelFrame(f"port-{port}", True, channel, data[1:], False)

    def down(self, message: Message) -> ChannelFrame:
        data = _read(message, self._base64)
        channel, port = self._channel(data)
        if channel not in self._told:
            if data[1:] != port.to_bytes(2, "little"):  # the record would name the wrong one
                raise PeerError(POLICY_VIOLATION, "a channel that does not begin with the port that was asked for")
            self._told.add(channel)
        return ChannelFrame(f"port-{port}-error" if channel % 2 else f"port-{port}", False, channel, data[1:], False)

    def _channel(self, data: bytes) -> tuple[int, int]:
        """A message's channel, and its port."""
        if data[0] >= 2 * len(self._ports):
            raise PeerError(POLICY_VIOLATION, "a channel of no port that was asked for")
        return data[0], self._ports[data[0] // 2]

    def failure(self, status: bytes) -> list[Message | Close]:
        """What ends the connections as failed: words on each one's error channel, behind its port, then a Close."""
        messages: list[Message | Close] = []
        for number, port in enumerate(self._ports):
            channel = 2 * number + 1
            if channel not in self._told:
                messages.append(_written(channel, port.to_bytes(2, "little"), self._base64))
            messages.append(_written(channel, _words(status), self._base64))
        return [*messages, Close(NORMAL)]


def port_number(text: str) -> int:
    """A port as Go's ParseUint takes it, in five digits at most; 0 for what is none. Python's int takes `8_0`, `+80`, `٨٠`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return 0
    port = int(text)
    return port if port < 65536 else 0


def requested_ports(query: str) -> list[int]:
    """The ports of a legacy port-forward, by index: `ports=80&ports=443`, or `ports=80,443`, as apimachinery's
    Convert_Slice_string_To_Slice_int32 splits them. Raises ValueError."""
    pairs = parse_qsl(query, keep_blank_values=True)
    ports = [port_number(port) for key, value in pairs if key == "ports" for port in value.split(",")]
    if not ports or len(ports) > MOST_PORTS or not all(ports):
        raise ValueError("a port-forward over WebSocket channels names 1 to 100 ports in the query")
    return ports


class Sizes:
    """The terminal sizes of one resize channel, checked: JSON objects with Width and Height, as Go writes them, several in one
    piece or one in several (kubernetes-wire 5.1)."""

    __slots__ = ("rest",)

    def __init__(self) -> None:
        self.rest = b""  # of a size that is not whole

    def feed(self, data: bytes) -> bytes:
        """The sizes that are whole by now. Raises PeerError 1008."""
        if len(data) > LARGEST_RESIZE:
            raise PeerError(POLICY_VIOLATION, f"a resize of more than {LARGEST_RESIZE} bytes")
        text = self.rest + data
        *whole, rest = text.split(b"}")
        for size in whole:
            _check_size(size + b"}")
        self.rest = rest = rest.lstrip()
        if rest and (rest[:1] != b"{" or len(rest) > LARGEST_SIZE):
            raise PeerError(POLICY_VIOLATION, "a resize that is no size")
        return text[: len(text) - len(rest)] if whole else b""

    def end(self) -> None:
        """Raises PeerError 1008 within a size."""
        if self.rest:
            raise PeerError(POLICY_VIOLATION, "a resize that ends within a size")


def _check_size(size: bytes) -> None:
    try:
        whole = json.loads(size.decode("ascii"), object_pairs_hook=_sides) if len(size) <= LARGEST_SIZE else None
    except (ValueError, RecursionError):
        whole = None
    if not isinstance(whole, dict):
        raise PeerError(POLICY_VIOLATION, "a resize that is no size")


def _sides(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Both sides, in any letters as Go takes them, each once: no reader may find another size in it. Raises ValueError."""
    found = {key.lower(): value for key, value in pairs}
    for side in ("width", "height"):
        if type(found.get(side)) is not int or not 0 <= found[side] < 65536:  # Go's uint16; a bool is none
            raise ValueError
    if len(found) != len(pairs):
        raise ValueError
    return found


def check_resize(data: bytes) -> None:
    """A message of the resize channel: whole sizes, or nothing. Raises PeerError 1008."""
    sizes = Sizes()
    sizes.feed(data)
    sizes.end()


def _words(status: bytes) -> bytes:
    """A Status for those who take words."""
    message: str = json.loads(status)["message"]
    return message.encode()


# ---------------------------------------------------------------------- SPDY: a stream a channel


@dataclass(slots=True)
class _Stream:
    channel: str
    pair: str  # the request id of a port-forward's pair
    up_open: bool = True
    down_open: bool = True


@dataclass(slots=True)
class _Pair:
    port: int
    live: list[int]  # its streams
    whole: bool = False  # both have been there


class SpdyChannels:
    """The streams of one tunnel by what their headers say they are (kubernetes-wire 4.3, 4.5)."""

    def __init__(self, kind: str) -> None:
        self._forwards = kind == "portforward"
        self._streams: dict[int, _Stream] = {}
        self._pairs: dict[str, _Pair] = {}  # by request id
        self._used: set[str] = set()  # channels of an exec: each is opened once
        self._sizes = Sizes()
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
        port, pair = port_number(named.get("port", "")), named.get("requestid", "")
        if kind not in ("error", "data") or not port:
            raise PeerError(PROTOCOL_ERROR, "a stream without a type and a port")
        if not pair:
            # clients older than request ids: an error stream, then its data stream two ids later (kubernetes-wire 4.5)
            pair = str(stream if kind == "error" else stream - 2)
        known = self._pairs.setdefault(pair, _Pair(port, []))
        if len(pair) > 64 or known.port != port:
            raise PeerError(PROTOCOL_ERROR, "a pair of streams for two ports")
        live = known.live
        channel = f"port-{port}-error" if kind == "error" else f"port-{port}"
        if len(live) >= 2 or any(self._streams[one].channel == channel for one in live):
            raise PeerError(PROTOCOL_ERROR, "more than two streams in a pair")
        if len(self._pairs) > MOST_PAIRS:
            raise PeerError(PROTOCOL_ERROR, f"more than {MOST_PAIRS} forwarded connections at once")
        live.append(stream)
        known.whole = known.whole or len(live) == 2
        self._streams[stream] = _Stream(channel, pair)
        return ChannelOpened(channel, stream, port if kind == "data" else None)

    def half(self, stream: int) -> bool:
        """Whether a live stream has waited in vain for the other of its pair."""
        known = self._streams.get(stream)
        return known is not None and self._forwards and not self._pairs[known.pair].whole

    def partner(self, stream: int) -> int | None:
        """The other stream of the pair, where the cluster's side may still write on it."""
        live = self._pairs[self._streams[stream].pair].live
        return next((other for other in live if other != stream and self._streams[other].down_open), None)

    def frame(self, stream: int, up: bool, data: bytes, final: bool) -> ChannelFrame | None:
        """Data of a stream, or its half-close; None where the stream is gone, as after a reset. Of terminal sizes it has those
        that are whole by now. Raises PeerError for bytes that the other side writes: a client's own "stdout" would stand in the
        record as the command's (threats C12)."""
        known = self._streams.get(stream)
        if known is None:
            return None
        channel = known.channel
        if self._forwards:
            if up and data and channel.endswith("error"):
                raise PeerError(PROTOCOL_ERROR, "bytes on a stream that clients do not write")
        elif data and up is not (channel in UP):
            raise PeerError(PROTOCOL_ERROR, "bytes on a stream from the side that does not write it")
        elif channel == "error" and not up:
            self._tell(data, final)
        elif channel == "resize" and up:
            data = self._sizes.feed(data)
            if final:
                self._sizes.end()
        if final:
            if up:
                known.up_open = False
            else:
                known.down_open = False
            if not known.up_open and not known.down_open:
                self._forget(stream, known)
        return ChannelFrame(channel, up, stream, data, final)

    def _tell(self, data: bytes, final: bool) -> None:
        """The kubelet ends an exec by its Status and then the connection, without a FIN: a whole Status is the end."""
        if final:
            self._error_complete = True
        elif data and len(self._status) + len(data) <= LARGEST_STATUS:
            self._status += data
            if data.rstrip().endswith(b"}"):  # else there is no use in reading it all again
                self._error_complete = _is_status(self._status)

    def reset(self, stream: int) -> None:
        """A stream is gone, both ways."""
        known = self._streams.get(stream)
        if known is not None:
            self._forget(stream, known)

    def _forget(self, stream: int, known: _Stream) -> None:
        del self._streams[stream]
        if known.pair:
            live = self._pairs[known.pair].live
            live.remove(stream)
            if not live:
                del self._pairs[known.pair]

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
        GOAWAY. A bare cut, a reset or a GOAWAY alone would look like success (kubernetes-wire 4.4)."""
        frames: list[SpdyEvent] = []
        errors = [number for number, one in self._streams.items() if one.channel.endswith("error") and one.down_open]
        text = _words(status) if self._forwards else status
        frames += [Data(number, text, True) for number in errors]
        rest = (number for number, one in self._streams.items() if one.down_open and number not in errors)
        frames += [Data(number, b"", True) for number in rest]
        last = max(self._streams, default=0)
        self._streams.clear()
        return [*frames, GoAway(last)]


def _is_status(data: bytes) -> bool:
    try:
        status = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(status, dict) and isinstance(status.get("status"), str)
