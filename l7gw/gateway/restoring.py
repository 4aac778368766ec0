"""The step of a call in which placeholders of masked values come back (`masking/coming_back/coming_back.py`).

Where the body holds a placeholder, the gateway reads the stored object: a GET as the caller, judged by the policy like a GET of
his own, over a connection of the same pool, with the Audit-ID of the call, so that the cluster's audit log ties both together. In
the recording stands a verdict about this reading, and the body as it was sent. What the cluster says to the reading but 200 is
told to the caller, and nothing goes up."""

from __future__ import annotations

from typing import Final

import msgspec

from l7gw.cluster.headers import upstream_request
from l7gw.cluster.upstream import ADAPTIVE, Upstream
from l7gw.errors import Refusal, StatusReason
from l7gw.gateway.answer import HeldAnswer, checked_response
from l7gw.gateway.call import Call, CallServices
from l7gw.gateway.client import Client
from l7gw.gateway.guard import Step, entry
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.masking.coming_back.coming_back import must_be_read, new_object, restore
from l7gw.masking.coming_back.json_patch import LEADING
from l7gw.masking.coming_back.restoring import Reading
from l7gw.masking.placeholder_search import holds, in_request, may_hold
from l7gw.masking.sent.sent_body import Sent, format_of
from l7gw.wire.errors import PeerError
from l7gw.wire.events import NO_BODY, Body, End, Headers, HttpEvent, Request, Response

LARGEST_OBJECT = 8 * 1024 * 1024  # bytes; what etcd and the API server keep has 3 MiB at most, and JSON may be longer than protobuf
MOST_TRIES = 5  # times that the reading is sent again after the cluster turned it away unread
WHY = "to restore masked values, the gateway reads the object as you"
_PASSED_ON = frozenset(("user-agent", "traceparent", "tracestate"))
_REASONS: Final[dict[int, StatusReason]] = {
    403: "Forbidden",
    404: "NotFound",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class _Told(msgspec.Struct):
    message: str = ""


class StoredObject:
    """Reads the answer to one GET of an object: its head, then its body, whole. `call` is told of the end."""

    __slots__ = ("_body", "_call", "_head", "_held", "_size", "tries")

    def __init__(self, call: RestoringCall) -> None:
        self._call = call
        self._head: Response | None = None
        self._held: HeldAnswer | None = None
        self._body: list[bytes] = []
        self._size = 0  # bytes
        self.tries = 0

    def on_upstream(self, events: list[HttpEvent]) -> None:
        self._call.stored_came(events)

    def on_upstream_lost(self, error: Exception | None) -> None:
        self._call.stored_lost(error)

    def on_upstream_unprocessed(self) -> None:
        self._call.stored_unprocessed()

    def on_upstream_writable(self, *, writable: bool) -> None:
        """A GET without a body waits for nothing."""

    def take(self, event: HttpEvent, act: Act, request: Request) -> bool:
        """Take one event of the answer. True at its end. Raises Refusal for an answer that is not used."""
        if isinstance(event, Response):
            assert self._call.far
            checked_response(event, act, self._call.far.standing, request)
            self._head = event
            self._held = HeldAnswer(event) if HeldAnswer.needed(event, act) else None
        elif isinstance(event, Body):
            self._size += len(event.data)
            if self._size > LARGEST_OBJECT:
                raise Refusal(502, "BadGateway", f"{WHY}, and it is larger than {LARGEST_OBJECT >> 20} MiB")
            self._body.append(event.data)
            if self._held is not None:
                self._held.takes(event)
        return isinstance(event, End)

    def whole(self, request: Request) -> bytes:
        """The object. Raises Refusal where the cluster said something else."""
        assert self._head is not None and self._call.far
        body, far, status = b"".join(self._body), self._call.far, self._head.status
        if status == 200:
            if not _is_json(self._head.headers):
                raise Refusal(502, "BadGateway", f"{WHY}, and the cluster's answer is no JSON")
            return body
        if self._held is not None and (refusal := self._held.refusal(far.name, far.standing, request)) is not None:
            raise refusal
        code = status if status in _REASONS else 502
        raise Refusal(code, _REASONS.get(status, "BadGateway"), f"{WHY}, and the cluster says: {_told(status, body)}")


class RestoringCall(Call):
    """A call that can put stored values in the place of placeholders. `_body` is what will go up, `deadline` the monotonic second
    by which the answer must begin; 0 where there is no deadline."""

    __slots__ = ("_body", "_reading", "_sent", "_stored", "_target", "deadline", "guarded")

    def __init__(self, worker: CallServices, client: Client, request: Request) -> None:
        super().__init__(worker, client, request)
        self._target = request.target  # without the cluster's path prefix
        self._body: list[bytes] = []
        self._sent: Sent | None = None
        self._stored: StoredObject | None = None  # while the object is read
        self._reading: tuple[Act, Request] | None = None
        self.deadline = 0.0
        self.guarded = False  # whether a JSON patch that goes up tests the version of the object first

    def gather(self) -> Step | None:
        """The step behind `check_head`."""
        raise NotImplementedError

    def forward(self) -> Step | None:
        """The step behind `restore`."""
        raise NotImplementedError

    def check_head(self) -> Step | None:
        """Refuse a placeholder where nothing is restored: in the URL, which has the arguments of an exec, and in headers."""
        if where := in_request(self._target, self.request.headers):
            words = f"{where} holds the placeholder of a masked value, and is not restored there; write the real value"
            # An upgrade is refused by a 403: clients show no other refusal of it as it is
            raise Refusal(403, "Forbidden", words) if self.request.upgrade else Refusal(422, "Invalid", words)
        return self.gather

    def restore(self) -> Step | None:
        """Where the body holds a placeholder, read the stored object first. Raises Refusal 422 for one that nothing can restore."""
        body = b"".join(self._body)
        assert self.act and self.masks
        if not body:
            return self.forward
        kind = format_of(_value(self.request.headers, "content-type"))
        if kind is None or not self.act.is_resource or self.act.subresource == "proxy":
            if may_hold(body) and holds(body):
                raise Refusal(422, "Invalid", "the body holds the placeholder of a masked value, and here it cannot be restored")
            return self.forward
        self._sent = Sent(act=self.act, format=kind, body=body)
        if not must_be_read(self._sent):
            return self.forward
        self._judge_reading()
        return self._read_stored

    def _judge_reading(self) -> None:
        """The reading is the caller's: the policy must allow it, and its verdict is recorded. Raises Refusal 403."""
        assert self.act and self.principal and self.far and self.call_record
        path = self.act.path.removesuffix(f"/{self.act.subresource}") if self.act.subresource else self.act.path
        act = describe("GET", path)
        verdict = self.worker.judge(self.principal, self.far.name, act)
        if not verdict.allowed:
            raise Refusal(403, "Forbidden", f"{WHY}, and the policy denies that: {verdict.reason}", rule=verdict.rule or None)
        self.call_record.verdict("allow", rule=verdict.rule, reason=f"{WHY}: {verdict.reason}")
        headers = [(name, value) for name, value in self.request.headers if name in _PASSED_ON]
        headers.append(("accept", "application/json"))
        request = upstream_request(
            Request("GET", path, tuple(headers)),
            act,
            self._own_headers(),
            host=self.far.endpoint.authority,
            address=self.client.address,
            body=NO_BODY,
            audit_id=self.audit_id,
        )
        self._reading = act, request

    def _read_stored(self) -> Step | None:
        assert self.far
        tries = self._stored.tries + 1 if self._stored is not None else 0
        self._stored = StoredObject(self)
        self._stored.tries = tries
        self.far.pool.connect(self._reading_connected, ADAPTIVE)
        return None

    @entry
    def _reading_connected(self, connection: Upstream | Refusal) -> None:
        if isinstance(connection, Refusal):
            raise connection
        if self.over:
            connection.release()
            return
        assert self._reading and self._stored
        self.upstream = connection
        self.deadline = self.worker.clock.monotonic() + self.worker.timeouts.answer_begins
        connection.begin(self._stored)
        connection.send(self._reading[1])
        connection.send(End())
        connection.flush()

    @entry
    def stored_came(self, events: list[HttpEvent]) -> Step | None:
        """Parts of the answer to the reading have come."""
        stored = self._stored
        if self.over or stored is None:
            return None
        assert self._reading and self._sent and self.masks and self.upstream
        act, request = self._reading
        whole = False
        for event in events:
            whole = stored.take(event, act, request) or whole
        if not whole:
            return None
        connection, self.upstream, self._stored, self.deadline = self.upstream, None, None, 0.0
        connection.release()
        try:
            data = stored.whole(request)
        except Refusal as refusal:
            if refusal.code != 404 or self._sent.format != "apply":
                raise
            if may_hold(self._sent.body):
                raise new_object("") from refusal
            self._sent = None  # what is applied makes the object
            return self.forward
        reading = Reading(stored=data, mask=self.masks.shown().mask, tagger=self.masks.tagger(self._sent.act.namespace))
        self._body = [restore(self._sent, reading)]
        self.guarded = self._sent.format == "json-patch" and self._body[0].startswith(LEADING)
        self._sent = None
        return self.forward

    @entry
    def stored_lost(self, error: Exception | None) -> None:
        """The connection ended within the answer to the reading."""
        self.upstream = None
        if not self.over:
            why = str(error) if isinstance(error, PeerError) else "it closed the connection"
            raise Refusal(502, "BadGateway", f"{WHY}, and got no whole answer from the cluster: {why}; nothing was changed")

    @entry
    def stored_unprocessed(self) -> Step | None:
        """The cluster says that it did not look at the reading: it is sent again, MOST_TRIES times at most."""
        self.upstream = None
        if self.over or self._stored is None:
            return None
        if self._stored.tries >= MOST_TRIES:
            raise Refusal(503, "ServiceUnavailable", "the cluster turns this call away again and again; nothing was done")
        return self._read_stored

    def _own_headers(self) -> Headers:
        """The header fields of the gateway's credential and of impersonation."""
        raise NotImplementedError


def _value(headers: Headers, name: str) -> str | None:
    return next((value for header, value in headers if header == name), None)


def _is_json(headers: Headers) -> bool:
    kind = (_value(headers, "content-type") or "").partition(";")[0].strip().lower()
    return kind == "application/json" and _value(headers, "content-encoding") in (None, "identity")


def _told(status: int, body: bytes) -> str:
    """What the cluster says of a failure: the message of a Status that is about access or absence. Other words may quote the
    object."""
    try:
        message = msgspec.json.decode(body, type=_Told).message if status in (403, 404) else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = ""
    return message or f"status {status}"
