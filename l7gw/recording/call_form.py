"""The events of calls that are alike, encoded once. Such calls differ in their time, their number in the session, the audit id and
the answer's body alone: the bytes before, between and behind these places are kept, and a call's events are those bytes and what is
its own, one behind the other.

A form makes exactly the bytes that msgspec makes of the events one by one. Its places are known by the fields of the events and are
not searched for: their bytes may stand elsewhere too.

To make them is one call into msgspec: it writes the elements of a tuple one behind the other, a `Raw` as it is. The first byte, the
head of the tuple's array, is cut: an array of fewer than 16 elements has a head of one byte. That takes half the time of encoding
each and joining them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from l7gw.kube.act import Act, Effect
from l7gw.recording import events as e

pack: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode

_PLACES = ("time", "exchange")  # these fields stand first in each event of a call


def request_event(
    time: int, exchange: int, run: int, *, method: str, target: str, headers: e.Headers, act: Act, audit_id: str
) -> e.RequestRecorded:
    """The event of a request. The fields that say what the query asked for are set one by one, because Python makes a dict of more
    than 14 keywords: making the event would take 820 ns instead of 240."""
    event = e.RequestRecorded(
        time,
        exchange,
        run,
        method=method,
        target=target,
        headers=headers,
        verb=act.verb,
        group=act.group,
        resource=act.resource,
        subresource=act.subresource,
        namespace=act.namespace,
        name=act.name,
        effects=_in_order(act.effects),
        audit_id=audit_id,
    )
    interactive = act.subresource in ("exec", "attach")
    event.argv = act.argv
    if interactive or act.subresource == "log":
        event.container = act.container or None
    event.ports = act.ports
    event.label_selector = act.label_selector
    event.field_selector = act.field_selector
    if interactive:
        event.stdin = act.stdin
        event.tty = act.tty
    if act.acts_as is not None:
        event.as_user = act.acts_as.user
        event.as_groups = act.acts_as.groups
    return event


@lru_cache(maxsize=256)  # there are few combinations. Sorting one each time costs 0.4 us
def _in_order(effects: frozenset[Effect]) -> tuple[Effect, ...]:
    return tuple(sorted(effects))


class CallForm:
    """The request and the verdict of calls that are alike. `run` is the number of their run in the session, `run_id` its id.
    Without `content`, their bodies are not kept. `act` is what the log says of them too: nothing is masked in their heads. A form
    belongs to one session."""

    __slots__ = ("_between", "_end", "_middle", "act", "content", "method", "rule", "run", "run_id", "verdict")

    def __init__(
        self,
        *,
        run: int,
        run_id: str,
        content: bool,
        method: str,
        target: str,
        headers: e.Headers,
        act: Act,
        verdict: e.VerdictWord,
        rule: str,
        reason: str,
    ) -> None:
        self.run = run
        self.run_id = run_id
        self.content = content
        self.method = method
        self.act = act
        self.verdict: e.VerdictWord = verdict
        self.rule = rule
        request = request_event(0, 0, run, method=method, target=target, headers=headers, act=act, audit_id="")
        values = msgspec.structs.astuple(request)
        self._middle = Raw(_bare(values[len(_PLACES) : _AT_AUDIT_ID]))
        self._between = Raw(_bare(values[_AT_AUDIT_ID + 1 :]) + _VERDICT)
        self._end = Raw(_behind(e.VerdictRecorded(0, 0, rule=rule, verdict=verdict, reason=reason)))

    def events(self, time: int, exchange: int, audit_id: str) -> bytes:
        """Both events of the call of this number, at this time."""
        return pack((_REQUEST, time, exchange, self._middle, audit_id, self._between, time, exchange, self._end))[1:]


NOT_BEGUN = 1 << 62  # stands for the number of a run that no call began yet: no run is as late


class FieldsForm:
    """What the requests of calls have in common that are of one run and have the same method and header fields, and the verdict on
    them. `of` gives the form of one target."""

    __slots__ = ("content", "end", "headers", "method", "rule", "run", "run_id", "verdict", "_words")

    def __init__(
        self,
        *,
        run: int,
        run_id: str,
        content: bool,
        method: str,
        headers: e.Headers,
        verdict: e.VerdictWord,
        rule: str,
        reason: str,
    ) -> None:
        self.run = run
        self.run_id = run_id
        self.content = content
        self.method = method
        self.headers = Raw(pack(headers))
        self.verdict: e.VerdictWord = verdict
        self.rule = rule
        self._words: dict[str, Any] = {
            "run": run, "run_id": run_id, "content": content, "method": method, "headers": headers,
            "verdict": verdict, "rule": rule, "reason": reason,
        }  # fmt: skip
        self.end = Raw(_behind(e.VerdictRecorded(0, 0, rule=rule, verdict=verdict, reason=reason)))

    def in_run(self, run_id: str, headers: e.Headers) -> FieldsForm:
        """The same of the calls of another run, which no call began yet, with these headers."""
        return FieldsForm(**(self._words | {"run": NOT_BEGUN, "run_id": run_id, "headers": headers}))

    def begin(self, run: int, run_id: str) -> None:
        """The run has this number and id."""
        self.run = self._words["run"] = run
        self.run_id = self._words["run_id"] = run_id

    def of(self, target: str, act: Act) -> CallForm:
        """The form of a call with this target, as it is recorded. `act` is as `CallForm`'s, and neither a stream nor a log's, nor
        made as somebody else."""
        return _TargetForm(self, target, act)

    def kept(self, target: str, act: Act) -> CallForm:
        """The form of calls with this target, of which many will come."""
        return CallForm(target=target, act=act, **self._words)


class _TargetForm(CallForm):
    """A form of one target. It is used once as a rule, so that nothing of the target is encoded before that: to make it and the
    events takes 10,800 instructions (callgrind, in a loop)."""

    __slots__ = ("_fields", "_target")

    def __init__(self, fields: FieldsForm, target: str, act: Act) -> None:
        self.run, self.run_id, self.content = fields.run, fields.run_id, fields.content
        self.method, self.verdict, self.rule = fields.method, fields.verdict, fields.rule
        self.act = act
        self._fields = fields
        self._target = target

    def events(self, time: int, exchange: int, audit_id: str) -> bytes:
        act, fields = self.act, self._fields
        return pack(
            (
                _REQUEST, time, exchange, self.run, self.method, self._target, fields.headers,
                act.verb, act.group, act.resource, act.subresource, act.namespace, act.name, _in_order(act.effects), audit_id,
                _NO_STREAM, act.label_selector, act.field_selector, _AS_HIMSELF, time, exchange, fields.end,
            )
        )[_HEAD_OF_MANY:]  # fmt: skip


class AnswerForm:
    """The answer of calls that are alike, whose end is complete. `headers` are as they are recorded; the last one is the audit id,
    whatever its value here."""

    __slots__ = ("_middle", "headers", "name", "status")

    def __init__(self, status: int, headers: e.Headers) -> None:
        self.status = status
        self.headers = headers[:-1]  # all but the audit id, of which this is the name
        self.name = headers[-1][0]
        self._middle = Raw(pack(status) + _array(len(headers)) + _bare(self.headers) + _array(2) + pack(self.name))

    def events(self, time: int, exchange: int, audit_id: str) -> bytes:
        """The head and the end of an answer whose body is empty or not kept, as of a call of this number, at this time."""
        return pack((_RESPONSE, time, exchange, self._middle, audit_id, _END, time, exchange, _COMPLETE))[1:]

    def events_with(self, body: bytes, time: int, exchange: int, audit_id: str) -> bytes:
        """The head, the body and the end."""
        return pack(
            (
                _RESPONSE, time, exchange, self._middle, audit_id,
                _BODY, time, exchange, body,
                _END, time, exchange, _COMPLETE,
            )
        )[1:]  # fmt: skip


def before_body(kind: type[e.RequestBody] | type[e.ResponseBody], time: int, exchange: int, size: int) -> bytes:
    """The bytes of an event before its so many bytes of a body."""
    return b"".join((_OF_BODIES[kind], pack(time), pack(exchange), bytes_head(size)))


def bytes_head(length: int) -> bytes:
    """The head of a byte string of so many bytes (msgpack, bin format family)."""
    if length < 1 << 8:
        return b"\xc4" + length.to_bytes(1, "big")
    return b"\xc5" + length.to_bytes(2, "big") if length < 1 << 16 else b"\xc6" + length.to_bytes(4, "big")


def _array(length: int) -> bytes:
    """The head of an array of so many elements (msgpack, array format family): what msgspec writes before as many."""
    if length < 16:
        return bytes((0x90 | length,))
    return b"\xdc" + length.to_bytes(2, "big") if length < 1 << 16 else b"\xdd" + length.to_bytes(4, "big")


def _bare(values: tuple[Any, ...]) -> bytes:
    """The values one behind the other, without the head of an array."""
    head = _array(len(values))
    return pack(values)[len(head) :]


def _begin(kind: type[e.Event]) -> bytes:
    """The bytes of each event of a kind before its time and exchange."""
    fields = kind.__struct_fields__
    assert fields[: len(_PLACES)] == _PLACES
    return _array(1 + len(fields)) + pack(kind.__struct_config__.tag)


def _behind(event: e.Event) -> bytes:
    """The bytes of an event behind its time and exchange."""
    return _bare(msgspec.structs.astuple(event)[len(_PLACES) :])


_AT_AUDIT_ID = e.RequestRecorded.__struct_fields__.index("audit_id")
_REQUEST = Raw(_begin(e.RequestRecorded))
_VERDICT = _begin(e.VerdictRecorded)
_RESPONSE = Raw(_begin(e.ResponseRecorded))
_OF_BODIES = {kind: _begin(kind) for kind in (e.RequestBody, e.ResponseBody)}
_BODY = Raw(_OF_BODIES[e.ResponseBody])
_END = Raw(_begin(e.ExchangeEnded))
_COMPLETE = Raw(_behind(e.ExchangeEnded(0, 0, "complete")))
_NO_STREAM = Raw(_bare((None,) * 3))  # argv, container and ports
_AS_HIMSELF = Raw(_bare((None,) * 4) + _VERDICT)  # stdin, tty, as_user and as_groups
_HEAD_OF_MANY = len(_array(16))  # bytes of the head of an array of 16 elements or more
