"""Which grants would open a call that is denied: said to whoever was refused, so that he knows what to ask for."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

from l7gw.config.document import lasting
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.policy.judge import Policy
from l7gw.policy.looked import Looked

MOST_TRIED = 8  # groups with which the call is judged again
USUAL = 1800  # seconds that the hint names, where the entry gives as much


def openings(policy: Policy, principal: Principal, cluster: str, act: Act, looked: Looked | None = None) -> Iterator[str]:
    """The commands by which the principal may ask for a group with which this call would not be denied."""
    tried = 0
    for entry in policy.grants:
        if entry.group in principal.groups or not entry.is_for(principal, cluster):
            continue
        tried += 1
        if tried > MOST_TRIED:
            return
        verdict = policy.judge(replace(principal, groups=(*principal.groups, entry.group)), cluster, act, looked)
        if verdict.decision != "deny":
            for_ = lasting(min(entry.most, USUAL))
            yield f"l7gw grants request {shlex.quote(entry.group)} --cluster {shlex.quote(cluster)} --for {for_} --reason TEXT"


def first_opening(policy: Policy, principal: Principal, cluster: str, act: Act) -> str:
    """The first of them, "" for none."""
    return next(openings(policy, principal, cluster, act), "") if policy.grants else ""
