"""What is asked about a held call: the message to the desk, and the subject of a look."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from l7gw.approval import binding
from l7gw.approval.messages import Asked, Claimed, Requester
from l7gw.clock import Clock
from l7gw.gateway.client import Client, run_of
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.header_fields import HeaderFields
from l7gw.gateway.hold_views import Subject, View
from l7gw.gateway.request_body import RequestBody
from l7gw.gateway.restoring import reading_of, restored, to_restore
from l7gw.gateway.results import Result
from l7gw.gateway.side_calls import AskingCall, Judging, check_allowed
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.in_kubectl import in_kubectl
from l7gw.kube.objects import json_nodes
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.kube.requestinfo import STREAMING
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.masking import Masking
from l7gw.masking.sent.sent_body import format_of, read_as
from l7gw.masking.sent.sent_masks import SentMasks
from l7gw.obligations import Obligations
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import CallRecord
from l7gw.recording.redact import Hide
from l7gw.timeouts import Timeouts
from l7gw.wire.events import Request

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk

T = TypeVar("T")
RECENT = 15 * 60  # seconds before a call in which what else was done is shown with it
LONGEST_RECENT = 200  # characters of each
DISCOVERY = frozenset(("discovery",))
TRAVELS = frozenset(("accept", "content-type", "if-match", "user-agent"))  # header fields of a call that change what it does


class HoldServices(Judging, Protocol):
    """What a held call asks of its worker."""

    clock: Clock
    timeouts: Timeouts
    masking: Masking

    @property
    def identity(self) -> IdentityChain: ...

    @property
    def desk(self) -> Desk:
        """Where holds are asked for."""


class HeldCall(AskingCall, Protocol):
    """What the step asks of the call."""

    @property
    def worker(self) -> HoldServices: ...

    client: Client
    request: Request
    body: RequestBody
    token: str | None
    far: FarSide | None
    act: Act | None
    verdict: Verdict | None
    result: Result | None
    masks: CallMasks | None
    sent_as_recorded: bytes
    warning: str
    for_human: float
    over: bool

    @property
    def sent(self) -> SentMasks: ...

    @property
    def said(self) -> HeaderFields:
        """What the client's header fields say."""

    @property
    def hide(self) -> Hide:
        """What to replace in the record of the request."""

    def judged(self) -> Verdict:
        """The verdict of the policy in force. Raises Refusal 403 where it is a denial."""


def shown_act(call: HeldCall) -> Act:
    """The act as it is recorded: passwords among the arguments of a command are masked."""
    act = call.act
    assert act is not None
    return _again(call.sent, lambda sent: sent.line(act.target, act)[1]) or act


def subject_of(call: HeldCall) -> Subject:
    """The call, as a look needs it. Raises Refusal for a placeholder that nothing can restore, or that the caller may not read."""
    act, request, body, masks = call.act, call.request, call.body.joined(), call.masks
    assert act is not None and masks is not None and call.far is not None and call.principal is not None
    content_type = _content_type(request)
    timeouts = call.worker.timeouts
    placed = to_restore(act, request, body)
    restoring = reading_of(act, timeouts) if placed is not None else None
    if restoring is not None:
        check_allowed(call, restoring)
    unrevealed = Obligations(mask=masks.obligations.mask)
    shown = call.worker.masking.of_call(call.far.name, act, call.principal, unrevealed).shown()

    def mask(data: bytes) -> bytes:
        node = json_nodes.read(data, strict=False)
        shown.mask(node)
        return node.render("recorded")

    return Subject(
        method=request.method,
        act=act,
        body=body,
        content_type=content_type,
        node=_read(content_type, body),
        recorded=call.sent_as_recorded or (_again(call.sent, lambda sent: sent.body(body, content_type)) if body else b""),
        mask=mask,
        within=timeouts.dry_run,
        restoring=restoring,
        restore=(lambda said: restored(placed, said, masks)) if placed is not None else None,
    )


def _recent(record: CallRecord, shown: Act) -> tuple[str, ...]:
    """What the requester did in the minutes before, newest first: how long ago, and what. Discovery is left out, and so is the call
    itself, which is `shown`. Calls that came while it was looked at stand before it."""
    now = record.session.now()
    found = []
    own = record.silent  # whether the call itself was left out: of one that is not recorded there is nothing to leave out
    for time, method, act in reversed(record.session.recent):
        ago = (now - time) // 1_000_000
        if ago > RECENT or act.effects == DISCOVERY:
            continue
        if not own and act == shown:
            own = True
            continue
        found.append(f"{ago} s ago: {in_kubectl(method, act)}"[:LONGEST_RECENT])
    return tuple(found)


def _again(sent: SentMasks, work: Callable[[SentMasks], T]) -> T:
    """What was sent, masked once more. What is found in it stands in the record already."""
    known = len(sent.finds)
    found = work(sent)
    del sent.finds[known:]
    return found


def asked_of(call: HeldCall, view: View) -> Asked:
    """The message to the desk."""
    act, record, verdict, far = call.act, call.call_record, call.verdict, call.far
    assert act and call.principal and record and verdict and verdict.hold and far
    shown = shown_act(call)
    command, agent = (call.sent.text(call.hide(call.said.named.get(name, ""))) for name in ("kubectl-command", "user-agent"))
    waits, streams = verdict.hold.wait == "wait", act.subresource in STREAMING
    requester = _requester(call.principal)
    return Asked(
        principal=requester,
        person=call.worker.desk.person(requester.user),
        session=record.session.id,
        run=run_of(call.said, call.client),
        exchange=record.number,
        cluster=far.name,
        command=in_kubectl(call.request.method, shown, _content_type(call.request)),
        verb=act.verb,
        terms=verdict.hold,
        binding=_binding(call, act, requester, far.name, view) if waits else "",
        intent=_intent(act, requester, far.name, view) if streams or not waits else "",
        claimed=Claimed(command=command, user_agent=agent),
        group=act.group,
        resource=act.resource,
        subresource=act.subresource,
        namespace=act.namespace,
        name=act.name,
        argv=shown.argv,
        effects=tuple(sorted(act.effects)),
        acts_as=act.acts_as,
        uids=view.uids,
        tokens=tuple(call.worker.identity.credentials_of(call.principal)),
        shown=msgspec.structs.replace(view.shown, recent=_recent(record, shown)),
        record=verdict.handling.record,
    )


def _requester(principal: Principal) -> Requester:
    return Requester(
        user=principal.user,
        groups=principal.groups,
        kind=principal.kind,
        issuer=principal.issuer,
        actor=principal.actor,
        address=principal.address,
    )


def _binding(call: HeldCall, act: Act, requester: Requester, cluster: str, view: View) -> str:
    """What a waiting call is bound to: its bytes as they were sent, before placeholders are restored."""
    return binding.binding(
        requester,
        cluster,
        method=call.request.method,
        target=act.target,
        headers=[pair for pair in call.request.headers if pair[0] in TRAVELS],
        body=call.body.joined(),
        uids=view.uids,
        acts_as=act.acts_as,
    )


def _intent(act: Act, requester: Requester, cluster: str, view: View) -> str:
    """What a call that comes back is bound to. An exec over WebSocket is a GET, its retry over SPDY a POST: they are one call."""
    target = (act.group, act.resource, act.subresource, act.namespace, act.name, act.path)  # the path says what a proxy is asked
    return binding.intent(
        requester,
        cluster,
        verb="connect" if act.subresource in STREAMING else act.verb,
        target=target,
        changes=view.changes,
        argv=act.argv,
        options=view.options,
        uids=view.uids,
        acts_as=act.acts_as,
    )


def _content_type(request: Request) -> str:
    return next((value for name, value in request.headers if name == "content-type"), "")


def _read(content_type: str, body: bytes) -> Node | None:
    """The body, read; None where there is none, or it is an application's."""
    form = format_of(content_type)
    if not body or form is None:
        return None
    try:
        return read_as(form, body)
    except Unreadable:
        return None
