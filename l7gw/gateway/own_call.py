"""A call that the gateway makes for itself, within no client's call: it names nobody, goes up with the gateway's own credential,
and is recorded in a session of the gateway's own.

It has an Audit-Id as any call has, so that the cluster's audit log has nothing of the gateway's that no recording knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from l7gw.clock import Clock
from l7gw.cluster.headers import upstream_request
from l7gw.errors import Refusal
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.guard import Step
from l7gw.gateway.side_calls import Asked, Judging, SideAnswer, SideCall
from l7gw.identifiers import new_audit_id
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.recording.call_record import CallRecord, Silent
from l7gw.recording.recorder import Recorder
from l7gw.wire.events import Headers, Request

log = logging.getLogger(__name__)

GATEWAY = Principal("l7gw", kind="workload", issuer="l7gw")  # in whose session it is recorded
NOBODY = Principal("", kind="workload")  # of a cluster with a role session for each person, the gateway's own
ADDRESS = "127.0.0.1"  # what the cluster's audit log has for the client's
AGENT: Headers = (("user-agent", "l7gw"),)

Then = Callable[[SideAnswer | Refusal], None]


class Services(Judging, Protocol):
    """What such a call asks of the worker."""

    recorder: Recorder
    clock: Clock


class OwnCall:
    """One call. `then` is called once, with the answer or with the Refusal that says why there is none; `why` is what the recording
    says of it. `needs_record`: without a record on the disk it does not go up."""

    def __init__(self, worker: Services, far: FarSide, asked: Asked, why: str, then: Then, *, needs_record: bool) -> None:
        self.worker = worker
        self.far: FarSide | None = far
        self.request = Request(asked.method, asked.target, AGENT)
        self.principal: Principal | None = NOBODY
        self.act: Act | None = describe(asked.method, asked.target)
        self.side: SideCall | None = None
        self.audit_id = new_audit_id()
        self.over = False
        self._far = far
        self._asked = asked
        self._then = then
        self._needs_record = needs_record
        self.call_record: CallRecord | None = self._begin_record(why)

    def begin(self) -> None:
        """Make the call."""
        refusal = self.worker.recorder.refusal()
        assert self.call_record is not None
        if not self._needs_record:
            self.enter(self._go)
        elif refusal is not None:
            self._said(refusal)
        else:
            self.call_record.durable(self._recorded)

    def _begin_record(self, why: str) -> CallRecord:
        far, asked = self._far, self._asked
        session = self.worker.recorder.session(GATEWAY, far.name)
        if far.record == "none":
            return Silent(session)
        record = session.begin(run_id="", client="l7gw", command="", content=far.record == "all")
        record.request(method=asked.method, target=asked.target, headers=AGENT, act=self.act, audit_id=self.audit_id)
        if asked.body:
            record.request_body(asked.body)
        record.verdict("allow", reason=why, own=True)  # no rule of the policy said so
        return record

    def _recorded(self, error: Exception | None) -> None:
        if error is not None:
            refusal = self.worker.recorder.refusal()
            self._said(refusal or Refusal(503, "ServiceUnavailable", f"{self._asked.why}, and that cannot be recorded: {error}"))
        else:
            self.enter(self._go)

    def _go(self) -> Step | None:
        SideCall(self, self._asked, self._said).begin()
        return None

    def _said(self, said: SideAnswer | Refusal) -> Step | None:
        record, self.call_record = self.call_record, None
        self.over = True
        if record is not None:
            if isinstance(said, SideAnswer):
                record.response(said.status, ())
                record.end("complete")
            else:
                record.end("failed", said.message)
        self._then(said)
        return None

    def tick(self, now: float) -> None:
        """Once a second, `now` in monotonic seconds: give up where the answer is late."""
        side = self.side
        if side is not None:
            self.enter(lambda: side.tick(now))

    # ------------------------------------------------------------------ what a side call asks

    def as_gateway(self, request: Request, act: Act, body: int) -> Request:
        """The request as it goes up: it names nobody."""
        far = self._far
        own = far.pool_of(NOBODY).credential.authorization
        return upstream_request(request, act, own, host=far.endpoint.authority, address=ADDRESS, body=body, audit_id=self.audit_id)

    as_caller = as_gateway

    def enter(self, inside: Step) -> None:
        """Go on with `inside`, and with what it returns. What goes wrong ends this call alone."""
        try:
            step: Step | None = inside
            while step is not None:
                step = step()
        except Refusal as refusal:
            self._failed(refusal)
        except Exception:
            log.exception("%s: the gateway failed at a call of its own", self.audit_id)
            self._failed(Refusal(500, "InternalError", "the gateway failed at a call of its own; its log says more"))

    def _failed(self, refusal: Refusal) -> None:
        side, self.side = self.side, None
        if side is not None:
            side.abort()
        if not self.over:
            self._said(refusal)
