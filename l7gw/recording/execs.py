"""The execs and attaches of a session, with what they showed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar
from urllib.parse import parse_qsl

from msgspec import structs

from l7gw.recording import events as e
from l7gw.recording.masked import Masked
from l7gw.recording.reader import Mark

DEFAULT_SIZE = (80, 24)  # columns and rows where the client never told the size of its terminal
LARGEST_SIZE = 1000  # columns, and rows; a screen of that size with a character in each cell takes 16 MB
LARGEST_STATUS = 64 * 1024  # bytes of the status at an exec's end that are kept; kubelet's have 200
_SIZE = re.compile(rb"\{[^{}]{0,200}\}")  # a size has two numbers

Timed = TypeVar("Timed", e.RequestRecorded, e.Frame)


@dataclass
class Exec:
    """One exec or attach of a session, ready to be replayed or exported."""

    exchange: int  # its number in the session
    target: str  # path and query
    name: str  # of the pod
    started: int  # microseconds since 1970, undisturbed by steps of the clock
    tty: bool
    frames: Iterable[e.Frame] = ()  # each iteration reads the journal again, because there may be gigabytes of frames
    namespace: str = ""
    container: str = ""  # "" where the client named none
    argv: tuple[str, ...] | None = None  # None of an attach
    outcome: str = ""  # of its `ExchangeEnded`; "" where the recording has none
    reason: str = ""
    first_size: tuple[int, int] | None = None  # (columns, rows); None where the client told none
    masked: Masked = field(default_factory=Masked)
    status: bytes = b""  # what the channel `error` had at its end, at most LARGEST_STATUS bytes

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows at the beginning: the first size that the client told, else DEFAULT_SIZE."""
        return self.first_size or DEFAULT_SIZE

    @property
    def exit_status(self) -> int | None:
        """The command's exit status; None where none is recorded."""
        try:
            status = json.loads(self.status)
            if status["status"] == "Success":
                return 0
            return next(int(cause["message"]) for cause in status["details"]["causes"] if cause["reason"] == "ExitCode")
        except (ValueError, TypeError, KeyError, StopIteration, RecursionError):
            return None


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
                if event.channel == "error":
                    found[event.exchange].status = (found[event.exchange].status + event.data)[:LARGEST_STATUS]
                elif event.channel == "resize" and found[event.exchange].first_size is None:
                    found[event.exchange].first_size = next(iter(sizes(event.data)), None)
            elif isinstance(event, e.MaskRecorded) and event.exchange in found:
                found[event.exchange].masked.add(event)
            elif isinstance(event, e.ExchangeEnded) and event.exchange in found:
                found[event.exchange].outcome, found[event.exchange].reason = event.outcome, event.reason
    return [one for one in found.values() if one.exchange in ran]


def _exec(began: e.RequestRecorded, frames: _Frames) -> Exec:
    query = _query(began.target)
    tty = any(key == "tty" and value.lower() not in ("0", "false") for key, value in query)
    argv = began.argv
    if argv is None and began.subresource == "exec":  # of a version that did not record it beside the target
        argv = tuple(value for key, value in query if key == "command")
    return Exec(
        began.exchange, target=began.target, name=began.name, started=began.time, tty=tty, frames=frames, namespace=began.namespace,
        container=began.container or "", argv=argv,
    )  # fmt: skip


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
