"""Side calls: what the gateway itself asks the cluster within a call, because the call cannot be decided or written without it.

A side call is made as the requester or, with `--as`, as whom he asked for: with the gateway's credential and that impersonation,
over a connection of the same pool, with the Audit-ID of the call, so that the cluster's audit log ties both together. A question
about the requester is asked as the gateway itself. A side call is no act of the requester's: it stands in the record as a verdict
with its reason (`check_allowed`), and its answer goes to the gateway alone. An answer may hold secrets. Whoever shows or keeps any
of it masks it first.

A side call is bounded in bytes and seconds, and a call makes one at a time. A call that ends ends its side call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import msgspec

from l7gw.clock import Clock
from l7gw.cluster.pool import Pool
from l7gw.cluster.upstream import ADAPTIVE, KEPT, Upstream, Wanted
from l7gw.errors import Refusal, StatusReason
from l7gw.gateway.anew import NotAccepted, Tries
from l7gw.gateway.answer import HeldAnswer, checked_response
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.guard import Step
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, acting
from l7gw.kube.requestinfo import describe
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import CallRecord
from l7gw.wire.errors import PeerError
from l7gw.wire.events import NO_BODY, Body, End, Headers, HttpEvent, Request, Response

JSON = "application/json"
_PASSED_ON = frozenset(("user-agent", "traceparent", "tracestate"))  # header fields of the call that go up with its side calls
_REASONS: Final[dict[int, StatusReason]] = {
    403: "Forbidden",
    404: "NotFound",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a side call asks. `why` begins every word about its failure: what it is for, and that it is made as the requester."""

    method: str
    target: str  # the path, with its query, without the cluster's path prefix
    why: str
    largest: int  # bytes of the answer's body
    within: float  # seconds from the connection to the answer's end
    body: bytes = b""  # b"" for none
    content_type: str = JSON  # of the body
    accept: str = JSON
    own: bool = False  # made as the gateway itself, which names nobody: a question about its caller


class _Told(msgspec.Struct):
    message: str = ""


class SideAnswer(msgspec.Struct, frozen=True):
    """What the cluster said to a side call, whole and unmasked. A refusal of the gateway's own rights is none: it is a Refusal."""

    status: int
    headers: Headers
    body: bytes

    @property
    def is_json(self) -> bool:
        """Whether the answer says that it is JSON, and is not packed."""
        named = dict(self.headers)
        kind = named.get("content-type", "").partition(";")[0].strip().lower()
        return kind == JSON and named.get("content-encoding", "identity") == "identity"

    def refusal(self, why: str) -> Refusal:
        """The refusal of a call whose side call got this answer, which is not the one that was needed. It tells the message of a
        Status that is about access or absence. Other words may quote the object."""
        try:
            message = msgspec.json.decode(self.body, type=_Told).message if self.status in (403, 404) else ""
        except (msgspec.DecodeError, UnicodeDecodeError):
            message = ""
        code = self.status if self.status in _REASONS else 502
        told = message or f"status {self.status}"
        return Refusal(code, _REASONS.get(self.status, "BadGateway"), f"{why}, and the cluster says: {told}")


class Judging(Protocol):
    """What a side call asks of the worker."""

    clock: Clock

    def judge(self, principal: Principal, cluster: str, act: Act) -> Verdict:
        """The verdict of the policy and the hooks."""


class AskingCall(Protocol):
    """What a side call asks of the call that makes it."""

    @property
    def worker(self) -> Judging: ...

    request: Request
    far: FarSide | None
    principal: Principal | None
    act: Act | None
    call_record: CallRecord | None
    side: SideCall | None

    def as_caller(self, request: Request, act: Act, body: int) -> Request:
        """A request as it goes up for the call's requester, or for whom he asked to be taken."""

    def as_gateway(self, request: Request, act: Act, body: int) -> Request:
        """A request as it goes up for the gateway itself."""

    def enter(self, inside: Step) -> None:
        """Go on with `inside`, behind the guard of the call."""


def check_allowed(call: AskingCall, asked: Asked) -> None:
    """The policy must allow a side call like a call of the requester's own. The verdict is recorded. Raises Refusal 403."""
    assert call.principal and call.far and call.call_record and call.act
    act = acting(describe(asked.method, asked.target), call.act.acts_as)
    verdict = call.worker.judge(call.principal, call.far.name, act)
    if not verdict.allowed:
        raise Refusal(403, "Forbidden", f"{asked.why}, and the policy denies that: {verdict.reason}", rule=verdict.rule or None)
    call.call_record.verdict("allow", rule=verdict.rule, reason=f"{asked.why}: {verdict.reason}", own=True)


class SideCall:
    """One side call, from its connection to the last byte of its answer.

    `then` is called once, behind the guard of the call, and returns the call's next step: with the answer, or with the Refusal that
    says why there is none. It is not called where the call ended first (`abort`).
    """

    __slots__ = (
        "_act", "_asked", "_body", "_call", "_connection", "_deadline", "_far", "_head", "_held", "_request", "_size", "_then",
        "_tries", "over",
    )  # fmt: skip

    def __init__(self, call: AskingCall, asked: Asked, then: Callable[[SideAnswer | Refusal], Step | None]) -> None:
        assert call.far
        self.over = False
        self._call = call
        self._far = call.far
        self._asked = asked
        self._then = then
        self._act = describe(asked.method, asked.target)
        self._request: Request | None = None  # the one that went up last
        self._connection: Upstream | None = None
        self._deadline = 0.0  # monotonic seconds; 0 until there is a connection
        self._tries = Tries()
        self._head: Response | None = None
        self._held: HeldAnswer | None = None
        self._body: list[bytes] = []
        self._size = 0  # bytes in `_body`

    def begin(self) -> None:
        """Ask for a connection, and send the request over it."""
        self._call.side = self
        kind: Wanted = KEPT if self._asked.body else ADAPTIVE
        self._pool.connect(lambda connection: self._call.enter(partial(self._connected, connection)), kind)

    @property
    def _pool(self) -> Pool:
        """The requester's, also of what is asked as the gateway itself: his role session may no more than any other of the role."""
        assert self._call.principal
        return self._far.pool_of(self._call.principal)

    def tick(self, now: float) -> Step | None:
        """Once a second: give up where the answer is not whole in time."""
        if self._deadline and now > self._deadline and not self.over:
            return self._end(Refusal(504, "Timeout", "the cluster does not answer; nothing was changed"))
        return None

    def abort(self) -> None:
        """The call is over: so is its side call."""
        self.over = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _end(self, said: SideAnswer | Refusal) -> Step | None:
        """Hand over what was said, or why nothing was. A connection that is left is not at the end of an answer."""
        self.abort()
        self._call.side = None
        return self._then(said)

    def _connected(self, connection: Upstream | Refusal) -> Step | None:
        if self.over:
            if not isinstance(connection, Refusal):
                connection.release()
            return None
        if isinstance(connection, Refusal):
            return self._end(connection)
        self._connection = connection
        self._deadline = self._call.worker.clock.monotonic() + self._asked.within
        self._request = self._going_up()  # not before: a token may have been waited for
        connection.begin(self)
        connection.send(self._request)
        if self._asked.body:
            connection.send(Body(self._asked.body))
        connection.send(End())
        connection.flush()
        return None

    def _going_up(self) -> Request:
        """The request as it goes up now."""
        call, asked = self._call, self._asked
        headers = [(name, value) for name, value in call.request.headers if name in _PASSED_ON]
        headers.append(("accept", asked.accept))
        if asked.body:
            headers.append(("content-type", asked.content_type))
        going_up = call.as_gateway if asked.own else call.as_caller
        return going_up(Request(asked.method, asked.target, tuple(headers)), self._act, len(asked.body) or NO_BODY)

    # ------------------------------------------------------------------ the answer

    def on_upstream(self, events: list[HttpEvent]) -> None:
        """One read brought these parts of the answer."""
        self._call.enter(partial(self._came, events))

    def _came(self, events: list[HttpEvent]) -> Step | None:
        if self.over:
            return None
        try:
            whole = False
            for event in events:
                whole = self._take(event) or whole
            return self._whole() if whole else None
        except NotAccepted as refusal:
            return self._with_another_token(refusal)
        except Refusal as refusal:
            return self._end(refusal)

    def _take(self, event: HttpEvent) -> bool:
        """Take one event of the answer. True at its end. Raises Refusal for an answer that is not used."""
        assert self._request is not None
        if isinstance(event, Response):
            checked_response(event, self._act, self._far.standing, self._request)
            self._head = event
            self._held = HeldAnswer(event) if HeldAnswer.needed(event, self._act) else None
        elif isinstance(event, Body):
            self._size += len(event.data)
            if self._size > self._asked.largest:
                words = f"{self._asked.why}, and it is larger than {self._asked.largest >> 20} MiB"
                raise Refusal(502, "BadGateway", words)
            self._body.append(event.data)
            if self._held is not None:
                self._held.takes(event)
        return isinstance(event, End)

    def _whole(self) -> Step | None:
        """The answer has ended: its connection may serve others."""
        head, connection = self._head, self._connection
        assert head is not None and connection is not None and self._request is not None
        self._connection = None
        connection.release()
        refusal = self._held.refusal(self._far.name, self._far.standing, self._request) if self._held is not None else None
        return self._end(refusal or SideAnswer(head.status, head.headers, b"".join(self._body)))

    def on_upstream_lost(self, error: Exception | None) -> None:
        """The connection ended within the answer."""
        self._connection = None
        why = str(error) if isinstance(error, PeerError) else "it closed the connection"
        words = f"{self._asked.why}, and got no whole answer from the cluster: {why}; nothing was changed"
        self._call.enter(lambda: None if self.over else self._end(Refusal(502, "BadGateway", words)))

    def on_upstream_unprocessed(self) -> None:
        """The cluster says that it did not look at the request: it is sent again (`anew.Tries`)."""
        self._connection = None
        self._call.enter(self._turned_away)

    def _turned_away(self) -> Step | None:
        if self.over:
            return None
        try:
            self._tries.turned_away()
        except Refusal as refusal:
            return self._end(refusal)
        return self._again()

    def _with_another_token(self, refusal: NotAccepted) -> Step | None:
        """The cluster does not accept the gateway's own credential. Where that may be another one, the side call is made again."""
        assert self._request is not None and self._connection is not None
        try:
            self._tries.not_accepted(refusal, self._pool.credential, self._far.standing, self._request)
        except NotAccepted:
            return self._end(refusal)
        connection, self._connection = self._connection, None
        connection.abort()
        return self._again()

    def _again(self) -> Step | None:
        self._deadline = 0.0
        self._head = self._held = None
        self._body.clear()
        self._size = 0
        self.begin()
        return None

    def on_upstream_writable(self, *, writable: bool) -> None:
        """What goes up is small, and waits for nothing."""
