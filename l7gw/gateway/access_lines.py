"""Lines of the access log, as JSON and as text for people. They are made in the writer's thread, away from the event loop.

What calls that are alike have in common is written out once and kept in their form (`AccessForm.json`); the rest of a line are its
time, numbers, audit id and reason. `tests/support/plain_access_lines.py` writes the same lines without that memory.
"""

from __future__ import annotations

import time
from typing import Literal

import msgspec
from msgspec import Raw

from l7gw.gateway.access_log import Access, AccessEvent, AccessForm
from l7gw.name_rules import clipped, visible

LONGEST = 512  # characters of one field: a path may have 64 KiB, and a reason may quote it
_BEGIN = b'"info","room":"access","event":"call"'  # of what a form keeps; another event is put in its place


class _Form(msgspec.Struct, gc=False):
    """What a form says: the keys of docs/log.md from `level` to `rule`, in their order. `level` and `room` are those of the log's
    other lines."""

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


class _Line(
    msgspec.Struct,
    gc=False,
    rename={"whole": "ms", "at_cluster": "cluster_ms", "for_disk": "disk_ms", "for_human": "held_ms"},
):
    """A line as JSON. `level` is the value of that key and, behind it, the further keys and values of the form: to the encoder it
    is text that it copies. Times are milliseconds."""

    time: str
    level: Raw
    status: int | None
    up: int
    down: int
    whole: float
    at_cluster: float | None
    for_disk: float
    for_human: float
    audit_id: str
    http: str
    reason: str


_encode = msgspec.json.Encoder().encode


def as_json(line: Access) -> bytes:
    """The line as a JSON object, with a newline."""
    form = line.form
    said = form.json
    if said is None:
        said = form.json = _said(form)
    micros = str(int(line.at * 1_000_000))
    return (
        _encode(
            _Line(
                f"{_second(micros[:-6])}.{micros[-6:]}Z",
                said if line.event == "call" else _of_event(said, line.event),
                line.status or None,
                line.up,
                line.down,
                round(line.whole * 1000, 3),
                round(line.at_cluster * 1000, 3) if line.at_cluster >= 0 else None,
                round(line.for_disk * 1000, 3) if line.for_disk else 0.0,
                round(line.for_human * 1000, 3) if line.for_human else 0.0,
                line.audit_id,
                form.http,
                _shown(line.reason) if line.reason else "",
            )
        )
        + b"\n"
    )


def _said(form: AccessForm) -> Raw:
    """What a form says in the line of a call, from the value of `level` on."""
    return Raw(_encode(_shown_form(form))[9:-1])  # without `{"level":` and `}`


def _of_event(said: Raw, event: AccessEvent) -> Raw:
    return Raw(b'"info","room":"access","event":"%b"%b' % (event.encode(), bytes(said)[len(_BEGIN) :]))


def _shown_form(form: AccessForm) -> _Form:
    """What a form says, key by key: what a caller chose is bounded, and without a character that a terminal obeys."""
    act, who = form.act, form.principal
    return _Form(
        "info",
        "access",
        "call",
        form.address,
        _shown(who.user) if who is not None else "",
        who.kind if who is not None else "",
        form.session,
        form.run,
        form.cluster,
        _shown(act.verb),
        _shown(act.group),
        _shown(act.resource),
        _shown(act.subresource),
        _shown(act.namespace),
        _shown(act.name if act.is_resource else act.path),
        form.verdict,
        _shown(form.rule),
    )


def as_text(line: Access) -> bytes:
    """The line for people: always the same order, and what is not known left out."""
    one = _shown_form(line.form)
    base = f"{one.resource}.{one.group}" if one.group else one.resource
    thing = _word("/".join(filter(None, (base, one.name, one.subresource))) if base else one.name)
    times = ("cluster", max(line.at_cluster, 0.0)), ("disk", line.for_disk), ("human", line.for_human)
    waited = [f"{word} {ms:.1f}" for word, seconds in times if (ms := round(seconds * 1000, 3))]
    parts = [
        f"{time.strftime('%H:%M:%S', time.localtime(line.at))} {line.event:7} {line.status or '---'}",
        _word(one.user) or "-",
        f"from {one.address}",
        f"at {one.cluster}" if one.cluster else "",
        f"{one.verb} {thing}".strip(),
        f"-n {_word(one.namespace)}" if one.namespace else "",
        f"{one.verdict}{f' by {one.rule!r}' if one.rule else ''}",
        f"up {line.up} down {line.down} bytes",
        f"{round(line.whole * 1000, 3):.1f} ms" + (f" ({', '.join(waited)})" if waited else ""),
        f"HTTP/{line.form.http}",
        f"session {one.session}" if one.session else "",
        f"run {one.run}" if one.run else "",
        f"audit {line.audit_id}",
    ]
    return (" ".join(filter(None, parts)) + (f": {_shown(line.reason)}" if line.reason else "") + "\n").encode()


def _shown(text: str) -> str:
    return visible(clipped(text, LONGEST))


def _word(text: str) -> str:
    """What a caller chose, as one word: a space in it would begin what looks like the line's next part."""
    return '"' + text.replace('"', "\\x22") + '"' if " " in text or '"' in text else text


class _Second:
    """The second of the last line, written out: thousands of lines share one."""

    number = ""
    text = ""


def _second(number: str) -> str:
    """A second since 1970 as RFC 3339, UTC, without the zone."""
    if number != _Second.number:
        _Second.text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(number)))
        _Second.number = number
    return _Second.text
