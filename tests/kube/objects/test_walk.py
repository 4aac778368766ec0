"""Walks through every text of an object."""

from __future__ import annotations

import json

import pytest

from l7gw.kube.objects.json_nodes import read
from l7gw.kube.objects.node import Unreadable
from l7gw.kube.objects.walk import leaves, strings

POD = {
    "kind": "Pod",
    "metadata": {"name": "a", "annotations": {"applied": '{"kind":"Pod","args":["x",1]}'}},
    "spec": {"containers": [{"args": ["b", "c", 1, None, True]}, {"name": "d"}], "empty": {}, "none": []},
}


def _texts(**options: object) -> list[str]:
    return [text for text, _ in strings(read(json.dumps(POD).encode(), strict=True), **options)]  # type: ignore[arg-type]


def test_every_text_is_given_in_its_order() -> None:
    assert _texts() == ["Pod", "a", '{"kind":"Pod","args":["x",1]}', "b", "c", "d"]


def test_json_within_a_text_is_walked_through_where_asked_for() -> None:
    assert _texts(documents=True) == ["Pod", "a", "Pod", "x", "b", "c", "d"]


def test_members_that_are_not_entered_are_left_out() -> None:
    assert _texts(enters=lambda name, _: name != "metadata") == ["Pod", "b", "c", "d"]


def test_an_edited_text_is_not_given_again() -> None:
    pod = read(json.dumps(POD).encode(), strict=True)
    for text, node in strings(pod, documents=True):
        node.replace(text.upper())
    assert not list(leaves(pod, documents=True)) and not list(leaves(pod))
    written = json.loads(pod.render("recorded"))
    assert written["metadata"]["annotations"]["applied"] == '{"kind":"POD","args":["X",1]}'


def test_a_walk_ends_where_nesting_is_too_deep() -> None:
    with pytest.raises(Unreadable):
        list(strings(read(b"[" * 500 + b"]" * 500, strict=False)))
