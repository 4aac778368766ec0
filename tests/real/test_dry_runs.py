"""Dry runs beside a real kube-apiserver: nothing changes by one, and two of them are the same but for what is made anew."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from l7gw.kube.body_values import plain
from l7gw.kube.dry_runs import apiservice_of, is_rehearsal, possible, rehearsal, stores
from l7gw.kube.made_anew import without_made_anew
from l7gw.kube.object_diff import changes
from l7gw.kube.requestinfo import describe
from l7gw.masking.sent.sent_body import format_of, read_as
from tests.kube.test_dry_runs import protobuf
from tests.support.kubernetes.cluster import RealCluster

NAMESPACE = "dry-runs"
CORE, APPS, BATCH = (f"{prefix}/namespaces/{NAMESPACE}" for prefix in ("/api/v1", "/apis/apps/v1", "/apis/batch/v1"))
CUSTOM = f"/apis/dry.example.com/v1/namespaces/{NAMESPACE}/things"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
CONTAINERS = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": CONTAINERS}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.dry.example.com"},
    "spec": {
        "group": "dry.example.com", "scope": "Namespaced", "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }],
    },
}  # fmt: skip

# collection, apiVersion, kind, what the object holds
KINDS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "Pod": (f"{CORE}/pods", "v1", "Pod", {"spec": {**CONTAINERS, "nodeSelector": {"no": "where"}}}),
    "ConfigMap": (f"{CORE}/configmaps", "v1", "ConfigMap", {"data": {"a": "b"}}),
    "Secret": (f"{CORE}/secrets", "v1", "Secret", {"stringData": {"a": "b"}}),
    "Service": (f"{CORE}/services", "v1", "Service", {"spec": {"type": "NodePort", "ports": [{"port": 80}]}}),
    "ServiceAccount": (f"{CORE}/serviceaccounts", "v1", "ServiceAccount", {}),
    "PersistentVolumeClaim": (
        f"{CORE}/persistentvolumeclaims", "v1", "PersistentVolumeClaim",
        {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    ),
    "Deployment": (
        f"{APPS}/deployments", "apps/v1", "Deployment",
        {"spec": {"replicas": 0, "selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}},
    ),
    "Job": (f"{BATCH}/jobs", "batch/v1", "Job", {"spec": {"suspend": True, "template": {"spec": {**CONTAINERS, "restartPolicy": "Never"}}}}),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "rbac.authorization.k8s.io/v1", "ClusterRole", {"rules": []}),
    "Namespace": ("/api/v1/namespaces", "v1", "Namespace", {}),
    "CustomResourceDefinition": (CRDS, CRD["apiVersion"], CRD["kind"], {"spec": CRD["spec"]}),
    "Thing": (CUSTOM, "dry.example.com/v1", "Thing", {"spec": {"a": 1}}),
}  # fmt: skip


def raw(cluster: RealCluster, method: str, target: str, body: bytes, content_type: str) -> tuple[int, Any]:
    connection = http.client.HTTPSConnection(cluster.host, cluster.port, context=cluster.tls, timeout=60)
    try:
        connection.request(method, target, body or None, {"Content-Type": content_type, "Accept": JSON})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def rehearse(cluster: RealCluster, method: str, target: str, body: bytes = b"", content_type: str = JSON) -> tuple[int, Any]:
    """The dry run that the gateway makes of this call."""
    act = describe(method, target)
    form = format_of(content_type)
    node = read_as(form, body) if form is not None and body else None
    if possible(act) == "unless-served":
        assert stores(json.dumps(cluster.request("GET", apiservice_of(act))[1]).encode())
    else:
        assert possible(act) == "yes"
    assert not is_rehearsal(act, node)
    made = rehearsal(method, act, body, content_type, node)
    assert is_rehearsal(
        describe(method, made.target), read_as("json", made.body) if made.content_type == JSON and made.body else None
    )
    return raw(cluster, made.method, made.target, made.body, made.content_type)


def manifest(kind: str, name: str = "a", **metadata: Any) -> dict[str, Any]:
    collection, version, written, holds = KINDS[kind]
    about = {"name": name, **({"namespace": NAMESPACE} if NAMESPACE in collection else {}), **metadata}
    if kind == "Namespace":
        about["name"] = f"{NAMESPACE}-{name}"
    if kind == "CustomResourceDefinition":
        about["name"] = CRD["metadata"]["name"]
    return {"apiVersion": version, "kind": written, "metadata": about, **holds}


@pytest.fixture(scope="module")
def stage(cluster: RealCluster) -> Iterator[RealCluster]:
    cluster.namespace(NAMESPACE)
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(CRD))
    cluster.kubectl("wait", "--for=condition=established", f"crd/{CRD['metadata']['name']}")
    for kind in KINDS:
        if kind != "CustomResourceDefinition":
            status, answer = cluster.request("POST", KINDS[kind][0], manifest(kind))
            assert status == 201, (kind, answer)
    yield cluster
    cluster.request("DELETE", f"{CRDS}/{CRD['metadata']['name']}")
    cluster.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}-a")
    cluster.request("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/a")


def patches(kind: str) -> list[tuple[str, bytes]]:
    labels = {"metadata": {"labels": {"changed": "yes"}}}
    whole = {**manifest(kind), **labels}
    whole["metadata"] = {**manifest(kind)["metadata"], **labels["metadata"]}
    found: list[tuple[str, Any]] = [
        (MERGE, labels), (APPLY, whole), (JSON_PATCH, [{"op": "add", "path": "/metadata/labels", "value": {"changed": "yes"}}]),
    ]  # fmt: skip
    if kind != "Thing":
        found.append((STRATEGIC, labels))
    return [(content, json.dumps(body).encode()) for content, body in found]


DELETES = [
    (b"", JSON),
    (b'{"propagationPolicy":"Background"}', JSON),  # of kubectl delete
    (b'{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"propagationPolicy":"Orphan"}', JSON),
    (b'{"dryRun":[]}', JSON),
    (protobuf(b"\x08\x00"), PROTOBUF),  # of kubectl drain
    (protobuf(b""), PROTOBUF),
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_stands_as_it_was_after_each_dry_run(stage: RealCluster, kind: str) -> None:
    collection = KINDS[kind][0]
    name = manifest(kind)["metadata"]["name"]
    path = f"{collection}/{name}"
    before = stage.request("GET", path)[1]
    listed = len(stage.request("GET", collection)[1]["items"])
    made = manifest(kind, "new")
    if kind != "CustomResourceDefinition":
        assert rehearse(stage, "POST", collection, json.dumps(made).encode())[0] == 201
    changed = {**before, "metadata": {**before["metadata"], "labels": {"changed": "yes"}}}
    changed["metadata"].pop("managedFields", None)
    status, answer = rehearse(stage, "PUT", path, json.dumps(changed).encode())
    assert status == 200 and answer["metadata"]["labels"]["changed"] == "yes", answer
    for content, body in patches(kind):
        status, answer = rehearse(
            stage, "PATCH", f"{path}?fieldManager=kubectl&force=true" if content == APPLY else path, body, content
        )
        assert status == 200 and answer["metadata"]["labels"]["changed"] == "yes", answer
    for body, content in DELETES:
        status, answer = rehearse(stage, "DELETE", f"{path}?gracePeriodSeconds=0" if not body else path, body, content)
        assert status in (200, 202), answer
    after = stage.request("GET", path)[1]
    assert (after["metadata"]["uid"], after["metadata"]["resourceVersion"]) == (
        before["metadata"]["uid"],
        before["metadata"]["resourceVersion"],
    )
    assert len(stage.request("GET", collection)[1]["items"]) == listed


def test_what_is_stored_under_a_subresource_stands_too(stage: RealCluster) -> None:
    deployment, pod = f"{APPS}/deployments/a", f"{CORE}/pods/a"
    versions = [stage.request("GET", path)[1]["metadata"]["resourceVersion"] for path in (deployment, pod)]
    assert rehearse(stage, "PATCH", f"{deployment}/scale", b'{"spec":{"replicas":3}}', MERGE)[1]["spec"]["replicas"] == 3
    debug = b'{"spec":{"ephemeralContainers":[{"name":"debugger-1","image":"i","targetContainerName":"c"}]}}'
    assert rehearse(stage, "PATCH", f"{pod}/ephemeralcontainers", debug, STRATEGIC)[0] == 200
    for options in ({}, {"deleteOptions": {}}, {"deleteOptions": {"gracePeriodSeconds": 0}}):
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a", "namespace": NAMESPACE}, **options}
        status, answer = rehearse(stage, "POST", f"{pod}/eviction", json.dumps(eviction).encode())
        assert status == 201, answer
    assert versions == [stage.request("GET", path)[1]["metadata"]["resourceVersion"] for path in (deployment, pod)]


@pytest.mark.parametrize("kind", ["Pod", "Service", "Deployment", "Job", "ConfigMap", "Thing"])
@pytest.mark.parametrize("generated", [False, True])
def test_two_dry_runs_of_a_create_are_the_same(stage: RealCluster, kind: str, generated: bool) -> None:
    body = manifest(kind, "twice")
    if generated:
        body["metadata"]["generateName"] = f"{body['metadata'].pop('name')}-"
    sent = json.dumps(body).encode()
    act = describe("POST", KINDS[kind][0])
    found = []
    for _ in range(2):
        status, answer = rehearse(stage, "POST", KINDS[kind][0], sent)
        assert status == 201, answer
        found.append(without_made_anew(act, answer, sent=sent, named=not generated))
    assert changes(found[0], found[1]) == []
    assert found[0]["spec" if "spec" in body else "data"]


def test_a_query_is_no_dry_run_of_a_delete_that_has_a_body(stage: RealCluster) -> None:
    status, _ = stage.request("POST", f"{CORE}/configmaps", {"metadata": {"name": "gone"}})
    assert status == 201
    act = describe("DELETE", f"{CORE}/configmaps/gone?dryRun=All")
    body = b'{"propagationPolicy":"Background"}'
    assert plain(read_as("json", body)) and not is_rehearsal(act, read_as("json", body))
    assert raw(stage, "DELETE", f"{CORE}/configmaps/gone?dryRun=All", body, JSON)[0] == 200
    assert stage.request("GET", f"{CORE}/configmaps/gone")[0] == 404
