"""`l7gw clusters certificate` at the certificates API of a real kube-apiserver. Its signer is a function of this test: EKS alone has
the one that is asked. Then kubectl with an unchanged CA goes through the gateway."""

from __future__ import annotations

import base64
import datetime
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from l7gw.cluster.serving_certificate import SIGNER, USAGES
from l7gw.cluster.signing_request import PATH
from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority
from tests.real.test_impersonation import account, bound
from tests.support.demo_issuer import issuing
from tests.support.faults import until
from tests.support.gateway_process import L7GW, Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.scene import identity

MAY_ASK: list[dict[str, Any]] = [
    {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"], "verbs": ["create", "get"]},
    {"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]},
    {"apiGroups": ["authentication.k8s.io"], "resources": ["*"], "verbs": ["impersonate"]},
]
POLICY = "rules:\n  - {name: all, groups: [engineers], effects: ['*'], verdict: allow}\n"
WITHIN = 60.0  # seconds for a command that has nothing to wait for


def sign(cluster: RealCluster, name: str, days: float = 365) -> bytes:
    """What EKS's signer does with an approved request: any subject, the names that are asked for, for a year, by the cluster's CA."""
    status, asked = cluster.request("GET", f"{PATH}/{name}")
    assert status == 200 and asked["spec"]["signerName"] == SIGNER and asked["spec"]["usages"] == list(USAGES)
    request = x509.load_pem_x509_csr(base64.b64decode(asked["spec"]["request"]))
    authority = x509.load_pem_x509_certificate(cluster.ca.read_bytes())
    key: Any = serialization.load_pem_private_key(cluster.ca_key.read_bytes(), None)
    now = datetime.datetime.now(datetime.UTC)
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    made = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(authority.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(names.value, critical=names.critical)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    asked["status"]["certificate"] = base64.b64encode(pem).decode()
    status, answer = cluster.request("PUT", f"{PATH}/{name}/status", asked)
    assert status == 200, answer
    return pem


class Bench:
    """A configuration with a cluster that has `hosts` and `tls`, whose files are not there yet."""

    def __init__(self, cluster: RealCluster, folder: Path, issuer: DemoIssuer, authority: Authority) -> None:
        self.cluster, self.folder, self.issuer = cluster, folder, issuer
        self.certificate, self.key = folder / "prod.crt", folder / "prod.key"
        token = folder / "token"
        token.touch(mode=0o600)
        self.entry = {
            "server": cluster.server,
            "certificate-authority": str(cluster.ca),
            "credential": {"token-file": str(token)},
            "hosts": ["localhost", "prod.gw.example.com"],
            "tls": {"certificate": str(self.certificate), "key": str(self.key)},
        }
        self.gateway = Gateway(folder, {"identity": [identity(issuer, authority)], "clusters": {"prod": self.entry}}, POLICY)

    def known_as(self, token: str) -> None:
        (self.folder / "token").write_text(token)

    def command(self, *options: str | Path) -> list[str | Path]:
        return [L7GW, "clusters", "certificate", "prod", "--config", self.gateway.config, *options]

    def begin(self, *options: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(*options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *options: str | Path, stdin: bytes = b"") -> tuple[int, str, str]:
        done = subprocess.run(self.command(*options), input=stdin, capture_output=True, timeout=WITHIN)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def requests(self) -> list[str]:
        return [one["metadata"]["name"] for one in self.cluster.request("GET", PATH)[1]["items"]]

    def asked(self, before: list[str]) -> str:
        """The name of the request that comes."""
        until(lambda: bool(set(self.requests()) - set(before)), WITHIN)
        (name,) = set(self.requests()) - set(before)
        return name


@pytest.fixture
def bench(cluster: RealCluster, tmp_path: Path) -> Iterator[Bench]:
    authority = Authority(tmp_path / "issuer", "issuer CA")
    with issuing(authority) as issuer:
        yield Bench(cluster, tmp_path, issuer, authority)


def shown(bench: Bench) -> x509.Certificate:
    """The certificate that the gateway shows for the host `localhost`."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("localhost", bench.gateway.port)).encode())


def test_kubectl_with_an_unchanged_ca_goes_through_a_gateway_whose_certificate_the_cluster_signed(
    cluster: RealCluster, bench: Bench
) -> None:
    bench.known_as(account(cluster, "l7gw-certified", MAY_ASK))
    before = bench.requests()
    asking = bench.begin()
    name = bench.asked(before)
    cluster.kubectl("certificate", "approve", name)
    sign(cluster, name)
    out, err = asking.communicate(timeout=WITHIN)
    assert asking.returncode == 0 and f"kubectl certificate approve {name}" in err, out + err
    assert f"installed {bench.certificate}, until " in out
    assert bench.key.stat().st_mode & 0o777 == 0o600 and not bench.key.with_name("prod.key.new").exists()
    status, out, _ = bench.run()
    assert status == 0 and "is good until" in out and sorted(bench.requests()) == sorted([*before, name])

    bound(cluster, "l7gw-certified-readers", [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}], {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "l7gw:engineers"})  # fmt: skip
    token = bench.issuer.token("ann@example.com", ["engineers"])
    file = cluster.kubeconfig(bench.folder / "kubeconfig", token=token)
    text = file.read_text()
    with bench.gateway as gateway:
        address = f"localhost:{gateway.port}"
        edited = subprocess.run(
            [L7GW, "kubeconfig", "prod", "--config", gateway.config, "--address", address, "--edit", file],
            capture_output=True, text=True, timeout=WITHIN,
        )  # fmt: skip
        assert edited.returncode == 0 and "its CA stays" in edited.stdout, edited.stderr
        assert file.read_text() == text.replace(cluster.server, f"https://{address}")
        assert "kube-system" in cluster.kubectl("get", "namespaces", kubeconfig=file).stdout
        assert "kube-system" in cluster.kubectl("get", "--raw", "/api/v1/namespaces", kubeconfig=file).stdout
        first = shown(bench)
        before = bench.requests()
        renewing = bench.begin("--renew")
        name = bench.asked(before)
        cluster.kubectl("certificate", "approve", name)
        sign(cluster, name)
        assert renewing.wait(WITHIN) == 0
        until(lambda: shown(bench) != first, 20.0)
        assert "kube-system" in cluster.kubectl("get", "namespaces", kubeconfig=file).stdout


@pytest.mark.long
def test_an_administrator_asks_where_the_gateway_may_not_and_a_cut_command_goes_on(cluster: RealCluster, bench: Bench) -> None:
    bench.known_as(account(cluster, "l7gw-uncertified", MAY_ASK[1:]))
    status, _, err = bench.run()
    assert status == 3 and "RBAC: create and get of certificatesigningrequests" in err and "certificate prod --print" in err
    status, out, err = bench.run("--print")
    made = yaml.safe_load(out)
    name = made["metadata"]["name"]
    assert status == 0 and f"kubectl certificate approve {name}" in err and bench.run("--print")[1] != ""
    cluster.kubectl("create", "-f", "-", stdin=out)
    cluster.kubectl("certificate", "approve", name)
    pem = sign(cluster, name)
    other = Authority(bench.folder / "other").server("x", "localhost")[0]
    status, _, err = bench.run("--install", other)
    assert status == 3 and "it is for another key\n  nothing was installed" in err and not bench.certificate.exists()
    assert bench.run("--install", "-", stdin=pem)[0] == 0
    assert x509.load_pem_x509_certificates(bench.certificate.read_bytes())[0] == x509.load_pem_x509_certificate(pem)


@pytest.mark.long
def test_a_request_that_nobody_approves_in_time_or_that_is_denied_is_told_and_found_again(
    cluster: RealCluster, bench: Bench
) -> None:
    bench.known_as(account(cluster, "l7gw-certified", MAY_ASK))
    before = bench.requests()
    status, _, err = bench.run("--wait", "1s")
    (name,) = set(bench.requests()) - set(before)
    assert status == 3 and f"nobody has approved it yet\n  hint: kubectl certificate approve {name}; then run this again" in err
    key = bench.key.with_name("prod.key.new").read_bytes()
    cluster.kubectl("certificate", "deny", name)
    status, _, err = bench.run("--wait", "1s")
    assert status == 3 and "the request was denied" in err and f"kubectl delete csr {name}" in err
    assert sorted(bench.requests()) == sorted([*before, name]) and bench.key.with_name("prod.key.new").read_bytes() == key
    assert not bench.certificate.exists()
