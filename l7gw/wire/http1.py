"""HTTP/1.1 (RFC 9112), sans-IO: bytes in, events out; events in, bytes out. What both roles share, and the server's side.

Here is what may follow what. The client's side is in `http1_client`; heads are in `http1_message` and bodies in `http1_body`. What
a message means is decided above.

A read that ends in a PeerError gives none of its events: what was wrong further on is not acted upon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import CHUNKED, END, NO_BODY, Body, BodyParts, Closed, End, HttpEvent, Informational, Raw, Request, Response
from l7gw.wire.http1_body import BodyReader
from l7gw.wire.http1_message import CRLF2, check_start, parse_request, request_like
from l7gw.wire.http1_writing import head_bytes, status_line, write_head
from l7gw.wire.semantics import LARGEST_HEAD, OF_MEANING

# ---------------------------------------------------------------------- limits

LARGEST_HELD = 64 * 1024  # bytes that wait behind a request: a next request, or bytes sent before the 101 (threats A12)
LARGEST_READ = 272 * 1024  # bytes that may still come after reading is paused: uvloop's TLS reads 256 KiB and a record
LARGEST_KNOWN = 32 * 1024  # bytes of remembered heads of one connection, where it is told no other number; clients repeat them
# Bytes of a body that are written as they are: the line before them and the line end behind are two records of TLS more, 1 us each,
# where one copy of 256 KiB with them takes 6 to 12 us
LARGE = 64 * 1024

# ---------------------------------------------------------------------- states
#
# Reading:   IDLE (client: nothing asked)   HEAD   BODY   WAIT (server: a request is read, what follows is held)   TUNNEL   OVER
#   server:  HEAD -Request-> BODY -End-> WAIT -our End-> HEAD          WAIT -our 101-> TUNNEL         all -PeerError, end-> OVER
#   client:  IDLE -our Request-> HEAD -Response-> BODY -End-> IDLE     HEAD -101-> TUNNEL             all -PeerError, end-> OVER
#
# Writing is a table for each side, SERVER_SENDS here and CLIENT_SENDS in `http1_client`. An event without a row raises OurError. A
# 101 leads to TUNNEL. The End of an answer that must be the last leads to OVER.

State = Literal["idle", "head", "body", "wait", "tunnel", "over"]
IDLE: Final = "idle"
HEAD: Final = "head"
BODY: Final = "body"
WAIT: Final = "wait"
TUNNEL: Final = "tunnel"
OVER: Final = "over"

SERVER_SENDS: dict[tuple[State, type[HttpEvent]], State] = {
    (HEAD, Informational): HEAD,
    (HEAD, Response): BODY,
    (BODY, Body): BODY,
    (BODY, BodyParts): BODY,
    (BODY, End): IDLE,
    (TUNNEL, Raw): TUNNEL,
}

UNTIL_CLOSE = -3  # the length of a body that ends with the connection (RFC 9112 section 6.3 rule 8); sent to HTTP/1.0 only


class Side:
    """What both roles share: bytes that are not read yet, bytes to write, and the bodies that are being read and written."""

    __slots__ = ("_buffer", "_left", "_length", "_out", "_reader", "_scanned", "apart", "reading", "writing")

    def __init__(self, reading: State) -> None:
        self._buffer = b""
        self._scanned = 0  # bytes of `_buffer` that were searched for the end of a head
        self._reader: BodyReader | None = None
        self._out: list[bytes | memoryview] = []
        self.apart = False  # whether what is to be written is large, so that `take_apart` should be asked for it
        self._length = NO_BODY  # the length of the message that is being written
        self._left = 0  # bytes of its body that are still to be written, where its length is a number
        self.reading: State = reading
        self.writing: State = IDLE

    def take(self) -> bytes:
        """The bytes to write now. They are given once."""
        out = self._out
        if not out:
            return b""
        first = out[0]
        data = first if len(out) == 1 and isinstance(first, bytes) else b"".join(out)
        out.clear()
        self.apart = False
        return data

    def take_apart(self) -> list[bytes | memoryview]:
        """As `take`, in parts: what is large is given as it was sent, and not copied."""
        out, self._out, self.apart = self._out, [], False
        parts: list[bytes | memoryview] = []
        small: list[bytes | memoryview] = []
        for one in out:
            if len(one) < LARGE:
                small.append(one)
                continue
            if small:
                parts.append(b"".join(small))
                small.clear()
            parts.append(one)
        if small:
            parts.append(b"".join(small))
        return parts

    def _find_head(self, data: bytes, fault: int, too_large: int) -> int:
        """Where the head at the beginning of `data` ends; -1 while it is not whole. No byte is searched twice."""
        scanned = self._scanned
        end = data.find(CRLF2, scanned - 3 if scanned > 3 else 0, LARGEST_HEAD)
        if end >= 0:
            self._scanned = 0
            return end
        check_start(data[:LARGEST_HEAD], scanned, fault)
        if len(data) >= LARGEST_HEAD:
            raise PeerError(too_large, f"the head is larger than {LARGEST_HEAD} bytes")
        self._scanned = len(data)
        return -1

    def _begin_body(self, length: int) -> None:
        self._length = length
        self._left = length if length > 0 else 0
        self.writing = BODY

    def _write_body(self, parts: Sequence[bytes | memoryview], size: int) -> None:
        if size >= LARGE:
            self.apart = True
        if self._length == CHUNKED:
            if size:  # an empty chunk would end the body
                self._out += (b"%x\r\n" % size, *parts, b"\r\n")
            return
        if self._length != UNTIL_CLOSE:
            if size > self._left:
                raise OurError("more body than was announced")
            self._left -= size
        self._out += parts

    def _write_end(self) -> None:
        if self._length == CHUNKED:
            self._out.append(b"0\r\n\r\n")
        elif self._left:
            raise OurError("less body than was announced")


# ---------------------------------------------------------------------- the server's side


class ServerConnection(Side):
    """One client's connection.

    `receive` gives Request, Body..., End of one request. Bytes behind it are held until its answer is complete. Then call
    `resume`, which gives the events of the next request; after a 101 was sent, it gives the Raw bytes that came early. Stop
    reading while `paused` is true. After a PeerError one answer may be sent if `answerable`. When an answer is complete and
    `must_close` is true, close the connection. `remembered` is how many bytes of heads are kept with their meaning.
    """

    __slots__ = (
        "_failed", "_known", "_known_size", "_lines", "_old", "_remembered", "_request", "_silent", "_unread", "must_close",
    )  # fmt: skip

    def __init__(self, remembered: int = LARGEST_KNOWN) -> None:
        super().__init__(HEAD)
        self._remembered = remembered
        self._known: dict[bytes, tuple[Request, str]] = {}  # the bytes of a head to its request and version
        self._lines: dict[bytes, Request] = {}  # the header lines of a head to a request that has them
        self._known_size = 0
        self._request: Request | None = None  # the request that is being answered
        self._old = False  # that request came as HTTP/1.0
        self._silent = False  # the answer has no body, whatever the caller sends
        self._failed = False
        self._unread = False  # bytes of the request may still come: it was answered before its end, or its upgrade was refused
        self.must_close = False

    @property
    def paused(self) -> bool:
        """Whether the caller should stop reading, because LARGEST_HELD bytes are held."""
        return self.reading == WAIT and len(self._buffer) >= LARGEST_HELD

    @property
    def answerable(self) -> bool:
        """Whether an answer may be begun, to a request or to bytes that were no request."""
        return self.writing == HEAD

    @property
    def request_complete(self) -> bool:
        """Whether all that the client sent was a request, and it was read to its end."""
        return self.reading != BODY and not self._failed and not self._unread

    # ------------------------------------------------------------------ reading

    def receive(self, data: bytes) -> list[HttpEvent]:
        """The events of more bytes of the client; b"" is their end. Raises PeerError with the HTTP status to answer."""
        if not data:
            return self._ended()
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self.reading == HEAD or self.reading == BODY:
            return self._read(data)
        if self.reading == TUNNEL:
            return [Raw(data)]
        if self.reading == WAIT:
            self._hold(data)
        return []

    def resume(self) -> list[HttpEvent]:
        """The events of the bytes that were held. Call it when an answer is complete, or a 101
        was sent. Raises PeerError as `receive`."""
        data, self._buffer = self._buffer, b""
        if not data:
            return []
        if self.reading == HEAD:
            return self._read(data)
        if self.reading == TUNNEL:
            return [Raw(data)]
        self._buffer = data
        return []

    def _read(self, data: bytes) -> list[HttpEvent]:
        events: list[HttpEvent] = []
        try:
            if self.reading == HEAD:
                end = self._find_head(data, 400, 431)
                if end < 0:
                    self._buffer = data
                    return events
                head = data[:end]
                self._begin(self._known.get(head) or self._parsed(head), events)
                data = data[end + 4 :]
            reader = self._reader
            if reader is not None:
                taken = reader.read(data, events)
                data = data[taken:]
                if reader.complete:
                    self._reader = None
                    self.reading = WAIT
                    events.append(END)
                else:
                    self._buffer = data
                    return events
            if data:
                self._hold(data)
        except PeerError:
            self._fail()
            raise
        return events

    def _begin(self, known: tuple[Request, str], events: list[HttpEvent]) -> None:
        request, version = known
        self._request = request
        self._old = version == "HTTP/1.0"
        self.must_close = not request.keep_alive
        self.writing = HEAD
        events.append(request)
        if request.whole:
            self.reading = WAIT
            events.append(END)
        else:
            self._reader = BodyReader(request.length, answer=False)
            self.reading = BODY

    def _parsed(self, head: bytes) -> tuple[Request, str]:
        """The request in a head that did not come before, and its version. Its header lines often did.

        Of a kubectl GET with a token, parsing the head takes 6.3 us, with header lines that came before 2.2, and with a head that
        came before 0.3 (callgrind: 79,000, 27,000 and 4,000 instructions, most of them by the byte)."""
        at = head.find(b"\r\n")
        lines = head[at:] if at >= 0 else b""
        like = self._lines.get(lines)
        request = request_like(head[:at], like) if like is not None else None
        known = (request, "HTTP/1.1") if request is not None else parse_request(head)
        size = len(head)
        if size <= self._remembered // 4:
            if self._known_size + 2 * size + OF_MEANING > self._remembered:
                self._known.clear()
                self._lines.clear()
                self._known_size = 0
            self._known[head] = known
            self._known_size += size + OF_MEANING
            first = known[0]
            usual = known[1] == "HTTP/1.1" and first.keep_alive and first.length == NO_BODY and not first.upgrade
            if usual and lines not in self._lines:
                self._lines[lines] = first
                self._known_size += len(lines)
        return known

    def _hold(self, data: bytes) -> None:
        """Hold bytes that came behind a request. Behind an upgrade they belong to the new
        protocol, or are dropped (threats A12)."""
        request = self._request
        most = LARGEST_HELD if request is not None and request.upgrade else LARGEST_HELD + LARGEST_READ
        if len(data) > most:
            self._fail()
            raise PeerError(400, "too much was sent before the answer")
        self._buffer = data

    def _ended(self) -> list[HttpEvent]:
        if self.reading == OVER:
            return []
        within = self.reading == BODY or (self.reading == HEAD and bool(self._buffer))
        if within:
            self._fail()
            raise PeerError(400, "the connection ended within a request")
        self.reading = OVER
        self.must_close = True
        self._buffer = b""
        return [Closed()]

    def _fail(self) -> None:
        self._failed = True
        self.must_close = True
        self.reading = OVER
        self._buffer = b""
        self._reader = None
        if self.writing == IDLE:
            self.writing = HEAD  # the answer that refuses the request may be sent

    # ------------------------------------------------------------------ writing

    def send(self, event: HttpEvent) -> None:
        """Send an answer: Informational..., Response, Body..., End; or a 101, then Raw. Raises OurError for any other order."""
        kind = type(event)
        if (self.writing, kind) not in SERVER_SENDS:
            raise OurError(f"a server cannot send {kind.__name__} in state {self.writing}")
        if isinstance(event, Body):
            if not self._silent:
                self._write_body((event.data,), len(event.data))
        elif isinstance(event, BodyParts):
            if not self._silent:
                self._write_body(event.parts, event.size)
        elif isinstance(event, Response):
            self._answer(event)
        elif isinstance(event, End):
            self._finish()
        elif isinstance(event, Raw):
            self._out.append(event.data)
        elif isinstance(event, Informational):
            if event.status < 100 or event.status > 199 or event.status == 101:
                raise OurError("an interim answer is a 1xx, and no 101")
            if not self._old:  # RFC 9110 section 15.2: HTTP/1.0 has no interim answers
                self._out.append(head_bytes(status_line(event.status), event.headers) + CRLF2)

    def send_whole(self, response: Response, body: Body) -> None:
        """Send an answer, its body and its end. It is `send` of the three, for less where nothing is to be weighed."""
        data, request, status = body.data, self._request, response.status
        size = len(data)
        plain = response.length == size < LARGE and 200 <= status < 300 and status != 204 and response.keep_alive
        asked = request is not None and request.method != "HEAD" and not request.upgrade and not self.must_close
        if not (plain and asked and self.writing == HEAD and self.reading == WAIT):
            self.send(response)
            self.send(body)
            self.send(END)
            return
        write_head(self._out, response, size)
        self._out.append(data)
        self._request = None
        self.writing, self.reading = IDLE, HEAD

    def _answer(self, response: Response) -> None:
        request, status = self._request, response.status
        if status == 101:
            if request is None or not request.upgrade or response.upgrade != request.upgrade or self._failed:
                raise OurError("a 101 that nobody asked for")
            write_head(self._out, response, NO_BODY, "Upgrade", request.upgrade)
            self.writing = self.reading = TUNNEL
            return
        if status < 200:
            raise OurError("an interim answer is an Informational")
        unread = self.reading == BODY or (request is not None and request.upgrade != "")
        if unread or not response.keep_alive:
            # Bytes behind a refused upgrade, or the rest of an unread request, must not be read as a request (threats A11, A12).
            self._unread = unread
            self.must_close = True
        length = response.length
        head_only = request is not None and request.method == "HEAD"
        if status == 204:
            length = NO_BODY  # RFC 9110 section 8.6: such an answer has no Content-Length
        elif length == NO_BODY and not head_only and status != 304:
            length = 0  # without a length the body would end with the connection
        elif length == CHUNKED and self._old:
            # HTTP/1.0 has no chunks. Where the answer is cut, the connection ends without close_notify, which tells the client.
            length = UNTIL_CLOSE
        write_head(self._out, response, length, "close" if self.must_close else "")
        self._silent = head_only or status == 204 or status == 304
        self._begin_body(length)

    def _finish(self) -> None:
        if not self._silent:
            self._write_end()
        self._request = None
        if self.must_close:
            self.writing = self.reading = OVER
            self._buffer = b""
        else:
            self.writing, self.reading = IDLE, HEAD
