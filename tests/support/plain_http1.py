"""Plain twins of what reads HTTP/1.1's heads: line by line and rule by rule, as the RFCs say it. The codec's own functions do the same
in fewer steps, and are held against these."""

from __future__ import annotations

import re

from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Informational, Request, Response
from l7gw.wire.semantics import (
    MOST_FIELDS,
    NAME,
    SINGLE,
    SINGLE_IN_ANSWER,
    TOKEN,
    UNTOLD,
    VISIBLE,
    check_body,
    check_deciding,
    check_host,
    check_line,
    check_plain,
    one_line_each,
    plain_length,
)
from l7gw.wire.upgrades import UPGRADES

REQUEST_LINE = re.compile(rf"({TOKEN}) ([!-~]+) (HTTP/[0-9]\.[0-9])")
STATUS_LINE = re.compile(r"(HTTP/1\.[01]) ([1-5][0-9][0-9])(?: [\t -~\x80-\xff]*)?")
# The options that Connection may name (threats A10). `te` is one because libwww-perl sends `TE, close`; the TE field is dropped.
OPTIONS = frozenset(("close", "keep-alive", "te", "upgrade"))


def _lines(head: bytes, fault: int) -> list[str]:
    """The lines of a head. A head may hold no control character but the tab, and the CR LF of each line."""
    lines = head.decode("latin-1").split("\r\n")
    if head.translate(None, VISIBLE) != b"\r\n" * (len(lines) - 1):
        raise PeerError(fault, "a line that does not end in CR LF, or a byte that no head may hold")
    return lines


def parse_fields(lines: list[str], single: frozenset[str], fault: int) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """The fields in header lines, as pairs of lower-case name and value and as a dict. Several lines of a list are joined."""
    pairs: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if NAME.fullmatch(name) is None:  # also for white space before the colon, and a folded line (RFC 9112 section 5.1, 5.2)
            raise PeerError(fault, "a header's name is malformed")
        if not colon:
            raise PeerError(fault, "a header line has no colon")
        pairs.append((name.lower(), value.strip(" \t")))
    fields = dict(pairs)
    if len(fields) != len(pairs):
        pairs = one_line_each(pairs, single, fault)
        fields = dict(pairs)
    return pairs, fields


def framing(fields: dict[str, str], version: str, fault: int) -> int | None:
    """The framing of a body (RFC 9112 section 6.3): a length in bytes, CHUNKED, or None where no field says (threats A1 to A3)."""
    coding, length = fields.get("transfer-encoding"), fields.get("content-length")
    if coding is not None:
        if length is not None:
            raise PeerError(fault, "Content-Length and Transfer-Encoding together")
        if coding.lower() != "chunked" or version != "HTTP/1.1":
            raise PeerError(fault, "a Transfer-Encoding that is not exactly chunked, on HTTP/1.1")
        return CHUNKED
    if length is None:
        return None
    return plain_length(length, fault)


def connection_options(fields: dict[str, str]) -> frozenset[str]:
    """The options that Connection names, in lower case (RFC 9110 section 7.6.1)."""
    value = fields.get("connection")
    if value is None:
        return frozenset()
    return frozenset([name for part in value.split(",") if (name := part.strip(" \t").lower())])


def parse_request(head: bytes) -> tuple[Request, str]:
    """The request in a head, and its version, "HTTP/1.0" or "HTTP/1.1". `head` ends before the empty line.

    HTTP/1.0, which health checks use, may send one request on a connection, without chunks or an upgrade. Raises
    PeerError with the HTTP status to answer.
    """
    lines = _lines(head, 400)
    match = REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise PeerError(400, "the request line is malformed")
    method, target, version = match.groups()
    if version != "HTTP/1.1" and version != "HTTP/1.0":
        raise PeerError(505, "only HTTP/1.1 is spoken here")
    check_line(method, target)
    if len(lines) > MOST_FIELDS + 1:
        raise PeerError(431, f"more than {MOST_FIELDS} header fields")
    pairs, fields = parse_fields(lines[1:], SINGLE, 400)
    if not head.isascii():
        check_deciding(pairs)
    check_host(fields.get("host", ""))
    length = framing(fields, version, 400)
    check_body(method, NO_BODY if length is None else length)
    options = connection_options(fields)
    if not options <= OPTIONS:  # other options would make the cluster drop headers that we add (threats A10)
        raise PeerError(400, "Connection names more than close, keep-alive, TE or upgrade")
    upgrade = _upgrade(method, version, options, fields.get("upgrade"), length)
    expects = check_plain(fields)
    headers = tuple([pair for pair in pairs if pair[0] not in UNTOLD])
    keep_alive = version == "HTTP/1.1" and "close" not in options
    waits = expects and length is not None and length != 0 and version == "HTTP/1.1"
    return Request(method, target, headers, NO_BODY if length is None else length, keep_alive, upgrade, waits), version


def _upgrade(method: str, version: str, options: frozenset[str], asked: str | None, length: int | None) -> str:
    """The protocol that an upgrade request asks for, "" where it asks for none (RFC 9110 section 7.8, threats A13)."""
    if asked is None:
        if "upgrade" in options:
            raise PeerError(400, "Connection: upgrade without Upgrade")
        return ""
    known = UPGRADES.get(asked.lower())
    if "upgrade" not in options or version != "HTTP/1.1" or known is None or method not in known[1] or length:
        raise PeerError(400, "an upgrade that is not taken here: websocket by GET, or SPDY/3.1 by GET or POST")
    return known[0]


def parse_response(head: bytes, method: str, upgrade: str) -> Response | Informational:
    """The answer in a head. `method` and `upgrade` ("" for none) are those of its request.
    Raises PeerError 502 (threats A11, A14)."""
    lines = _lines(head, 502)
    match = STATUS_LINE.fullmatch(lines[0])
    if match is None:
        raise PeerError(502, "the status line is malformed")
    version, status = match[1], int(match[2])
    if len(lines) > MOST_FIELDS + 1:
        raise PeerError(502, f"more than {MOST_FIELDS} header fields")
    pairs, fields = parse_fields(lines[1:], SINGLE_IN_ANSWER, 502)
    length = framing(fields, version, 502)
    options = connection_options(fields)
    untold = UNTOLD if options <= OPTIONS else UNTOLD | options  # RFC 9110 section 7.6.1
    headers = tuple([pair for pair in pairs if pair[0] not in untold])
    if (status < 200 or status == 204) and length:
        # RFC 9110 section 8.6 forbids a Content-Length here. A reader that believed it would
        # wait for a body that others do not read.
        raise PeerError(502, "a length on an answer that has no body")
    if status == 101:
        if not upgrade or "upgrade" not in options or fields.get("upgrade", "").lower() != upgrade.lower():
            raise PeerError(502, "a 101 that was not asked for")
        return Response(101, headers, NO_BODY, upgrade=upgrade)
    if status < 200:
        return Informational(status, headers)
    if length is None:
        if method != "HEAD" and status != 204 and status != 304:
            # A body until the connection ends: its end could not be told from a cut (threats I8). kube-apiserver never sends one.
            raise PeerError(502, "an answer without a length")
        length = NO_BODY
    return Response(status, headers, length, version == "HTTP/1.1" and "close" not in options)
