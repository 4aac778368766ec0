"""Whether a cluster takes the gateway's credential, whom it takes it for, and what it lets it do: a step for each question."""

from __future__ import annotations

from functools import partial
from shlex import quote

from l7gw.cluster.api_server import ApiServer, listed
from l7gw.cluster.impersonation import GATEWAY_USER
from l7gw.cluster.needs import ANYBODY, AUTHENTICATION, AUTHORIZATION, GROUP, Need, needs
from l7gw.cluster.trial import Failure, Found, Trial, sure
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Cluster
from l7gw.name_rules import visible
from l7gw.policy.judge import Policy

MASTERS = "system:masters"


def ask_all(trial: Trial, server: ApiServer | None, cluster: Cluster, policy: Policy, refused: str) -> None:
    """The version, who the gateway is there, and each permission that it needs. `refused` says what to do where the cluster does
    not know the credential. Without a server, which is where the trial is over, each is told as not tried."""
    trial.step("version", lambda: _version(sure(server), refused))
    groups = trial.step("who", lambda: _who(sure(server), cluster, refused))
    remedy = what_gives(cluster, groups)
    needed, unknown = needs(cluster, policy)
    for need in needed:
        trial.step(str(need), partial(_allowed, server, need, remedy))
    for what in unknown:
        name, _, why = what.partition(": ")
        trial.not_asked(name, why)
    if cluster.impersonate != "none":
        trial.step("no more than that", lambda: _fenced(sure(server)))


def _version(server: ApiServer, refused: str) -> Found[str]:
    answer = server.ask("GET", "/version")
    if answer.status == 401:
        raise Failure("the cluster does not know the gateway's credential", refused)
    version = answer.at("gitVersion")
    if answer.status == 403:
        raise Failure(f"the cluster does not tell it: {answer.said}", "RBAC: get of the path /version", ends=False)
    if answer.status != 200 or not isinstance(version, str):
        raise Failure(f"what answers is no API server: {answer.said}", "is `server` the API server, and no load balancer's page?")
    return Found(version, visible(version[:100]))


def _who(server: ApiServer, cluster: Cluster, refused: str) -> Found[list[str]]:
    """The groups that the cluster takes the gateway for."""
    review = {"apiVersion": f"{AUTHENTICATION}/v1", "kind": "SelfSubjectReview"}
    answer = server.ask("POST", f"/apis/{AUTHENTICATION}/v1/selfsubjectreviews", review)
    if answer.status == 401:
        raise Failure("the cluster does not know the gateway's credential", refused)
    user, groups = answer.at("status", "userInfo", "username"), answer.at("status", "userInfo", "groups") or []
    if answer.status != 201 or not isinstance(user, str) or not isinstance(groups, list):
        rbac = "RBAC: create of selfsubjectreviews.authentication.k8s.io, which Kubernetes has since 1.28"
        raise Failure(f"the cluster does not say whom it takes the gateway for: {answer.said}", rbac, ends=False)
    groups = [str(group) for group in groups]
    said = f"user {visible(user)}, groups {listed(groups)}"
    if MASTERS in groups:
        what = f"{said}: whoever steals the credential is cluster-admin, whatever RBAC says"
        return Found(groups, what, f"a credential without the group {MASTERS}, and l7gw rbac render {cluster.name}")
    if user == GATEWAY_USER and cluster.impersonate == "groups":
        return Found(groups, f"{said}: every caller is this user too, and has the gateway's rights", "a credential of another name")
    return Found(groups, said)


def _may(server: ApiServer, need: Need) -> tuple[bool, str]:
    """Whether RBAC lets the gateway; and the reason. Raises Failure."""
    review = {
        "apiVersion": f"{AUTHORIZATION}/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": need.attributes},
    }
    answer = server.ask("POST", f"/apis/{AUTHORIZATION}/v1/selfsubjectaccessreviews", review)
    allowed, reason = answer.at("status", "allowed"), answer.at("status", "reason")
    if answer.status != 201 or not isinstance(allowed, bool):
        rbac = "RBAC: create of selfsubjectaccessreviews.authorization.k8s.io"
        raise Failure(f"the cluster does not say: {answer.said}", rbac, ends=False)
    return allowed, visible(reason[:200]) if isinstance(reason, str) else ""


def _allowed(server: ApiServer | None, need: Need, remedy: str) -> Found[None]:
    allowed, reason = _may(sure(server), need)
    if not allowed:
        raise Failure("RBAC does not let the gateway", remedy, ends=False)
    return Found(None, reason)


def what_gives(cluster: Cluster, groups: list[str] | None) -> str:
    """The commands that give the gateway the rights that it lacks. `groups` are those that the cluster takes it for, None where
    that is not known: the RBAC that is rendered is for one group, which the role's access entry may not have."""
    render = f"l7gw rbac render {cluster.name}"
    if cluster.eks is not None and isinstance(cluster.credential, AwsRole) and groups is not None and GROUP not in groups:
        own = [group for group in groups if not group.startswith("system:")]
        if own:
            return f"{render} --to {quote(f'group:{own[0]}')} | kubectl apply -f -"
        at = f"--cluster-name {cluster.eks.name} --region {cluster.eks.region} --principal-arn {quote(cluster.credential.role)}"
        return f"aws eks update-access-entry {at} --kubernetes-groups {GROUP} && {render} | kubectl apply -f -"
    return f"{render} | kubectl apply -f -"


def _fenced(server: ApiServer) -> Found[None]:
    allowed, _ = _may(server, ANYBODY)
    if allowed:
        what = "the gateway may be any user: whoever steals its credential is as good as cluster-admin"
        return Found(None, what, "name users and groups in RBAC, as `l7gw rbac render` does")
    return Found(None, "the gateway may not be any user")
