"""Objects in JSON: what is read, what an edit changes, what stays as it came."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.kube.objects.json_nodes import JsonNode, read
from l7gw.kube.objects.node import DEEPEST, Node, Unreadable

SECRET = b"""{
  "kind": "Secret", "apiVersion":"v1",
  "metadata" : {"name":"db", "labels":{}, "annotations": {"kubectl.kubernetes.io/last-applied-configuration":
    "{\\"data\\":{\\"password\\": \\"aHVudGVyMg==\\" }, \\"kind\\":\\"Secret\\"}\\n"}},
  "data": { "password": "aHVudGVyMg==", "user" : "YWRtaW4=" , "none":null },
  "numbers": [1, -0, 1.50, 1e5, true, false, null, "x"]
}
"""
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def _secret(*, strict: bool = False) -> JsonNode:
    return read(SECRET, strict=strict)


def _at(node: Node, *names: str) -> Node:
    found = node.at(*names)
    assert found is not None
    return found


@pytest.mark.parametrize("strict", [True, False])
def test_values_are_read_with_their_shape_and_place(strict: bool) -> None:
    secret = _secret(strict=strict)
    assert secret.shape == "object" and secret.path == ""
    assert _at(secret, "kind").text() == "Secret"
    assert _at(secret, "data", "password").octets() == b"hunter2"
    assert _at(secret, "metadata", "annotations", APPLIED).path == f'metadata.annotations."{APPLIED}"'
    numbers = _at(secret, "numbers").items()
    assert [each.shape for each in numbers] == ["number"] * 4 + ["boolean"] * 2 + ["null", "text"]
    assert [each.scalar() for each in numbers] == [1, 0, 1.5, 1e5, True, False, None, "x"]
    assert numbers[2].path == "numbers[2]"
    assert [name for name, _ in secret.members()] == ["kind", "apiVersion", "metadata", "data", "numbers"]


def test_what_is_not_there_is_none_or_empty() -> None:
    secret = _secret()
    assert secret.member("stringData") is None and secret.at("metadata", "uid", "x") is None
    assert secret.items() == () and _at(secret, "kind").members() == () and _at(secret, "kind").member("x") is None
    assert _at(secret, "data", "none").octets() is None and _at(secret, "data", "none").text() is None
    assert _at(secret, "numbers").scalar() is None


@pytest.mark.parametrize("view", ["recorded", "shown"])
def test_an_object_that_was_read_but_not_edited_is_the_bytes_that_came(view: Any) -> None:
    secret = _secret()
    for _ in _leaves(secret):
        pass
    assert not secret.edited
    assert secret.render(view) == SECRET


def _leaves(node: Node) -> list[Node]:
    inside = [each for _, each in node.members()] + list(node.items())
    return [leaf for each in inside for leaf in _leaves(each)] or [node]


def test_an_edit_changes_the_value_alone() -> None:
    secret = _secret()
    _at(secret, "data", "password").replace("masked")
    assert secret.edited and _at(secret, "data").edited and not _at(secret, "data", "user").edited
    assert secret.render("recorded") == SECRET.replace(b': "aHVudGVyMg==", "user"', b': "masked", "user"')
    assert secret.render("shown") == secret.render("recorded")
    assert _at(secret, "data", "password").text() == "aHVudGVyMg==", "reading gives what came"


def test_an_edit_that_the_caller_does_not_see_is_in_the_recorded_view_alone() -> None:
    secret = _secret()
    _at(secret, "data", "password").replace_octets(b"masked", shown_too=False)
    _at(secret, "data", "user").replace_octets(b"nobody")
    recorded, shown = (json.loads(secret.render(view))["data"] for view in ("recorded", "shown"))
    assert recorded == {"password": _base64(b"masked"), "user": _base64(b"nobody"), "none": None}
    assert shown == {"password": _base64(b"hunter2"), "user": _base64(b"nobody"), "none": None}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_later_edit_stands_over_an_earlier_one() -> None:
    secret = _secret()
    password = _at(secret, "data", "password")
    password.replace("one", shown_too=False)
    password.replace("two")
    password.replace("three", shown_too=False)
    assert json.loads(secret.render("recorded"))["data"]["password"] == "three"
    assert json.loads(secret.render("shown"))["data"]["password"] == "two"


def test_json_within_a_text_is_edited_in_place_and_stays_a_text() -> None:
    secret = _secret()
    applied = _at(secret, "metadata", "annotations", APPLIED)
    document = applied.document()
    assert document is not None and document is applied.document()
    value = _at(document, "data", "password")
    assert value.path == f'metadata.annotations."{APPLIED}".data.password'
    value.replace("bWFza2Vk", shown_too=False)
    recorded = json.loads(secret.render("recorded"))["metadata"]["annotations"][APPLIED]
    assert recorded == '{"data":{"password": "bWFza2Vk" }, "kind":"Secret"}\n'
    assert secret.render("shown") == SECRET
    assert applied.edited


def test_a_text_without_json_has_no_document() -> None:
    texts = [
        "",
        "plain",
        "{",
        "[1",
        "1",
        '"x"',
        "null",
        '{"a":1,"a":2}',
        "{} x",
        '{"a":"\\ud800"}',
        "[" * 99 + "]" * 99,
        "[" * 9999,
    ]
    node = read(json.dumps(texts).encode(), strict=True)
    assert [item.document() for item in node.items()] == [None] * len(texts)
    assert read(json.dumps(["[" * 98 + "]" * 98]).encode(), strict=True).items()[0].document() is not None


@pytest.mark.parametrize(
    ("text", "removed", "left"),
    [
        ('{"a":1}', ["a"], "{}"),
        ('{ "a":1 , "b":2}', ["a"], '{ "b":2}'),
        ('{ "a":1 , "b":2}', ["b"], '{ "a":1}'),
        ('{"a":1,"b":2, "c":3 }', ["b"], '{"a":1, "c":3 }'),
        ('{"a":1,"b":2, "c":3 }', ["a", "b"], '{"c":3 }'),
        ('{"a":1,"b":2, "c":3 }', ["b", "c"], '{"a":1 }'),
        ('{"a":1,"b":2, "c":3 }', ["a", "c"], '{"b":2 }'),
        ('{"a":1,"b":2, "c":3 }', ["c", "b", "a"], "{ }"),
    ],
)
def test_a_removed_member_takes_one_comma_with_it(text: str, removed: list[str], left: str) -> None:
    node = read(text.encode(), strict=True)
    for name in removed:
        _at(node, name).remove()
    assert node.render("recorded") == node.render("shown") == left.encode()


def test_a_whole_object_cannot_be_removed_and_an_item_can() -> None:
    node = read(b'[{"a":1},2]', strict=True)
    with pytest.raises(ValueError):
        node.remove()
    node.items()[0].remove()
    assert node.edited and node.render("shown") == b"[2]"


@pytest.mark.parametrize(
    ("data", "octets"),
    [
        ("", b""),
        ("aHVu\ndGVy\r\nMg==", b"hunter2"),
        ("aHVudGVyMg", None),
        ("aHVudGVyMg=", None),
        ("aHVudGVyMg===", None),
        ("aHVu dGVy", None),
        ("aHVu-_==", None),
        ("\u00fcHVu", None),
        ("=", None),
    ],
)
def test_octets_are_read_as_gos_base64_reads_them(data: str, octets: bytes | None) -> None:
    assert read(json.dumps([data]).encode(), strict=True).items()[0].octets() == octets


NO_OBJECT = [
    b"",
    b" ",
    b"1",
    b'"{}"',
    b"null",
    b"x",
    b"{",
    b"[1",
    b"{}{}",
    b"{} x",
    b"\xef\xbb\xbf{}",
    b'{"a":}',
    b'{"a":"\n"}',
    b"{'a':1}",
]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("data", [*NO_OBJECT, b'{"a":1,"a":2}', b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000])
def test_what_is_no_object_is_unreadable_at_once(data: bytes, strict: bool) -> None:
    with pytest.raises(Unreadable):
        read(data, strict=strict)


DEEP_IN = [b'{"a":[{"b":1,"b":2}]}', b'{"a":"\xff"}', b'{"a":1e999}', b'{"a":-1e999}', b'{"\xff":1}', b'{"a":' + b"9" * 5000 + b"}"]


@pytest.mark.parametrize("data", [*DEEP_IN, b'{"a:b":1,"x":[{"a:b":1,"a\\u003ab":2}]}'])
def test_what_is_wrong_deep_inside_is_unreadable_in_a_request_at_once_and_in_an_answer_when_it_is_reached(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read(data, strict=True)
    with pytest.raises(Unreadable):
        for leaf in _leaves(read(data, strict=False)):
            leaf.scalar()


@pytest.mark.parametrize(
    "data", [b'{"a":NaN}', b'{"a":Infinity}', b'{"a":"\\ud800"}', b'{"a":"\\udc00\\ud800"}', b'{"a":01}', b'{"\\ud800":1}']
)
def test_no_number_and_half_a_surrogate_pair_are_unreadable(data: bytes) -> None:
    for strict in (True, False):
        with pytest.raises(Unreadable):
            read(data, strict=strict)


def test_an_integer_that_no_float_holds_is_unreadable_in_a_request() -> None:
    assert read(b'{"a":1' + b"0" * 308 + b"}", strict=True)
    with pytest.raises(Unreadable):
        read(b'{"a":1' + b"0" * 309 + b"}", strict=True)


def test_a_colon_in_a_name_is_no_second_member() -> None:
    for text in (b'{"f:a":{"f:b":1},"c":"d:e"}', b'{"f\\u003aa":{"f\\u003Ab":"\\u003a"},"c":"d:e"}'):
        for strict in (True, False):
            node = read(text, strict=strict)
            assert _at(node, "f:a", "f:b") is not None


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("start, end", [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_deepest_level_is_read_and_one_more_is_not(start: bytes, end: bytes, strict: bool) -> None:
    def deepest(levels: int) -> list[Node]:
        return _leaves(read(start * levels + b"1" + end * levels, strict=strict))

    (leaf,) = deepest(DEEPEST)
    leaf.replace("x")
    with pytest.raises(Unreadable, match=f"it is nested deeper than {DEEPEST} levels"):
        deepest(DEEPEST + 1)


def test_an_edit_at_the_deepest_level_is_rendered() -> None:
    node = read(b'{"a":[' * (DEEPEST // 2) + b'"x"' + b"]}" * (DEEPEST // 2), strict=True)
    (leaf,) = _leaves(node)
    leaf.replace("y")
    assert node.render("shown") == b'{"a":[' * (DEEPEST // 2) + b'"y"' + b"]}" * (DEEPEST // 2)


def test_words_of_a_fault_quote_nothing() -> None:
    for data in (b'{"hunter2":1,"hunter2":2}', b'{"hunter2', b'{"a":"hunter2\xff"}', b'{"a":hunter2}'):
        for strict in (True, False):
            with pytest.raises(Unreadable) as fault:
                [leaf.scalar() for leaf in _leaves(read(data, strict=strict))]
            assert "hunter2" not in str(fault.value) and fault.value.__cause__ is None


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
_bodies = st.lists(_values, max_size=4) | st.dictionaries(st.text(max_size=4), _values, max_size=4)


@given(_bodies, st.sampled_from([None, 1]), st.booleans(), st.data())
def test_an_edited_body_means_what_the_edited_value_means(body: Any, indent: int | None, plain: bool, data: st.DataObject) -> None:
    """One leaf after the other is replaced, or its whole branch removed; `json` does the same to its own reading."""
    text = json.dumps(body, indent=indent, ensure_ascii=plain).encode()
    node: Node = read(text, strict=data.draw(st.booleans()))
    twin = json.loads(text)
    for _ in range(data.draw(st.integers(0, 3))):
        here: Node = node
        there, places = twin, list(_places(twin))
        if not places:
            break
        place = data.draw(st.sampled_from(places))
        for step in place[:-1]:
            here, there = _inner(here, step), there[step]
        found = _inner(here, place[-1])
        if isinstance(place[-1], str) and data.draw(st.booleans()):
            found.remove()
            del there[place[-1]]
        else:
            there[place[-1]] = new = data.draw(st.text())
            found.replace(new)
    assert json.loads(node.render("recorded")) == json.loads(node.render("shown")) == twin
    if not node.edited:
        assert node.render("shown") == text


def _places(value: Any) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in inside for place in [(key,), *((key, *rest) for rest in _places(each))]]


def _inner(node: Node, step: str | int) -> Node:
    found = node.member(step) if isinstance(step, str) else node.items()[step]
    assert found is not None
    return found


@given(st.binary(max_size=40) | st.text(alphabet='[]{}:,"\\ua0dc1 ', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_unreadable_and_python_agrees_with_what_is_read(data: bytes) -> None:
    try:
        node = read(data, strict=True)
    except Unreadable:
        return
    assert node.render("shown") == data
    json.loads(data)
