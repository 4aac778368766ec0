"""The rules for requests and answers that HTTP/1.1 and HTTP/2 share (RFC 9110): methods,
targets, and which fields may stand once only.

They are stricter than the RFC. What two readers could read in two ways is refused (threats A1 to A18, B11, B12; each has tests).
"""

from __future__ import annotations

import re

from l7gw.wire.errors import PeerError
from l7gw.wire.events import NO_BODY

# ---------------------------------------------------------------------- limits

LARGEST_HEAD = 64 * 1024  # bytes; kube-apiserver takes 1 MiB, but no client sends nearly as much (threats A6)
MOST_FIELDS = 100  # header lines; Go's clients send about 15, nginx takes 100 of a server
# Bytes that are counted of a remembered head beside its own: its request takes 0.3 KiB, and what a call with it meant up to 4
OF_MEANING = 512
LONGEST_TARGET = 32 * 1024  # bytes, half a head: an exec with a script of some KiB in its argv fits (threats A6)
MOST_INTERIM = 10  # 1xx answers before the answer (threats A14)

# ---------------------------------------------------------------------- grammar (RFC 9110 sections 5.6.2, 8.6, 7.2, 5.5)

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
NAME = re.compile(TOKEN)
LENGTH = re.compile(r"0|[1-9][0-9]{0,17}")
HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# The bytes that a value may hold (threats A4). Those from 0x80 stand in a Warning in UTF-8, or in the User-Agent of some programs.
VISIBLE = bytes((9, *range(0x20, 0x7F), *range(0x80, 0x100)))

# ---------------------------------------------------------------------- methods (section 9), and fields by name

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))  # CONNECT and TRACE are left out (threats A7)
BODILESS = frozenset(("GET", "HEAD"))  # a body with one of these is refused (threats A18)
BODIED = frozenset(("POST", "PUT", "PATCH"))  # an empty body of these is sent with `Content-Length: 0` (RFC 9110 section 8.6)
# Fields that the events lack: other members of the event say the same, or they are about one connection (RFC 9110 section 7.6.1).
UNTOLD = frozenset(
    "connection content-length expect http2-settings keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
# Fields with one value. A request with a second line of one is refused, as readers would choose differently (threats B12).
SINGLE = frozenset(
    "authorization content-encoding content-length content-type date expect host if-match if-modified-since if-none-match"
    " if-unmodified-since impersonate-uid impersonate-user kubectl-command kubectl-session max-forwards origin"
    " proxy-authorization range referer sec-websocket-accept sec-websocket-key sec-websocket-version traceparent transfer-encoding"
    " upgrade user-agent".split()
)
SINGLE_IN_ANSWER = frozenset(
    "content-disposition content-encoding content-length content-type etag last-modified location retry-after"
    " sec-websocket-accept sec-websocket-protocol transfer-encoding upgrade x-stream-protocol-version".split()
)
# Fields that are lists, and that the gateway or a server acts upon. Go's servers read only the first of several lines, so the codec
# joins the lines to one (RFC 9110 section 5.3).
LISTS = frozenset(
    "accept accept-encoding connection sec-websocket-extensions sec-websocket-protocol tracestate x-stream-protocol-version".split()
)
# Fields of a request by which the gateway or a server decides. They must be ASCII: of other bytes readers make different letters.
DECIDING = UNTOLD | frozenset(
    "accept accept-encoding authorization content-encoding content-type host kubectl-session origin"
    " sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version x-stream-protocol-version".split()
)

# ---------------------------------------------------------------------- checks
#
# Each raises PeerError with the HTTP status to answer. `fault` is that status where it depends on what is
# read: 400 for a request, 502 for an answer.


def check_line(method: str, target: str) -> None:
    """Refuse a method that is not in METHODS, and a target that is not path and query
    (origin-form), or too long (threats A7, A8)."""
    if method not in METHODS:
        raise PeerError(405, "this method is not served")
    if target[:1] != "/" or "#" in target:
        raise PeerError(400, "the request target is not an absolute path")
    if len(target) > LONGEST_TARGET:
        raise PeerError(
            414, f"the request target is longer than {LONGEST_TARGET // 1024} KiB; pipe a long script into the command by `exec -i`"
        )


def check_host(host: str) -> None:
    """Refuse a Host or :authority that is empty or malformed (threats A8)."""
    if HOST.fullmatch(host) is None:
        raise PeerError(400, "Host is missing or malformed")


def one_line_each(pairs: list[tuple[str, str]], single: frozenset[str], fault: int) -> list[tuple[str, str]]:
    """The fields of a message in which a name stands twice. A second line of a field in `single` is refused (threats B12); the
    lines of a list are joined."""
    places: dict[str, int] = {}
    found: list[tuple[str, str]] = []
    for name, value in pairs:
        place = places.setdefault(name, len(found))
        if place == len(found):
            found.append((name, value))
        elif name in single:
            raise PeerError(fault, f"the header {name} stands twice")
        elif name in LISTS:
            found[place] = name, ", ".join(filter(None, (found[place][1], value)))
        else:
            found.append((name, value))
    return found


def check_deciding(pairs: list[tuple[str, str]]) -> None:
    """Refuse a request in which a field of DECIDING is not ASCII."""
    for name, value in pairs:
        if not value.isascii() and name in DECIDING:
            raise PeerError(400, f"the header {name} is not ASCII")


def plain_length(value: str, fault: int) -> int:
    """The bytes that a Content-Length says. Any spelling but plain decimal digits is refused (threats A3)."""
    if LENGTH.fullmatch(value) is None:
        raise PeerError(fault, "a Content-Length that is no plain number")
    return int(value)


def check_body(method: str, length: int) -> None:
    """Refuse a body with GET or HEAD, which some servers read and others do not (threats A18). `length` is as in the events."""
    if method in BODILESS and length != 0 and length != NO_BODY:
        raise PeerError(400, "a body with GET or HEAD")


def check_plain(fields: dict[str, str]) -> bool:
    """Whether a request expects 100-continue. An encoded body, and any other expectation, are refused (threats A18)."""
    if "content-encoding" in fields:
        raise PeerError(415, "encoded request bodies are not taken; send it plain")
    expects = fields.get("expect")
    if expects is not None and expects.lower() != "100-continue":
        raise PeerError(417, "only 100-continue can be expected")
    return expects is not None
