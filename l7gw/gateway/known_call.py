"""What the gateway knows of a call that a client has made before with the same head.

A client repeats itself: an informer lists again, an agent polls, a dashboard asks for the same objects. The codec gives the same
`Request` for the same bytes on a connection, and `Request.meaning` keeps here what routes, identity, policy, masks and recording
made of it. A second call leaves a `KnownCall` behind, and a third one goes the short way: `Exchange.recall` stands for the steps
from `route` to `gather`, `CallRecord.asked` for the writing of two events, `going_up` for the writing of a head, and
`AnswerRelay.take_whole` for those of the answer.

In process, without sockets and TLS, Python's part of a GET of 1 kB so takes 42 us, where it takes 152 with nothing remembered.

Nothing here decides anything. Each call asks by itself who makes it, and `holds` asks whether all that was said before is still
said by the very same objects; else the call goes the long way, as if nothing were known. What may come out otherwise at another
time is never remembered: holds, budgets, grants, conditions, hooks, bound roles, streams, and what has a body.
"""

from __future__ import annotations

from typing import Final, Protocol

from l7gw.approval.active_grants import ActiveGrants
from l7gw.config.settings import Settings
from l7gw.gateway.access_log import AccessForm
from l7gw.gateway.bindings import Bindings
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.header_fields import HeaderFields
from l7gw.gateway.known_answer import KnownAnswer, can_be_known
from l7gw.hooking.hook_set import HookSet
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.masking.bodies.answers import Choice
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.masking import Masking
from l7gw.masking.sent.sent_masks import SentMasks
from l7gw.obligations import Handling
from l7gw.policy.judge import Policy
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_form import CallForm
from l7gw.recording.call_record import CallRecord
from l7gw.recording.redact import Hide
from l7gw.wire.events import Headers, ReadyHead, Request, Response
from l7gw.wire.semantics import BODILESS

MOST_ANSWERS = 4  # shapes of answers that are known of one head: its object, its absence, and a server that says it otherwise

SEEN: Final = "seen"  # the meaning of a head that came once: most heads never come again, and cost no more than that


class InForce(Protocol):
    """By what calls are judged, masked and sent now, as a worker has it."""

    policy: Policy
    grants: ActiveGrants
    bindings: Bindings
    masking: Masking
    settings: Settings
    hooks: HookSet

    def waits_for_disk(self, act: Act, handling: Handling) -> bool:
        """Whether the call must be on the disk before its first byte goes upstream."""


class RememberedCall(Protocol):
    """A call whose head is to be remembered."""

    @property
    def worker(self) -> InForce: ...

    request: Request
    far: FarSide | None
    token: str | None
    principal: Principal | None
    act: Act | None
    verdict: Verdict | None
    masks: CallMasks | None
    call_record: CallRecord | None
    warning: str

    @property
    def said(self) -> HeaderFields: ...

    @property
    def hide(self) -> Hide: ...

    @property
    def has_masked_head(self) -> bool: ...

    def access_form(self, record: CallRecord) -> AccessForm:
        """What lines of the access log about this call and those that are like it say."""


class KnownCall:
    """What is known of the calls of one connection with one head. Their request has no body and asks for no upgrade."""

    __slots__ = (
        "access", "act", "far", "form", "masks", "principal", "session", "target", "token", "verdict", "waits_for_disk",
        "_answers", "_authority", "_authorization", "_grants", "_head", "_masking", "_policy", "_ready", "_registered",
        "_sent", "_settings", "_up",
    )  # fmt: skip

    def __init__(self, call: RememberedCall, target: str, up: Request) -> None:
        """`call` is about to go up as `up`, whose last header is the audit id. `target` is without the cluster's path prefix."""
        assert call.far and call.principal and call.act and call.verdict and call.masks and call.call_record
        worker, record, far = call.worker, call.call_record, call.far
        self.far = far
        self.target = target
        self.token = call.token
        self.principal = principal = call.principal
        self.act = call.act
        self.verdict = verdict = call.verdict
        self.masks = masks = call.masks
        target_recorded = call.hide(call.request.target)
        headers, values = call.said.recorded(call.hide, proven=True)
        self.form = CallForm(
            run=record.run,
            run_id=record.run_id,
            content=record.content,
            method=call.request.method,
            target=target_recorded,
            headers=headers,
            act=call.act,
            verdict=verdict.decision,
            rule=verdict.rule,
            reason=verdict.reason,
        )
        self.session = record.session
        self.access = call.access_form(record)
        self.waits_for_disk = worker.waits_for_disk(call.act, verdict.handling)
        self._answers: list[KnownAnswer] = []
        self._policy, self._grants = worker.policy, worker.grants.generation
        self._masking, self._settings = worker.masking, worker.settings
        self._head = target_recorded, values
        self._sent = SentMasks(masks)
        self._registered = -1  # values may have been registered while the call waited: the head is looked at when it is used
        self._up = up
        self._authority = far.endpoint.authority
        self._authorization = far.pool_of(principal).credential.authorization
        self._ready = ReadyHead()

    def holds(self, worker: InForce) -> bool:
        """Whether all but the caller's identity is as it was when this was remembered. It costs 0.2 us."""
        return (
            worker.policy is self._policy
            and worker.settings is self._settings  # clusters, routes and hooks are made anew with them
            and worker.grants.generation == self._grants
            and worker.masking is self._masking
            and self.session.takes_calls
            and self.form.run >= self.session.runs_forgotten  # the oldest are forgotten, and are recorded anew
            and (_registered(worker.masking) == self._registered or self._still_holds_nothing(worker.masking))
        )

    def _still_holds_nothing(self, masking: Masking) -> bool:
        """Values were registered since: whether the request's head, as it is recorded, still holds none of them."""
        if self._sent.needed(*self._head):
            return False
        self._registered = _registered(masking)
        return True

    def going_up(self, audit_id: str) -> Request | None:
        """The request that goes up for a call of this audit id; None where the cluster's address or credential is another now."""
        far = self.far
        if (
            far.pool_of(self.principal).credential.authorization is not self._authorization
            or far.endpoint.authority != self._authority
        ):
            return None
        up = self._up
        return Request(up.method, up.target, (*up.headers[:-1], ("audit-id", audit_id)), up.length, ready=self._ready)

    def answered(self, response: Response) -> KnownAnswer | None:
        """How answers of this shape were handed on; None where none was."""
        for answer in self._answers:
            if answer.shape is response.shape:
                return answer.at(response.date)
        return None

    def remember_answer(self, response: Response, shown: Headers, choice: Choice) -> None:
        """Remember how an answer is handed on, in whose head nothing is masked: `shown` is what the client gets of it."""
        if not can_be_known(response, choice) or any(one.shape is response.shape for one in self._answers):
            return
        self._answers = self._answers[-MOST_ANSWERS + 1 :]
        self._answers.append(KnownAnswer(response, shown, choice, self.masks))


def remember(call: RememberedCall, target: str, up: Request) -> None:
    """Remember what the head of a call means that is about to go up, where it comes for the second time and its calls are alike."""
    if call.request.meaning is None:
        forget(call.request)
    elif _is_plain(call):
        call.request.meaning = KnownCall(call, target, up)  # type: ignore[misc]  # the one field of an event that changes


def forget(request: Request) -> None:
    """Remember of a head that it came, and nothing else."""
    request.meaning = SEEN  # type: ignore[misc]


def _is_plain(call: RememberedCall) -> bool:
    """Whether another call with the same head gets the same verdict, and is recorded with the same words, as long as the policy and
    all else `InForce` is the same."""
    request, act, verdict, worker, record = call.request, call.act, call.verdict, call.worker, call.call_record
    assert act and verdict and call.masks and record and call.principal and call.far
    return (
        request.whole
        and request.method in BODILESS
        and not request.upgrade
        and not act.long_running
        and act.acts_as is None
        and verdict.allowed
        and verdict.remember
        and verdict.needs is None
        and verdict.budget is None
        and verdict.bind is None
        and not verdict.grants
        and not call.far.retired  # the configuration was read again while the call waited
        and not worker.bindings.active
        and not worker.hooks.acts
        and call.masks.call_hooks() is None
        and not worker.grants.of(call.principal, call.far.name)
        and not record.silent
        and not call.has_masked_head
        and not call.warning
    )


def _registered(masking: Masking) -> int:
    """How many values were ever registered."""
    return masking.registry.changes if masking.registry is not None else 0
