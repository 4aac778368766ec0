"""Two fields are the same by name, by merge key, or by index among equal neighbours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.kube.objects import json_nodes
from l7gw.kube.objects.node import Node
from l7gw.masking.coming_back.same_field import MERGE_KEYS, Field, Items, locate, merge_key
from l7gw.masking.placeholder_search import Room
from l7gw.masking.sent.sent_body import leaf_holds

HIDDEN = "l7gw-masked-secret-data-0123abcd"


def node(value: Any) -> Node:
    return json_nodes.read(json.dumps(value).encode(), strict=True)


def found(name: str, sent: list[Any], stored: list[Any], masked: list[Any]) -> list[Any]:
    """For each sent item the index of the stored item that it is, or None."""
    field = Field(stored=node(stored), masked=node(masked))
    items = Items(name, node(sent).items(), field, lambda one: leaf_holds(one, Room()))
    places = [items.of(index) for index in range(len(sent))]
    return [place.steps[-1] if place is not None else None for place in places]


def test_items_with_a_merge_key_are_found_wherever_they_stand() -> None:
    stored = [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    sent = [{"name": "b", "value": HIDDEN}, {"name": "new"}, {"name": "a", "value": "changed"}]
    assert found("env", sent, stored, stored) == [1, None, 0]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([{"user": "a", "pass": HIDDEN}, {"user": "b", "pass": HIDDEN}], [0, 1]),
        ([{"user": "b", "pass": HIDDEN}, {"user": "a", "pass": HIDDEN}], [None, None]),
        ([{"user": "a", "pass": HIDDEN, "more": ""}], [0]),  # empty and absent are alike: protobuf cannot tell them apart
        ([{"user": "a", "pass": HIDDEN, "more": "x"}], [None]),
        ([{"pass": HIDDEN}], [None]),
    ],
)
def test_items_without_one_are_found_by_index_among_equal_scalars(sent: list[Any], expected: list[Any]) -> None:
    stored = [{"user": "a", "pass": "1"}, {"user": "b", "pass": "2"}]
    masked = [{"user": "a", "pass": HIDDEN}, {"user": "b", "pass": HIDDEN}]
    assert found("users", sent, stored, masked) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(["a", HIDDEN], [0, 1]), (["b", HIDDEN], [0, None]), (["a", HIDDEN, "c"], [None, None, None]), ([HIDDEN], [None])],
)
def test_a_scalar_is_the_same_among_the_same_scalars(sent: list[Any], expected: list[Any]) -> None:
    assert found("args", sent, ["a", "secret"], ["a", HIDDEN]) == expected


def test_a_port_is_told_by_the_key_that_it_has() -> None:
    assert merge_key("ports", node({"containerPort": 80})) == ("containerPort", 80)
    assert merge_key("ports", node({"port": 80})) == ("port", 80)
    assert merge_key("users", node({"name": "a"})) is None
    assert merge_key("env", node({"value": "a"})) is None
    assert all(MERGE_KEYS.values())


def test_a_secrets_string_data_leads_to_its_data() -> None:
    secret = node({"kind": "Secret", "data": {"a": "MQ=="}})
    field = Field(stored=secret, masked=secret, secret=True)
    (data,) = field.member("stringData")
    (value,) = data.member("a")
    assert value.steps == ("data", "a")
    assert value.encoded
    assert not Field(stored=secret, masked=secret).member("stringData")


def test_steps_lead_into_lists_and_documents() -> None:
    value = node({"a": [{"b": '{"c": ["x", "y"]}'}]})
    assert locate(value, ("a", 0, "b", None, "c", 1)).text() == "y"  # type: ignore[union-attr]
    assert locate(value, ("a", 1, "b")) is None
    assert locate(value, ("a", 0, "none", None)) is None
