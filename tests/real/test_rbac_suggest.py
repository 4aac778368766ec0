"""What `l7gw rbac suggest` proposes after a run of real kubectls, applied to the real cluster: the run passes again, more does not."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from l7gw.demo.pki import Authority
from tests.real.test_impersonation import RBAC, bound
from tests.support.demo_issuer import issuing
from tests.support.faults import until
from tests.support.gateway_process import L7GW, Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.scene import identity

NAMESPACE = "narrowed"
GROUP = {"kind": "Group", "apiGroup": RBAC, "name": "l7gw:narrowed"}
POLICY = """
guardrails: [{name: no services, resources: [services], verdict: deny}]
rules: [{name: all, groups: [narrowed], effects: ["*"], verdict: allow}]
"""
SOON = 20.0  # seconds until the API server knows of a change of RBAC
WIDE: list[dict[str, Any]] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]
CONFIG = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}})
APPLIED = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "served"}, "data": {"a": "b"}})
RUN: list[tuple[tuple[str, ...], str | None]] = [  # each with its stdin
    (("get", "pods"), None),
    (("get", "pod", "web-0", "-o", "name"), None),
    (("logs", "web-0"), None),
    (("exec", "web-0", "--", "echo", "hello"), None),
    (("apply", "-f", "-"), CONFIG),
    (("apply", "-f", "-"), CONFIG.replace('"b"', '"c"')),
    (("apply", "--server-side", "-f", "-"), APPLIED),
    (("create", "deployment", "web", "--image=example.com/web", "--replicas=0"), None),
    (("scale", "deployment/web", "--replicas=1"), None),
    (("delete", "deployment/web"), None),
    (("delete", "configmap", "settings", "served"), None),
    (("get", "nodes"), None),
    (("get", "--raw", "/metrics"), None),
    (("auth", "can-i", "list", "pods"), None),
]
MORE = [
    ("get", "secrets"),
    ("delete", "pod", "web-0", "--wait=false"),
    ("exec", "other-0", "--", "echo"),
    ("get", "configmaps"),
    ("delete", "deployments", "--all"),
    ("get", "pods", "-n", "default"),
    ("get", "pods", "-A"),
    ("get", "--raw", "/logs/"),
    ("delete", "configmap", "kube-root-ca.crt"),
]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def gateway(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Kubectl]]:
    """A gateway whose callers may everything in the cluster, for now."""
    folder = tmp_path_factory.mktemp("narrowed")
    cluster.namespace(NAMESPACE)
    for name in ("web-0", "other-0"):
        cluster.pod(name, NAMESPACE)
    bound(cluster, "l7gw-narrowed-wide", WIDE, GROUP)
    authority = Authority(folder / "issuer", "issuer CA")
    credential = {"client-certificate": str(cluster.gateway_certificate), "client-key": str(cluster.gateway_key)}
    entry = {"server": cluster.server, "certificate-authority": str(cluster.ca), "credential": credential}
    with issuing(authority) as issuer:
        settings = {"identity": [identity(issuer, authority)], "clusters": {"real": entry}}
        with Gateway(folder / "gateway", settings, POLICY) as running:
            config = running.kubeconfig("real", issuer.token("ann@example.com", ["narrowed"]))

            def kubectl(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
                space = () if "-A" in words or "--raw" in words or "-n" in words else ("-n", NAMESPACE)
                return cluster.kubectl(*space, *words, kubeconfig=config, stdin=stdin, check=False)

            yield running, kubectl


def proposed(cluster: RealCluster, running: Gateway) -> str:
    """What `l7gw rbac suggest` prints, beside all RBAC of the cluster as kubectl prints it."""
    there = cluster.kubectl("get", "clusterroles,clusterrolebindings,roles,rolebindings", "-A", "-o", "yaml").stdout
    command = [L7GW, "rbac", "suggest", "real", "--config", running.config, "--existing", "-"]
    return subprocess.run(command, input=there, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture(scope="module")
def suggested(cluster: RealCluster, gateway: tuple[Gateway, Kubectl]) -> str:
    """What is suggested after the run, in place of all that the callers might before."""
    running, kubectl = gateway
    until(lambda: kubectl("get", "pods").returncode == 0, SOON)
    for words, stdin in RUN:
        done = kubectl(*words, stdin=stdin)
        assert done.returncode == 0, (words, done.stderr)
    assert kubectl("get", "services").returncode == 1, "the policy denies it"
    text = proposed(cluster, running)
    assert "ClusterRoleBinding l7gw-narrowed-wide gives ClusterRole l7gw-narrowed-wide" in text and "not given now" not in text
    for kind in ("clusterrolebinding", "clusterrole"):
        cluster.kubectl("delete", kind, "l7gw-narrowed-wide")
    until(lambda: "cannot list resource" in kubectl("get", "pods").stderr, SOON)
    cluster.kubectl("apply", "-f", "-", stdin=text)
    until(lambda: kubectl("get", "pods").returncode == 0, SOON)
    until(lambda: kubectl("get", "nodes").returncode == 0, SOON)
    return text


def test_the_recorded_run_passes_again_under_what_is_suggested(suggested: str, gateway: tuple[Gateway, Kubectl]) -> None:
    for words, stdin in RUN:
        done = gateway[1](*words, stdin=stdin)
        assert done.returncode == 0, (words, done.stderr)


@pytest.mark.parametrize("words", MORE, ids=" ".join)
def test_anything_more_is_refused_by_the_cluster(suggested: str, gateway: tuple[Gateway, Kubectl], words: tuple[str, ...]) -> None:
    done = gateway[1](*words)
    assert done.returncode == 1 and 'User "l7gw" cannot ' in done.stderr, done.stderr


def test_what_is_suggested_names_names_and_what_it_leaves_out(suggested: str) -> None:
    objects = [*yaml.safe_load_all(suggested)]
    places = [(one["kind"], one["metadata"].get("namespace", "")) for one in objects]
    assert places == [("ClusterRole", ""), ("ClusterRoleBinding", ""), ("Role", NAMESPACE), ("RoleBinding", NAMESPACE)]
    assert all(one["subjects"] == [GROUP] for one in objects if "subjects" in one)
    rules = objects[2]["rules"]
    assert {"apiGroups": [""], "resources": ["pods/exec"], "resourceNames": ["web-0"], "verbs": ["create", "get"]} in rules
    assert {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]} in rules
    assert {"nonResourceURLs": ["/metrics"], "verbs": ["get"]} in objects[0]["rules"]
    assert "kubectl get services -n narrowed: the policy denied it" in suggested


def test_what_is_applied_is_the_same_and_gives_all_that_is_needed(
    suggested: str, gateway: tuple[Gateway, Kubectl], cluster: RealCluster
) -> None:
    compared = proposed(cluster, gateway[0]).split("# Beside what is there:\n")[1]
    assert compared.count("the same: ") == 4 and len(compared.splitlines()) == 4, compared

    reading = {"apiGroups": [RBAC], "resources": ["*"], "verbs": ["list"]}
    bound(cluster, "l7gw-narrowed-reads", [reading], {"kind": "User", "apiGroup": RBAC, "name": "l7gw-gateway"})
    live = functools.partial(gateway[0].l7gw, "rbac", "suggest", "real", "--live", check=False)
    until(lambda: live().returncode == 0, SOON)
    assert live().stdout.split("# Beside what is there:\n")[1] == compared


def test_what_one_session_needed_is_less_and_says_what_the_rest_would_miss(
    suggested: str, gateway: tuple[Gateway, Kubectl]
) -> None:
    running, _ = gateway
    other = running.sessions()[0]["id"]
    done = running.l7gw("rbac", "suggest", "real", "--session", other, "-o", "json")
    assert json.loads(done.stdout) and "counted" in done.stderr
    nothing = running.l7gw("rbac", "suggest", "real", "--user", "nobody", check=False)
    assert nothing.returncode == 1 and "nothing is recorded there that needs a right" in nothing.stderr
