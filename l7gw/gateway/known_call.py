"""What the gateway knows of a call that a client has made before with the same head, or with the same header fields.

A client repeats itself: an informer lists again, an agent polls, a dashboard asks for the same objects. The codec gives the same
`Request` for the same bytes on a connection, and `Request.meaning` keeps here what routes, identity, policy, masks and recording
made of it. A second call leaves a `KnownCall` behind, and a third one goes the short way: `Exchange.recall` stands for the steps
from `route` to `gather`, `CallRecord.asked` for the writing of two events, `going_up` for the writing of a head, and
`AnswerRelay.take_whole` for those of the answer.

Of a head whose target alone is new, `known_of` makes a `KnownCall` of what is known of its fields (`known_fields.py`): the target
is routed, read, judged and searched, as every target is.

In process, without sockets and TLS, Python's part of a GET of 1 kB so takes 42 us, where it takes 152 with nothing remembered; one
with a new target takes 69, where it took 120 (callgrind: 386,000 instructions instead of 560,000).

Nothing here decides anything. Each call asks by itself who makes it, and `holds` asks whether all that was said before is still
said by the very same objects; else the call goes the long way, as if nothing were known. What may come out otherwise at another
time is never remembered: holds, budgets, grants, conditions, hooks, bound roles, streams, and what has a body.
"""

from __future__ import annotations

from typing import Final, Protocol

from l7gw.errors import Refusal
from l7gw.gateway.access_form import AccessForm
from l7gw.gateway.bindings import Bindings
from l7gw.gateway.client import Client, run_of
from l7gw.gateway.familiar import Familiar
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.header_fields import HeaderFields
from l7gw.gateway.known_answer import KnownAnswer
from l7gw.gateway.known_fields import KnownFields, Said
from l7gw.gateway.routing import Routes
from l7gw.hooking.hook_set import HookSet
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import usual
from l7gw.masking.bodies.answers import Choice
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.masking import Masking
from l7gw.masking.placeholder_search import in_target
from l7gw.masking.sent.sent_masks import SentMasks
from l7gw.obligations import Handling
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_form import NOT_BEGUN, CallForm
from l7gw.recording.call_record import CallRecord
from l7gw.recording.redact import Hide
from l7gw.wire.events import Headers, ReadyHead, Request, Response
from l7gw.wire.semantics import BODILESS

SEEN: Final = "seen"  # the meaning of a head that came once: most heads never come again, and cost no more than that


class InForce(Said, Protocol):
    """By what calls are routed, judged, masked and sent now, as a worker has it."""

    bindings: Bindings
    familiar: Familiar
    hooks: HookSet
    routes: Routes[FarSide]

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
    """What is known of the calls of one connection with one head. Their request has no body and asks for no upgrade. `form` and
    `access` are their forms for the record and for the access log, `sent` the masks of what is recorded of their head."""

    __slots__ = (
        "access", "act", "far", "form", "masks", "principal", "session", "shown", "target", "token", "verdict", "waits_for_disk",
        "_fields", "_ready", "_recorded", "_registered", "_sent", "_up",
    )  # fmt: skip

    def __init__(
        self, fields: KnownFields, target: str, act: Act, masks: CallMasks, sent: SentMasks,
        form: CallForm, access: AccessForm, *, recorded: str, up: str, waits: bool, registered: int, ready: ReadyHead,
    ) -> None:  # fmt: skip
        """`target` is without the cluster's path prefix, `recorded` as it is recorded, `up` as it goes up. `waits`: for the disk.
        `registered` is how many values had been registered when the head was searched, `ready` the head that goes up."""
        self.far = fields.far
        self.target = target
        self.token = fields.token
        self.principal = fields.principal
        self.act = act
        self.verdict = fields.verdict
        self.masks = masks
        self.shown = masks.shown()  # of an object that the cluster sends
        self.form = form
        self.session = fields.session
        self.access = access
        self.waits_for_disk = waits
        self._fields = fields
        self._recorded = recorded
        self._sent = sent
        self._registered = registered
        self._up = up
        self._ready = ready

    def begin_run(self, said: HeaderFields, client: Client) -> None:
        """The call is about to be recorded. It may be the first one of its run, whose id is not to be drawn before."""
        if self.form.run == NOT_BEGUN:
            self.form.run_id = self.access.run = run_id = run_of(said, client)
            self.form.run = self._fields.begin_run(run_id)

    def holds(self, worker: InForce) -> bool:
        """Whether all but the caller's identity is as it was when this was remembered. It costs 0.2 us."""
        return self._fields.hold(worker) and (
            _registered(worker.masking) == self._registered or self._still_holds_nothing(worker.masking)
        )

    def _still_holds_nothing(self, masking: Masking) -> bool:
        """Values were registered since: whether the request's head, as it is recorded, still holds none of them."""
        if self._sent.needed(self._recorded, self._fields.values):
            return False
        self._registered = _registered(masking)
        return True

    def going_up(self, audit_id: str) -> Request | None:
        """The request that goes up for a call of this audit id; None where the cluster's address or credential is another now."""
        return self._fields.going_up(self._up, audit_id, self._ready)

    def answered(self, response: Response) -> KnownAnswer | None:
        """How answers of this shape were handed on; None where none was."""
        return self._fields.answered(response)

    def remember_answer(self, response: Response, shown: Headers, choice: Choice) -> None:
        """Remember how an answer is handed on, in whose head nothing is masked: `shown` is what the client gets of it."""
        self._fields.remember_answer(response, shown, choice)


def known_of(call: RememberedCall, server_name: str) -> KnownCall | None:
    """What is known of a call by its head, or by its header fields; None where it goes the long way. `server_name` is the client's,
    of its TLS."""
    known = call.request.meaning
    if type(known) is KnownCall:
        if known.holds(call.worker):
            return known
        forget(call.request)
    return _resembling(call, server_name) if known is None and call.said.known else None


def _resembling(call: RememberedCall, server_name: str) -> KnownCall | None:
    """What is known of a call whose header fields came before, with another target."""
    request, worker, said = call.request, call.worker, call.said
    first = said.known[0]
    if not request.whole or request.upgrade or (first.token is not None and len(request.target) >= len(first.token)):
        return None  # a shorter target cannot hold the token in any form
    if not first.hold(worker):
        said.known = ()
        return None
    try:
        far, target = worker.routes.choose(request, server_name)
    except Refusal:
        return None
    act = usual(request.method, target)
    if act is None or act.long_running:
        return None
    fields = said.knows(request.method, worker.policy.judge(first.principal, far.name, act))
    if fields is None or fields.far is not far or fields.length != request.length or not fields.hold(worker):
        return None
    registered = _registered(worker.masking)
    masks = worker.masking.of_call(far.name, act, fields.principal, fields.verdict.obligations)
    sent = SentMasks(masks)
    if in_target(target) or sent.needed(request.target, fields.values):
        return None
    forget(request)
    waits = worker.waits_for_disk(act, fields.verdict.handling)
    form, access = fields.form.of(request.target, act), fields.access.about(act)
    return KnownCall(
        fields, target, act, masks, sent, form, access,
        recorded=request.target, up=act.target, waits=waits, registered=registered, ready=fields.ready,
    )  # fmt: skip


def remember(call: RememberedCall, target: str, up: Request) -> None:
    """Remember what the head of a call means that is about to go up as `up`, where it comes for the second time, and what its
    fields mean, where they came before. Only calls that are alike are remembered. `target` is without the cluster's path prefix."""
    request, said = call.request, call.said
    seen = request.meaning is not None
    if not seen:
        forget(request)
    came = said.kept or call.worker.familiar.came(said)
    if not (seen or came) or not _is_plain(call):
        return
    assert call.act and call.masks and call.call_record and call.verdict
    known = said.knows(request.method, call.verdict) if not seen else None
    if known is not None and known.principal is call.principal and known.hold(call.worker):
        return  # its target is not one of which more can be known
    fields = _fields_of(call, up)
    if came and call.act == usual(request.method, target):
        said.learn(fields)
        call.worker.familiar.keep(said, call.worker)
    if seen:
        recorded, act, masks = call.hide(request.target), call.act, call.masks
        waits = call.worker.waits_for_disk(act, fields.verdict.handling)
        # Values may have been registered while the call waited: the head is looked at when it is used
        request.meaning = KnownCall(
            fields, target, act, masks, SentMasks(masks), fields.form.kept(recorded, act), fields.access,
            recorded=recorded, up=up.target, waits=waits, registered=-1, ready=ReadyHead(),
        )  # fmt: skip


def _fields_of(call: RememberedCall, up: Request) -> KnownFields:
    """What is known of the fields of a plain call that is about to go up."""
    assert call.far and call.principal and call.verdict and call.call_record
    return KnownFields(
        call.worker,
        far=call.far,
        token=call.token,
        principal=call.principal,
        verdict=call.verdict,
        record=call.call_record,
        recorded=call.said.recorded(call.hide, proven=True),
        access=call.access_form(call.call_record),
        request=call.request,
        up=up,
        client=(call.hide(call.said.named.get("user-agent", "")), call.hide(call.said.named.get("kubectl-command", ""))),
    )


def forget(request: Request) -> None:
    """Remember of a head that it came, and nothing else."""
    request.meaning = SEEN


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
