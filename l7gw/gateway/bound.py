"""The step `bind` of a call: what the policy has bound in the cluster for its caller is there before the call goes up."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from l7gw.approval.active_grants import ActiveGrant
from l7gw.cluster.impersonation import GATEWAY_USER
from l7gw.config.settings import Cluster
from l7gw.errors import Refusal
from l7gw.gateway.binding import Wanted
from l7gw.gateway.bindings import Bindings
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.guard import Step
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, Effect
from l7gw.kube.role_bindings import OwnerKind
from l7gw.policy.binds import Bind
from l7gw.policy.grants import first_for
from l7gw.policy.judge import Policy
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import CallRecord

_DISCOVERY: frozenset[Effect] = frozenset(("discovery",))
SECOND = 1_000_000  # microseconds


class Services(Protocol):
    """What the step asks of the worker."""

    policy: Policy
    bindings: Bindings

    def acting(self, principal: Principal, cluster: str) -> tuple[Principal, tuple[ActiveGrant, ...]]:
        """The principal with the groups that are granted to him on this cluster now, and by which grants."""


class BoundCall(Protocol):
    """What the step asks of the call."""

    @property
    def worker(self) -> Services: ...

    far: FarSide | None
    principal: Principal | None
    act: Act | None
    verdict: Verdict | None
    call_record: CallRecord | None
    over: bool

    def enter(self, inside: Step) -> None:
        """Go on with `inside`, behind the guard of the call."""


def bound(call: BoundCall, then: Step) -> Step | None:
    """The step `then`, once all is bound that the call needs. Raises Refusal."""
    missing = _missing(call)
    if not missing:
        return then
    _bind(call, missing, then)
    return None


def lacks_binding(call: BoundCall) -> bool:
    """Whether something is not bound that the call needs by its verdict, or by the grants in force."""
    return bool(_missing(call))


def _missing(call: BoundCall) -> list[Wanted]:
    bindings = call.worker.bindings
    if not bindings.active:
        return []
    assert call.far is not None
    name = call.far.name
    return [one for one in _wanted(call) if not bindings.has(name, one)]


def _wanted(call: BoundCall) -> list[Wanted]:
    """What the cluster must be told first. A call that is made as somebody else goes by that one's rights, and discovery needs
    none."""
    assert call.far and call.principal and call.act and call.verdict and call.call_record
    if call.act.acts_as is not None or call.act.effects == _DISCOVERY:
        return []
    who, cluster, policy = call.principal, call.far.cluster, call.worker.policy
    found: list[Wanted] = []
    if call.verdict.bind is not None:
        found.append(_of(cluster, who, call.verdict.bind, "session", call.call_record.session.id))
    for grant in call.worker.acting(who, cluster.name)[1]:
        entry = first_for(policy.grants, who, cluster.name, grant.group)
        if entry is not None and entry.bind is not None:
            found.append(_of(cluster, who, entry.bind, "grant", grant.id, group=grant.group, ends=grant.ends / SECOND))
    return found


def _of(cluster: Cluster, who: Principal, bind: Bind, kind: OwnerKind, owner: str, *, group: str = "", ends: float = 0.0) -> Wanted:
    """A user where the cluster is told users, else the group of the grant; never the user that everybody is there."""
    if cluster.impersonate == "user":
        user = cluster.prefix + who.user
        if user == GATEWAY_USER:
            raise Refusal(403, "Forbidden", f"no role is bound to the user {GATEWAY_USER}, which is the gateway's own name")
        return Wanted(kind, owner, bind, "User", user, who.user, ends)
    if cluster.impersonate == "none" or not group:
        raise Refusal(500, "InternalError", "a role is to be bound on a cluster that is not told who calls")
    return Wanted(kind, owner, bind, "Group", cluster.prefix + group, who.user, ends)


def _bind(call: BoundCall, missing: list[Wanted], then: Step) -> None:
    """Have all of it bound, and then go on."""
    assert call.far is not None and call.call_record is not None
    far, session, left = call.far, call.call_record.session, list(missing)

    def done(one: Wanted, refusal: Refusal | None) -> Step | None:
        if call.over or one not in left:
            return None
        if refusal is not None:
            left.clear()
            raise refusal
        left.remove(one)
        assert call.call_record is not None
        words = f"{one.bind} is bound to {one.subject_kind} {one.subject} for {one.kind} {one.owner}"
        call.call_record.verdict("allow", reason=words, own=True)
        return None if left else then

    def told(one: Wanted, refusal: Refusal | None) -> None:
        call.enter(partial(done, one, refusal))

    for one in missing:
        call.worker.bindings.make(far, one, session if one.kind == "session" else None, partial(told, one))
