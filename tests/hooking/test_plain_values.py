"""Objects as plain values before and after masking, and paths back to their nodes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.hooking.plain_values import as_it_came, at, masked, steps
from l7gw.kube.objects import json_nodes, protobuf_nodes
from l7gw.kube.objects.node import Node

MANIFEST = '{"kind":"Secret","data":{"k":"djA="}}'
OBJECT = {
    "kind": "ConfigMap",
    "apiVersion": "v1",
    "metadata": {"name": "a", "annotations": {"example.com/last": MANIFEST, 'b"\\c': "x"}},
    "data": {"a.b": "one", "c": ""},
    "list": [1, 2.5, True, None, {"x": "y"}],
}


def of(value: Any) -> Node:
    return json_nodes.read(json.dumps(value).encode(), strict=False)


def test_a_value_before_masking_is_what_came_whatever_was_edited() -> None:
    node = of(OBJECT)
    found = node.at("data", "a.b")
    assert found is not None
    found.replace("gone", shown_too=False)
    assert as_it_came(node) == OBJECT
    assert masked(node) == {**OBJECT, "data": {"a.b": "gone", "c": ""}}


def test_members_that_stand_apart_are_left_out() -> None:
    rest = {name: value for name, value in OBJECT.items() if name != "list"}
    assert as_it_came(of(OBJECT), frozenset(("list",))) == masked(of(OBJECT), frozenset(("list",))) == rest


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("data", ["data"]),
        ("data.c", ["data", "c"]),
        ('data."a.b"', ["data", "a.b"]),
        ("list[4].x", ["list", 4, "x"]),
        ('metadata.annotations."b\\"\\\\c"', ["metadata", "annotations", 'b"\\c']),
        ("[0][1]", [0, 1]),
        ('""', [""]),
        ("", None),
        (".data", None),
        ("data.", None),
        ("data..c", None),
        ("data c", None),
        ("data[x]", None),
        ('data."c', None),
        ("data[1", None),
        ("a" * 5000, None),
    ],
)
def test_a_path_is_its_names_and_indexes(path: str, names: list[str | int] | None) -> None:
    assert steps(path) == names


def test_every_path_of_an_object_leads_back_to_its_node() -> None:
    node = of(OBJECT)

    def walk(one: Node) -> None:
        if one.path:
            names = steps(one.path)
            assert names is not None and at(node, names) is one
        for _, member in one.members():
            walk(member)
        for item in one.items():
            walk(item)

    walk(node)


def test_a_path_goes_into_json_inside_a_text() -> None:
    found = at(of(OBJECT), ["metadata", "annotations", "example.com/last", "data", "k"])
    assert found is not None and found.text() == "djA="


@pytest.mark.parametrize("names", [["no"], ["data", 0], ["list", 9], ["list", "x"], ["data", "c", "d"], ["kind", 0]])
def test_a_path_to_nothing_leads_nowhere(names: list[str | int]) -> None:
    assert at(of(OBJECT), names) is None


def test_protobuf_has_the_same_values_with_bytes_in_base64() -> None:
    meta = b"\n\x01a"
    entry = b"\n\x01k\x12\x02\xff\x00"
    secret = b"\n" + bytes((len(meta),)) + meta + b"\x12" + bytes((len(entry),)) + entry + b"\x1a\x06Opaque"
    envelope = b"\n\x0c\n\x02v1\x12\x06Secret\x12" + bytes((len(secret),)) + secret
    node = protobuf_nodes.read(b"k8s\0" + envelope, strict=False)
    expected = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "/wA="}, "type": "Opaque"}
    assert as_it_came(node) == masked(node) == expected
    for path, new in (("data", "k"), ("metadata", "name")):
        found = node.at(path, new)
        assert found is not None
        (found.replace_octets(b"\xfe") if path == "data" else found.replace("b"))
    assert as_it_came(node) == expected
    assert masked(node) == {**expected, "metadata": {"name": "b"}, "data": {"k": "/g=="}}
