"""The state of one side of an HTTP/2 connection (RFC 9113): its streams, its windows, the peer's limits, and what waits to be
written. Streams and connection end here. `http2_connection` reads the peer's frames into this state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Literal

from l7gw.wire import http2_frames as frames
from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, HttpEvent, Refused, Request, Reset
from l7gw.wire.http2_frames import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    NO_ERROR,
    PROTOCOL_ERROR,
)
from l7gw.wire.http2_hpack import BlockReader
from l7gw.wire.http2_huffman import LongStrings
from l7gw.wire.http2_limits import (
    CONTROL_A_SECOND,
    DROPPED_FOR,
    LARGEST_UNSENT,
    MOST_RECENT,
    RESETS,
    RESETS_A_SECOND,
    UPDATE_FOR,
)
from l7gw.wire.http2_sender import TAKEN, Sender
from l7gw.wire.http2_stream import DONE, DROPPED, HEAD, Stream

DRAINING = b"l7gw-end"  # data of our PING; once the peer answers it, no request of the peer's is under way (section 6.8)

StreamEvent = tuple[int, HttpEvent]

# How an ended stream has ended. A frame for it is late where we ended it, else wrong.
HowEnded = Literal["by us", "by the peer", "complete"]
BY_US: Final = "by us"
BY_PEER: Final = "by the peer"
COMPLETE: Final = "complete"


class Side(ABC):
    """What both roles share: frames, settings, windows, and what waits to be written."""

    _client = False
    _preface = b""

    def __init__(self, settings: dict[int, int], window: int, remembered: int, long: LongStrings | None = None) -> None:
        self._buffer = b""
        self._sender = Sender(self._sent_end, self._earn_updates)
        self._streams: dict[int, Stream] = {}
        self._recent: dict[int, HowEnded] = {}
        self._highest = 0  # the highest of the client's streams that was acted upon
        self._reader: BlockReader[tuple[bool, Request]] = BlockReader(remembered, long)
        self._block: list[bytes] = []  # the parts of the header block that is coming in
        self._block_size = 0
        self._block_of = 0  # the stream of that header block; 0: none is coming in
        self._block_ends = False
        self._block_faulty = False
        self._settled = False  # the peer's first SETTINGS has come
        self._largest_in = settings.get(frames.MAX_FRAME_SIZE, frames.SMALLEST_FRAME)
        self._stream_window = settings[frames.INITIAL_WINDOW_SIZE]  # bytes that the peer may send on a new stream
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
        """Bytes of an unfinished frame; 1 within a header block; else 0. The caller must
        bound how long it is not 0 (threats B3)."""
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
        for stream in [one for one in self._streams.values() if one.sending == DONE and one.receiving == DROPPED]:
            stream.seconds += 1
            if stream.seconds > DROPPED_FOR:
                self._give_up(stream)

    def hold(self, stream_id: int, *, held: bool) -> None:
        """Hold a stream, or let it go. A held stream gets no window updates, so its peer may only fill the window that it has."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.held = held
            if not held:
                self._acknowledge(stream)

    def ping(self) -> None:
        """Queue a PING. Its answer shows that the peer lives, as do any other bytes of the peer."""
        self._sender.control(frames.frame(frames.PING, 0, 0, b"l7gwping"))

    # ------------------------------------------------------------------ what the peer may cost

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

    # ------------------------------------------------------------------ ends

    def _fail(self, error: PeerError) -> None:
        self.over = True
        self._buffer = b""
        self._sender.control(frames.goaway_frame(self._acted_upon, error.code))
        self._streams.clear()
        self._sender.forget()

    def _acknowledge(self, stream: Stream) -> None:
        if stream.unacknowledged >= self._stream_window // 4 and stream.receiving != DONE:
            stream.window_in += stream.unacknowledged
            self._sender.control(frames.window_frame(stream.number, stream.unacknowledged))
            stream.unacknowledged = 0

    def _reset(self, stream_id: int, code: int, reason: str, events: list[StreamEvent]) -> None:
        """End one stream for a fault of the peer (section 5.4.2). A client whose answer has not
        begun is first answered with the reason."""
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

    def _close(self, stream_id: int, how: HowEnded) -> None:
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
        """Take no new streams (section 6.8).

        A server does so in two steps, so that no request under way is lost. The first GOAWAY says that the peer should open no more
        streams. The second says which stream was the last; it is sent when the peer has answered our PING, or `at_once`.
        """
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
        """The peer's last stream for our GOAWAY. A server opens no streams, and nghttp2
        refuses another number than 0 (section 6.8)."""
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
            stream.receiving = DROPPED  # the answer is complete before its request
            stream.left = CHUNKED
            stream.held = False
            self._acknowledge(stream)

    def _give_up(self, stream: Stream) -> None:
        """End a stream whose answer is complete, and whose request goes on (section 8.1). This counts as a reset (threats B2)."""
        self._sender.control(frames.reset_frame(stream.number, NO_ERROR))
        self._resets -= 1
        self._close(stream.number, BY_US)
