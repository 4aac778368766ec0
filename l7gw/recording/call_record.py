"""The record of one call: each part of it appends an event to the call's session.

The record also keeps what the access log says of the call at its end: the object as it is recorded, the verdict, the status, and
the bytes both ways. A record that keeps nothing (`Silent`) keeps that too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

from l7gw.kube.act import Act
from l7gw.masking.find import Find
from l7gw.recording import events as e
from l7gw.recording.call_form import AnswerForm, CallForm, before_body, request_event
from l7gw.recording.frame_form import FrameForm
from l7gw.recording.outbox import Then

LARGEST_EVENT = 4 * 1024 * 1024  # bytes of a body or frame in one event; a reader accepts blocks of 8 MiB

MOST_FORMS = 64  # streams of a call whose form is remembered; an exec has five
FRAME_BY_REFERENCE = (
    1024  # bytes; smaller frames are joined at once: as many objects that wait for the disk would take twice as much
)
LONGEST_HEAD = 64  # bytes of a frame's event beside its data, about
MOST_AT_ONCE = 128 * 1024  # bytes of frames' events that are appended together; a block has twice as many
BY_REFERENCE = 8 * 1024  # bytes; more of a body at once are not copied before the journal's thread has them

Bytes = bytes | memoryview

UNREAD = Act(verb="", path="", query="", effects=frozenset())  # stands for what a request asked that could not be read


def lasting(data: Bytes) -> Bytes:
    """The same bytes, to be read later. They are copied where they may change meanwhile, or would keep more than twice as many in
    memory: what waits for the disk is counted by its size."""
    if isinstance(data, bytes) or (isinstance(data.obj, bytes) and len(data) * 2 >= len(data.obj)):
        return data
    return bytes(data)


class OfCalls(Protocol):
    """What the record of a call asks of its session (`recording/session.py`)."""

    id: str
    content: int  # bytes of bodies and channels so far
    recent: deque[tuple[int, str, Act]]

    @property
    def backlogged(self) -> bool:
        """Whether so much of this session waits for the disk that its calls should be slowed."""

    @property
    def ended(self) -> bool:
        """Whether no new call begins in it."""

    @property
    def takes_calls(self) -> bool:
        """Whether new calls of its principal belong to it."""

    @property
    def runs_forgotten(self) -> int:
        """How many runs were forgotten: the oldest, so those of lower numbers. A form of such a run is good no more."""

    def begin_alike(self, form: CallForm) -> CallRecord:
        """A new exchange of this form, which is of this session."""

    def run_of(self, run_id: str, client: str, command: str) -> int:
        """The number of the run of a client process. Its first call records that it began."""

    def now(self) -> int:
        """Microseconds since 1970."""

    def append(self, event: e.WrittenEvent) -> int:
        """Append an event. Returns its size in bytes."""

    def append_encoded(self, part: bytes, more: int = 0) -> int:
        """Append an encoded event, and so many more that stand behind it. Returns their size in bytes."""

    def append_parts(self, parts: Sequence[Bytes], *, events: int) -> None:
        """Append so many encoded events, each of them whole, in parts that together are their bytes. They are not copied."""

    def count(self, content: int = 0, *, denied: int = 0, held: int = 0) -> None:
        """Add to what the list of sessions says of this session."""

    def closed_call(self) -> int:
        """A call has ended. Returns the time in microseconds since 1970."""

    def durable(self, then: Then) -> None:
        """Call `then` once all that was appended is on the disk, or with the error."""


class CallRecord:
    """Appends the events of one call. Every method but `durable` returns at once and waits for no disk."""

    silent: ClassVar[bool] = False  # whether nothing is kept, so that a caller may skip making what it would record

    __slots__ = (
        "act", "content", "down", "forms", "number", "over", "rule", "run", "run_id", "said", "session", "status", "up",
    )  # fmt: skip

    def __init__(self, session: OfCalls, run_id: str = "", number: int = 0, run: int = 0, content: bool = False) -> None:
        self.session = session
        self.run_id = run_id  # of the client process; "" among the attempts
        self.number = number
        self.run = run  # the run's number in the session
        self.content = content  # whether bodies are kept
        self.act = UNREAD  # what the log may say of the call: set by who made the record
        self.said: e.VerdictWord | Literal[""] = ""  # the last verdict on the call; "" before the first
        self.rule = ""  # the rule of that verdict; "" where none decided
        self.status = 0  # of the answer to the client; 0 before its head
        self.over = False  # whether the call's end is recorded
        self.up = 0  # bytes of bodies and channels that the client sent, as they are recorded
        self.down = 0  # and of those that it was sent
        self.forms: dict[tuple[str, bool, int], FrameForm] | None = None  # by channel, direction and stream; None before a frame

    def request(self, *, method: str, target: str, headers: e.Headers, act: Act | None, audit_id: str) -> None:
        """Record the request. `act` is None where the request could not be read."""
        if act is None:
            act = UNREAD
        session, time = self.session, self.session.now()
        event = request_event(
            time,
            self.number,
            self.run,
            method=method,
            target=target,
            headers=headers,
            act=act,
            audit_id=audit_id,
        )
        session.recent.append((time, method, act))  # costs 0.1 us
        session.append(event)

    def request_body(self, data: Bytes) -> None:
        self.up += len(data)
        self._body(e.RequestBody, data)

    def verdict(self, verdict: e.VerdictWord, *, rule: str = "", reason: str, own: bool = False, of_port: bool = False) -> None:
        """Record a verdict. `rule` is the name of the rule that decided; "" where none did. `own`: it is about what the gateway
        itself asks the cluster within the call. `of_port`: it is about one connection within a port-forward."""
        if not (own or of_port):
            self.said, self.rule = verdict, rule
        if verdict == "deny":
            self.session.count(denied=1)
        session = self.session
        event = e.VerdictRecorded(session.now(), self.number, rule=rule, verdict=verdict, reason=reason, own=own)
        session.append_encoded(e.encode(event))

    def response(self, status: int, headers: e.Headers) -> None:
        self.status = status
        session = self.session
        session.append_encoded(e.encode(e.ResponseRecorded(session.now(), self.number, status=status, headers=headers)))

    def response_body(self, data: Bytes) -> None:
        """Record a part of the answer's body. A view is copied where that is small, may change, or is a part of much more."""
        self.down += len(data)
        self._body(e.ResponseBody, data)

    def _body(self, kind: type[e.RequestBody] | type[e.ResponseBody], data: Bytes) -> None:
        session, size = self.session, len(data)
        session.content += size
        if not self.content:
            return
        if size <= BY_REFERENCE:
            session.append_encoded(e.encode(kind(session.now(), self.number, data)))  # type: ignore[arg-type]
            return
        data = lasting(data)
        whole = memoryview(data)
        for part in (data,) if size <= LARGEST_EVENT else [whole[at : at + LARGEST_EVENT] for at in range(0, size, LARGEST_EVENT)]:
            session.append_parts((before_body(kind, session.now(), self.number, len(part)), part), events=1)

    def frame(self, channel: str, *, up: bool, stream: int, data: bytes, final: bool = False) -> None:
        """Record bytes of a channel; see `Frame` for the fields. Keywords here and in the event cost 25 of a frame's 700 ns."""
        session, size = self.session, len(data)
        session.count(size)
        if up:
            self.up += size
        else:
            self.down += size
        if not self.content:
            data = b""
        elif len(data) > LARGEST_EVENT:
            *before, data = [data[at : at + LARGEST_EVENT] for at in range(0, len(data), LARGEST_EVENT)]
            for part in before:
                session.append(e.Frame(session.now(), self.number, channel=channel, up=up, stream=stream, data=part))
        session.append(e.Frame(session.now(), self.number, channel=channel, up=up, stream=stream, data=data, final=final))

    def frames(self, channel: str, *, up: bool, stream: int, data: Sequence[bytes], final: bool = False) -> None:
        """Record bytes of a channel that came in several frames at once: an event for each, all of one time. `data` is not empty,
        and none of it is larger than LARGEST_EVENT. `final` is about the last of them."""
        if len(data) == 1:
            self.frame(channel, up=up, stream=stream, data=data[0], final=final)
            return
        size = sum(map(len, data))
        self.session.count(size)
        if up:
            self.up += size
        else:
            self.down += size
        self._append_frames(self._frame_form((channel, up, stream)), data if self.content else [b""] * len(data), final=final)

    def _frame_form(self, key: tuple[str, bool, int]) -> FrameForm:
        """The form of the frames of a channel, direction and stream."""
        forms = self.forms
        if forms is None or (len(forms) == MOST_FORMS and key not in forms):
            forms = self.forms = {}  # nearly all are of streams that have ended: a forwarded port has two for each connection
        form = forms.get(key)
        if form is None:
            form = forms[key] = FrameForm(self.number, *key)
        return form

    def _append_frames(self, form: FrameForm, data: Sequence[bytes], *, final: bool) -> None:
        session, waiting = self.session, [data]
        while waiting:
            some = waiting.pop()
            size, count = sum(map(len, some)), len(some)
            if count > 1 and size + count * LONGEST_HEAD > MOST_AT_ONCE:
                waiting += (some[count // 2 :], some[: count // 2])
                continue
            parts = form.all(session.now(), some, final=final and not waiting)
            session.append_parts(parts if size > FRAME_BY_REFERENCE * count else (b"".join(parts),), events=count)

    def mask(self, find: Find, *, up: bool) -> None:
        """Record that a value was masked. `up`: the caller sent it."""
        session = self.session
        event = e.MaskRecorded(
            session.now(), self.number, detector=find.detector, where=find.where, length=find.length, tag=find.tag, up=up
        )
        event.late = find.late
        session.append(event)

    def kill(self, user: str, reason: str, *, local: bool) -> None:
        """Record that somebody ends the call. `local`: he is known by the socket alone."""
        self.session.append(e.KillRecorded(self.session.now(), self.number, user=user, reason=reason, local=local))

    def end(self, outcome: e.Outcome, reason: str = "") -> None:
        """Record the end of the call. `reason` says why the call failed; "" where it is complete."""
        self.over = True
        session = self.session
        session.append_encoded(e.encode(e.ExchangeEnded(session.closed_call(), self.number, outcome=outcome, reason=reason)))

    # ------------------------------------------------------------------ calls that are alike

    def asked(self, form: CallForm, audit_id: str) -> None:
        """Record the request and the verdict on it. Both have one time: their order is that in which they stand in the session."""
        session = self.session
        self.act, self.said, self.rule = form.act, form.verdict, form.rule
        if form.verdict == "deny":
            session.count(denied=1)
        time = session.now()
        session.recent.append((time, form.method, form.act))
        session.append_encoded(form.events(time, self.number, audit_id), 1)

    def answered(self, form: AnswerForm, audit_id: str, body: bytes) -> None:
        """Record the answer, of which `body` is all of the body, and that the call is complete."""
        session, size = self.session, len(body)
        if size > BY_REFERENCE:
            self.response(form.status, (*form.headers, (form.name, audit_id)))
            self.response_body(body)
            self.end("complete")
            return
        self.over, self.status = True, form.status
        time = session.closed_call()
        if size:
            self.down += size
            session.content += size
        if size and self.content:
            session.append_encoded(form.events_with(body, time, self.number, audit_id), 2)
        else:
            session.append_encoded(form.events(time, self.number, audit_id), 1)

    def durable(self, then: Then) -> None:
        """Call `then` on the loop with None once all that was appended to the session so far is on the disk, or with the error."""
        self.session.durable(then)


class Silent(CallRecord):
    """An exchange that records nothing: on a cluster with `record: none`, or an attempt beyond the limits of `Attempts`."""

    __slots__ = ()

    silent: ClassVar[bool] = True

    def request(self, *, method: str, target: str, headers: e.Headers, act: Act | None, audit_id: str) -> None:
        pass

    def request_body(self, data: Bytes) -> None:
        self.up += len(data)

    def verdict(self, verdict: e.VerdictWord, *, rule: str = "", reason: str, own: bool = False, of_port: bool = False) -> None:
        if not (own or of_port):
            self.said, self.rule = verdict, rule

    def response(self, status: int, headers: e.Headers) -> None:
        self.status = status

    def response_body(self, data: Bytes) -> None:
        self.down += len(data)

    def frame(self, channel: str, *, up: bool, stream: int, data: bytes, final: bool = False) -> None:
        if up:
            self.up += len(data)
        else:
            self.down += len(data)

    def frames(self, channel: str, *, up: bool, stream: int, data: Sequence[bytes], final: bool = False) -> None:
        self.frame(channel, up=up, stream=stream, data=b"".join(data))

    def mask(self, find: Find, *, up: bool) -> None:
        pass

    def kill(self, user: str, reason: str, *, local: bool) -> None:
        pass

    def end(self, outcome: e.Outcome, reason: str = "") -> None:
        pass

    def asked(self, form: CallForm, audit_id: str) -> None:
        self.act, self.said, self.rule = form.act, form.verdict, form.rule

    def answered(self, form: AnswerForm, audit_id: str, body: bytes) -> None:
        self.status = form.status
        self.down += len(body)

    def durable(self, then: Then) -> None:
        asyncio.get_running_loop().call_soon(then, None)
