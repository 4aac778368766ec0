"""HTTP/1.1 heads, written (RFC 9112 sections 2 to 4). What is read is in `http1_message`."""

from __future__ import annotations

from l7gw.wire.errors import OurError
from l7gw.wire.events import CHUNKED, Headers, Request, Response
from l7gw.wire.http1_message import CRLF2
from l7gw.wire.semantics import UNTOLD

REASONS = {
    100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content",
    301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect",
    308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
    412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
    417: "Expectation Failed", 421: "Misdirected Request", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip
STATUS_LINES = {status: f"HTTP/1.1 {status} {reason}" for status, reason in REASONS.items()}


def status_line(status: int) -> str:
    """The status line without its line end. A status that we have no reason phrase for is "Unknown":
    clients ignore the phrase (section 4)."""
    return STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown"


def framing_bytes(length: int, connection: str, upgrade: str) -> bytes:
    """What stands behind the fields of a head: the end of the last line, what the codec alone writes, and the empty line."""
    if not connection and not upgrade:
        if length >= 0:
            return b"\r\ncontent-length: %d\r\n\r\n" % length
        return b"\r\ntransfer-encoding: chunked\r\n\r\n" if length == CHUNKED else CRLF2
    lines = [""]
    if length >= 0:
        lines.append(f"content-length: {length}")
    elif length == CHUNKED:
        lines.append("transfer-encoding: chunked")
    if connection:
        lines.append(f"connection: {connection}")
    if upgrade:
        lines.append(f"upgrade: {upgrade}")
    return "\r\n".join(lines).encode("latin-1") + CRLF2


def first_line(message: Request | Response) -> str:
    """The first line of a message that is sent, without its line end."""
    if isinstance(message, Request):
        return f"{message.method} {message.target} HTTP/1.1"
    return status_line(message.status)


def write_head(
    out: list[bytes | memoryview], message: Request | Response, length: int, connection: str = "", upgrade: str = ""
) -> None:
    """Append a message's head to `out`. Where it is `ready`, only the value of its last field, the framing and, where that may
    differ, the first line are written anew.

    Raises OurError for a header that would end its line, or that repeats what the codec writes (threats A9).
    """
    ready, headers = message.ready, message.headers
    behind = framing_bytes(length, connection, upgrade)
    if ready is None or not headers:
        out.append(head_bytes(first_line(message), headers) + behind)
        return
    value = headers[-1][1]
    line = first_line(message) if ready.any_target else ""
    if ready.http1 and value.isascii() and value.isprintable() and line.isascii() and line.isprintable():  # so neither ends a line
        if line:
            out.append(line.encode("latin-1"))
        out += (ready.http1, value.encode("latin-1"), behind)
        return
    head = head_bytes(line or first_line(message), headers)
    ready.http1 = ready.http1 or head[len(line) : len(head) - len(value)]
    out += (head, behind)


def head_bytes(line: str, headers: Headers) -> bytes:
    """A head as bytes, without its framing and the end of its last line. `line` is its first line.

    Raises OurError for a header that would end its line, or that repeats what this function writes (threats A9).
    """
    parts = [line]
    for name, value in headers:
        if name in UNTOLD:
            raise OurError(f"{name} is written by the codec alone")
        parts.append(f"{name}: {value}")
    text = "\r\n".join(parts)
    breaks = len(parts) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise OurError("a header would end its line")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise OurError("a header that is not latin-1") from error
