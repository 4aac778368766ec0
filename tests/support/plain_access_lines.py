"""Lines of the access log, made field by field from nothing: what `l7gw/gateway/access_lines.py` must write byte for byte."""

from __future__ import annotations

import time
from typing import Literal, NamedTuple

import msgspec

from l7gw.gateway.access_form import AccessEvent, AccessForm
from l7gw.gateway.access_log import Access
from l7gw.name_rules import clipped, visible

LONGEST = 512  # characters of one field: a path may have 64 KiB, and a reason may quote it
LONGEST_PLAIN = LONGEST + 360  # bytes of a line in which no field can be longer: the keys alone have 370


class Line(msgspec.Struct, gc=False):
    """A line as JSON: the keys of docs/log.md, in their order. `level` and `room` are those of the log's other lines."""

    time: str
    level: Literal["info"]
    room: Literal["access"]
    event: AccessEvent
    address: str
    user: str
    kind: str
    session: str
    run: str
    cluster: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    verdict: str
    rule: str
    status: int | None
    up: int
    down: int
    ms: float
    cluster_ms: float | None
    disk_ms: float
    held_ms: float
    audit_id: str
    http: str
    reason: str


class Named(NamedTuple):
    """A line, its parts by name."""

    form: AccessForm
    event: AccessEvent
    at: float
    status: int
    up: int
    down: int
    whole: float
    at_cluster: float
    for_disk: float
    for_human: float
    audit_id: str
    reason: str


_encode = msgspec.json.Encoder().encode


def as_json(access: Access) -> bytes:
    """The line as a JSON object, with a newline. It costs 2 us."""
    line = Named(*access)
    try:
        data = _encode(_line(line))
    except UnicodeError:  # a lone surrogate, as of a path that is no UTF-8
        data = b""
    # Whatever needs a look makes a backslash, a byte that is no printable ASCII, or a long line
    if not data or len(data) > LONGEST_PLAIN or b"\\" in data or b"\x7f" in data or not data.isascii():
        data = _encode(shown(line))
    return data + b"\n"


def shown(line: Named) -> Line:
    """What the line says, key by key, bounded and without a character that a terminal obeys."""
    one = _line(line)
    for key in ("user", "verb", "group", "resource", "subresource", "namespace", "name", "rule", "reason"):
        setattr(one, key, _shown(getattr(one, key)))
    return one


def _line(line: Named) -> Line:
    form = line.form
    act, who = form.act, form.principal
    return Line(
        _moment(line.at),
        "info",
        "access",
        line.event,
        form.address,
        who.user if who is not None else "",
        who.kind if who is not None else "",
        form.session,
        form.run,
        form.cluster,
        act.verb,
        act.group,
        act.resource,
        act.subresource,
        act.namespace,
        act.name if act.is_resource else act.path,
        form.verdict,
        form.rule,
        line.status or None,
        line.up,
        line.down,
        round(line.whole * 1000, 3),
        round(line.at_cluster * 1000, 3) if line.at_cluster >= 0 else None,
        round(line.for_disk * 1000, 3) if line.for_disk else 0.0,
        round(line.for_human * 1000, 3) if line.for_human else 0.0,
        line.audit_id,
        form.http,
        line.reason,
    )


def as_text(access: Access) -> bytes:
    """The line for people: always the same order, and what is not known left out."""
    line = Named(*access)
    one = shown(line)
    base = f"{one.resource}.{one.group}" if one.group else one.resource
    thing = _word("/".join(filter(None, (base, one.name, one.subresource))) if base else one.name)
    waited = [
        f"{word} {value:.1f}"
        for word, value in (("cluster", one.cluster_ms), ("disk", one.disk_ms), ("human", one.held_ms))
        if value
    ]
    parts = [
        f"{time.strftime('%H:%M:%S', time.localtime(line.at))} {one.event:7} {one.status or '---'}",
        _word(one.user) or "-",
        f"from {one.address}",
        f"at {one.cluster}" if one.cluster else "",
        f"{one.verb} {thing}".strip(),
        f"-n {_word(one.namespace)}" if one.namespace else "",
        f"{one.verdict}{f' by {one.rule!r}' if one.rule else ''}",
        f"up {one.up} down {one.down} bytes",
        f"{one.ms:.1f} ms" + (f" ({', '.join(waited)})" if waited else ""),
        f"HTTP/{one.http}",
        f"session {one.session}" if one.session else "",
        f"run {one.run}" if one.run else "",
        f"audit {one.audit_id}",
    ]
    return (" ".join(filter(None, parts)) + (f": {one.reason}" if one.reason else "") + "\n").encode()


def _shown(text: str) -> str:
    return visible(clipped(text, LONGEST))


def _word(text: str) -> str:
    """What a caller chose, as one word: a space in it would begin what looks like the line's next part."""
    return '"' + text.replace('"', "\\x22") + '"' if " " in text or '"' in text else text


class _Second:
    """The second of the last line, written out: thousands of lines share one."""

    number = -1
    text = ""


def _moment(at: float) -> str:
    """Seconds since 1970 as RFC 3339, UTC, with microseconds."""
    whole, micro = divmod(int(at * 1_000_000), 1_000_000)
    if whole != _Second.number:
        _Second.number, _Second.text = whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{_Second.text}.{micro:06d}Z"
