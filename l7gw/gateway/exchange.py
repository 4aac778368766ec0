"""Life of a call.

    route      which cluster is meant?                     404
    identify   who asks?                                   401
    classify   what is asked: verb, object, effects        400, also where the token stands in a second place
    judge      may they?                                   403, by the one door for failures, `refuse`
    (hold)     wait for a reviewer: the step that comes with the approvals stands here, before anything is gathered
    gather     the request body, whole                     413
    record     who, what, verdict, body: a write is on the disk before the next step
    forward    the request, written anew, over a connection to the cluster
    answer     what the cluster says: recorded, then handed to the client, as it comes
    finish     the last event is recorded; the connection takes the next request

A step returns the next one, or None when it has to wait; whoever it waits for calls `run` again. No task, future or timer
belongs to a call. A 101 turns the exchange into a tunnel (`tunnel.py`), which is recorded frame by frame.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import random
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from l7gw.cluster.headers import check_acceptable, own_length, upstream_request
from l7gw.cluster.impersonation import check_nameable, impersonation
from l7gw.cluster.upstream import FASTER, FRESH, KEPT, SHARED, SLOW_DISK, SLOW_READER
from l7gw.errors import Refusal
from l7gw.gateway.answer import HeldAnswer, acceptable_upgrade, checked_response, refusal_events, shown_headers
from l7gw.gateway.tunnel import Tunnel
from l7gw.gateway.upgrade import open_tunnel
from l7gw.identity.bearer import bearer_of, check_alone
from l7gw.identity.chain import Pending
from l7gw.kube.act import Act
from l7gw.policy.verdict import Verdict
from l7gw.recording.redact import Hide, as_sent, recorded_headers, without, without_tokens
from l7gw.recording.session import Exchange as Record
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Body, End, Headers, HttpEvent, Informational, Raw, Request, Response
from l7gw.wire.events import Closed as UpstreamClosed
from l7gw.wire.semantics import BODILESS

if TYPE_CHECKING:
    from l7gw.cluster.upstream import Upstream
    from l7gw.gateway.client import Client
    from l7gw.gateway.worker import FarSide, Worker
    from l7gw.identity.principal import Principal

log = logging.getLogger(__name__)

LARGEST_BODY = 3 * 1024 * 1024  # bytes; kube-apiserver's own limit (kubernetes-wire 6.3), so nothing valid is refused
LONGEST_STREAM = 12 * 3600.0  # seconds; longer than a day's work, so that what was forgotten open ends
ANSWER_WITHIN = 75.0  # seconds until a short call's answer begins; kube-apiserver gives up at 60 itself

MOST_TRIES = 5  # times that a request which the cluster turns away unread goes once more

Step = Callable[[], "Step | None"]

_random = random.Random(os.urandom(32))  # for audit ids, which must be unlike, not unguessable: os.urandom for each cost 6 %


class Exchange:
    """One call of a client: from its head to the last byte of its answer."""

    __slots__ = (
        "worker", "client", "request", "audit_id", "token",
        "far", "target", "principal", "act", "verdict", "record_of",
        "_body", "_body_size", "_request_whole", "_after_body", "deadline",
        "upstream", "tunnel", "_answering", "_held", "_tries", "began", "over",
    )  # fmt: skip

    def __init__(self, worker: Worker, client: Client, request: Request) -> None:
        self.worker = worker
        self.client = client
        self.request = request
        self.audit_id = str(uuid.UUID(int=_random.getrandbits(128), version=4))
        self.token: str | None = None
        self.far: FarSide | None = None
        self.target = request.target
        self.principal: Principal | None = None
        self.act: Act | None = None
        self.verdict: Verdict | None = None
        self.record_of: Record | None = None
        self._body: list[bytes] = []
        self._body_size = 0
        self._request_whole = False
        self._after_body: Step | None = None
        self.deadline = 0.0  # of the answer's beginning, by the monotonic clock; 0: none
        self.upstream: Upstream | None = None
        self.tunnel: Tunnel | None = None
        self._answering = False  # the head of the cluster's answer went to the client
        self._held: HeldAnswer | None = None  # a 403 that is not whole yet
        self._tries = 0  # times that the cluster turned the request away unread
        self.began = worker.clock.monotonic()
        self.over = False

    # ------------------------------------------------------------------ the steps

    def run(self, step: Step | None) -> None:
        """Take steps until one has to wait. Every failure of a call ends in `refuse`."""
        try:
            while step is not None and not self.over:
                step = step()
        except Refusal as refusal:
            self.refuse(refusal)
        except Exception:  # a mistake of ours ends its own call, and no other
            log.exception("%s: the gateway failed at this call", self.audit_id)
            self._drop_upstream()
            self.refuse(Refusal(500, "InternalError", "the gateway failed at this call; its log says more"))

    def route(self) -> Step | None:
        if refusal := self.worker.recorder.refusal():
            raise refusal  # what cannot be recorded does not pass
        self.far, self.target = self.worker.routes.choose(self.request, self.client.server_name)
        return self.identify

    def identify(self) -> Step | None:
        self.token = bearer_of(self.request)
        who = self.worker.identity.of(self.token, self.client.certificates, self.client.address)
        if isinstance(who, Pending):
            who.then(self._identified)  # an issuer's keys are being fetched
            return None
        self.principal = who
        return self.classify

    def _identified(self, who: Principal | Refusal) -> None:
        if isinstance(who, Refusal):
            self.run(lambda: self._raise(who))
        else:
            self.principal = who
            self.run(self.classify)
        self.client.flush()

    def classify(self) -> Step | None:
        if self.token is not None:  # it was proven, or `identify` had refused it
            check_alone(self.request, self.token)
        self.act = self.client.describe(self.request, self.target)
        assert self.principal and self.far
        check_acceptable(self.request, self.act)
        cluster = self.far.endpoint.cluster
        check_nameable(self.principal, cluster.impersonate, cluster.prefix)
        return self.judge

    def judge(self) -> Step | None:
        assert self.principal and self.act and self.far
        self.verdict = verdict = self.worker.policy.judge(self.principal, self.far.name, self.act)
        if not verdict.allowed:
            raise Refusal(403, "Forbidden", verdict.reason, rule=verdict.rule or None)
        return self.gather

    def gather(self) -> Step | None:
        """A write is read whole before anything of it travels: what is recorded is what is sent."""
        if self.request.length > LARGEST_BODY:
            raise _too_large()
        if not self._request_whole:
            self._after_body = self.record
            if self.request.expects_continue:
                self.client.send(Informational(100))
            return None
        return self.record

    def record(self) -> Step | None:
        assert self.act and self.verdict
        record = self._begin_record()
        if self._body:
            record.request_body(b"".join(self._body))
        if self.worker.waits_for_disk(self.act):
            record.durable(self._recorded)
            return None
        return self.forward

    def _recorded(self, error: Exception | None) -> None:
        if error is not None:
            self.run(lambda: self._raise(self.worker.recorder.refusal() or _unrecordable()))
        else:
            self.run(self.forward)
        self.client.flush()

    def forward(self) -> Step | None:
        assert self.far and self.act
        if self.request.upgrade:
            kind = FRESH
        elif self.act.follows:
            kind = SHARED
        else:
            kind = FASTER if self.request.method in BODILESS else KEPT
        self.far.pool.connect(self._connected, kind)
        return None

    def _connected(self, connection: Upstream | Refusal) -> None:
        if isinstance(connection, Refusal):
            self.run(lambda: self._raise(connection))
            self.client.flush()
        elif self.over:
            connection.release()
        else:
            self.upstream = connection
            self.run(self._send)
            self.client.flush()

    def _send(self) -> Step | None:
        assert self.upstream and self.act and self.far
        body = b"".join(self._body)
        request = upstream_request(
            self.request,
            self.act,
            self._own_headers(),
            host=self.far.endpoint.authority,
            address=self.client.address,
            body=own_length(self.request.length, len(body)),
            audit_id=self.audit_id,
        )
        if not self.act.long_running:
            self.deadline = self.worker.clock.monotonic() + ANSWER_WITHIN
        upstream = self.upstream
        upstream.begin(self)
        upstream.send(request)
        if body:
            upstream.send(Body(body))
        upstream.send(End())
        upstream.flush()
        if not self.client.writable:
            upstream.pause(SLOW_READER)  # of an answer before this one, which it has not read yet
        self._body.clear()
        self.request = request  # from here on what was sent is what counts
        return None

    def _own_headers(self) -> Headers:
        assert self.far and self.principal and self.record_of
        cluster = self.far.endpoint.cluster
        return (
            *self.far.endpoint.authorization(),
            *impersonation(
                self.principal,
                self.record_of.session.id,
                cluster.impersonate,
                cluster.prefix,
                self.worker.policy.groups_going_up(cluster.name, cluster.groups),
            ),
        )

    # ------------------------------------------------------------------ the cluster's answer

    def on_upstream(self, events: list[HttpEvent]) -> None:
        """What one read of the cluster brought: recorded, handed on, and written once. A slow disk then pauses the cluster."""
        try:
            for event in events:
                self._answer(event)
                if self.over:
                    return
        except Refusal as refusal:
            self._drop_upstream()
            self.refuse(refusal)
        except PeerError as error:
            self._drop_upstream()
            self.refuse(_bad_answer(error))
        self.client.flush()
        if self.record_of is not None and self.record_of.session.backlogged and self.upstream is not None:
            self.upstream.pause(SLOW_DISK)  # a slow disk slows the call; nothing is dropped (threats H11)
            self.worker.when_drained(self)

    def _answer(self, event: HttpEvent) -> None:
        record = self.record_of
        assert record is not None
        if self._held is not None and not self._let_go(event, record):
            return
        kind = type(event)
        if kind is Body:
            record.response_body(event.data)  # type: ignore[union-attr]
            self.client.send(event)
        elif kind is Raw:
            assert self.tunnel is not None
            self.tunnel.from_cluster(event.data)  # type: ignore[union-attr]
        elif kind is Response:
            assert isinstance(event, Response) and self.act
            if HeldAnswer.needed(event, self.act):
                self._held = HeldAnswer(event)
            else:
                self._answer_head(event, record)
        elif kind is End:
            self.client.send(event)
            self.finish("complete", "")
        elif kind is UpstreamClosed and self.tunnel is not None:
            self.tunnel.cluster_ended()

    def _let_go(self, event: HttpEvent, record: Record) -> bool:
        """Whether the event goes on to the client: a 403 is held back until it is known whom it is about."""
        held = self._held
        assert held and self.far
        if held.takes(event):
            return False
        refusal = held.refusal(self.far.name, self.far.standing, self.request) if type(event) is End else None
        self._held = None
        if refusal is not None:
            self.refuse(refusal)
            return False
        self._answer_head(held.head, record)
        for body in held.body:
            self._answer(body)
        return True

    def _answer_head(self, response: Response, record: Record) -> None:
        assert self.act and self.far
        checked_response(response, self.act, self.far.standing, self.request)
        self.deadline = 0.0
        if response.status == 101:
            acceptable_upgrade(self.request, self.act, response)
        proxied = self.act is not None and self.act.subresource == "proxy"
        shown = shown_headers(response, self.audit_id, record.session.id, self.client.websocket_key, proxied=proxied)
        record.response(response.status, recorded_headers(shown))
        if response.status == 101:
            self.tunnel = open_tunnel(self, response)
        self._answering = True
        self.client.send(Response(response.status, shown, response.length, True, response.upgrade))
        if self.tunnel is not None:
            self.client.flush()
            self.tunnel.begin()

    def on_upstream_lost(self, error: Exception | None) -> None:
        """The cluster's end came too early: before its answer, or within it. Never passed on as a clean end."""
        self.upstream = None
        if self.over:
            return
        if self.tunnel is not None:
            self.tunnel.cluster_lost()
        else:
            self.refuse(_bad_answer(error))
        self.client.flush()

    def on_upstream_unread(self) -> None:
        """The cluster says that it did not act upon the request: it goes once more, as it has no body (threats I8)."""
        self.upstream = None
        self._tries += 1
        if self._tries <= MOST_TRIES:
            self.run(self.forward)
        else:
            self.refuse(Refusal(503, "ServiceUnavailable", "the cluster turns this call away again and again; nothing was done"))
            self.client.flush()

    def on_upstream_writable(self, writable: bool) -> None:
        if self.tunnel is not None:
            self.tunnel.cluster_writable(writable)

    def disk_caught_up(self) -> None:
        """The recorder has written what it held: both sides are read again."""
        if self.upstream is not None and not self.over:
            self.upstream.resume(SLOW_DISK)
            if self.tunnel is not None:
                self.tunnel.disk_caught_up()

    # ------------------------------------------------------------------ time

    @property
    def is_stream(self) -> bool:
        """It may last for hours: a tunnel, a watch, a followed log. A drain gives it more time, and it may stand still."""
        return self.tunnel is not None or (self.act is not None and self.act.long_running)

    def tick(self, now: float) -> None:
        """Once a second: the cluster's answer must begin in time."""
        if self.deadline and now > self.deadline and not self.over:
            self._drop_upstream()
            self.refuse(Refusal(504, "Timeout", "the cluster does not answer; the call may have been carried out"))
            self.client.flush()
        if self.tunnel is not None and not self.over:
            self.tunnel.tick(now)

    def rejudge(self) -> None:
        """A running stream ends when policy no longer allows it (threats F6, D17)."""
        if not self.is_stream or self.over or self.verdict is None:
            return
        assert self.principal and self.far and self.act
        verdict = self.worker.policy.judge(self.principal, self.far.name, self.act)
        expired = self.principal.expires is not None and self.worker.clock.wall() >= self.principal.expires
        if not verdict.allowed:
            if self.record_of is not None:
                self.record_of.verdict(verdict.rule, "deny", verdict.reason)
            self.cut(f"this stream is no longer allowed: {verdict.reason}")
        elif expired and self.worker.identity.ends_with_credential(self.principal):
            self.cut("the credential of this stream has expired; log in and run the command again")
        elif self.worker.clock.monotonic() - self.began > LONGEST_STREAM:
            self.cut(f"this stream has run for {LONGEST_STREAM / 3600:.0f} hours; run the command again")

    def may_forward(self, port: int) -> bool:
        """The verdict on one connection inside a port-forward, an act of its own."""
        assert self.principal and self.far and self.act and self.record_of
        verdict = self.worker.policy.judge(self.principal, self.far.name, dataclasses.replace(self.act, port=port))
        self.record_of.verdict(verdict.rule, "allow" if verdict.allowed else "deny", f"port {port}: {verdict.reason}")
        return verdict.allowed

    # ------------------------------------------------------------------ what the client does meanwhile

    @property
    def waits_for_body(self) -> bool:
        """The client owes the rest of its request."""
        return not self._request_whole and not self.over

    def on_body(self, data: bytes) -> None:
        """A part of the request's body; refused past LARGEST_BODY, however it is framed."""
        if self.over:
            return
        self._body_size += len(data)
        if self._body_size > LARGEST_BODY:
            self.run(lambda: self._raise(_too_large()))
            return
        self._body.append(data)

    def on_request_end(self) -> None:
        self._request_whole = True
        step, self._after_body = self._after_body, None
        if step is not None:
            self.run(step)

    def on_client_writable(self, writable: bool) -> None:
        """A slow reader pauses the other side's reads."""
        if self.upstream is not None:
            if writable:
                self.upstream.resume(SLOW_READER)
            else:
                self.upstream.pause(SLOW_READER)

    def client_gone(self, why: str) -> None:
        """Nobody listens any more: the cluster is told by the end of its connection. A verdict that was given is recorded."""
        if self.over:
            return
        if self.tunnel is not None:
            self.tunnel.client_ended(why)
            return
        self._drop_upstream()
        if self.verdict is not None:
            self._begin_record()
        self._end("aborted", f"{why}, before {'the answer' if self._request_whole else 'its request'} was whole")

    def malformed(self, refusal: Refusal) -> None:
        """What the client sends is not what it announced: recorded here; the connection tells it and ends."""
        if not self.over:
            self._begin_record().verdict("", "refused", self._told(refusal))
            self._drop_upstream()
            self._end("aborted" if self.verdict is not None else "refused", refusal.message)

    # ------------------------------------------------------------------ ends

    def refuse(self, refusal: Refusal) -> None:
        """The one door for failures: recorded, told in a Status where an answer is still possible, else by a cut."""
        if self.over:
            return
        record = self._begin_record()
        if self._answering:
            self.warn_of_cluster("%s; the answer to %s is cut", refusal.message, self.audit_id)
            self._end("cut", refusal.message)
            self.client.abort()
            return
        record.verdict(refusal.rule or "", "deny" if refusal.code == 403 else "refused", self._told(refusal))
        session = record.session.id if self.principal is not None else None
        # Whether the connection can go on, the codec knows: not behind a body that was not read, nor a refused upgrade.
        for event in refusal_events(refusal, self.request, self.audit_id, session, close=False):
            self.client.send(event)
            if type(event) is Response:
                record.response(event.status, event.headers)
            elif type(event) is Body:
                record.response_body(event.data)
        self.finish("denied" if refusal.code == 403 else "refused" if self.verdict is None else "failed", refusal.message)

    def _told(self, refusal: Refusal) -> str:
        """The reason for the record, which knows strangers by their address alone."""
        return refusal.message if self.principal is not None else f"from {self.client.address}: {refusal.message}"

    def warn_of_cluster(self, line: str, *values: object) -> None:
        """A line of the log about the call's cluster, counted where it repeats itself."""
        self.worker.of_peers.warning(f"cluster {self.far.name if self.far is not None else ''}", line, *values)

    def cut(self, why: str) -> None:
        """End a running stream: by a failure Status where its protocol has room for one (threats H1, kubernetes-wire 4.4, 5.5)."""
        if self.over:
            return
        if self.tunnel is not None:
            self.tunnel.end(why)
        else:
            self._drop_upstream()
            self.refuse(Refusal(503, "ServiceUnavailable", why))
        self.client.flush()

    def finish(self, outcome: str, reason: str) -> None:
        """The exchange is complete; the client's connection may take the next."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.release()
        self._end(outcome, reason)
        self.client.finished(self)

    def ended(self, outcome: str, reason: str) -> None:
        """The tunnel is over; both connections are its to end."""
        self.upstream = self.tunnel = None
        if not self.over:
            self._end(outcome, reason)

    def _end(self, outcome: str, reason: str) -> None:
        """`reason` is "" of what is complete, and never else."""
        self.over = True
        if self.record_of is not None:
            self.record_of.end(outcome, reason)

    def _drop_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abort()

    def _begin_record(self) -> Record:
        """What was asked, and the verdict on it, go to the record: in the principal's session or among the day's attempts."""
        if self.record_of is None:
            request, hide = self.request, self._hide
            self.record_of = record = self.worker.begin_record(self.principal, self.far, self.client, request, hide)
            if record.silent:
                return record
            record.request(request.method, hide(request.target), recorded_headers(request.headers, hide), self.act, self.audit_id)
            if self.verdict is not None and self.verdict.allowed:  # a denial is recorded by `refuse`, which it leads to
                record.verdict(self.verdict.rule, "allow", self.verdict.reason)
        return self.record_of

    @property
    def _hide(self) -> Hide:
        """What of this request is a credential: what was proven, or looks like one, but no word of a stranger's choice."""
        if self.principal is None:
            return without_tokens
        return without(self.token) if self.token is not None else as_sent

    @staticmethod
    def _raise(refusal: Refusal) -> Step | None:
        raise refusal


def _too_large() -> Refusal:
    return Refusal(413, "RequestEntityTooLarge", f"the request body is larger than {LARGEST_BODY // 1024 // 1024} MiB")


def _unrecordable() -> Refusal:
    return Refusal(503, "ServiceUnavailable", "this call cannot be recorded, so it does not pass")


def _bad_answer(error: Exception | None) -> Refusal:
    why = str(error) if isinstance(error, PeerError) else "it closed the connection"
    return Refusal(502, "BadGateway", f"no whole answer from the cluster: {why}; the call may have been carried out")
