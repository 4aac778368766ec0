"""HTTP/1.1 heads (RFC 9112 sections 2 to 6): bytes to events. Bodies are in `http1_body`; `http1` says in which order they come.

The rules are stricter than the RFC. What two readers could read in two ways is refused
(threats A1 to A18, B11, B12, I8; each has tests).
"""

from __future__ import annotations

import re

from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Informational, Request, Response
from l7gw.wire.semantics import (
    LONGEST_TARGET,
    METHODS,
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

# ---------------------------------------------------------------------- grammar (RFC 9110 section 5, RFC 9112 sections 3 to 5)

REQUEST_LINE = re.compile(rf"({TOKEN}) ([!-~]+) (HTTP/[0-9]\.[0-9])")
STATUS_LINE = re.compile(r"(HTTP/1\.[01]) ([1-5][0-9][0-9])(?: [\t -~\x80-\xff]*)?")
# A chunk's size line. Extensions and white space are refused; eight digits reach 4 GiB (threats A5).
BROKEN_LINE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")  # a CR at the very end may be followed by its LF in the next read

CRLF2 = b"\r\n\r\n"
# The options that Connection may name (threats A10). `te` is one because libwww-perl sends `TE, close`; the TE field is dropped.
OPTIONS = frozenset(("close", "keep-alive", "te", "upgrade"))

# Header names as they were spelled so far, those of Go, Python and JavaScript from the start. A look-up here takes a third of the
# time of a regular expression and lower().
_SPELLED = {
    spelled: name
    for name in sorted(UNTOLD | SINGLE | SINGLE_IN_ANSWER)
    + "accept accept-encoding accept-language audit-id cache-control impersonate-group link retry-after sec-websocket-protocol"
    " server traceparent vary warning x-forwarded-for x-kubernetes-pf-flowschema-uid x-kubernetes-pf-prioritylevel-uid"
    " x-stream-protocol-version".split()
    for spelled in (name, name.title())
}
MOST_SPELLED = 1024  # of at most 64 characters
# The fields that decide about more than themselves. A head without any of them has no body, and keeps the connection.
_WEIGHTY = UNTOLD | {"content-encoding"}

# ---------------------------------------------------------------------- heads (sections 2 to 6)


def check_start(part: bytes, scanned: int, fault: int) -> None:
    """Refuse the beginning of a head that no further bytes can make valid, so that nothing waits for its end (threats A4)."""
    if part and NAME.fullmatch(chr(part[0])) is None:
        raise PeerError(fault, "a message does not begin with its first line")
    if BROKEN_LINE.search(part, max(0, scanned - 1)) is not None:
        raise PeerError(fault, "a line does not end in CR LF")


def lines_of(head: bytes, fault: int) -> list[str]:
    """The lines of a head. A head may hold no control character but the tab, and the CR LF of each line."""
    text = head.decode("latin-1")
    lines = text.split("\r\n")
    if head.translate(None, VISIBLE) != b"\r\n" * (len(lines) - 1):
        raise PeerError(fault, "a line that does not end in CR LF, or a byte that no head may hold")
    return lines


def parse_fields(lines: list[str], single: frozenset[str], fault: int) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """The fields in header lines, as pairs of lower-case name and value and as a dict. Several lines of a list are joined."""
    try:
        pairs = [(_SPELLED[name], value.strip(" \t")) for name, value in [line.split(": ", 1) for line in lines]]
    except (KeyError, ValueError):
        pairs = [_field(line, fault) for line in lines]
    fields = dict(pairs)
    if len(fields) != len(pairs):
        pairs = one_line_each(pairs, single, fault)
        fields = dict(pairs)
    return pairs, fields


def _field(line: str, fault: int) -> tuple[str, str]:
    """The field in a line; its name is new, or no space stands behind its colon."""
    spelled, colon, value = line.partition(":")
    name = _SPELLED.get(spelled)
    if name is None:
        if NAME.fullmatch(spelled) is None:  # also for white space before the colon, and a folded line (RFC 9112 section 5.1, 5.2)
            raise PeerError(fault, "a header's name is malformed")
        name = spelled.lower()
        if colon and len(_SPELLED) < MOST_SPELLED and len(spelled) <= 64:
            _SPELLED[spelled] = name
    if not colon:
        raise PeerError(fault, "a header line has no colon")
    return name, value.strip(" \t")


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
    lines = lines_of(head, 400)
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
    if _WEIGHTY.isdisjoint(fields):
        return Request(method, target, tuple(pairs), NO_BODY, version == "HTTP/1.1", whole=True), version
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
    stated = NO_BODY if length is None else length
    return Request(method, target, headers, stated, keep_alive, upgrade, waits, whole=not length), version


def request_like(line: bytes, like: Request) -> Request | None:
    """The request with this first line, and with the header lines of a request of HTTP/1.1 that was read before, had no body and no
    upgrade, and kept the connection: what such lines say depends on no first line. None where this one is not a usual one of
    HTTP/1.1: the whole head is then parsed, which takes three times as long."""
    method, _, rest = line.decode("latin-1").partition(" ")
    target, _, version = rest.partition(" ")
    usual = (
        version == "HTTP/1.1" and method in METHODS and target[:1] == "/" and "#" not in target and len(target) <= LONGEST_TARGET
    )
    if not usual or not target.isascii() or not target.isprintable():
        return None
    return Request(method, target, like.headers, whole=True)


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
    lines = lines_of(head, 502)
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
