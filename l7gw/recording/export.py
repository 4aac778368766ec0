"""Exports a session in forms that other programs read: JSON Lines and asciicast v2."""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar, assert_never
from urllib.parse import parse_qsl

from msgspec import structs

from l7gw.clock import moment
from l7gw.recording import events as e
from l7gw.recording.gzip_body import Gzip
from l7gw.recording.masked import Masked
from l7gw.recording.reader import Mark
from l7gw.recording.session_list import Summary

DEFAULT_SIZE = (80, 24)  # columns and rows where the client never told the size of its terminal
LARGEST_SIZE = 1000  # columns, and rows; a screen of that size with a character in each cell takes 16 MB
_SIZE = re.compile(rb"\{[^{}]{0,200}\}")  # a size has two numbers

Line = dict[str, Any]
Timed = TypeVar("Timed", e.RequestRecorded, e.Frame)


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


# ---------------------------------------------------------------------- execs


@dataclass
class Exec:
    """One exec or attach of a session, ready to be replayed or exported."""

    exchange: int  # its number in the session
    target: str  # path and query
    name: str  # of the pod
    started: int  # microseconds since 1970, undisturbed by steps of the clock
    tty: bool
    frames: Iterable[e.Frame] = ()  # each iteration reads the journal again, because there may be gigabytes of frames
    outcome: str = ""  # of its `ExchangeEnded`; "" where the recording has none
    reason: str = ""
    first_size: tuple[int, int] | None = None  # (columns, rows); None where the client told none
    masked: Masked = field(default_factory=Masked)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows at the beginning: the first size that the client told, else DEFAULT_SIZE."""
        return self.first_size or DEFAULT_SIZE


Read = Callable[[Mark | None], Iterable[tuple[Mark, list[e.AnyEvent]]]]
"""A function such as `reader.Blocks`: each call gives the events of a session block by block, from a block or the beginning on."""


def _at(event: Timed, time: int) -> Timed:
    """A copy of the event with this time. The given event is not changed, because the reader may give it again."""
    return event if event.time == time else structs.replace(event, time=time)


class _Frames:
    """The frames of one exchange. Each iteration reads them from the journal again, from where the exchange begins: `begin` is the
    block, and the number of the event in it.

    The steps of the wall clock are taken out of their times; `stepped` are the microseconds by which it was set ahead between the
    session's beginning and this exchange's. Times never run back. A correction of the clock by less than a second is not recorded
    as a step; where it sets the clock back, the frames after it keep the time of the frame before, until the clock has caught up.
    """

    def __init__(self, read: Read, begin: tuple[Mark, int], stepped: int, began: e.RequestRecorded) -> None:
        self._read = read
        self._block, self._event = begin
        self._stepped = stepped
        self._began = began

    def __iter__(self) -> Iterator[e.Frame]:
        last, exchange, stepped = self._began.time, self._began.exchange, self._stepped
        events = (event for _, block in self._read(self._block) for event in block)
        for event in islice(events, self._event, None):
            if isinstance(event, e.ClockStepped):
                stepped += event.by
            elif isinstance(event, e.Frame) and event.exchange == exchange:
                last = max(last, event.time - stepped)
                yield _at(event, last)
            elif isinstance(event, e.ExchangeEnded) and event.exchange == exchange:
                return


def execs(read: Read, exchange: int | None = None) -> list[Exec]:
    """The execs and attaches that ran, in order; with `exchange`, that one alone. The whole session is read once here. Each
    exec's frames are read from its own beginning to its end, so that the cost of showing all execs is not quadratic."""
    found: dict[int, Exec] = {}
    ran: set[int] = set()
    stepped = 0
    for mark, events in read(None):
        for number, event in enumerate(events):
            if isinstance(event, e.ClockStepped):
                stepped += event.by
            elif isinstance(event, e.RequestRecorded) and event.subresource in ("exec", "attach"):
                if exchange in (None, event.exchange):
                    began = _at(event, event.time - stepped)
                    found[event.exchange] = _exec(began, _Frames(read, (mark, number), stepped, began))
            elif isinstance(event, e.Frame) and event.exchange in found:
                ran.add(event.exchange)
                if event.channel == "resize" and found[event.exchange].first_size is None:
                    found[event.exchange].first_size = next(iter(sizes(event.data)), None)
            elif isinstance(event, e.MaskRecorded) and event.exchange in found:
                found[event.exchange].masked.add(event)
            elif isinstance(event, e.ExchangeEnded) and event.exchange in found:
                found[event.exchange].outcome, found[event.exchange].reason = event.outcome, event.reason
    return [one for one in found.values() if one.exchange in ran]


def _exec(began: e.RequestRecorded, frames: _Frames) -> Exec:
    tty = any(key == "tty" and value.lower() not in ("0", "false") for key, value in _query(began.target))
    return Exec(began.exchange, target=began.target, name=began.name, started=began.time, tty=tty, frames=frames)


def _query(target: str) -> list[tuple[str, str]]:
    return parse_qsl(target.partition("?")[2], keep_blank_values=True)


def sizes(data: bytes) -> list[tuple[int, int]]:
    """The terminal sizes in a resize frame as (columns, rows), each number from 1 to LARGEST_SIZE.

    Sizes with a zero are left out: clients send them whose own terminal has no size. What is no size is left out as well. The
    terminal then keeps its size."""
    found: list[tuple[int, int]] = []
    for match in _SIZE.finditer(data):
        with suppress(ValueError, RecursionError):
            values = {key.lower(): value for key, value in json.loads(match[0]).items()}
            columns, rows = values.get("width"), values.get("height")
            if type(columns) is int and type(rows) is int and columns > 0 and rows > 0:
                found.append((min(columns, LARGEST_SIZE), min(rows, LARGEST_SIZE)))
    return found


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
