"""SPDY/3.1 framing in both roles (draft-mbelshe-httpbis-spdy-00), sans-IO, as Kubernetes uses it.

There is no flow control: Kubernetes' spdystream neither sends nor obeys WINDOW_UPDATE. SETTINGS and WINDOW_UPDATE are read,
bounded and reported. Every header block is inflated, in the order in which the blocks come, even for a stream that is gone: all
blocks of a connection share one zlib context.

The events are in `spdy_events`, the states of a stream in `spdy_streams`, the numbers of frames in `spdy_frames`, header blocks in
`spdy_block`, and sending in `spdy_sender`. Here is receiving.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

from l7gw.wire.errors import PeerError
from l7gw.wire.spdy_events import (
    Data,
    GoAway,
    HeadersFrame,
    Ping,
    Reset,
    Run,
    Settings,
    SpdyEvent,
    SynReply,
    SynStream,
    WindowUpdate,
)
from l7gw.wire.spdy_frames import (
    CONTROL_BIT,
    FLAG_FIN,
    FLAG_UNIDIRECTIONAL,
    FRAME_TOO_LARGE,
    GOAWAY,
    HEADERS,
    LARGEST_DATA,
    PING,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_MASK,
    SYN_REPLY,
    SYN_STREAM,
    TWO_WORDS,
    VERSION,
    WINDOW_UPDATE,
    control_bytes,
    stream_of,
)
from l7gw.wire.spdy_sender import Sender
from l7gw.wire.spdy_streams import AWAITED, COUNT, DATA, OURS, OWED, PEER, RECEIVING, REPORT

# ---------------------------------------------------------------------- limits (threats C1 to C4)

LARGEST_CONTROL = 16 * 1024  # bytes of one control frame's payload; spdystream takes 16 MiB (threats C3)
MOST_STREAMS = 4096  # open streams; the layer above allows far fewer
MOST_STRAYS = 100  # frames for streams that are not open, or that their state forbids; each costs us a reset (threats C4)


class Connection(Sender):
    """One side of a SPDY connection.

    `receive` turns bytes of the peer into events, and `send` queues frames; after either, write the bytes that `take` gives.

    A PeerError's code is a status of RST_STREAM or GOAWAY. The read that ends in one gives none of its events. Nothing more is
    read after it, as the zlib context is lost, but streams may still be ended with frames of our own.
    """

    __slots__ = ("_buffer", "_left", "_piece_final", "_piece_stream", "_strays")

    def __init__(self, role: Literal["client", "server"]) -> None:
        super().__init__(client=role == "client")
        self._buffer = b""  # the beginning of a frame
        self._left = 0  # bytes that are still to come of the DATA frame that is handed on in pieces
        self._piece_stream = 0  # that frame's stream
        self._piece_final = False  # that frame has FIN
        self._strays = 0

    def receive(self, data: bytes) -> list[SpdyEvent]:
        """The events of more bytes; b"" is the end of the peer's bytes. Raises PeerError, also for an end within a frame."""
        return cast("list[SpdyEvent]", self._receive(data, runs=False))

    def receive_runs(self, data: bytes) -> list[SpdyEvent | Run]:
        """As `receive`, but DATA frames come in runs: in nearly all of them an event stands for many."""
        return self._receive(data, runs=True)

    def _receive(self, data: bytes, *, runs: bool) -> list[SpdyEvent | Run]:
        if self.streams.failed:
            return []
        if not data:
            if self._buffer or self._left:
                self.streams.failed = True
                raise PeerError(PROTOCOL_ERROR, "the connection ended within a frame")
            return []
        buffer = self._buffer + data if self._buffer else data
        events: list[SpdyEvent | Run] = []
        try:
            at = self._frames(buffer, events, runs=runs)
        except PeerError:
            self.streams.failed = True
            self._buffer = b""
            raise
        self._buffer = buffer[at:] if at else buffer
        return events

    def _frames(self, buffer: bytes, events: list[SpdyEvent | Run], *, runs: bool) -> int:
        """Read every whole frame of the buffer, and the part of a DATA frame that has come. Gives how many bytes were used.

        One core reads 3.0 M DATA frames of 64 bytes a second. With a method call for each frame it reads half as many.
        """
        at, end = 0, len(buffer)
        if self._left:
            at = self._piece(buffer, at, events)
        streams, head, append = self.streams.open, TWO_WORDS.unpack_from, events.append
        while end - at >= 8:
            word, rest = head(buffer, at)
            start = at + 8
            at = start + (rest & 0xFFFFFF)
            if word < CONTROL_BIT:
                if rest <= LARGEST_DATA and at <= end and streams.get(word, 0) & PEER:
                    # The frame is whole and has no flags, as nearly all have
                    if runs:
                        at = _run(buffer, start - 8, word, events)
                    else:
                        append(Data(word, buffer[start:at]))
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

    def _data_head(self, stream: int, rest: int, events: list[SpdyEvent | Run]) -> None:
        """Check a DATA frame by its head, once for each frame, however its bytes are cut (section 2.2.2)."""
        flags, length = rest >> 24, rest & 0xFFFFFF
        if length > LARGEST_DATA:
            raise PeerError(FRAME_TOO_LARGE, f"a DATA frame larger than {LARGEST_DATA} bytes")
        if flags & ~FLAG_FIN:
            raise PeerError(PROTOCOL_ERROR, "a DATA frame with unknown flags")
        self._allowed(stream, DATA, events)  # where the frame is not allowed, `_piece` drops its data
        self._left, self._piece_stream, self._piece_final = length, stream, flags == FLAG_FIN

    def _piece(self, buffer: bytes, at: int, events: list[SpdyEvent | Run]) -> int:
        """Report the bytes of the current DATA frame that are in the buffer, or drop them where the
        peer may not send. Gives where they end."""
        stop = min(at + self._left, len(buffer))
        self._left -= stop - at
        stream = self._piece_stream
        if self.streams.open.get(stream, 0) & PEER and (stop > at or not self._left):
            final = self._piece_final and not self._left
            if final:
                self.streams.close(stream, PEER)
            events.append(Data(stream, buffer[at:stop], final))
        return stop

    # -- what a stream's state allows

    def _allowed(self, stream: int, kind: int, events: list[SpdyEvent | Run]) -> bool:
        """Whether a frame may be reported in the state of its stream. Where it may not, the answer to it is queued here."""
        if stream == 0:
            raise PeerError(PROTOCOL_ERROR, "a frame of stream 0")
        outcome = RECEIVING[self.streams.state(stream)][kind]
        if outcome == REPORT:
            return True
        if isinstance(outcome, int):
            self._abort(stream, outcome, events)
        elif outcome == COUNT:
            self._count_stray()
        return False

    def _abort(self, stream: int, status: int, events: list[SpdyEvent | Run]) -> None:
        """Reset a stream for a fault of the peer. The reset is reported where the stream was open."""
        self._count_stray()
        self._write_reset(stream, status)
        if stream in self.streams.open:
            self.streams.reset(stream)
            events.append(Reset(stream, status))

    def _write_reset(self, stream: int, status: int) -> None:
        self._out.append(control_bytes(RST_STREAM, 0, TWO_WORDS.pack(stream, status)))

    def _count_stray(self) -> None:
        self._strays += 1
        if self._strays > MOST_STRAYS:
            raise PeerError(PROTOCOL_ERROR, "frames that their streams' state forbids, without end")

    # -- control frames: one function for each, in the order of sections 2.6.1 to 2.6.8; the table at the end of the file lists them

    def _control_head(self, word: int, rest: int) -> Parse:
        """Check a control frame by its head, before any of its payload is kept (threats C3)."""
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

    def _syn_stream(self, flags: int, payload: bytes, events: list[SpdyEvent | Run]) -> None:
        streams, stream, headers = self.streams, stream_of(payload), self._blocks.read(payload[10:])
        if stream == 0 or streams.is_ours(stream) or stream <= streams.last_seen:
            raise PeerError(PROTOCOL_ERROR, "a stream id that is used, falling, or of the wrong side")
        streams.last_seen = stream
        if streams.going:  # section 2.6.6: streams that were opened after a GOAWAY are not served
            streams.remember_reset(stream)
            self._write_reset(stream, REFUSED_STREAM)
            return
        if len(streams.open) >= MOST_STREAMS:
            raise PeerError(PROTOCOL_ERROR, f"more than {MOST_STREAMS} streams")
        final, one_way = bool(flags & FLAG_FIN), bool(flags & FLAG_UNIDIRECTIONAL)
        streams.add(stream, (0 if final else PEER) | (0 if one_way else OURS | OWED))
        events.append(SynStream(stream, headers, final, one_way))

    def _syn_reply(self, flags: int, payload: bytes, events: list[SpdyEvent | Run]) -> None:
        stream, headers = stream_of(payload), self._blocks.read(payload[4:])
        if self._allowed(stream, SYN_REPLY, events):
            events.append(SynReply(stream, headers, flags == FLAG_FIN))
            self.streams.close(stream, AWAITED | (PEER if flags else 0))

    def _rst_stream(self, flags: int, payload: bytes, events: list[SpdyEvent | Run]) -> None:
        stream, status = stream_of(payload), int.from_bytes(payload[4:], "big")
        if not status:
            raise PeerError(PROTOCOL_ERROR, "a reset without a status")
        if self._allowed(stream, RST_STREAM, events):
            self.streams.reset(stream)
            events.append(Reset(stream, status))

    def _settings(self, flags: int, payload: bytes, events: list[SpdyEvent | Run]) -> None:
        count = int.from_bytes(payload[:4], "big")
        if count * 8 != len(payload) - 4:  # the count is checked against the frame's length (threats C1, CVE-2026-35469)
            raise PeerError(PROTOCOL_ERROR, "a SETTINGS frame whose count is not its size")
        events.append(Settings(tuple((pair[0] & 0xFFFFFF, pair[1]) for pair in TWO_WORDS.iter_unpack(payload[4:]))))

    def _ping(self, flags: int, payload: bytes, events: list[SpdyEvent | Run]) -> None:
        events.append(Ping(int.from_bytes(payload, "big")))

    def _goaway(self, flags: int, payload: bytes, events: list[SpdyEvent | Run]) -> None:
        self.streams.going = True
        events.append(GoAway(stream_of(payload), int.from_bytes(payload[4:], "big")))

    def _headers_frame(self, flags: int, payload: bytes, events: list[SpdyEvent | Run]) -> None:
        stream, headers = stream_of(payload), self._blocks.read(payload[4:])
        if self._allowed(stream, HEADERS, events):
            events.append(HeadersFrame(stream, headers, flags == FLAG_FIN))
            if flags:
                self.streams.close(stream, PEER)

    def _window_update(self, flags: int, payload: bytes, events: list[SpdyEvent | Run]) -> None:
        stream, delta = stream_of(payload), int.from_bytes(payload[4:], "big") & STREAM_MASK
        if not delta:
            raise PeerError(PROTOCOL_ERROR, "a WINDOW_UPDATE of nothing")  # "the legal range is 1 to 2^31 - 1"
        events.append(WindowUpdate(stream, delta))


def _run(buffer: bytes, at: int, stream: int, events: list[SpdyEvent | Run]) -> int:
    """Read the whole DATA frames without flags of a stream that follow each other, of which one stands at `at`. Gives where they
    end."""
    began, end, last, size = at, len(buffer), b"", 0
    data: list[bytes] = []
    append = data.append
    while end - at >= 8:
        head = buffer[at : at + 8]
        if head != last:  # else it is as long as the one before
            word, rest = TWO_WORDS.unpack(head)
            if word != stream or rest > LARGEST_DATA:
                break
            last, size = head, rest + 8
        stop = at + size
        if stop > end:
            break
        append(buffer[at + 8 : stop])
        at = stop
    events.append(Run(stream, data, buffer[began:at]))
    return at


# A control frame: its function, its smallest and largest payload in bytes, and the flags that
# it may have. One without a row is refused.
Parse = Callable[[Connection, int, bytes, list[SpdyEvent | Run]], None]
_CONTROL: dict[int, tuple[Parse, int, int, int]] = {
    SYN_STREAM: (Connection._syn_stream, 10, LARGEST_CONTROL, FLAG_FIN | FLAG_UNIDIRECTIONAL),
    SYN_REPLY: (Connection._syn_reply, 4, LARGEST_CONTROL, FLAG_FIN),
    RST_STREAM: (Connection._rst_stream, 8, 8, 0),
    SETTINGS: (Connection._settings, 4, LARGEST_CONTROL, 1),  # the flag 1 clears the remembered settings; we remember none
    PING: (Connection._ping, 4, 4, 0),
    GOAWAY: (Connection._goaway, 8, 8, 0),
    HEADERS: (Connection._headers_frame, 4, LARGEST_CONTROL, FLAG_FIN),
    WINDOW_UPDATE: (Connection._window_update, 8, 8, 0),
}
