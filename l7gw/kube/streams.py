"""The streams of exec, attach and port-forward over SPDY: each stream is one channel (kubernetes-wire 4.3, 4.5)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from l7gw.kube.channel_frames import Channel, ChannelFrame, ChannelOpened, ExecChannel
from l7gw.kube.channels import EXEC_STREAMS, port_channel, words_of
from l7gw.kube.values import port_number
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Headers
from l7gw.wire.spdy_events import Data, GoAway, SpdyFrame
from l7gw.wire.spdy_frames import PROTOCOL_ERROR

MOST_PAIRS = 256  # live connections of one port-forward (threats C5)
UP: frozenset[Channel] = frozenset(
    ("stdin", "resize")
)  # the channels of an exec that the client writes; the cluster writes the others
LARGEST_STATUS = 64 * 1024  # bytes of the error stream in which a Status is looked for; the kubelet's has a few hundred


@dataclass(slots=True)
class _Stream:
    channel: Channel
    pair: str  # the request id of the port-forward's pair that the stream belongs to; "" for an exec
    passed: bool = True  # whether the stream was opened at the cluster too
    up_open: bool = True
    down_open: bool = True


@dataclass(slots=True)
class _Pair:
    port: int
    live: list[int]  # the numbers of its open streams
    whole: bool = False  # both streams have been opened


class SpdyChannels:
    """The streams of one tunnel, each with the channel that its headers name.

    `asked` are the channels that an exec or attach asked for, None for a port-forward. A stream of another channel is not opened at
    the cluster: the client is told at once that nothing will come on it, and its bytes are not passed on. It is no fault: client-go
    opens the streams that its caller hands it, whatever the query says. A kubelet would count it as one of those that it waits for,
    and the runtime would attach it (kubernetes-wire 4.3).
    """

    def __init__(self, asked: frozenset[ExecChannel] | None) -> None:
        self._forwards = asked is None
        self._asked: frozenset[ExecChannel] = asked or frozenset()
        self._streams: dict[int, _Stream] = {}
        self._pairs: dict[str, _Pair] = {}  # by request id, or by the number of the error stream where there is none
        self._used: set[ExecChannel] = set()  # the channels of an exec that were opened; each may be opened once
        self._status = b""  # the bytes of an exec's error stream so far
        self._error_complete = False

    def opened(self, stream: int, headers: Headers) -> ChannelOpened:
        """The client has opened a stream. Raises PeerError for one that belongs to no exec or port-forward, and for a header with
        several values, of which Go's Header.Get takes the first and other readers the last."""
        named = dict(headers)
        if len(named) != len(headers):
            raise PeerError(PROTOCOL_ERROR, "a stream with a header of several values")
        kind = named.get("streamtype", "")
        if self._forwards:
            return self._opened_port(stream, kind, named)
        channel = next((one for one in EXEC_STREAMS if one == kind), None)
        if channel is None or channel in self._used:
            raise PeerError(PROTOCOL_ERROR, "a stream of an unknown type, or a second one of its type")
        self._used.add(channel)
        passed = channel in self._asked
        self._streams[stream] = _Stream(channel, pair="", passed=passed, down_open=passed)
        return ChannelOpened(channel, stream, port=None, headers=(("streamtype", channel),), passed=passed)

    @property
    def awaited(self) -> bool:
        """Whether streams that the call asked for are not open yet. Until they are, a kubelet does not begin. Beside a
        terminal it does not wait for stderr."""
        if self._forwards:
            return False
        wanted = len(self._asked) - ({"stderr", "resize"} <= self._asked)
        return len(self._used & self._asked) < wanted

    def _opened_port(self, stream: int, kind: str, named: dict[str, str]) -> ChannelOpened:
        port, request = port_number(named.get("port", "")), named.get("requestid", "")
        if kind not in ("error", "data") or not port:
            raise PeerError(PROTOCOL_ERROR, "a stream without a type and a port")
        # older clients send no request id: the data stream is the error stream's number and two (kubernetes-wire 4.5)
        pair = request or str(stream if kind == "error" else stream - 2)
        known = self._pairs.setdefault(pair, _Pair(port, []))
        if len(pair) > 64 or known.port != port:
            raise PeerError(PROTOCOL_ERROR, "a pair of streams for two ports")
        live = known.live
        channel = port_channel(port, error=kind == "error")
        if len(live) >= 2 or any(self._streams[one].channel == channel for one in live):
            raise PeerError(PROTOCOL_ERROR, "more than two streams in a pair")
        if len(self._pairs) > MOST_PAIRS:
            raise PeerError(PROTOCOL_ERROR, f"more than {MOST_PAIRS} forwarded connections at once")
        live.append(stream)
        known.whole = known.whole or len(live) == 2
        self._streams[stream] = _Stream(channel, pair=pair)
        written = (("streamtype", kind), ("port", str(port)), *((("requestid", request),) if request else ()))
        return ChannelOpened(channel, stream, port=port if kind == "data" else None, headers=written)

    def half(self, stream: int) -> bool:
        """Whether the other stream of this stream's pair was never opened. False for a stream that is gone, and for an exec."""
        known = self._streams.get(stream)
        return known is not None and self._forwards and not self._pairs[known.pair].whole

    def partner(self, stream: int) -> int | None:
        """The number of the other stream of the pair, if the cluster may still write on it."""
        live = self._pairs[self._streams[stream].pair].live
        return next((other for other in live if other != stream and self._streams[other].down_open), None)

    def frame(self, stream: int, *, up: bool, data: bytes, final: bool) -> ChannelFrame | None:
        """Bytes of a stream, or its half-close (`final`), as a frame of its channel; None
        where the stream is gone, as after a reset.

        Raises PeerError for bytes of the side that may not write: a client's "stdout" would be
        recorded as the command's (threats C12).
        """
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
        if final:
            if up:
                known.up_open = False
            else:
                known.down_open = False
            if not known.up_open and not known.down_open:
                self._forget(stream, known)
        return ChannelFrame(channel=channel, up=up, stream=stream, data=data, final=final, passed=known.passed)

    def typed(self, stream: int) -> ChannelFrame | None:
        """As `printed`, of bytes of the client."""
        known = self._streams.get(stream)
        if known is None or not known.passed or known.channel.endswith("error") or not (self._forwards or known.channel == "stdin"):
            return None
        return ChannelFrame(channel=known.channel, up=True, stream=stream, data=b"")

    def printed(self, stream: int) -> ChannelFrame | None:
        """A frame, without data, that stands for any bytes of the cluster on a stream; None where each frame has to be read by
        `frame`."""
        known = self._streams.get(stream)
        if known is None or (not self._forwards and (known.channel == "error" or known.channel in UP)):
            return None
        return ChannelFrame(channel=known.channel, up=False, stream=stream, data=b"", passed=known.passed)

    def _tell(self, data: bytes, final: bool) -> None:
        """Note whether an exec's error stream holds a whole Status, which is its end: the kubelet then closes without a FIN."""
        if final:
            self._error_complete = True
        elif data and len(self._status) + len(data) <= LARGEST_STATUS:
            self._status += data
            if data.rstrip().endswith(b"}"):  # only then can the JSON be whole
                self._error_complete = _is_status(self._status)

    def reset(self, stream: int) -> None:
        """A stream was reset: it is gone in both directions."""
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
    def stderr(self) -> int | None:
        """The stream of stderr, while the cluster has not closed it; None where there is none."""
        for number, one in self._streams.items():
            if one.channel == "stderr" and one.passed and one.down_open:
                return number
        return None

    @property
    def live(self) -> list[int]:
        return list(self._streams)

    @property
    def complete(self) -> bool:
        """Whether the tunnel may end now without a loss: an exec has told its Status, a port-forward has no open stream."""
        if self._forwards:
            return not self._streams
        return self._error_complete

    def failure_frames(self, status: bytes) -> list[SpdyFrame]:
        """The frames that end the tunnel as failed. `status` is a Status in JSON.

        They are the Status on an exec's error stream, or its message on each error stream of a port-forward, then a FIN on every
        stream, then a GOAWAY. A mere cut, reset or GOAWAY would look like success (kubernetes-wire 4.4).
        """
        frames: list[SpdyFrame] = []
        errors = [number for number, one in self._streams.items() if one.channel.endswith("error") and one.down_open]
        text = words_of(status) if self._forwards else status
        frames += [Data(number, text, final=True) for number in errors]
        rest = (number for number, one in self._streams.items() if one.down_open and number not in errors)
        frames += [Data(number, b"", final=True) for number in rest]
        last = max(self._streams, default=0)
        self._streams.clear()
        return [*frames, GoAway(last)]


def _is_status(data: bytes) -> bool:
    try:
        status = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(status, dict) and isinstance(status.get("status"), str)
