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
DEVELOPERS = "developers"  # the group of people who go to the cluster with a role of their own


@dataclass(frozen=True)
class EksCluster:
    """The running parts. `gateway` is the role that a gateway assumes, `developer` one that a person has without it."""

    aws: Aws
    proxy: ConnectProxy
    authenticator: Authenticator
    cluster: RealCluster
    gateway: Role
    developer: Role

    def user_of(self, session: str) -> str:
        """The user that the cluster sees in a session of the gateway's role."""
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/l7gw/{session}"


USER = "arn:aws:sts::{{AccountID}}:assumed-role/l7gw/{{SessionNameRaw}}"  # the name of a role session that EKS makes itself


def mappings(gateway: Role, developer: Role) -> list[dict[str, object]]:
    """The mapRoles, as access entries of EKS name role sessions."""
    return [
        {"rolearn": gateway.arn, "username": USER, "groups": [GATEWAYS]},
        {"rolearn": developer.arn, "username": "dev:{{SessionNameRaw}}", "groups": [DEVELOPERS]},
    ]


@contextlib.contextmanager
def eks_cluster(folder: Path, built: Built) -> Iterator[EksCluster]:
    """Start everything, and stop it at the end. The gateway's role sessions may impersonate anybody; nobody else may anything."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(Aws(folder))
        gateway, developer = aws.sts.role("l7gw"), aws.sts.role("dev")
        proxy = stack.enter_context(ConnectProxy(aws.port))
        authenticator = stack.enter_context(Authenticator(folder / "authenticator", aws, proxy, NAME, mappings(gateway, developer)))
        cluster = stack.enter_context(RealCluster.start(folder / "cluster", built, authenticator.webhook))
        _let_impersonate(cluster)
        described = aws.eks.cluster(NAME, cluster.server, cluster.ca.read_text())
        described.entry(gateway.arn, [GATEWAYS], user=USER)
        yield EksCluster(aws, proxy, authenticator, cluster, gateway, developer)


def _let_impersonate(cluster: RealCluster) -> None:
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
