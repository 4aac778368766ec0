"""The streams of exec, attach and port-forward over SPDY: a stream a channel (kubernetes-wire 4.3, 4.5)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from l7gw.kube.channels import EXEC_STREAMS, ChannelFrame, ChannelOpened, words_of
from l7gw.kube.values import port_number
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Headers
from l7gw.wire.spdy_events import Data, GoAway, SpdyFrame
from l7gw.wire.spdy_frames import PROTOCOL_ERROR

MOST_PAIRS = 256  # live connections of one port-forward (threats C5)
UP = frozenset(("stdin", "resize"))  # what a client writes of an exec; the rest the cluster does
LARGEST_STATUS = 64 * 1024  # bytes of an exec's Status that are looked at; the kubelet's have a few hundred


@dataclass(slots=True)
class _Stream:
    channel: str
    pair: str  # the request id of a port-forward's pair
    passed: bool = True  # the cluster knows of it
    up_open: bool = True
    down_open: bool = True


@dataclass(slots=True)
class _Pair:
    port: int
    live: list[int]  # its streams
    whole: bool = False  # both have been there


class SpdyChannels:
    """The streams of one tunnel by what their headers say they are.

    `asked` are the channels that an exec or attach asked for; None is a port-forward. A stream that was not asked for is the
    client's alone: it hears at once that nothing will come on it, and what it writes goes no further. Client-go opens what its
    caller hands it, and a caller whose options differ from the query may be an honest one. A kubelet takes any streams until it has
    as many as the query says, and the runtime attaches those (kubernetes-wire 4.3).
    """

    def __init__(self, asked: frozenset[str] | None) -> None:
        self._forwards = asked is None
        self._asked = asked or frozenset()
        self._streams: dict[int, _Stream] = {}
        self._pairs: dict[str, _Pair] = {}  # by request id
        self._used: set[str] = set()  # channels of an exec: each is opened once
        self._status = b""  # what came on an exec's error stream
        self._error_complete = False

    def opened(self, stream: int, headers: Headers) -> ChannelOpened:
        """A stream of the client's. Raises PeerError for one that belongs to no exec or port-forward, and for a header of several
        values: Go's Header.Get takes the first, others the last."""
        named = dict(headers)
        if len(named) != len(headers):
            raise PeerError(PROTOCOL_ERROR, "a stream with a header of several values")
        kind = named.get("streamtype", "")
        if self._forwards:
            return self._opened_port(stream, kind, named)
        if kind not in EXEC_STREAMS or kind in self._used:
            raise PeerError(PROTOCOL_ERROR, "a stream of an unknown type, or a second one of its type")
        self._used.add(kind)
        passed = kind in self._asked
        self._streams[stream] = _Stream(kind, "", passed, down_open=passed)
        return ChannelOpened(kind, stream, None, (("streamtype", kind),), passed)

    @property
    def awaited(self) -> bool:
        """Whether the client owes streams that it asked for: until they are there a kubelet does not begin. It counts no stderr
        beside a terminal."""
        if self._forwards:
            return False
        wanted = len(self._asked) - ({"stderr", "resize"} <= self._asked)
        return len(self._used & self._asked) < wanted

    def _opened_port(self, stream: int, kind: str, named: dict[str, str]) -> ChannelOpened:
        port, request = port_number(named.get("port", "")), named.get("requestid", "")
        if kind not in ("error", "data") or not port:
            raise PeerError(PROTOCOL_ERROR, "a stream without a type and a port")
        # clients older than request ids: an error stream, then its data stream two ids later (kubernetes-wire 4.5)
        pair = request or str(stream if kind == "error" else stream - 2)
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
        written = (("streamtype", kind), ("port", str(port)), *((("requestid", request),) if request else ()))
        return ChannelOpened(channel, stream, port if kind == "data" else None, written)

    def half(self, stream: int) -> bool:
        """Whether a live stream has waited in vain for the other of its pair."""
        known = self._streams.get(stream)
        return known is not None and self._forwards and not self._pairs[known.pair].whole

    def partner(self, stream: int) -> int | None:
        """The other stream of the pair, where the cluster's side may still write on it."""
        live = self._pairs[self._streams[stream].pair].live
        return next((other for other in live if other != stream and self._streams[other].down_open), None)

    def frame(self, stream: int, up: bool, data: bytes, final: bool) -> ChannelFrame | None:
        """Data of a stream, or its half-close; None where the stream is gone, as after a reset. Raises PeerError for bytes that the
        other side writes: a client's own "stdout" would stand in the record as the command's (threats C12)."""
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
        return ChannelFrame(channel, up, stream, data, final, known.passed)

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

    def failure_frames(self, status: bytes) -> list[SpdyFrame]:
        """What ends the tunnel as failed: the Status on an exec's error stream (words on those of a port-forward), then FINs, then
        GOAWAY. A bare cut, a reset or a GOAWAY alone would look like success (kubernetes-wire 4.4)."""
        frames: list[SpdyFrame] = []
        errors = [number for number, one in self._streams.items() if one.channel.endswith("error") and one.down_open]
        text = words_of(status) if self._forwards else status
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
