"""What both roles of HTTP/2 share (RFC 9113): which frame may come when, settings, windows, ends, and what a peer may cost.

`http2` holds the two roles. A codec has no clock: whoever holds one calls `refill` once a second, and what a peer may do in a
second is counted between.
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
from l7gw.wire.http2_sender import LARGEST_SENT, TAKEN, Sender
from l7gw.wire.http2_stream import BODY, DONE, DROPPED, HEAD, SMALLEST_AVERAGE, Stream

# ---------------------------------------------------------------------- limits

MOST_STREAMS = 100  # of one client at once, as kube-apiserver
STREAM_WINDOW = 256 * 1024  # bytes that may come on one stream before they are asked for, as kube-apiserver
RESETS = 100  # at once, of the peer's doing (threats B1, B2) ...
RESETS_A_SECOND = 20  # ... and from then on
# PING, SETTINGS, PRIORITY, unknown frames, what is late and small, window updates beyond what was sent (threats B7)
CONTROL_A_SECOND = 200
# Bytes sent that earn one window update more; Go's clients send two for 4 KiB. A frame that no window cut short earns two, however
# small: a watch's event is acknowledged for its stream and for the connection.
UPDATE_FOR = 1024
MOST_SETTINGS = 32  # in one frame, as nghttp2: each of a window walks all streams
LARGEST_UNSENT = 64 * 1024  # bytes of control frames that wait for a peer which reads nothing (threats B7)
MOST_RECENT = 128  # ended streams that are remembered, to tell what comes late from what is wrong
DRAINING = b"l7gw-end"  # the PING after which no request can be under way any more (section 6.8)

StreamEvent = tuple[int, HttpEvent]

# How a stream that is no more ended: what still comes for it is then late (ours), or wrong.
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
        self._highest = 0  # the peer's, of those that were acted upon
        self._reader: BlockReader[tuple[bool, Request]] = BlockReader()
        self._block: list[bytes] = []  # the header block that is coming in
        self._block_size = 0
        self._block_of = 0  # its stream, 0: none
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
        self._sent_since = 0  # bytes of DATA that have not earned a window update yet
        self._going = False  # the peer opens no more streams, or we take no more
        self._warned = False  # `go_away` has said its first word
        self._last_taken = frames.STREAM_IDS  # the highest stream that our GOAWAY lets in
        self.progress = 0  # reads in which a frame became whole, and stood in no unfinished header block
        self.over = False
        self._sender.control(self._preface + frames.settings_frame(settings))
        self._sender.control(frames.window_frame(0, window - frames.DEFAULT_WINDOW))

    # ------------------------------------------------------------------ what the caller asks

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    @property
    def unfinished(self) -> int:
        """Bytes of a frame, or 1 for a header block, that are there in part: the rest is owed in time (threats B3)."""
        return len(self._buffer) or (1 if self._block_of else 0)

    @property
    def going_away(self) -> bool:
        """No new stream: the peer said so, or `go_away` was called."""
        return self._going

    @property
    def left(self) -> bool:
        """Our last GOAWAY is written: no request can come any more that would be lost by closing."""
        return self._last_taken != frames.STREAM_IDS

    def answerable(self, stream_id: int) -> bool:
        """Whether an answer may be begun on this stream."""
        stream = self._streams.get(stream_id)
        return stream is not None and stream.sending == HEAD

    def waiting(self, stream_id: int) -> int:
        """Bytes of a stream that wait for its windows, or for the connection."""
        stream = self._streams.get(stream_id)
        return stream.queued if stream is not None else 0

    def refill(self) -> None:
        """Once a second: what the peer may do in the next."""
        self._resets = min(RESETS, self._resets + RESETS_A_SECOND)
        self._control = CONTROL_A_SECOND
        self._updates = max(self._updates, CONTROL_A_SECOND)  # what was sent may be acknowledged late

    def hold(self, stream_id: int, held: bool) -> None:
        """While held, the peer may send on this stream what its window still allows, and no more."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.held = held
            if not held:
                self._acknowledge(stream)

    def ping(self) -> None:
        """Queue a PING, whose answer shows that the peer lives: the caller counts any bytes that it hears as one."""
        self._sender.control(frames.frame(frames.PING, 0, 0, b"l7gwping"))

    # ------------------------------------------------------------------ reading

    def receive(self, data: bytes) -> list[StreamEvent]:
        """Bytes of the peer; b"" is its end. Raises PeerError with the code of section 7: write `take()`, then close."""
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
                if length > self._largest_in:  # before a byte of it is kept (threats B6)
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
        """Where frames begin: behind the client's preface, which a server reads first; -1 while it is not there."""
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
            # Priorities are not followed (section 5.3.2); this alone was an error while they were (RFC 7540 section 5.3.1)
            self._check_not_idle(stream_id)  # which no RST_STREAM may name
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
        """One more stream that ended by the peer's doing: each costs more here than there (threats B1, B2)."""
        self._resets -= 1
        if self._resets < 0:
            raise PeerError(ENHANCE_YOUR_CALM, "too many streams were reset")

    def _spend_control(self) -> None:
        """One more frame that carries nothing for anybody (threats B7)."""
        self._control -= 1
        if self._control < 0 or self._sender.answered > LARGEST_UNSENT:
            raise PeerError(ENHANCE_YOUR_CALM, f"more than {CONTROL_A_SECOND} control frames in a second, or answers not read")

    def _check_not_idle(self, stream_id: int) -> None:
        """Section 5.1: on a stream that was never opened only HEADERS and PRIORITY may come."""
        if self._is_idle(stream_id):
            raise PeerError(PROTOCOL_ERROR, "a frame on a stream that was never opened")

    def _is_idle(self, stream_id: int) -> bool:
        # All streams are a client's: pushes are off, or ours.
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
        """Section 6.10; `receive` has seen that it belongs here."""
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
        """A whole header block: the head of a message, or trailers. It is unpacked in any case, as the table is shared."""
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
        """Section 6.1. Padding counts for the windows as well (threats B8)."""
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
        """End one stream for what the peer did on it (section 5.4.2); a client is told why first, where no answer has begun."""
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
        """Nothing more is wanted of a request but that its refusal is heard. Behind that comes the reset with `fault` (section
        8.1.1): before it, Go's client would send the request again on a new connection, and again, without end."""
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
        """End a stream before its time; what still comes on it is dropped."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if not self._client or stream.sending != HEAD:  # a stream that was not begun is idle to the peer (section 5.1)
            self._sender.control(frames.reset_frame(stream_id, code))
        self._close(stream_id, BY_US)

    def go_away(self, *, at_once: bool = False) -> None:
        """Take no new streams. In two steps, so that no request under way is lost (section 6.8): the peer hears that it should
        open none; when our PING comes back, or `at_once`, which was the last."""
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
        """The peer's last stream that a GOAWAY lets in; a server has none, and nghttp2 minds (section 6.8)."""
        return 0 if self._client else min(self._highest, self._last_taken)

    @abstractmethod
    def _gone_away(self, last: int, code: int, events: list[StreamEvent]) -> None:
        """The peer's GOAWAY; what runs goes on."""

    @abstractmethod
    def _streams_allowed(self, most: int) -> None:
        """The peer's MAX_CONCURRENT_STREAMS, which binds who opens streams."""

    # ------------------------------------------------------------------ writing

    def take(self, most: int = TAKEN) -> bytes:
        """What to write now: control frames and heads, then at most about `most` bytes of bodies, streams taking turns."""
        return self._sender.take(most)

    def drained(self) -> list[int]:
        """Streams of whose bodies nothing waits any more, since the last call."""
        drained, self._sender.drained = self._sender.drained, []
        return drained

    def lost(self) -> None:
        """The connection below is gone. Without this the codec would stay in memory until the collector comes by."""
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
            # The answer is whole and the request is not: its rest is not wanted (section 8.1). It counts as a reset (threats B2).
            self._sender.control(frames.reset_frame(stream.number, NO_ERROR))
            self._resets -= 1
            self._close(stream.number, BY_US)


def _unpadded(payload: bytes) -> bytes:
    """Sections 6.1 and 6.2: the first byte says how many at the end are padding."""
    if not payload or payload[0] >= len(payload):
        raise PeerError(PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]
