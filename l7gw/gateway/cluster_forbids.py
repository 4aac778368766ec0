"""What the caller is told beside the cluster's 403 to a call that the policy allowed.

In its 403 the cluster names whom it was told, which is `l7gw` for everybody where groups alone go up. So the caller cannot see
which groups went up, or why none did. The words begin with what to do, because a Warning is cut at its end.
"""

from __future__ import annotations

import shlex
from typing import Protocol

from msgspec.structs import replace

from l7gw.approval.active_grants import ActiveGrant
from l7gw.cluster.impersonation import impersonated
from l7gw.config.settings import Cluster
from l7gw.gateway.answer import HeldAnswer
from l7gw.gateway.denial import groups_in_words
from l7gw.gateway.far_side import FarSide
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.forbidden import also_saying, not_authorized
from l7gw.kube.warning_header import fits
from l7gw.name_rules import clipped
from l7gw.policy.judge import Policy
from l7gw.policy.verdict import Verdict
from l7gw.wire.events import Body, Request

LONGEST_RULE = 60  # characters of the rule's name


class Services(Protocol):
    """What is asked of the worker."""

    policy: Policy

    def acting(self, principal: Principal, cluster: str) -> tuple[Principal, tuple[ActiveGrant, ...]]:
        """The principal with the groups that are granted to him on this cluster now, and by which grants."""


class AllowedCall(Protocol):
    """What is asked of the call. Its `request` is the one that went upstream."""

    @property
    def worker(self) -> Services: ...

    far: FarSide | None
    principal: Principal | None
    act: Act | None
    verdict: Verdict | None
    request: Request


def words_beside(call: AllowedCall, held: HeldAnswer) -> str:
    """What to say beside this answer of the cluster's; "" where it is no 403 of its authorization. Of a refused upgrade the
    answer's own message says it too, as kubectl shows no Warning of these."""
    content_type = next((value for name, value in held.head.headers if name == "content-type"), "")
    said = b"".join(body.data for body in held.body)
    if held.head.status != 403 or not not_authorized(content_type, said):
        return ""
    assert call.far and call.principal and call.act and call.verdict
    who = call.worker.acting(call.principal, call.far.name)[0]
    up = impersonated(call.request.headers)
    words = in_words(call.verdict.rule, call.act, call.far.cluster, who, up[0], up[1], call.worker.policy)
    if call.request.upgrade:
        said = also_saying(content_type, said, words)
        held.head, held.body = replace(held.head, length=len(said)), [Body(said)]
    return words


def in_words(rule: str, act: Act, cluster: Cluster, who: Principal, user: str, groups: tuple[str, ...], policy: Policy) -> str:
    """`rule` allowed the call. `user` and `groups` are what the cluster was told, `who` is the caller with his own groups."""
    begin = f"rule '{clipped(rule, LONGEST_RULE)}' allows this, the cluster's RBAC does not: "
    if act.acts_as is not None:
        return f"{begin}it goes by the rights of {user}, as whom you ask: a role must be bound to that name there"
    if cluster.impersonate == "none":
        return f"{begin}the cluster sees the gateway's own credential (impersonate: none): bind a role to the User that it names"
    if cluster.impersonate == "user":
        beside = f", or to your {groups_in_words(groups)}" if groups else ""
        return _with_command(f"{begin}bind a role there to user {user}{beside}", act, f"--user={shlex.quote(user)}")
    if groups:
        return _with_command(
            f"{begin}bind a role there to your {groups_in_words(groups)}", act, f"--group={shlex.quote(groups[0])}"
        )
    return begin + _why_none(cluster, who, policy)


def _why_none(cluster: Cluster, who: Principal, policy: Policy) -> str:
    """Why no group of the caller's went up, and what to do."""
    if not who.groups:
        return (
            f"it knows you by no group, for you have none: is `groups:` below identity the claim of your token? Then name one in a "
            f"rule, and bind a role there to {cluster.prefix}GROUP"
        )
    going_up = policy.groups_going_up(cluster.name, cluster.groups)
    fit = [group for group in who.groups if going_up.match(group)]
    if fit:
        return f"it knows you by no group, for {groups_in_words(tuple(fit))} cannot be named there (the gateway's log says why)"
    first = cluster.prefix + who.groups[0]
    return (
        f"it knows you by no group: name one of yours in a rule about {cluster.name}, or in its `groups:`, and bind a role there "
        f"to it as {first}; you have {groups_in_words(who.groups)}"
    )


def _with_command(words: str, act: Act, subject: str) -> str:
    """These words, and the command that binds a role where a Warning has room for it."""
    where = f"rolebinding NAME -n {act.namespace}" if act.namespace else "clusterrolebinding NAME"
    whole = f"{words}; kubectl create {where} --clusterrole=ROLE {subject}"
    return whole if fits(whole) else words
