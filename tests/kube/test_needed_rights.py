"""What RBAC is asked for a call: the verb of the request, and what kube-apiserver asks within it."""

from __future__ import annotations

import pytest

from l7gw.kube.needed_rights import Inexpressible, is_everybodys, is_made_up, rights_of
from l7gw.kube.rbac import Right
from l7gw.kube.requestinfo import describe

POD = "/api/v1/namespaces/dev/pods/web-0"
WEB = "/apis/apps/v1/namespaces/dev/deployments/web"


@pytest.mark.parametrize(
    ("line", "status", "expected"),
    [
        (f"GET {POD}", 200, ["get pods web-0 -n dev"]),
        (f"GET {POD}/log", 200, ["get pods/log web-0 -n dev"]),
        ("GET /api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Dweb-0", 200, ["list pods web-0 -n dev"]),
        ("GET /api/v1/pods?watch=1", 200, ["watch pods (cluster)"]),
        ("POST /api/v1/namespaces/dev/pods", 201, ["create pods -n dev"]),
        ("DELETE /api/v1/namespaces/dev/pods", 200, ["deletecollection pods -n dev"]),
        # kubectl from 1.30: WebSocket, a GET. Older ones: SPDY, a POST
        (f"GET {POD}/exec?command=ls&stdout=1", 101, ["get pods/exec web-0 -n dev", "create pods/exec web-0 -n dev"]),
        (f"POST {POD}/exec?command=ls&stdout=1", 101, ["create pods/exec web-0 -n dev"]),
        (f"GET {POD}/portforward", 101, ["get pods/portforward web-0 -n dev", "create pods/portforward web-0 -n dev"]),
        (f"GET {POD}/proxy/metrics", 200, ["get pods/proxy web-0 -n dev"]),
        (f"POST {POD}/eviction", 201, ["create pods/eviction web-0 -n dev"]),
        # server-side apply
        (f"PATCH {WEB}", 200, ["patch deployments.apps web -n dev"]),
        (f"PATCH {WEB}", 201, ["patch deployments.apps web -n dev", "create deployments.apps web -n dev"]),
        (f"PUT {WEB}", 201, ["update deployments.apps web -n dev", "create deployments.apps web -n dev"]),
        (f"PATCH {WEB}/scale", 200, ["patch deployments.apps/scale web -n dev"]),
        ("GET /api/v1/namespaces/dev", 200, ["get namespaces dev -n dev"]),
        ("GET /logs/a%20b", 200, ["get /logs/a b"]),
        ("HEAD /healthz", 200, ["head /healthz"]),
    ],
)  # fmt: skip
def test_what_a_call_needs(line: str, status: int, expected: list[str]) -> None:
    method, _, target = line.partition(" ")
    assert [str(right) for right in rights_of(describe(method, target), status)] == expected


@pytest.mark.parametrize("line", ["* /metrics", "GET /api/v1/namespaces/%2a/pods", "GET /api/v1/namespaces/A%20b/pods"])
def test_a_method_that_is_a_pattern_and_a_namespace_that_cannot_be_have_no_rule(line: str) -> None:
    method, _, target = line.partition(" ")
    with pytest.raises(Inexpressible):
        rights_of(describe(method, target), 200)


@pytest.mark.parametrize("target", ["/metrics/*", "/api/v1/*", "/apis/*/v1/pods", "/api/v1/namespaces/dev/pods/a/*"])
def test_what_a_rule_would_read_as_a_pattern_cannot_be_said(target: str) -> None:
    with pytest.raises(Inexpressible):
        rights_of(describe("GET", target), 200)


def test_a_name_may_be_a_star_which_is_no_pattern_there() -> None:
    target = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/dev/pods/*/http_requests"
    assert rights_of(describe("GET", target), 200) == (Right("get", "custom.metrics.k8s.io", "pods/http_requests", "dev", "*"),)


def test_everybody_may_discover_and_ask_about_himself() -> None:
    assert all(is_everybodys(Right("get", path=path)) for path in ("/api", "/apis/apps/v1", "/openapi/v3", "/version", "/readyz"))
    assert not any(is_everybodys(Right("get", path=path)) for path in ("/metrics", "/readyz/etcd", "/logs"))
    assert is_everybodys(Right("create", "authorization.k8s.io", "selfsubjectaccessreviews"))
    assert not is_everybodys(Right("create", "authorization.k8s.io", "subjectaccessreviews"))


@pytest.mark.parametrize(
    ("name", "made_up"),
    [("web-7d9f8b6c5-x2x4z", True), ("job-zrtvx", True), ("web-0", False), ("web", False), ("my-cache", False), ("web-12345", False)],
)  # fmt: skip
def test_names_that_kubernetes_made_up_are_known(name: str, made_up: bool) -> None:
    assert is_made_up(name) is made_up
