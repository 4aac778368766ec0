"""Lists and watches in JSON are split into the parts that they have, however their bytes arrive."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.kube.objects import json_splits
from l7gw.kube.objects.json_splits import ListSplitter, WatchSplitter
from l7gw.kube.objects.node import Unreadable
from l7gw.kube.objects.parts import LONGEST_PIECE, Part, Splitter

POD: dict[str, Any] = {
    "metadata": {"name": 'a"},{"', "labels": {}},
    "spec": {"items": [{"metadata": {}}, {"metadata": {}}], "x": "]\\"},
}
LIST: dict[str, Any] = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [POD, POD, {}, POD]}
COMPACT = (",", ":")


def _split(splitter: Splitter, data: bytes, size: int) -> list[Part]:
    parts = [part for at in range(0, len(data), size) for part in splitter.feed(data[at : at + size])]
    parts += splitter.end()
    assert b"".join(part.data for part in parts) == data
    return parts


def _items(data: bytes, size: int) -> list[Any]:
    parts = _split(ListSplitter(read_whole=0), data, size)
    items = [part for part in parts if part.role == "item"]
    assert [item.index for item in items] == list(range(len(items)))
    return [json.loads(item.data) for item in items]


def _spellings(body: dict[str, Any]) -> Iterator[bytes]:
    yield json.dumps(body, separators=COMPACT).encode()
    yield json.dumps(body).encode() + b"\n"
    yield json.dumps(body, indent=2).encode() + b"\n"
    yield json.dumps(body, indent=2).replace("\n", "\r\n").encode()
    yield json.dumps(dict(reversed(body.items())), separators=COMPACT).encode() + b"\n"


@pytest.mark.parametrize("body", list(_spellings(LIST)))
def test_a_list_is_split_into_its_items_wherever_its_bytes_part(body: bytes) -> None:
    for size in range(1, len(body) + 1):
        assert _items(body, size) == LIST["items"]


def test_items_have_the_kind_of_their_list_where_it_stands_before_them() -> None:
    def kinds(body: dict[str, Any]) -> list[tuple[str, str]]:
        return [(part.role, part.kind) for part in _split(ListSplitter(read_whole=0), json.dumps(body).encode(), 7)]

    assert kinds({"kind": "PodList", "items": [{}]}) == [("between", ""), ("item", "Pod"), ("between", "")]
    assert kinds({"items": [{}], "kind": "PodList"}) == [("between", ""), ("item", ""), ("between", "")]
    assert kinds({"apiVersion": "v1", "kind": "List", "items": [{}]}) == [("between", ""), ("item", ""), ("between", "")]
    assert kinds({"kind": "Table", "rows": [{}]}) == [("between", ""), ("item", "Table"), ("between", "")]
    assert kinds({"kind": "PodList", "items": []}) == [("between", ""), ("between", "")]


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"Pod","spec":{"items":[{},{}]}}',
        b'{"kind":"Odd","items":[{},{}]}',
        b'{"apiVersion":"v1" , "kind" : "Odd","items":[{},{}]}',
        b'{"spec":{},"kind":"Odd","items":[{},{}]}',
        b'{"kind":"PodList","rows":[{},{}]}',
        b'{"kind":"PodList","items":null}',
        b'{"kind":"PodList","a":"\\",\\"items\\":[","metadata":{}}',
        b'{"kind":"PodList"}',
        b'[{"items":[{}]}]',
        b"plain words",
        b"",
        b"{",
    ],
)
def test_what_is_no_list_is_one_object_and_its_json_is_left_to_its_reader(body: bytes) -> None:
    for size in (1, 3, 1000):
        assert _split(ListSplitter(read_whole=0), body, size) == [Part(data=body, role="object")]


def test_a_short_list_is_one_object_and_a_longer_one_is_not() -> None:
    (part,) = _split(ListSplitter(), json.dumps(LIST).encode(), 10)
    assert part.role == "object"
    item = {"x": "y" * 1000}
    longer = json.dumps({**LIST, "items": [item] * (json_splits.READ_WHOLE // 1000)}).encode()
    assert len(_split(ListSplitter(), longer, 65536)) > 2


ODD_ITEMS = [
    "[1,{},2,{}]",
    '[{},[],"a",{},null]',
    "[[{}],[[]]]",
    '[{"a":1},{"b":2},{"a":3},{"c":[{"a":1},{"a":2}]}]',
    '["]",{}]',
    "[ ]",
    "[1,2]",
]


@pytest.mark.parametrize("items", ODD_ITEMS)
def test_items_of_any_shape_and_beginning_are_found(items: str) -> None:
    for size in (1, 2, 5, 1000):
        assert _items(f'{{"items":{items},"kind":"XList"}}'.encode(), size) == json.loads(items)


@pytest.mark.parametrize(
    "body",
    [
        b'{"items":[{},{}',
        b'{"items":[{},{}]',
        b'{"items":[{},{},]}',
        b'{"items":[{},{}}}',
        b'{"items":[{}{}]}',
        b'{"items":[{}.5,{}]}',
        b'{"items":[,{}]}',
        b'{"items":[{},{"a}]}',
        b'{"items":[{},{"a":}]}',
        b'{"items":[{}],"items":[]}',
        b'{"kind":"AList","items":[{}],"kind":"BList"}',
        b'{"items":[{}]}{}',
        b'{"items":[{}],}',
        b'{"kind":1,"items":[{}]}',
        b'{"a":,"items":[{}]}',
        b'{"items":[' + b"[" * 5000 + b"]" * 5000 + b"]}",
    ],
)
def test_a_list_that_is_no_json_or_has_two_readings_is_unreadable(body: bytes) -> None:
    for size in (1, 4, 10_000):
        with pytest.raises(Unreadable):
            _split(ListSplitter(read_whole=0), body, size)


def _events(indent: int | None, end: str) -> bytes:
    events = [{"type": "ADDED", "object": POD}, {"type": "BOOKMARK", "object": {"n": "\n}\n{"}}, {"type": "DELETED", "object": {}}]
    return "".join(json.dumps(event, indent=indent) + end for event in events).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n", "", "\n\n", " "])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_watch_is_split_into_its_events_wherever_its_bytes_part(indent: int | None, end: str) -> None:
    body = _events(indent, end)
    expected = [json.loads(event.data) for event in _split(WatchSplitter(), body, len(body)) if event.role == "event"]
    assert [event["type"] for event in expected] == ["ADDED", "BOOKMARK", "DELETED"]
    for size in range(1, len(body)):
        parts = _split(WatchSplitter(), body, size)
        assert [json.loads(part.data) for part in parts if part.role == "event"] == expected
        assert [part.index for part in parts if part.role == "event"] == [0, 1, 2]


def test_an_event_is_given_with_its_last_byte_and_has_its_line_end() -> None:
    for indent in (None, 2):
        event = json.dumps({"type": "ADDED", "object": {"a": 1}}, indent=indent).encode()
        splitter = WatchSplitter()
        assert splitter.feed(event[:-1]) == []
        assert [part.data for part in splitter.feed(event[-1:] + b"\n" + event[:5])] == [event + b"\n"]
        assert [part.data for part in splitter.feed(event[5:])] == [event], "a server may write no line end"
        assert [part.data for part in splitter.feed(b"\n" + event)] == [b"\n" + event]
        assert splitter.end() == []


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"[]",
        b"1\n",
        b'{"a":1',
        b'{"a":}\n',
        b'{"a":1}}\n',
        b'{"a":1}\n{',
        b"{]\n",
        b'{"a":' * 5000 + b"}" * 5000,
        b'{"a":"\n"}\n',
    ],
)
def test_a_watch_that_is_no_json_or_ends_within_an_event_is_unreadable(body: bytes) -> None:
    for size in (1, 2, 100_000):
        with pytest.raises(Unreadable):
            _split(WatchSplitter(), body, size)


@pytest.mark.parametrize("splitter", [ListSplitter, WatchSplitter])
def test_a_piece_of_64_mib_is_held_and_one_byte_more_is_unreadable(splitter: type[Splitter]) -> None:
    held = splitter()
    head = b'{"kind":"X","a":"'
    assert held.feed(head) == []
    assert held.feed(b"x" * (LONGEST_PIECE - len(head))) == []
    with pytest.raises(Unreadable, match="more than 67108864 bytes"):
        held.feed(b"x")


BROKEN = {
    "words": (ListSplitter, b"plain words "),
    "words in an object": (ListSplitter, b'{"kind":"Pod",it is none'),
    "words between items": (ListSplitter, b'{"kind":"PodList","items":[{},it is none'),
    "words in an item": (ListSplitter, b'{"kind":"PodList","items":[{it is none'),
    "words behind a list": (ListSplitter, b'{"kind":"PodList","items":[{},{}],it is none'),
    "words behind an object": (ListSplitter, b'{"kind":"Pod"} and more'),
    "words in an event": (WatchSplitter, b'{"type":"ADDED","object":it is none'),
}


@pytest.mark.parametrize(("splitter", "beginning"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("size", [16_384, 1_000_000])
def test_what_cannot_be_json_any_more_is_held_for_a_mib_at_most(splitter: type[Splitter], beginning: bytes, size: int) -> None:
    one, held = splitter(), 0
    with pytest.raises(Unreadable, match="it is no JSON"):
        for data in [beginning, *[b"x" * size] * 100]:
            one.feed(data)
            held += len(data)
    assert held <= 1 << 20


@given(
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists, max_leaves=6)
)
def test_no_beginning_of_json_is_taken_for_something_else(value: Any) -> None:
    for text in (json.dumps([value], ensure_ascii=False), json.dumps({"a": value}, indent=1)):
        whole = text.encode("utf-8", "surrogatepass")
        for end in range(len(whole) + 1):
            json_splits._check_beginning(bytearray(whole[:end]))


def _pods(count: int) -> Iterator[bytes]:
    pod = json.dumps(
        {"metadata": {"name": "a", "annotations": {"x": "y" * 2000}}, "spec": {"containers": [{"env": [{}, {}]}]}},
        separators=COMPACT,
    )
    yield b'{"kind":"PodList","items":[' + pod.encode()
    for _ in range(count // 10):
        yield f",{pod}".encode() * 10
    yield b"]}"


@pytest.mark.parametrize("shorter", [50, pytest.param(1, marks=pytest.mark.long)])
def test_a_list_of_any_length_is_split_in_4_mib(shorter: int) -> None:
    splitter, items = ListSplitter(), 0
    tracemalloc.start()
    try:
        for data in _pods(100_000_000 // 2100 // shorter):
            items += sum(part.role == "item" for part in splitter.feed(data))
        items += sum(part.role == "item" for part in splitter.end())
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert items == 100_000_000 // 2100 // shorter // 10 * 10 + 1


class _Looked:
    """Counts the bytes that msgspec and the patterns look at, by Python's hook for profilers."""

    def __init__(self) -> None:
        self.bytes = 0

    def __enter__(self) -> _Looked:
        sys.setprofile(self._saw)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _saw(self, frame: FrameType, event: str, what: Any) -> None:
        if event == "c_call" and what.__name__ == "decode":
            self.bytes += len(frame.f_locals.get("text", b""))
        elif event == "return" and frame.f_code.co_name == "_end":
            self.bytes += what - frame.f_locals["at"]


HOSTILE_LISTS = {
    "seams within one item": b'{"items":[{"a":0},{"a":[' + b'{"a":0},' * 6_000 + b"0]}]}",
    "seams in texts": b'{"items":[{"a":0}' + b',{"b":"},{\\"a\\":"}' * 3_000 + b"]}",
    "items that begin otherwise": b'{"items":[{"a":0}' + b"".join(b',{"%d":[{"a":0},{"a":0}]}' % n for n in range(2_000)) + b"]}",
    "one long text": b'{"items":[{"a":"' + b"x" * 50_000 + b'"}]}',
    "many short texts": b'{"items":[{"a":1' + b',"x":"y"' * 6_000 + b"}]}",
    "many lists that are none of it": b'{"a":[' + b'{"items":[0]},' * 3_000 + b'0],"items":[{},{}]}',
    "nothing but brackets": b'{"items":[' + b"[]," * 16_000 + b"0]}",
    "a long tail": b'{"items":[{"a":0},{"a":0}],"b":[' + b'{"a":0},' * 6_000 + b"0]}",
}


@pytest.mark.parametrize("body", HOSTILE_LISTS.values(), ids=HOSTILE_LISTS.keys())
def test_no_list_has_its_bytes_looked_at_more_than_a_few_times(body: bytes) -> None:
    json.loads(body)
    for size in (500, 16_384, len(body)):
        with _Looked() as looked:
            _split(ListSplitter(read_whole=0, step=1000), body, size)
        assert 0 < looked.bytes < 12 * len(body), f"in reads of {size} bytes"


HOSTILE_WATCHES = {
    "no line ends": b'{"a":{}}' * 6_000,
    "one line": b'{"a":{}}' * 6_000 + b"\n",
    "braces at line ends within an event": b'{"a":[\n' + b'{"b":0}\n,' * 6_000 + b"0]}\n",
    "braces that begin a line": b'{\n"a":[{\n' + b"},{\n" * 6_000 + b"}]}\n",
    "one long text": b'{"a":"' + b"}" * 50_000 + b'"}\n',
    "many line ends": b"{" + b"\n" * 50_000 + b"}\n",
    "small events": b"{}\n" * 10_000,
}


@pytest.mark.parametrize("body", HOSTILE_WATCHES.values(), ids=HOSTILE_WATCHES.keys())
def test_no_watch_has_its_bytes_looked_at_more_than_a_few_times(body: bytes) -> None:
    for size in (500, 16_384, len(body)):
        with _Looked() as looked:
            _split(WatchSplitter(), body, size)
        assert len(body) <= looked.bytes < 8 * len(body), f"in reads of {size} bytes"


_values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='{}[],:"\\ a\n', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["items", "rows", "kind", "a", '"']), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(_values, max_size=6),
    st.sampled_from([None, 0, 2]),
    st.integers(1, 40),
    st.dictionaries(st.sampled_from("ab"), _values),
)
def test_any_items_are_found_at_any_size_of_reads(items: list[Any], indent: int | None, size: int, more: dict[str, Any]) -> None:
    for body in ({**more, "items": items}, {"items": items, **more}):
        assert _items(json.dumps(body, indent=indent).encode(), size) == items


@given(
    st.lists(st.dictionaries(st.text(max_size=2), _values, max_size=3), max_size=5),
    st.sampled_from([None, 0, 2]),
    st.integers(1, 40),
)
def test_any_events_are_found_at_any_size_of_reads(events: list[Any], indent: int | None, size: int) -> None:
    body = "".join(json.dumps(event, indent=indent) + "\n" for event in events).encode()
    assert [json.loads(part.data) for part in _split(WatchSplitter(), body, size) if part.role == "event"] == events
