"""`l7gw check --online` before a real kube-apiserver, a real issuer's https and a running gateway's files: each class of failure is
red, says what to do, and leaves the rest as it is."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7gw.demo.pki import Authority
from tests.cli.test_check import run
from tests.real.test_clusters_test import EVERY_NEED, entry
from tests.real.test_impersonation import account
from tests.support.gateway_process import Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.served_issuer import ServedIssuer

POLICY = """
rules:
  - {name: engineers, groups: [engineers, "team-*"], effects: [read], verdict: allow}
  - {name: actors, groups: [actors], effects: [read, impersonate], as: {users: [jane], service-accounts: [dev/ci]}, verdict: allow}
"""
NAMED = {"other.example.com": "127.0.0.1"}
Findings = dict[str, dict[str, str]]


class Checked:
    """The command on a configuration with this cluster and this issuer, within this process; no gateway runs."""

    def __init__(
        self,
        cluster: RealCluster,
        issuer: ServedIssuer,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.cluster, self.issuer, self.folder = cluster, issuer, folder
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, token: str, *options: str, policy: str = POLICY, more: Any = None, **changes: Any) -> tuple[int, Findings]:
        """The exit status, and the findings by their checks. `changes` are of the cluster's section, `more` are further clusters."""
        oidc = {"issuer": self.issuer.url, "audience": "l7gw", "groups": "groups"}
        identity = [{"oidc": {**oidc, "certificate-authority": str(self.issuer.certificate_authority)}}]
        clusters = {"prod": entry(self.cluster, self.folder, token, **changes), **(more or {})}
        made = Gateway(self.folder, {"identity": identity, "clusters": clusters}, policy)
        self._capsys.readouterr()
        status = run(self._monkeypatch, "check", "--online", "--config", made.config, "-o", "json", *options)
        out, err = self._capsys.readouterr()
        assert err == "" and token not in out
        return status, {line["check"]: line for line in json.loads(out)}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedIssuer]:
    with ServedIssuer(tmp_path_factory.mktemp("idp")) as it:
        yield it


@pytest.fixture
def checked(
    cluster: RealCluster, issuer: ServedIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Checked:
    return Checked(cluster, issuer, tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def token(cluster: RealCluster) -> str:
    return account(cluster, "l7gw-online", EVERY_NEED)


def red(found: Findings) -> list[str]:
    assert all(line["hint"] for line in found.values() if line["state"] != "green")
    return [check for check, line in found.items() if line["state"] == "red"]


def test_a_configuration_that_works_has_nothing_red_and_each_thing_is_looked_at(checked: Checked, token: str) -> None:
    status, found = checked(token, "--address", "localhost:8443")
    assert (status, red(found)) == (0, []), found
    assert [check for check, line in found.items() if line["state"] == "yellow"] == ["cluster prod: not asked"], found
    issuer = f"issuer {checked.issuer.url}"
    assert {
        *(
            "configuration",
            "name localhost",
            "certificate of the gateway",
            "cluster prod: CA",
            "cluster prod: token",
            "disk",
            "clock",
        ),
        *(f"{issuer}: {part}" for part in ("CA", "DNS", "TCP", "TLS", "certificate", "keys")),
        *(
            f"cluster prod: {part}"
            for part in ("credential", "DNS", "TCP", "TLS", "version", "who", "certificate", "no more than that")
        ),
        *("cluster prod: impersonate users l7gw", "cluster prod: impersonate groups l7gw:engineers", "store", "policy"),
        *("cluster prod: impersonate userextras/l7gw-session", "cluster prod: impersonate serviceaccounts ci in dev"),
    } <= found.keys()
    assert found["clock"]["text"] == "as those of 2 servers"  # the issuer's and the API server's
    assert " days" in found["cluster prod: certificate"]["text"] and " days" in found["cluster prod: CA"]["text"]
    assert found["cluster prod: version"]["text"].startswith("v1.")


def test_a_right_that_is_missing_is_red_alone_and_says_what_to_type(checked: Checked, cluster: RealCluster) -> None:
    poor = account(cluster, "l7gw-online-poor", [EVERY_NEED[0], *EVERY_NEED[2:]])
    status, found = checked(poor, "--address", "localhost")
    assert status == 1
    assert red(found) == ["cluster prod: impersonate groups l7gw:actors", "cluster prod: impersonate groups l7gw:engineers"]
    assert found["cluster prod: impersonate groups l7gw:actors"]["hint"] == "l7gw rbac render prod | kubectl apply -f -"


@pytest.mark.parametrize(
    ("changes", "check", "text", "hint"),
    [
        ({}, "cluster prod: version", "does not know the gateway's credential", "a token that the cluster knows"),
        ({"server": "https://127.0.0.1:PORT"}, "cluster prod: TCP", "refuses connections", "does the API server run"),
        ({"server": "https://no.such.host.invalid"}, "cluster prod: DNS", "has no address", "getent ahosts"),
        ({"certificate-authority": "OTHER"}, "cluster prod: TLS", "is not trusted", "is it the cluster that is meant"),
        ({"server": "https://other.example.com:REAL"}, "cluster prod: TLS", "does not name", "`server` must be one of"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_red_at_the_step_that_fails_and_the_rest_is_told(
    checked: Checked, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], check: str, text: str, hint: str
) -> None:
    asked = socket.getaddrinfo  # a name that leads to the API server, and that its certificate does not have
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: asked(NAMED.get(host, host), *rest, **more))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        other = Authority(checked.folder / "other").certificate
        real = checked.cluster.server.rpartition(":")[2]
        words = {"PORT": str(closed.getsockname()[1]), "OTHER": str(other), "REAL": real}
        for name, value in words.items():
            changes = {key: said.replace(name, value) for key, said in changes.items()}
        status, found = checked("nobody-knows-it", "--address", "localhost", **changes)
    assert (status, red(found)) == (1, [check]), found
    assert text in found[check]["text"] and hint in found[check]["hint"]
    assert found[f"issuer {checked.issuer.url}: keys"]["state"] == "green"
    assert not any(name.startswith("cluster prod: impersonate") for name in found)


def test_one_dead_cluster_leaves_the_other_as_it_is(checked: Checked, token: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = entry(checked.cluster, checked.folder, token, server=f"https://127.0.0.1:{closed.getsockname()[1]}")
        status, found = checked(token, "--address", "localhost", more={"dead": dead})
    assert (status, red(found)) == (1, ["cluster dead: TCP"])
    assert found["cluster prod: no more than that"]["state"] == "green"


def test_names_that_are_not_in_the_certificate_and_rules_that_match_nobody_are_told(checked: Checked, token: str) -> None:
    odd = "  - {name: agents, kinds: [workload], effects: [read], verdict: allow}\n"
    status, found = checked(token, "--address", "gw.example.com:8443", policy=POLICY + odd)
    assert (status, red(found)) == (1, ["name gw.example.com"])
    assert "a certificate that names gw.example.com" in found["name gw.example.com"]["hint"]
    assert found["policy"]["state"] == "yellow"
