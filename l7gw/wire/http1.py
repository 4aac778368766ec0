"""HTTP/1.1 in both roles (RFC 9112), sans-IO: bytes in, events out; events in, bytes out.

Stricter than the RFC wherever a smuggler would hope for leniency: one reading, or none. The numbers A1 to A18 are those of
the threat catalogue that the tests walk through. What a message means is decided above; what it *is* is decided here.
"""

from __future__ import annotations

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import (
    CHUNKED,
    NO_BODY,
    Body,
    Closed,
    End,
    HttpEvent,
    Informational,
    Raw,
    Request,
    Response,
)
from l7gw.wire.http1_message import (
    CRLF2,
    LARGEST_HEAD,
    LONGEST_TARGET,
    REASONS,
    BodyReader,
    head_bytes,
    parse_request,
    parse_response,
)

# ---------------------------------------------------------------------- limits

LARGEST_HELD = 64 * 1024  # bytes that wait behind a request: pipelined, or sent ahead of a 101 (A12)
MOST_INTERIM = 10  # 1xx answers before the answer (A14)
MOST_KNOWN_HEADS = 64  # head blocks remembered on one connection; clients repeat themselves
LONGEST_KNOWN_HEAD = 8 * 1024  # bytes; 64 of them are 512 KiB at most

# ---------------------------------------------------------------------- states
#
#   receiving:  HEAD -> BODY -> WAIT (message read; what follows is held) -> HEAD ...      any -> TUNNEL by a 101, any -> SHUT
#   sending:    IDLE -> HEAD (an answer, or the next request, may be sent) -> BODY -> IDLE
#
HEAD, BODY, WAIT, TUNNEL, SHUT = "head", "body", "wait", "tunnel", "shut"
IDLE = "idle"


class _Side:
    """What both roles share: the buffer, the output, the body being read and the one being written."""

    __slots__ = ("_buffer", "_length", "_out", "_reader", "_scanned", "_sent", "receiving", "sending")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._reader: BodyReader | None = None
        self._scanned = 0  # bytes of the buffer in which no end of a head was found
        self._length = NO_BODY  # of the message being sent
        self._sent = 0
        self.receiving = HEAD
        self.sending = IDLE

    def take(self) -> bytes:
        """What to write now."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def _head(self, too_large: int, answer: bool) -> bytes | None:
        """The next head, taken off the buffer; None until it is whole. Raises PeerError when it can only be malformed."""
        buffer = self._buffer
        end = buffer.find(CRLF2, max(0, self._scanned - 3))
        if end < 0 or end > LARGEST_HEAD:
            if len(buffer) > LARGEST_HEAD:
                raise PeerError(too_large, f"the head is larger than {LARGEST_HEAD} bytes")
            self._refuse_early(buffer, answer)
            self._scanned = len(buffer)
            return None
        self._scanned = 0
        head = bytes(buffer[:end])
        del buffer[: end + 4]
        return head

    def _refuse_early(self, buffer: bytearray, answer: bool) -> None:
        """A bare LF never becomes a line's end; what waits for one must not wait for ever (A4)."""
        fault = 502 if answer else 400
        if buffer and buffer[0] in b"\r\n":
            raise PeerError(fault, "an empty line where a message should begin")
        at = buffer.find(b"\n", max(0, self._scanned - 1))
        while at >= 0:
            if at == 0 or buffer[at - 1] != 13:
                raise PeerError(fault, "a line ends in a bare LF")
            at = buffer.find(b"\n", at + 1)
        if not answer and b"\r\n" not in buffer and len(buffer) > LONGEST_TARGET + 32:
            raise PeerError(414, f"the request target is longer than {LONGEST_TARGET} bytes")

    def _write_body(self, data: bytes) -> None:
        if self.sending != BODY:
            raise OurError("a body without a head")
        if not data:
            return
        if self._length == CHUNKED:
            self._out += (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._sent += len(data)
            if self._sent > self._length:
                raise OurError("more body than was announced")
            self._out.append(data)

    def _write_end(self) -> None:
        if self.sending != BODY:
            raise OurError("an end without a head")
        if self._length == CHUNKED:
            self._out.append(b"0\r\n\r\n")
        elif self._sent < self._length:
            raise OurError("less body than was announced")
        self.sending = IDLE


# ---------------------------------------------------------------------- the server's side


class ServerConnection(_Side):
    """One client's connection.

    `receive` gives Request, Body..., End of one request; what follows it is held until its answer is complete. Then call
    `resume` for the next (or for the Raw bytes behind a 101). After a PeerError one answer may still be sent while
    `answerable`; afterwards, and whenever `must_close` is true once an answer is complete, close the connection.
    """

    __slots__ = ("_failed", "_known", "_method", "_request", "_silent", "_unread", "must_close")

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[bytes, Request] = {}
        self._request: Request | None = None
        self._method = "GET"
        self._failed = False
        self._unread = False  # it was answered before its end, or more may come behind a refused upgrade
        self._silent = False  # the answer being sent has no body, whatever is sent
        self.must_close = False

    @property
    def paused(self) -> bool:
        """Whether the caller should stop reading: as much is held as may be."""
        return self.receiving == WAIT and len(self._buffer) >= LARGEST_HELD

    @property
    def answerable(self) -> bool:
        """Whether an answer may be begun: to a request, or to what was no request."""
        return self.sending == HEAD or (self._failed and self.sending == IDLE)

    @property
    def request_complete(self) -> bool:
        """Whether the request being answered was read to its end."""
        return self.receiving != BODY and not self._failed and not self._unread

    def receive(self, data: bytes) -> list[HttpEvent]:
        """Bytes of the client; b"" is their end. Raises PeerError with the status to answer."""
        if self.receiving == TUNNEL:
            return [Raw(data)] if data else [Closed()]
        if self.receiving == SHUT:
            return []
        if not data:
            complete = self.receiving == HEAD and not self._buffer
            self.receiving = SHUT
            if not complete and self._request is None:
                self._failed = True
                raise PeerError(400, "the connection ended within a request")
            return [Closed()]
        if self.receiving == WAIT and len(self._buffer) + len(data) > 2 * LARGEST_HELD:
            self._fail()
            raise PeerError(400, "too much was sent before the answer")
        self._buffer += data
        return self._read()

    def resume(self) -> list[HttpEvent]:
        """Once an answer is complete: the next request's events, or what came behind a 101."""
        if self.receiving == TUNNEL:
            early = bytes(self._buffer)
            self._buffer.clear()
            return [Raw(early)] if early else []
        return self._read()

    def _read(self) -> list[HttpEvent]:
        events: list[HttpEvent] = []
        try:
            if self.receiving == HEAD and self._buffer:
                head = self._head(431, answer=False)
                if head is not None:
                    self._begin(head, events)
            if self.receiving == BODY and self._reader is not None and self._reader.read(self._buffer, events):
                self._reader = None
                self.receiving = WAIT
                events.append(End())
        except PeerError:
            self._fail()
            raise
        return events

    def _begin(self, head: bytes, events: list[HttpEvent]) -> None:
        # A head seen before is not parsed again: 0.2 us instead of 11 us for kubectl's.
        request = self._known.get(head)
        if request is None:
            request = parse_request(head)
            if len(head) <= LONGEST_KNOWN_HEAD:
                if len(self._known) >= MOST_KNOWN_HEADS:
                    self._known.clear()
                self._known[head] = request
        self._request = request
        self._method = request.method
        self.sending = HEAD
        self.must_close = not request.keep_alive
        events.append(request)
        if request.length > 0 or request.length == CHUNKED:
            self._reader = BodyReader(request.length, 400)
            self.receiving = BODY
        else:
            self.receiving = WAIT
            events.append(End())

    def _fail(self) -> None:
        self._failed = True
        self.must_close = True
        self.receiving = SHUT
        self._buffer.clear()

    def send(self, event: HttpEvent) -> None:
        """An answer: Informational..., Response, Body..., End; Raw behind a 101. Raises OurError out of order."""
        kind = type(event)
        if kind is Body:
            if not self._silent:
                self._write_body(event.data)  # type: ignore[union-attr]
        elif kind is End:
            self._end()
        elif kind is Response:
            assert isinstance(event, Response)
            self._answer(event)
        elif kind is Raw:
            if self.sending != TUNNEL:
                raise OurError("raw bytes without a 101")
            self._out.append(event.data)  # type: ignore[union-attr]
        elif kind is Informational:
            assert isinstance(event, Informational)
            if self.sending != HEAD:
                raise OurError("an interim answer out of place")
            self._out.append(head_bytes(f"HTTP/1.1 {event.status} {_reason(event.status)}", event.headers, NO_BODY, "", ""))
        else:
            raise OurError(f"a server cannot send {kind.__name__}")

    def _answer(self, response: Response) -> None:
        if not self.answerable:
            raise OurError("an answer to nothing")
        line = f"HTTP/1.1 {response.status} {_reason(response.status)}"
        request = self._request
        if response.status == 101:
            if request is None or not request.upgrade or response.upgrade.lower() != request.upgrade.lower():
                raise OurError("a 101 that nobody asked for")
            self._out.append(head_bytes(line, response.headers, NO_BODY, "Upgrade", request.upgrade))
            self.sending = self.receiving = TUNNEL
            return
        if not response.keep_alive or self.receiving == BODY or (request is not None and request.upgrade):
            # A request not read to its end, or a refused upgrade: what follows must never be taken for a request (A12).
            self.must_close = True
            self._unread = self.receiving == BODY or bool(request is not None and request.upgrade)
        self._silent = self._method == "HEAD" or response.status in (204, 304)
        self._length, self._sent = response.length, 0
        self._out.append(head_bytes(line, response.headers, response.length, "close" if self.must_close else "", ""))
        self.sending = BODY

    def _end(self) -> None:
        if self._silent:
            self._silent = False
            if self.sending != BODY:
                raise OurError("an end without a head")
            self.sending = IDLE
        else:
            if self._length == NO_BODY:
                self._length = 0
            self._write_end()
        self._request = None
        self._method = "GET"
        if self.must_close:
            self.receiving = SHUT
            self._buffer.clear()
        else:
            self.receiving = HEAD


def _reason(status: int) -> str:
    return REASONS.get(status, "Unknown")


# ---------------------------------------------------------------------- the client's side


class ClientConnection(_Side):
    """One connection to a server: `send` a Request, Body..., End; `receive` gives Informational..., Response, Body..., End, or
    after a 101 Raw. `reusable` says whether the next request may go on it. Any PeerError (502) ends it."""

    __slots__ = ("_interim", "_keep_alive", "_method", "_upgrade")

    def __init__(self) -> None:
        super().__init__()
        self.receiving = IDLE
        self._method = "GET"
        self._upgrade = ""
        self._keep_alive = True
        self._interim = 0

    @property
    def reusable(self) -> bool:
        """The last exchange is complete both ways, and nothing is in doubt."""
        return self.receiving == IDLE and self.sending == IDLE and self._keep_alive and not self._buffer

    def send(self, event: HttpEvent) -> None:
        """Raises OurError out of order."""
        kind = type(event)
        if kind is Request:
            assert isinstance(event, Request)
            self._begin(event)
        elif kind is Body:
            self._write_body(event.data)  # type: ignore[union-attr]
        elif kind is End:
            if self._length == NO_BODY:
                self._length = 0
            self._write_end()
        elif kind is Raw:
            if self.receiving != TUNNEL:
                raise OurError("raw bytes without a 101")
            self._out.append(event.data)  # type: ignore[union-attr]
        else:
            raise OurError(f"a client cannot send {kind.__name__}")

    def _begin(self, request: Request) -> None:
        if not self.reusable:
            raise OurError("the former exchange is not complete")
        self._method, self._upgrade = request.method, request.upgrade
        self._interim = 0
        self._length, self._sent = request.length, 0
        connection = "Upgrade" if request.upgrade else "" if request.keep_alive else "close"
        line = f"{request.method} {request.target} HTTP/1.1"
        self._out.append(head_bytes(line, request.headers, request.length, connection, request.upgrade))
        self.sending = BODY
        self.receiving = HEAD

    def receive(self, data: bytes) -> list[HttpEvent]:
        """Bytes of the server; b"" is their end. Raises PeerError."""
        if self.receiving == TUNNEL:
            return [Raw(data)] if data else [Closed()]
        if self.receiving == SHUT:
            return []
        if not data:
            within = self.receiving in (HEAD, BODY) or bool(self._buffer)
            self.receiving = SHUT
            if within:
                raise PeerError(502, "the connection ended within the answer")
            return [Closed()]
        if self.receiving == IDLE:
            self.receiving = SHUT
            raise PeerError(502, "bytes that answer nothing")
        self._buffer += data
        try:
            return self._read()
        except PeerError:
            self.receiving = SHUT
            raise

    def _read(self) -> list[HttpEvent]:
        events: list[HttpEvent] = []
        while self.receiving == HEAD and self._buffer:
            head = self._head(502, answer=True)
            if head is None:
                return events
            answer = parse_response(head, self._method, self._upgrade)
            events.append(answer)
            if type(answer) is Informational:
                self._interim += 1
                if self._interim > MOST_INTERIM:
                    raise PeerError(502, "too many interim answers")
            else:
                assert isinstance(answer, Response)
                self._answered(answer, events)
        if self.receiving == BODY and self._reader is not None and self._reader.read(self._buffer, events):
            self._finished(events)
        return events

    def _answered(self, answer: Response, events: list[HttpEvent]) -> None:
        if answer.status == 101:
            self.receiving = TUNNEL
            if self._buffer:  # stream bytes right behind the 101 (kubernetes-wire section 6, rule 3)
                events.append(Raw(bytes(self._buffer)))
                self._buffer.clear()
            return
        self._keep_alive = answer.keep_alive and not self._upgrade
        if self._method == "HEAD" or answer.status in (204, 304) or answer.length in (0, NO_BODY):
            self._finished(events)
        else:
            self._reader = BodyReader(answer.length, 502)
            self.receiving = BODY

    def _finished(self, events: list[HttpEvent]) -> None:
        self._reader = None
        self.receiving = IDLE
        events.append(End())
