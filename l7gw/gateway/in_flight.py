"""What may come at any time while a call is in flight: the clock, another policy, a slow disk or reader, a drain, a client that
leaves, a connection to the cluster that is lost, and the rest of a request that cannot be read. The steps of a call in their order
are in `exchange.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec

from l7gw.cluster.upstream import SLOW_DISK, SLOW_READER
from l7gw.config.document import lasting
from l7gw.errors import Refusal
from l7gw.gateway.call import Call
from l7gw.gateway.guard import Step, entry
from l7gw.gateway.refusal import LastWords, bad_answer
from l7gw.kube.requestinfo import STREAMING
from l7gw.name_rules import quoted, visible
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import CallRecord
from l7gw.recording.events import VerdictWord
from l7gw.wire.events import Request


class InFlightCall(Call):
    """A call, and the entries by which the clock, the disk, the worker and its client reach it."""

    __slots__ = ()

    # ------------------------------------------------------------------ time

    @property
    def is_stream(self) -> bool:
        """Whether the call may last for hours: a tunnel, a watch, a followed log. A stream may stand still, and a drain gives it
        more time."""
        return self.tunnel is not None or (self.act is not None and self.act.long_running)

    @property
    def waits_for_reviewer(self) -> bool:
        """Whether the call is held, and waits. A drain gives it no time: nobody could answer it any more."""
        return self.holding is not None and self.holding.waits

    @property
    def is_told_within(self) -> bool:
        """Whether its refusal is being told inside of the stream that it asked for."""
        return self.refused is not None

    @entry
    def tick(self, now: float) -> Step | None:
        """Once a second: refuse the call where the cluster's answer did not begin in time."""
        if self.over:
            return None
        if self.deadline and now > self.deadline:
            done = "the call may have been carried out" if self._answer is not None else "nothing was changed"
            raise Refusal(504, "Timeout", f"the cluster does not answer; {done}")
        if self.longest and now - self.went_up >= self.longest:
            self._cut(f"this stream has run for {lasting(int(self.longest))}, as long as it may; run the command again", told=True)
            return None
        if self.tunnel is not None:
            self.tunnel.tick(now)
        if self.holding is not None:
            self.holding.tick(now)
        return self.side.tick(now) if self.side is not None else None

    @entry
    def rejudge(self) -> None:
        """Judge a running stream again. Cut it where policy no longer allows it (threats F6, D17), where its credential has
        expired. How long it may run is what the policy says now."""
        if not self.is_stream or self.over or self.verdict is None:
            return
        assert self.principal and self.far and self.act
        verdict = self.worker.judge_by_policy(self.principal, self.far.name, self.act)
        expired = self.worker.clock.wall() >= self.principal.expires
        over = self._grant_over(verdict)
        if verdict.decision == "deny" or over:  # a new hold ends nothing: whoever streams was let in
            why = f"{over}: {verdict.reason}" if over and verdict.decision == "deny" else over or verdict.reason
            if self.call_record is not None:
                self.call_record.verdict("deny", rule=verdict.rule, reason=why)
            self._cut(f"this stream is no longer allowed: {why}", told=True)
        elif self.masks is not None and verdict.obligations != self.masks.obligations:
            self._cut("the policy masks other values of this stream now; run the command again", told=True)
        elif expired and self.worker.identity.ends_with_credential(self.principal):
            self._cut("the credential of this stream has expired; log in and run the command again", told=True)
        elif self.longest:
            self.longest = self.may_last(verdict)

    def may_last(self, verdict: Verdict) -> float:
        """How many seconds a stream may last that passes by this verdict."""
        return verdict.handling.max_duration or self.worker.timeouts.longest_stream

    def _grant_over(self, verdict: Verdict) -> str:
        """That a grant is over by which the stream was allowed or by whose group the cluster let it in, in words; "" where none
        is. `verdict` is the one of now. A stream that its principal may begin without the grant goes on, unless the cluster was
        told the group."""
        assert self.verdict and self.principal and self.far
        if not (self.verdict.grants or self.sent_grants):
            return ""
        still = {one.group for one in self.worker.acting(self.principal, self.far.name)[1]}
        needed = () if verdict.allowed else self.verdict.grants
        sent = ((one.id, one.group) for one in self.sent_grants)
        for grant, group in (*needed, *sent):
            if group not in still:
                return f"the grant of {quoted(group)} {self.worker.grants.why_over(grant)} ({grant})"
        return ""

    def may_forward(self, port: int) -> bool:
        """Judge one connection inside a port-forward, which is an act of its own. The verdict is recorded."""
        assert self.principal and self.far and self.act and self.call_record
        verdict = self.worker.judge(self.principal, self.far.name, msgspec.structs.replace(self.act, port=port))
        passes = verdict.decision != "deny"  # a port-forward is held at its upgrade, and approved with all its connections
        said: VerdictWord = "allow" if passes else "deny"
        self.call_record.verdict(said, rule=verdict.rule, reason=f"port {port}: {verdict.reason}", of_port=True)
        return passes

    @entry
    def kill(self, user: str, reason: str, *, local: bool) -> None:
        """End the call because a person said so: he is recorded, and the client is told."""
        if self.over or self.refused is not None:
            return
        self._begin_record().kill(user, reason, local=local)
        why = f"{quoted(user)} ended this call" + (f": {visible(reason)}" if reason else "")
        if self.tunnel is not None:
            self.tunnel.end(why)
        elif self._answer is None:
            raise LastWords(403, "Forbidden", f"{why}; nothing was changed")
        elif self._answer.begun:
            raise LastWords(403, "Forbidden", why)
        else:
            raise LastWords(503, "ServiceUnavailable", f"{why}; it may have been carried out")

    @entry
    def cut(self, why: str) -> None:
        """End the call for a reason of the gateway's own, such as a drain or a failed recording."""
        if self.holding is not None and self.holding.waits:
            raise self.holding.stopped(why)
        self._cut(why)

    def _cut(self, why: str, *, told: bool = False) -> None:
        """Cut the call: by a failure Status where its protocol has room for one (threats H1, kubernetes-wire 4.4, 5.5). `told`: a
        watch ends with an event that says why. Informers list anew after one, which they all would at the end of a gateway."""
        if self.over:
            return
        if self.tunnel is None:
            raise (LastWords if told else Refusal)(503, "ServiceUnavailable", why)
        self.tunnel.end(why)

    @entry
    def held_bytes_due(self) -> None:
        """Bytes of a tunnel or log that were held back for masking have waited long enough."""
        holder = self.tunnel or self._answer
        if holder is not None and not self.over:
            holder.release()

    @entry
    def masked(self) -> None:
        """What the mask of the answer did in steps is done."""
        if self._answer is not None and not self.over:
            self._answer.masked()

    # ------------------------------------------------------------------ the rest of the request

    @property
    def waits_for_body(self) -> bool:
        """Whether the client has not sent its whole request yet."""
        return not self.body.whole and not self.over

    @entry
    def on_body(self, data: bytes) -> None:
        """Take a part of the request's body."""
        if not self.over:
            self.body.take(data)

    @entry
    def on_request_end(self) -> Step | None:
        """The request is whole."""
        return self.body.end()

    # ------------------------------------------------------------------ the disk

    def until_recorded(self, record: CallRecord, then: Callable[[Exception | None], None]) -> None:
        """Call `then` once all that was recorded so far is on the disk, or with the error."""
        self.waits_since = self.worker.clock.monotonic()
        record.durable(then)

    def is_recorded(self) -> None:
        """The disk has what the call waited for."""
        self.for_disk, self.waits_since = self.worker.clock.monotonic() - self.waits_since, 0.0

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

    # ------------------------------------------------------------------ both sides

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
    def on_upstream_writable(self, *, writable: bool) -> None:
        if self.tunnel is not None:
            self.tunnel.cluster_writable(writable)

    @entry
    def on_client_writable(self, *, writable: bool) -> None:
        """The client takes more bytes again, or takes no more: read the cluster again, or pause it."""
        if writable and self._answer is not None:
            self._answer.go_on()
        if self.upstream is not None:
            writable = writable and self.client.writable  # what waited may have filled the client's buffer again
            (self.upstream.resume if writable else self.upstream.pause)(SLOW_READER)

    def opens(self) -> Request:
        """Log that the stream is open. Returns what stands for its request from now on: nothing of its head is asked any more, and
        without it an idle watch over HTTP/2 takes 10.8 KiB instead of 12.4."""
        self._open = True
        access = self.worker.access
        if access.mode == "on":
            access.put(self._logged("open", ""))
        self.request, self._said, self._sent_masks = _headless(self.request.method), None, None
        return self.request

    def upgrade_refused(self) -> None:
        """The cluster answers an upgrade by something else. Clients then try another protocol: that is the same call."""
        if self.holding is not None:
            self.holding.upgrade_refused()
        if self.budgeting is not None and self.act is not None and self.act.subresource in STREAMING:
            self.budgeting.leave()  # nothing ran: the API server answers before a pod is asked. Of a proxied upgrade nobody knows

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
        self.end("aborted", f"{why}, before {'the answer' if self.body.whole else 'its request'} was whole")

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


@lru_cache(maxsize=8)
def _headless(method: str) -> Request:
    return Request(method, "", ())
