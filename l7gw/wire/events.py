"""The events of HTTP/1.1 and HTTP/2. The events of SPDY and WebSocket are beside their codecs.

`headers` are pairs of name and value in their order. Names are lower case, and values have no white space at their ends. Both are
`str` with one character for each byte (latin-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

Headers = tuple[tuple[str, str], ...]

# The `length` of a message (RFC 9112 section 6.3): zero or more is a Content-Length in bytes, the others stand here.
CHUNKED = -1  # no Content-Length: the framing says where the body ends
NO_BODY = -2  # no Content-Length and no Transfer-Encoding: a request without a body, a 204, a 304, a 101

# Fields of a head that are no part of its message: what a codec, or who takes the head, keeps with it
_KEPT_WITH_IT = frozenset(("whole", "meaning", "shape", "date", "ready"))


class ReadyHead:
    """The bytes of a head that is sent again and again, and differs in the value of its last field alone. The codec that first
    sends it makes them, up to that value; each of HTTP/1.1 and HTTP/2 has its own. They are empty before that."""

    __slots__ = ("http1", "http2")

    any_target = False  # whether the targets of these heads differ too

    def __init__(self) -> None:
        self.http1 = b""
        self.http2 = b""


class ReadyFields(ReadyHead):
    """The same of requests that differ in their target too: `http1` begins behind the first line, `http2` behind the target, and
    `before` is what stands before it there."""

    __slots__ = ("before",)

    any_target = True

    def __init__(self) -> None:
        super().__init__()
        self.before = b""


class _Head:
    """Two heads are equal if they say the same, whatever is kept with them."""

    __slots__ = ()
    __struct_fields__: ClassVar[tuple[str, ...]]

    def _said(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__struct_fields__ if name not in _KEPT_WITH_IT}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Head) and type(self) is type(other) and self._said() == other._said()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._said().items())})"


class Request(_Head, msgspec.Struct, eq=False):
    """A request's head.

    `headers` lacks the fields that frame the message (Content-Length, Transfer-Encoding) or are about the connection (Connection,
    Upgrade, Keep-Alive, Expect). `length`, `keep_alive`, `upgrade` and `expects_continue` say the same.
    """

    method: str
    target: str  # path and query (origin-form), as it came
    headers: Headers
    length: int = NO_BODY
    keep_alive: bool = True  # of HTTP/1.1 only, as is `upgrade`
    upgrade: str = ""  # "websocket" or "SPDY/3.1", spelled so in whichever case it came; "" for none
    expects_continue: bool = False
    whole: bool = False  # whether the request ends with its head: its End comes with it
    # A codec gives the same Request for the same bytes on one connection. Here whoever takes it keeps what it remembers of them
    meaning: Any = None  # the one field of an event that changes
    ready: ReadyHead | None = None  # of a request that is sent


class Informational(msgspec.Struct, frozen=True, gc=False):
    """An interim answer, such as 100, 102 or 103. A 101 is a `Response`."""

    status: int
    headers: Headers = ()


class Response(_Head, msgspec.Struct, eq=False, frozen=True, gc=False):
    """An answer's head. `headers` lacks the same fields as a `Request`'s. `length` of an answer to HEAD, or of a 304, is what the
    peer stated; no body follows such an answer."""

    status: int
    headers: Headers
    length: int = NO_BODY
    keep_alive: bool = True
    upgrade: str = ""  # of a 101: the protocol that it switches to
    # The same object for all answers of a cluster whose heads differ in the values of Date, Content-Length and Audit-Id alone, and
    # that Date; None where the codec knows no such head
    shape: Any = None
    date: str = ""
    ready: ReadyHead | None = None  # of an answer that is sent


class Body(msgspec.Struct, frozen=True, gc=False):
    """Bytes of a message's body, without the chunk lines or frame heads that carried them."""

    data: bytes


class BodyParts(msgspec.Struct, frozen=True, gc=False):
    """Bytes of a large body, in order, as they lie in what was read, so that only those copy them who need them as one. A codec
    gives them in the place of a Body where it was asked to; every codec sends them. A part that is kept keeps all of its read."""

    parts: Sequence[bytes | memoryview]
    size: int  # bytes in all of them


class End(msgspec.Struct, frozen=True, gc=False):
    """The message is complete, as its framing says. Trailers were read, checked and dropped (threats B11)."""


END = End()  # one for all messages: it says nothing of its own


class Raw(msgspec.Struct, frozen=True, gc=False):
    """Bytes behind a 101, in the protocol that it switched to."""

    data: bytes


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The peer ended the connection where it may: between messages, or after an upgrade."""


class Refused(msgspec.Struct, frozen=True, gc=False):
    """HTTP/2: a request that is not served, for a fault in its head or its body. The caller must
    answer it with `status`, an HTTP status.

    The rest of the request is dropped. Behind the answer the codec resets the stream with `fault`, where the request was malformed.
    """

    status: int
    reason: str
    fault: int = 0  # an error code of RFC 9113 section 7; 0: the stream is not reset


class Reset(msgspec.Struct, frozen=True, gc=False):
    """HTTP/2: a stream ended early. The peer reset it, or broke the protocol when no answer could be given any more.

    `code` is an error code of RFC 9113 section 7. `unread` is true where the peer surely did not act upon the request
    (section 8.7), so that the request may be sent once more.
    """

    code: int
    reason: str = ""
    unread: bool = False


HttpEvent = Request | Informational | Response | Body | BodyParts | End | Raw | Closed | Refused | Reset
