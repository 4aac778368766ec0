"""Exports a session in forms that other programs read: JSON Lines and asciicast v2."""

from __future__ import annotations

import base64
import codecs
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, assert_never

from l7gw.clock import moment
from l7gw.recording import events as e
from l7gw.recording.execs import Exec, sizes
from l7gw.recording.gzip_body import Gzip
from l7gw.recording.session_list import Summary

Line = dict[str, Any]


# ---------------------------------------------------------------------- JSON Lines


def json_lines(summary: Summary, events: Iterable[e.AnyEvent], exchange: int | None = None) -> Iterator[Line]:
    """The documents of a session, one for each line: first the session, then its events. A document `unknown` follows where the
    session has events whose kind only a later version knows. A document `open` follows where the session is still running. With
    `exchange`, events of that exchange alone."""
    yield {"type": "session", "version": 1, **summary.document(all_runs=True)}
    runs: list[e.RunStarted] = []
    unknown: Counter[str] = Counter()
    run_of: dict[int, int] = {}
    packed: dict[int, Gzip] = {}
    for seq, event in enumerate(events, 1):
        if isinstance(event, e.RunStarted):
            runs.append(event)
        elif isinstance(event, e.RequestRecorded):
            run_of[event.exchange] = event.run
        elif isinstance(event, e.UnknownEvent):
            unknown[event.name] += 1
        number = getattr(event, "exchange", None)
        if exchange is not None and number != exchange:
            continue
        line = _line(event, packed)
        if line is None:
            continue
        head: Line = {"time": moment(event.time), "seq": seq}
        if number is not None:
            run = run_of.get(number, -1)
            head["run"] = runs[run].id if 0 <= run < len(runs) else ""
            head["exchange"] = number
            if isinstance(event, e.RequestRecorded) and 0 <= run < len(runs):  # two runs with other commands may share an id
                line |= {"client": e.header_text(runs[run].client), "command": e.header_text(runs[run].command)}
        if isinstance(event, e.ExchangeEnded):
            run_of.pop(event.exchange, None)
            packed.pop(event.exchange, None)
        yield {**head, **line}
    if unknown:
        yield {"type": "unknown", "count": unknown.total(), "names": dict(sorted(unknown.items()))}
    if summary.state == "open":
        yield {"type": "open"}


def _line(event: e.AnyEvent, packed: dict[int, Gzip]) -> Line | None:
    match event:
        case e.RequestRecorded():
            return _request(event)
        case e.RequestBody():
            return {"type": "request-body", **content(event.data)}
        case e.VerdictRecorded():
            own = {"own": True} if event.own else {}
            return {"type": "verdict", "rule": event.rule, "verdict": event.verdict, "reason": event.reason, **own}
        case e.ResponseRecorded():
            if any(name == "content-encoding" and value.lower() == "gzip" for name, value in event.headers):
                packed[event.exchange] = Gzip()
            return {"type": "response", "status": event.status, "headers": _headers(event.headers)}
        case e.ResponseBody():
            gzip = packed.get(event.exchange)
            unpacked = gzip.feed(event.data) if gzip is not None else None
            if unpacked is not None:
                return {"type": "response-body", **content(unpacked), "encoding": "gzip"}
            return {"type": "response-body", **content(event.data)}
        case e.Frame():
            direction = "up" if event.up else "down"
            return {
                "type": "frame", "channel": event.channel, "direction": direction, "stream": event.stream,
                "final": event.final, **content(event.data),
            }  # fmt: skip
        case e.MaskRecorded():
            return {
                "type": "mask", "detector": event.detector, "where": event.where, "length": event.length, "tag": event.tag,
                "direction": "up" if event.up else "down", "late": event.late,
            }  # fmt: skip
        case e.HoldRecorded() | e.ReviewRecorded():
            return _approval(event)
        case e.KillRecorded():
            return {"type": "kill", "user": event.user, "reason": event.reason, "local": event.local}
        case e.GrantRecorded():
            return _grant(event)
        case e.ExchangeEnded():
            return {"type": "end", "outcome": event.outcome, "reason": event.reason}
        case e.AttemptsDropped():
            return {"type": "dropped", "count": event.count}
        case e.ClockStepped():
            return {"type": "clock", "seconds": event.by / 1_000_000}
        case e.RunStarted():
            return {"type": "run", "id": event.id, "client": e.header_text(event.client), "command": e.header_text(event.command)}
        case e.SessionEnded():
            return {"type": "ended", "reason": event.reason}
        case e.SessionStarted() | e.SegmentStarted() | e.UnknownEvent():  # in line one; not the session's; counted
            return None
        case _:
            assert_never(event)


def _request(event: e.RequestRecorded) -> Line:
    return {
        "type": "request", "method": event.method, "target": event.target, "headers": _headers(event.headers),
        "verb": event.verb, "group": event.group, "resource": event.resource, "subresource": event.subresource,
        "namespace": event.namespace, "name": event.name, "effects": list(event.effects), "audit_id": event.audit_id,
        "argv": _list(event.argv), "container": event.container, "ports": _list(event.ports),
        "label_selector": event.label_selector, "field_selector": event.field_selector,
        "stdin": event.stdin, "tty": event.tty, "as_user": event.as_user, "as_groups": _list(event.as_groups),
    }  # fmt: skip


def _approval(event: e.HoldRecorded | e.ReviewRecorded) -> Line:
    if isinstance(event, e.ReviewRecorded):
        return {
            "type": "review", "hold": event.hold, "user": event.user, "verdict": event.verdict, "note": event.note,
            "local": event.local, "forced": list(event.forced), "reason": event.reason, "rest_of_run": event.rest_of_run,
            "session": event.session, "issuer": event.issuer,
        }  # fmt: skip
    line: Line = {"type": "hold", "hold": event.hold, "state": event.state, "rule": event.rule, "wait": event.wait}
    line |= {"why": event.why, "command": event.command, "session": event.session}
    return line | _unpacked(shown=event.shown, reviews=event.reviews)


def _grant(event: e.GrantRecorded) -> Line:
    return {
        "type": "grant", "grant": event.grant, "state": event.state, "group": event.group, "cluster": event.cluster,
        "did": event.did, "user": event.user, "note": event.note, "for": event.seconds, "starts": event.starts or None,
        "ends": event.ends or None, "local": event.local, "forced": event.forced, "reason": event.reason,
        **_unpacked(reviews=event.reviews),
    }  # fmt: skip


def _unpacked(**texts: str) -> Line:
    """JSON in texts; None for an empty one. A text that is no JSON is left out: a later version may write another form."""
    line: Line = {}
    for name, text in texts.items():
        with suppress(ValueError):
            line[name] = json.loads(text) if text else None
    return line


def _list(elements: tuple[Any, ...] | None) -> list[Any] | None:
    return None if elements is None else list(elements)


def _headers(headers: e.Headers) -> list[list[str]]:
    return [[name, e.header_text(value)] for name, value in headers]


def content(data: bytes) -> Line:
    """`{"text": ...}` where the bytes are whole UTF-8, else `{"base64": ...}`."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


# ---------------------------------------------------------------------- asciicast


def asciicast(one: Exec) -> Iterator[str]:
    """The lines of an asciicast v2 file: a header, then one [seconds since the start, "o" | "i" | "r", text] a line. A character
    whose bytes lie in two frames is put together."""
    columns, rows = one.size
    head = {"version": 2, "width": columns, "height": rows, "timestamp": one.started // 1_000_000, "title": one.name}
    yield json.dumps(head)
    decoders = {channel: codecs.getincrementaldecoder("utf-8")("replace") for channel in ("stdout", "stderr", "stdin")}
    at = 0.0
    for frame in one.frames:
        at = round((frame.time - one.started) / 1e6, 6)
        if frame.channel in decoders:
            yield from _cast(at, frame.channel, decoders[frame.channel].decode(frame.data), one.tty)
        elif frame.channel == "resize":
            for columns, rows in sizes(frame.data):
                yield json.dumps([at, "r", f"{columns}x{rows}"])
    for channel, decoder in decoders.items():
        yield from _cast(at, channel, decoder.decode(b"", final=True), one.tty)


def _cast(at: float, channel: str, text: str, tty: bool) -> Iterator[str]:
    if text and channel == "stdin":
        yield json.dumps([at, "i", text])
    elif text:
        # Without a terminal, nothing turned LF into CR LF, which a player needs.
        yield json.dumps([at, "o", text if tty else text.replace("\n", "\r\n")])
