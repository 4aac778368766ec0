"""A gateway in front of the tests' EKS cluster, and people whose kubeconfigs the `aws` command wrote: the whole chain."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws.aws_cli import AwsCli
from tests.support.aws.eks_cluster import BARE, GATEWAYS, NAME, EksCluster
from tests.support.aws.environment import inherit
from tests.support.aws.keys import ACCOUNT, Keys
from tests.support.aws.tokens import token
from tests.support.gateway_process import Gateway

GROUP = "engineers"  # the permission set of everybody here, which is a group of the gateway's
SSO_ROLE = f"aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_{GROUP}_0123456789abcdef"
CALL_WITHIN = 60.0
POLICY = f"""
rules:
  - {{name: engineers, groups: [{GROUP}], effects: ["*"], verdict: allow}}
"""


@dataclass(frozen=True)
class Person:
    """Somebody with a session of IAM Identity Center, and the kubeconfig of `aws eks update-kubeconfig` with another server."""

    name: str
    keys: Keys
    cli: AwsCli
    kubeconfig: Path


@dataclass(frozen=True)
class EksGateway:
    """The running gateway, and what stands behind it."""

    gateway: Gateway
    eks: EksCluster
    folder: Path
    own: Keys  # by which the gateway itself is known to AWS

    def keys_of(self, user: str) -> Keys:
        return self.eks.aws.sts.session(f"arn:aws:iam::{ACCOUNT}:role/{SSO_ROLE}", user)

    def token_of(self, user: str) -> str:
        """A token of this person, as `aws eks get-token` makes it."""
        return token(self.keys_of(user), NAME)

    def person(self, user: str) -> Person:
        """He runs `aws eks update-kubeconfig`, and `l7gw kubeconfig --edit` on what it wrote."""
        keys = self.keys_of(user)
        cli = AwsCli(self.folder / user, keys.environment, self.eks.aws.url, self.eks.aws.certificate_authority)
        written = cli.update_kubeconfig(NAME)
        self.gateway.l7gw(
            "kubeconfig",
            NAME,
            "--address",
            self.gateway.address,
            "--certificate-authority",
            self.gateway.authority.certificate,
            "--edit",
            written,
        )
        return Person(user, keys, cli, written)

    def connect(self) -> http.client.HTTPSConnection:
        trusted = ssl.create_default_context(cafile=str(self.gateway.authority.certificate))
        return http.client.HTTPSConnection("localhost", self.gateway.port, context=trusted, timeout=CALL_WITHIN)

    def get(
        self, path: str, bearer: str, cluster: str = NAME, on: http.client.HTTPSConnection | None = None
    ) -> tuple[int, dict[str, Any]]:
        """GET a path of a cluster with a token. Gives the status and the JSON."""
        connection = on or self.connect()
        try:
            connection.request(
                "GET", f"/{cluster}{path}", headers={"Authorization": f"Bearer {bearer}", "Accept": "application/json"}
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            if on is None:
                connection.close()


def identity(eks: EksCluster, **more: object) -> dict[str, object]:
    """The entry of `identity:`, with STS at the stand-in."""
    return {"aws": {"accounts": [ACCOUNT], "regions": ["eu-west-1"], **_at(eks), **more}}


def cluster(eks: EksCluster, name: str = NAME, *, region: str = "eu-west-1", **aws: object) -> dict[str, object]:
    """The entry of a cluster, with EKS and STS at the stand-in. `aws` are keys of its `credential.aws`. Callers' tokens are for
    `prod`, whatever its name at EKS is."""
    return {
        "eks": {"name": name, "region": region, **_at(eks)},
        "aws-cluster-id": NAME,
        "credential": {"aws": {"role": eks.bare.arn, **_at(eks), **aws}},
    }


def _at(eks: EksCluster) -> dict[str, str]:
    return {"endpoint-url": eks.aws.url, "certificate-authority": str(eks.aws.certificate_authority)}


@contextlib.contextmanager
def eks_gateway(
    eks: EksCluster, folder: Path, environment: Mapping[str, str] | None = None, **clusters: object
) -> Iterator[EksGateway]:
    """Start a gateway whose own AWS key is in its environment, beside `environment`. `clusters` are added to `prod`."""
    own = eks.aws.ring.user("gateway")
    settings = {"identity": [identity(eks)], "clusters": {NAME: cluster(eks), **clusters}}
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # for this gateway alone
            inherit(patch, own.environment, environment or {})
            gateway = stack.enter_context(Gateway(folder / "gateway", settings, POLICY))
        _bind(eks, gateway)
        yield EksGateway(gateway, eks, folder, own)


def _bind(eks: EksCluster, gateway: Gateway) -> None:
    """Apply what `l7gw rbac render` prints, and nothing else for the gateway; its engineers may everything. Group and objects have
    names of their own here, so that what other tests gave the group of `eks.gateway` stays."""
    rendered = gateway.l7gw("rbac", "render", NAME).stdout
    assert f"name: {GATEWAYS}" in rendered
    eks.cluster.kubectl("apply", "-f", "-", stdin=rendered.replace(GATEWAYS, BARE))
    api = "rbac.authorization.k8s.io"
    eks.cluster.apply(
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "l7gw-engineers"},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": api, "kind": "Group", "name": f"l7gw:{GROUP}"}],
        }
    )
