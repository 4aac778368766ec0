"""What a principal's grants do to his calls: the group counts for the judge, and goes up to the cluster like any other of his.

It counts nowhere else: who reviews, asks for a grant or forces an approval is looked at with the groups of his credential alone. A
grant counts as long as the policy lists it for this principal; an entry that is taken out suspends what was granted by it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from l7gw.approval.active_grants import ActiveGrant, ActiveGrants
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.policy.grants import first_for
from l7gw.policy.judge import Policy
from l7gw.policy.looked import Looked
from l7gw.policy.verdict import Verdict

NONE: tuple[ActiveGrant, ...] = ()


def acting(policy: Policy, grants: ActiveGrants, principal: Principal, cluster: str) -> tuple[Principal, tuple[ActiveGrant, ...]]:
    """The principal with the groups that are granted to him on this cluster now, and by which grants. The same object where there
    are none."""
    found = grants.of(principal, cluster)
    if not found:
        return principal, NONE
    counting = tuple(
        one
        for one in found
        if one.group not in principal.groups and first_for(policy.grants, principal, cluster, one.group) is not None
    )
    if not counting:
        return principal, NONE
    return replace(principal, groups=(*principal.groups, *dict.fromkeys(one.group for one in counting))), counting


def judged(
    policy: Policy, grants: ActiveGrants, principal: Principal, cluster: str, act: Act, looked: Looked | None = None
) -> Verdict:
    """The policy's verdict on what this principal does, with what is granted to him. Where that makes a difference, the verdict
    names the grants, and is not to be remembered."""
    who, counting = acting(policy, grants, principal, cluster)
    verdict = policy.judge(who, cluster, act, looked)
    if not counting or verdict == policy.judge(principal, cluster, act, looked):
        return verdict
    by = counting
    for group in who.groups[len(principal.groups) :] if len(counting) > 1 else ():
        if verdict == policy.judge(replace(principal, groups=(*principal.groups, group)), cluster, act, looked):
            by = tuple(one for one in counting if one.group == group)
            break
    words = ", ".join(f"{one.group} by grant {one.id}" for one in by)
    return replace(verdict, grants=tuple((one.id, one.group) for one in by), remember=False, reason=f"{verdict.reason} ({words})")


class Judging(Protocol):
    """By what calls are judged now."""

    policy: Policy
    grants: ActiveGrants


def is_old(verdict: Verdict, now: Judging, policy: Policy | None, generation: int) -> bool:
    """Whether policy or grants have changed since the verdict was given, by this policy and this generation of the grants."""
    if policy is not now.policy or generation != now.grants.generation:
        return True
    return bool(verdict.grants) and not all(now.grants.has(grant) for grant, _ in verdict.grants)
