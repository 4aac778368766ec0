"""Reading HTTP/2 (RFC 9113), as both roles do: which frame may come when, settings, header blocks, bodies.

`http2` holds the two roles, `http2_side` what a side keeps. A codec has no clock. Its caller calls `refill` once a second, and
between two calls the codec counts what the peer does.
"""

from __future__ import annotations

from abc import abstractmethod

from l7gw.wire import http2_frames as frames
from l7gw.wire.errors import PeerError
from l7gw.wire.events import END, Body, Closed, Reset
from l7gw.wire.http2_fields import Malformed, check_trailers
from l7gw.wire.http2_frames import (
    ACK,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEAD_SIZE,
    LARGEST_WINDOW,
    PADDED,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
)
from l7gw.wire.http2_hpack import Fields
from l7gw.wire.http2_limits import (
    MOST_DROPPED,
    MOST_SETTINGS,
)
from l7gw.wire.http2_sender import LARGEST_SENT
from l7gw.wire.http2_side import BY_PEER, BY_US, COMPLETE, DRAINING, Side, StreamEvent
from l7gw.wire.http2_stream import BODY, DONE, DROPPED, HEAD, SMALLEST_AVERAGE, Stream


class Receiver(Side):
    """Reads the peer's frames, header blocks and bodies, which both roles do alike."""

    # ------------------------------------------------------------------ reading

    def receive(self, data: bytes) -> list[StreamEvent]:
        """The events of more bytes of the peer; b"" is their end. Raises PeerError with a code of
        section 7: write `take()`, then close."""
        events: list[StreamEvent] = []
        if self.over:
            return events
        if not data:
            self.over = True
            return [(0, Closed())]
        if self._buffer:
            data = self._buffer + data
        at, end = 0, len(data)
        try:
            at = self._begin(data)
            if at < 0:
                self._buffer = data
                return events
            while end - at >= HEAD_SIZE:
                length, kind, flags, stream_id = frames.read_head(data, at)
                if length > self._largest_in:  # refused before a byte of the frame is kept (threats B6)
                    raise PeerError(FRAME_SIZE_ERROR, "a frame larger than we said")
                if self._block_of and (kind != frames.CONTINUATION or stream_id != self._block_of):
                    raise PeerError(PROTOCOL_ERROR, "a header block that another frame cuts in two")
                stop = at + HEAD_SIZE + length
                if stop > end:
                    break
                self._frame(kind, flags, stream_id, data[at + HEAD_SIZE : stop], events)
                at = stop
        except PeerError as error:
            self._fail(error)
            raise
        self._buffer = data[at:]
        if at and not self._block_of:
            self.progress += 1
        return events

    def _begin(self, data: bytes) -> int:
        """Where the frames begin in `data`: a server reads the client's preface first. -1 while the preface is not whole."""
        return 0

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        if kind <= frames.HEADERS and stream_id and self._settled:  # nothing below is against it
            if kind == frames.DATA:
                self._data(flags, stream_id, payload, events)
            else:
                self._headers(flags, stream_id, payload, events)
            return
        if not self._settled and (kind != frames.SETTINGS or flags & ACK):
            raise PeerError(PROTOCOL_ERROR, "a connection begins with SETTINGS")  # section 3.4
        if (stream_id == 0 and kind in frames.OF_A_STREAM) or (stream_id and kind in frames.OF_THE_CONNECTION):
            raise PeerError(PROTOCOL_ERROR, "a frame on a stream that cannot have it")
        exact = frames.LENGTHS.get(kind)
        if exact is not None and len(payload) != exact:
            if kind == frames.PRIORITY and not self._is_idle(stream_id):
                self._reset(stream_id, FRAME_SIZE_ERROR, "a PRIORITY of another size", events)
                return
            raise PeerError(FRAME_SIZE_ERROR, "a frame of another size than its kind has")
        if kind == frames.WINDOW_UPDATE:
            self._window_update(stream_id, frames.read_number(payload) & LARGEST_WINDOW, events)
        elif kind == frames.CONTINUATION:
            self._continuation(flags, stream_id, payload, events)
        elif kind == frames.RST_STREAM:
            self._reset_by_peer(stream_id, frames.read_number(payload), events)
        elif kind == frames.PUSH_PROMISE:
            raise PeerError(PROTOCOL_ERROR, "a push that nobody allowed")  # section 8.4
        else:
            self._control_frame(kind, flags, stream_id, payload, events)

    def _control_frame(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        self._spend_control()
        if kind == frames.SETTINGS:
            self._settings(flags, payload)
        elif kind == frames.PING:
            if not flags & ACK:
                self._sender.control(frames.frame(frames.PING, ACK, 0, payload))
            elif payload == DRAINING and self._warned:
                self.go_away(at_once=True)
        elif kind == frames.GOAWAY:
            if len(payload) < 8:
                raise PeerError(FRAME_SIZE_ERROR, "a GOAWAY that is too short")
            self._going = True
            self._gone_away(*frames.read_goaway(payload), events)
        elif kind == frames.PRIORITY and int.from_bytes(payload[:4], "big") & frames.STREAM_IDS == stream_id:
            # Priorities are ignored (section 5.3.2). But a stream that depends on itself stays an error (RFC 7540 section 5.3.1).
            self._check_not_idle(stream_id)  # an idle stream may not be reset
            self._reset(stream_id, PROTOCOL_ERROR, "a stream that depends on itself", events)

    def _settings(self, flags: int, payload: bytes) -> None:
        """Section 6.5."""
        if len(payload) % 6 or (flags & ACK and payload):
            raise PeerError(FRAME_SIZE_ERROR, "a SETTINGS of another size than it can have")
        if flags & ACK:
            return
        if len(payload) > 6 * MOST_SETTINGS:
            raise PeerError(ENHANCE_YOUR_CALM, f"more than {MOST_SETTINGS} settings in a frame")
        for number, value in frames.read_settings(payload):
            if number == frames.HEADER_TABLE_SIZE:
                self._sender.tells_table = True
            elif number == frames.ENABLE_PUSH and (value > 1 or (self._client and value)):
                raise PeerError(PROTOCOL_ERROR, "an ENABLE_PUSH that cannot be")
            elif number == frames.INITIAL_WINDOW_SIZE:
                self._sender.resize(value, self._streams.values())
            elif number == frames.MAX_FRAME_SIZE:
                if not frames.SMALLEST_FRAME <= value <= frames.LARGEST_FRAME:
                    raise PeerError(PROTOCOL_ERROR, "a MAX_FRAME_SIZE that cannot be")
                self._sender.largest = min(value, LARGEST_SENT)
            elif number == frames.MAX_CONCURRENT_STREAMS:
                self._streams_allowed(value)
        self._settled = True
        self._sender.control(frames.frame(frames.SETTINGS, ACK, 0))

    def _window_update(self, stream_id: int, increment: int, events: list[StreamEvent]) -> None:
        """Section 6.9."""
        self._updates -= 1
        if self._updates < 0:
            raise PeerError(ENHANCE_YOUR_CALM, "more window updates than there was data")
        if stream_id == 0:
            if increment == 0:
                raise PeerError(PROTOCOL_ERROR, "a window update of nothing")
            self._sender.widen_all(increment)
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            self._check_not_idle(stream_id)
        elif increment == 0:
            self._reset(stream_id, PROTOCOL_ERROR, "a window update of nothing", events)
        elif stream.window_out + increment > LARGEST_WINDOW:
            self._reset(stream_id, FLOW_CONTROL_ERROR, "a window that is too large", events)
        else:
            self._sender.widen(stream, increment)

    def _reset_by_peer(self, stream_id: int, code: int, events: list[StreamEvent]) -> None:
        """Section 6.4."""
        if not self._client:
            self._spend_reset()
        if stream_id in self._streams:
            unread = self._client and code == REFUSED_STREAM and self._streams[stream_id].receiving == HEAD
            self._close(stream_id, BY_PEER)
            events.append((stream_id, Reset(code, "", unread)))
        else:
            self._check_not_idle(stream_id)

    # ------------------------------------------------------------------ header blocks

    def _headers(self, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        """Section 6.2."""
        if flags & PADDED:
            payload = _unpadded(payload)
        self._block_faulty = False
        if flags & frames.PRIORITIZED:
            if len(payload) < 5:
                raise PeerError(FRAME_SIZE_ERROR, "a HEADERS that is too short")
            self._block_faulty = int.from_bytes(payload[:4], "big") & frames.STREAM_IDS == stream_id
            payload = payload[5:]
        self._check_headers(stream_id)
        self._block_ends = flags & frames.END_STREAM != 0
        if flags & frames.END_HEADERS:
            self._fields(stream_id, payload, events)
        else:
            self._block_of = stream_id
            self._block = [payload]
            self._block_size = len(payload)

    def _continuation(self, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        """Section 6.10. The caller has checked that the header block of this stream is unfinished."""
        if not self._block_of:
            raise PeerError(PROTOCOL_ERROR, "a CONTINUATION of nothing")
        self._block.append(payload)
        self._block_size += len(payload)
        if len(self._block) > frames.MOST_CONTINUATIONS + 1 or self._block_size > frames.LARGEST_BLOCK:
            raise PeerError(ENHANCE_YOUR_CALM, "a header block that is too large, or in too many frames")  # threats B3
        if flags & frames.END_HEADERS:
            block, self._block, self._block_of = b"".join(self._block), [], 0
            self._fields(stream_id, block, events)

    def _fields(self, stream_id: int, block: bytes, events: list[StreamEvent]) -> None:
        """Read a whole header block: a head, or trailers. Every block is unpacked, as it may change the table of the next one."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.receiving == HEAD:
            self._head(stream_id, stream, block, events)
            return
        fields = self._reader.read(block)
        if stream.receiving == DONE:
            self._reset(stream_id, STREAM_CLOSED, "HEADERS behind the end of a stream", events)
        elif not self._block_ends:
            self._reset(stream_id, PROTOCOL_ERROR, "trailers that do not end the stream", events)
        else:
            self._trailers(stream, fields, events)

    def _trailers(self, stream: Stream, fields: Fields, events: list[StreamEvent]) -> None:
        try:
            check_trailers(fields)
        except Malformed as error:
            self._reset(stream.number, PROTOCOL_ERROR, str(error), events)
        else:
            self._received_end(stream, events)

    @abstractmethod
    def _check_headers(self, stream_id: int) -> None:
        """Raises PeerError where HEADERS may not come on this stream at all."""

    @abstractmethod
    def _head(self, stream_id: int, stream: Stream | None, block: bytes, events: list[StreamEvent]) -> None:
        """Read a whole header block as the head of a message."""

    # ------------------------------------------------------------------ bodies

    def _data(self, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
        """Section 6.1. Padding uses up the windows too (threats B8)."""
        size = len(payload)
        data = _unpadded(payload) if flags & PADDED else payload
        self._window_in -= size
        if self._window_in < 0:
            raise PeerError(FLOW_CONTROL_ERROR, "more than the connection's window")
        self._unacknowledged += size
        if self._unacknowledged >= self._window_half:
            self._window_in += self._unacknowledged
            self._sender.control(frames.window_frame(0, self._unacknowledged))
            self._unacknowledged = 0
        stream = self._streams.get(stream_id)
        if stream is None:
            self._check_not_idle(stream_id)
            if self._recent.get(stream_id) == COMPLETE:
                raise PeerError(STREAM_CLOSED, "DATA on a stream that is complete")  # section 5.1
            if self._recent.get(stream_id) != BY_US:
                self._reset(stream_id, STREAM_CLOSED, "DATA on a stream that is closed", events)
            elif len(data) < SMALLEST_AVERAGE and not self._client:
                self._spend_control()
            return
        if stream.receiving == HEAD:
            self._reset(stream_id, PROTOCOL_ERROR, "DATA before HEADERS", events)
            return
        if stream.receiving == DONE:
            self._reset(stream_id, STREAM_CLOSED, "DATA behind the end of a stream", events)
            return
        fault = stream.take_in(size, len(data), counted=not self._client)
        if fault is not None:
            self._reset(stream_id, *fault, events)
            return
        if data and stream.receiving == BODY:
            events.append((stream_id, Body(data)))
        if flags & frames.END_STREAM:
            self._received_end(stream, events)
        elif stream.receiving == DROPPED and stream.sending == DONE and self._too_much_dropped(stream, size):
            self._give_up(stream)
        elif not stream.held:
            self._acknowledge(stream)

    def _too_much_dropped(self, stream: Stream, size: int) -> bool:
        stream.dropped += size
        return stream.dropped > MOST_DROPPED

    def _received_end(self, stream: Stream, events: list[StreamEvent]) -> None:
        if stream.left > 0:
            self._reset(stream.number, PROTOCOL_ERROR, "less body than was announced", events)
            return
        if stream.owed is not None:
            events.append((stream.number, stream.owed))
        if stream.receiving == BODY:
            events.append((stream.number, END))
        stream.receiving = DONE
        if stream.sending == DONE:
            self._close(stream.number, COMPLETE)


def _unpadded(payload: bytes) -> bytes:
    """A payload without its padding: its first byte says how many bytes at its end are padding (sections 6.1 and 6.2)."""
    if not payload or payload[0] >= len(payload):
        raise PeerError(PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]
