"""HTTP/1.1 messages: heads and bodies as bytes (RFC 9112 sections 2 to 7). `http1` says when which may come."""

from __future__ import annotations

import re

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import (
    CHUNKED,
    NO_BODY,
    Body,
    Headers,
    HttpEvent,
    Informational,
    Request,
    Response,
)

# ---------------------------------------------------------------------- limits

LARGEST_HEAD = 64 * 1024  # bytes; kube-apiserver takes 1 MiB, no client of it comes near (A6)
MOST_FIELDS = 100  # header lines; Go's clients send about 15, nginx takes 100 of a server
LONGEST_TARGET = 8 * 1024  # bytes, nginx's own; an exec with a longer argv should send a file (A6)
LONGEST_CHUNK_LINE = 16  # hexadecimal digits of a chunk size and its CRLF; extensions are refused (A5)
LARGEST_TRAILERS = 8 * 1024  # bytes; they are checked and dropped (B11)
CHUNKS_FREE = 1024  # chunks before the average size counts: one-byte chunks cost a hundred times their payload (A5)
SMALLEST_AVERAGE = 8  # bytes a chunk from then on

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
