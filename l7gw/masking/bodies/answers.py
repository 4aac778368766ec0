"""Which mask an answer of the cluster gets, by its status, its type, its encoding and what was asked.

What the API server says of itself passes as it came: discovery, OpenAPI, version, health. What is asked of a resource must be an
object in JSON or protobuf. What an application says behind a proxy subresource, or a path that is no resource, is scanned where it
is text; the rest passes, and says that it was not masked.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from l7gw.kube.act import Act
from l7gw.kube.objects.node import Unreadable
from l7gw.kube.warning_header import warning_field

Headers = tuple[tuple[str, str], ...]

JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
UNMASKED = ("l7gw-masking", "unmasked")  # a header of answers that nobody could look into, for the client and the record

# Fields that say something of exactly these bytes. They do not hold any more once a value is masked.
OF_THE_BYTES = frozenset(("etag", "content-md5", "digest", "content-digest", "repr-digest", "accept-ranges"))
# Header fields of the API server's answers that hold no words of an object's or application's. A Warning of an admission webhook
# may quote what it refuses.
ORDINARY = frozenset(
    """
    audit-id cache-control connection content-encoding content-length content-type date etag expires l7gw-masking l7gw-session
    last-modified retry-after sec-websocket-accept sec-websocket-protocol server transfer-encoding upgrade vary
    x-content-type-options x-kubernetes-pf-flowschema-uid x-kubernetes-pf-prioritylevel-uid x-stream-protocol-version
    """.split()
)

Sort = Literal[
    "as-it-came",  # nothing of it is looked at
    "object",  # one object, or a list of them
    "watch",
    "log",  # of a container
    "text",
    "unmasked",  # nobody can look into it
]

_TEXT = re.compile(r"text/.*|[a-z]+/(?:.*\+)?(?:json|xml|yaml|x-yaml|javascript|x-ndjson|x-www-form-urlencoded|openmetrics-text)")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer is masked. `packed` says how its body comes: `gzip` goes on packed, `gzip-unasked` goes on plain."""

    sort: Sort
    protobuf: bool = False
    packed: Literal["", "gzip", "gzip-unasked"] = ""


LIVE: frozenset[Sort] = frozenset(("watch", "log"))  # their heads go out at once, before their first bytes
AS_IT_CAME = Choice(sort="as-it-came")


def choice(act: Act, status: int, headers: Headers, *, length: int, bodiless: bool, takes_gzip: bool) -> Choice:
    """How the answer is masked. `length` is as in `Response`. `bodiless`: no body follows, as with HEAD. `takes_gzip`: whether the
    cluster was told that gzip is taken. Raises Unreadable for an answer that cannot be masked and must not pass."""
    if bodiless or length == 0 or status in (204, 304) or status < 200:
        return AS_IT_CAME
    if act.effects == _DISCOVERY and not act.is_resource:
        return AS_IT_CAME
    kind = encoding = ""
    types = encodings = 0
    for name, value in headers:
        if name == "content-type":
            types += 1
            kind = value if value in (JSON, PROTOBUF) else value.partition(";")[0].strip().lower()
        elif name == "content-encoding":
            encodings += 1
            encoding = value.strip().lower()
    if encodings > 1:
        encoding = "several"
    if not act.is_resource or act.subresource == "proxy":
        if encoding not in ("", "identity", "gzip") or not _TEXT.fullmatch(kind):
            return Choice(sort="unmasked")
        return Choice(sort="text", packed=_packed(encoding, takes_gzip=takes_gzip))
    if types > 1:
        raise Unreadable("it names its type twice")
    if encoding not in ("", "identity", "gzip"):
        raise Unreadable("its encoding is one that nobody asked for")
    packed = _packed(encoding, takes_gzip=takes_gzip)
    if kind in (JSON, PROTOBUF):
        watch = act.verb == "watch" and status == 200
        if kind == JSON and not watch and not packed:
            return _OBJECT
        return Choice(sort="watch" if watch else "object", protobuf=kind == PROTOBUF, packed=packed)
    if act.subresource == "log" and status == 200 and kind == "text/plain":
        return Choice(sort="log", packed="gzip-unasked" if packed else "")  # it goes on plain, as a stream of lines
    # A proxy before the API server, a path that it does not know, an overload, a kubelet that refuses an upgrade; some name no type
    if status >= 400 and (kind.startswith("text/") or not kind):
        return Choice(sort="text", packed=packed)
    stated = kind if re.fullmatch(r"[a-z0-9.+/-]{1,100}", kind) else "missing or malformed"
    raise Unreadable(f"its type is {stated}, and neither JSON nor protobuf")


_OBJECT = Choice(sort="object")
_DISCOVERY = frozenset(("discovery",))


def _packed(encoding: str, *, takes_gzip: bool) -> Literal["", "gzip", "gzip-unasked"]:
    if encoding != "gzip":
        return ""
    return "gzip" if takes_gzip else "gzip-unasked"


def shown_headers(headers: Headers, chosen: Choice, *, edited: bool, warnings: list[str]) -> Headers:
    """The header fields of an answer that was masked. `edited`: whether something was masked, or may still be."""
    if not edited and not warnings and chosen.packed != "gzip-unasked" and chosen.sort != "unmasked":
        return headers
    kept = [
        (name, value)
        for name, value in headers
        if not (edited and name in OF_THE_BYTES) and not (chosen.packed == "gzip-unasked" and name == "content-encoding")
    ]
    if chosen.sort == "unmasked":
        kept.append(UNMASKED)
    kept += map(warning_field, warnings)
    return tuple(kept)
