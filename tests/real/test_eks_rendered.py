"""The access entry's group and the RBAC that `l7gw rbac render` prints are all that the whole way to an EKS cluster needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority
from tests.support.aws.eks_cluster import GATEWAYS, EksCluster, let_impersonate
from tests.support.aws.environment import inherit
from tests.support.aws.tokens import token
from tests.support.demo_issuer import issuing
from tests.support.eks_scene import entry
from tests.support.faults import until
from tests.support.gateway_process import Gateway
from tests.support.scene import identity

POLICY = """
rules: [{name: engineers, groups: [engineers], effects: ["*"], verdict: allow}]
"""
SOON = 20.0  # seconds until the API server knows of a change of RBAC


@pytest.fixture
def fenced(eks: EksCluster, tmp_path: Path) -> Iterator[tuple[Gateway, DemoIssuer]]:
    """A gateway whose role's sessions have what is rendered for its configuration, in the place of what other tests let them do."""
    authority = Authority(tmp_path / "issuer", "issuer CA")
    with issuing(authority) as issuer, pytest.MonkeyPatch.context() as patch:
        inherit(patch, eks.aws.ring.user("gateway").environment)
        cluster = entry(eks.aws, eks.gateway)
        del cluster["groups"]  # those that rules name go up
        settings = {"identity": [identity(issuer, authority)], "clusters": {"prod": cluster}}
        with Gateway(tmp_path / "gateway", settings, POLICY) as gateway:
            rendered = gateway.l7gw("rbac", "render", "prod").stdout
            assert f"--principal-arn {eks.gateway.arn}" in rendered and f"--kubernetes-groups {GATEWAYS}" in rendered
            eks.cluster.kubectl("apply", "-f", "-", stdin=rendered)
            try:
                yield gateway, issuer
            finally:
                let_impersonate(eks.cluster)


def test_a_call_passes_and_a_stolen_token_is_worth_no_more_than_the_names_in_it(
    eks: EksCluster, fenced: tuple[Gateway, DemoIssuer], tmp_path: Path
) -> None:
    gateway, issuer = fenced
    stolen = eks.cluster.kubeconfig(
        tmp_path / "stolen", token=token(eks.aws.sts.session(eks.gateway, "ann@example.com"), "prod"), impersonate="admin"
    )

    def refused() -> bool:
        said = eks.cluster.kubectl("get", "--raw", "/version", kubeconfig=stolen, check=False)
        return said.returncode == 1 and "impersonate" in said.stderr

    until(refused, SOON)
    config = gateway.kubeconfig("prod", issuer.token("ann@example.com", ["engineers", "others"]))
    who = json.loads(eks.cluster.kubectl("auth", "whoami", "-o", "json", kubeconfig=config).stdout)["status"]["userInfo"]
    assert (who["username"], who["groups"]) == ("l7gw", ["l7gw:engineers", "system:authenticated"])
    assert who["extra"]["l7gw-user"] == ["ann@example.com"]
