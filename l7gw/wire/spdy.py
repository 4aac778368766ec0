"""SPDY/3.1 framing in both roles (draft-mbelshe-httpbis-spdy-00), sans-IO, as Kubernetes uses it.

    control: 1|version (15) | type (16) | flags (8) | length (24) | payload
    data:    0|stream (31)              | flags (8) | length (24) | payload

Kubernetes' spdystream neither sends nor obeys WINDOW_UPDATE, so flow control is off unless `windows` asks for it; SETTINGS and
WINDOW_UPDATE are read, bounded and reported. Every header block is inflated, in order, whoever wants it: the zlib context is
one for the connection's life.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from typing import Literal

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import event
from l7gw.wire.spdy_dictionary import DICTIONARY

# ---------------------------------------------------------------------- numbers (sections 2.2, 2.6)

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FLAG_FIN, FLAG_UNIDIRECTIONAL = 1, 2
VERSION = 0x8003
STREAM_MASK = 0x7FFFFFFF  # of 31 bits, not of 7
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 1, 2, 3, 5, 6, 7
FRAME_TOO_LARGE = 11
SETTINGS_INITIAL_WINDOW = 7

# ---------------------------------------------------------------------- limits (threats C1 to C4)

LARGEST_DATA = 1024 * 1024  # bytes of one DATA frame; handed on in pieces, never assembled. spdystream writes 32 KiB
LARGEST_CONTROL = 16 * 1024  # bytes of one control frame's payload
LARGEST_BLOCK = 16 * 1024  # bytes of an inflated header block; a stream's headers have about 60
MOST_HEADERS = 64  # in one block
MOST_STREAMS = 4096  # open at once; the layer above allows far fewer
MOST_UNKNOWN = 100  # frames for streams that never were
REMEMBERED_RESETS = 1024  # streams whose late frames are dropped in silence
INITIAL_WINDOW = 64 * 1024  # bytes, section 2.6.8
MOST_QUEUED = 1024 * 1024  # bytes that wait for a peer's window (only with `windows`)

Headers = tuple[tuple[str, str], ...]

# ---------------------------------------------------------------------- events


@event
class SynStream:
    stream: int
    headers: Headers
    final: bool = False
    unidirectional: bool = False
    associated: int = 0
    priority: int = 0


@event
class SynReply:
    stream: int
    headers: Headers = ()
    final: bool = False


@event
class Reset:
    stream: int
    status: int


@event
class Settings:
    entries: tuple[tuple[int, int], ...]  # id, value


@event
class Ping:
    id: int


@event
class GoAway:
    last: int
    status: int = 0


@event
class HeadersFrame:
    stream: int
    headers: Headers
    final: bool = False


@event
class WindowUpdate:
    stream: int
    delta: int


@event
class Data:
    """A piece of a DATA frame; `final` with the last piece of one that carries FIN."""

    stream: int
    data: bytes
    final: bool = False


SpdyEvent = SynStream | SynReply | Reset | Settings | Ping | GoAway | HeadersFrame | WindowUpdate | Data

# ---------------------------------------------------------------------- states of a stream
#
# A stream is in the table of open ones with the directions that may still carry data; it leaves when neither may, or by a
# reset. Each direction closes by itself: a half-closed direction stays half-closed.
#
#                 peer may send   we may send
#   opened              yes           yes
#   peer's FIN          no            yes
#   our FIN             yes           no

PEER, OURS = 1, 2

# ---------------------------------------------------------------------- header blocks (section 2.6.10)


def parse_block(plain: bytes) -> Headers:
    """The pairs of an inflated block; several values of a name are several pairs. Raises PeerError."""
    if len(plain) < 4:
        raise PeerError(PROTOCOL_ERROR, "a header block without a count")
    count = int.from_bytes(plain[:4], "big")
    if count > MOST_HEADERS or count * 8 > len(plain):  # bounded before anything is allocated (C1)
        raise PeerError(PROTOCOL_ERROR, "a header block of too many pairs")
    found: list[tuple[str, str]] = []
    seen: set[str] = set()
    at = 4
    for _ in range(count):
        name, at = _string(plain, at)
        value, at = _string(plain, at)
        if not name or name in seen or name != name.lower():
            raise PeerError(PROTOCOL_ERROR, "a header name that is empty, twice there, or not in lower case")
        seen.add(name)
        found += [(name, one) for one in value.split("\0")]
    if at != len(plain):
        raise PeerError(PROTOCOL_ERROR, "a header block with bytes behind its pairs")
    return tuple(found)


def _string(plain: bytes, at: int) -> tuple[str, int]:
    length = int.from_bytes(plain[at : at + 4], "big")
    end = at + 4 + length
    if end > len(plain) or at + 4 > len(plain):
        raise PeerError(PROTOCOL_ERROR, "a header string longer than its block")
    return plain[at + 4 : end].decode("latin-1"), end


def block_bytes(headers: Headers) -> bytes:
    """Pairs as a block before compression; values of one name are joined by NUL."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}\0{value}" if name in joined else value
    parts = [len(joined).to_bytes(4, "big")]
    for name, value in joined.items():
        for text in (name.encode("latin-1"), value.encode("latin-1")):
            parts += (len(text).to_bytes(4, "big"), text)
    return b"".join(parts)


def control_bytes(kind: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", VERSION, kind, flags << 24 | len(payload)) + payload


# ---------------------------------------------------------------------- connection


class Connection:
    """One side of a SPDY connection. `receive` gives events, `send` takes them, `take` is what to write. After a PeerError (whose
    code is the RST_STREAM or GOAWAY status) the connection is of no use: the zlib context is lost."""

    __slots__ = (
        "_buffer", "_client", "_deflate", "_failed", "_inflate", "_initial", "_last_opened", "_last_seen", "_left", "_out",
        "_piece_final", "_piece_stream", "_queued", "_queues", "_receive_windows", "_reset", "_send_windows", "_unknown",
        "_went_away", "_windows", "streams",
    )  # fmt: skip

    def __init__(self, role: Literal["client", "server"], *, windows: bool = False) -> None:
        self._client = role == "client"
        self._buffer = b""
        self._out: list[bytes] = []
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, 0, DICTIONARY)
        self.streams: dict[int, int] = {}  # open ones: which directions may carry data
        self._reset: deque[int] = deque(maxlen=REMEMBERED_RESETS)
        self._last_seen = 0  # the highest stream that the peer opened
        self._last_opened = 0  # and that we opened
        self._unknown = 0
        self._left = 0  # bytes of the DATA frame being handed on
        self._piece_stream = 0
        self._piece_final = False
        self._went_away = False
        self._failed = False
        self._windows = windows
        self._initial = INITIAL_WINDOW
        self._send_windows: dict[int, int] = {0: INITIAL_WINDOW}
        self._receive_windows: dict[int, int] = {0: INITIAL_WINDOW}
        self._queues: dict[int, deque[Data]] = {}
        self._queued = 0

    # ------------------------------------------------------------------ receiving

    def receive(self, data: bytes) -> list[SpdyEvent]:
        """Bytes of the peer. b"" is their end: a PeerError within a frame, else nothing."""
        if self._failed:
            return []
        if not data:
            if self._buffer or self._left:
                self._failed = True
                raise PeerError(PROTOCOL_ERROR, "the connection ended within a frame")
            return []
        buffer = self._buffer + data if self._buffer else data
        events: list[SpdyEvent] = []
        try:
            at = self._frames(buffer, events)
        except PeerError:
            self._failed = True
            raise
        self._buffer = buffer[at:] if at else buffer
        return events

    def _frames(self, buffer: bytes, events: list[SpdyEvent]) -> int:
        """Every whole frame of the buffer, and the pieces of a DATA frame as they come; how much was used. 2.4 M DATA frames of
        64 bytes a second."""
        at, end = 0, len(buffer)
        while True:
            if self._left:
                stop = min(at + self._left, end)
                if stop == at:
                    return at
                self._left -= stop - at
                self._data(self._piece_stream, buffer[at:stop], self._piece_final and not self._left, events)
                at = stop
                continue
            if end - at < 8:
                return at
            word = int.from_bytes(buffer[at : at + 4], "big")
            flags = buffer[at + 4]
            length = int.from_bytes(buffer[at + 5 : at + 8], "big")
            if word < 0x80000000:
                if length > LARGEST_DATA:
                    raise PeerError(FRAME_TOO_LARGE, f"a DATA frame larger than {LARGEST_DATA} bytes")
                if flags & ~FLAG_FIN:
                    raise PeerError(PROTOCOL_ERROR, "a DATA frame with unknown flags")
                at += 8
                stop = at + length
                if stop <= end:
                    self._data(word, buffer[at:stop], flags == FLAG_FIN, events)
                    at = stop
                else:
                    self._left, self._piece_stream, self._piece_final = length, word, flags == FLAG_FIN
                continue
            if length > LARGEST_CONTROL:
                raise PeerError(FRAME_TOO_LARGE, f"a control frame larger than {LARGEST_CONTROL} bytes")
            stop = at + 8 + length
            if stop > end:
                if word >> 16 != VERSION or word & 0xFFFF not in _CONTROL:
                    raise PeerError(PROTOCOL_ERROR, "a control frame of another version or of an unknown type")
                return at
            self._control(word, flags, buffer[at + 8 : stop], events)
            at = stop

    def _data(self, stream: int, data: bytes, final: bool, events: list[SpdyEvent]) -> None:
        state = self.streams.get(stream)
        if state is None or not state & PEER:
            self._stray(stream, state)
            return
        if self._windows:
            self._received(stream, len(data))
        if final:
            self._close(stream, PEER)
        events.append(Data(stream, data, final))

    def _stray(self, stream: int, state: int | None) -> None:
        """Data where none may be: dropped for a stream that was just reset, answered by a reset for others (section 2.2.2)."""
        if state is None and stream in self._reset:
            return
        self._unknown += 1
        if self._unknown > MOST_UNKNOWN:
            raise PeerError(PROTOCOL_ERROR, "data for streams that are not open, without end")
        self._out.append(control_bytes(RST_STREAM, 0, struct.pack(">II", stream, INVALID_STREAM)))

    def _close(self, stream: int, direction: int) -> None:
        state = self.streams[stream] & ~direction
        if state:
            self.streams[stream] = state
        else:
            self._forget(stream)

    def _forget(self, stream: int) -> None:
        self.streams.pop(stream, None)
        self._reset.append(stream)
        self._send_windows.pop(stream, None)
        self._receive_windows.pop(stream, None)
        for piece in self._queues.pop(stream, ()):
            self._queued -= len(piece.data)

    def _control(self, word: int, flags: int, payload: bytes, events: list[SpdyEvent]) -> None:
        if word >> 16 != VERSION:
            raise PeerError(PROTOCOL_ERROR, "a frame of another version")
        row = _CONTROL.get(word & 0xFFFF)
        if row is None:
            raise PeerError(PROTOCOL_ERROR, "a control frame of an unknown type")
        parse, smallest, largest, allowed = row
        if not smallest <= len(payload) <= largest or flags & ~allowed:
            raise PeerError(PROTOCOL_ERROR, "a control frame of a wrong size, or with unknown flags")
        found = parse(self, flags, payload)
        if found is not None:
            events.append(found)

    # -- one function a frame

    def _syn_stream(self, flags: int, payload: bytes) -> SpdyEvent | None:
        stream, associated = (number & STREAM_MASK for number in struct.unpack_from(">II", payload))
        headers = self._headers(payload[10:])
        if stream == 0 or stream % 2 != (0 if self._client else 1) or stream <= self._last_seen:
            raise PeerError(PROTOCOL_ERROR, "a stream id that is used, falling, or of the wrong side")
        self._last_seen = stream
        if len(self.streams) >= MOST_STREAMS:
            raise PeerError(PROTOCOL_ERROR, f"more than {MOST_STREAMS} streams")
        final, one_way = bool(flags & FLAG_FIN), bool(flags & FLAG_UNIDIRECTIONAL)
        self._open(stream, (0 if final else PEER) | (0 if one_way else OURS))
        return SynStream(stream, headers, final, one_way, associated, payload[8] >> 5)

    def _open(self, stream: int, directions: int) -> None:
        if directions:
            self.streams[stream] = directions
        else:
            self._reset.append(stream)
        if self._windows:
            self._send_windows[stream] = self._initial
            self._receive_windows[stream] = INITIAL_WINDOW

    def _syn_reply(self, flags: int, payload: bytes) -> SpdyEvent | None:
        stream, headers = self._stream_of(payload), self._headers(payload[4:])
        return self._about(stream, SynReply(stream, headers, bool(flags & FLAG_FIN)), bool(flags & FLAG_FIN))

    def _headers_frame(self, flags: int, payload: bytes) -> SpdyEvent | None:
        stream, headers = self._stream_of(payload), self._headers(payload[4:])
        return self._about(stream, HeadersFrame(stream, headers, bool(flags & FLAG_FIN)), bool(flags & FLAG_FIN))

    def _about(self, stream: int, found: SpdyEvent, final: bool) -> SpdyEvent | None:
        state = self.streams.get(stream)
        if state is None or not state & PEER:
            self._stray(stream, state)
            return None
        if final:
            self._close(stream, PEER)
        return found

    def _rst_stream(self, flags: int, payload: bytes) -> SpdyEvent | None:
        stream, status = self._stream_of(payload), int.from_bytes(payload[4:8], "big")
        if not status:
            raise PeerError(PROTOCOL_ERROR, "a reset without a status")
        known = stream in self.streams or stream in self._reset
        self._forget(stream)
        if not known:
            self._unknown += 1
            if self._unknown > MOST_UNKNOWN:
                raise PeerError(PROTOCOL_ERROR, "resets of streams that are not open, without end")
            return None
        return Reset(stream, status)

    def _settings(self, flags: int, payload: bytes) -> SpdyEvent | None:
        count = int.from_bytes(payload[:4], "big")
        if count * 8 != len(payload) - 4:  # the count is checked against the frame, not believed (CVE-2026-35469)
            raise PeerError(PROTOCOL_ERROR, "a SETTINGS frame whose count is not its size")
        entries = tuple((pair[0] & 0xFFFFFF, pair[1]) for pair in struct.iter_unpack(">II", payload[4:]))
        for number, value in entries:
            if number == SETTINGS_INITIAL_WINDOW and self._windows:
                self._new_initial(value)
        return Settings(entries)

    def _ping(self, flags: int, payload: bytes) -> SpdyEvent | None:
        return Ping(int.from_bytes(payload, "big"))

    def _goaway(self, flags: int, payload: bytes) -> SpdyEvent | None:
        return GoAway(self._stream_of(payload), int.from_bytes(payload[4:8], "big"))

    def _window_update(self, flags: int, payload: bytes) -> SpdyEvent | None:
        stream, delta = self._stream_of(payload), int.from_bytes(payload[4:8], "big") & STREAM_MASK
        if self._windows and stream in self._send_windows:
            self._send_windows[stream] += delta
            if self._send_windows[stream] > STREAM_MASK:
                raise PeerError(FLOW_CONTROL_ERROR, "a window larger than 2^31 - 1")
            self._drain()
        return WindowUpdate(stream, delta)

    @staticmethod
    def _stream_of(payload: bytes) -> int:
        return int.from_bytes(payload[:4], "big") & STREAM_MASK

    def _headers(self, block: bytes) -> Headers:
        try:
            plain = self._inflate.decompress(block, LARGEST_BLOCK + 1)  # bounded: 65 KB can inflate to 64 MiB (C2)
        except zlib.error as error:
            raise PeerError(PROTOCOL_ERROR, "a header block that does not inflate") from error
        if len(plain) > LARGEST_BLOCK or self._inflate.unconsumed_tail or self._inflate.unused_data or self._inflate.eof:
            raise PeerError(FRAME_TOO_LARGE, f"a header block larger than {LARGEST_BLOCK} bytes, or not whole")
        return parse_block(plain)

    # ------------------------------------------------------------------ sending

    def may_send(self, stream: int) -> bool:
        """Whether a stream is open for our data: the peer may have reset it meanwhile."""
        return bool(self.streams.get(stream, 0) & OURS)

    def send(self, found: SpdyEvent) -> None:
        """Raises OurError where the stream's state does not allow it."""
        kind = type(found)
        if kind is Data:
            self._send_data(found)  # type: ignore[arg-type]
        elif kind is SynStream:
            self._send_syn_stream(found)  # type: ignore[arg-type]
        elif kind is SynReply or kind is HeadersFrame:
            reply: SynReply | HeadersFrame = found  # type: ignore[assignment]
            self._need(reply.stream)
            payload = struct.pack(">I", reply.stream) + self._block(reply.headers)
            number = SYN_REPLY if kind is SynReply else HEADERS
            self._out.append(control_bytes(number, FLAG_FIN if reply.final else 0, payload))
            if reply.final:
                self._close(reply.stream, OURS)
        elif kind is Reset:
            reset: Reset = found  # type: ignore[assignment]
            self._forget(reset.stream)
            self._out.append(control_bytes(RST_STREAM, 0, struct.pack(">II", reset.stream, reset.status)))
        elif kind is Ping:
            self._out.append(control_bytes(PING, 0, struct.pack(">I", found.id)))  # type: ignore[union-attr]
        elif kind is GoAway:
            away: GoAway = found  # type: ignore[assignment]
            self._went_away = True
            self._out.append(control_bytes(GOAWAY, 0, struct.pack(">II", away.last, away.status)))
        elif kind is WindowUpdate:
            update: WindowUpdate = found  # type: ignore[assignment]
            self._out.append(control_bytes(WINDOW_UPDATE, 0, struct.pack(">II", update.stream, update.delta)))
        else:
            settings: Settings = found  # type: ignore[assignment]
            entries = b"".join(struct.pack(">II", number, value) for number, value in settings.entries)
            self._out.append(control_bytes(SETTINGS, 0, struct.pack(">I", len(settings.entries)) + entries))

    def _need(self, stream: int) -> None:
        if not self.streams.get(stream, 0) & OURS:
            raise OurError(f"stream {stream} is not open for us")

    def _send_syn_stream(self, found: SynStream) -> None:
        if found.stream <= self._last_opened or found.stream % 2 != (1 if self._client else 0) or self._went_away:
            raise OurError("a stream id that is used, falling, or of the other side; or a stream after GOAWAY")
        self._last_opened = found.stream
        self._open(found.stream, (0 if found.final else OURS) | (0 if found.unidirectional else PEER))
        flags = (FLAG_FIN if found.final else 0) | (FLAG_UNIDIRECTIONAL if found.unidirectional else 0)
        head = struct.pack(">IIBB", found.stream, found.associated, found.priority << 5, 0)
        self._out.append(control_bytes(SYN_STREAM, flags, head + self._block(found.headers)))

    def _block(self, headers: Headers) -> bytes:
        return self._deflate.compress(block_bytes(headers)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _send_data(self, found: Data) -> None:
        self._need(found.stream)
        if self._windows:
            queue = self._queues.setdefault(found.stream, deque())
            if self._queued + len(found.data) > MOST_QUEUED:
                raise OurError("the peer's window is full, and so is the queue before it")
            self._queued += len(found.data)
            queue.append(found)
            self._drain()
        else:
            self._write_data(found.stream, found.data, found.final)

    def _write_data(self, stream: int, data: bytes, final: bool) -> None:
        self._out.append(struct.pack(">II", stream, (FLAG_FIN << 24 if final else 0) | len(data)))
        if data:
            self._out.append(data)
        if final:
            self._close(stream, OURS)

    def take(self) -> bytes:
        """What to write now."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    # ------------------------------------------------------------------ flow control (section 2.6.8), where a peer obeys it

    def _drain(self) -> None:
        """Write what the windows allow."""
        for stream, queue in list(self._queues.items()):
            while queue:
                piece = queue[0]
                room = min(self._send_windows[0], self._send_windows.get(stream, 0))
                if piece.data and room <= 0:
                    break
                part = piece.data[: max(room, 0)]
                rest = piece.data[len(part) :]
                self._send_windows[0] -= len(part)
                self._send_windows[stream] -= len(part)
                self._queued -= len(part)
                queue.popleft()
                if rest:
                    queue.appendleft(Data(stream, rest, piece.final))
                self._write_data(stream, part, piece.final and not rest)
            if not queue:
                self._queues.pop(stream, None)

    def _new_initial(self, value: int) -> None:
        if value > STREAM_MASK:
            raise PeerError(FLOW_CONTROL_ERROR, "a window larger than 2^31 - 1")
        for stream in self._send_windows:
            if stream:
                self._send_windows[stream] += value - self._initial
        self._initial = value
        self._drain()

    def _received(self, stream: int, size: int) -> None:
        """Count what came against the windows that we gave, and give anew what is used up by half."""
        for number in (0, stream):
            if number not in self._receive_windows:
                continue
            self._receive_windows[number] -= size
            left = self._receive_windows[number]
            if left < 0:
                raise PeerError(FLOW_CONTROL_ERROR, "more data than the window allows")
            if left < INITIAL_WINDOW // 2:
                self._receive_windows[number] = INITIAL_WINDOW
                self.send(WindowUpdate(number, INITIAL_WINDOW - left))


# A control frame: its function, smallest and largest payload, the flags that it may carry
_CONTROL = {
    SYN_STREAM: (Connection._syn_stream, 10, LARGEST_CONTROL, FLAG_FIN | FLAG_UNIDIRECTIONAL),
    SYN_REPLY: (Connection._syn_reply, 4, LARGEST_CONTROL, FLAG_FIN),
    RST_STREAM: (Connection._rst_stream, 8, 8, 0),
    SETTINGS: (Connection._settings, 4, LARGEST_CONTROL, 1),
    PING: (Connection._ping, 4, 4, 0),
    GOAWAY: (Connection._goaway, 8, 8, 0),
    HEADERS: (Connection._headers_frame, 4, LARGEST_CONTROL, FLAG_FIN),
    WINDOW_UPDATE: (Connection._window_update, 8, 8, 0),
}
