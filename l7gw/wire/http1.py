"""HTTP/1.1 in both roles (RFC 9112), sans-IO: bytes in, events out; events in, bytes out.

Stricter than the RFC wherever a smuggler would hope for leniency: one reading, or none. The numbers A1 to A18 are those of
the threat catalogue that the tests walk through. What a message means is decided above; what it *is* is decided here.
"""

from __future__ import annotations

import re

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import (
    CHUNKED,
    NO_BODY,
    Body,
    Closed,
    End,
    Headers,
    HttpEvent,
    Informational,
    Raw,
    Request,
    Response,
)

# ---------------------------------------------------------------------- limits

LARGEST_HEAD = 64 * 1024  # bytes; kube-apiserver takes 1 MiB, no client of it comes near (A6)
MOST_FIELDS = 100  # header lines; Go's clients send about 15, nginx takes 100 of a server
LONGEST_TARGET = 8 * 1024  # bytes, nginx's own; an exec with a longer argv should send a file (A6)
LARGEST_HELD = 64 * 1024  # bytes that wait behind a request: pipelined, or sent ahead of a 101 (A12)
LONGEST_CHUNK_LINE = 16  # hexadecimal digits of a chunk size and its CRLF; extensions are refused (A5)
LARGEST_TRAILERS = 8 * 1024  # bytes; they are checked and dropped (B11)
MOST_INTERIM = 10  # 1xx answers before the answer (A14)
CHUNKS_FREE = 1024  # chunks before the average size counts: one-byte chunks cost a hundred times their payload (A5)
SMALLEST_AVERAGE = 8  # bytes a chunk from then on
MOST_KNOWN_HEADS = 64  # head blocks remembered on one connection; clients repeat themselves
LONGEST_KNOWN_HEAD = 8 * 1024  # bytes; 64 of them are 512 KiB at most

# ---------------------------------------------------------------------- grammar (RFC 9110 section 5, RFC 9112 sections 3 to 5)

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# obs-fold and obs-text are refused in requests; answers may hold obs-text, as a Warning in UTF-8 does (A4)
FIELD = re.compile(rf"({TOKEN}):[ \t]*([!-~](?:[\t -~]*[!-~])?)?[ \t]*", re.ASCII)
ANSWER_FIELD = re.compile(rf"({TOKEN}):[ \t]*([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?[ \t]*")
REQUEST_LINE = re.compile(rf"({TOKEN}) ([!-~]+) (HTTP/[0-9]\.[0-9])", re.ASCII)
STATUS_LINE = re.compile(r"(HTTP/1\.[01]) ([1-5][0-9][0-9])(?: [\t -~\x80-\xff]*)?")
LENGTH = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))  # A7: no CONNECT, no TRACE
BODILESS = frozenset(("GET", "HEAD"))  # A18
UPGRADES = {"websocket": ("websocket", ("GET",)), "spdy/3.1": ("SPDY/3.1", ("GET", "POST"))}  # A13
# Said by the events' own fields, or about this connection alone (RFC 9110 section 7.6.1)
UNTOLD = frozenset(
    "connection content-length expect http2-settings keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
# Fields that say one thing: a second line is a second reading (B12)
SINGLE = frozenset(
    "authorization connection content-encoding content-length content-type expect host if-match if-modified-since"
    " if-none-match impersonate-uid impersonate-user origin proxy-authorization sec-websocket-accept sec-websocket-key"
    " sec-websocket-version transfer-encoding upgrade user-agent".split()
)
SINGLE_IN_ANSWER = frozenset("content-length transfer-encoding connection upgrade location content-type".split())

REASONS = {
    100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 304: "Not Modified",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 412: "Precondition Failed",
    413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 417: "Expectation Failed",
    421: "Misdirected Request", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip

CRLF2 = b"\r\n\r\n"

# ---------------------------------------------------------------------- states
#
#   receiving:  HEAD -> BODY -> WAIT (message read; what follows is held) -> HEAD ...      any -> TUNNEL by a 101, any -> SHUT
#   sending:    IDLE -> HEAD (an answer, or the next request, may be sent) -> BODY -> IDLE
#
HEAD, BODY, WAIT, TUNNEL, SHUT = "head", "body", "wait", "tunnel", "shut"
IDLE = "idle"

# ---------------------------------------------------------------------- parse


def parse_fields(lines: list[str], *, answer: bool, fault: int) -> list[tuple[str, str]]:
    """Header lines as (lower-case name, value). Raises PeerError `fault`, or 431 for too many in a request."""
    if len(lines) > MOST_FIELDS:
        raise PeerError(502 if answer else 431, f"more than {MOST_FIELDS} header fields")
    grammar = ANSWER_FIELD if answer else FIELD
    single = SINGLE_IN_ANSWER if answer else SINGLE
    found: list[tuple[str, str]] = []
    seen: set[str] = set()
    for line in lines:
        match = grammar.fullmatch(line)
        if match is None:
            raise PeerError(fault, "a header line is malformed")
        name = match[1].lower()
        if name in single:
            if name in seen:
                raise PeerError(fault, f"the header {name} stands twice")
            seen.add(name)
        found.append((name, match[2] or ""))
    return found


def framing(fields: dict[str, str], version: str, fault: int) -> int | None:
    """How the body is framed (RFC 9112 section 6.3): a length, CHUNKED, or None where nothing says. A1 to A3."""
    coding, length = fields.get("transfer-encoding"), fields.get("content-length")
    if coding is not None:
        if length is not None:
            raise PeerError(fault, "Content-Length and Transfer-Encoding together")
        if coding.lower() != "chunked" or version != "HTTP/1.1":
            raise PeerError(fault, "a Transfer-Encoding that is not exactly chunked, on HTTP/1.1")
        return CHUNKED
    if length is None:
        return None
    if LENGTH.fullmatch(length) is None:
        raise PeerError(fault, "a Content-Length that is no plain number")
    return int(length)


def connection_options(fields: dict[str, str], fault: int) -> set[str]:
    """What Connection names; anything but these three would strip headers that we add (A10)."""
    options = {option.strip().lower() for option in fields.get("connection", "").split(",") if option.strip()}
    if not options <= {"close", "keep-alive", "upgrade"}:
        raise PeerError(fault, "Connection names more than close, keep-alive or upgrade")
    return options


def parse_request(head: bytes) -> Request:
    """A request's head without its final empty line. Raises PeerError with the HTTP status to answer."""
    text = head.decode("latin-1")
    line, *lines = text.split("\r\n")
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        raise PeerError(400, "the request line is malformed")
    method, target, version = match.groups()
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise PeerError(505, "only HTTP/1.1 is spoken here")
    if method not in METHODS:
        raise PeerError(405, "this method is not served")
    if not target.startswith("/") or "#" in target:  # origin-form alone (A8)
        raise PeerError(400, "the request target is not an absolute path")
    if len(target) > LONGEST_TARGET:
        raise PeerError(414, f"the request target is longer than {LONGEST_TARGET} bytes")
    pairs = parse_fields(lines, answer=False, fault=400)
    fields = dict(pairs)
    if HOST.fullmatch(fields.get("host", "")) is None:
        raise PeerError(400, "Host is missing or malformed")
    length = framing(fields, version, 400)
    if method in BODILESS and length not in (None, 0):
        raise PeerError(400, "a body with GET or HEAD")
    if "content-encoding" in fields:
        raise PeerError(415, "encoded request bodies are not taken; send it plain")
    expects = fields.get("expect")
    if expects is not None and expects.lower() != "100-continue":
        raise PeerError(417, "only 100-continue can be expected")
    options = connection_options(fields, 400)
    upgrade = _upgrade(method, version, options, fields.get("upgrade"), length)
    keep_alive = version == "HTTP/1.1" and "close" not in options
    headers = tuple(pair for pair in pairs if pair[0] not in UNTOLD)
    return Request(method, target, headers, NO_BODY if length is None else length, keep_alive, upgrade, expects is not None)


def _upgrade(method: str, version: str, options: set[str], asked: str | None, length: int | None) -> str:
    """The protocol of a well-formed upgrade request, "" where none is asked (RFC 9110 section 7.8). A13."""
    if asked is None:
        if "upgrade" in options:
            raise PeerError(400, "Connection: upgrade without Upgrade")
        return ""
    known = UPGRADES.get(asked.lower())
    if "upgrade" not in options or version != "HTTP/1.1" or known is None or method not in known[1] or length not in (None, 0):
        raise PeerError(400, "an upgrade that is not taken here: websocket by GET, or SPDY/3.1 by GET or POST")
    return known[0]


def parse_response(head: bytes, method: str, asked_upgrade: str) -> Response | Informational:
    """An answer's head to a request of `method`. Raises PeerError 502."""
    line, *lines = head.decode("latin-1").split("\r\n")
    match = STATUS_LINE.fullmatch(line)
    if match is None:
        raise PeerError(502, "the status line is malformed")
    version, status = match[1], int(match[2])
    pairs = parse_fields(lines, answer=True, fault=502)
    fields = dict(pairs)
    options = {option.strip().lower() for option in fields.get("connection", "").split(",")}
    headers = tuple(pair for pair in pairs if pair[0] not in UNTOLD)
    if status == 101:
        if not asked_upgrade or "upgrade" not in options or fields.get("upgrade", "").lower() != asked_upgrade.lower():
            raise PeerError(502, "a 101 that was not asked for")
        return Response(101, headers, NO_BODY, True, asked_upgrade)
    if status < 200:
        return Informational(status, headers)
    length = framing(fields, version, 502)
    keep_alive = version == "HTTP/1.1" and "close" not in options
    if length is None:
        if method != "HEAD" and status not in (204, 304):
            # Read until close: an end could not be told from a cut. kube-apiserver never sends one.
            raise PeerError(502, "an answer without a length")
        length = NO_BODY
    return Response(status, headers, length, keep_alive)


# ---------------------------------------------------------------------- bodies


class BodyReader:
    """Takes a message body off a buffer (RFC 9112 sections 6 and 7)."""

    __slots__ = ("_chunk", "_chunked", "_chunks", "_fault", "_left", "_payload", "_trailers")

    def __init__(self, length: int, fault: int) -> None:
        self._chunked = length == CHUNKED
        self._left = 0 if self._chunked else max(length, 0)  # of the body, or of this chunk
        self._fault = fault
        self._chunk = "size"  # size | data | end (the CRLF behind it) | trailers
        self._chunks = 0
        self._payload = 0
        self._trailers = 0

    def read(self, buffer: bytearray, events: list[HttpEvent]) -> bool:
        """Append Body events for what the buffer holds, removing it; true when the body is complete."""
        if not self._chunked:
            if self._left and buffer:
                events.append(Body(_take(buffer, self._left)))
                self._left -= len(events[-1].data)  # type: ignore[union-attr]
            return self._left == 0
        pieces: list[bytes] = []
        complete = self._read_chunks(buffer, pieces)
        if pieces:
            events.append(Body(pieces[0] if len(pieces) == 1 else b"".join(pieces)))
        return complete

    def _read_chunks(self, buffer: bytearray, pieces: list[bytes]) -> bool:
        at, end = 0, len(buffer)  # one cut at the end, however many chunks there are
        try:
            while True:
                if self._chunk == "data":
                    stop = min(at + self._left, end)
                    if stop > at:
                        pieces.append(bytes(buffer[at:stop]))
                    self._left -= stop - at
                    at = stop
                    if self._left:
                        return False
                    self._chunk = "end"
                if self._chunk == "end":
                    if end - at < 2:
                        if end > at and buffer[at] != 13:
                            raise PeerError(self._fault, "a chunk does not end where it says")
                        return False
                    if buffer[at : at + 2] != b"\r\n":
                        raise PeerError(self._fault, "a chunk does not end where it says")
                    at += 2
                    self._chunk = "size"
                if self._chunk == "size":
                    line = buffer.find(b"\r\n", at, at + LONGEST_CHUNK_LINE)
                    if line < 0:
                        self._partial_size(buffer, at, end)
                        return False
                    at = self._size(bytes(buffer[at:line]), line + 2)
                if self._chunk == "trailers":
                    line = buffer.find(b"\r\n", at)
                    if line < 0:
                        if end - at + self._trailers > LARGEST_TRAILERS:
                            raise PeerError(self._fault, "the trailers are too large")
                        return False
                    if line == at:
                        at += 2
                        return True
                    self._trailer(bytes(buffer[at:line]))
                    at = line + 2
        finally:
            del buffer[:at]

    def _partial_size(self, buffer: bytearray, at: int, end: int) -> None:
        part = bytes(buffer[at:end])
        digits = part[:-1] if part.endswith(b"\r") else part
        if len(part) >= LONGEST_CHUNK_LINE or (digits and CHUNK_SIZE.fullmatch(digits) is None):
            raise PeerError(self._fault, "a chunk size is malformed")

    def _size(self, digits: bytes, behind: int) -> int:
        if CHUNK_SIZE.fullmatch(digits) is None:
            raise PeerError(self._fault, "a chunk size is malformed")
        self._left = int(digits, 16)
        self._chunks += 1
        self._payload += self._left
        if self._chunks > CHUNKS_FREE and self._payload < self._chunks * SMALLEST_AVERAGE:
            raise PeerError(self._fault, "the chunks are too small")
        self._chunk = "data" if self._left else "trailers"
        return behind

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line) + 2
        if self._trailers > LARGEST_TRAILERS:
            raise PeerError(self._fault, "the trailers are too large")
        parse_fields([line.decode("latin-1")], answer=self._fault == 502, fault=self._fault)


def _take(buffer: bytearray, most: int) -> bytes:
    if len(buffer) <= most:
        data = bytes(buffer)
        buffer.clear()
    else:
        data = bytes(buffer[:most])
        del buffer[:most]
    return data


# ---------------------------------------------------------------------- serialise


def head_bytes(line: str, headers: Headers, length: int, connection: str, upgrade: str, more: str = "") -> bytes:
    """A head as bytes. Raises OurError where a name or value would end its line."""
    parts = [line]
    for name, value in headers:
        parts.append(f"{name}: {value}")
    if length >= 0:
        parts.append(f"content-length: {length}")
    elif length == CHUNKED:
        parts.append("transfer-encoding: chunked")
    if more:
        parts.append(more)
    if connection:
        parts.append(f"connection: {connection}")
    if upgrade:
        parts.append(f"upgrade: {upgrade}")
    text = "\r\n".join(parts)
    if text.count("\r") != len(parts) - 1 or text.count("\n") != len(parts) - 1 or "\0" in text:
        raise OurError("a header would end its line")
    return text.encode("latin-1") + CRLF2


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
