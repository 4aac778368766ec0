"""The promise of EKS: a file that `aws eks update-kubeconfig` wrote works with one line changed, because the cluster's own CA signed the
gateway's certificate."""

from __future__ import annotations

import difflib
import os
import subprocess
from pathlib import Path

import pytest

from tests.real.test_clusters_certificate import MAY_ASK, WITHIN, sign
from tests.real.test_impersonation import bound
from tests.support.aws.aws_cli import AwsCli
from tests.support.aws.eks_cluster import GATEWAYS, EksCluster
from tests.support.aws.environment import inherit
from tests.support.aws.keys import ACCOUNT
from tests.support.eks_scene import entry
from tests.support.faults import until
from tests.support.gateway_process import EVERYTHING, L7GW, Gateway

SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_engineers_0123456789abcdef"
PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


@pytest.mark.long
def test_the_file_of_aws_eks_update_kubeconfig_works_with_one_line_changed(
    eks: EksCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io"}
    bound(eks.cluster, "l7gw-certified-eks", MAY_ASK[:1], {**group, "name": GATEWAYS})
    readers = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}]
    bound(eks.cluster, "l7gw-readers-eks", readers, {**group, "name": "l7gw:engineers"})
    inherit(monkeypatch, eks.aws.ring.user("gateway").environment)
    at = {"endpoint-url": eks.aws.url, "certificate-authority": str(eks.aws.certificate_authority)}
    cluster = {
        **entry(eks.aws, eks.gateway),
        "hosts": ["localhost"],
        "tls": {"certificate": str(tmp_path / "prod.crt"), "key": str(tmp_path / "prod.key")},
    }
    identity = [{"aws": {"accounts": [ACCOUNT], "regions": ["eu-west-1"], **at}}]
    gateway = Gateway(tmp_path, {"identity": identity, "clusters": {"prod": cluster}}, EVERYTHING)

    def requests() -> set[str]:
        return {one["metadata"]["name"] for one in eks.cluster.request("GET", PATH)[1]["items"]}

    before = requests()
    command: list[str | Path] = [L7GW, "clusters", "certificate", "prod", "--config", gateway.config]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asking:
        until(lambda: requests() != before or asking.poll() is not None, WITHIN)
        (name,) = requests() - before
        eks.cluster.kubectl("certificate", "approve", name)
        sign(eks.cluster, name)
        out, err = asking.communicate(timeout=WITHIN)
    assert asking.returncode == 0, out + err

    ann = AwsCli(tmp_path / "ann", eks.aws.sts.session(SSO, "ann").environment, eks.aws.url, eks.aws.certificate_authority)
    file = ann.update_kubeconfig("prod")
    written = file.read_text()
    with gateway:
        gateway.l7gw("kubeconfig", "prod", "--address", f"localhost:{gateway.port}", "--edit", file)
        changed = [line for line in difflib.ndiff(written.splitlines(), file.read_text().splitlines()) if line[0] in "+-"]
        assert changed == [f"-     server: {eks.cluster.server}", f"+     server: https://localhost:{gateway.port}"]
        path = f"{ann.environment['PATH']}{os.pathsep}{os.environ['PATH']}"
        done = eks.cluster.kubectl("get", "namespaces", kubeconfig=file, environment={**ann.environment, "PATH": path})
    assert "kube-system" in done.stdout
