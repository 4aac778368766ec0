"""Which texts of an object are looked into."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.kube.objects import json_nodes
from l7gw.masking.objects.machine_fields import is_machine, texts


def looked_into(body: Any, apart: frozenset[str] = frozenset()) -> list[str]:
    return [text.node.path for text in texts(json_nodes.read(json.dumps(body).encode(), strict=False), apart)]


def test_names_versions_and_references_are_a_machines() -> None:
    body = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "a", "uid": "b", "resourceVersion": "1", "labels": {"name": "c"}, "managedFields": [{"manager": "d"}]},
        "spec": {"nodeName": "e", "containers": [{"name": "f", "image": "g", "args": ["h"], "env": [{"name": "i", "value": "j"}]}]},
        "status": {"message": "k", "containerStatuses": [{"imageID": "l"}]},
    }
    assert looked_into(body) == [
        "metadata.labels.name",
        "spec.containers[0].args[0]",
        "spec.containers[0].env[0].value",
        "status.message",
    ]


def test_an_object_where_kubernetes_has_a_word_is_looked_into() -> None:
    assert looked_into({"spec": {"image": {"url": "a", "name": "b"}, "reason": ["c"], "fieldRef": {"x": "d"}}}) == [
        "spec.image.url",
        "spec.reason[0]",
    ]


def test_the_keys_of_users_may_be_called_as_a_machines_field() -> None:
    assert looked_into({"data": {"name": "a", "uid": "b"}, "binaryData": {"kind": "YQ=="}}) == [
        "data.name",
        "data.uid",
        "binaryData.kind",
    ]


def test_fields_of_bytes_are_told_from_texts() -> None:
    node = json_nodes.read(b'{"binaryData":{"a":"YQ=="},"data":{"a":"b"}}', strict=False)
    assert [(text.node.path, text.encoded) for text in texts(node)] == [("binaryData.a", True), ("data.a", False)]


def test_json_inside_a_text_is_walked_through() -> None:
    manifest = json.dumps({"kind": "Pod", "metadata": {"name": "a"}, "spec": {"hostname": "b", "args": ["c"]}})
    settings = json.dumps({"name": "a", "users": [{"name": "b"}]})
    found = looked_into({"data": {"m": manifest, "s": settings}})
    assert found == ["data.m.spec.args[0]", "data.s.name", "data.s.users[0].name"]


def test_an_edited_text_and_what_stands_apart_are_left_out() -> None:
    node = json_nodes.read(b'{"a":"b","items":["c"],"d":"e"}', strict=False)
    member = node.member("a")
    assert member is not None
    member.replace("x")
    assert [text.node.path for text in texts(node, frozenset(("items",)))] == ["d"]


@pytest.mark.parametrize(
    ("names", "machines"),
    [
        (["kind"], True),
        (["metadata", "name"], True),
        (["metadata", "ownerReferences", 0, "uid"], True),
        (["spec", "containers", 0, "image"], True),
        (["spec", "containers", 0, "env", 0, "value"], False),
        (["data", "name"], False),
        (["metadata", "annotations", "kind"], False),
        ([0], False),
    ],
)
def test_a_value_is_a_machines_by_the_names_that_lead_to_it(names: list[str | int], machines: bool) -> None:
    assert is_machine(names) == machines


def test_what_holds_nothing_of_interest_is_not_read() -> None:
    node = json_nodes.read(b'{"a":{"b":"x"},"c":{"d":"y"},"e":"z"}', strict=False)
    asked: list[bytes] = []

    def holds(data: bytes) -> bool:
        asked.append(data)
        return b"y" in data

    assert [text.node.path for text in texts(node, holds=holds)] == ["c.d", "e"]
    assert asked == [b'{"b":"x"}', b'{"d":"y"}']


def test_a_name_that_says_something_of_a_text_goes_with_it() -> None:
    node = json_nodes.read(b'{"spec":{"pin":"a","l":["b"]},"data":{"pin":"c","j":"{\\"pin\\":\\"d\\"}"}}', strict=False)
    assert [(text.node.text(), text.name) for text in texts(node)] == [("a", "pin"), ("b", "l"), ("c", ""), ("d", "pin")]
