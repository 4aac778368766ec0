"""Objects in protobuf of a real kube-apiserver: what the nodes show is what its JSON says, and what they write it reads."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

import pytest

from l7gw.kube.objects import protobuf_nodes as nodes
from l7gw.kube.objects.node import Node
from l7gw.kube.objects.protobuf_splits import ListSplitter, WatchSplitter
from tests.kube.objects.test_protobuf_published import filled, shown
from tests.support.kubernetes.cluster import RealCluster

PROTOBUF = "application/vnd.kubernetes.protobuf"
NAMESPACE = "protobuf-objects"
PARTIAL = f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

POD = {
    "initContainers": [{"name": "i", "image": "i", "env": [{"name": "PASSWORD", "value": "hunter2"}]}],
    "containers": [
        {
            "name": "c",
            "image": "i",
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
                {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "envFrom": [{"configMapRef": {"name": "m"}}],
            "ports": [{"containerPort": 80, "name": "web"}],
            "livenessProbe": {"httpGet": {"path": "/", "port": "web"}},
            "readinessProbe": {"tcpSocket": {"port": 80}},
            "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
            "resources": {"limits": {"cpu": "250m", "memory": "1Gi"}},
            "securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsUser": 1000},
        }
    ],
    "volumes": [
        {"name": "a", "secret": {"secretName": "s", "defaultMode": 256}},
        {"name": "b", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"configMap": {"name": "m"}}]}},
        {"name": "c", "emptyDir": {"sizeLimit": "1Mi"}},
    ],
    "securityContext": {"supplementalGroups": [1, 2, 3], "fsGroup": 4},
    "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}}}
    ]}},
}  # fmt: skip
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
SELECTED = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
IN_JOB = {"metadata": {"labels": {"a": "b"}}, "spec": {**POD, "restartPolicy": "Never"}}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": {"type": "string", "default": "x", "enum": ["x", "y"], "maxLength": 9},
                "b": {"type": "array", "items": {"type": "number", "minimum": 0.5}},
                "c": {"type": "object", "additionalProperties": {"type": "string"}},
                "d": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            },
            "x-kubernetes-validations": [{"rule": "self.a != 'z'", "message": "no"}],
        }
    },
}
RULE = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["widgets"], "operations": ["CREATE"]}

OBJECTS: list[tuple[str, str, dict[str, Any]]] = [
    ("v1", "Secret", {"stringData": {"password": "hunter2", "e": "", "k.e-y_": "ü"}, "type": "example.com/x"}),
    ("v1", "ConfigMap", {"data": {"a": "b", "e": ""}, "binaryData": {"c": base64.b64encode(bytes(range(256))).decode()}}),
    ("v1", "Service", {"spec": {"ports": [{"port": 80, "targetPort": "web", "protocol": "TCP"}], "selector": {"a": "b"}}}),
    ("v1", "PodTemplate", {"template": TEMPLATE}),
    ("v1", "ResourceQuota", {"spec": {"hard": {"pods": "10k", "requests.cpu": "1500m"}}}),
    ("v1", "PersistentVolumeClaim", {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
    ("apps/v1", "Deployment", {"spec": {**SELECTED, "replicas": 0, "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}}}),
    ("apps/v1", "StatefulSet", {"spec": {**SELECTED, "replicas": 0, "serviceName": "s"}}),
    ("apps/v1", "ControllerRevision", {"data": {"spec": {"template": TEMPLATE}}, "revision": 3}),
    ("batch/v1", "CronJob", {"spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": IN_JOB}}}}),
    ("autoscaling/v2", "HorizontalPodAutoscaler", {"spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}, "maxReplicas": 2,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}}),
    ("coordination.k8s.io/v1", "Lease", {"spec": {"holderIdentity": "x", "renewTime": "2026-01-02T03:04:05.678901Z"}}),
    ("networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}, {"port": "web"}]}]}}),
    ("networking.k8s.io/v1", "Ingress", {"spec": {"rules": [{"host": "h", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}}),
    ("policy/v1", "PodDisruptionBudget", {"spec": {"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}}}),
    ("rbac.authorization.k8s.io/v1", "Role", {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", {"metadata": {"name": "widgets.protobuf.example.com"}, "spec": {
        "group": "protobuf.example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA},
                      "subresources": {"status": {}}}]}}),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", {"metadata": {"name": "protobuf.example.com"}, "spec": {
        "matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]}}),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", {"metadata": {"name": "protobuf.example.com"}, "webhooks": [{
        "name": "a.example.com", "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
        "clientConfig": {"url": "https://localhost:1/x", "caBundle": ""}}]}),
]  # fmt: skip


class Server:
    """Calls of the admin, straight to the API server."""

    def __init__(self, cluster: RealCluster) -> None:
        self._connection = http.client.HTTPSConnection(cluster.host, cluster.port, context=cluster.tls, timeout=60)

    def call(
        self, method: str, path: str, *, accept: str = PROTOBUF, kind: str = PROTOBUF, body: bytes | None = None
    ) -> tuple[int, str, bytes]:
        self._connection.request(method, path, body, {"Accept": accept, "Content-Type": kind})
        answer = self._connection.getresponse()
        data = answer.read()
        return answer.status, answer.headers["Content-Type"], data

    def get(self, path: str) -> Any:
        return json.loads(self.call("GET", path, accept="application/json")[2])


@pytest.fixture(scope="module")
def server(cluster: RealCluster) -> Server:
    """The API server, with an object of each kind of OBJECTS."""
    cluster.namespace(NAMESPACE)
    objects = [{"apiVersion": api_version, "kind": kind, "metadata": {}, **fields} for api_version, kind, fields in OBJECTS]
    for one in objects:
        named = one["metadata"] or {"name": "x", "namespace": NAMESPACE}
        one["metadata"] = {**named, "annotations": {"a/b": "c"}}
    cluster.apply({"apiVersion": "v1", "kind": "List", "items": objects})
    return Server(cluster)


def listed(server: Server) -> list[str]:
    """The path of every list of built-in kinds that the server has, without componentstatuses, which it makes up for each call."""
    paths = ["/api/v1"]
    groups = [group for group in server.get("/apis")["groups"] if "." not in group["name"] or group["name"].endswith(".k8s.io")]
    paths += [f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"]]
    return [
        f"{path}/{resource['name']}"
        for path in paths
        for resource in server.get(path)["resources"]
        if "list" in resource["verbs"] and resource["name"] != "componentstatuses"
    ]


def without_version(found: Any) -> Any:
    """A list without its own resourceVersion, which another object moves."""
    found.get("metadata", {}).pop("resourceVersion", None)
    return found


def test_every_list_in_protobuf_is_the_list_in_json(server: Server) -> None:
    paths = listed(server)
    assert len(paths) > 50
    seen, items = set(), 0
    for path in paths:
        for _ in range(5):  # another object may change between the two readings
            status, kind, data = server.call("GET", path)
            assert (status, kind) == (200, PROTOBUF), path
            node = nodes.read(data, strict=True)
            found, expected = without_version(shown(node)), without_version(filled(server.get(path)))
            if found == expected:
                break
        assert found == expected, path
        assert node.render("shown") == data
        seen.add(node.at("kind").text())  # type: ignore[union-attr]
        splitter = ListSplitter(read_whole=0)
        parts = [*splitter.feed(data), *splitter.end()]
        assert b"".join(part.data for part in parts) == data
        alone = [shown(nodes.read_part(part)) for part in parts if part.role == "item"]
        assert alone == found.get("items", [])
        items += len(alone)
    assert {f"{kind}List" for _, kind, _ in OBJECTS} <= seen and items > 100


def test_the_server_takes_an_object_that_was_edited_in_protobuf(server: Server) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/podtemplates/x"  # what no controller writes to meanwhile
    _, _, data = server.call("GET", path)
    node = nodes.read(data, strict=True)
    pod = child(node, "template", "spec")
    child(child(pod, "initContainers").items()[0], "env").items()[0].member("value").replace("longer-" * 40)  # type: ignore[union-attr]
    child(child(pod, "containers").items()[0], "env").items()[1].remove()
    child(node, "metadata", "annotations", "a/b").replace("")
    applied = child(node, "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration").document()
    assert applied is not None
    child(child(applied, "template", "spec", "initContainers").items()[0], "env").items()[0].member("value").replace("else")  # type: ignore[union-attr]
    status, _, answer = server.call("PUT", path, body=node.render("shown"))
    assert status == 200, answer
    stored = server.get(path)
    container = stored["template"]["spec"]["containers"][0]
    assert stored["template"]["spec"]["initContainers"][0]["env"] == [{"name": "PASSWORD", "value": "longer-" * 40}]
    assert [variable["name"] for variable in container["env"]] == ["A"]
    assert stored["metadata"]["annotations"]["a/b"] == ""
    applied_now = json.loads(stored["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    assert applied_now["template"]["spec"]["initContainers"][0]["env"] == [{"name": "PASSWORD", "value": "else"}]
    assert filled(stored) == shown(nodes.read(answer, strict=True))


def test_the_server_takes_an_item_of_a_long_list_whose_length_stayed(server: Server) -> None:
    _, _, data = server.call("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets")
    splitter = ListSplitter(read_whole=0)
    parts = [*splitter.feed(data), *splitter.end()]
    [part] = [part for part in parts if b"hunter2" in part.data]
    node = nodes.read_part(part)
    child(node, "data", "password").replace_octets(b"mask")
    applied = child(node, "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration").document()
    assert applied is not None
    child(applied, "stringData", "password").replace("mask")
    whole = b"".join(node.render("shown") if one is part else one.data for one in parts)
    assert len(whole) == len(data) and b"hunter2" not in whole
    item = nodes.read(whole, strict=True)
    [secret] = child(item, "items").items()
    assert child(secret, "data", "password").octets() == b"mask***"
    body = secret.render("shown")
    envelope = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret" + b"\x12" + length(body) + body + b"\x1a\0\x22\0"
    status, _, answer = server.call("PUT", f"/api/v1/namespaces/{NAMESPACE}/secrets/x?dryRun=All", body=envelope)
    assert status == 200, answer
    assert child(nodes.read(answer, strict=True), "data", "password").octets() == b"mask***"


def length(data: bytes) -> bytes:
    size, out = len(data), b""
    while size > 127:
        out += bytes((size & 127 | 128,))
        size >>= 7
    return out + bytes((size,))


def test_a_watch_is_read_event_by_event(server: Server) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    status, kind, data = server.call(
        "GET", f"{path}?watch=true&resourceVersion=0&timeoutSeconds=1", accept=f"{PROTOBUF};stream=watch"
    )
    assert (status, kind) == (200, f"{PROTOBUF};stream=watch")
    splitter = WatchSplitter()
    parts = [*splitter.feed(data), *splitter.end()]
    events = [nodes.read_part(part) for part in parts]
    assert [shown(event) for event in events] == [
        {"type": "ADDED", "object": {"apiVersion": "v1", "kind": "Secret", **filled(item)}} for item in server.get(path)["items"]
    ]
    assert b"".join(event.render("shown") for event in events) == data


def test_what_is_no_stored_object_is_read_too(server: Server) -> None:
    status, _, data = server.call("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/absent")
    assert status == 404
    answer = nodes.read(data, strict=True)
    assert shown(answer)["details"] == {"name": "absent", "kind": "secrets"} and child(answer, "code").scalar() == 404
    _, _, data = server.call("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", accept=PARTIAL)
    partial = shown(nodes.read(data, strict=True))
    assert partial["kind"] == "PartialObjectMetadataList" and partial["items"][0]["metadata"]["name"] == "x"
    _, _, data = server.call("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/x/scale")
    assert shown(nodes.read(data, strict=True))["kind"] == "Scale"
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token"
    server.call(
        "POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", kind="application/json", body=b'{"metadata":{"name":"default"}}'
    )
    body = json.dumps({"spec": {"expirationSeconds": 600}}).encode()
    status, _, data = server.call("POST", path, kind="application/json", body=body)
    assert status == 201
    token = child(nodes.read(data, strict=True), "status", "token").text()
    assert token is not None and token.count(".") == 2


def child(node: Node, *names: str) -> Node:
    found = node.at(*names)
    assert found is not None, names
    return found
