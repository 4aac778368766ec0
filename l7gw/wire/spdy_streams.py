"""SPDY/3.1: which streams of a connection are open, and what the peer may send on a stream in which state.

Both directions of a connection share one `Streams`. What we may send depends only on a stream's bits: DATA needs OURS, SYN_REPLY
needs OURS and OWED. Nothing of ours goes on a stream that was reset, and our own reset of one that is not open does nothing, as the
peer's may have come first.
"""

from __future__ import annotations

from typing import Final, Literal

from l7gw.wire.spdy_frames import (
    HEADERS,
    INVALID_STREAM,
    PROTOCOL_ERROR,
    RST_STREAM,
    STREAM_ALREADY_CLOSED,
    STREAM_IN_USE,
    SYN_REPLY,
)

REMEMBERED_RESETS = 1024  # streams that were reset, whose late frames are no fault

# ---------------------------------------------------------------------- states of a stream

# An open stream is a set of bits. Each direction closes by itself. When both have closed, or at a reset, the stream is forgotten.

PEER, OURS = 1, 2  # the peer may still send; we may still send
AWAITED, OWED = 4, 8  # the peer's SYN_REPLY has not come yet; ours is not sent yet
BARE = 16  # our SYN_REPLY was sent without headers, ahead of data (`spdy_sender`)

# What happens to a frame of the peer, by the state of its stream. A number is the status with which we reset the stream in answer.
# A frame counts as a stray unless its outcome is REPORT or DROP.

REPORT: Final = "report"
DROP: Final = "drop"
COUNT: Final = "count"
DATA = 0  # a DATA frame's place in the tables; it has no type of its own
Outcome = Literal["report", "drop", "count"] | int
State = Literal["idle", "reset", "closed", "half-closed", "unanswered", "answered", "theirs"]
RECEIVING: dict[State, dict[int, Outcome]] = {
    # the stream was never opened
    "idle": {DATA: INVALID_STREAM, SYN_REPLY: INVALID_STREAM, HEADERS: INVALID_STREAM, RST_STREAM: COUNT},
    # either side has just reset it: frames that were under way are no fault, and spdystream drops them too
    "reset": {DATA: DROP, SYN_REPLY: DROP, HEADERS: DROP, RST_STREAM: DROP},
    # both sides have sent FIN, or it was reset long ago; kubectl sends a reset behind the FINs
    "closed": {DATA: STREAM_ALREADY_CLOSED, SYN_REPLY: STREAM_ALREADY_CLOSED, HEADERS: STREAM_ALREADY_CLOSED, RST_STREAM: DROP},
    # the peer has sent its FIN
    "half-closed": {
        DATA: STREAM_ALREADY_CLOSED,
        SYN_REPLY: STREAM_ALREADY_CLOSED,
        HEADERS: STREAM_ALREADY_CLOSED,
        RST_STREAM: REPORT,
    },
    # we opened it; data ahead of the SYN_REPLY are reported, though kubectl would drop them
    "unanswered": {DATA: REPORT, SYN_REPLY: REPORT, HEADERS: REPORT, RST_STREAM: REPORT},
    "answered": {DATA: REPORT, SYN_REPLY: STREAM_IN_USE, HEADERS: REPORT, RST_STREAM: REPORT},
    # the peer opened it
    "theirs": {DATA: REPORT, SYN_REPLY: PROTOCOL_ERROR, HEADERS: REPORT, RST_STREAM: REPORT},
}


# ---------------------------------------------------------------------- the streams of a connection


class Streams:
    """The streams of one connection, as one side sees them."""

    __slots__ = ("client", "failed", "going", "last_opened", "last_seen", "open", "resets", "went_away")

    def __init__(self, *, client: bool) -> None:
        self.client = client  # this side opened the connection, and opens streams of odd numbers
        self.open: dict[int, int] = {}  # the open streams, and their bits
        self.resets: dict[int, None] = {}  # the latest streams that were reset, oldest first
        self.last_seen = 0  # the highest stream that the peer opened
        self.last_opened = 0  # the highest stream that this side opened
        self.going = False  # a GOAWAY came or went: the peer opens no more streams
        self.went_away = False  # a GOAWAY went: this side opens no more streams
        self.failed = False  # the peer broke the protocol: nothing more is read

    def is_ours(self, stream: int) -> bool:
        """Whether a stream of this number is opened by this side."""
        return (stream % 2 == 1) == self.client

    def state(self, stream: int) -> State:
        """The stream's row in RECEIVING."""
        bits = self.open.get(stream)
        ours = self.is_ours(stream)
        if bits is None:
            if stream in self.resets:
                return "reset"
            return "closed" if stream <= (self.last_opened if ours else self.last_seen) else "idle"
        if not bits & PEER:
            return "half-closed"
        if not ours:
            return "theirs"
        return "unanswered" if bits & AWAITED else "answered"

    def add(self, stream: int, bits: int) -> None:
        """Open a stream, unless it opens with both directions closed."""
        if bits & (PEER | OURS):
            self.open[stream] = bits

    def close(self, stream: int, bits: int) -> None:
        """Take bits from an open stream. A stream on which nobody may send any more is closed."""
        left = self.open[stream] & ~bits
        if left & (PEER | OURS):
            self.open[stream] = left
        else:
            del self.open[stream]

    def reset(self, stream: int) -> None:
        """Close an open stream at once, and remember that it was reset."""
        del self.open[stream]
        self.remember_reset(stream)

    def remember_reset(self, stream: int) -> None:
        self.resets[stream] = None
        if len(self.resets) > REMEMBERED_RESETS:
            del self.resets[next(iter(self.resets))]
