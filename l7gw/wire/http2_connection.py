"""What both roles of HTTP/2 share (RFC 9113): which frame may come when, settings, windows, ends, and limits on a peer's costs.

`http2` holds the two roles. A codec has no clock: its caller calls `refill` once a second, and what a peer does is counted between.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from l7gw.wire import http2_frames as frames
from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, Body, Closed, End, HttpEvent, Refused, Request, Reset
from l7gw.wire.http2_fields import Malformed, check_trailers
from l7gw.wire.http2_frames import (
    ACK,
    CANCEL,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEAD_SIZE,
    LARGEST_WINDOW,
    NO_ERROR,
    PADDED,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
)
from l7gw.wire.http2_hpack import BlockReader, Fields
from l7gw.wire.http2_limits import (
    CONTROL_A_SECOND,
    LARGEST_UNSENT,
    MOST_RECENT,
    MOST_SETTINGS,
    RESETS,
    RESETS_A_SECOND,
    STREAM_WINDOW,
    UPDATE_FOR,
)
from l7gw.wire.http2_sender import LARGEST_SENT, TAKEN, Sender
from l7gw.wire.http2_stream import BODY, DONE, DROPPED, HEAD, SMALLEST_AVERAGE, Stream

DRAINING = b"l7gw-end"  # data of our PING; once the peer answers it, no request of the peer's is under way (section 6.8)

StreamEvent = tuple[int, HttpEvent]

# How an ended stream has ended. A frame for it is late where we ended it, else wrong.
BY_US, BY_PEER, COMPLETE = "by us", "by the peer", "complete"


class Side(ABC):
    """What both roles share: frames, settings, windows, and what waits to be written."""

    _client = False
    _preface = b""

    def __init__(self, settings: dict[int, int], window: int) -> None:
        self._buffer = b""
        self._sender = Sender(self._sent_end, self._earn_updates)
        self._streams: dict[int, Stream] = {}
        self._recent: dict[int, str] = {}
        self._highest = 0  # the highest of the client's streams that was acted upon
        self._reader: BlockReader[tuple[bool, Request]] = BlockReader()
        self._block: list[bytes] = []  # the parts of the header block that is coming in
        self._block_size = 0
        self._block_of = 0  # the stream of that header block; 0: none is coming in
        self._block_ends = False
        self._block_faulty = False
        self._settled = False  # the peer's first SETTINGS has come
        self._largest_in = settings.get(frames.MAX_FRAME_SIZE, frames.SMALLEST_FRAME)
        self._window_in = window
        self._unacknowledged = 0
        self._window_half = window // 2
        self._resets = RESETS
        self._control = CONTROL_A_SECOND
        self._updates = CONTROL_A_SECOND
        self._sent_since = 0  # bytes of DATA for which no window update was earned yet
        self._going = False  # no more streams: a GOAWAY came or was sent
        self._warned = False  # `go_away` has sent its first GOAWAY
        self._last_taken = frames.STREAM_IDS  # the highest stream that our GOAWAY allows
        self.progress = 0  # reads that completed a frame outside of an unfinished header block
        self.over = False
        self._sender.control(self._preface + frames.settings_frame(settings))
        self._sender.control(frames.window_frame(0, window - frames.DEFAULT_WINDOW))

    # ------------------------------------------------------------------ what the caller asks

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def unfinished(self) -> int:
        """Bytes of an unfinished frame, or 1 within a header block; the caller bounds the time until it is 0 again (threats B3)."""
        return len(self._buffer) or (1 if self._block_of else 0)

    @property
    def going_away(self) -> bool:
        """Whether no new stream may begin: a GOAWAY of the peer came, or `go_away` was called."""
        return self._going

    @property
    def left(self) -> bool:
        """Whether our last GOAWAY is written. No further request will be served, so none is lost when the connection is closed."""
        return self._last_taken != frames.STREAM_IDS

    def answerable(self, stream_id: int) -> bool:
        """Whether an answer may be begun on this stream."""
        stream = self._streams.get(stream_id)
        return stream is not None and stream.sending == HEAD

    def waiting(self, stream_id: int) -> int:
        """Bytes of a stream's body that are sent to the codec and not taken yet, for want of a window or of a `take`."""
        stream = self._streams.get(stream_id)
        return stream.queued if stream is not None else 0

    def refill(self) -> None:
        """Begin a new second of the peer's limits. Call it once a second."""
        self._resets = min(RESETS, self._resets + RESETS_A_SECOND)
        self._control = CONTROL_A_SECOND
        self._updates = max(self._updates, CONTROL_A_SECOND)  # updates that were earned are kept, as they may come late

    def hold(self, stream_id: int, held: bool) -> None:
        """Hold a stream, or let it go. A held stream gets no window updates, so its peer may only fill the window that it has."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.held = held
            if not held:
                self._acknowledge(stream)

    def ping(self) -> None:
        """Queue a PING. Its answer shows that the peer lives, as do any other bytes of the peer."""
        self._sender.control(frames.frame(frames.PING, 0, 0, b"l7gwping"))

    # ------------------------------------------------------------------ reading

    def receive(self, data: bytes) -> list[StreamEvent]:
        """The events of the peer's bytes; b"" is their end. Raises PeerError with a code of
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

    def _fail(self, error: PeerError) -> None:
        self.over = True
        self._buffer = b""
        self._sender.control(frames.goaway_frame(self._acted_upon, error.code))
        self._streams.clear()
        self._sender.forget()

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[StreamEvent]) -> None:
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
        if kind == frames.DATA:
            self._data(flags, stream_id, payload, events)
        elif kind == frames.HEADERS:
            self._headers(flags, stream_id, payload, events)
        elif kind == frames.WINDOW_UPDATE:
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

    def _spend_reset(self) -> None:
        """Count a stream that ended early by the peer's doing, which costs us more than the peer (threats B1, B2)."""
        self._resets -= 1
        if self._resets < 0:
            raise PeerError(ENHANCE_YOUR_CALM, "too many streams were reset")

    def _spend_control(self) -> None:
        """Count a frame that brings nothing (threats B7)."""
        self._control -= 1
        if self._control < 0 or self._sender.answered > LARGEST_UNSENT:
            raise PeerError(ENHANCE_YOUR_CALM, f"more than {CONTROL_A_SECOND} control frames in a second, or answers not read")

    def _check_not_idle(self, stream_id: int) -> None:
        """Refuse a frame on a stream that was never opened, where only HEADERS and PRIORITY may come (section 5.1)."""
        if self._is_idle(stream_id):
            raise PeerError(PROTOCOL_ERROR, "a frame on a stream that was never opened")

    def _is_idle(self, stream_id: int) -> bool:
        # The client opens all streams: pushes are off at a client of ours, and a server of ours sends none.
        return stream_id % 2 == 0 or stream_id > self._highest

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
        elif not stream.held:
            self._acknowledge(stream)

    def _acknowledge(self, stream: Stream) -> None:
        if stream.unacknowledged >= STREAM_WINDOW // 4 and stream.receiving != DONE:
            stream.window_in += stream.unacknowledged
            self._sender.control(frames.window_frame(stream.number, stream.unacknowledged))
            stream.unacknowledged = 0

    def _received_end(self, stream: Stream, events: list[StreamEvent]) -> None:
        if stream.left > 0:
            self._reset(stream.number, PROTOCOL_ERROR, "less body than was announced", events)
            return
        if stream.owed is not None:
            events.append((stream.number, stream.owed))
        if stream.receiving == BODY:
            events.append((stream.number, End()))
        stream.receiving = DONE
        if stream.sending == DONE:
            self._close(stream.number, COMPLETE)

    # ------------------------------------------------------------------ ends

    def _reset(self, stream_id: int, code: int, reason: str, events: list[StreamEvent]) -> None:
        """End a stream for a fault of the peer (section 5.4.2). A client without an answer is first answered with the reason."""
        if not self._client:
            self._spend_reset()
        stream = self._streams.get(stream_id)
        if stream is not None and not self._client and stream.sending == HEAD and not stream.fault:
            self._refuse(stream, 400, reason, events, code)
            return
        self._sender.control(frames.reset_frame(stream_id, code))
        self._close(stream_id, BY_US)
        if stream is not None:
            events.append((stream_id, Reset(code, reason)))

    def _refuse(self, stream: Stream, status: int, reason: str, events: list[StreamEvent], fault: int = NO_ERROR) -> None:
        """Refuse a request, and drop its rest. Its answer is sent before the reset with `fault` (section 8.1.1). A reset without an
        answer would make Go's client send the request again on a new connection, without end."""
        stream.fault = fault
        stream.left = CHUNKED
        if stream.receiving != DONE:
            stream.receiving = DROPPED
        events.append((stream.number, Refused(status, reason, fault)))

    def _close(self, stream_id: int, how: str) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.forget()
        self._recent[stream_id] = how
        if len(self._recent) > MOST_RECENT:
            del self._recent[next(iter(self._recent))]

    def reset(self, stream_id: int, code: int = CANCEL) -> None:
        """End a stream early. `code` is one of section 7. Frames that still come on the stream are dropped."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if not self._client or stream.sending != HEAD:  # else the peer does not know the stream (section 5.1)
            self._sender.control(frames.reset_frame(stream_id, code))
        self._close(stream_id, BY_US)

    def go_away(self, *, at_once: bool = False) -> None:
        """Take no new streams. A server sends two GOAWAYs, so that no request under way is lost (section 6.8): the first forbids
        new streams, the second says which was the last. The second is sent when the peer has answered our PING, or `at_once`."""
        if self.over or self._last_taken != frames.STREAM_IDS:
            return
        if at_once or self._client:
            self._last_taken = self._acted_upon
            self._sender.control(frames.goaway_frame(self._last_taken, NO_ERROR))
        elif not self._warned:
            self._warned = True
            self._sender.control(frames.goaway_frame(frames.STREAM_IDS, NO_ERROR))
            self._sender.control(frames.frame(frames.PING, 0, 0, DRAINING))
        self._going = True

    @property
    def _acted_upon(self) -> int:
        """The peer's last stream for our GOAWAY. A server opens none, and nghttp2 refuses another number than 0 (section 6.8)."""
        return 0 if self._client else min(self._highest, self._last_taken)

    @abstractmethod
    def _gone_away(self, last: int, code: int, events: list[StreamEvent]) -> None:
        """The peer's GOAWAY came: `last` is our last stream that it serves. The streams up to that go on."""

    @abstractmethod
    def _streams_allowed(self, most: int) -> None:
        """The peer's MAX_CONCURRENT_STREAMS came: `most` is how many streams of ours may be open."""

    # ------------------------------------------------------------------ writing

    def take(self, most: int = TAKEN) -> bytes:
        """The bytes to write now: control frames and heads, then about `most` bytes of bodies, a frame of each stream in turn."""
        return self._sender.take(most)

    def drained(self) -> list[int]:
        """The streams of which nothing waits any more since the last call of this method."""
        drained, self._sender.drained = self._sender.drained, []
        return drained

    def lost(self) -> None:
        """The connection is gone. Call this to let go of a circle of references, which else waits for the garbage collector."""
        self._sender.call_no_more()

    def _earn_updates(self, size: int, whole: bool) -> None:
        self._sent_since += size + (2 * UPDATE_FOR if whole else 0)
        self._updates += self._sent_since // UPDATE_FOR
        self._sent_since %= UPDATE_FOR

    def _sent_end(self, stream: Stream) -> None:
        stream.sending = DONE
        if stream.fault:
            self._sender.control(frames.reset_frame(stream.number, stream.fault))
            self._close(stream.number, BY_US)
        elif stream.receiving == DONE:
            self._close(stream.number, COMPLETE)
        elif not self._client:
            # The answer is complete before its request: the rest is not wanted (section 8.1). This counts as a reset (threats B2).
            self._sender.control(frames.reset_frame(stream.number, NO_ERROR))
            self._resets -= 1
            self._close(stream.number, BY_US)


def _unpadded(payload: bytes) -> bytes:
    """A payload without its padding: its first byte says how many bytes at its end are padding (sections 6.1 and 6.2)."""
    if not payload or payload[0] >= len(payload):
        raise PeerError(PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]
