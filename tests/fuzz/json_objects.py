"""JSON is read as Python's own reader reads it, or refused; an edited object means what the edited value means; a body that is split
anywhere has the items and events of the whole. The bytes of the input choose the edits, too."""

from __future__ import annotations

import json
import math
import random
from typing import Any

from l7gw.kube.objects.json_nodes import JsonNode, read
from l7gw.kube.objects.json_splits import ListSplitter, WatchSplitter
from l7gw.kube.objects.node import DEEPEST, Node, Unreadable
from l7gw.kube.objects.parts import Splitter
from l7gw.kube.objects.walk import strings

WORDS = [
    b'{"kind":"PodList","items":[',
    b'{"a":1},{"a":',
    b'"items":[',
    b'"rows":[',
    b'"kind":"Table",',
    b'"apiVersion":"v1",',
    b'"data":{"password":"aHVudGVyMg=="}',
    b'\n}\n{\n "',
    b'{"type":"ADDED","object":{}}\n',
    b'"{\\"a\\":[1]}"',
    b"]}",
    b"]}}\n",
    b"\\u003a",
    b"\\u003A\\",
    b"9" * 309,
    b"\\ud83d\\ude00",
    b"\\ud800",
    b'\\"',
    b"\\\\",
    b"null",
    b"1e999",
    b"-0.5E+3",
    b"\xc3\xa9",
    b"[" * 60,
    b"]" * 60,
]
RUNS = 1500


def one(data: bytes) -> None:
    """Reads, edits and splits the input, and compares with `json`."""
    twin = _twin(data)
    try:
        node = read(data, strict=True)
    except Unreadable:
        assert not isinstance(twin, dict | list), "it was refused, and has one reading"
        _walk_anything(data)
    else:
        assert isinstance(twin, dict | list), "it was read, and has no reading or two"
        assert _value(node) == twin and _value(read(data, strict=False)) == twin
        _edit(data, node, twin)
    _split(data, is_object=isinstance(twin, dict))


class _Twice(ValueError):
    pass


def _twin(data: bytes) -> Any:
    """What Python's reader makes of it; None where it should be refused."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise _Twice
        return dict(pairs)

    def number(text: str) -> float:
        if not math.isfinite(float(text)):
            raise ValueError
        return float(text)

    def whole(text: str) -> int:
        number(text)
        return int(text)

    def constant(_: str) -> None:
        raise ValueError

    try:
        found = json.loads(data.decode(), object_pairs_hook=members, parse_float=number, parse_int=whole, parse_constant=constant)
        json.dumps(found, ensure_ascii=False).encode()  # fails for half of a surrogate pair
    except (ValueError, RecursionError):
        return None
    return found if _depth(found) <= DEEPEST else None


def _depth(value: Any) -> int:
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(_depth, inside), default=0)


def _value(node: Node) -> Any:
    if node.shape == "object":
        return {name: _value(member) for name, member in node.members()}
    return [_value(item) for item in node.items()] if node.shape == "list" else node.scalar()


def _walk_anything(data: bytes) -> None:
    """An answer with more than one reading is walked as far as it goes, and stays as it came."""
    try:
        node = read(data, strict=False)
        for text, leaf in strings(node, documents=True):
            assert isinstance(text, str)
            leaf.octets()
    except Unreadable:
        return
    assert node.render("shown") == data


def _edit(data: bytes, node: JsonNode, twin: Any) -> None:
    dice = random.Random(data)
    assert node.render("recorded") == data
    for _ in range(3):
        here: Node = node
        there = twin
        while isinstance(there, dict | list) and there:
            place: Any = dice.choice(list(there)) if isinstance(there, dict) else dice.randrange(len(there))
            inner = here.member(place) if isinstance(there, dict) else here.items()[place]
            assert inner is not None
            if not isinstance(there[place], dict | list) or not there[place] or dice.random() < 0.3:
                if isinstance(there, dict) and dice.random() < 0.4:
                    inner.remove()
                    del there[place]
                else:
                    there[place] = new = dice.choice(["x", 'a"\\\n', "\u00e9\U0001f600"])
                    inner.replace(new)
                break
            here, there = inner, there[place]
    for view in ("recorded", "shown"):
        written = node.render(view)  # type: ignore[arg-type]
        assert json.loads(written) == twin
        if not node.edited:
            assert written == data


def _split(data: bytes, *, is_object: bool) -> None:
    lists = [_parts(ListSplitter(read_whole=0, step=step), data, size) for step, size in ((1, 1), (8, 5), (1, len(data) or 1))]
    watches = [_parts(WatchSplitter(), data, size) for size in (1, 5, len(data) or 1)]
    assert lists[0] == lists[1] == lists[2]
    assert watches[0] == watches[1] == watches[2]
    items, events = lists[0], watches[0]
    if is_object:
        whole = json.loads(data)
        assert events == [data.strip()]
        if items is None:  # no reader of Kubernetes takes a list whose kind is no text
            assert not isinstance(whole.get("kind", ""), str)
        elif items != [data.strip()]:
            name = "rows" if whole.get("kind") == "Table" else "items"
            assert [json.loads(item) for item in items] == whole[name]


def _parts(splitter: Splitter, data: bytes, size: int) -> list[bytes] | None:
    """The bytes of all items, events or objects; None where it is unreadable."""
    parts = []
    try:
        for at in range(0, len(data), size):
            parts += splitter.feed(data[at : at + size])
        parts += splitter.end()
    except Unreadable:
        return None
    assert b"".join(part.data for part in parts) == data
    return [part.data.strip() for part in parts if part.role != "between"]
