"""A real kubectl reaches several clusters through the examples of deploy/examples: by a path, and by a name of the cluster's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority
from tests.support.demo_issuer import issuing
from tests.support.examples import EXAMPLES
from tests.support.gateway_process import Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.scene import identity

ENGINEER = "ann@example.com"


class Example:
    """An example's gateway. Every cluster of it is the real one, and its issuer one on this machine; the rest is as it stands."""

    def __init__(self, folder: Path, name: str, cluster: RealCluster, issuer: DemoIssuer, authority: Authority) -> None:
        self._cluster = cluster
        self._token = issuer.token(ENGINEER, ["engineers"])
        settings: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "l7gw.yaml").read_text())
        for one in settings["clusters"].values():
            one |= {"server": cluster.server, "certificate-authority": str(cluster.ca)}
            one["credential"] = {"client-certificate": str(cluster.gateway_certificate), "client-key": str(cluster.gateway_key)}
        kept = {key: value for key, value in settings.items() if key not in ("listen", "tls", "state", "policy")}
        kept["identity"] = [identity(issuer, authority)]
        self.gateway = Gateway(folder, kept, (EXAMPLES / name / "policy.yaml").read_text())
        for one in settings["clusters"].values():
            if "tls" in one:
                certificate, key = self.gateway.authority.server(one["hosts"][0], *one["hosts"])
                certificate.rename(folder / one["tls"]["certificate"])
                key.rename(folder / one["tls"]["key"])

    def kubectl(self, *words: str, path: str = "", host: str = "") -> str:
        """What kubectl prints, wherever it prints it. It reaches the cluster by a path, or by the TLS server name `host`."""
        kubeconfig = self.gateway.kubeconfig(path, self._token)
        if host:
            named = json.loads(kubeconfig.read_text())
            named["clusters"][0]["cluster"] |= {"server": f"https://{self.gateway.address}", "tls-server-name": host}
            kubeconfig.write_text(json.dumps(named))
        done = self._cluster.kubectl(*words, kubeconfig=kubeconfig, check=False)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DemoIssuer, Authority]]:
    authority = Authority(tmp_path_factory.mktemp("issuer"), "issuer CA")
    with issuing(authority) as running:
        yield running, authority


@pytest.fixture
def it(
    request: pytest.FixtureRequest, cluster: RealCluster, issuer: tuple[DemoIssuer, Authority], tmp_path: Path
) -> Iterator[Example]:
    example = Example(tmp_path / "gateway", request.param, cluster, *issuer)
    with example.gateway:
        yield example


@pytest.mark.parametrize("it", ["several-by-path"], indirect=True)
def test_a_path_chooses_the_cluster_and_its_rules(it: Example) -> None:
    assert "l7gw:engineers" in it.kubectl("auth", "whoami", "-o", "json", path="prod")
    assert "'prod is deleted from elsewhere'" in it.kubectl("delete", "configmap", "none", path="prod")
    allowed = it.kubectl("delete", "configmap", "none", path="dev")
    assert "l7gw: denied" not in allowed and "configmaps" in allowed  # the cluster itself answers: not found, or its RBAC
    assert "neither the TLS server name nor the path names a cluster" in it.kubectl("get", "--raw", "/version", path="other")


@pytest.mark.parametrize("it", ["several-by-sni"], indirect=True)
def test_a_name_of_its_own_chooses_the_cluster_and_shows_its_certificate(it: Example) -> None:
    whoami = ("auth", "whoami", "-o", "json")
    assert "l7gw:engineers" in it.kubectl(*whoami, host="prod.k8s.example.com")
    assert "gw:engineers" in (dev := it.kubectl(*whoami, host="dev.k8s.internal")) and "l7gw:engineers" not in dev
    assert "l7gw:engineers" in it.kubectl(*whoami, path="prod")  # by its path too
    allowed = it.kubectl("delete", "configmap", "none", host="dev.k8s.example.com")
    assert "l7gw: denied" not in allowed and "configmaps" in allowed


@pytest.mark.parametrize("file", ["gateway.yaml", "agent.yaml"])
def test_a_cluster_takes_the_objects_of_an_example(cluster: RealCluster, file: str) -> None:
    """They are tried in a namespace, and as a service account, that are there."""
    text = re.sub(r"namespace: [a-z0-9-]+", "namespace: default", (EXAMPLES / "agents-in-pods" / file).read_text())
    text = re.sub(r"serviceAccountName: \w+", "serviceAccountName: default", text)
    done = cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert len(done.stdout.splitlines()) == text.count("\nkind: ")
