"""What `l7gw check` says of a cluster's section."""

from __future__ import annotations

from typing import Any, assert_never

from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import ClientCredential, Cluster, RecordMode, TokenFile
from l7gw.policy.judge import Policy

KINDS: dict[type, str] = {ClientCredential: "client-certificate", TokenFile: "token-file", AwsRole: "aws"}


def lines(cluster: Cluster, policy: Policy) -> list[str]:
    """What is said of one cluster: how callers name it, how the gateway reaches it, and as whom."""
    ways = [f"https://GATEWAY/{cluster.name}", *(f"the server name {host}" for host in cluster.hosts)]
    return [
        f"by {' or '.join(ways)}",
        f"to {_where(cluster)}, with {_shown(cluster.credential)}",
        _as_whom(cluster),
        *_going_up(cluster, policy),
        *_acted_as(cluster, policy),
        *(
            f"{bind} is bound for grants or sessions: RBAC must let the gateway, see l7gw rbac render"
            for bind in policy.binds(cluster.name)
        ),
        *([f"may be gone round by {', '.join(cluster.break_glass)}"] if cluster.break_glass else []),
        _recorded(cluster.record),
    ]


def _where(cluster: Cluster) -> str:
    """Where the cluster is, and whom the gateway trusts there."""
    eks = cluster.eks
    if eks is None:
        return f"{cluster.server_authority}, trusting {cluster.certificate_authority}"
    asked = f" (asked at {eks.endpoint_url})" if eks.endpoint_url else ""
    return f"EKS cluster {eks.name} in {eks.region}, at the endpoint and with the CA that DescribeCluster says{asked}"


def _shown(credential: ClientCredential | TokenFile | AwsRole) -> str:
    """What the gateway shows the cluster."""
    match credential:
        case ClientCredential():
            return f"certificate {credential.certificate}"
        case TokenFile():
            return f"token {credential.path}"
        case AwsRole():
            sessions = "a session for each person" if credential.per == "person" else "one session for everybody"
            return f"tokens of {credential.role}, {sessions}"
        case _:
            assert_never(credential)


def _as_whom(cluster: Cluster) -> str:
    match cluster.impersonate:
        case "groups":
            return f"callers are user l7gw there, with {cluster.prefix!r} before their groups"
        case "user":
            return f"callers are themselves there, with {cluster.prefix!r} before user and groups"
        case "none":
            return "callers are the gateway's own credential there"
        case _:
            assert_never(cluster.impersonate)


def _recorded(record: RecordMode) -> str:
    match record:
        case "all":
            return "everything is recorded"
        case "metadata":
            return "metadata is recorded"
        case "none":
            return "nothing is recorded"
        case _:
            assert_never(record)


def _going_up(cluster: Cluster, policy: Policy) -> list[str]:
    """Sentences about the groups that calls name to the cluster, with their prefix. The cluster's RBAC must let the gateway
    impersonate them."""
    if cluster.impersonate == "none":
        return []
    groups = policy.groups_going_up(cluster.name, cluster.groups)
    if groups.everything:
        return ["all groups of a caller go up: RBAC must let the gateway impersonate every one"]
    if not groups.texts:
        return ["no groups go up, as no rule names any"]
    named = ", ".join(f"{cluster.prefix}{text}" for text in groups.texts)
    return [f"groups that go up, and that RBAC must let the gateway impersonate: {named}"]


def _acted_as(cluster: Cluster, policy: Policy) -> list[str]:
    """Sentences about whom callers may act as."""
    named = policy.acted_as(cluster.name)
    if not named or cluster.impersonate == "none":
        return []
    return [
        f"callers may act (--as) as {', '.join(named)}: RBAC must let the gateway impersonate these too, "
        "and create subjectaccessreviews.authorization.k8s.io"
    ]


def document(cluster: Cluster, policy: Policy) -> dict[str, Any]:
    """The same as an object of `-o json`."""
    return {
        "name": cluster.name,
        "hosts": list(cluster.hosts),
        "server": cluster.url or None,
        **({"eks": {"name": cluster.eks.name, "region": cluster.eks.region}} if cluster.eks is not None else {}),
        "credential": KINDS[type(cluster.credential)],
        "impersonate": cluster.impersonate,
        "prefix": cluster.prefix,
        "acted_as": [] if cluster.impersonate == "none" else list(policy.acted_as(cluster.name)),
        "groups": [] if cluster.impersonate == "none" else list(policy.groups_going_up(cluster.name, cluster.groups).texts),
        "record": cluster.record,
    }
