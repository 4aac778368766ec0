"""What is written down of a session. Each event is one msgpack array in a block, its first element the tag.

`time` is microseconds since 1970, `exchange` the exchange's number in its session (from 1), `run` an index into the
session's runs (from 0). An event's place in the session is its `seq`, counted by readers from 1.
"""

from __future__ import annotations

import msgspec

Headers = tuple[tuple[str, str], ...]  # each character is one byte of what was on the wire


def header_text(value: str) -> str:
    """A recorded header's value as people read it: UTF-8 where its bytes are that, else Latin-1."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


class Event(msgspec.Struct, array_like=True, tag=True, gc=False):
    time: int


class SegmentStarted(Event, tag="segment"):
    """The first event of a segment, in the journal's own session (id of zeros): what the segment follows.

    `torn` are tails of former segments that are no whole block: (file, offset, SHA-256 of what lies there). `writer` names
    the process that writes, anew at each start: its sessions live as long as it holds a segment's lock."""

    version: str
    torn: tuple[tuple[str, int, bytes], ...]
    writer: str = ""


class SessionStarted(Event, tag="session"):
    """The first event of a session: everything `sessions list` shows without reading further."""

    id: str
    cluster: str
    user: str
    groups: tuple[str, ...]
    kind: str
    issuer: str
    actor: str
    address: str
    attempts: bool = False  # the day's session of calls without a principal


class RunStarted(Event, tag="run"):
    id: str
    client: str  # User-Agent
    command: str  # Kubectl-Command


class RequestRecorded(Event, tag="request"):
    exchange: int
    run: int
    method: str
    target: str
    headers: Headers  # credentials read "(credential)"
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    effects: tuple[str, ...]
    audit_id: str
    # What of the target's query says what the call is, decoded; None where the call has no such thing, or does not name it.
    argv: tuple[str, ...] | None = None  # of an exec
    container: str | None = None  # of exec, attach and log
    ports: tuple[int, ...] | None = None  # of a port-forward that names them in its query; other ones open streams
    label_selector: str | None = None  # of list, watch and deletecollection
    field_selector: str | None = None
    stdin: bool | None = None  # of exec and attach: whether it was asked for
    tty: bool | None = None


class RequestBody(Event, tag="request-body"):
    exchange: int
    data: bytes


class VerdictRecorded(Event, tag="verdict"):
    exchange: int
    rule: str
    verdict: str  # allow | deny; refused: malformed, unauthenticated or not forwardable, `reason` says which
    reason: str


class ResponseRecorded(Event, tag="response"):
    exchange: int
    status: int
    headers: Headers


class ResponseBody(Event, tag="response-body"):
    exchange: int
    data: bytes


class Frame(Event, tag="frame"):
    """Bytes of one channel of an exec, attach or port-forward."""

    exchange: int
    channel: str  # stdin stdout stderr error resize port-N port-N-error
    up: bool  # from the client to the cluster
    stream: int
    data: bytes
    final: bool = False  # this direction of the stream is half-closed


class ExchangeEnded(Event, tag="end"):
    exchange: int
    outcome: str  # complete | denied | refused | failed | cut | aborted
    reason: str = ""  # of every outcome but complete


class AttemptsDropped(Event, tag="dropped"):
    """Attempts without a principal that went unrecorded, as a count."""

    count: int


class ClockStepped(Event, tag="clock"):
    """The wall clock jumped while the session was running; the order of events is their order in the session (threats H5)."""

    by: int  # microseconds


class SessionEnded(Event, tag="ended"):
    reason: str  # idle | day | shutdown | failed: what could not be recorded ended it


class UnknownEvent:
    """An event of a kind that a later version writes: read over, counted, never written."""

    __slots__ = ("name", "time")

    def __init__(self, name: str, time: int) -> None:
        self.name = name
        self.time = time


WrittenEvent = (
    SegmentStarted
    | SessionStarted
    | RunStarted
    | RequestRecorded
    | RequestBody
    | VerdictRecorded
    | ResponseRecorded
    | ResponseBody
    | Frame
    | ExchangeEnded
    | AttemptsDropped
    | ClockStepped
    | SessionEnded
)
AnyEvent = WrittenEvent | UnknownEvent
