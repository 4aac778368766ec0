"""One stream of HTTP/2 (RFC 9113 section 5): its state, its two windows, and the bytes of its body that wait to be sent."""

from __future__ import annotations

from l7gw.wire.errors import OurError
from l7gw.wire.events import CHUNKED, NO_BODY, Body, BodyParts, End, HttpEvent, Informational, Request, Response
from l7gw.wire.http2_frames import ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, NO_ERROR, PROTOCOL_ERROR

MOST_EMPTY = 100  # empty DATA frames that may come on a stream (threats B8)
FRAMES_FREE, SMALLEST_AVERAGE = 1000, 64  # DATA frames of a request before their average size counts (threats B8)

# Receiving: HEAD -head-> BODY -END_STREAM-> DONE. In DROPPED the rest of a refused request comes and is dropped.
# Sending is this table. An event without a row raises OurError. END_STREAM leads to DONE.
HEAD, BODY, DROPPED, DONE = "head", "body", "dropped", "done"

SERVER_SENDS = {Informational: HEAD, Response: HEAD, Body: BODY, BodyParts: BODY, End: BODY}
CLIENT_SENDS = {Request: HEAD, Body: BODY, BodyParts: BODY, End: BODY}


class Stream:
    """Both directions of one stream. `left` and `left_out` are the bytes of the received and the sent body that are still to come,
    CHUNKED where no length was announced."""

    __slots__ = (
        "number", "method", "receiving", "sending", "window_in", "window_out", "unacknowledged", "held", "left", "left_out",
        "queue", "queued", "ending", "silent", "waits", "stalled", "interim", "owed", "fault", "dropped", "seconds",
        "_frames", "_empty", "_payload",
    )  # fmt: skip

    def __init__(self, number: int, window_out: int, window_in: int) -> None:
        self.number = number
        self.method = "GET"
        self.receiving = HEAD
        self.sending = HEAD
        self.window_in = window_in
        self.window_out = window_out
        self.unacknowledged = 0  # received bytes for which no window update was sent yet
        self.held = False
        self.left = CHUNKED
        self.left_out = NO_BODY
        self.queue: list[bytes | memoryview] = []  # no deque: an empty one takes 760 bytes
        self.queued = 0  # bytes in `queue`
        self.ending = False  # END_STREAM is sent with the last of these bytes
        self.silent = False  # the head that was sent had END_STREAM
        self.waits = False  # the sender knows the stream: it is ready, or stalled
        self.stalled = False  # it waits for its window
        self.interim = 0
        self.owed: Response | None = None  # an answer without a body, held back until its end comes
        self.fault = NO_ERROR  # error code of the reset that follows the answer to a faulty request
        self.dropped = self.seconds = 0  # since the answer was whole: bytes that came, and seconds
        self._frames = self._empty = self._payload = 0

    def take_in(self, size: int, data: int, *, counted: bool) -> tuple[int, str] | None:
        """Take in a DATA frame of `size` bytes, of which `data` are not padding. Gives the error code and the reason of a fault, or
        None. With `counted` the frame counts against the limits of small ones."""
        self.window_in -= size
        self.unacknowledged += size
        if self.window_in < 0:
            return FLOW_CONTROL_ERROR, "more than the stream's window"
        if self.left != CHUNKED:
            self.left -= data
            if self.left < 0:
                return PROTOCOL_ERROR, "more body than was announced"
        if counted:
            self._frames += 1
            self._payload += data
            self._empty += not data
            if self._empty > MOST_EMPTY or (self._frames > FRAMES_FREE and self._payload < self._frames * SMALLEST_AVERAGE):
                return ENHANCE_YOUR_CALM, "the DATA frames are too small"
        return None

    def take_out(self, size: int) -> list[bytes | memoryview]:
        """The next `size` bytes that wait to be sent, in pieces."""
        queue = self.queue
        self.queued -= size
        if not self.queued:  # all that waits, as mostly
            self.queue = []
            return queue
        whole = 0  # pieces at the front that go out whole
        while size and size >= len(queue[whole]):
            size -= len(queue[whole])
            whole += 1
        pieces = queue[:whole]
        del queue[:whole]
        if size:
            view = memoryview(queue[0])
            pieces.append(view[:size])
            queue[0] = view[size:]
        return pieces

    def forget(self) -> None:
        """The stream has ended: drop the bytes that wait."""
        self.sending = self.receiving = DONE
        self.queue.clear()
        self.queued = 0


def out_of_order(stream: Stream, event: HttpEvent) -> OurError:
    """The error of an event for which the table has no row in the stream's state, or that comes behind END_STREAM."""
    return OurError(f"{type(event).__name__} cannot be sent in state {stream.sending}")
