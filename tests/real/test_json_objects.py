"""Objects, lists and watches in JSON as a real kube-apiserver writes them: split wherever they part, and read and edited in place."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from l7gw.kube.objects.json_nodes import read
from l7gw.kube.objects.json_splits import ListSplitter, WatchSplitter
from l7gw.kube.objects.parts import Part, Splitter
from l7gw.kube.objects.walk import strings
from tests.support.kubernetes.cluster import RealCluster

NAMESPACE = "json-objects"
AT = f"/api/v1/namespaces/{NAMESPACE}"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
COUNT = 60


def _ask(cluster: RealCluster, method: str, path: str, body: Any = None, accept: str = "application/json") -> bytes:
    connection = http.client.HTTPSConnection(cluster.host, cluster.port, context=cluster.tls)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": "application/json", "Accept": accept})
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def filled(cluster: RealCluster) -> RealCluster:
    """A cluster with COUNT ConfigMaps of 8 kB, whose values look like JSON."""
    _ask(cluster, "POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for number in range(COUNT):
        body = {"metadata": {"name": f"c{number}"}, "data": {"x": '},{"metadata":{"name":"<&>"' + "é\\" * 2000, "n": str(number)}}
        _ask(cluster, "POST", f"{AT}/configmaps", body)
    return cluster


def _split(splitter: Splitter, body: bytes, size: int) -> list[Part]:
    parts = [part for at in range(0, len(body), size) for part in splitter.feed(body[at : at + size])] + splitter.end()
    assert b"".join(part.data for part in parts) == body
    return parts


@pytest.mark.parametrize(
    ("query", "accept", "kind", "member"),
    [
        ("", "application/json", "ConfigMap", "items"),
        ("?pretty=true", "application/json", "ConfigMap", "items"),
        ("?includeObject=Object", TABLE, "Table", "rows"),
        ("?includeObject=Object&pretty=true", TABLE, "Table", "rows"),
    ],
)
def test_a_list_is_split_and_edited_item_by_item(filled: RealCluster, query: str, accept: str, kind: str, member: str) -> None:
    body = _ask(filled, "GET", f"{AT}/configmaps{query}", accept=accept)
    whole = json.loads(body)
    for size in (1000, 65_536, len(body)):
        parts = _split(ListSplitter(), body, size)
        items = [part for part in parts if part.role == "item"]
        assert len(items) >= COUNT and {item.kind for item in items} == {kind}
        assert [json.loads(item.data) for item in items] == whole[member]
    edited = b""
    for part in parts:
        if part.role == "item":
            node = read(part.data, strict=False)
            assert node.render("shown") == part.data
            for text, leaf in strings(node):
                if text.startswith("},{"):
                    leaf.replace("masked")
            edited += node.render("recorded")
        else:
            edited += part.data
    got = json.loads(edited)
    assert edited.count(b'"masked"') == COUNT and len(edited) < len(body)
    assert [set(item) for item in got[member]] == [set(item) for item in whole[member]]


@pytest.mark.parametrize("query", ["", "&pretty=true"])
def test_a_watch_is_split_into_its_events(filled: RealCluster, query: str) -> None:
    body = _ask(filled, "GET", f"{AT}/configmaps?watch=1&timeoutSeconds=1&resourceVersion=0{query}")
    for size in (700, 65_536, len(body)):
        events = [json.loads(part.data) for part in _split(WatchSplitter(), body, size) if part.role == "event"]
        assert len(events) >= COUNT and {event["type"] for event in events} == {"ADDED"}


@pytest.mark.parametrize("path", ["/openapi/v2", "/api/v1", f"{AT}/configmaps/c1?pretty=1", "/apis/apps/v1/deployments"])
def test_what_a_real_server_writes_has_one_reading(filled: RealCluster, path: str) -> None:
    body = _ask(filled, "GET", path)
    assert read(body, strict=True).render("shown") == body
    node = read(body, strict=False)
    assert sum(1 for _ in strings(node, documents=True)) >= 3
    assert node.render("shown") == body
