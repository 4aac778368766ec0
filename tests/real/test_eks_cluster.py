"""The tests' EKS cluster by itself: a real kube-apiserver takes the tokens that the real aws-iam-authenticator verifies, and no others."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.aws.aws_cli import AwsCli
from tests.support.aws.eks_cluster import DEVELOPERS, EksCluster
from tests.support.aws.tokens import token


def whoami(eks: EksCluster, folder: Path, bearer: str) -> str:
    """What `kubectl auth whoami` says with this token: user and groups, or the error."""
    config = eks.cluster.kubeconfig(folder / "whoami.kubeconfig", token=bearer)
    done = eks.cluster.kubectl(
        "auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}", kubeconfig=config, check=False
    )
    return done.stdout or done.stderr


@pytest.mark.long
def test_an_unchanged_kubeconfig_of_the_aws_command_reaches_the_cluster_as_its_role_session(
    eks: EksCluster, tmp_path: Path
) -> None:
    keys = eks.aws.sts.session(eks.developer, "ann@example.com")
    cli = AwsCli(tmp_path / "ann", keys.environment, eks.aws.url, eks.aws.certificate_authority)
    config = cli.update_kubeconfig("prod")
    assert eks.cluster.server in config.read_text()
    for kubectl in (eks.cluster.built.kubectl, eks.cluster.built.oldest_kubectl):
        done = eks.cluster.kubectl("auth", "whoami", "-o", "json", binary=kubectl, kubeconfig=config, environment=cli.environment)
        assert '"dev:ann@example.com"' in done.stdout and f'"{DEVELOPERS}"' in done.stdout
    assert eks.proxy.refused == []


def test_the_cluster_names_a_session_of_the_gateways_role_and_takes_no_bad_token(eks: EksCluster, tmp_path: Path) -> None:
    gateway = eks.aws.sts.session(eks.gateway, "ann@example.com")
    assert (
        whoami(eks, tmp_path, token(gateway, "prod"))
        == f'{eks.user_of("ann@example.com")} ["l7gw-gateways","system:authenticated"]'
    )
    stranger = eks.aws.sts.session(eks.aws.sts.role("stranger"), "eve")
    for bad in (token(gateway, "other"), token(gateway, "prod", at=time.time() - 3600), token(stranger, "prod")):
        assert "must be logged in" in whoami(eks, tmp_path, bad)
