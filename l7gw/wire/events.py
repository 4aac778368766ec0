"""The vocabulary of HTTP, one for HTTP/1.1 and HTTP/2; SPDY and WebSocket have theirs beside their codecs.

Header names are lower case, values have no white space around them, both are `str` of one character a byte (latin-1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

Headers = tuple[tuple[str, str], ...]

# How a message's length is told (RFC 9112 section 6.3); a length of zero or more is a Content-Length.
CHUNKED = -1
NO_BODY = -2  # no Content-Length and no Transfer-Encoding: a request without a body, a 204, a 304, a 101

T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    @dataclass_transform(frozen_default=True)
    def event(cls: type[T]) -> type[T]: ...
else:

    def event(cls: type[Any]) -> type[Any]:
        """A slotted dataclass, read-only to mypy alone: `frozen=True` triples the cost of making one."""
        return dataclass(slots=True)(cls)


@event
class Request:
    """A request's head. `headers` lacks what frames the message (Content-Length, Transfer-Encoding) and what belongs to
    the connection (Connection, Upgrade, Keep-Alive, Expect): `length`, `keep_alive`, `upgrade` and `expects_continue` say it.
    """

    method: str
    target: str  # origin-form, as it came
    headers: Headers
    length: int = NO_BODY
    keep_alive: bool = True  # HTTP/1.1's alone, as `upgrade` is
    upgrade: str = ""  # "websocket" or "SPDY/3.1", spelled so whatever the peer's letters
    expects_continue: bool = False


@event
class Informational:
    """An interim answer: 100, 102, 103. A 101 is a `Response`."""

    status: int
    headers: Headers = ()


@event
class Response:
    """An answer's head; `headers` lacks framing and connection fields as a `Request`'s does. `length` of an answer to
    HEAD, or of a 304, is what the peer stated; no body follows whatever it says."""

    status: int
    headers: Headers
    length: int = NO_BODY
    keep_alive: bool = True
    upgrade: str = ""  # of a 101


@event
class Body:
    """Bytes of a message body, whatever carried them."""

    data: bytes


@event
class End:
    """The message is complete, told from its framing. Trailers are read, checked and dropped (threats B11)."""


@event
class Raw:
    """Bytes behind a 101, in the protocol that it switched to."""

    data: bytes


@event
class Closed:
    """The peer's end came at a place where it may: between messages, or in an upgraded stream."""


@event
class Refused:
    """HTTP/2: a request that is not served, before its head or within it. An answer with this status is owed; what follows is
    dropped. Behind the answer the codec resets the stream with `fault`, where the request was malformed."""

    status: int
    reason: str
    fault: int = 0  # an error code of RFC 9113 section 7; 0: none


@event
class Reset:
    """HTTP/2: one stream's end before its time, by the peer or for what the peer did when an answer could no longer be given.
    `unread` says that the peer surely did not act upon it (RFC 9113 section 8.7), so that it may be sent once more."""

    code: int
    reason: str = ""
    unread: bool = False


HttpEvent = Request | Informational | Response | Body | End | Raw | Closed | Refused | Reset
