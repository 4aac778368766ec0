"""`l7gw clusters test` before a real kube-apiserver: what each step says, and what a missing permission says."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from l7gw.demo.pki import Authority
from tests.cli.test_check import run
from tests.real.test_impersonation import account
from tests.support.gateway_process import Gateway
from tests.support.kubernetes.cluster import RealCluster

POLICY = """
rules:
  - {name: engineers, groups: [engineers, "team-*"], effects: ["*"], verdict: allow}
  - {name: actors, groups: [actors], effects: ["*"], as: {users: [jane], service-accounts: [dev/ci]}, verdict: allow}
"""
EVERY_NEED: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["l7gw", "jane"]},
    {"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["l7gw:engineers", "l7gw:actors"]},
    {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"], "resourceNames": ["ci"]},
    {"apiGroups": ["authentication.k8s.io"], "resources": ["userextras/l7gw-user", "userextras/l7gw-session"], "verbs": ["impersonate"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
]  # fmt: skip


def entry(cluster: RealCluster, folder: Path, token: str, **changes: Any) -> dict[str, Any]:
    file = folder / "token"
    file.touch(mode=0o600)
    file.write_text(token)
    return {"server": cluster.server, "certificate-authority": str(cluster.ca), "credential": {"token-file": str(file)}, **changes}


class Tried:
    """The command on the first of these clusters, within this process; no gateway runs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys

    def __call__(self, cluster: dict[str, Any], *options: str) -> tuple[int, str, str]:
        """Status, stdout and stderr."""
        authority = Authority(self.folder / "issuer", "issuer CA")
        identity = [{"client-certificate": {"certificate-authority": str(authority.certificate)}}]
        made = Gateway(self.folder, {"identity": identity, "clusters": {"prod": cluster}}, POLICY)
        self._capsys.readouterr()
        status = run(self._monkeypatch, "clusters", "test", "prod", "--config", made.config, *options)
        return status, *self._capsys.readouterr()


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tried:
    return Tried(tmp_path, monkeypatch, capsys)


def steps(out: str) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in json.loads(out)["steps"]}


def test_a_cluster_that_lets_the_gateway_do_what_it_needs_passes_each_step(cluster: RealCluster, tried: Tried) -> None:
    token = account(cluster, "l7gw-tried", EVERY_NEED)
    status, out, err = tried(entry(cluster, tried.folder, token), "-o", "json")
    found = steps(out)
    assert (status, err) == (0, ""), out
    assert {name: step["outcome"] for name, step in found.items()} == {
        **dict.fromkeys(("credential", "DNS", "TCP", "TLS", "version", "who"), "ok"),
        "impersonate users l7gw": "ok",
        "impersonate groups l7gw:actors": "ok",
        "impersonate groups l7gw:engineers": "ok",
        "impersonate userextras/l7gw-user": "ok",
        "impersonate userextras/l7gw-session": "ok",
        "impersonate users jane": "ok",
        "impersonate serviceaccounts ci in dev": "ok",
        "create subjectaccessreviews.authorization.k8s.io": "ok",
        "impersonate groups l7gw:team-*": "not asked",
        "no more than that": "ok",
    }
    assert "user system:serviceaccount:l7gw-narrow:l7gw-tried" in found["who"]["said"]
    assert found["TLS"]["said"].startswith("TLSv1.3; signed by CN=") and str(cluster.ca) in found["TLS"]["said"]
    assert found["version"]["said"].startswith("v1.") and found["TCP"]["seconds"] > 0
    assert token not in out


def test_each_permission_that_is_missing_fails_alone_and_says_what_to_type(cluster: RealCluster, tried: Tried) -> None:
    token = account(cluster, "l7gw-poor", EVERY_NEED[:1])
    status, out, err = tried(entry(cluster, tried.folder, token))
    assert status == 3
    lines = out.splitlines()
    failed = [line.split("  ")[0].removeprefix("FAILED").strip() for line in lines if line.startswith("FAILED")]
    assert failed == [
        "impersonate groups l7gw:actors", "impersonate groups l7gw:engineers", "impersonate userextras/l7gw-user",
        "impersonate userextras/l7gw-session", "impersonate serviceaccounts ci in dev",
        "create subjectaccessreviews.authorization.k8s.io RBAC does not let the gateway",
    ]  # fmt: skip
    assert lines.count("       -> l7gw rbac render prod | kubectl apply -f -") == len(failed)
    assert any(line.startswith("ok     impersonate users l7gw ") for line in lines)
    assert "cluster prod: a step failed" in err


def test_a_credential_that_may_be_anybody_is_told(cluster: RealCluster, tried: Tried) -> None:
    token = account(cluster, "l7gw-anybody", [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
    found = steps(tried(entry(cluster, tried.folder, token), "-o", "json")[1])
    assert found["no more than that"]["outcome"] == "warning" and "cluster-admin" in found["no more than that"]["said"]
    admin = {"client-certificate": str(cluster.admin_certificate), "client-key": str(cluster.admin_key)}
    status, out, _ = tried(entry(cluster, tried.folder, "x", credential=admin), "-o", "json")
    who = steps(out)["who"]
    assert status == 0 and who["outcome"] == "warning" and "system:masters" in who["said"]


@pytest.mark.parametrize(
    ("changes", "step", "said", "remedy"),
    [
        ({}, "version", "does not know the gateway's credential", "a token that the cluster knows"),
        ({"server": "https://no.such.host.invalid"}, "DNS", "no.such.host.invalid has no address", "getent ahosts"),
        ({"server": "https://127.0.0.1:PORT"}, "TCP", "refuses connections", "does the API server run"),
        ({"certificate-authority": "OTHER"}, "TLS", "is not trusted", "is it the cluster that is meant"),
    ],
)
def test_what_fails_is_told_with_its_remedy_and_nothing_behind_it_is_tried(
    cluster: RealCluster, tried: Tried, changes: dict[str, Any], step: str, said: str, remedy: str
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens there
        changes = {key: value.replace("PORT", str(closed.getsockname()[1])) for key, value in changes.items()}
        if "certificate-authority" in changes:
            changes["certificate-authority"] = str(Authority(tried.folder / "other").certificate)
        status, out, _ = tried(entry(cluster, tried.folder, "nobody", **changes), "-o", "json")
    assert status == 3
    found = list(steps(out).values())
    at = [one["name"] for one in found].index(step)
    assert {one["outcome"] for one in found[:at]} <= {"ok"} and found[at]["outcome"] == "failed"
    assert said in found[at]["said"] and remedy in found[at]["remedy"]
    assert {one["outcome"] for one in found[at + 1 :]} == {"not tried", "not asked"}
    assert json.loads(out)["ok"] is False
