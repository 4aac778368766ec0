"""Long documents are cut into the objects that they list, wherever their bytes are split, and in flat memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.recording.json_documents import Documents

OBJECTS: list[dict[str, Any]] = [
    {"a": 1, "b": {"c": [{"d": '}]"\\'}, []]}},
    {"message": json.dumps({"text": 'x\\"}{', "list": [1, {"e": 2}]})},
    {},
    {"events": 1, "items": {"events": []}},
]
SHAPES = {
    "a list": json.dumps(OBJECTS),
    "a list, written for people": json.dumps(OBJECTS, indent=4),
    "CloudWatch's answer": json.dumps({"searchedLogStreams": [{"x": {}}], "events": OBJECTS}),
    "CloudWatch's answer, written for people": json.dumps({"events": OBJECTS, "nextToken": "[{"}, indent=4),
    "an EventList": json.dumps({"kind": "EventList", "metadata": {"a": {"b": []}}, "items": OBJECTS}),
    "a subscription's parts": "".join(json.dumps({"logGroup": "g", "logEvents": OBJECTS[at : at + 2]}) for at in (0, 2)),
    "objects in a row": "\n".join(json.dumps(one, indent=1) for one in OBJECTS),
}


def _cut(data: bytes, size: int, **limits: int) -> tuple[list[Any], Documents]:
    documents = Documents(**limits)
    found = list(documents.objects(data[at : at + size] for at in range(0, len(data), size)))
    return [json.loads(one) for one in found], documents


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_each_listed_object_is_given_once_and_whole(shape: str, size: int) -> None:
    found, documents = _cut(SHAPES[shape].encode(), size)
    kept = [one for one in found if one in OBJECTS]
    assert kept == OBJECTS and documents.lost == 0


@pytest.mark.parametrize("end", [-1, -2, -30, 60])
def test_a_document_that_ends_in_the_middle_is_counted_and_what_came_before_is_given(end: int) -> None:
    found, documents = _cut(json.dumps(OBJECTS).encode()[:end], 5)
    assert documents.lost == 1 and found == OBJECTS[: len(found)] and found


def test_a_bracket_that_closes_another_kind_is_counted_and_the_next_document_is_read() -> None:
    found, documents = _cut(b'[{"a": 1}, {"b": ]} {"c": 3}', 4)
    assert found[0] == {"a": 1} and {"c": 3} in found and documents.lost >= 1


@pytest.mark.parametrize("filler", [b'"%s"', b"[%s]"])
def test_an_object_that_is_too_large_is_counted_its_neighbours_are_given_and_it_is_not_kept(
    filler: bytes,
) -> None:
    inside = b'x}]\\"{[' * 1000 if b'"' in filler else b",".join([b'{"a": 1}'] * 600)
    data = b'[{"a": 1}, {"b": ' + filler % inside + b'}, {"c": 3}]'
    found, documents = _cut(data, 100, largest=1000)
    assert found == [{"a": 1}, {"c": 3}] and documents.lost == 1
