"""The RBAC that `l7gw rbac render` prints, applied to a real kube-apiserver: what a stolen credential of the gateway may be."""

from __future__ import annotations

import datetime
import http.client
import json
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from l7gw.kube.rbac import Subject, binding
from tests.support.faults import until
from tests.support.gateway_process import L7GW
from tests.support.journals import cli_run
from tests.support.kubernetes.cluster import RealCluster
from tests.support.written_configuration import Written

GROUP = "l7gw-gateways-rendered"
NAMESPACE = "rendered"
POLICY = f"""
rules:
  - {{name: engineers, groups: [engineers], effects: ["*"], verdict: allow}}
  - {{name: as jane, groups: [engineers], effects: [read, impersonate], as: {{users: [jane], service-accounts: [{NAMESPACE}/ci]}},
     verdict: allow}}
grants:
  - {{group: oncall, groups: [engineers], reviewers: {{groups: [sre]}}, bind: rendered-debugger, namespaces: [{NAMESPACE}]}}
"""
REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "rendered-debugger"}}
USER = ("Impersonate-User", "l7gw")
SOON = 20.0  # seconds until the API server knows of an object of RBAC


def client_of_group(cluster: RealCluster, folder: Path, user: str, group: str) -> Path:
    """The certificate and the key of a client, made by the cluster's own CA for this user in this group."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.load_pem_x509_certificate(cluster.ca.read_bytes())
    signer: Any = serialization.load_pem_private_key(cluster.ca_key.read_bytes(), None)
    name = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), x509.NameAttribute(NameOID.COMMON_NAME, user)]
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(x509.Name(name)).issuer_name(authority.subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = builder.add_extension(usage, critical=False).sign(signer, hashes.SHA256())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = folder / f"{group}.pem"
    pem.touch(mode=0o600)
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return pem


class Asking:
    """Calls with a client's certificate, and headers of impersonation."""

    def __init__(self, cluster: RealCluster, pem: Path) -> None:
        self._cluster = cluster
        self._context = ssl.create_default_context(cafile=str(cluster.ca))
        self._context.load_cert_chain(pem)

    def __call__(self, method: str, path: str, *headers: tuple[str, str], body: object = None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPSConnection(self._cluster.host, self._cluster.port, context=self._context, timeout=30)
        try:
            connection.putrequest(method, path)
            data = json.dumps(body).encode() if body is not None else b""
            for header, value in (*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(data)))):
                connection.putheader(header, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def whoami(self, *headers: tuple[str, str]) -> tuple[int, dict[str, Any]]:
        """The status, and whom the API server takes the call for."""
        status, answer = self("POST", REVIEWS, *headers, body=REVIEW)
        return status, answer.get("status", {}).get("userInfo", {}) if status == 201 else answer


@pytest.fixture(scope="module")
def written(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The configuration of a gateway whose credential the cluster takes for a member of the group."""
    found = Written(tmp_path_factory.mktemp("rendered"))
    pem = str(client_of_group(cluster, found.folder, "arn:aws:sts::111122223333:assumed-role/l7gw/ann", GROUP))
    found.prod |= {"server": cluster.server, "certificate-authority": str(cluster.ca)}
    found.prod["credential"] = {"client-certificate": pem, "client-key": pem}
    (found.folder / "policy.yaml").write_text(POLICY)
    found.load()
    return found


@pytest.fixture(scope="module")
def stolen(cluster: RealCluster, written: Written) -> Asking:
    """Whoever has the gateway's credential, with the RBAC as it is rendered."""
    cluster.namespace(NAMESPACE)
    command = [L7GW, "rbac", "render", "prod", "--to", f"group:{GROUP}", "--config", written.path]
    rendered = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert all(one["kind"] for one in yaml.safe_load_all(rendered))
    cluster.kubectl("apply", "-f", "-", stdin=rendered)
    asking = Asking(cluster, Path(written.prod["credential"]["client-key"]))
    until(lambda: asking.whoami(USER)[0] == 201, SOON)
    return asking


@pytest.fixture(scope="module")
def other(cluster: RealCluster, stolen: Asking, tmp_path_factory: pytest.TempPathFactory) -> Asking:
    """A client of another group."""
    return Asking(cluster, client_of_group(cluster, tmp_path_factory.mktemp("other"), "gateway-of-another", "l7gw-other"))


def test_what_the_gateway_sends_passes(stolen: Asking) -> None:
    extras = ("Impersonate-Extra-L7gw-User", "ann@example.com"), ("Impersonate-Extra-L7gw-Session", "01a2")
    status, who = stolen.whoami(USER, ("Impersonate-Group", "l7gw:engineers"), *extras)
    assert status == 201, who
    assert (who["username"], who["groups"]) == ("l7gw", ["l7gw:engineers", "system:authenticated"])
    assert who["extra"] == {"l7gw-user": ["ann@example.com"], "l7gw-session": ["01a2"]}
    assert stolen.whoami(("Impersonate-User", "jane"), *extras)[0] == 201
    account = ("Impersonate-User", f"system:serviceaccount:{NAMESPACE}:ci")
    assert stolen.whoami(account, *extras)[1]["groups"] == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{NAMESPACE}",
        "system:authenticated",
    ]


@pytest.mark.parametrize(
    "headers",
    [
        [("Impersonate-User", "ann")],
        [("Impersonate-User", "kubernetes-admin")],
        [("Impersonate-User", "system:kube-controller-manager")],
        [("Impersonate-User", f"system:serviceaccount:{NAMESPACE}:default")],
        [("Impersonate-User", "system:serviceaccount:kube-system:ci")],
        [USER, ("Impersonate-Group", "system:masters")],
        [USER, ("Impersonate-Group", "engineers")],
        [USER, ("Impersonate-Group", "l7gw:engineers"), ("Impersonate-Group", "l7gw:auditors")],
        [USER, ("Impersonate-Extra-Scopes", "all")],
        [USER, ("Impersonate-Uid", "1")],
    ],
    ids=lambda headers: " ".join(value for _, value in headers),
)
def test_any_other_user_group_extra_or_uid_is_refused(stolen: Asking, headers: list[tuple[str, str]]) -> None:
    status, said = stolen.whoami(*headers)
    assert status == 403 and "cannot impersonate" in said["message"], said


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/namespaces/default/pods"),
        ("GET", "/api/v1/secrets"),
        ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
        ("GET", "/metrics"),
    ],
)  # fmt: skip
def test_without_impersonation_the_credential_may_nothing(stolen: Asking, method: str, path: str) -> None:
    status, said = stolen(method, path)
    assert status == 403, said


def test_what_the_gateway_asks_about_itself_and_about_callers_is_answered(stolen: Asking, other: Asking) -> None:
    resource = {"verb": "impersonate", "resource": "users", "name": "jane"}
    for kind, spec in (
        ("SubjectAccessReview", {"user": "l7gw", "resourceAttributes": resource}),
        ("SelfSubjectAccessReview", {"resourceAttributes": resource}),
    ):
        path, body = f"/apis/authorization.k8s.io/v1/{kind.lower()}s", {"kind": kind, "spec": spec}
        body["apiVersion"] = "authorization.k8s.io/v1"
        status, said = stolen("POST", path, body=body)
        assert (status, said["status"]["allowed"]) == (201, kind != "SubjectAccessReview"), said
        if kind == "SubjectAccessReview":
            assert other("POST", path, body=body)[0] == 403, "this is what the rendered RBAC gives"
    assert stolen("GET", "/version")[0] == 200 and stolen.whoami()[1]["groups"] == [GROUP, "system:authenticated"]


@pytest.mark.parametrize(
    ("namespace", "kind", "name", "status"),
    [
        (NAMESPACE, "ClusterRole", "rendered-debugger", 201),
        (NAMESPACE, "ClusterRole", "cluster-admin", 403),
        (NAMESPACE, "ClusterRole", "system:node", 403),
        ("default", "ClusterRole", "rendered-debugger", 403),
    ],
)
def test_one_role_may_be_bound_in_the_namespaces_of_its_grant_and_no_other(
    cluster: RealCluster, stolen: Asking, namespace: str, kind: str, name: str, status: int
) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    cluster.apply({**ROLE, "rules": rules})
    place = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    bound = binding("l7gw-01a2", [Subject("Group", "l7gw:oncall")], namespace)
    bound["roleRef"] |= {"kind": kind, "name": name}
    found, said = stolen("POST", place, body=bound)
    assert found == status, said
    if status == 201:
        assert stolen("DELETE", f"{place}/l7gw-01a2")[0] == 200 and stolen("GET", place)[0] == 200


def test_the_gateway_finds_all_that_it_needs(stolen: Asking, written: Written) -> None:
    command = [L7GW, "clusters", "test", "prod", "-o", "json", "--config", written.path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert {step["outcome"] for step in steps.values()} == {"ok"}, steps
    assert {"impersonate groups l7gw:engineers", f"impersonate serviceaccounts ci in {NAMESPACE}"} <= steps.keys()


def test_roles_and_bindings_are_read_live_only_where_that_was_rendered(
    cluster: RealCluster, stolen: Asking, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    def suggest() -> tuple[int, str, str]:
        return cli_run(capsys, "rbac", "suggest", "prod", "--live", "--config", written.path)

    (written.folder / "state").mkdir(mode=0o700, exist_ok=True)
    (written.folder / "state" / "journal").mkdir(mode=0o700, exist_ok=True)
    status, _, err = suggest()
    assert status == 3 and "does not let the gateway list clusterroles" in err and "kubectl get clusterroles," in err
    _, rendered, _ = cli_run(capsys, "rbac", "render", "prod", "--to", f"group:{GROUP}", "--reads-rbac", "--config", written.path)
    cluster.kubectl("apply", "-f", "-", stdin=rendered)
    until(lambda: suggest()[0] == 1, SOON)  # nothing is recorded, and all could be read


def test_a_client_of_another_group_may_impersonate_nobody(other: Asking) -> None:
    assert other.whoami(USER)[0] == 403
