"""What a person sees at kubectl where AWS refuses the gateway: the step, what AWS said, and what to type, also with a cold cache."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.authorities import bundle, root
from tests.support.aws.bodies import CAPTIVE_PORTAL, GARBAGE, THROTTLED
from tests.support.aws.eks_cluster import EksCluster
from tests.support.aws.environment import inherit
from tests.support.both_ways import versions
from tests.support.gateway_process import EVERYTHING, Gateway


class Refused:
    """A gateway before the cluster of EKS. Each person is new to it, and has an empty cache."""

    def __init__(self, eks: EksCluster, folder: Path) -> None:
        self.eks = eks
        self.folder = folder
        self.people = root("people")

        def at() -> dict[str, str]:
            return {"endpoint-url": eks.aws.url, "certificate-authority": str(eks.aws.certificate_authority)}

        clusters = {
            name: {
                "eks": {"name": name, "region": "eu-west-1", **at()},
                "credential": {"aws": {"role": eks.gateway.arn, **at()}},
            }
            for name in ("prod", "nowhere")
        }
        authority = {"certificate-authority": str(bundle(folder / "people.crt", self.people))}
        self.gateway = Gateway(
            folder / "gateway", {"identity": [{"client-certificate": authority}], "clusters": clusters}, EVERYTHING
        )

    def kubectl(self, who: str, cluster: str = "prod", *, binary: Path | None = None) -> subprocess.CompletedProcess[str]:
        certificate, key = self.people.client(who).write(self.folder / who)
        shown = {"client-certificate": str(certificate), "client-key": str(key)}
        kubeconfig = self.gateway.kubeconfig(cluster, name=f"{who}.kubeconfig", **shown)
        home = {"KUBECACHEDIR": str(self.folder / f"cache-{who}"), "HOME": str(self.folder / f"home-{who}")}
        return self.eks.cluster.kubectl("get", "pods", kubeconfig=kubeconfig, binary=binary, check=False, environment=home)


@pytest.fixture(scope="module")
def refused(eks: EksCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refused]:
    with pytest.MonkeyPatch.context() as patch:
        inherit(patch, eks.aws.ring.user("gateway").environment)
        it = Refused(eks, tmp_path_factory.mktemp("refused"))
        with it.gateway:
            assert (
                "No resources found" not in it.kubectl("zoe").stderr
            )  # the cluster is described, and what follows is about people
            yield it
    log = it.gateway.log
    assert not [canary for canary in eks.aws.canaries if canary in log]


@pytest.mark.parametrize("lacks", ["sts:SetSourceIdentity", "sts:TagSession"])
def test_a_trust_policy_that_lacks_an_action_is_told_at_kubectl_with_the_statement_and_works_once_it_is_added(
    refused: Refused, lacks: str
) -> None:
    role, who = refused.eks.gateway, f"ann-{lacks.partition(':')[2]}"
    role.allows -= {lacks}
    try:
        done = refused.kubectl(who)
    finally:
        role.allows |= {lacks}
    assert done.returncode == 1
    assert (
        f"l7gw: cluster prod: AssumeRole of {role.arn}: " in done.stderr
        and f"may not do {lacks}; add to the role's trust policy" in done.stderr
    )
    assert "sts:AssumeRole" in done.stderr and "arn:aws:iam::111122223333:user/gateway" in done.stderr


@pytest.mark.parametrize(
    "version", [pytest.param(one, marks=pytest.mark.long if is_long else ()) for one, minor, is_long in versions() if minor >= 27]
)
def test_every_kubectl_shows_the_words_with_a_cold_cache(refused: Refused, version: str) -> None:
    with refused.eks.aws.failing(THROTTLED, "AssumeRole"):
        done = refused.kubectl(f"bob-{version}", binary=refused.eks.cluster.kubectls()[version])
    assert (
        done.returncode == 1 and "l7gw: cluster prod: AssumeRole" in done.stderr and "AWS throttles us (Throttling)" in done.stderr
    )


@pytest.mark.parametrize("answer", [GARBAGE, CAPTIVE_PORTAL], ids=["garbage", "captive portal"])
def test_sts_that_talks_nonsense_is_told_at_kubectl(refused: Refused, answer: object) -> None:
    with refused.eks.aws.failing(answer, "AssumeRole"):  # type: ignore[arg-type]
        done = refused.kubectl(f"eve-{id(answer)}")
    assert done.returncode == 1 and "answers what cannot be read" in done.stderr


def test_a_cluster_that_eks_does_not_know_is_told_with_the_command_that_lists_them(refused: Refused) -> None:
    done = refused.kubectl("dan", "nowhere")
    assert done.returncode == 1 and "DescribeCluster of nowhere in eu-west-1: there is no such cluster" in done.stderr
    assert "aws eks list-clusters --region eu-west-1" in done.stderr
