"""What is known of one call, its record, and the ways in which it ends.

A call ends once. It is answered whole (`finish`), refused or cut (`fail`, `cut`), left by its client, or ended by force after a bug
of ours (`guard.py`). Each end is recorded with its outcome, and every outcome but `complete` with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

from l7gw.approval.active_grants import ActiveGrant
from l7gw.cluster.headers import upstream_request
from l7gw.cluster.impersonation import impersonation, impersonation_as
from l7gw.cluster.upstream import Upstream
from l7gw.errors import Refusal
from l7gw.gateway.access_form import KEPT, AccessEvent, AccessForm, brief
from l7gw.gateway.access_log import Access, is_error
from l7gw.gateway.answer import HeldAnswer
from l7gw.gateway.answer_relay import AnswerRelay
from l7gw.gateway.budgeting import Budgeting
from l7gw.gateway.call_services import CallServices
from l7gw.gateway.client import Client
from l7gw.gateway.cluster_forbids import words_beside
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.guard import Step, entry
from l7gw.gateway.header_fields import HeaderFields
from l7gw.gateway.hold_words import ComeBack
from l7gw.gateway.holding import Holding
from l7gw.gateway.refusal import tell
from l7gw.gateway.refused_exec import RefusedExec, hears_within
from l7gw.gateway.request_body import RequestBody
from l7gw.gateway.results import Result
from l7gw.gateway.side_calls import SideCall
from l7gw.gateway.strangers import unproven
from l7gw.gateway.tunnel import Tunnel
from l7gw.gateway.tunnel_sides import ClientSide
from l7gw.identifiers import new_audit_id
from l7gw.identity.pending import Pending
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.self_reviews import Question
from l7gw.masking.bodies.bodies import MUCH_OF_OBJECT
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.sent.sent_masks import SentMasks
from l7gw.obligations import NO_HANDLING, NO_OBLIGATIONS
from l7gw.policy.can_i import Can
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import UNREAD, CallRecord
from l7gw.recording.events import Outcome
from l7gw.recording.redact import Hide, hiding
from l7gw.steps import InSteps
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Headers, Request

T = TypeVar("T")

NOBODY = Principal("")  # stands for who asks, as long as that is not known


class Call:
    """One call of a client, from its head to the last byte of its answer."""

    __slots__ = (
        "worker", "client", "request", "body", "audit_id", "token", "far", "principal", "act", "verdict", "result", "masks",
        "call_record", "sent_grants", "upstream", "side", "steps", "budgeting", "holding", "warning", "refused",
        "sent_as_recorded", "tunnel", "_answer", "_sent_masks", "went_up", "longest", "began", "deadline", "unrecorded", "over",
        "answered", "for_disk", "for_human", "waits_since", "guarded", "alike", "_open", "has_masked_head", "_said",
    )  # fmt: skip

    def __init__(self, worker: CallServices, client: Client, request: Request) -> None:
        self.worker = worker
        self.client = client
        self.request = request
        self.body = RequestBody(whole=request.whole)
        self.audit_id = new_audit_id()
        self.token: str | None = None
        self.far: FarSide | None = None
        self.principal: Principal | None = None
        self.act: Act | None = None
        self.verdict: Verdict | None = None
        self.result: Result | None = None  # what its dry run gave, where a condition of the policy asked
        self.masks: CallMasks | None = None  # of a call that is allowed
        self._sent_masks: SentMasks | None = None
        self._said: HeaderFields | None = None
        self.call_record: CallRecord | None = None
        self.upstream: Upstream | None = None
        self.sent_grants: tuple[ActiveGrant, ...] = ()  # the grants whose groups the cluster was told
        self.side: SideCall | None = None  # while the gateway asks the cluster something for this call
        self.budgeting: Budgeting | None = None  # of a call whose rule has a budget
        self.holding: Holding | None = None  # of a call that the policy holds
        self.refused: RefusedExec | None = None  # an exec that is told why it is refused in its own stream
        self.sent_as_recorded = b""  # the body of a held call, as it is recorded
        self.warning = ""  # what the answer warns of in a header, which kubectl prints
        self.steps: InSteps[Any] | None = None  # what the masks do with what was sent, just now
        self.tunnel: Tunnel | None = None
        self._answer: AnswerRelay | None = None
        self.began = worker.clock.monotonic()  # seconds, by the monotonic clock
        self.went_up = 0.0  # monotonic second at which it went to the cluster; 0 before
        self.longest = 0.0  # seconds that it may last from there on; 0 for a call that is no stream
        self.deadline = 0.0  # monotonic second by which the answer must begin; 0 where there is none
        self.answered = 0.0  # monotonic second at which the head of the cluster's answer came; 0 before
        self.for_disk = self.for_human = 0.0  # seconds that it waited for the disk, and for a reviewer
        self.waits_since = 0.0  # monotonic second at which it began to wait for the disk; 0 where it does not
        self.guarded = False  # whether a JSON patch that goes up tests the version of the object first
        self.alike: AccessForm | None = None  # of a call whose head came before; None again where it is judged anew
        self._open = False  # whether the log has the stream as open
        self.has_masked_head = False  # whether something in the request's head may have to be masked
        self.unrecorded = 0  # bytes of a body that is refused and cannot be recorded
        self.over = False

    def in_steps(self, size: int, work: Callable[[], T], then: Callable[[Callable[[], T]], Step | None]) -> Step | None:
        """Do work of the masks on so many bytes, in steps where they are many. Then take the step `then`, with what gives or raises
        the work's result."""
        if size <= MUCH_OF_OBJECT:
            return then(work)
        steps = self.worker.steps.begin(work, partial(self._stepped, then))
        if steps.over:
            return then(steps.result)
        self.steps = steps
        return None

    @entry
    def _stepped(self, then: Callable[[Callable[[], T]], Step | None]) -> Step | None:
        steps, self.steps = self.steps, None
        return then(steps.result) if steps is not None and not self.over else None

    @entry
    def enter(self, inside: Step) -> Step | None:
        """What a side call waited for has come: go on with `inside`."""
        return inside()

    def who_asks(self) -> Principal | Pending:
        """Who makes the call, by its credential. Raises Refusal for a credential that proves nobody."""
        assert self.far
        return self.worker.identity.of(self.token, self.client.certificates, self.client.address, self.far.name)

    def as_caller(self, request: Request, act: Act, body: int) -> Request:
        """The request that goes to the cluster: written anew, with the gateway's credential and the impersonation of the caller, or
        of whom he asked for. `body` is its length in bytes, or NO_BODY."""
        assert self.act and self.principal and self.call_record
        acts_as = self.act.acts_as
        if acts_as is None:
            return self._going_up(request, act, body, self.own_identity())
        return self._going_up(request, act, body, impersonation_as(acts_as, self.principal, self.call_record.session.id))

    def can_i(self, question: Question) -> Can | None:
        """What the policy says to a self review of the caller's, asked as whom he asks to be taken."""
        assert self.far and self.principal and self.act
        return self.worker.can_i(self.principal, self.far.name, question, self.act.acts_as)

    def as_gateway(self, request: Request, act: Act, body: int) -> Request:
        """As `as_caller`, of a call that the gateway makes for itself: it names nobody."""
        return self._going_up(request, act, body, ())

    def _going_up(self, request: Request, act: Act, body: int, named: Headers) -> Request:
        assert self.far and self.principal
        host, pool, address = self.far.endpoint.authority, self.far.pool_of(self.principal), self.client.address
        own = (*pool.credential.authorization, *named)
        passed = self._said.passed_on(request) if self._said is not None and request is self.request else None
        return upstream_request(request, act, own, host=host, address=address, body=body, audit_id=self.audit_id, passed=passed)

    def own_identity(self) -> Headers:
        """The header fields that name the caller himself to the cluster."""
        assert self.far and self.principal and self.call_record
        cluster = self.far.cluster
        who, grants = self.worker.acting(self.principal, self.far.name)
        going_up = self.worker.policy.groups_going_up(cluster.name, cluster.groups)
        self.sent_grants = tuple(one for one in grants if cluster.impersonate != "none" and going_up.match(one.group))
        return impersonation(who, self.call_record.session.id, cluster.impersonate, cluster.prefix, going_up)

    @property
    def tells_no_longer(self) -> bool:
        """Whether the cluster was told a group by a grant that does not count any more."""
        assert self.far and self.principal
        return bool(self.sent_grants) and not {*self.sent_grants} <= {*self.worker.acting(self.principal, self.far.name)[1]}

    def beside(self, held: HeldAnswer) -> str:
        """What the caller is told beside this answer of the cluster's; "" for nothing."""
        return words_beside(self, held)

    def answers(self) -> None:
        """The head of the cluster's answer has come."""
        self.answered = self.worker.clock.monotonic()
        self.deadline = 0.0

    def _logged(self, event: AccessEvent, reason: str) -> Access:
        """What the access log says of the call by now. It tells the time by the recording's clock."""
        record, clock = self.call_record, self.worker.recorder.clock
        assert record is not None
        now, up = clock.monotonic(), self.went_up
        return (
            self.access_form(record),
            event,
            now + clock.apart,
            record.status,
            record.up,
            record.down,
            now - self.began,
            (self.answered or now) - up if up else -1.0,
            self.for_disk if not self.waits_since else now - self.waits_since,
            self.for_human,
            self.audit_id,
            (self.sent.text(reason) if reason and self.has_masked_head else reason)[:KEPT],
        )

    def access_form(self, record: CallRecord) -> AccessForm:
        """What lines about this call and those that are like it say."""
        alike = self.alike
        if alike is not None and alike.verdict == record.said and alike.rule == record.rule:
            return alike
        client, cluster = self.client, self.far.name if self.far is not None else ""
        about = self.principal, record.session.id, record.run_id, cluster, brief(record.act), client.http, record.said, record.rule
        return AccessForm(client.address, *about)

    # ------------------------------------------------------------------ ends

    def fail(self, refusal: Refusal) -> None:
        """The one door for failures. The refusal is recorded and sent in a Status; where the answer has begun, it is cut instead,
        or ends with words where its form has some."""
        if self.over:
            return
        answer = self._answer
        if answer is None or answer.begun or not answer.whole:  # a whole answer's connection is given back by `finish`
            self._drop_upstream()
        if refusal.code == 401:
            unproven(self.worker.of_peers, self.client.address, self.far.name if self.far is not None else "", refusal)
        record = self._begin_record()
        if record.silent and refusal.code == 403 and not self.went_up and not isinstance(refusal, ComeBack):
            record = self._record_denial()
        if answer is not None and answer.begun:
            self.warn_of_cluster("%s; the answer to %s is cut", refusal.message, self.audit_id)
            told = answer.told(refusal)
            self.end("cut", refusal.message)
            if told:
                self.client.finished(self)
            else:
                self.client.abort()
            return
        if not isinstance(refusal, ComeBack):  # a call that comes back is not denied
            record.verdict("deny" if refusal.code == 403 else "refused", rule=refusal.rule or "", reason=self._told(refusal))
        outcome: Outcome = "denied" if refusal.code == 403 else "refused" if self.verdict is None else "failed"
        if refusal.hold and hears_within(self.request):
            self._tell_within(refusal, outcome)
            return
        self._tell(refusal, close=False)
        self.finish(outcome, refusal.recorded)

    def _tell_within(self, refusal: Refusal, outcome: Outcome) -> None:
        """Tell a refusal inside of the stream that an exec asked for. Its client falls back to SPDY at any other answer, and the
        person sees only what the second call is told."""
        record = self._begin_record()
        self.refused = RefusedExec(self, cast(ClientSide, self.client), record, refusal.message, self.worker.clock)
        self.refused.begin(self.client.send, self.client.websocket_key, self.audit_id, lambda: self.end(outcome, refusal.recorded))

    def _tell(self, refusal: Refusal, *, close: bool) -> None:
        """Send a refusal to the client. `close` ends its connection."""
        record = self._begin_record()
        session = record.session.id if self.principal is not None else ""
        tell(refusal, self.client.send, record, audit_id=self.audit_id, request=self.request, session=session, close=close)

    def client_broke(self, error: PeerError) -> None:
        """Log that the client broke the protocol of its stream."""
        self.worker.of_peers.info(self.client.address, "the client broke the protocol of its stream: %s", error)

    def cluster_broke(self, error: PeerError) -> None:
        """Log that the cluster broke the protocol of its stream."""
        self.warn_of_cluster("it broke the protocol of the stream of %s: %s", self.audit_id, error)

    def guessing(self, values: int) -> None:
        """Log that so many different registered values were found in one stream: somebody guesses, or copies them all."""
        user = self.principal.user if self.principal is not None else ""
        self.worker.of_peers.error(user, "ALARM: %d different values of Secrets stood in the streams of %s", values, self.audit_id)

    def warn_of_cluster(self, line: str, *values: object) -> None:
        """Log a line about the call's cluster. Repeated lines are counted instead."""
        self.worker.of_peers.warning(f"cluster {self.far.name if self.far is not None else ''}", line, *values)

    def _told(self, refusal: Refusal) -> str:
        """The reason for the record. Without a principal it begins with the address, by which alone the record knows the client."""
        if self.principal is None:
            return f"from {self.client.address}: {refusal.recorded}"
        if not self.unrecorded:
            return refusal.recorded
        return f"{refusal.recorded}; its body of {self.unrecorded} bytes is not recorded: nobody can say what in it is a secret"

    def finish(self, outcome: Outcome, reason: str) -> None:
        """End the call. The client's connection may take the next one."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.release()
        self.end(outcome, reason)
        self.client.finished(self)

    def ended(self, outcome: Outcome, reason: str) -> None:
        """End the call: its tunnel is over. The tunnel ends both connections itself."""
        self.upstream = self.tunnel = None
        if not self.over:
            self.end(outcome, reason)

    def end(self, outcome: Outcome, reason: str) -> None:
        """Record the end. `reason` is "" where the outcome is `complete`, and only there."""
        self.over = True
        sent = self._answer is not None
        if self._answer is not None:
            self._answer.close()
        if self.side is not None:
            self.side.abort()
        if self.steps is not None:
            self.steps.abandon()
        if self.budgeting is not None and not sent:
            self.budgeting.leave()
        if self.holding is not None:
            self.holding.leave(reason)
        if self.refused is not None:
            self.refused.close()
        # They refer to the call: a circle would stay until the garbage collector runs
        self._answer = self.side = self.steps = self.budgeting = self.holding = self.refused = None
        if self.call_record is not None:
            if not self.call_record.over:
                self.call_record.end(outcome, reason)
            self._log_end(self.call_record, outcome, reason)

    def _log_end(self, record: CallRecord, outcome: Outcome, reason: str) -> None:
        access, alike = self.worker.access, self.alike
        if alike is not None and alike.rule == record.rule and alike.verdict == record.said and access.mode == "on":
            clock, up, back = self.worker.recorder.clock, self.went_up, self.answered
            if back and not (reason or self.for_disk or self._open):  # it is complete, and waited for nothing else
                now = clock.monotonic()
                access.put((alike, now + clock.apart, record.status, record.down, now - self.began, up, back, self.audit_id))
                return
        if access.mode == "off" or (self.principal is None and record.silent):  # the record bounds what strangers make it write
            return
        event: AccessEvent = "close" if self._open else "refused" if outcome == "refused" else "call"
        if access.mode == "on" or is_error(event, record.status, outcome):
            access.put(self._logged(event, reason))

    def _drop_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abort()

    def _begin_record(self) -> CallRecord:
        """Record the request and the verdict: in the principal's session, or among the day's attempts."""
        if self.call_record is None:
            request, hide, sent = self.request, self.hide, self.sent
            target, act, said = hide(request.target), self.act, self.said
            headers, values = said.recorded(hide, proven=self.principal is not None)
            masked = self.has_masked_head = sent.needed(target, values)  # not of the token, which looks like a secret
            hidden = (lambda text: sent.text(hide(text))) if masked else hide
            handling = self.verdict.handling if self.verdict is not None else NO_HANDLING  # a denial is recorded as its cluster is
            self.call_record = record = self.worker.begin_record(self.principal, self.far, self.client, said, hidden, handling)
            record.act = (sent.named(act) if masked else act) if act is not None else UNREAD
            if record.silent:
                return record
            if masked:
                target, act = sent.line(target, act)
                headers = sent.headers(headers)
            record.request(method=request.method, target=target, headers=headers, act=act, audit_id=self.audit_id)
            self._record_finds(record)
            if self.verdict is not None and self.verdict.decision != "deny":  # `fail` records a denial
                record.verdict(self.verdict.decision, rule=self.verdict.rule, reason=self.verdict.reason)
        return self.call_record

    def _record_denial(self) -> CallRecord:
        """The record of a call that is denied after its rule said `record: none`, which is about what passes: as its cluster's."""
        self.call_record = None
        if self.verdict is not None:
            self.verdict = replace(self.verdict, handling=NO_HANDLING)
        return self._begin_record()

    def _record_finds(self, record: CallRecord) -> None:
        """Record what was masked so far in what the caller sent."""
        for find in self.sent.finds:
            record.mask(find, up=True)
        self.sent.finds.clear()

    @property
    def said(self) -> HeaderFields:
        """What the client's header fields say."""
        self._said = self._said or self.client.said(self.request)
        return self._said

    @property
    def sent(self) -> SentMasks:
        """The masks of what is recorded of the request, also of one that was not allowed."""
        if self._sent_masks is None:
            masks = self.masks
            if masks is None:
                cluster = self.far.name if self.far is not None else ""
                masks = self.worker.masking.of_call(cluster, self.act or UNREAD, self.principal or NOBODY, NO_OBLIGATIONS)
            self._sent_masks = SentMasks(masks)
        return self._sent_masks

    @property
    def hide(self) -> Hide:
        """What to replace in the record of this request."""
        return hiding(self.token, proven=self.principal is not None)
