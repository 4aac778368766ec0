"""SPDY/3.1: what a connection reports, and what can be sent on it. One class for each frame of the draft's sections 2.2 and 2.6.

A stream is its number: 1 to 2^31 - 1, odd where the client opened it. `final` is the frame's FIN: its sender sends no more on the
stream. Header names are lower-case, and a name with several values stands there as often.
"""

from __future__ import annotations

from l7gw.wire.events import Headers, event


@event
class SynStream:
    """Opens a stream. With `unidirectional` nobody but its sender sends on it."""

    stream: int
    headers: Headers
    final: bool = False
    unidirectional: bool = False


@event
class SynReply:
    """Accepts a stream that the other side opened."""

    stream: int
    headers: Headers = ()
    final: bool = False


@event
class Reset:
    """Ends a stream in both directions. As a report: the peer reset it, or broke its rules and a reset to it is queued."""

    stream: int
    status: int  # 1 to 11, section 2.6.3; others are reported as they come


@event
class Settings:
    """Received only. Nothing is done about it: spdystream ignores it too."""

    entries: tuple[tuple[int, int], ...]  # id, value


@event
class Ping:
    """Reported only: whoever holds the connection answers a ping of the other side's parity, with the same id."""

    id: int  # 32 bits


@event
class GoAway:
    """The sender takes no new streams; the open ones go on. spdystream reads nothing behind it."""

    last: int  # the highest stream that the sender took
    status: int = 0  # section 2.6.6; 0 is no fault


@event
class HeadersFrame:
    """Received only: more headers for an open stream."""

    stream: int
    headers: Headers
    final: bool = False


@event
class WindowUpdate:
    """Received only. Nothing is done about it: spdystream ignores it too."""

    stream: int  # 0 is the connection
    delta: int  # bytes


@event
class Data:
    """A piece of a DATA frame. `final` stands with the last piece of a frame with FIN. An empty frame is one empty piece."""

    stream: int
    data: bytes
    final: bool = False


SpdyEvent = SynStream | SynReply | Reset | Settings | Ping | GoAway | HeadersFrame | WindowUpdate | Data
SpdyFrame = SynStream | SynReply | Reset | Ping | GoAway | Data  # what the gateway sends
