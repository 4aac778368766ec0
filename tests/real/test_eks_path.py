"""kubectl at a real cluster of EKS whose tokens are refused or over, and whose endpoint moves. The whole way by itself is walked by
`test_eks_chain.py`."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from tests.support.aws.bodies import Refused
from tests.support.aws.eks_cluster import EksCluster
from tests.support.aws.environment import inherit
from tests.support.demo_issuer import issuing
from tests.support.eks_scene import entry
from tests.support.faults import until
from tests.support.gateway_process import EVERYTHING, Gateway
from tests.support.scene import identity


class Stage:
    """A gateway before the cluster, and kubectl through it."""

    def __init__(self, eks: EksCluster, gateway: Gateway, issuer: DemoIssuer) -> None:
        self.eks = eks
        self.gateway = gateway
        self.issuer = issuer

    def config(self, who: str) -> Path:
        token = self.issuer.token(f"{who}@example.com", ["engineers"])
        return self.gateway.kubeconfig("prod", token, name=f"{who}.kubeconfig")

    def kubectl(self, who: str, *arguments: str) -> str:
        """What kubectl prints for this person, or the error."""
        done = self.eks.cluster.kubectl(*arguments, kubeconfig=self.config(who), check=False)
        return done.stdout or done.stderr


@contextlib.contextmanager
def stage(folder: Path, eks: EksCluster, timeouts: Timeouts = USUAL_TIMEOUTS, policy: str = EVERYTHING) -> Iterator[Stage]:
    authority = Authority(folder / "issuer", "issuer CA")
    with issuing(authority) as issuer, pytest.MonkeyPatch.context() as patch:
        inherit(patch, eks.aws.ring.user("gateway").environment)
        settings = {
            "identity": [identity(issuer, authority)],
            "clusters": {"prod": entry(eks.aws, eks.gateway) | {"impersonate": "user"}},
        }
        with Gateway(folder / "gateway", settings, policy, timeouts) as gateway:
            yield Stage(eks, gateway, issuer)


@pytest.fixture(scope="module")
def it(eks: EksCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway for all tests. RBAC of the cluster lets engineers do everything."""
    eks.cluster.kubectl("create", "clusterrolebinding", "path-engineers", "--clusterrole=cluster-admin", "--group=l7gw:engineers")
    with stage(tmp_path_factory.mktemp("path"), eks) as running:
        yield running
    eks.cluster.kubectl("delete", "clusterrolebinding", "path-engineers")


def test_a_token_that_the_cluster_refuses_is_made_anew_and_the_object_created_once(it: Stage) -> None:
    """The authenticator asks STS, which does not know the key yet, as happens just after it was made."""
    unknown = Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    with it.eks.aws.failing(unknown, "GetCallerIdentity", times=1):
        assert it.kubectl("path-dan", "create", "configmap", "anew", "--from-literal=a=b") == "configmap/anew created\n"
    created = [
        one for one in it.eks.cluster.audited() if one["verb"] == "create" and one.get("objectRef", {}).get("name") == "anew"
    ]
    assert {one["responseStatus"]["code"] for one in created if one["stage"] == "ResponseComplete"} == {201}
    it.eks.cluster.kubectl("delete", "configmap", "anew")


def test_a_watch_goes_on_when_its_role_session_is_over(it: Stage) -> None:
    """The cluster looks at a token when a request comes."""
    command = [
        it.eks.cluster.built.kubectl,
        "get",
        "configmaps",
        "-n",
        "default",
        "--watch",
        "-o",
        "name",
        "--kubeconfig",
        it.config("path-eve"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        try:
            assert watch.stdout.readline() == "configmap/kube-root-ca.crt\n"
            (mine,) = [one.keys for one in it.eks.aws.sts.assumed if one.session_name == "path-eve@example.com"]
            it.eks.aws.ring.revoke(mine)
            it.eks.cluster.kubectl("create", "configmap", "seen")
            assert watch.stdout.readline() == "configmap/seen\n"
        finally:
            watch.kill()
            it.eks.cluster.kubectl("delete", "configmap", "seen", "--ignore-not-found")


@pytest.mark.long
def test_an_endpoint_that_moves_is_followed_and_one_of_another_ca_refused(eks: EksCluster, tmp_path: Path) -> None:
    described = eks.aws.eks.clusters[("eu-west-1", "prod")]
    right = dict(described.described)
    try:
        described.move("https://127.0.0.1:1", eks.cluster.ca.read_text())
        with stage(tmp_path, eks, Timeouts(described_again=1.0)) as it:
            assert "cluster prod refuses connections" in it.kubectl("path-fay", "get", "--raw", "/version")
            described.move(eks.cluster.server, it.gateway.authority.certificate.read_text())
            until(lambda: "of another CA or name than EKS describes" in it.kubectl("path-fay", "get", "--raw", "/version"))
            described.described |= right
            until(lambda: "gitVersion" in it.kubectl("path-fay", "get", "--raw", "/version"))
            assert json.loads(it.kubectl("path-fay", "get", "--raw", "/version"))["major"] == "1"
    finally:
        described.described |= right
