"""Which user and groups the gateway names to a real cluster whose RBAC lets it impersonate only some groups, and what a caller is
told where it may not."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority
from tests.support.demo_issuer import issuing
from tests.support.faults import until
from tests.support.gateway_process import Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.scene import identity

NAME = "l7gw-narrow"  # name of every object that this file makes in the cluster
RBAC = "rbac.authorization.k8s.io"
ENGINEERS = """
guardrails:
  - {name: a guardrail names none, groups: [auditors], effects: [execute], verdict: deny}
rules:
  - {name: engineers, groups: [engineers], effects: ["*"], verdict: allow}
  - {name: all others, groups: ["*"], effects: ["*"], verdict: allow}
  - {name: of another cluster, clusters: [elsewhere], groups: [auditors], verdict: allow}
"""
AUDITORS_TOO = ENGINEERS.replace("groups: [engineers]", "groups: [engineers, 'audit*']")
SOON = 20.0  # seconds within which a condition must hold


README = Path(__file__).parent.parent.parent / "README.md"
IMPERSONATING: list[dict[str, Any]] = next(  # the rules that the documentation tells an operator to write
    document["rules"]
    for document in map(yaml.safe_load, re.findall(r"^```yaml\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL))
    if document.get("kind") == "ClusterRole"
)
READING: list[dict[str, Any]] = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]


def account(cluster: RealCluster, name: str, rules: list[dict[str, Any]]) -> str:
    """Make a service account of this name that has these rules. Returns its token."""
    cluster.namespace(NAME)
    accounts = f"/api/v1/namespaces/{NAME}/serviceaccounts"
    status, answer = cluster.request("POST", accounts, {"metadata": {"name": name}})
    assert status in (201, 409), answer
    bound(cluster, name, rules, {"kind": "ServiceAccount", "namespace": NAME, "name": name})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    status, answer = cluster.request("POST", f"{accounts}/{name}/token", request)
    assert status == 201, answer
    found: str = answer["status"]["token"]
    return found


def bound(cluster: RealCluster, name: str, rules: list[dict[str, Any]], subject: dict[str, str]) -> None:
    """A ClusterRole with these rules, bound to one subject."""
    ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    cluster.apply({"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
    cluster.apply(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": ref,
            "subjects": [subject],
        }
    )


Ask = Callable[..., subprocess.CompletedProcess[str]]


@contextlib.contextmanager
def gateway_with(cluster: RealCluster, token: str, folder: Path, policy: str = ENGINEERS) -> Iterator[tuple[Gateway, DemoIssuer]]:
    """A gateway that shows this token to the cluster, and the issuer of its callers' tokens."""
    authority = Authority(folder / "issuer", "issuer CA")
    file = folder / "token"
    file.touch(mode=0o600)
    file.write_text(token)
    with issuing(authority) as issuer:
        entry = {"server": cluster.server, "certificate-authority": str(cluster.ca), "credential": {"token-file": str(file)}}
        settings = {"identity": [identity(issuer, authority)], "clusters": {"real": entry}}
        with Gateway(folder / "gateway", settings, policy) as gateway:
            yield gateway, issuer


@pytest.fixture(scope="module")
def before(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, DemoIssuer]]:
    """A gateway that may impersonate the user l7gw and the group l7gw:engineers, which may read pods."""
    bound(cluster, f"{NAME}-engineers", READING, {"kind": "Group", "apiGroup": RBAC, "name": "l7gw:engineers"})
    token = account(cluster, NAME, IMPERSONATING)
    with gateway_with(cluster, token, tmp_path_factory.mktemp("narrow")) as running:
        yield running


@pytest.fixture
def ask(cluster: RealCluster, before: tuple[Gateway, DemoIssuer]) -> Ask:
    gateway, issuer = before

    def kubectl(groups: list[str], *words: str) -> subprocess.CompletedProcess[str]:
        config = gateway.kubeconfig("real", issuer.token("ann@example.com", groups))
        return cluster.kubectl(*words, kubeconfig=config, check=False)

    return kubectl


@contextlib.contextmanager
def policy(gateway: Gateway, text: str) -> Iterator[None]:
    read = gateway.log.count("policy read again")
    former = gateway.policy.read_text()
    gateway.policy.write_text(text)
    until(lambda: gateway.log.count("policy read again") > read, SOON)
    try:
        yield
    finally:
        gateway.policy.write_text(former)
        until(lambda: gateway.log.count("policy read again") > read + 1, SOON)


def test_a_group_that_no_rule_names_is_not_named_to_the_cluster_and_stops_no_call(ask: Ask) -> None:
    done = ask(["engineers", "auditors", "everybody"], "get", "pods", "-n", NAME)
    assert done.returncode == 0, done.stderr
    whoami = ask(["engineers", "auditors", "everybody"], "auth", "whoami", "-o", "json")
    groups = json.loads(whoami.stdout)["status"]["userInfo"]["groups"]
    assert [group for group in groups if group.startswith("l7gw:")] == ["l7gw:engineers"]


def test_a_caller_with_none_of_the_groups_is_named_to_the_cluster_as_the_gateways_user_alone(ask: Ask) -> None:
    done = ask(["everybody"], "get", "pods", "-n", NAME)
    assert done.returncode == 1
    assert 'User "l7gw" cannot list resource "pods"' in done.stderr, "RBAC's own words about the caller, untouched"
    told = "l7gw: rule 'all others' allows this, the cluster's RBAC does not: it knows you by no group: name one of yours in a rule about real"
    assert done.stderr.startswith(f"Warning: {told}"), done.stderr


def test_a_group_that_rbac_does_not_let_the_gateway_impersonate_is_told_by_kubectl_and_once_in_the_log(
    ask: Ask, before: tuple[Gateway, DemoIssuer]
) -> None:
    gateway, _ = before
    words = "cluster real does not let the gateway impersonate groups l7gw:auditors: RBAC there lacks this permission"
    assert ask(["engineers"], "get", "pods", "-n", NAME).returncode == 0
    with policy(gateway, AUDITORS_TOO):
        for _ in range(3):
            done = ask(["engineers", "auditors"], "get", "pods", "-n", NAME)
            assert done.returncode == 1
            assert f"l7gw: {words}; tell whoever runs l7gw" in done.stderr
            assert "unknown" not in done.stderr
        watched = ask(["engineers", "auditors"], "get", "pods", "-n", NAME, "--watch-only")
        assert watched.returncode == 1 and words in watched.stderr
        assert ask(["engineers"], "get", "pods", "-n", NAME).returncode == 0, "others are not hurt"
        assert sum(words in line and '"event"' not in line for line in gateway.log.splitlines()) == 1
    assert ask(["engineers", "auditors"], "get", "pods", "-n", NAME).returncode == 0, "the policy in force says who is named"
    assert "rule 'of another cluster' is about clusters that are not configured: elsewhere" in gateway.log
    checked = gateway.l7gw("check")
    assert "groups that go up, and that RBAC must let the gateway impersonate: l7gw:engineers\n" in checked.stdout
    assert "rules without `groups:` ('all others')" in checked.stderr


def test_a_gateway_that_may_impersonate_nobody_says_all_that_it_needs(cluster: RealCluster, tmp_path: Path) -> None:
    """Since 1.36 the cluster's own sentence names the call in this case, not the permission that is missing."""
    words = (
        "l7gw: cluster real does not let the gateway impersonate users l7gw, userextras/l7gw-user, userextras/l7gw-session, "
        "groups l7gw:engineers: RBAC there lacks one of these permissions, or impersonate-on:user-info:list pods; tell whoever runs l7gw"
    )
    with gateway_with(cluster, account(cluster, f"{NAME}-not", []), tmp_path) as (gateway, issuer):
        config = gateway.kubeconfig("real", issuer.token("ann@example.com", ["engineers"]))
        done = cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{NAME}/pods", kubeconfig=config, check=False)
        assert done.returncode == 1 and words in done.stderr
        first = cluster.kubectl("get", "pods", "-n", NAME, kubeconfig=config, check=False)  # kubectl begins with discovery
        assert first.returncode == 1 and "does not let the gateway impersonate" in first.stderr and "unknown" not in first.stderr
        upgrade = cluster.kubectl("exec", "-n", NAME, "nothing", "--", "ls", kubeconfig=config, check=False)
        assert upgrade.returncode == 1 and "does not let the gateway impersonate" in upgrade.stderr
        bound(cluster, f"{NAME}-not", IMPERSONATING, {"kind": "ServiceAccount", "namespace": NAME, "name": f"{NAME}-not"})
        kubectl = partial(cluster.kubectl, "get", "pods", "-n", NAME, kubeconfig=config, check=False)
        until(lambda: kubectl().returncode == 0, SOON)
        until(lambda: "lets the gateway impersonate users l7gw, " in gateway.log, SOON)


def test_a_credential_that_the_cluster_takes_no_longer_is_told_once_and_its_end_too(cluster: RealCluster, tmp_path: Path) -> None:
    token = account(cluster, NAME, IMPERSONATING)
    with gateway_with(cluster, token, tmp_path) as (gateway, issuer):
        config = gateway.kubeconfig("real", issuer.token("ann@example.com", ["engineers"]))
        kubectl = partial(cluster.kubectl, "get", "--raw", f"/api/v1/namespaces/{NAME}/pods", kubeconfig=config, check=False)
        assert kubectl().returncode == 0
        (tmp_path / "token").write_text("of-another-time")
        until(lambda: "does not accept the gateway's own credential" in kubectl().stderr, SOON)
        kubectl()
        assert gateway.log.count("does not accept the gateway's own credential (401)") == 1
        (tmp_path / "token").write_text(token)
        until(lambda: kubectl().returncode == 0, SOON)
        until(lambda: "accepts the gateway's credential again" in gateway.log, SOON)
