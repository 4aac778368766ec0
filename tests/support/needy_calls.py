"""Calls as a journal gives them, made without one, for tests of what they needed of RBAC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from l7gw.config.settings import Cluster, TokenFile
from l7gw.identity.principal import Principal
from l7gw.kube.act import acting
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.rbac import Subject
from l7gw.kube.requestinfo import describe
from l7gw.recording.events import RequestRecorded, VerdictRecorded
from l7gw.recording.past_calls import PastCall
from l7gw.recording.past_grants import Granted
from l7gw.recording.used_rights import Reading

GATEWAY = Subject("Group", "l7gw-gateways")


def cluster(mode: Any = "groups") -> Cluster:
    return Cluster("prod", "10.0.0.1", 6443, Path("/ca"), TokenFile(Path("/t")), impersonate=mode)


def reading(mode: Any = "groups", **more: Any) -> Reading:
    return Reading(cluster=cluster(mode), going_up=lambda group: group != "private", gateway=GATEWAY, **{"names": 2, **more})


def past(
    line: str, user: str = "ann", groups: tuple[str, ...] = ("engineers",), *, status: int = 200, acts_as: ActsAs | None = None,
    verdict: str = "allow", outcome: str = "complete", session: str = "s", granted: tuple[Granted, ...] = (), reason: str = "",
    own: tuple[VerdictRecorded, ...] = (),
) -> PastCall:  # fmt: skip
    method, _, target = line.partition(" ")
    act = acting(describe(method, target), acts_as)
    request = RequestRecorded(
        1, 1, 0, method, target, (), act.verb, act.group, act.resource, act.subresource, act.namespace, act.name, (), "a"
    )
    return PastCall(
        session=session, cluster="prod", principal=Principal(user, groups), request=request, act=act, granted=granted,
        verdict=VerdictRecorded(1, 1, "r", verdict, reason), status=status, outcome=outcome, own=own,
    )  # fmt: skip
