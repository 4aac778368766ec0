"""An EKS cluster as near as it comes without AWS: a real kube-apiserver whose webhook is the real aws-iam-authenticator, which asks the
stand-in's STS through a CONNECT proxy, and DescribeCluster that leads to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.aws.authenticator import Authenticator
from tests.support.aws.connect_proxy import ConnectProxy
from tests.support.aws.keys import ACCOUNT
from tests.support.aws.roles import Role
from tests.support.aws.stand_in import Aws
from tests.support.kubernetes.build import Built
from tests.support.kubernetes.cluster import RealCluster

NAME = "prod"
GATEWAYS = "l7gw-gateways"  # the Kubernetes group of the gateway's role sessions
BARE = "l7gw-bare"  # that of a second role for gateways, whose group may nothing until a test lets it
DEVELOPERS = "developers"  # the group of people who go to the cluster with a role of their own


@dataclass(frozen=True)
class EksCluster:
    """The running parts. `gateway` is the role that a gateway assumes, `bare` another such, and `developer` one that a person has
    without a gateway."""

    aws: Aws
    proxy: ConnectProxy
    authenticator: Authenticator
    cluster: RealCluster
    gateway: Role
    bare: Role
    developer: Role

    def user_of(self, session: str, role: str = "l7gw") -> str:
        """The user that the cluster sees in a session of a gateway's role."""
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"


def _user(role: Role) -> str:
    """The name of a role's sessions that EKS makes itself."""
    return f"arn:aws:sts::{{{{AccountID}}}}:assumed-role/{role.arn.rsplit('/', 1)[1]}/{{{{SessionNameRaw}}}}"


def _mappings(gateway: Role, bare: Role, developer: Role) -> list[dict[str, object]]:
    """The mapRoles, as access entries of EKS name role sessions."""
    return [
        {"rolearn": gateway.arn, "username": _user(gateway), "groups": [GATEWAYS]},
        {"rolearn": bare.arn, "username": _user(bare), "groups": [BARE]},
        {"rolearn": developer.arn, "username": "dev:{{SessionNameRaw}}", "groups": [DEVELOPERS]},
    ]


@contextlib.contextmanager
def eks_cluster(folder: Path, built: Built, name: str = "l7gw") -> Iterator[EksCluster]:
    """Start everything, and stop it at the end. Nobody may anything, but sessions of the role `gateway` may impersonate anybody.
    Where that role has another `name`, it may not either, and has no access entry."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(Aws(folder))
        roles = [aws.sts.role(role) for role in (name, BARE, "dev")]
        proxy = stack.enter_context(ConnectProxy(aws.port))
        authenticator = stack.enter_context(Authenticator(folder / "authenticator", aws, proxy, NAME, _mappings(*roles)))
        cluster = stack.enter_context(RealCluster.start(folder / "cluster", built, authenticator.webhook))
        described = aws.eks.cluster(NAME, cluster.server, cluster.ca.read_text())
        if name == "l7gw":
            let_impersonate(cluster)
            described.entry(roles[0].arn, [GATEWAYS], user=_user(roles[0]))
        yield EksCluster(aws, proxy, authenticator, cluster, *roles)


def let_impersonate(cluster: RealCluster) -> None:
    """The gateway's role sessions may impersonate anybody."""
    api = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [""], "resources": ["users", "groups", "serviceaccounts"], "verbs": ["impersonate"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["*"], "verbs": ["impersonate"]},
    ]
    cluster.apply({"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": GATEWAYS}, "rules": rules})
    cluster.apply(
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": GATEWAYS},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": GATEWAYS},
            "subjects": [{"apiGroup": api, "kind": "Group", "name": GATEWAYS}],
        }
    )
