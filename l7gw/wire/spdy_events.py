"""SPDY/3.1: what a connection reports, and what can be sent on it. One class for each frame of the draft's sections 2.2 and 2.6.

`stream` is the number of a stream: 1 to 2^31 - 1, odd where the client opened it. `final` is the frame's FIN: its sender sends no
more on the stream. `headers` are pairs of a lower-case name and a value; a name with several values has several pairs.
"""

from __future__ import annotations

import msgspec

from l7gw.wire.events import Headers


class SynStream(msgspec.Struct, frozen=True, gc=False):
    """Opens a stream. With `unidirectional` only its opener may send on it."""

    stream: int
    headers: Headers
    final: bool = False
    unidirectional: bool = False


class SynReply(msgspec.Struct, frozen=True, gc=False):
    """Accepts a stream that the other side opened."""

    stream: int
    headers: Headers = ()
    final: bool = False


class Reset(msgspec.Struct, frozen=True, gc=False):
    """Ends a stream in both directions. `receive` gives one where the peer has reset a stream, or
    broken its rules; a reset is then queued."""

    stream: int
    status: int  # 1 to 11 (section 2.6.3); other numbers of the peer are reported as they came


class Settings(msgspec.Struct, frozen=True, gc=False):
    """Received only, and ignored, as by spdystream."""

    entries: tuple[tuple[int, int], ...]  # pairs of id and value


class Ping(msgspec.Struct, frozen=True, gc=False):
    """Received, it is only reported. The caller answers a ping of the peer with the same id; the
    peer's ids are odd if it is the client."""

    id: int  # a number of 32 bits


class GoAway(msgspec.Struct, frozen=True, gc=False):
    """The sender takes no new streams, and the open ones go on. spdystream reads no frame behind a GOAWAY."""

    last: int  # the highest stream that the sender took
    status: int = 0  # section 2.6.6; 0 where there was no fault


class HeadersFrame(msgspec.Struct, frozen=True, gc=False):
    """Received only: more headers for an open stream."""

    stream: int
    headers: Headers
    final: bool = False


class WindowUpdate(msgspec.Struct, frozen=True, gc=False):
    """Received only, and ignored, as by spdystream."""

    stream: int  # 0 is the connection
    delta: int  # bytes that may be sent in addition


class Data(msgspec.Struct, frozen=True, gc=False):
    """A piece of a DATA frame. `final` stands with the last piece of a frame with FIN. An empty frame is one empty piece."""

    stream: int
    data: bytes
    final: bool = False


class Run(msgspec.Struct, frozen=True, gc=False):
    """Whole DATA frames of one stream without flags that follow each other in a read. `frames` are the frames as they came."""

    stream: int
    data: list[bytes]
    frames: bytes


SpdyEvent = SynStream | SynReply | Reset | Settings | Ping | GoAway | HeadersFrame | WindowUpdate | Data
SpdyFrame = SynStream | SynReply | Reset | Ping | GoAway | Data | Run  # what the gateway sends
