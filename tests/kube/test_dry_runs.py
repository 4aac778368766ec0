"""Of which writes a dry run may be made, the request that makes it, and which requests of a client are one already."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.kube.dry_runs import apiservice_of, asked_options, is_rehearsal, known_option, possible, rehearsal, stores
from l7gw.kube.objects import json_nodes, protobuf_nodes
from l7gw.kube.objects.node import Node
from l7gw.kube.requestinfo import describe

POD = "/api/v1/namespaces/dev/pods/web-0"
PODS = "/api/v1/namespaces/dev/pods"
EVICTION = f"{POD}/eviction"


def _field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | 2, len(data))) + data


def protobuf(options: bytes) -> bytes:
    """A DeleteOptions in its envelope. `options` are the bytes of its fields."""
    return (
        b"k8s\0" + _field(1, _field(1, b"v1") + _field(2, b"DeleteOptions")) + _field(2, options) + _field(3, b"") + _field(4, b"")
    )


def body_of(value: dict[str, Any] | None) -> Node | None:
    return None if value is None else json_nodes.read(json.dumps(value).encode(), strict=True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"POST {PODS}", "yes"),
        (f"PUT {POD}", "yes"),
        (f"PATCH {POD}", "yes"),
        (f"DELETE {POD}", "yes"),
        (f"POST {EVICTION}", "yes"),
        ("PATCH /apis/apps/v1/namespaces/dev/deployments/web/scale", "yes"),
        (f"PATCH {POD}/ephemeralcontainers", "yes"),
        ("PUT /api/v1/namespaces/dev/finalize", "yes"),
        ("POST /apis/rbac.authorization.k8s.io/v1/clusterroles", "yes"),
        ("POST /apis/apiregistration.k8s.io/v1/apiservices", "yes"),
        ("POST /apis/example.com/v1/namespaces/dev/crontabs", "unless-served"),
        ("PATCH /apis/example.com/v1/namespaces/dev/crontabs/a/status", "unless-served"),
        ("POST /apis/metrics.k8s.io/v1beta1/nodes", "unless-served"),
        ("POST /apis/example.com/v1/namespaces/dev/crontabs/a/start", "no"),
        ("POST /apis/apps/v9/namespaces/dev/rockets", "no"),
        (f"DELETE {PODS}", "no"),  # of a collection: it is listed instead
        (f"GET {POD}", "no"),
        (f"POST {POD}/exec?command=ls", "no"),
        (f"POST {POD}/portforward", "no"),
        (f"POST {POD}/proxy/", "no"),
        ("POST /api/v1/namespaces/dev/serviceaccounts/a/token", "no"),
        ("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "no"),
        ("POST /apis/authentication.k8s.io/v1/tokenreviews", "no"),
        ("POST /version", "no"),
    ],
)
def test_dry_runs_are_made_of_what_kube_apiserver_stores(line: str, said: str) -> None:
    method, target = line.split()
    act = describe(method, target)
    expected = "no" if act.verb == "deletecollection" else said
    assert possible(act) == expected


def test_an_apiservice_says_whether_a_service_serves_the_group() -> None:
    act = describe("POST", "/apis/example.com/v1/namespaces/dev/crontabs")
    assert apiservice_of(act) == "/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com"
    local = {"kind": "APIService", "spec": {"group": "example.com", "version": "v1"}}
    assert stores(json.dumps(local).encode())
    assert not stores(json.dumps({**local, "spec": {"service": {"name": "x", "namespace": "y"}}}).encode())
    assert not stores(b'{"kind":"Status","status":"Failure","spec":{}}')
    assert not stores(b"\xff")


@pytest.mark.parametrize(
    ("line", "body", "is_one"),
    [
        (f"DELETE {POD}", None, False),
        (f"DELETE {POD}?dryRun=All", None, True),
        (f"DELETE {POD}?dryRun=All", {"propagationPolicy": "Background"}, False),  # the query is not read then
        (f"DELETE {POD}?dryRun=All", {}, False),
        (f"DELETE {POD}", {"dryRun": ["All"]}, True),
        (f"DELETE {POD}", {"dryRun": []}, False),
        (f"DELETE {POD}", {"dryRun": ["All", "x"]}, False),
        (f"DELETE {POD}", {"dryRun": "All"}, False),
        (f"DELETE {POD}", {"DryRun": ["All"]}, False),
        (f"DELETE {PODS}", {"dryRun": ["All"]}, True),
        (f"POST {EVICTION}", {"deleteOptions": {"dryRun": ["All"]}}, True),
        (f"POST {EVICTION}?dryRun=All", {"metadata": {"name": "web-0"}}, True),
        (f"POST {EVICTION}?dryRun=All", {"deleteOptions": {"dryRun": ["no"]}}, False),
        (f"POST {EVICTION}", {"dryRun": ["All"]}, False),
        (f"PATCH {POD}?dryRun=All", None, True),
        (f"PATCH {POD}?dryRun=All&dryRun=All", None, True),
        (f"PATCH {POD}?dryRun=", None, False),
        (f"PATCH {POD}?dryRun=all", None, False),
        (f"PATCH {POD}?dryRun=All&dryRun=None", None, False),
        (f"POST {PODS}", None, False),
    ],
)
def test_a_clients_dry_run_is_read_where_kube_apiserver_reads_it(line: str, body: dict[str, Any] | None, is_one: bool) -> None:
    method, target = line.split()
    assert is_rehearsal(describe(method, target), body_of(body)) is is_one


def test_a_clients_dry_run_of_a_delete_is_read_in_protobuf() -> None:
    delete = describe("DELETE", POD)
    assert is_rehearsal(delete, protobuf_nodes.read(protobuf(_field(5, b"All")), strict=True))
    assert not is_rehearsal(delete, protobuf_nodes.read(protobuf(b"\x08\x05"), strict=True))


def made(line: str, body: bytes = b"", content_type: str = "application/json", node: Node | None = None) -> Any:
    method, target = line.split()
    return rehearsal(method, describe(method, target), body, content_type, node)


def test_a_delete_is_rehearsed_by_a_body_that_is_written_anew() -> None:
    sent = {
        "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u"}, "dryRun": [], "more": 1,
    }  # fmt: skip
    found = made(f"DELETE {POD}", b"ignored", "application/json", body_of(sent))
    assert found.method == "DELETE" and found.target == f"{POD}?dryRun=All" and found.content_type == "application/json"
    assert json.loads(found.body) == {
        "apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"], "propagationPolicy": "Background", "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u"}, "more": 1,
    }  # fmt: skip


def test_a_field_of_protobuf_without_a_name_is_known_to_be_asked_and_stands_in_no_dry_run() -> None:
    node = protobuf_nodes.read(protobuf(_field(15, b"more")), strict=True)
    assert list(asked_options(describe("DELETE", POD), node)) == ["#15"] and not known_option("#15")
    assert json.loads(made(f"DELETE {POD}", node=node).body) == {"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]}


def test_a_delete_in_protobuf_is_rehearsed_with_the_same_options() -> None:
    node = protobuf_nodes.read(protobuf(b"\x08\x05" + _field(4, b"Foreground")), strict=True)
    found = made(f"DELETE {POD}", b"k8s", "application/vnd.kubernetes.protobuf", node)
    options = {"gracePeriodSeconds": 5, "propagationPolicy": "Foreground", "dryRun": ["All"]}
    assert json.loads(found.body) == {"apiVersion": "v1", "kind": "DeleteOptions", **options}
    assert found.content_type == "application/json"


def test_the_query_of_a_delete_without_a_body_becomes_its_options() -> None:
    found = made(f"DELETE {POD}?gracePeriodSeconds=7&propagationPolicy=Orphan&orphanDependents=false")
    options = {"gracePeriodSeconds": 7, "propagationPolicy": "Orphan", "orphanDependents": False, "dryRun": ["All"]}
    assert json.loads(found.body) == {"apiVersion": "v1", "kind": "DeleteOptions", **options}


@pytest.mark.parametrize("version", ["policy/v1", "policy/v1beta1"])
def test_an_eviction_is_rehearsed_in_its_body_and_its_query(version: str) -> None:
    sent = {"apiVersion": version, "kind": "Eviction", "deleteOptions": {"gracePeriodSeconds": 3}}
    found = made(f"POST {EVICTION}", b"x", "application/json", body_of(sent))
    assert found.target == f"{EVICTION}?dryRun=All"
    assert json.loads(found.body) == {
        "apiVersion": version, "kind": "Eviction", "metadata": {"name": "web-0", "namespace": "dev"},
        "deleteOptions": {"gracePeriodSeconds": 3, "dryRun": ["All"]},
    }  # fmt: skip


def test_every_other_write_is_rehearsed_with_its_own_body_and_all_in_the_query() -> None:
    patch = made(f"PATCH {POD}?fieldManager=kubectl&dryRun=x&force=false", b"{}", "application/apply-patch+yaml")
    assert (patch.target, patch.body, patch.content_type) == (
        f"{POD}?fieldManager=kubectl&force=false&dryRun=All", b"{}", "application/apply-patch+yaml",
    )  # fmt: skip
    assert made(f"POST {PODS}", b"{}", "").content_type == "application/json"
