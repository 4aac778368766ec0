"""Conditions on what a call would do, before the real API server: the dry run of real clients' writes decides."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.both_ways import Both, before
from tests.support.faults import until
from tests.support.kubernetes.cluster import RealCluster
from tests.support.reviewing_hand import Hand

NAMESPACE = "results"
POLICY = """
guardrails:
  - name: few
    resources: [deployments.apps, deployments.apps/scale]
    verbs: [create, update, patch]
    when: 'result.spec.replicas > 3'
    verdict: deny
    reason: three are enough
  - name: keep
    resources: [configmaps, pods, deployments.apps]
    verbs: [delete]
    when: 'has(result.metadata.labels) && "keep" in result.metadata.labels'
    verdict: deny
  - {name: keep running, resources: [pods/eviction], when: 'result.metadata.labels["keep"] == "yes"', verbs: [create], verdict: deny}
  - {name: sizes, resources: [gizmos.results.example.com], effects: [write], when: 'result.spec.size > 3', verdict: deny}
  - {name: gadgets, resources: ["*.gadgets.example.com"], effects: [write], when: 'result.kind == "Gadget"', verdict: deny}
  - {name: web only, resources: [services], verbs: [create, patch], when: '!(result.spec.type in ["ClusterIP"])', verdict: deny}
  - name: looked at
    users: [waits]
    resources: [configmaps]
    verbs: [create, update, patch]
    when: 'result.data.a == "held"'
    verdict: hold
    reviewers: {groups: [sre]}
rules:
  - name: default account
    resources: [pods]
    verbs: [create]
    when: 'result.spec.serviceAccountName == "default" && result.spec.containers.all(c, c.imagePullPolicy == "Always")'
    verdict: allow
  - {name: no other pods, resources: [pods], verbs: [create], verdict: deny, reason: only with the default account}
  - {name: all, effects: ["*"], verdict: allow}
"""


class Stage:
    def __init__(self, both: Both) -> None:
        self.both, self.cluster = both, both.cluster
        self.configs = {user: both.of(user) for user in ("ann", "waits")}

    def kubectl(self, *arguments: str, stdin: Any = None, user: str = "ann") -> subprocess.CompletedProcess[str]:
        text = json.dumps(stdin) if stdin is not None else None
        return self.cluster.kubectl("-n", NAMESPACE, *arguments, kubeconfig=self.configs[user], stdin=text, check=False)

    def deployment(self, name: str, replicas: int) -> dict[str, Any]:
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"replicas": replicas, "paused": True, "selector": {"matchLabels": {"app": name}}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}

    def make(self, path: str, body: dict[str, Any]) -> None:
        status, answer = self.cluster.request("POST", path, body)
        assert status == 201, answer

    def replicas(self, name: str) -> int:
        found: int = self.cluster.request("GET", f"{DEPLOYMENTS}/{name}")[1]["spec"]["replicas"]
        return found


DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


@pytest.fixture(scope="module")
def stage(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    cluster.namespace(NAMESPACE)
    with before(cluster, tmp_path_factory.mktemp("results"), POLICY, watched=False) as both:
        yield Stage(both)


def patch(kind: str, replicas: int) -> list[str]:
    body: Any = {"spec": {"replicas": replicas}}
    if kind == "json":
        body = [{"op": "add", "path": "/spec/replicas", "value": replicas}]
    return [f"--type={kind}", "-p", json.dumps(body)]


def commands(name: str, replicas: int) -> dict[str, list[str]]:
    return {
        "json": ["patch", f"deploy/{name}", *patch("json", replicas)],
        "merge": ["patch", f"deploy/{name}", *patch("merge", replicas)],
        "strategic": ["patch", f"deploy/{name}", *patch("strategic", replicas)],
        "scale": ["scale", f"deploy/{name}", f"--replicas={replicas}"],
        "apply": ["apply", "-f", "-"],
        "server-side apply": ["apply", "--server-side", "--force-conflicts", "-f", "-"],
        "replace": ["replace", "-f", "-"],
        "create": ["create", "-f", "-"],
    }


@pytest.mark.parametrize("way", ["json", "merge", "strategic", "scale", "apply", "server-side apply", "replace", "create"])
def test_each_write_is_judged_by_what_it_makes_of_the_object(stage: Stage, way: str) -> None:
    name = way.replace(" ", "-")
    if way != "create":
        stage.make(DEPLOYMENTS, stage.deployment(name, 0))
    for replicas, passes in ((4, False), (3, True)):
        typed = commands(name, replicas)[way]
        done = stage.kubectl(*typed, stdin=stage.deployment(name, replicas) if "-f" in typed else None)
        assert (done.returncode == 0) is passes, done.stderr
        if not passes:
            assert "l7gw: denied by guardrail 'few': three are enough" in done.stderr
    assert stage.replicas(name) == 3


def test_a_patch_is_judged_by_what_it_does_not_say_too(stage: Stage) -> None:
    stage.make(DEPLOYMENTS, stage.deployment("many", 9))
    refused = stage.kubectl("label", "deploy/many", "a=b")
    assert refused.returncode == 1 and "denied by guardrail 'few'" in refused.stderr
    moves = [
        {"op": "copy", "from": "/spec/replicas", "path": "/spec/minReadySeconds"},
        {"op": "add", "path": "/spec/replicas", "value": 1},
    ]
    done = stage.kubectl("patch", "deploy/many", "--type=json", "-p", json.dumps(moves))
    assert done.returncode == 0, done.stderr


def test_what_the_server_fills_in_is_seen(stage: Stage) -> None:
    def pod(name: str, **spec: Any) -> subprocess.CompletedProcess[str]:
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}
        return stage.kubectl("create", "-f", "-", stdin={**body, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}})

    done = pod("filled")
    assert done.returncode == 0, done.stderr
    refused = pod("none", containers=[{"name": "c", "image": "i:1"}])  # of a tag the server fills in IfNotPresent
    assert refused.returncode == 1 and "only with the default account" in refused.stderr
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    done = stage.kubectl("create", "-f", "-", stdin=service)
    assert done.returncode == 0, done.stderr
    refused = stage.kubectl("patch", "service/s", "-p", '{"spec":{"type":"NodePort"}}')
    assert refused.returncode == 1 and "denied by guardrail 'web only'" in refused.stderr


@pytest.mark.parametrize("kind", ["configmap", "pod", pytest.param("deployment", marks=pytest.mark.long)])
def test_a_delete_is_judged_by_what_would_go(stage: Stage, kind: str) -> None:
    made = {
        "configmap": (CONFIG_MAPS, {"data": {"a": "b"}}),
        "pod": (f"/api/v1/namespaces/{NAMESPACE}/pods", {"spec": {"containers": [{"name": "c", "image": "i"}]}}),
        "deployment": (DEPLOYMENTS, {"spec": stage.deployment("kept", 0)["spec"]}),
    }
    path, body = made[kind]
    for name, labels in (("kept", {"keep": "yes"}), ("gone", {})):
        stage.make(path, {**body, "metadata": {"name": name, "labels": labels}})
    refused = stage.kubectl("delete", f"{kind}/kept")
    assert refused.returncode == 1 and "denied by guardrail 'keep'" in refused.stderr
    assert stage.cluster.request("GET", f"{path}/kept")[0] == 200
    done = stage.kubectl("delete", f"{kind}/gone", "--wait=false")
    assert done.returncode == 0, done.stderr


def test_a_webhook_that_fails_and_an_object_that_is_gone_are_told(stage: Stage) -> None:
    rules = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}]
    hook = {
        "name": "hook.example.com", "rules": rules, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/hook"}, "timeoutSeconds": 1,
        "objectSelector": {"matchLabels": {"hooked": "yes"}},
    }  # fmt: skip
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    stage.make(path, {"metadata": {"name": "results"}, "webhooks": [hook]})
    body = stage.deployment("hooked", 1)
    body["metadata"]["labels"] = {"hooked": "yes"}
    try:
        until(lambda: stage.cluster.request("POST", f"{DEPLOYMENTS}?dryRun=All", body)[0] == 500)
        refused = stage.kubectl("create", "-f", "-", stdin=body)
    finally:
        stage.cluster.request("DELETE", f"{path}/results")
    assert refused.returncode == 1
    assert "three are enough; its dry run failed: " in refused.stderr and "failed calling webhook" in refused.stderr
    gone = stage.kubectl("scale", "deploy/nowhere", "--replicas=1")
    assert gone.returncode == 1 and 'deployments.apps "nowhere" not found' in gone.stderr


def test_what_a_service_serves_has_no_result(stage: Stage) -> None:
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    service = {"service": {"name": "gadgets", "namespace": NAMESPACE}, "insecureSkipTLSVerify": True}
    about = {"group": "gadgets.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10}
    stage.make(path, {"metadata": {"name": "v1.gadgets.example.com"}, "spec": {**about, **service}})
    try:
        refused = stage.kubectl(
            "create", "--raw", f"/apis/gadgets.example.com/v1/namespaces/{NAMESPACE}/gadgets", "-f", "-", stdin={}
        )
    finally:
        stage.cluster.request("DELETE", f"{path}/v1.gadgets.example.com")
    assert refused.returncode == 1
    assert "denied by guardrail 'gadgets'; no dry run can be made of this call" in refused.stderr


def test_of_an_eviction_the_pod_is_seen(stage: Stage) -> None:
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    for name, labels in (("stays", {"keep": "yes"}), ("goes", {"keep": "no"})):
        spec = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 0}
        stage.make(pods, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        done = stage.kubectl("create", "--raw", f"{pods}/{name}/eviction", "-f", "-", stdin=body)
        assert (done.returncode == 0) is (name == "goes"), done.stderr
        assert name == "goes" or "denied by guardrail 'keep running'" in done.stderr
    assert stage.cluster.request("GET", f"{pods}/stays")[0] == 200


@pytest.mark.long
def test_a_default_of_a_custom_resource_is_seen(stage: Stage) -> None:
    size = {"type": "object", "properties": {"size": {"type": "integer", "default": 5}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": size}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "gizmos", "singular": "gizmo", "kind": "Gizmo", "listKind": "GizmoList"}
    path, group = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "results.example.com"
    definition = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    stage.make(path, {"metadata": {"name": f"gizmos.{group}"}, "spec": definition})
    stage.cluster.kubectl("wait", "--for=condition=established", f"crd/gizmos.{group}")
    target = f"/apis/{group}/v1/namespaces/{NAMESPACE}/gizmos"
    until(lambda: stage.cluster.request("GET", target)[0] == 200)
    try:
        for name, spec, passes in (("plain", {}, False), ("small", {"size": 3}, True)):
            body = {"apiVersion": f"{group}/v1", "kind": "Gizmo", "metadata": {"name": name}, "spec": spec}
            done = stage.kubectl("create", "--raw", target, "-f", "-", stdin=body)
            assert (done.returncode == 0) is passes, done.stderr
            assert passes or "denied by guardrail 'sizes'" in done.stderr
    finally:
        stage.cluster.request("DELETE", f"{path}/gizmos.{group}")


def test_many_calls_at_once_are_each_judged_by_their_own_result(stage: Stage) -> None:
    for number in range(4):
        stage.make(DEPLOYMENTS, stage.deployment(f"each-{number}", 0))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda number: stage.kubectl("scale", f"deploy/each-{number}", f"--replicas={number + 2}"), range(4)))
    assert [one.returncode for one in done] == [0, 0, 1, 1]
    assert [stage.replicas(f"each-{number}") for number in range(4)] == [2, 3, 0, 0]


def test_what_is_held_by_its_result_is_judged_again_at_its_release(stage: Stage) -> None:
    hand = Hand(stage.both.gateway.state)
    stage.make(CONFIG_MAPS, {"metadata": {"name": "held"}, "data": {"a": "1"}})

    def patch(value: str) -> subprocess.CompletedProcess[str]:
        return stage.kubectl("patch", "configmap/held", "--type=merge", "-p", json.dumps({"data": {"a": value}}), user="waits")

    assert patch("free").returncode == 0
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(patch, "held")
        hold = hand.pending("waits")
        assert hold.shown.diff is not None and "+  a: held" in hold.shown.diff
        hand.approve(hold)
        done = running.result(60)
    assert done.returncode == 0 and "held by rule 'looked at', approved by lea" in done.stderr, done.stderr
    assert hand.of(hold).state == "consumed"
    hand.close()


def test_a_body_in_protobuf_is_judged_by_its_result(stage: Stage) -> None:
    """The API server's own bytes, put back, as other clients than kubectl write."""
    stage.make(DEPLOYMENTS, stage.deployment("packed", 9))
    cluster, gateway, target = stage.cluster, stage.both.gateway, f"{DEPLOYMENTS}/packed"
    kind = "application/vnd.kubernetes.protobuf"
    straight = http.client.HTTPSConnection(cluster.host, cluster.port, context=cluster.tls, timeout=60)
    straight.request("GET", target, headers={"Accept": kind})
    body = straight.getresponse().read()
    straight.close()
    trusted = ssl.create_default_context(cafile=str(gateway.authority.certificate))
    through = http.client.HTTPSConnection("localhost", gateway.port, context=trusted, timeout=60)
    headers = {"Content-Type": kind, "Accept": "application/json", "Authorization": f"Bearer {stage.both.token}"}
    through.request("PUT", f"/real{target}", body, headers)
    answer = through.getresponse()
    assert body.startswith(b"k8s\0") and answer.status == 403
    assert "denied by guardrail 'few'" in json.loads(answer.read())["message"]
    through.close()
