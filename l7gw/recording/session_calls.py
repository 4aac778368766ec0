"""The calls of one session, each with what became of it, in the order in which they began."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from l7gw.clock import moment
from l7gw.recording import events as e
from l7gw.recording.masked import Masked

# Calls behind the oldest one that has not ended, which wait for their turn: a watch may last as long as its session. Beyond them it
# is given when it ends. 10,000 take about 15 MB.
MOST_WAITING = 10_000
BODILESS = frozenset((101, 204, 304))  # statuses of answers without a body


class SessionCall(msgspec.Struct):
    """A call as far as it is recorded. Times are microseconds since 1970, with the steps of the clock taken out; texts that nobody
    said are ""."""

    request: e.RequestRecorded
    time: int
    run: e.RunStarted | None
    verdict: str = ""  # the first one on the call, or a later one that is no allow
    rule: str = ""
    reason: str = ""  # of the verdict
    hold: str = ""  # the state of its hold
    reviewers: tuple[str, ...] = ()  # who said something to its hold
    status: int = 0  # 0: no answer yet
    up: int = 0  # bytes of bodies and channels
    down: int = 0
    answered: bool = False  # whether a part of the answer's body is recorded
    framed: bool = False  # whether there were frames of a stream
    ended: int = 0  # 0: not yet
    outcome: str = ""
    why: str = ""  # it ended so
    masked: Masked | None = None

    @property
    def over(self) -> bool:
        return bool(self.outcome)

    @property
    def milliseconds(self) -> float | None:
        """From the request to the end; None of a call without an end."""
        return max(0, self.ended - self.time) / 1000 if self.over else None

    @property
    def sent(self) -> int | None:
        """Bytes from the client. None where there may have been some that are not recorded."""
        unknown = self._unknown_stream or (self.request.may_have_body and self.status != 101 and self.request.says_body)
        return self.up or (None if unknown else 0)

    @property
    def got(self) -> int | None:
        """Bytes to the client. None where there may have been some that are not recorded, or there is no answer."""
        has_body = self.status not in BODILESS and self.request.method != "HEAD" and not self.answered
        return self.down or (None if self._unknown_stream or not self.status or has_body else 0)

    @property
    def _unknown_stream(self) -> bool:
        """Whether it is a stream of whose frames no byte is recorded: with `record: metadata` they are recorded empty."""
        return self.framed and not self.up and not self.down

    def document(self) -> dict[str, Any]:
        """The call as a JSON object. Its keys stay from release to release. Null is what is not known, or nobody said. `reason` is
        the verdict's; of an allowed call that did not end complete it says why. `ms` is a number with three decimals."""
        request, run = self.request, self.run
        read = request.verb != ""  # else the request could not be read
        complete = self.outcome in ("", "complete")
        return {
            "exchange": request.exchange,
            "time": moment(self.time),
            "run": (run.id if run is not None else "") or None,
            "command": (e.header_text(run.command) if run is not None else "") or None,
            "verb": request.verb or None,
            "group": request.group if read else None,
            "resource": request.resource if read else None,
            "subresource": request.subresource if read else None,
            "namespace": request.namespace if read else None,
            "name": request.name if read else None,
            "argv": list(request.argv) if request.argv is not None else None,
            "verdict": self.verdict or None,
            "rule": self.rule or None,
            "reason": (self.reason if complete or self.verdict != "allow" else self.why) or None,
            "status": self.status or None,
            "up": self.sent,
            "down": self.got,
            "ms": self.milliseconds,
            "outcome": self.outcome or None,
        }


class SessionCalls:
    """Reads the calls in the blocks of a session's events, which are its own to change. Events that belong to no call are handed to
    `other`: those of grants."""

    def __init__(self, blocks: Iterable[list[e.AnyEvent]], other: Callable[[e.GrantRecorded], None]) -> None:
        self._blocks = blocks
        self._other = other
        self._stepped = 0  # microseconds by which the wall clock was set ahead since the session began
        self._runs: list[e.RunStarted] = []
        self._waiting: dict[int, SessionCall] = {}  # in the order of their beginning; those that are over wait for their turn
        self._late: dict[int, SessionCall] = {}  # that others have overtaken
        self._said: dict[str, tuple[str, ...]] = {}  # who reviewed a hold

    def __iter__(self) -> Iterator[SessionCall]:
        for events in self._blocks:
            for event in events:
                take = _TAKES.get(type(event))
                if take is not None:
                    late = take(self, event)
                    if late is not None:
                        yield late
            yield from self._due()
        yield from sorted([*self._late.values(), *self._waiting.values()], key=lambda call: call.request.exchange)

    def _due(self) -> Iterator[SessionCall]:
        """The calls whose turn it is: those that are over, behind none that is not."""
        while self._waiting:
            number, first = next(iter(self._waiting.items()))
            if first.over:
                yield first
            elif len(self._waiting) > MOST_WAITING:
                self._late[number] = first
            else:
                return
            del self._waiting[number]

    def _call(self, exchange: int) -> SessionCall | None:
        return self._waiting.get(exchange) or self._late.get(exchange)

    # ------------------------------------------------------------------ events

    def _run(self, event: e.RunStarted) -> None:
        self._runs.append(event)

    def _clock(self, event: e.ClockStepped) -> None:
        self._stepped += event.by

    def _request(self, event: e.RequestRecorded) -> None:
        run = self._runs[event.run] if event.run < len(self._runs) else None
        event.headers = tuple(header for header in event.headers if header[0] in e.OF_BODIES)  # the others are most of what is kept
        self._waiting[event.exchange] = SessionCall(event, event.time - self._stepped, run)

    def _request_body(self, event: e.RequestBody) -> None:
        if (call := self._call(event.exchange)) is not None:
            call.up += len(event.data)

    def _response(self, event: e.ResponseRecorded) -> None:
        if (call := self._call(event.exchange)) is not None:
            call.status = event.status

    def _response_body(self, event: e.ResponseBody) -> None:
        if (call := self._call(event.exchange)) is not None:
            call.down += len(event.data)
            call.answered = True

    def _frame(self, event: e.Frame) -> None:
        if (call := self._call(event.exchange)) is None:
            return
        if event.up:
            call.up += len(event.data)
        else:
            call.down += len(event.data)
        call.framed = True

    def _verdict(self, event: e.VerdictRecorded) -> None:
        # What was allowed within an allowed call, such as a connection of a port-forward, is no verdict on the call
        call = self._call(event.exchange)
        if call is not None and not event.own and (event.verdict != "allow" or not call.verdict):
            call.verdict, call.rule, call.reason = event.verdict, event.rule, event.reason

    def _hold(self, event: e.HoldRecorded) -> None:
        if (call := self._call(event.exchange)) is not None:
            call.hold, call.reviewers = event.state, self._said.get(event.hold, ())
            if call.verdict != "deny":
                call.verdict, call.rule = "hold", event.rule

    def _review(self, event: e.ReviewRecorded) -> None:
        self._said[event.hold] = (*self._said.get(event.hold, ()), event.user)

    def _mask(self, event: e.MaskRecorded) -> None:
        if (call := self._call(event.exchange)) is not None:
            call.masked = call.masked or Masked()
            call.masked.add(event)

    def _end(self, event: e.ExchangeEnded) -> SessionCall | None:
        """The call, where others have overtaken it: it is given now."""
        call = self._call(event.exchange)
        if call is None:
            return None
        call.ended, call.outcome, call.why = event.time - self._stepped, event.outcome, event.reason
        return self._late.pop(event.exchange, None)

    def _grant(self, event: e.GrantRecorded) -> None:
        self._other(event)


_TAKES: dict[type, Callable[[SessionCalls, Any], SessionCall | None]] = {
    e.RunStarted: SessionCalls._run,
    e.ClockStepped: SessionCalls._clock,
    e.RequestRecorded: SessionCalls._request,
    e.RequestBody: SessionCalls._request_body,
    e.ResponseRecorded: SessionCalls._response,
    e.ResponseBody: SessionCalls._response_body,
    e.Frame: SessionCalls._frame,
    e.VerdictRecorded: SessionCalls._verdict,
    e.HoldRecorded: SessionCalls._hold,
    e.ReviewRecorded: SessionCalls._review,
    e.MaskRecorded: SessionCalls._mask,
    e.ExchangeEnded: SessionCalls._end,
    e.GrantRecorded: SessionCalls._grant,
}
