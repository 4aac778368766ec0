"""HTTP/1.1 (RFC 9112), sans-IO: bytes in, events out; events in, bytes out. What both roles share, and the server's side.

Here is what may follow what. The client's side is in `http1_client`, heads and bodies are in `http1_message`. What a message means
is decided above.

A read that ends in a PeerError gives none of its events: what was wrong further on is not acted upon.
"""

from __future__ import annotations

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Body, Closed, End, HttpEvent, Informational, Raw, Request, Response
from l7gw.wire.http1_message import (
    CRLF2,
    BodyReader,
    check_start,
    head_bytes,
    parse_request,
    status_line,
)
from l7gw.wire.semantics import LARGEST_HEAD

# ---------------------------------------------------------------------- limits

LARGEST_HELD = 64 * 1024  # bytes that wait behind a request: pipelined, or sent ahead of a 101 (threats A12)
LARGEST_READ = 272 * 1024  # bytes that may still come when reading is paused: uvloop's TLS reads 256 KiB behind a record's start
LARGEST_KNOWN = 32 * 1024  # bytes of heads remembered on one connection; clients repeat themselves

# ---------------------------------------------------------------------- states
#
# Reading:   IDLE (client: nothing asked)   HEAD   BODY   WAIT (server: a request is read, what follows is held)   TUNNEL   OVER
#   server:  HEAD -Request-> BODY -End-> WAIT -our End-> HEAD          WAIT -our 101-> TUNNEL         all -PeerError, end-> OVER
#   client:  IDLE -our Request-> HEAD -Response-> BODY -End-> IDLE     HEAD -101-> TUNNEL             all -PeerError, end-> OVER
#
# Writing is a table of each side, SERVER_SENDS and `http1_client`'s CLIENT_SENDS; what has no row raises OurError. A 101
# leads to TUNNEL, an End that must be the last to OVER.

IDLE, HEAD, BODY, WAIT, TUNNEL, OVER = "idle", "head", "body", "wait", "tunnel", "over"

SERVER_SENDS = {
    (HEAD, Informational): HEAD,
    (HEAD, Response): BODY,
    (BODY, Body): BODY,
    (BODY, End): IDLE,
    (TUNNEL, Raw): TUNNEL,
}

UNTIL_CLOSE = -3  # the length of a body whose end is the connection's (RFC 9112 section 6.3 rule 8); only to HTTP/1.0


class Side:
    """What both roles share: the bytes not yet read, those to write, the body being read and the one being written."""

    __slots__ = ("_buffer", "_left", "_length", "_out", "_reader", "_scanned", "reading", "writing")

    def __init__(self, reading: str) -> None:
        self._buffer = b""
        self._scanned = 0  # bytes of the buffer in which no end of a head was found
        self._reader: BodyReader | None = None
        self._out: list[bytes] = []
        self._length = NO_BODY  # of the message being written
        self._left = 0  # bytes of it to come, where its length is a number
        self.reading = reading
        self.writing = IDLE

    def take(self) -> bytes:
        """What to write now; empties it."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def _find_head(self, data: bytes, fault: int, too_large: int) -> int:
        """Where the head that `data` begins with ends; -1 while it is not whole. Never looks at a byte twice."""
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

    def _write_body(self, data: bytes) -> None:
        if self._length == CHUNKED:
            if data:  # an empty chunk would be the last
                self._out += (b"%x\r\n" % len(data), data, b"\r\n")
            return
        if self._length != UNTIL_CLOSE:
            if len(data) > self._left:
                raise OurError("more body than was announced")
            self._left -= len(data)
        self._out.append(data)

    def _write_end(self) -> None:
        if self._length == CHUNKED:
            self._out.append(b"0\r\n\r\n")
        elif self._left:
            raise OurError("less body than was announced")


# ---------------------------------------------------------------------- the server's side


class ServerConnection(Side):
    """One client's connection.

    `receive` gives Request, Body..., End of one request; what follows it is held until its answer is complete. Then call
    `resume` for the next, or, once a 101 is sent, for the Raw bytes that came early. While `paused`, stop reading. After a
    PeerError one answer may be sent if `answerable`. When an answer is complete and `must_close` is true, close the connection.
    """

    __slots__ = ("_failed", "_known", "_known_size", "_old", "_request", "_silent", "_unread", "must_close")

    def __init__(self) -> None:
        super().__init__(HEAD)
        self._known: dict[bytes, tuple[Request, str]] = {}  # head bytes, as they came, to what they say
        self._known_size = 0
        self._request: Request | None = None  # the one being answered
        self._old = False  # it came as HTTP/1.0
        self._silent = False  # the answer being sent has no body, whatever is sent
        self._failed = False
        self._unread = False  # the answer came before the request's end, or more may come behind a refused upgrade
        self.must_close = False

    @property
    def paused(self) -> bool:
        """Whether the caller should stop reading: as much is held as may be."""
        return self.reading == WAIT and len(self._buffer) >= LARGEST_HELD

    @property
    def answerable(self) -> bool:
        """Whether an answer may be begun: to a request, or to what was no request."""
        return self.writing == HEAD

    @property
    def request_complete(self) -> bool:
        """Whether all that the client sent was a request read to its end."""
        return self.reading != BODY and not self._failed and not self._unread

    # ------------------------------------------------------------------ reading

    def receive(self, data: bytes) -> list[HttpEvent]:
        """Bytes of the client; b"" is their end. Raises PeerError with the HTTP status to answer."""
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
        """Once an answer is complete: the next request's events; after a 101, what came behind its request. Raises PeerError."""
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
                self._begin(data[:end], events)
                data = data[end + 4 :]
            reader = self._reader
            if reader is not None:
                data = data[reader.read(data, events) :]
                if reader.complete:
                    self._reader = None
                    self.reading = WAIT
                    events.append(End())
                else:
                    self._buffer = data
                    return events
            if data:
                self._hold(data)
        except PeerError:
            self._fail()
            raise
        return events

    def _begin(self, head: bytes, events: list[HttpEvent]) -> None:
        # A kubectl GET read and answered with 1 kB, in thousands a second on one core: 265 where its head was seen before, else
        # 104 (5.3 us of it to parse the head).
        known = self._known.get(head)
        if known is None:
            known = parse_request(head)
            self._remember(head, known)
        request, version = known
        self._request = request
        self._old = version == "HTTP/1.0"
        self.must_close = not request.keep_alive
        self.writing = HEAD
        events.append(request)
        if request.length == 0 or request.length == NO_BODY:
            self.reading = WAIT
            events.append(End())
        else:
            self._reader = BodyReader(request.length, answer=False)
            self.reading = BODY

    def _remember(self, head: bytes, known: tuple[Request, str]) -> None:
        size = len(head)
        if size > LARGEST_KNOWN // 4:
            return
        if self._known_size + size > LARGEST_KNOWN:
            self._known.clear()
            self._known_size = 0
        self._known[head] = known
        self._known_size += size

    def _hold(self, data: bytes) -> None:
        """Keep what came behind a request. Behind an upgrade it is the other protocol's, or nothing's (threats A12)."""
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
            self.writing = HEAD  # the refusal

    # ------------------------------------------------------------------ writing

    def send(self, event: HttpEvent) -> None:
        """An answer: Informational..., Response, Body..., End; or a 101, then Raw. Raises OurError out of order."""
        kind = type(event)
        if (self.writing, kind) not in SERVER_SENDS:
            raise OurError(f"a server cannot send {kind.__name__} in state {self.writing}")
        if isinstance(event, Body):
            if not self._silent:
                self._write_body(event.data)
        elif isinstance(event, Response):
            self._answer(event)
        elif isinstance(event, End):
            self._finish()
        elif isinstance(event, Raw):
            self._out.append(event.data)
        elif isinstance(event, Informational):
            if event.status < 100 or event.status > 199 or event.status == 101:
                raise OurError("an interim answer is a 1xx, and no 101")
            if not self._old:  # RFC 9110 section 15.2
                self._out.append(head_bytes(status_line(event.status), event.headers, NO_BODY))

    def _answer(self, response: Response) -> None:
        request, status = self._request, response.status
        if status == 101:
            if request is None or not request.upgrade or response.upgrade != request.upgrade or self._failed:
                raise OurError("a 101 that nobody asked for")
            self._out.append(head_bytes(status_line(101), response.headers, NO_BODY, "Upgrade", request.upgrade))
            self.writing = self.reading = TUNNEL
            return
        if status < 200:
            raise OurError("an interim answer is an Informational")
        unread = self.reading == BODY or (request is not None and request.upgrade != "")
        if unread or not response.keep_alive:
            # Of a request not read to its end, or a refused upgrade, nothing more may be taken for a request (threats A11, A12).
            self._unread = unread
            self.must_close = True
        length = response.length
        head_only = request is not None and request.method == "HEAD"
        if status == 204:
            length = NO_BODY  # RFC 9110 section 8.6
        elif length == NO_BODY and not head_only and status != 304:
            length = 0  # no length would mean: until the connection closes
        elif length == CHUNKED and self._old:
            # HTTP/1.0 knows no chunks; a cut answer is told by a connection that ends without close_notify.
            length = UNTIL_CLOSE
        close = "close" if self.must_close else ""
        self._out.append(head_bytes(status_line(status), response.headers, length, close))
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
