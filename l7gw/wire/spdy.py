"""SPDY/3.1 framing in both roles (draft-mbelshe-httpbis-spdy-00), sans-IO, as Kubernetes uses it.

Kubernetes' spdystream neither sends nor obeys WINDOW_UPDATE, so flow control is off unless `windows` asks for it; SETTINGS and
WINDOW_UPDATE are read, bounded and reported. Every header block is inflated, in order, whoever wants it: the zlib context is
one for the connection's life.

What a frame is, says `spdy_frames`; what a header block says, `spdy_block`; how much may be sent, `spdy_windows`; here are the
events, and what may follow what.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Literal

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import Headers, event
from l7gw.wire.spdy_block import Blocks
from l7gw.wire.spdy_frames import (
    CONTROL_BIT,
    FLAG_FIN,
    FLAG_UNIDIRECTIONAL,
    FLOW_CONTROL_ERROR,
    FRAME_TOO_LARGE,
    GOAWAY,
    HEADERS,
    INVALID_STREAM,
    PING,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    SETTINGS_INITIAL_WINDOW,
    STREAM_ALREADY_CLOSED,
    STREAM_IN_USE,
    STREAM_MASK,
    SYN_REPLY,
    SYN_STREAM,
    TWO_WORDS,
    VERSION,
    WINDOW_UPDATE,
    control_bytes,
    stream_of,
)  # fmt: skip
from l7gw.wire.spdy_windows import Piece, Windows

# ---------------------------------------------------------------------- limits (threats C1 to C4)

LARGEST_DATA = 1024 * 1024  # bytes of one DATA frame; handed on in pieces, never assembled. spdystream writes 32 KiB (threats C3)
LARGEST_CONTROL = 16 * 1024  # bytes of one control frame's payload; spdystream takes 16 MiB (threats C3)
MOST_STREAMS = 4096  # open at once; the layer above allows far fewer
MOST_STRAYS = 100  # frames for streams that are not open, or that their state forbids; each costs us a reset (threats C4)
REMEMBERED_RESETS = 1024  # streams whose late frames are dropped in silence

# ---------------------------------------------------------------------- events


@event
class SynStream:  # section 2.6.1, and so on in its order
    stream: int
    headers: Headers
    final: bool = False
    unidirectional: bool = False
    associated: int = 0
    priority: int = 0  # 0 is the highest, 7 the lowest


@event
class SynReply:
    stream: int
    headers: Headers = ()
    final: bool = False


@event
class Reset:
    """The stream is gone, for both: the peer reset it, or broke its rules and this codec has queued a reset with that status."""

    stream: int
    status: int


@event
class Settings:
    entries: tuple[tuple[int, int], ...]  # id, value


@event
class Ping:
    """Reported only: whoever holds the connection answers one of the other side's parity with the same id."""

    id: int


@event
class GoAway:
    """The sender takes no new streams; the open ones go on. spdystream reads nothing behind it."""

    last: int
    status: int = 0


@event
class HeadersFrame:
    stream: int
    headers: Headers
    final: bool = False


@event
class WindowUpdate:
    stream: int  # 0 is the connection
    delta: int  # bytes


@event
class Data:
    """A piece of a DATA frame; `final` with the last piece of one that carries FIN. An empty frame is an empty piece."""

    stream: int
    data: bytes
    final: bool = False


SpdyEvent = SynStream | SynReply | Reset | Settings | Ping | GoAway | HeadersFrame | WindowUpdate | Data

# ---------------------------------------------------------------------- states of a stream
#
# An open stream is a set of bits. Each direction closes by itself; when both have, or at a reset, the stream is forgotten.

PEER, OURS = 1, 2  # who may still send
AWAITED, OWED = 4, 8  # a SYN_REPLY has not come yet, or not gone
BARE = 16  # it went without headers, ahead of data (see _reply_first)

# What the peer's frames do. A status is what the stream is reset with, in answer; all but REPORT and DROP count as strays.

REPORT, DROP, COUNT = "report", "drop", "count"
DATA = 0  # a DATA frame's place in the tables; it has no type of its own
Outcome = str | int
RECEIVING: dict[str, dict[int, Outcome]] = {
    # never opened
    "idle": {DATA: INVALID_STREAM, SYN_REPLY: INVALID_STREAM, HEADERS: INVALID_STREAM, RST_STREAM: COUNT},
    # by either side, moments ago: what was under way meanwhile is no fault, and spdystream drops it too
    "reset": {DATA: DROP, SYN_REPLY: DROP, HEADERS: DROP, RST_STREAM: DROP},
    # by a FIN each way, or reset long ago; a reset behind the FINs is how kubectl says goodbye
    "closed": {DATA: STREAM_ALREADY_CLOSED, SYN_REPLY: STREAM_ALREADY_CLOSED, HEADERS: STREAM_ALREADY_CLOSED, RST_STREAM: DROP},
    # the peer has sent its FIN
    "half-closed": {
        DATA: STREAM_ALREADY_CLOSED,
        SYN_REPLY: STREAM_ALREADY_CLOSED,
        HEADERS: STREAM_ALREADY_CLOSED,
        RST_STREAM: REPORT,
    },
    # opened by us; data ahead of the SYN_REPLY is reported (kubectl would drop it in silence)
    "unanswered": {DATA: REPORT, SYN_REPLY: REPORT, HEADERS: REPORT, RST_STREAM: REPORT},
    "answered": {DATA: REPORT, SYN_REPLY: STREAM_IN_USE, HEADERS: REPORT, RST_STREAM: REPORT},
    # opened by the peer
    "theirs": {DATA: REPORT, SYN_REPLY: PROTOCOL_ERROR, HEADERS: REPORT, RST_STREAM: REPORT},
}

# What we may send is told by the bits: DATA and HEADERS need OURS, SYN_REPLY needs OURS and OWED, else OurError. A Reset of a
# stream that is not open is nothing: the peer's own may have come first.

# ---------------------------------------------------------------------- connection


class Connection:
    """One side of a SPDY connection. `receive` gives events, `send` takes them; write what `take` gives after either.

    After a PeerError (whose code is a RST_STREAM or GOAWAY status) nothing more is read: the zlib context is lost. A read that
    ends in one gives none of its events. Streams may still be ended with words of our own; what such lost events make
    impossible to send is then dropped in silence.
    """

    __slots__ = (
        "_blocks", "_buffer", "_client", "_failed", "_going", "_last_opened", "_last_seen", "_left", "_out", "_piece_final",
        "_piece_stream", "_reset", "_strays", "_went_away", "_windows", "streams",
    )  # fmt: skip

    def __init__(self, role: Literal["client", "server"], *, windows: bool = False) -> None:
        self._client = role == "client"
        self._buffer = b""
        self._out: list[bytes] = []
        self._blocks = Blocks()
        self.streams: dict[int, int] = {}  # open ones, and their bits
        self._reset: dict[int, None] = {}  # the latest that were reset, oldest first
        self._last_seen = 0  # the highest stream that the peer opened
        self._last_opened = 0  # and that we opened
        self._strays = 0
        self._left = 0  # bytes of the DATA frame being handed on
        self._piece_stream = 0  # whose it is
        self._piece_final = False
        self._going = False  # a GOAWAY came or went: the peer opens no more streams
        self._went_away = False  # a GOAWAY went: we open no more
        self._failed = False
        self._windows = Windows() if windows else None

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
            self._buffer = b""
            raise
        self._buffer = buffer[at:] if at else buffer
        return events

    def _frames(self, buffer: bytes, events: list[SpdyEvent]) -> int:
        """Every whole frame of the buffer, and the pieces of a DATA frame as they come; how much was used.

        3.0 M DATA frames of 64 bytes a second on one core; half of that where each costs a method call.
        """
        at, end = 0, len(buffer)
        if self._left:
            at = self._piece(buffer, at, events)
        streams, windows, head, append = self.streams, self._windows, TWO_WORDS.unpack_from, events.append
        while end - at >= 8:
            word, rest = head(buffer, at)
            start = at + 8
            at = start + (rest & 0xFFFFFF)
            if word < CONTROL_BIT:
                if rest <= LARGEST_DATA and at <= end and windows is None and streams.get(word, 0) & PEER:
                    append(Data(word, buffer[start:at]))  # whole, no flags: nearly all of them
                else:
                    self._data_head(word, rest, events)
                    at = self._piece(buffer, start, events)
                continue
            parse = self._control_head(word, rest)
            if at > end:
                return start - 8
            parse(self, rest >> 24, buffer[start:at], events)
        return at

    # -- DATA

    def _data_head(self, stream: int, rest: int, events: list[SpdyEvent]) -> None:
        """Judge a DATA frame by its header, once however its bytes are cut (section 2.2.2)."""
        flags, length = rest >> 24, rest & 0xFFFFFF
        if length > LARGEST_DATA:
            raise PeerError(FRAME_TOO_LARGE, f"a DATA frame larger than {LARGEST_DATA} bytes")
        if flags & ~FLAG_FIN:
            raise PeerError(PROTOCOL_ERROR, "a DATA frame with unknown flags")
        if self._windows is not None:
            self._spend(self._windows, stream, length, flags == FLAG_FIN, events)
        self._allowed(stream, DATA, events)  # where it is not, `_piece` drops it
        self._left, self._piece_stream, self._piece_final = length, stream, flags == FLAG_FIN

    def _piece(self, buffer: bytes, at: int, events: list[SpdyEvent]) -> int:
        """What there is of the frame being handed on; nothing where the peer may not send, or no more. Gives where it ends."""
        stop = min(at + self._left, len(buffer))
        self._left -= stop - at
        stream = self._piece_stream
        if self.streams.get(stream, 0) & PEER and (stop > at or not self._left):
            final = self._piece_final and not self._left
            if final:
                self._close(stream, PEER)
            events.append(Data(stream, buffer[at:stop], final))
        return stop

    # -- what a stream's state allows

    def _state(self, stream: int) -> str:
        """The stream's row in RECEIVING."""
        bits = self.streams.get(stream)
        ours = (stream % 2 == 1) == self._client
        if bits is None:
            if stream in self._reset:
                return "reset"
            return "closed" if stream <= (self._last_opened if ours else self._last_seen) else "idle"
        if not bits & PEER:
            return "half-closed"
        if not ours:
            return "theirs"
        return "unanswered" if bits & AWAITED else "answered"

    def _allowed(self, stream: int, kind: int, events: list[SpdyEvent]) -> bool:
        """Whether a frame is to be reported; what else it does is done here."""
        if stream == 0:
            raise PeerError(PROTOCOL_ERROR, "a frame of stream 0")
        outcome = RECEIVING[self._state(stream)][kind]
        if outcome == REPORT:
            return True
        if isinstance(outcome, int):
            self._abort(stream, outcome, events)
        elif outcome == COUNT:
            self._count_stray()
        return False

    def _abort(self, stream: int, status: int, events: list[SpdyEvent]) -> None:
        """Reset a stream because of what the peer sent; where it was open, the caller hears of it."""
        self._count_stray()
        self._out.append(control_bytes(RST_STREAM, 0, TWO_WORDS.pack(stream, status)))
        if stream in self.streams:
            self._drop(stream)
            self._remember(stream)
            events.append(Reset(stream, status))

    def _count_stray(self) -> None:
        self._strays += 1
        if self._strays > MOST_STRAYS:
            raise PeerError(PROTOCOL_ERROR, "frames that their streams' state forbids, without end")

    def _open(self, stream: int, bits: int) -> None:
        if not bits & (PEER | OURS):
            return
        self.streams[stream] = bits
        if self._windows is not None:
            self._windows.open(stream)

    def _close(self, stream: int, bits: int) -> None:
        """Take bits from a stream; one that nobody may send on, with nothing queued, is closed."""
        left = self.streams[stream] = self.streams[stream] & ~bits
        if not left & (PEER | OURS) and not (self._windows is not None and self._windows.waits(stream)):
            self._drop(stream)

    def _drop(self, stream: int) -> None:
        del self.streams[stream]
        if self._windows is not None:
            self._windows.forget(stream)

    def _remember(self, stream: int) -> None:
        self._reset[stream] = None
        if len(self._reset) > REMEMBERED_RESETS:
            del self._reset[next(iter(self._reset))]

    # -- control frames: one function each, in the order of sections 2.6.1 to 2.6.8; the table at the end says which

    def _control_head(self, word: int, rest: int) -> Parse:
        """Judge a control frame by its header, before any of its payload is kept (threats C3)."""
        row = _CONTROL.get(word & 0xFFFF)
        if word >> 16 != VERSION or row is None:
            raise PeerError(PROTOCOL_ERROR, "a control frame of another version or of an unknown type")
        parse, smallest, largest, allowed = row
        length = rest & 0xFFFFFF
        if length > LARGEST_CONTROL:
            raise PeerError(FRAME_TOO_LARGE, f"a control frame larger than {LARGEST_CONTROL} bytes")
        if not smallest <= length <= largest or rest >> 24 & ~allowed:
            raise PeerError(PROTOCOL_ERROR, "a control frame of a wrong size, or with unknown flags")
        return parse

    def _syn_stream(self, flags: int, payload: bytes, events: list[SpdyEvent]) -> None:
        first, second = TWO_WORDS.unpack_from(payload)
        stream, associated = first & STREAM_MASK, second & STREAM_MASK
        headers = self._blocks.read(payload[10:])
        if stream == 0 or (stream % 2 == 1) == self._client or stream <= self._last_seen:
            raise PeerError(PROTOCOL_ERROR, "a stream id that is used, falling, or of the wrong side")
        self._last_seen = stream
        if self._going:  # section 2.6.6: the streams behind a GOAWAY are not ours to serve
            self._remember(stream)
            self._out.append(control_bytes(RST_STREAM, 0, TWO_WORDS.pack(stream, REFUSED_STREAM)))
            return
        if len(self.streams) >= MOST_STREAMS:
            raise PeerError(PROTOCOL_ERROR, f"more than {MOST_STREAMS} streams")
        final, one_way = bool(flags & FLAG_FIN), bool(flags & FLAG_UNIDIRECTIONAL)
        self._open(stream, (0 if final else PEER) | (0 if one_way else OURS | OWED))
        events.append(SynStream(stream, headers, final, one_way, associated, payload[8] >> 5))

    def _syn_reply(self, flags: int, payload: bytes, events: list[SpdyEvent]) -> None:
        stream, headers = stream_of(payload), self._blocks.read(payload[4:])
        if self._allowed(stream, SYN_REPLY, events):
            events.append(SynReply(stream, headers, flags == FLAG_FIN))
            self._close(stream, AWAITED | (PEER if flags else 0))

    def _rst_stream(self, flags: int, payload: bytes, events: list[SpdyEvent]) -> None:
        stream, status = stream_of(payload), int.from_bytes(payload[4:], "big")
        if not status:
            raise PeerError(PROTOCOL_ERROR, "a reset without a status")
        if self._allowed(stream, RST_STREAM, events):
            self._drop(stream)
            self._remember(stream)
            events.append(Reset(stream, status))

    def _settings(self, flags: int, payload: bytes, events: list[SpdyEvent]) -> None:
        count = int.from_bytes(payload[:4], "big")
        if count * 8 != len(payload) - 4:  # checked against the frame, not believed (threats C1, CVE-2026-35469)
            raise PeerError(PROTOCOL_ERROR, "a SETTINGS frame whose count is not its size")
        entries = tuple((pair[0] & 0xFFFFFF, pair[1]) for pair in TWO_WORDS.iter_unpack(payload[4:]))
        events.append(Settings(entries))
        for number, value in entries:
            if number == SETTINGS_INITIAL_WINDOW and self._windows is not None:
                self._windows.new_initial_out(value)
                self._drain(self._windows)

    def _ping(self, flags: int, payload: bytes, events: list[SpdyEvent]) -> None:
        events.append(Ping(int.from_bytes(payload, "big")))

    def _goaway(self, flags: int, payload: bytes, events: list[SpdyEvent]) -> None:
        self._going = True
        events.append(GoAway(stream_of(payload), int.from_bytes(payload[4:], "big")))

    def _headers_frame(self, flags: int, payload: bytes, events: list[SpdyEvent]) -> None:
        stream, headers = stream_of(payload), self._blocks.read(payload[4:])
        if self._allowed(stream, HEADERS, events):
            events.append(HeadersFrame(stream, headers, flags == FLAG_FIN))
            if flags:
                self._close(stream, PEER)

    def _window_update(self, flags: int, payload: bytes, events: list[SpdyEvent]) -> None:
        stream, delta = stream_of(payload), int.from_bytes(payload[4:], "big") & STREAM_MASK
        if not delta:
            raise PeerError(PROTOCOL_ERROR, "a WINDOW_UPDATE of nothing")  # "the legal range is 1 to 2^31 - 1"
        events.append(WindowUpdate(stream, delta))
        if self._windows is not None:
            if self._windows.update(stream, delta):
                self._drain(self._windows)
            else:
                self._abort(stream, FLOW_CONTROL_ERROR, events)

    # ------------------------------------------------------------------ sending

    @property
    def queued(self) -> int:
        """Bytes that wait for the peer's windows: `send` raises OurError past its bound."""
        return self._windows.queued if self._windows is not None else 0

    def send(self, found: SpdyEvent) -> None:
        """Raises OurError where the stream's state does not allow it, or a number does not fit its field."""
        if isinstance(found, Data):
            self._send_data(found)
            return
        try:
            self._send_control(found)
        except struct.error as error:
            raise OurError(f"a number that does not fit its field: {error}") from error

    def _send_control(self, found: SpdyEvent) -> None:
        match found:
            case SynStream():
                self._send_syn_stream(found)
            case SynReply():
                self._send_reply(found)
            case HeadersFrame():
                self._send_headers(found)
            case Reset(stream, status):
                if not status:
                    raise OurError("a reset without a status")
                frame = control_bytes(RST_STREAM, 0, TWO_WORDS.pack(stream, status))
                if stream in self.streams:
                    self._drop(stream)
                    self._remember(stream)
                    self._out.append(frame)
            case Ping(number):
                self._out.append(control_bytes(PING, 0, struct.pack(">I", number)))
            case GoAway(last, status):
                self._going = self._went_away = True
                self._out.append(control_bytes(GOAWAY, 0, TWO_WORDS.pack(last, status)))
            case WindowUpdate(stream, delta):
                self._out.append(control_bytes(WINDOW_UPDATE, 0, TWO_WORDS.pack(stream, delta)))
            case Settings(entries):
                self._send_settings(entries)
            case _:
                raise OurError(f"no frame: {type(found).__name__}")

    def _usable(self, stream: int, bits: int) -> bool:
        """Whether the stream has these bits; raises OurError where it has not and we should have known."""
        if self.streams.get(stream, 0) & bits == bits:
            return True
        if self._failed:
            return False
        raise OurError(f"stream {stream} is {self._state(stream)} and not open for this from us")

    def _send_syn_stream(self, found: SynStream) -> None:
        if not self._last_opened < found.stream <= STREAM_MASK or (found.stream % 2 == 1) != self._client or self._went_away:
            raise OurError("a stream id that is used, falling, or of the other side; or a stream after GOAWAY")
        head = struct.pack(">IIBB", found.stream, found.associated, found.priority << 5, 0)
        flags = (FLAG_FIN if found.final else 0) | (FLAG_UNIDIRECTIONAL if found.unidirectional else 0)
        self._out.append(control_bytes(SYN_STREAM, flags, head + self._blocks.write(found.headers)))
        self._last_opened = found.stream
        self._open(found.stream, (0 if found.final else OURS) | (0 if found.unidirectional else PEER | AWAITED))

    def _send_reply(self, found: SynReply) -> None:
        if self.streams.get(found.stream, 0) & BARE:  # the reply went already, so its headers follow it
            self._close(found.stream, BARE)
            if found.headers:
                self._send_headers(HeadersFrame(found.stream, found.headers, found.final))
            elif found.final:
                self._send_data(Data(found.stream, b"", True))
        elif self._usable(found.stream, OURS | OWED):
            self._write_block(SYN_REPLY, found)
            self._close(found.stream, OWED | (OURS if found.final else 0))

    def _reply_first(self, stream: int) -> None:
        """A SYN_REPLY without headers where one is owed: kubectl drops what comes ahead of it (kubernetes-wire 4.3)."""
        bits = self.streams[stream]
        if bits & OWED:
            self._write_block(SYN_REPLY, SynReply(stream))
            self.streams[stream] = bits & ~OWED | BARE

    def _send_headers(self, found: HeadersFrame) -> None:
        if self._usable(found.stream, OURS):
            self._reply_first(found.stream)
            if self._windows is not None and self._windows.waits(found.stream):
                self._windows.queue(found.stream, (b"", found.final, found.headers))
            else:
                self._write_block(HEADERS, found)
            if found.final:
                self._close(found.stream, OURS)

    def _send_settings(self, entries: tuple[tuple[int, int], ...]) -> None:
        payload = struct.pack(">I", len(entries)) + b"".join(TWO_WORDS.pack(number, value) for number, value in entries)
        for number, value in entries:
            if number == SETTINGS_INITIAL_WINDOW and self._windows is not None:
                self._windows.new_initial_in(value)
        self._out.append(control_bytes(SETTINGS, 0, payload))

    def _write_block(self, kind: int, found: SynReply | HeadersFrame) -> None:
        payload = struct.pack(">I", found.stream) + self._blocks.write(found.headers)
        self._out.append(control_bytes(kind, FLAG_FIN if found.final else 0, payload))

    def _send_data(self, found: Data) -> None:
        stream = found.stream
        if not self._usable(stream, OURS):
            return
        if self.streams[stream] & OWED:
            self._reply_first(stream)
        if self._windows is None:
            self._write_data(stream, found.data, found.final)
        else:
            self._windows.queue(stream, (found.data, found.final, None))
            self._write_ready(stream, self._windows.ready(stream))
        if found.final:
            self._close(stream, OURS)

    def _write_data(self, stream: int, data: bytes, final: bool) -> None:
        while len(data) > LARGEST_DATA:
            self._out += (TWO_WORDS.pack(stream, LARGEST_DATA), data[:LARGEST_DATA])
            data = data[LARGEST_DATA:]
        self._out.append(TWO_WORDS.pack(stream, (FLAG_FIN << 24 if final else 0) | len(data)))
        if data:
            self._out.append(data)

    def take(self) -> bytes:
        """What to write now; empties it."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    # ------------------------------------------------------------------ flow control (section 2.6.8), where a peer obeys it

    def _drain(self, windows: Windows) -> None:
        """Write what the windows allow; a stream whose last frame that was is closed."""
        for stream in windows.waiting:
            self._write_ready(stream, windows.ready(stream))
            if not windows.waits(stream):
                self._close(stream, 0)

    def _write_ready(self, stream: int, pieces: list[Piece]) -> None:
        for data, final, headers in pieces:
            if headers is None:
                self._write_data(stream, data, final)
            else:
                self._write_block(HEADERS, HeadersFrame(stream, headers, final))

    def _spend(self, windows: Windows, stream: int, size: int, final: bool, events: list[SpdyEvent]) -> None:
        """Count a DATA frame against the windows that we gave, the connection's and the stream's, and give credit for it."""
        if not windows.fits(stream, size):
            self._abort(stream, FLOW_CONTROL_ERROR, events)
        for number in (0,) if final else (0, stream):
            credit = windows.spend(number, size)
            if credit:
                self._out.append(control_bytes(WINDOW_UPDATE, 0, TWO_WORDS.pack(number, credit)))


# A control frame: its function, its smallest and largest payload in bytes, the flags that it may carry. No row: refused.
Parse = Callable[[Connection, int, bytes, list[SpdyEvent]], None]
_CONTROL: dict[int, tuple[Parse, int, int, int]] = {
    SYN_STREAM: (Connection._syn_stream, 10, LARGEST_CONTROL, FLAG_FIN | FLAG_UNIDIRECTIONAL),
    SYN_REPLY: (Connection._syn_reply, 4, LARGEST_CONTROL, FLAG_FIN),
    RST_STREAM: (Connection._rst_stream, 8, 8, 0),
    SETTINGS: (Connection._settings, 4, LARGEST_CONTROL, 1),  # 1: forget the settings kept; none are
    PING: (Connection._ping, 4, 4, 0),
    GOAWAY: (Connection._goaway, 8, 8, 0),
    HEADERS: (Connection._headers_frame, 4, LARGEST_CONTROL, FLAG_FIN),
    WINDOW_UPDATE: (Connection._window_update, 8, 8, 0),
}
