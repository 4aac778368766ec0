"""Lines of the access log, as JSON and as text for people. They are made in rows (`supervisor/line_writer.py`): who makes many in a
row finds code and data in the processor's caches, and a call that ends does not.

What calls that are alike have in common is written out once and kept in their form (`AccessForm.ends`); the rest of a line are its
time, numbers, audit id and reason. `tests/support/plain_access_lines.py` writes the same lines without that memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from math import floor

import msgspec

from l7gw.gateway.access_form import LONGEST, AccessEvent, AccessForm, ShownForm
from l7gw.gateway.access_log import Access, Short, whole
from l7gw.name_rules import clipped, visible

_encode = msgspec.json.Encoder().encode
_LONGEST_PLAIN = LONGEST + len(_encode(ShownForm("call", *[""] * 14)))  # bytes of a form that has no field longer than LONGEST

# Digits, and what stands beside them, are looked up: to write a number anew takes 500 to 1,500 instructions, to find one 200
_THREE = tuple(f"{number:03d}" for number in range(1000))
_PART = tuple("." + (three.rstrip("0") or "0") for three in _THREE)  # of a number, behind its whole
SHORT = 0.9999  # seconds: what is shorter has three digits of whole milliseconds at most
_MS = tuple(f',"ms":{number}' for number in range(1000))
_CLUSTER_MS = tuple(f',"cluster_ms":{number}' for number in range(1000))
_BYTES = tuple(map(str, range(4096)))  # most objects have fewer
_NO_WAITS = ',"disk_ms":0.0,"held_ms":0.0,"audit_id":"'

_UP, _NO_BYTES = ',"up":', '0,"down":'  # what is put in their place where there are some
_NO_REASON = '""}\n'


def as_json(lines: Iterable[Access | Short]) -> bytes:
    """The lines as JSON objects, each with a newline. Times are to the microsecond."""
    begin, end, second = _second
    made: list[str] = []
    for line in lines:
        if len(line) != 8:
            made.append(_as_json(*line))
            continue
        form, at, status, down, took, went_up, answered, audit_id = line
        of_status, head, tail = form.ends
        if status != of_status or took >= SHORT or not 0.0 < went_up <= answered < went_up + SHORT:
            made.append(_as_json(*whole(line)))
            continue
        at *= 1_000_000
        if not begin <= at < end:
            begin, end, second = _begun(at)
        micro, ms, up_ms = floor(at - begin), floor(took * 1e6 + 0.5), floor((answered - went_up) * 1e6 + 0.5)
        size = _BYTES[down] if down < 4096 else str(down)
        made += (
            second, _THREE[micro // 1000], _THREE[micro % 1000], head, size, _MS[ms // 1000], _PART[ms % 1000],
            _CLUSTER_MS[up_ms // 1000], _PART[up_ms % 1000], _NO_WAITS, audit_id, tail,
        )  # fmt: skip
    return "".join(made).encode()


_Second = tuple[float, float, str]  # its begin and end in microseconds since 1970; the text of a line up to its part of a second
_second: _Second = (0.0, 0.0, "")  # of the last line: thousands share one


def _begun(micros: float) -> _Second:
    """The second of a moment in microseconds since 1970."""
    global _second
    number = int(micros) // 1_000_000
    text = '{"time":"' + time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(number))
    _second = one = number * 1e6, (number + 1) * 1e6, text
    return one


def _as_json(
    form: AccessForm, event: AccessEvent, at: float, status: int, up: int, down: int, took: float, at_cluster: float,
    for_disk: float, for_human: float, audit_id: str, reason: str,
) -> str:  # fmt: skip
    of_status, head, tail = form.ends
    if status != of_status or event != "call":
        head, tail = _ends(form, event, status)
    if up:
        head = f'{head[: -len(_NO_BYTES)]}{up},"down":'
    if reason:
        tail = f"{tail[: -len(_NO_REASON)]}{_encode(_shown(reason)).decode()}}}\n"
    at *= 1_000_000
    begin, end, second = _second
    if not begin <= at < end:
        begin, end, second = _begun(at)
    cluster = _ms(at_cluster) if at_cluster >= 0.0 else "null"
    times = f',"ms":{_ms(took)},"cluster_ms":{cluster},"disk_ms":{_ms(for_disk)},"held_ms":{_ms(for_human)}'
    return f'{second}{floor(at - begin):06d}{head}{down}{times},"audit_id":"{audit_id}{tail}'


def _ms(seconds: float) -> str:
    """Seconds as milliseconds."""
    micros = floor(seconds * 1e6 + 0.5)
    return f"{micros // 1000}{_PART[micros % 1000]}"


def _ends(form: AccessForm, event: AccessEvent, status: int) -> tuple[str, str]:
    """What stands between the digits of the time and the number of bytes down, of which none went up, and what stands behind the
    audit id, without a reason. Of a `call` its form keeps them for the next line."""
    try:
        data = _encode(_plain(form, event))
    except UnicodeError:  # a lone surrogate, as of a path that is no UTF-8
        data = b""
    # Whatever needs a look makes a backslash, a byte that is no printable ASCII, or a long text
    if not data or len(data) > _LONGEST_PLAIN or b"\\" in data or b"\x7f" in data or not data.isascii():
        data = _encode(_shown_form(form, event))
    head = f'Z","level":"info","room":"access",{data[1:-1].decode()},"status":{status or "null"}{_UP}{_NO_BYTES}'
    tail = f'","http":"{form.http}","reason":{_NO_REASON}'
    if event == "call":
        form.ends = status, head, tail
    return head, tail


def _shown_form(form: AccessForm, event: AccessEvent) -> ShownForm:
    """What a form says, key by key, bounded and without a character that a terminal obeys."""
    one = _plain(form, event)
    for key in ("user", "verb", "group", "resource", "subresource", "namespace", "name", "rule"):
        setattr(one, key, _shown(getattr(one, key)))
    return one


def _plain(form: AccessForm, event: AccessEvent) -> ShownForm:
    act, who = form.act, form.principal
    return ShownForm(
        event,
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
    )


def as_text(lines: Iterable[Access | Short]) -> bytes:
    """The lines for people."""
    return b"".join(map(_as_text, lines))


def _as_text(line: Access | Short) -> bytes:
    """A line for people: always the same order, and what is not known left out."""
    form, event, at, status, up, down, took, at_cluster, for_disk, for_human, audit_id, reason = whole(line)
    one = _shown_form(form, event)
    base = f"{one.resource}.{one.group}" if one.group else one.resource
    thing = _word("/".join(filter(None, (base, one.name, one.subresource))) if base else one.name)
    times = ("cluster", max(at_cluster, 0.0)), ("disk", for_disk), ("human", for_human)
    waited = [f"{word} {ms:.1f}" for word, seconds in times if (ms := round(seconds * 1000, 3))]
    parts = [
        f"{time.strftime('%H:%M:%S', time.localtime(at))} {event:7} {status or '---'}",
        _word(one.user) or "-",
        f"from {one.address}",
        f"at {one.cluster}" if one.cluster else "",
        f"{one.verb} {thing}".strip(),
        f"-n {_word(one.namespace)}" if one.namespace else "",
        f"{one.verdict}{f' by {one.rule!r}' if one.rule else ''}",
        f"up {up} down {down} bytes",
        f"{round(took * 1000, 3):.1f} ms" + (f" ({', '.join(waited)})" if waited else ""),
        f"HTTP/{form.http}",
        f"session {one.session}" if one.session else "",
        f"run {one.run}" if one.run else "",
        f"audit {audit_id}",
    ]
    return (" ".join(filter(None, parts)) + (f": {_shown(reason)}" if reason else "") + "\n").encode()


def _shown(text: str) -> str:
    return visible(clipped(text, LONGEST))


def _word(text: str) -> str:
    """What a caller chose, as one word: a space in it would begin what looks like the line's next part."""
    return '"' + text.replace('"', "\\x22") + '"' if " " in text or '"' in text else text
