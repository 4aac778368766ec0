"""The kubeconfig that the real `aws` command writes, with one line changed, in front of the gateway: whom it proves, and what is
said where it proves nobody. The stand-in for STS computes each signature again."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws import bodies
from tests.support.aws.aws_cli import AwsCli
from tests.support.aws.keys import Keys
from tests.support.aws.stand_in import Aws
from tests.support.aws.tokens import token
from tests.support.gateway_process import EVERYTHING, Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.whole_state import written_down

ACCOUNT = "111122223333"
SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Engineers_0123456789abcdef"


class Eks:
    """A gateway whose cluster takes tokens of EKS for the id `eks-prod`, another that takes them for `eks-dev`, and one that takes
    none; and the stand-in for AWS."""

    def __init__(self, folder: Path, cluster: RealCluster, aws: Aws) -> None:
        self.folder, self.cluster, self.aws = folder, cluster, aws
        far = {
            "server": cluster.server,
            "certificate-authority": str(cluster.ca),
            "credential": {"client-certificate": str(cluster.gateway_certificate), "client-key": str(cluster.gateway_key)},
            "groups": ["*"],
        }
        entry: dict[str, Any] = {
            "accounts": [ACCOUNT],
            "regions": ["eu-west-1"],
            "map": [{"arn": f"arn:aws:iam::{ACCOUNT}:role/ci-*", "groups": ["ci"], "kind": "workload"}],
            "endpoint-url": aws.url,
            "certificate-authority": str(aws.certificate_authority),
        }
        ids = {"prod": {"aws-cluster-id": "eks-prod"}, "dev": {"aws-cluster-id": "eks-dev"}, "bare": {}}
        clusters = {name: copy.deepcopy({**far, **more}) for name, more in ids.items()}  # YAML would write the same object once
        self.gateway = Gateway(folder / "gateway", {"identity": [{"aws": entry}], "clusters": clusters}, EVERYTHING)
        aws.eks.cluster("eks-prod", cluster.server, cluster.ca.read_text())

    def by_token(self, bearer: str, *words: str, cluster: str = "prod") -> subprocess.CompletedProcess[str]:
        config = self.gateway.kubeconfig(cluster, bearer, name="token.kubeconfig")
        return self.cluster.kubectl(*words, kubeconfig=config, check=False)

    def who(self, bearer: str) -> tuple[str, list[str]]:
        """The user and the groups, as the cluster is told by the gateway."""
        done = self.by_token(bearer, "auth", "whoami", "-o", "json")
        assert done.returncode == 0, done.stderr
        return _told(done.stdout)

    def person(self, name: str = "ann@example.com") -> Keys:
        return self.aws.sts.session(SSO, name)


def _told(whoami: str) -> tuple[str, list[str]]:
    info = json.loads(whoami)["status"]["userInfo"]
    return info["extra"]["l7gw-user"][0], [group for group in info["groups"] if group.startswith("l7gw:")]


@pytest.fixture(scope="module")
def eks(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Eks]:
    folder = tmp_path_factory.mktemp("aws-identity")
    with Aws(folder) as aws:
        room = Eks(folder, cluster, aws)
        with room.gateway:
            yield room


def test_an_unchanged_kubeconfig_of_the_aws_command_with_another_server_proves_a_person_to_every_kubectl(eks: Eks) -> None:
    cli = AwsCli(eks.folder / "ann", eks.person().environment, eks.aws.url, eks.aws.certificate_authority)
    config = cli.update_kubeconfig("eks-prod")
    authority = eks.gateway.authority.certificate
    eks.gateway.l7gw("kubeconfig", "prod", "--address", eks.gateway.address, "--certificate-authority", authority, "--edit", config)
    for kubectl in (eks.cluster.built.kubectl, eks.cluster.built.oldest_kubectl):
        done = eks.cluster.kubectl("auth", "whoami", "-o", "json", binary=kubectl, kubeconfig=config, environment=cli.environment)
        assert _told(done.stdout) == ("ann@example.com", ["l7gw:Engineers"])
    assert {visit.asked.host for visit in eks.aws.actions("GetCallerIdentity")} == {"sts.eu-west-1.amazonaws.com"}


def test_others_are_their_role_or_what_a_line_of_the_map_says(eks: Eks) -> None:
    admin = eks.aws.sts.session(f"arn:aws:iam::{ACCOUNT}:role/Admin", "ann@example.com")
    assert eks.who(token(admin, "eks-prod")) == (f"arn:aws:iam::{ACCOUNT}:role/Admin", [])
    ci = eks.aws.sts.session(f"arn:aws:iam::{ACCOUNT}:role/ci-main", "run-1")
    assert eks.who(token(ci, "eks-prod")) == (f"arn:aws:iam::{ACCOUNT}:role/ci-main", ["l7gw:ci"])


def test_who_is_not_let_in_is_told_why_at_kubectl(eks: Eks) -> None:
    keys = eks.person()
    stranger = eks.aws.ring.user("eve", account="999999999999")
    for bearer, cluster, word in (
        (token(keys, "eks-dev"), "prod", "it must be made for this cluster"),
        (token(keys, "eks-prod"), "dev", "it must be made for this cluster"),
        (token(keys, "eks-prod"), "bare", "the cluster bare takes no tokens of EKS"),
        (token(stranger, "eks-prod"), "prod", "the AWS account 999999999999 is not listed here"),
        (token(keys, "eks-prod", "eu-central-1"), "prod", "names another host than STS of the regions"),
        (token(eks.aws.sts.session(SSO, "bob", lasting=-1), "eks-prod"), "prod", "log in at AWS again"),
    ):
        done = eks.by_token(bearer, "get", "--raw", "/version", cluster=cluster)
        assert done.returncode != 0 and word in done.stderr, done.stderr
    for fault in (bodies.THROTTLED, bodies.CAPTIVE_PORTAL):
        with eks.aws.failing(fault, "GetCallerIdentity"):
            done = eks.by_token(token(eks.person("new"), "eks-prod"), "get", "--raw", "/version")
            assert "l7gw: this gateway cannot ask STS about AWS tokens now" in done.stderr


def test_no_byte_of_a_token_is_on_the_disk_or_in_the_log_and_the_session_names_the_person(eks: Eks) -> None:
    keys = eks.person("dan@example.com")
    good, refused = token(keys, "eks-prod"), token(keys, "eks-dev")
    eks.by_token(good, "get", "--raw", "/version")
    eks.by_token(refused, "get", "--raw", f"/version?t={refused}")
    eks.by_token(good, "get", "--raw", f"/version?t={good}")
    principals = [one["principal"] for one in eks.gateway.sessions() if one["principal"]["user"] == "dan@example.com"]
    assert [(one["kind"], one["issuer"], one["groups"]) for one in principals] == [("human", "aws", ["Engineers"])]
    eks.gateway.stop()
    try:
        shown = written_down(eks.gateway.state) + eks.gateway.log.encode()
        for secret in (good, refused, keys.token, keys.secret, good[20:80]):
            assert secret.encode() not in shown
    finally:
        eks.gateway.start()
