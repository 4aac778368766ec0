"""A body becomes the same plain value in JSON and in protobuf."""

from __future__ import annotations

import pytest

from l7gw.kube.body_values import plain
from l7gw.kube.objects import json_nodes, protobuf_nodes
from l7gw.kube.objects.node import Unreadable

# What kubectl sends for `create secret generic x --from-literal=password=hunter2`
SECRET = bytes.fromhex(
    "6b387300 0a0c 0a027631 1206536563726574 122a 0a11 0a0178 1200 1a00 2200 2a00 3200 3800 4200"
    "1213 0a08 70617373776f7264 1207 68756e74657232 1a00 1a00 2200"
)


def test_an_object_of_json_is_what_json_says() -> None:
    body = b'{"a":{"b":[1,2.5,"x",true,null,{}]},"c":""}'
    assert plain(json_nodes.read(body, strict=True)) == {"a": {"b": [1, 2.5, "x", True, None, {}]}, "c": ""}


def test_octets_of_protobuf_are_base64() -> None:
    found = plain(protobuf_nodes.read(SECRET, strict=True))
    assert (found["kind"], found["metadata"]["name"], found["data"]) == ("Secret", "x", {"password": "aHVudGVyMg=="})


def test_what_is_nested_too_deep_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        plain(json_nodes.read(b"{}", strict=True), depth=1000)
