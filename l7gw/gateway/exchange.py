"""Life of a call.

    route      which cluster is meant?                     404
    identify   who asks?                                   401
    classify   what is asked: verb, object, effects        400, also where the token stands in a second place
    judge      may they?                                   403; like all failures it leaves by one door, `fail`
    (hold)     wait for a reviewer: not there yet. This step will stand here, before the body is gathered
    gather     the request body, whole                     413
    record     who, what, verdict, body, masked: a write is on the disk before the next step     400, 415
    restore    where the body holds placeholders of masked values, the values themselves (`restoring.py`)         422
    forward    the request, written anew, over a connection to the cluster; judged again where the policy changed meanwhile
    answer     what the cluster says: recorded, then handed to the client, as it comes (`answer_relay.py`)
    finish     the last event is recorded; the connection takes the next request

A step returns the next step, or None where it has to wait. What it waits for then calls an `entry`. Every entry goes through one
guard (`guard.py`). No task, future or timer belongs to a call. A 101 turns the exchange into a tunnel (`tunnel.py`), which is
recorded frame by frame.
"""

from __future__ import annotations

import dataclasses

from l7gw.cluster.headers import check_acceptable, own_length, upstream_request
from l7gw.cluster.impersonation import check_nameable, impersonation
from l7gw.cluster.upstream import ADAPTIVE, FRESH, KEPT, SHARED, SLOW_DISK, SLOW_READER, Upstream, Wanted
from l7gw.errors import Refusal
from l7gw.gateway.answer_relay import AnswerRelay
from l7gw.gateway.call import CallServices
from l7gw.gateway.client import Client
from l7gw.gateway.guard import Step, entry
from l7gw.gateway.refusal import LARGEST_BODY, bad_answer, too_large, unrecordable
from l7gw.gateway.restoring import MOST_TRIES, RestoringCall
from l7gw.identity.bearer import bearer_of, check_alone
from l7gw.identity.chain import Pending
from l7gw.identity.principal import Principal
from l7gw.policy.judge import Policy
from l7gw.policy.rules import in_words
from l7gw.policy.verdict import Verdict
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Body, End, Headers, HttpEvent, Informational, Request
from l7gw.wire.semantics import BODILESS


class Exchange(RestoringCall):
    """The steps of a call in their order, and the entries by which its client, its cluster, the disk and the clock reach it."""

    __slots__ = ("_after_body", "_body_size", "_policy", "_request_whole", "_tries")

    def __init__(self, worker: CallServices, client: Client, request: Request) -> None:
        super().__init__(worker, client, request)
        self._body_size = 0  # bytes
        self._request_whole = False
        self._after_body: Step | None = None  # the step to take once the request is whole
        self._policy: Policy | None = None  # the snapshot of the policy that gave the verdict
        self._tries = 0  # times that the cluster turned the request away unread

    # ------------------------------------------------------------------ the steps

    @entry
    def begin(self) -> Step | None:
        """The request's head has come: begin with the first step."""
        return self.route

    def route(self) -> Step | None:
        if refusal := self.worker.recorder.refusal():
            raise refusal  # what cannot be recorded does not pass
        self.far, self._target = self.worker.routes.choose(self.request, self.client.server_name)
        return self.identify

    def identify(self) -> Step | None:
        self.token = bearer_of(self.request)
        who = self.worker.identity.of(self.token, self.client.certificates, self.client.address)
        if isinstance(who, Pending):
            who.then(self._identified)  # an issuer's keys are being fetched
            return None
        self.principal = who
        return self.classify

    @entry
    def _identified(self, who: Principal | Refusal) -> Step | None:
        if isinstance(who, Refusal):
            raise who
        self.principal = who
        return self.classify

    def classify(self) -> Step | None:
        if self.token is not None:  # a token here is proven: `identify` refuses any other
            check_alone(self.request, self.token)
        self.act = self.client.describe(self.request, self._target)
        assert self.principal and self.far
        check_acceptable(self.request, self.act)
        cluster = self.far.endpoint.cluster
        check_nameable(self.principal, cluster.impersonate, cluster.prefix)
        return self.judge

    def judge(self) -> Step | None:
        self.verdict = self._allowed()
        return self.check_head

    def _allowed(self) -> Verdict:
        """Take the verdict of the policy in force. Raises Refusal 403 where it is a denial."""
        assert self.principal and self.act and self.far
        self._policy = self.worker.policy
        verdict = self.worker.judge(self.principal, self.far.name, self.act)
        if not verdict.allowed:
            # A kubectl command makes several calls. A rule's name tells the user which call was denied; where no rule decided, the
            # call itself is named.
            words = verdict.reason if verdict.rule else f"{verdict.reason}: {in_words(self.act)}"
            raise Refusal(403, "Forbidden", words, rule=verdict.rule or None)
        self.masks = self.worker.masking.of_call(self.far.name, self.act, self.principal, verdict.obligations)
        return verdict

    def gather(self) -> Step | None:
        """Read a write whole before any of it is sent, so that what is recorded is what is sent."""
        if self.request.length > LARGEST_BODY:
            raise too_large()
        if not self._request_whole:
            self._after_body = self._gathered
            if self.request.expects_continue:
                self.client.send(Informational(100))
            return None
        return self.record

    def _gathered(self) -> Step | None:
        """The body is here, and may have taken an hour (`slowest_body`): whoever began it must be known still. It costs 0.4 us."""
        who = self.worker.identity.of(self.token, self.client.certificates, self.client.address)
        if isinstance(who, Principal):  # else keys are being fetched anew, as after a reload: it was proven when the call began
            self.principal = who
        return self.record

    def record(self) -> Step | None:
        assert self.act and self.verdict
        body = b"".join(self._body)
        if body:  # before anything of the call is recorded: what cannot be masked is refused
            content_type = next((value for name, value in self.request.headers if name == "content-type"), "")
            recorded = self.sent.body(body, content_type)
        record = self._begin_record()
        if body:
            record.request_body(recorded)
            self._record_finds(record)
        if self.worker.waits_for_disk(self.act):
            record.durable(self._recorded)
            return None
        return self.restore

    @entry
    def _recorded(self, error: Exception | None) -> Step | None:
        if error is not None:
            raise self.worker.recorder.refusal() or unrecordable()
        return self.restore

    def forward(self) -> Step | None:
        assert self.far and self.act
        if self._policy is not self.worker.policy:  # the body and the disk took their time
            self._allowed()
        if self.request.upgrade:
            kind: Wanted = FRESH
        elif self.act.follows:
            kind = SHARED
        else:
            kind = ADAPTIVE if self.request.method in BODILESS else KEPT
        self.far.pool.connect(self._connected, kind)
        return None

    @entry
    def _connected(self, connection: Upstream | Refusal) -> Step | None:
        if isinstance(connection, Refusal):
            raise connection
        if self.over:
            connection.release()
            return None
        self.upstream = connection
        return self._send

    def _send(self) -> Step | None:
        assert self.upstream and self.act and self.far and self.call_record and self.masks
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
            self.deadline = self.worker.clock.monotonic() + self.worker.timeouts.answer_begins
        upstream = self.upstream
        self._answer = AnswerRelay(
            self, upstream, self.far, self.act, request, self.call_record, self.worker, self.masks, guarded=self.guarded
        )
        upstream.begin(self)
        upstream.send(request)
        if body:
            upstream.send(Body(body))
        upstream.send(End())
        upstream.flush()
        if not self.client.writable:
            upstream.pause(SLOW_READER)  # the client has not yet read the answer before this one
        self._body.clear()
        self.request = request  # from here on the request is the one that went upstream
        return None

    def _own_headers(self) -> Headers:
        assert self.far and self.principal and self.call_record
        cluster = self.far.endpoint.cluster
        return (
            *self.far.endpoint.credential.authorization,
            *impersonation(
                self.principal,
                self.call_record.session.id,
                cluster.impersonate,
                cluster.prefix,
                self.worker.policy.groups_going_up(cluster.name, cluster.groups),
            ),
        )

    # ------------------------------------------------------------------ the cluster's answer

    @entry
    def on_upstream(self, events: list[HttpEvent]) -> None:
        """Record and hand on what one read of the cluster brought. All of it is one write. A slow disk then pauses the cluster."""
        if self.over:
            return
        answer = self._answer
        assert answer is not None and self.call_record is not None
        try:
            for event in events:
                answer.take(event)
                if self.over:
                    return
        except PeerError as error:
            raise bad_answer(error) from error
        if self.call_record.session.backlogged and self.upstream is not None:
            self.upstream.pause(SLOW_DISK)  # a slow disk slows the call; nothing is dropped (threats H11)
            self.wait_for_disk()

    @entry
    def on_upstream_lost(self, error: Exception | None) -> None:
        """The cluster's connection ended before its answer, or within it. The client never gets this as a clean end."""
        self.upstream = None
        if self.over or (self._answer is not None and self._answer.whole):  # a whole answer may still wait for its client
            return
        if self.tunnel is None:
            raise bad_answer(error)
        self.tunnel.cluster_lost()

    @entry
    def on_upstream_unprocessed(self) -> Step | None:
        """The cluster says that it did not act upon the request. A request without a body is sent again, MOST_TRIES
        times at most (threats I8)."""
        self.upstream = None
        self._tries += 1
        if self._tries > MOST_TRIES:
            raise Refusal(503, "ServiceUnavailable", "the cluster turns this call away again and again; nothing was done")
        return self.forward

    @entry
    def on_upstream_writable(self, *, writable: bool) -> None:
        if self.tunnel is not None:
            self.tunnel.cluster_writable(writable)

    def wait_for_disk(self) -> None:
        """A side of the call is not read until the recorder has written what it holds: ask to be told of that."""
        self.worker.when_written(self)

    @entry
    def disk_caught_up(self) -> None:
        """The recorder has written what it held: read both sides again."""
        if self.upstream is not None and not self.over:
            self.upstream.resume(SLOW_DISK)
            if self.tunnel is not None:
                self.tunnel.disk_caught_up()

    @entry
    def held_bytes_due(self) -> None:
        """Bytes of a tunnel or log that were held back for masking have waited long enough."""
        holder = self.tunnel or self._answer
        if holder is not None and not self.over:
            holder.release()

    # ------------------------------------------------------------------ time

    @property
    def is_stream(self) -> bool:
        """Whether the call may last for hours: a tunnel, a watch, a followed log. A stream may stand still, and a drain gives it
        more time."""
        return self.tunnel is not None or (self.act is not None and self.act.long_running)

    @entry
    def tick(self, now: float) -> None:
        """Once a second: refuse the call where the cluster's answer did not begin in time."""
        if self.over:
            return
        if self.deadline and now > self.deadline:
            done = "the call may have been carried out" if self._answer is not None else "nothing was changed"
            raise Refusal(504, "Timeout", f"the cluster does not answer; {done}")
        if self.tunnel is not None:
            self.tunnel.tick(now)

    @entry
    def rejudge(self) -> None:
        """Judge a running stream again. Cut it where policy no longer allows it (threats F6, D17), where its credential has
        expired, or where it has run for longer than `longest_stream`."""
        if not self.is_stream or self.over or self.verdict is None:
            return
        assert self.principal and self.far and self.act
        verdict = self.worker.policy.judge(self.principal, self.far.name, self.act)
        expired = self.worker.clock.wall() >= self.principal.expires
        if not verdict.allowed:
            if self.call_record is not None:
                self.call_record.verdict("deny", rule=verdict.rule, reason=verdict.reason)
            self._cut(f"this stream is no longer allowed: {verdict.reason}")
        elif self.masks is not None and verdict.obligations != self.masks.obligations:
            self._cut("the policy masks other values of this stream now; run the command again")
        elif expired and self.worker.identity.ends_with_credential(self.principal):
            self._cut("the credential of this stream has expired; log in and run the command again")
        elif self.worker.clock.monotonic() - self.began > self.worker.timeouts.longest_stream:
            self._cut(f"this stream has run for {self.worker.timeouts.longest_stream / 3600:.0f} hours; run the command again")

    def may_forward(self, port: int) -> bool:
        """Judge one connection inside a port-forward, which is an act of its own. The verdict is recorded."""
        assert self.principal and self.far and self.act and self.call_record
        verdict = self.worker.judge(self.principal, self.far.name, dataclasses.replace(self.act, port=port))
        self.call_record.verdict(verdict.decision, rule=verdict.rule, reason=f"port {port}: {verdict.reason}")
        return verdict.allowed

    @entry
    def cut(self, why: str) -> None:
        """End a running stream for a reason of the gateway's own, such as a drain or a failed recording."""
        self._cut(why)

    def _cut(self, why: str) -> None:
        """Cut the call: by a failure Status where its protocol has room for one (threats H1, kubernetes-wire 4.4, 5.5)."""
        if self.over:
            return
        if self.tunnel is None:
            raise Refusal(503, "ServiceUnavailable", why)
        self.tunnel.end(why)

    # ------------------------------------------------------------------ what the client does meanwhile

    @property
    def waits_for_body(self) -> bool:
        """Whether the client has not sent its whole request yet."""
        return not self._request_whole and not self.over

    @entry
    def on_body(self, data: bytes) -> None:
        """Take a part of the request's body. A body beyond LARGEST_BODY is refused, with or without a Content-Length."""
        if self.over:
            return
        self._body_size += len(data)
        if self._body_size > LARGEST_BODY:
            raise too_large()
        self._body.append(data)

    @entry
    def on_request_end(self) -> Step | None:
        """The request is whole."""
        self._request_whole = True
        step, self._after_body = self._after_body, None
        return step

    @entry
    def on_client_writable(self, *, writable: bool) -> None:
        """The client takes more bytes again, or takes no more: read the cluster again, or pause it."""
        if writable and self._answer is not None:
            self._answer.go_on()
        if self.upstream is not None:
            writable = writable and self.client.writable  # what waited may have filled the client's buffer again
            (self.upstream.resume if writable else self.upstream.pause)(SLOW_READER)

    @entry
    def client_gone(self, why: str) -> None:
        """The client is gone: end the connection or stream to the cluster. A verdict that was given is still recorded."""
        if self.over:
            return
        if self.tunnel is not None:
            self.tunnel.client_ended(why)
            return
        self._drop_upstream()
        if self.verdict is not None:
            self._begin_record()
        self.end("aborted", f"{why}, before {'the answer' if self._request_whole else 'its request'} was whole")

    @entry
    def malformed(self, refusal: Refusal, *, answerable: bool) -> None:
        """The rest of the request cannot be read: record that, and send the refusal where the client can still be answered."""
        if self.over:
            return
        record = self._begin_record()
        record.verdict("refused", reason=self._told(refusal))
        self._drop_upstream()
        if answerable:
            self._tell(refusal, close=True)
        self.end("aborted" if self.verdict is not None else "refused", refusal.message)
