"""Life of a call.

    route      which cluster is meant?                     404
    identify   who asks?                                   401
    classify   what is asked: verb, object, effects        400, also where the token stands in a second place
    judge      may they?                                   403; like all failures it leaves by one door, `fail`
    check_head placeholders of masked values where nothing is restored    422
    gather     the request body, whole                     413
    record     who, what, verdict, body, masked: a write is on the disk before the next step     400, 415
    impersonate  what the policy binds is bound (`bound.py`); with --as: does RBAC let the caller? (`impersonating.py`)   403, 502
    rehearse   where a condition asks what the call would do: its dry run, then the verdict (`rehearsing.py`)                 403
    budget     where the rule has a budget: the call is counted, and beyond it held or denied (`budgeting.py`)               403
    hold       where the policy holds the call: it waits for a reviewer, or is refused and comes back (`holding.py`)         403
    restore    where the body holds placeholders of masked values, the values themselves (`restoring.py`)         422
    forward    the request, written anew, over a connection to the cluster, for which the gateway's credential is waited for; judged
               again where the policy changed meanwhile
    answer     what the cluster says: recorded, then handed to the client, as it comes (`answer_relay.py`)
    finish     the last event is recorded; the connection takes the next request

A head that came twice before on its connection is not read again, nor are header fields that did: `recall` stands for the steps
from `route` to `gather`, where what they found holds (`known_call.py`). `record`, `forward` and `answer` are shorter then.

Where a condition of the policy reads the body, `record` begins with judging again. A step returns the next step, or None where it
has to wait. What it waits for then calls an `entry`. Every entry goes through one guard (`guard.py`). No task, future or timer
belongs to a call. What may come at any time, such as the end of its client, comes to `in_flight.py`. A 101 turns the exchange into
a tunnel (`tunnel.py`), which is recorded frame by frame.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from l7gw.cluster.headers import own_length
from l7gw.cluster.impersonation import acting_as_asked, check_nameable
from l7gw.cluster.upstream import SLOW_DISK, SLOW_READER, Upstream, kind_for
from l7gw.errors import Refusal
from l7gw.gateway.anew import NotAccepted, Tries
from l7gw.gateway.answer_relay import AnswerRelay
from l7gw.gateway.bound import bound, lacks_binding
from l7gw.gateway.budgeting import Budgeting
from l7gw.gateway.call_services import CallServices
from l7gw.gateway.client import Client
from l7gw.gateway.denial import denied
from l7gw.gateway.granted import is_old
from l7gw.gateway.guard import Step, entry
from l7gw.gateway.holding import Holding, has_passed
from l7gw.gateway.impersonating import rbac_lets
from l7gw.gateway.in_flight import InFlightCall
from l7gw.gateway.known_call import KnownCall, forget, known_of, remember
from l7gw.gateway.looking import NOTHING, Answers, Known
from l7gw.gateway.refusal import LARGEST_BODY, bad_answer, too_large, unrecordable
from l7gw.gateway.rehearsing import judge_by_result
from l7gw.gateway.restoring import check_head, restore_first
from l7gw.gateway.sent_object import look_into
from l7gw.gateway.verbose import tell_denied
from l7gw.identity.pending import Pending
from l7gw.identity.principal import Principal
from l7gw.policy.judge import Policy
from l7gw.policy.looked import Looked
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import CallRecord
from l7gw.wire.errors import PeerError
from l7gw.wire.events import END, Body, HttpEvent, Informational, Request


class Exchange(InFlightCall):
    """The steps of a call in their order, and the entries by which its request, its connection and its answer come."""

    __slots__ = ("_grants", "_known", "_policy", "_target", "_tries")

    def __init__(self, worker: CallServices, client: Client, request: Request) -> None:
        super().__init__(worker, client, request)
        self._target = request.target  # without the cluster's path prefix
        self._policy: Policy | None = None  # the snapshot of the policy that gave the verdict
        self._grants = 0  # the generation of the grants that it was given under
        self._tries: Tries | None = None  # of a request that went up more than once
        self._known: KnownCall | None = None  # what calls with this head were before, where this call is the same

    # ------------------------------------------------------------------ who, what, may they

    @entry
    def begin(self) -> Step | None:
        """The request's head has come."""
        return self.recall if self.request.meaning is not None or self.said.known else self.route

    def recall(self) -> Step | None:
        """The head, or its fields, came before, and it is all of its request: what the steps from `route` to `gather` found holds,
        where the caller is the same and all that they asked says the same. Nothing is waited for between this and `record`."""
        if (known := known_of(self, self.client.server_name)) is None:
            return self.route
        if refusal := self.worker.recorder.refusal():
            raise refusal
        self.far, self._target, self.token = known.far, known.target, known.token
        who = self.who_asks()
        if who is not known.principal:
            forget(self.request)
            return self._asked_by(who)
        self._known, self._policy, self._grants = known, self.worker.policy, self.worker.grants.generation
        self.principal, self.act, self.verdict, self.masks = known.principal, known.act, known.verdict, known.masks
        return self.record

    def route(self) -> Step | None:
        if refusal := self.worker.recorder.refusal():
            raise refusal  # what cannot be recorded does not pass
        self.far, self._target = self.worker.routes.choose(self.request, self.client.server_name)
        return self.identify

    def identify(self) -> Step | None:
        self.token = self.said.token(self.request)
        return self._asked_by(self.who_asks())

    def _asked_by(self, who: Principal | Pending) -> Step | None:
        if isinstance(who, Pending):
            who.then(self._identified)  # an issuer's keys are being fetched, or STS is asked
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
        self.said.check_alone(self.request)  # a token here is proven: `identify` refuses any other
        assert self.principal and self.far
        cluster = self.far.cluster
        self.act = self.client.describe(self.request, self._target)
        if self.said.asks_as_another(self.request, self.act):
            self.act = acting_as_asked(self.act, self.request, cluster.impersonate)
        check_nameable(self.principal, cluster.impersonate, cluster.prefix)
        return self.judge

    def judge(self) -> Step | None:
        self.verdict = self.judged()
        return self.check_head

    def judged(self) -> Verdict:
        """Take the verdict of the policy in force. It `needs` the body or the result where that decides and is not here yet. Raises
        Refusal 403 where it is a denial."""
        assert self.principal and self.act and self.far
        self._policy, self._grants = self.worker.policy, self.worker.grants.generation
        verdict = self.worker.judge(self.principal, self.far.name, self.act)
        looked: Looked | None = None
        if verdict.needs is not None and self.body.whole:
            looked = look_into(self.request, self.body.joined())
            looked = self.result.beside(looked) if self.result is not None else looked
            verdict = self.worker.judge(self.principal, self.far.name, self.act, looked)
        if self.budgeting is not None:
            verdict = self.budgeting.of(verdict)
        if verdict.decision == "deny" and verdict.needs is None:
            tell_denied(self, looked)
            raise denied(self, verdict)
        self.masks = self.worker.masking.of_call(self.far.name, self.act, self.principal, verdict.obligations)
        return verdict

    def check_head(self) -> Step | None:
        check_head(self.request, self._target, self.said.placeholder)
        return self.gather

    # ------------------------------------------------------------------ the body, the record

    def gather(self) -> Step | None:
        """Read a write whole before any of it is sent, so that what is recorded is what is sent."""
        if self.request.length > LARGEST_BODY:
            raise too_large()
        if self.body.whole:
            return self.record
        self.body.then(self._gathered)
        if self.request.expects_continue:
            self.client.send(Informational(100))
        return None

    def _gathered(self) -> Step | None:
        """The body is here, and may have taken an hour (`slowest_body`): whoever began it must be known still. It costs 0.4 us."""
        who = self.who_asks()
        if isinstance(who, Principal):  # else keys are being fetched anew, as after a reload: it was proven when the call began
            self.principal = who
        return self.record

    def record(self) -> Step | None:
        assert self.act and self.verdict
        if self._known is not None:
            return self._record_known(self._known)
        if self.verdict.needs is not None:
            self.verdict = self.judged()
        body = self.body.joined()
        if not body:
            return self._durably(self._begin_record())
        # Before anything of the call is recorded: what cannot be masked is refused
        content_type = next((value for name, value in self.request.headers if name == "content-type"), "")
        return self.in_steps(len(body), partial(self.sent.body, body, content_type), self._record_body)

    def _record_known(self, known: KnownCall) -> Step | None:
        """Record the call as those with its head before. No step but `forward` is left for it."""
        known.begin_run(self.said, self.client)
        self.call_record = record = known.session.begin_alike(known.form)
        record.asked(known.form, self.audit_id)
        self.alike = known.access
        return self.forward if not known.waits_for_disk else self._durably(record)

    def _record_body(self, masked: Callable[[], bytes]) -> Step | None:
        recorded = self._read_strictly(masked)
        if self.verdict is not None and (self.verdict.hold is not None or self.verdict.needs is not None):
            self.sent_as_recorded = recorded
        record = self._begin_record()
        record.request_body(recorded)
        self._record_finds(record)
        return self._durably(record)

    def _durably(self, record: CallRecord) -> Step | None:
        assert self.act and self.verdict
        if self.worker.waits_for_disk(self.act, self.verdict.handling):
            self.until_recorded(record, self._recorded)
            return None
        return self.impersonate

    def _read_strictly(self, masked: Callable[[], bytes]) -> bytes:
        """The body as it is recorded. Raises Refusal for one that does not go up, and records what can be masked of that."""
        sent = self.sent
        try:
            return masked()
        except Refusal:
            record = self._begin_record()
            if sent.refused:
                record.request_body(sent.refused)
                self._record_finds(record)
            else:
                self.unrecorded = len(self.body.joined())
            raise

    @entry
    def _recorded(self, error: Exception | None) -> Step | None:
        self.is_recorded()
        if error is not None:
            raise self.worker.recorder.refusal() or unrecordable()
        return self.impersonate

    def impersonate(self) -> Step | None:
        """What the policy binds is bound; of a call that is made as somebody else the cluster says whether RBAC lets the caller."""
        return bound(self, partial(rbac_lets, self, self.budget))

    def rehearse(self) -> Step | None:
        """A condition of the policy asks what the call would do: make its dry run, and take the verdict."""
        return judge_by_result(self, self._rehearsed)

    def _rehearsed(self, answers: Answers) -> Step | None:
        """The verdict is by what the call would do; a denial was raised."""
        verdict = self.verdict
        assert verdict and verdict.needs is None and self.call_record
        self.call_record.verdict(verdict.decision, rule=verdict.rule, reason=verdict.reason)
        if verdict.hold is None:
            self.sent_as_recorded = b""
        return self.budget(answers)

    def budget(self, known: Known = NOTHING) -> Step | None:
        """Where the rule that allows the call has a budget, count the call. `known` is what was asked of the cluster before."""
        assert self.verdict
        if self.verdict.needs is not None:
            return self.rehearse
        if self.verdict.budget is None:
            return self.hold(known)
        return self._counted().begin(partial(self.hold, known))

    def _counted(self) -> Budgeting:
        self.budgeting = self.budgeting or Budgeting(self, again=self.budget)
        return self.budgeting

    def hold(self, known: Known = NOTHING) -> Step | None:
        """Where the policy holds the call, nothing goes up before a reviewer has seen what it would do, and said yes. `known` is
        what was asked of the cluster before."""
        assert self.verdict
        if self.verdict.needs is not None:  # another policy gave the verdict while the budget was counted
            return self.rehearse
        terms = self.verdict.hold
        if terms is None or (self.holding is not None and self.holding.covers(terms)):
            return self.count
        self.holding = Holding(self, go_on=partial(rbac_lets, self, self.count))  # again: it may have waited for long
        return self.holding.begin(known)

    def count(self) -> Step | None:
        """A call that was held, and has a budget, is counted once it may go on."""
        assert self.verdict
        if self.verdict.budget is None:
            return self.restore
        approved = self.holding is not None and self.holding.has_passed(self.verdict.budget.rule)
        return self._counted().settle(self.restore, approved=approved)

    # ------------------------------------------------------------------ up

    def restore(self) -> Step | None:
        """Where the body holds a placeholder, the stored object is read first."""
        return restore_first(self, self.forward)

    def forward(self) -> Step | None:
        assert self.far and self.principal and self.act and self.verdict
        if self.verdict.needs is not None:
            return self.rehearse
        if is_old(self.verdict, self.worker, self._policy, self._grants):  # the body, the disk or a reviewer took their time
            self._known = self.alike = None
            self.verdict = self.judged()
            if not has_passed(self.verdict, self.holding, self.budgeting):
                return self.budget
            if (self.act.acts_as is not None and self.tells_no_longer) or lacks_binding(self):
                return self.impersonate  # the cluster said yes to a group that was granted, and is not any more; or knows less
        self.result = None
        self.far.pool_of(self.principal).connect(self._connected, kind_for(self.request, self.act))
        return None

    @entry
    def _connected(self, connection: Upstream | Refusal) -> Step | None:
        if isinstance(connection, Refusal):
            raise connection
        assert self.verdict
        if self.over or is_old(self.verdict, self.worker, self._policy, self._grants):  # a token, or the dial, took its time
            connection.release()
            return self.forward  # which is not taken where the call is over
        self.upstream = connection
        return self._send

    def _send(self) -> Step | None:
        assert self.upstream and self.act and self.verdict and self.far and self.principal and self.call_record and self.masks
        body = self.body.joined()
        request = self._known.going_up(self.audit_id) if self._known is not None else None
        if request is None:
            request = self.as_caller(self.request, self.act, own_length(self.request.length, len(body)))
            self._known = None
            remember(self, self._target, request)
        self.went_up = self.worker.clock.monotonic()
        if self.act.long_running:
            self.longest = self.may_last(self.verdict)
        else:
            self.deadline = self.went_up + self.worker.timeouts.answer_begins
        upstream = self.upstream
        self._answer = AnswerRelay(
            self, upstream, self.far, self.act, request, self.call_record, self.worker, self.masks,
            guarded=self.guarded, known=self._known,
        )  # fmt: skip
        upstream.begin(self)
        if body:
            upstream.send(request)
            upstream.send(Body(body))
            upstream.send(END)
            upstream.flush()
        else:
            upstream.send_whole(request)
        if not self.client.writable:
            upstream.pause(SLOW_READER)  # the client has not yet read the answer before this one
        if not self.far.pool_of(self.principal).credential.renews:
            self.body.clear()
        self.request = request  # from here on the request is the one that went upstream
        return None

    # ------------------------------------------------------------------ down

    @entry
    def on_upstream(self, events: list[HttpEvent]) -> Step | None:
        """Record and hand on what one read of the cluster brought. All of it is one write. A slow disk then pauses the cluster."""
        if self.over:
            return None
        answer = self._answer
        assert answer and self.call_record
        try:
            if self._known is not None and answer.take_whole(self._known, events):
                return None
            for event in events:
                answer.take(event)
                if self.over:
                    return None
        except PeerError as error:
            raise bad_answer(error) from error
        except NotAccepted as refusal:
            return self._with_another_token(refusal)
        if self.call_record.session.backlogged and self.upstream is not None:
            self.upstream.pause(SLOW_DISK)  # a slow disk slows the call; nothing is dropped (threats H11)
            self.wait_for_disk()
        return None

    def _with_another_token(self, refusal: NotAccepted) -> Step:
        """The cluster does not accept the gateway's own credential. Where that may be another one, the call goes up once more."""
        assert self.far and self.principal and self._answer
        self._tries = self._tries or Tries()
        self._tries.not_accepted(refusal, self.far.pool_of(self.principal).credential, self.far.standing, self.request)
        self._drop_upstream()
        self._answer.close()
        self._answer = None
        return self.forward

    @entry
    def on_upstream_unprocessed(self) -> Step | None:
        """The cluster says that it did not act upon the request. A request without a body is sent again (`anew.Tries`)."""
        self.upstream = None
        self._tries = self._tries or Tries()
        self._tries.turned_away()
        return self.forward
