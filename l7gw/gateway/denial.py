"""What a denied call is told: which call, why, what to do about it, and who the gateway takes the caller for.

One kubectl command is often several calls, so the call is named. What to do comes before the caller, because a Warning and the body
of a refused upgrade are cut at their ends.
"""

from __future__ import annotations

from typing import Protocol

from l7gw.errors import Refusal
from l7gw.gateway.call_services import CallServices
from l7gw.gateway.client import Client
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.results import Result
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.effects import DISCOVERY_ROOTS
from l7gw.name_rules import clipped
from l7gw.policy import rules
from l7gw.policy.kubectl.ways_out import way_out
from l7gw.policy.openings import first_opening
from l7gw.policy.verdict import Verdict
from l7gw.wire.events import Request

MOST_GROUPS = 5  # of the caller that are named; a person may have a thousand
LONGEST_NAME = 60  # characters of the user and of a group
LONGEST_CALL = 400  # characters; with names as Kubernetes takes them a call has fewer
# Paths that an API server has beside those of discovery: kube-apiserver 1.36, as `kubectl get --raw /` lists them.
OTHER_ROOTS = frozenset(("", "/.well-known", "/debug", "/flagz", "/index.html", "/logs", "/metrics", "/openid", "/statusz"))
ASK = "whoever writes the gateway's policy can allow it"


class DeniedCall(Protocol):
    """What this asks of the call."""

    worker: CallServices
    far: FarSide | None
    principal: Principal | None
    act: Act | None
    request: Request
    result: Result | None
    client: Client


def denied(call: DeniedCall, verdict: Verdict) -> Refusal:
    """The refusal of a call that this verdict denies."""
    worker, cluster, act, principal = call.worker, call.far, call.act, call.principal
    assert cluster is not None and act is not None and principal is not None
    command = next((value for name, value in call.request.headers if name == "kubectl-command"), "")
    ask = first_opening(worker.policy, principal, cluster.name, act)
    who = worker.acting(principal, cluster.name)[0]
    address = worker.routes.address(cluster, call.client.server_name)
    return denial(verdict, act, call.result, who=who, command=command, address=address, ask=ask)


def denial(
    verdict: Verdict, act: Act, result: Result | None, *, who: Principal, command: str = "", address: str = "", ask: str = ""
) -> Refusal:
    """What a denied call is told. `result` is None where no dry run was asked for. `command` is the client's header
    Kubectl-Command, `address` what `server:` in a kubeconfig for this cluster looks like, and `ask` the command that asks for a
    group by which the call would pass; each "" for none.

    A dry run that failed may be why: the words say so. Where no rule denies the call and the cluster refuses it anyway, the client
    hears what it knows how to answer: a conflict, an object that is gone or there already.
    """
    called = clipped(rules.in_words(act), LONGEST_CALL)
    fault = ""
    if result is not None and result.fault:
        if result.refused is not None and not verdict.rule:
            return result.refused
        fault = f"; {result.fault}"
    asked = f"; ask for it: {ask}" if ask else ""
    why, allow = way_out(command, act)
    if verdict.rule:
        recorded = f"{verdict.reason}{fault}{asked}"
        words = f"{verdict.reason}{fault}{asked}; the call is {called}" + (f", as {why}" if why else "")
    else:
        recorded = f"{verdict.reason}: {called}{fault}{asked}"
        out = _about_path(act, address) or (f"{why}: allow {allow} too" if why else "" if ask else ASK)
        words = f"{recorded}; {out}" if out else recorded
    return Refusal(403, "Forbidden", f"{words}; you are {in_words(who)}", rule=verdict.rule or None, recorded=recorded)


def in_words(who: Principal) -> str:
    """A caller for himself: `ann@example.com (human, groups a, b, c, d, e and 3 more)`."""
    return f"{clipped(who.user, LONGEST_NAME)} ({who.kind}, {groups_in_words(who.groups)})"


def groups_in_words(groups: tuple[str, ...]) -> str:
    """`groups a, b, c, d, e and 3 more`, or `no groups`."""
    if not groups:
        return "no groups"
    named = ", ".join(clipped(group, LONGEST_NAME) for group in groups[:MOST_GROUPS])
    more = f" and {len(groups) - MOST_GROUPS} more" if len(groups) > MOST_GROUPS else ""
    return f"{'group' if len(groups) == 1 else 'groups'} {named}{more}"


def _about_path(act: Act, address: str) -> str:
    """Of a path that no API server has: the `server:` of the kubeconfig has a path that the gateway does not know."""
    root = f"/{act.path.split('/')[1]}".rstrip("/")
    if act.is_resource or not address or root in DISCOVERY_ROOTS or root in OTHER_ROOTS:
        return ""
    return f"this is no path of the Kubernetes API: `server:` in the kubeconfig must be {address}"
