"""The table of the kinds that URLs take, beside what a real kube-apiserver says and does."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from l7gw.errors import Refusal
from l7gw.kube.objects.body_kinds import SCALE, SUBRESOURCE_KINDS, UNREAD, check_body, taken
from l7gw.kube.objects.json_nodes import read
from l7gw.kube.requestinfo import describe
from tests.support.kubernetes.cluster import RealCluster


def _ask(cluster: RealCluster, method: str, path: str, body: Any = None, content: str = "application/json") -> tuple[int, Any]:
    connection = http.client.HTTPSConnection(cluster.host, cluster.port, context=cluster.tls)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": content})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_discovery_names_the_kinds_of_the_table(cluster: RealCluster) -> None:
    groups = _ask(cluster, "GET", "/apis")[1]["groups"]
    versions = ["/api/v1"] + [f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"]]
    seen = 0
    for version in versions:
        group = version.split("/")[2] if version.startswith("/apis/") else ""
        if "." in group and not group.endswith(".k8s.io"):
            continue  # a custom resource of another test
        for resource in _ask(cluster, "GET", version)[1]["resources"]:
            plural, _, subresource = resource["name"].partition("/")
            if subresource in UNREAD:
                continue
            place = f"namespaces/x/{plural}" if resource["namespaced"] else plural
            act = describe("PUT", f"{version}/{place}/a/{subresource}".rstrip("/"), "")
            assert taken(act) == (resource.get("group", group), resource["kind"]), resource["name"]
            seen += 1
    assert seen > 80 and SCALE and SUBRESOURCE_KINDS


NAMESPACE = "body-kinds"
AT = f"/api/v1/namespaces/{NAMESPACE}"
MERGE, STRATEGIC, APPLY = "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml"


def _row(method: str, path: str, body: dict[str, Any], content: str = "application/json") -> tuple[str, str, dict[str, Any], str]:
    return method, path, body, content


META = {"metadata": {"name": "a", "namespace": NAMESPACE}}
POD = {**META, "spec": {"containers": [{"name": "c", "image": "i"}]}}
BODIES = [
    _row("POST", f"{AT}/configmaps", META),
    _row("POST", f"{AT}/configmaps", {"kind": "ConfigMap", **META}),
    _row("POST", f"{AT}/configmaps", {"apiVersion": "v1", **META}),
    _row("POST", f"{AT}/configmaps", {"kind": "Secret", **META}),
    _row("POST", f"{AT}/configmaps", {"apiVersion": "v1", "kind": "Secret", **META}),
    _row("POST", f"{AT}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "Kind": "Secret", **META}),
    _row("POST", f"{AT}/configmaps", {"apiVersion": "v1", "kind": "ConfigMapList", "items": []}),
    _row("POST", f"{AT}/configmaps", {"apiVersion": "v1", "kind": "List", "items": []}),
    _row("POST", f"{AT}/configmaps", {"apiVersion": "v1", "kind": "DeleteOptions"}),
    _row("POST", f"{AT}/events", {"apiVersion": "events.k8s.io/v1", "kind": "Event", **META}),
    _row("PUT", f"{AT}/configmaps/a", META),
    _row("PUT", f"{AT}/configmaps/a", {"apiVersion": "v1", "kind": "Secret", **META}),
    _row("PATCH", f"{AT}/configmaps/a", {"data": {"a": "b"}}, MERGE),
    _row("PATCH", f"{AT}/configmaps/a", {"data": {"a": "b"}}, STRATEGIC),
    _row("PATCH", f"{AT}/configmaps/a", {"apiVersion": "v1", "kind": "ConfigMap"}, MERGE),
    _row("PATCH", f"{AT}/configmaps/a", {"kind": "Secret"}, MERGE),
    _row("PATCH", f"{AT}/configmaps/a?fieldManager=x", {"apiVersion": "v1", "kind": "Secret"}, APPLY),
    _row("PATCH", f"{AT}/configmaps/a?fieldManager=x", {"apiVersion": "v1", "kind": "ConfigMap"}, APPLY),
    _row("POST", f"{AT}/serviceaccounts", META),
    _row("POST", f"{AT}/serviceaccounts/a/token", {"spec": {}}),
    _row("POST", f"{AT}/serviceaccounts/a/token", {"kind": "TokenRequest"}),
    _row("POST", f"{AT}/serviceaccounts/a/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}),
    _row("POST", f"{AT}/serviceaccounts/a/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}),
    _row("POST", f"{AT}/serviceaccounts/a/token", {"apiVersion": "v1", "kind": "ServiceAccount", **META}),
    _row("POST", f"{AT}/pods?dryRun=All", {"apiVersion": "v1", "kind": "Pod", **POD}),
    _row("POST", f"{AT}/pods/a/eviction", {"apiVersion": "v1", "kind": "Pod", **POD}),
    _row("POST", f"{AT}/bindings", {"apiVersion": "v1", "kind": "Pod", **POD}),
    _row(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"},
    ),
    _row("DELETE", f"{AT}/configmaps/a", {"apiVersion": "v1", "kind": "ConfigMap"}),
    _row("DELETE", f"{AT}/configmaps/a", {"apiVersion": "policy/v1", "kind": "Eviction"}),
    _row("DELETE", f"{AT}/configmaps/a", {"dryRun": ["All"]}),
    _row("DELETE", f"{AT}/configmaps/a", {"kind": "DeleteOptions", "dryRun": ["All"]}),
    _row("DELETE", f"{AT}/configmaps/a", {"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]}),
    _row("DELETE", f"{AT}/configmaps/a", {"apiVersion": "apps/v1", "kind": "DeleteOptions", "dryRun": ["All"]}),
    _row("DELETE", f"{AT}/configmaps", {"apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions", "dryRun": ["All"]}),
    _row("DELETE", f"{AT}/configmaps", {"apiVersion": "v1", "kind": "Secret", "dryRun": ["All"]}),
    _row(
        "PUT", f"/api/v1/namespaces/{NAMESPACE}/finalize", {"metadata": {"name": NAMESPACE}, "spec": {"finalizers": ["kubernetes"]}}
    ),
    _row("PUT", f"/api/v1/namespaces/{NAMESPACE}/finalize", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAMESPACE}}),
]


def test_what_is_refused_here_the_real_api_server_refuses_too(cluster: RealCluster) -> None:
    status, _ = _ask(cluster, "POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    assert status == 201
    taken_here = refused_here = 0
    for method, path, body, content in BODIES:
        status, answer = _ask(cluster, method, path, body, content)
        try:
            check_body(describe(method, path, ""), read(json.dumps(body).encode(), strict=True))
        except Refusal as refusal:
            assert status in (400, 422), f"{method} {path} {body} is refused here ({refusal}), but there: {answer}"
            refused_here += 1
        else:
            assert status in (200, 201, 409), f"{method} {path} {body}: {answer}"
            taken_here += 1
    assert taken_here > 15 and refused_here > 15


def test_a_strategic_patch_of_another_kind_is_refused_here_alone(cluster: RealCluster) -> None:
    """kube-apiserver never reads the kind of one. No client sends one of another kind."""
    namespace = f"{NAMESPACE}-strategic"
    _ask(cluster, "POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    path, body = f"/api/v1/namespaces/{namespace}/configmaps/a", {"apiVersion": "v1", "kind": "Secret"}
    assert _ask(cluster, "POST", path.removesuffix("/a"), {"metadata": {"name": "a"}})[0] == 201
    assert _ask(cluster, "PATCH", path, body, STRATEGIC)[0] == 200
    with pytest.raises(Refusal):
        check_body(describe("PATCH", path, ""), read(json.dumps(body).encode(), strict=True))
