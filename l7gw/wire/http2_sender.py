"""What one side of HTTP/2 writes: control frames and heads at once, bodies as the peer's windows
allow, a frame of each stream in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from l7gw.wire import http2_frames as frames
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import CHUNKED
from l7gw.wire.http2_hpack import NO_TABLE
from l7gw.wire.http2_stream import DONE, Stream

LARGEST_SENT = 64 * 1024  # bytes of a DATA frame of ours, even if the peer takes larger ones: streams take turns by the frame
TAKEN = 256 * 1024  # bytes of bodies that one `take` gives


class Sender:
    """Queues what one side sends, and gives it as bytes.

    `ended` is called with each stream whose END_STREAM has been written. `spent` is called for each DATA frame, with its bytes and
    whether nothing more waits on its stream.
    """

    __slots__ = (
        "answered", "drained", "first_window", "largest", "tells_table", "window", "_ended", "_out", "_ready", "_spent",
    )  # fmt: skip

    def __init__(self, ended: Callable[[Stream], None], spent: Callable[[int, bool], None]) -> None:
        self._ended = ended
        self._spent = spent
        self._out: list[bytes | memoryview] = []
        self._ready: deque[Stream] = deque()  # streams with something to send, except those that are stalled
        self.answered = 0  # bytes of control frames since the last `take`
        self.drained: list[int] = []  # numbers of streams of which nothing waits any more
        self.first_window = frames.DEFAULT_WINDOW  # bytes that the peer takes on a new stream
        self.window = frames.DEFAULT_WINDOW  # bytes that the peer takes on the connection now
        self.largest = frames.SMALLEST_FRAME
        self.tells_table = True  # the next header block begins by saying that we keep no table (RFC 7541 section 4.2)

    # ------------------------------------------------------------------ frames

    def control(self, data: bytes) -> None:
        """Queue a frame that no window holds back. The caller bounds how many wait (threats B7)."""
        self._out.append(data)
        self.answered += len(data)

    def head(self, stream: Stream, block: bytes, *, end: bool) -> None:
        """Queue a head of this header block; with `end` no body follows."""
        if self.tells_table:
            self.tells_table = False
            block = NO_TABLE + block
        self._out.append(frames.header_frames(stream.number, block, end=end, largest=self.largest))

    def whole(self, stream: Stream, block: bytes, body: bytes) -> None:
        """Queue a head of this header block, all of a body, which is not empty, and the end."""
        self.head(stream, block, end=False)
        stream.queue.append(body)
        stream.queued = len(body)
        stream.left_out = 0
        stream.ending = True
        self._wake(stream)

    def body(self, stream: Stream, data: bytes | memoryview) -> None:
        """Queue bytes of a body. Raises OurError for more than the head announced."""
        if not data or stream.silent:
            return
        if stream.left_out != CHUNKED:
            if len(data) > stream.left_out:
                raise OurError("more body than was announced")
            stream.left_out -= len(data)
        stream.queue.append(data)
        stream.queued += len(data)
        self._wake(stream)

    def end(self, stream: Stream) -> None:
        """Queue END_STREAM behind the body. Raises OurError where the body is shorter than the head announced."""
        if stream.silent:
            self._ended(stream)
            return
        if stream.left_out > 0:
            raise OurError("less body than was announced")
        stream.ending = True
        self._wake(stream)

    def _wake(self, stream: Stream) -> None:
        if not stream.waits:
            stream.waits = True
            self._ready.append(stream)

    # ------------------------------------------------------------------ windows (RFC 9113 section 6.9)

    def widen(self, stream: Stream, more: int) -> None:
        """Add `more` bytes, which may be negative, to the stream's window. Raises PeerError where the window becomes too large."""
        stream.window_out += more
        if stream.window_out > frames.LARGEST_WINDOW:
            raise PeerError(frames.FLOW_CONTROL_ERROR, "a window that is too large")
        if stream.stalled and stream.window_out > 0:
            stream.stalled = False
            self._ready.append(stream)

    def widen_all(self, more: int) -> None:
        """Add `more` bytes to the connection's window. Raises PeerError where it becomes too large."""
        self.window += more
        if self.window > frames.LARGEST_WINDOW:
            raise PeerError(frames.FLOW_CONTROL_ERROR, "a window that is too large")

    def resize(self, first_window: int, streams: Iterable[Stream]) -> None:
        """The peer's INITIAL_WINDOW_SIZE came, in bytes. The difference applies to open streams
        too (section 6.9.2). Raises PeerError."""
        if first_window > frames.LARGEST_WINDOW:
            raise PeerError(frames.FLOW_CONTROL_ERROR, "a window that is too large")
        more, self.first_window = first_window - self.first_window, first_window
        for stream in streams:
            self.widen(stream, more)

    # ------------------------------------------------------------------ bytes

    def take(self, most: int) -> bytes:
        """The bytes to write now: control frames and heads, then about `most` bytes of bodies. They are given once."""
        if self._ready:
            self._take_bodies(most)
        out = self._out
        if not out:
            return b""
        self.answered = 0
        data = b"".join(out)
        out.clear()
        return data

    def _take_bodies(self, most: int) -> None:
        ready, out = self._ready, self._out
        blocked: list[Stream] = []  # streams that wait for the connection's window
        while ready and most > 0:
            stream = ready.popleft()
            if stream.sending == DONE:
                continue  # the stream was reset
            size = min(stream.queued, self.largest)
            if size:
                size = min(size, stream.window_out, self.window)
                if size <= 0:
                    if stream.window_out > 0:
                        blocked.append(stream)  # the streams behind it may only have to end, which needs no window
                    else:
                        stream.stalled = True
                    continue
            pieces = stream.take_out(size)
            last = stream.ending and not stream.queued
            out.append(frames.data_head(size, frames.END_STREAM if last else 0, stream.number))
            out += pieces
            stream.window_out -= size
            self.window -= size
            most -= size
            self._spent(size, not stream.queued)
            if stream.queued:
                ready.append(stream)
                continue
            stream.waits = False
            self.drained.append(stream.number)
            if last:
                self._ended(stream)
        ready.extendleft(reversed(blocked))

    def forget(self) -> None:
        """The connection is over. Bodies that wait are dropped; frames that are queued from now on are still written."""
        self._ready.clear()

    def call_no_more(self) -> None:
        """Call back no more, and let go of the callbacks."""
        self._ended = self._spent = _nobody


def _nobody(*_: object) -> None:
    pass
