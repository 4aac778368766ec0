"""HTTP/2's field sections (RFC 9113 sections 8.2 and 8.3): what a request and an answer must say, and how ours are written.

Fields are pairs of a name and a value, one character a byte. How they are packed into header blocks is in `http2_hpack`.
"""

from __future__ import annotations

import re

from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Headers, Informational, ReadyFields, Request, Response
from l7gw.wire.http2_hpack import FIELD_NAME, Fields, beginning, ready_block, write_block
from l7gw.wire.semantics import (
    BODIED,
    BODILESS,
    LARGEST_HEAD,
    LONGEST_TARGET,
    METHODS,
    MOST_FIELDS,
    SINGLE,
    SINGLE_IN_ANSWER,
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

_NOT_VISIBLE = re.compile("[^" + re.escape(VISIBLE.decode("latin-1")) + "]")
_STATUS = re.compile(r"[1-5][0-9][0-9]")
OF_A_CONNECTION = frozenset(("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"))
PSEUDO_OF_REQUEST = frozenset((":method", ":scheme", ":authority", ":path"))
PSEUDO_OF_ANSWER = frozenset((":status",))


class Malformed(Exception):
    """A field section that is no message (section 8.1.1). Its stream is reset with PROTOCOL_ERROR, a request's after an answer."""


# Names that were found to be allowed, so that they are not matched again; a look-up takes a tenth of a match
_ALLOWED: set[str] = set()
MOST_ALLOWED = 1024


def split_fields(fields: Fields, pseudo: frozenset[str]) -> tuple[dict[str, str], Fields]:
    """The pseudo-fields as a dict, and the other fields. White space around values is removed, as by HTTP/1.1 (section 8.2.1).

    `pseudo` are the pseudo-fields that may stand there. Raises Malformed for what is no
    field; what the fields say is checked later.
    """
    found: dict[str, str] = {}
    rest: Fields = []
    for pair in fields:
        name, value = pair
        if not (value.isascii() and value.isprintable()) and _NOT_VISIBLE.search(value) is not None:
            raise Malformed("a field's value with a byte that none may hold")
        if name in _ALLOWED:
            stripped = value.strip(" \t")
            rest.append(pair if stripped is value else (name, stripped))
        elif name[:1] == ":":
            if rest or name in found or name not in pseudo:
                raise Malformed("a pseudo-field that is unknown, stands twice, or stands behind a field")
            found[name] = value
        else:
            value = value.strip(" \t")
            if FIELD_NAME.fullmatch(name) is None or name in OF_A_CONNECTION or (name == "te" and value != "trailers"):
                raise Malformed("a field's name that HTTP/2 does not allow")
            rest.append((name, value))
            if name != "te" and len(_ALLOWED) < MOST_ALLOWED and len(name) < 64:
                _ALLOWED.add(name)
    return found, rest


def check_trailers(fields: Fields) -> None:
    """Check trailers, which are then dropped (threats B11). They may hold no pseudo-field (section 8.1). Raises Malformed."""
    split_fields(fields, frozenset())


def parse_request(fields: Fields, *, end: bool) -> Request:
    """The request in a field section. `end` is true where no body follows.

    Raises Malformed for fields that are no request, and PeerError with the HTTP status to answer for a request that is not served.
    """
    pseudo, rest = split_fields(fields, PSEUDO_OF_REQUEST)
    method, target, scheme = pseudo.get(":method"), pseudo.get(":path"), pseudo.get(":scheme")
    if method == "CONNECT":  # section 8.5: CONNECT has neither scheme nor path; RFC 8441's form is not offered (threats B10)
        raise PeerError(405, "this method is not served")
    if not method or not target or scheme not in ("https", "http"):
        raise Malformed("a request without method, path or scheme")
    if not (target.isascii() and target.isprintable() and " " not in target):
        raise Malformed("a path with bytes that no path has")
    if len(rest) > MOST_FIELDS or _size(fields) > LARGEST_HEAD:
        raise PeerError(431, f"more than {MOST_FIELDS} header fields, or {LARGEST_HEAD} bytes of them")
    check_line(method, target)
    told = dict(rest)
    if len(told) != len(rest):
        rest = one_line_each(rest, SINGLE, 400)
        told = dict(rest)
    if not "".join(told.values()).isascii() or len(told) != len(rest):
        check_deciding(rest)
    stated_host = told.get("host")
    host = pseudo.get(":authority", stated_host or "")
    if stated_host is not None and stated_host != host:  # section 8.3.1
        raise PeerError(400, "Host and :authority differ")
    check_host(host)
    stated = told.get("content-length")
    length = plain_length(stated, 400) if stated is not None else NO_BODY if end or method in BODILESS else CHUNKED
    if end and length > 0:
        raise Malformed("a Content-Length without a body")
    check_body(method, length)
    expects = check_plain(told)
    if stated_host is None and told.keys().isdisjoint(UNTOLD):
        headers = (("host", host), *rest)
    else:
        headers = (("host", host), *[pair for pair in rest if pair[0] not in UNTOLD and pair[0] != "host"])
    return Request(method, target, headers, length, expects_continue=expects and not end, whole=end)


def line_of(fields: Fields) -> tuple[str, str, tuple[object, ...]] | None:
    """The method, the target, and all that is not these, of a request in usual fields; None for other ones. Requests that are equal
    in the third part have the same headers."""
    method = target = host = scheme = ""
    for name, value in fields[:4]:
        if name == ":path":
            target = value
        elif name == ":method":
            method = value
        elif name == ":authority":
            host = value
        elif name == ":scheme":
            scheme = value
    usual = method in METHODS and target[:1] == "/" and "#" not in target and " " not in target and len(target) <= LONGEST_TARGET
    if not usual or not host or scheme != "https" or not target.isascii() or not target.isprintable():
        return None
    return method, target, (host, *fields[4:])


def _size(fields: Fields) -> int:
    """The bytes of a field section (section 6.5.2)."""
    return 32 * len(fields) + sum([len(name) + len(value) for name, value in fields])


def parse_answer(fields: Fields, method: str, *, end: bool) -> Response | Informational:
    """The answer in a field section. `method` is that of its request; `end` is true where no body follows. Raises Malformed."""
    pseudo, rest = split_fields(fields, PSEUDO_OF_ANSWER)
    text = pseudo.get(":status", "")
    if _STATUS.fullmatch(text) is None:
        raise Malformed("an answer without a status")
    status = int(text)
    told = dict(rest)
    try:
        if len(rest) > MOST_FIELDS or _size(fields) > LARGEST_HEAD:
            raise Malformed(f"more than {MOST_FIELDS} header fields, or {LARGEST_HEAD} bytes of them")
        if len(told) != len(rest):
            rest = one_line_each(rest, SINGLE_IN_ANSWER, 502)
            told = dict(rest)
        stated = told.get("content-length")
        length = plain_length(stated, 502) if stated is not None else NO_BODY if end else CHUNKED
    except PeerError as error:
        raise Malformed(error.reason) from error
    bodiless = method == "HEAD" or status == 304 or status == 204
    headers = tuple(rest) if told.keys().isdisjoint(UNTOLD) else tuple([pair for pair in rest if pair[0] not in UNTOLD])
    if status < 200:
        if status == 101 or end or length > 0:  # section 8.6: HTTP/2 has no upgrade; an interim answer ends no stream
            raise Malformed("an interim answer that ends, or a 101")
        return Informational(status, headers)
    if end and length > 0 and not bodiless:
        raise Malformed("a Content-Length without a body")
    if status == 204 and length > 0:
        raise Malformed("a length on an answer that has no body")
    if bodiless and length == CHUNKED:
        length = NO_BODY
    return Response(status, headers, length)


_BEFORE_TARGET = 3  # fields of a request that stand before its target


def request_fields(request: Request) -> Headers:
    """The fields of a request to send: pseudo-fields first (section 8.3.1), Host as `:authority`."""
    host = next((value for name, value in request.headers if name == "host"), "")
    head = ((":method", request.method), (":scheme", "https"), (":authority", host), (":path", request.target))
    rest = tuple([pair for pair in request.headers if pair[0] != "host"])
    length = sent_length(request)
    return (*head, *rest, ("content-length", str(length))) if length >= 0 else (*head, *rest)


def answer_fields(answer: Response | Informational) -> Headers:
    """The fields of an answer to send: `:status` first."""
    fields: Headers = ((":status", str(answer.status)), *answer.headers)
    length = sent_length(answer) if isinstance(answer, Response) else NO_BODY
    return (*fields, ("content-length", str(length))) if length >= 0 else fields


def sent_length(message: Request | Response) -> int:
    """The Content-Length that is written; none where it is negative."""
    length = message.length
    if isinstance(message, Request):
        return 0 if length == NO_BODY and message.method in BODIED else length
    return NO_BODY if message.status == 204 else length


def head_block(message: Request | Response) -> bytes:
    """The header block of a message to send. Where the message is `ready`, only the value of its last field, the length and, where
    it may differ, the target are written anew. Raises OurError for a field that readers would read as something else
    (threats A9)."""
    ready, length = message.ready, sent_length(message)
    if type(ready) is ReadyFields and isinstance(message, Request):
        return _block_of_target(message, ready, length)
    if ready is None:
        return write_block(request_fields(message) if isinstance(message, Request) else answer_fields(message))
    headers = message.headers
    if ready.http2 and (block := ready_block(ready.http2, headers[-1][1], length)):
        return block
    block = write_block(request_fields(message) if isinstance(message, Request) else answer_fields(message))
    ready.http2 = ready.http2 or beginning(block, headers, length)
    return block


def _block_of_target(request: Request, ready: ReadyFields, length: int) -> bytes:
    """The same of a request whose fields were sent before, with another target."""
    if ready.before and (block := ready_block(ready.http2, request.headers[-1][1], length)):
        return b"".join((ready.before, write_block(((":path", request.target),)), block))
    fields = request_fields(request)
    before = write_block(fields[:_BEFORE_TARGET])
    target = write_block(fields[_BEFORE_TARGET : _BEFORE_TARGET + 1])
    behind = write_block(fields[_BEFORE_TARGET + 1 :])
    ready.http2 = beginning(behind, request.headers, length)
    ready.before = before if ready.http2 else b""
    return b"".join((before, target, behind))
