"""Which objects a body holds, and of which kinds they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.kube.objects import json_nodes
from l7gw.kube.objects.node import Unreadable
from l7gw.masking.objects.object_kinds import kind_of, units
from tests.support.masked import act_of


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("GET /api/v1/secrets", "Secret"),
        ("PATCH /api/v1/namespaces/a/secrets/x", "Secret"),
        ("GET /api/v1/namespaces/a/pods/x/status", "Pod"),
        ("PUT /api/v1/namespaces/a/pods/x/ephemeralcontainers", "Pod"),
        ("GET /apis/apps/v1/deployments", "Deployment"),
        ("GET /apis/apps/v1/namespaces/a/deployments/x/scale", ""),
        ("POST /api/v1/namespaces/a/serviceaccounts/x/token", "TokenRequest"),
        ("GET /api/v1/namespaces/a/serviceaccounts/x", ""),
        ("GET /apis/example.com/v1/secrets", ""),
        ("GET /apis", ""),
        ("GET /version", ""),
    ],
)
def test_the_url_stands_for_a_kind(line: str, kind: str) -> None:
    assert kind_of(act_of(line)) == kind


def found(body: Any, kind: str = "", namespace: str = "url", listed: str = "") -> list[tuple[str, tuple[str, ...], str]]:
    node = json_nodes.read(json.dumps(body).encode(), strict=False)
    return [(unit.node.path, unit.kinds, unit.namespace) for unit in units(node, kind, namespace, listed=listed)]


def test_an_object_has_its_own_kind_and_that_of_the_url() -> None:
    assert found({"kind": "Secret"}, "Secret") == [("", ("Secret",), "url")]
    assert found({"kind": "Foo"}, "Secret") == [("", ("Foo", "Secret"), "url")]
    assert found({}, "Secret") == [("", ("Secret",), "url")]
    assert found({"metadata": {"namespace": "own"}}, namespace="") == [("", ("",), "own")]


def test_the_namespace_of_the_url_counts_and_then_that_of_the_outer_object() -> None:
    secret = {"kind": "Secret", "metadata": {"namespace": "victim"}}
    assert found(secret)[0][2] == "url"
    for own, counts in ({"namespace": "own"}, "own"), ({"name": "of-the-cluster"}, ""), ({}, "victim"):
        for body in (
            {"kind": "Foo", "metadata": own, "items": [secret]},
            {"kind": "WatchEvent", "metadata": own, "object": secret},
            {"kind": "Table", "metadata": own, "rows": [{"object": secret}]},
        ):
            assert found(body, namespace="")[-1][2] == counts


def test_items_that_are_no_objects_stay_with_what_stands_around() -> None:
    for body in ({"items": ["a", {}]}, {"kind": "Table", "rows": ["a"]}, {"kind": "Table", "rows": [{"object": "a"}]}):
        node = json_nodes.read(json.dumps(body).encode(), strict=False)
        assert not list(units(node, "", ""))[-1].apart


def test_items_without_a_kind_have_that_of_their_list() -> None:
    body = {"kind": "PodList", "items": [{"metadata": {"namespace": "b"}}, {"kind": "Secret"}]}
    assert found(body, namespace="") == [("", ("PodList",), ""), ("items[0]", ("Pod",), "b"), ("items[1]", ("Secret",), "")]


def test_a_list_of_anything_has_items_of_the_urls_kind() -> None:
    assert found({"kind": "List", "items": [{}]}, "Secret")[1] == ("items[0]", ("Secret",), "url")
    assert found({"items": [{}]}, "Secret")[1] == ("items[0]", ("Secret",), "url")


def test_an_item_that_came_alone_has_the_kind_that_the_list_gives() -> None:
    assert found({}, listed="Secret") == [("", ("Secret",), "url")]


def test_an_event_holds_an_object_whatever_its_type() -> None:
    for word in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "NEW"):
        assert found({"type": word, "object": {"kind": "Secret"}})[1:] == [("object", ("Secret",), "url")]
    assert found({"type": "ADDED", "object": {}}, "Secret")[1:] == [("object", ("Secret",), "url")]
    assert found({"kind": "WatchEvent", "type": "ADDED", "object": {"kind": "PodList", "items": [{}]}})[2][1] == ("Pod",)


def test_the_rows_of_a_table_hold_objects() -> None:
    row = {"cells": ["x"], "object": {"kind": "PartialObjectMetadata", "metadata": {"namespace": "own"}}}
    assert found({"kind": "Table", "rows": [row, {"cells": []}]}, "Secret", "") == [
        ("", ("Table", "Secret"), ""),
        ("rows[0]", ("",), "own"),
        ("rows[0].object", ("PartialObjectMetadata", "Secret"), "own"),
        ("rows[1]", ("",), ""),
    ]


def test_a_list_of_objects_without_one_around_it_is_read_too() -> None:
    assert found([{"kind": "Secret"}]) == [("[0]", ("Secret",), "url")]


def test_lists_in_lists_without_end_are_refused() -> None:
    body: dict[str, Any] = {"kind": "Secret"}
    for _ in range(9):
        body = {"kind": "List", "items": [body]}
    with pytest.raises(Unreadable):
        found(body)


def test_items_that_hold_nothing_are_left_out() -> None:
    items = [{"metadata": {"name": f"n{number}"}, "x": "secret" if number in (0, 20, 39) else "y"} for number in range(40)]
    node = json_nodes.read(json.dumps({"kind": "ThingList", "items": items}).encode(), strict=False)
    asked: list[tuple[int, str]] = []

    def holds(data: bytes, kind: str) -> bool:
        asked.append((len(data), kind))
        return b"secret" in data

    paths = [unit.node.path for unit in units(node, "", None, holds=holds)]
    assert paths == ["", "items[0]", "items[20]", "items[39]"]
    assert len(asked) == 3 + 40 and {kind for _, kind in asked} == {"Thing"}
    event = json_nodes.read(
        json.dumps({"type": "ADDED", "object": {"kind": "Table", "rows": [{"x": 1}, {"x": "secret"}]}}).encode(), strict=False
    )
    assert [unit.node.path for unit in units(event, "", None, holds=holds)] == ["", "object", "object.rows[1]"]
