"""Objects are masked by structure, by content and by the registry; what holds nothing stays as it came."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.kube.objects import json_nodes
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.objects.hiding import Cut
from l7gw.masking.objects.objects import ObjectMasker, in_characters
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import Obligations
from tests.support.masked import KEY, act_of, b64, mask, masker, placeholder
from tests.support.planted import KINDS, Planter, Searched

NODES = "GET /api/v1/nodes/a"
EVENTS = "GET /api/v1/namespaces/shop/events"


def test_what_looks_like_a_token_is_masked_within_its_text() -> None:
    got = mask(
        EVENTS,
        {"kind": "EventList", "items": [{"metadata": {"name": "a", "namespace": "shop"}, "message": "uses ö tok_abcd1234, fails"}]},
    )
    assert got.shown["items"][0]["message"] == f"uses ö {placeholder('test-token', 'tok_abcd1234')}, fails"
    assert got.places == {"items[0].message": "test-token"}
    assert got.finds[0].length == 12


def test_machine_fields_are_not_looked_into() -> None:
    body = {"kind": "Event", "metadata": {"name": "tok_abcd1234", "uid": "tok_abcd1234"}, "reason": "tok_abcd1234"}
    assert mask(EVENTS, body).finds == []


def test_cells_of_a_table_are_masked_in_the_namespace_of_their_row() -> None:
    row = {"cells": ["a", "tok_abcd1234", 3], "object": {"kind": "PartialObjectMetadata", "metadata": {"namespace": "bank"}}}
    got = mask("GET /api/v1/events", {"kind": "Table", "columnDefinitions": [{"name": "x"}], "rows": [row]})
    assert got.shown["rows"][0]["cells"] == ["a", placeholder("test-token", "tok_abcd1234", "bank"), 3]


def test_a_table_with_whole_secrets_is_masked() -> None:
    row = {"cells": ["db", "Opaque", 1], "object": {"kind": "Secret", "data": {"a": b64("hunter2!")}}}
    got = mask("GET /api/v1/namespaces/shop/secrets?includeObject=Object", {"kind": "Table", "rows": [row]})
    assert got.places == {"rows[0].object.data.a": "secret-data"}
    assert got.shown["rows"][0]["cells"] == row["cells"]


@pytest.mark.parametrize("word", ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"])
def test_an_event_of_a_watch_is_masked_whatever_its_type(word: str) -> None:
    body = {"type": word, "object": {"kind": "Secret", "apiVersion": "v1", "data": {"a": b64("hunter2!")}}}
    got = mask("GET /api/v1/namespaces/shop/secrets?watch=1", body)
    assert got.places == {"object.data.a": "secret-data"}


def test_tags_are_of_the_objects_own_namespace() -> None:
    items = [{"metadata": {"namespace": name}, "data": {"a": b64("hunter2!")}} for name in ("shop", "bank")]
    got = mask("GET /api/v1/secrets", {"kind": "SecretList", "items": items})
    assert got.shown["items"][0]["data"]["a"] == b64(placeholder("secret-data", "hunter2!", "shop"))
    assert got.shown["items"][1]["data"]["a"] == b64(placeholder("secret-data", "hunter2!", "bank"))


def test_an_item_that_comes_alone_is_told_by_its_place_in_the_list() -> None:
    got = mask("GET /api/v1/secrets", {"data": {"a": b64("hunter2!")}}, where_prefix="items[7]", listed="Secret")
    assert got.places == {"items[7].data.a": "secret-data"}


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Scale", "spec": {"replicas": 3}},
        {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"resource": "secrets"}}},
        {"kind": "DeleteOptions", "preconditions": {"uid": "x"}},
        {"kind": "Status", "status": "Success"},
        {"kind": "ServiceAccount", "secrets": [{"name": "ci-token"}]},
        {"kind": "CertificateSigningRequest", "spec": {"request": b64("-----BEGIN CERTIFICATE REQUEST-----")}},
    ],
)
def test_kinds_that_hold_nothing_stay_byte_for_byte(body: dict[str, Any]) -> None:
    data = json.dumps(body, indent=2).encode()
    got = mask(NODES, data)
    assert got.bytes_shown == got.bytes_recorded == data


def test_binary_data_is_looked_into_as_what_it_stands_for() -> None:
    got = mask("GET /api/v1/namespaces/shop/configmaps/x", {"kind": "ConfigMap", "binaryData": {"a": b64(b"\xff tok_abcd1234")}})
    assert got.shown["binaryData"]["a"] == b64(b"\xff " + placeholder("test-token", "tok_abcd1234").encode())


def test_a_find_of_content_may_be_revealed() -> None:
    body = {"kind": "Event", "message": "tok_abcd1234"}
    got = mask(EVENTS, body, Obligations(reveal=frozenset(("test-token",))))
    assert got.shown == body
    assert got.recorded["message"] == placeholder("test-token", "tok_abcd1234")


def test_content_written_in_escapes_is_noticed() -> None:
    got = mask(NODES, b'{"kind":"Node","status":{"message":"\\u0074ok_abcd1234"}}')
    assert got.places == {"status.message": "test-token"}


def test_content_in_json_inside_a_text_leaves_it_json() -> None:
    text = json.dumps({"a": 'say "tok_abcd1234"'})
    got = mask(NODES, {"kind": "Node", "metadata": {"annotations": {"x": text}}})
    assert json.loads(got.shown["metadata"]["annotations"]["x"]) == {"a": f'say "{placeholder("test-token", "tok_abcd1234", "")}"'}


@pytest.mark.parametrize(
    ("line", "data", "needs"),
    [
        (NODES, b'{"kind":"Node","apiVersion":"v1"}', False),
        (NODES, b'{"kind":"Node","x":"a \\u003c b \\u0026"}', False),
        (NODES, b'{"kind":"Node","x":"\\u0074ok"}', True),
        (NODES, b'{"kind":"Node","x":"tok_abcd1234"}', True),
        (NODES, b'{"kind": "SecretList"}', True),
        (NODES, b'{"type":"ADDED","object":{"kind":"Secret"}}', True),
        ("GET /api/v1/pods", b'{"kind":"Pod","spec":{"containers":[{"env":[{"name":"A_TOKEN","value":"x"}]}]}}', True),
        ("GET /api/v1/pods", b'{"kind":"Pod","spec":{"containers":[{"env":[{"name":"LOG","value":"x"}]}]}}', False),
        ("GET /api/v1/pods", b'{"kind":"Pod","spec":{"containers":[{"env":[{"name":"A_TOKEN","valueFrom":{}}]}]}}', False),
        ("GET /apis/example.com/v1/things", b'{"kind":"Thing","spec":{"env":[]}}', True),
        (NODES, b'{"kind":"Node","metadata":{"annotations":{"x":"kind: Config\\nusers: []"}}}', True),
        (NODES, b"k8s\0\n\x0c\n\x02v1\x12\x06Secret\x12", True),
        (NODES, b"k8s\0\n\x0a\n\x02v1\x12\x04Node\x12", False),
        (NODES, b'{"kind":"Table","rows":[{"object":{"kind":"PartialObjectMetadata"}}]}', False),
        (NODES, b'{"kind":"Table","rows":[{"object":{"kind":"Secret"}}]}', True),
        ("GET /api/v1/secrets", b"{}", True),
        (NODES, b'{"kind":"Node"}' * 1000 + b'{"kind":"ConfigMap"}', True),
        (NODES, b'{"kind":"Node"}' * 1000, False),
    ],
)
def test_only_what_may_hold_something_is_read(line: str, data: bytes, needs: bool) -> None:
    assert masker(line).needs_reading(data) is needs


class Values:
    """A registry of one value, which says what it was asked."""

    def __init__(self, value: bytes = b"hunter2!") -> None:
        self.value = value
        self.registered: list[tuple[str, str, bytes, str]] = []
        self.senders: set[str] = set()

    def namespaces(self, cluster: str) -> tuple[str, ...]:
        return ("shop", *map(str, range(9)))  # so many that the body is asked which of them it has

    def may_hold(self, data: bytes, cluster: str, *namespaces: str) -> bool:
        return "shop" in namespaces and self.value in data

    def scan(self, data: bytes, cluster: str, *namespaces: str, sender: str = "") -> list[Any]:
        self.senders.add(sender)
        at = data.find(self.value) if "shop" in namespaces else -1

        class Recognised:
            start, end, tag = at, at + len(self.value), "0a1b2c3d"

        return [] if at < 0 else [Recognised]

    def register(self, cluster: str, namespace: str, value: bytes, *, principal: str = "") -> None:
        self.registered.append((cluster, namespace, value, principal))


def test_registered_values_are_masked_with_their_own_tag() -> None:
    got = mask(
        "GET /api/v1/events",
        {"kind": "EventList", "items": [{"metadata": {"namespace": "shop"}, "message": "is hunter2! ok"}]},
        registry=Values(),
    )
    assert got.shown["items"][0]["message"] == "is l7gw-masked-registry-0a1b2c3d ok"
    assert got.places == {"items[0].message": "registry"}


def test_registered_values_are_looked_for_in_the_namespaces_of_objects_in_protobuf() -> None:
    uid = b"0c2b1a58-73f2-4d1e-9c07-0123456789ab"
    metadata = (
        b"\x0a\x01x\x12\x00\x1a\x04shop\x22\x00\x2a\x24" + uid
    )  # as Go writes it: name, generateName, namespace, selfLink, uid
    event = b"\x0a" + bytes((len(metadata),)) + metadata + b"\x22\x08hunter2!"
    masks = masker("GET /api/v1/events", registry=Values())
    assert masks.needs_reading(b"\x12" + bytes((len(event),)) + event, "Event")
    assert not masks.needs_reading(event.replace(b"shop", b"bank"), "Event")


def test_values_of_secrets_are_registered_for_their_namespace() -> None:
    values = Values()
    mask(
        "GET /api/v1/secrets/x",
        {"kind": "Secret", "metadata": {"namespace": "shop"}, "data": {"a": b64("one")}, "stringData": {"b": "two"}},
        registry=values,
    )
    assert values.registered == [("test", "shop", b"one", ""), ("test", "shop", b"two", "")]


def test_what_a_caller_sends_is_registered_as_theirs_and_scanned_for_fixed_shapes() -> None:
    values = Values()
    body = {"kind": "Event", "message": "password=hunter3 tok_abcd1234", "stringData": {"a": "b"}}
    got = mask("POST /api/v1/namespaces/shop/events", body, registry=values, sender="ann")
    assert got.recorded["message"] == f"password=hunter3 {placeholder('test-token', 'tok_abcd1234')}"
    assert values.senders == {"ann"}
    mask("POST /api/v1/namespaces/shop/secrets", {"stringData": {"a": "b"}}, registry=values, sender="ann")
    assert values.registered == [("test", "shop", b"b", "ann")]


def test_the_name_of_a_member_counts_as_it_would_in_a_log() -> None:
    text = json.dumps({"users": [{"name": "a", "x": "password=hunter2!"}]})
    got = mask("GET /api/v1/namespaces/shop/configmaps/x", {"kind": "ConfigMap", "data": {"settings": text}})
    assert json.loads(got.shown["data"]["settings"])["users"][0]["x"] == f"password={placeholder('password', 'hunter2!')}"
    scanner = Scanners(BUILT_IN).default
    settings = json.dumps({"db": {"password": "hunter2-hunter2", "user": "ann"}})
    body = {"kind": "ConfigMap", "data": {"settings": settings}, "spec": {"password": "hunter3-hunter3"}}
    node = json_nodes.read(json.dumps(body).encode(), strict=False)
    masks = ObjectMasker(key=KEY, cluster="test", act=act_of(NODES), obligations=Obligations(), scanner=scanner)
    masks.mask(node)
    shown = json.loads(node.render("shown"))
    assert json.loads(shown["data"]["settings"])["db"] == {
        "password": placeholder("password", "hunter2-hunter2", ""),
        "user": "ann",
    }
    assert shown["spec"]["password"] == placeholder("password", "hunter3-hunter3", "")


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="="), max_size=12).filter(lambda text: "tok_" not in text)
NAMES = st.sampled_from(
    ["spec", "status", "a", "items", "object", "data", "env", "name", "value", "metadata", "annotations", "x\ny", ""]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.sampled_from(["GET /api/v1/pods", NODES, EVENTS]),
)
def test_an_object_without_a_secret_stays_byte_for_byte(
    body: dict[str, Any], indent: int | None, ascii_only: bool, line: str
) -> None:
    data = json.dumps(body, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    got = mask(line, data)
    assert got.bytes_shown == got.bytes_recorded == data and not got.finds


@settings(deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 10**6),
    st.sampled_from(["object", "list", "watch", "table"]),
    st.booleans(),
    st.booleans(),
)
def test_no_planted_value_is_left_in_any_view(kind: str, seed: int, view: str, named: bool, ascii_only: bool) -> None:
    planted = KINDS[kind](Planter(seed))
    value: dict[str, Any] = planted.value
    bare = {name: member for name, member in value.items() if name not in ("kind", "apiVersion")}
    body = {
        "object": value,
        "list": {"kind": f"{value['kind']}List", "apiVersion": value["apiVersion"], "items": [bare, value]},
        "watch": {"type": "DELETED", "object": value},
        "table": {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": [{"cells": ["it"], "object": value}]},
    }[view]
    data = json.dumps(body, ensure_ascii=ascii_only).encode()
    line = f"GET {planted.path(name=True)}" if named else "GET /apis/other.example.com/v1/things"
    assert masker(line).needs_reading(data)
    got = mask(line, data)
    searched = Searched(planted.values)
    assert searched.found_in(got.bytes_shown) == searched.found_in(got.bytes_recorded) == []
    assert {type(member) for member in got.shown.values()} == {type(member) for member in body.values()}


@pytest.mark.parametrize(
    ("revealed", "shown"),
    [({"password"}, False), ({"aws-access-key-id"}, False), ({"password", "aws-access-key-id"}, True), ({"*"}, True)],
)
def test_what_several_detectors_find_is_shown_where_each_of_them_is_revealed(revealed: set[str], shown: bool) -> None:
    text = "password=x-AKIAIOSFODNN7EXAMPLQ"
    masks = msgspec.structs.replace(masker(EVENTS, Obligations(reveal=frozenset(revealed))), scanner=Scanners(BUILT_IN).default)
    node = json_nodes.read(json.dumps({"kind": "Event", "message": text}).encode(), strict=False)
    masks.mask(node)
    assert (text.encode() in node.render("shown")) == shown
    assert b"AKIA" not in node.render("recorded")


def test_a_registered_value_behind_password_is_shown_where_both_are_revealed() -> None:
    registry = Registry(KEY, lambda: 0.0)
    registry.register("test", "shop", b"Registered7Nobody")
    for revealed, shown in ({"password"}, False), ({"registry"}, False), ({"password", "registry"}, True):
        body = {"kind": "Event", "message": "password=Registered7Nobody"}
        got = mask(EVENTS, body, Obligations(reveal=frozenset(revealed)), registry=registry)
        assert ("Registered7" in got.shown["message"]) == shown


def test_cuts_in_bytes_are_cuts_in_characters_whatever_stands_before_them() -> None:
    for text in ("ö é 漢 one two", "\ud800 ö one two", "\U0001f600one two"):
        data = text.encode("utf-8", "surrogatepass")
        cuts = [Cut(start=data.index(word), end=data.index(word) + 3, detector="x") for word in (b"one", b"two")]
        assert [text[cut.start : cut.end] for cut in in_characters(data, cuts)] == ["one", "two"]
    (half,) = in_characters("aöb".encode(), [Cut(start=2, end=4, detector="x")])
    assert (half.start, half.end) == (1, 3)


def test_the_characters_of_a_long_text_are_counted_once() -> None:
    data = "ö".encode() + b"x" * 2_000_000
    cuts = [Cut(start=at, end=at + 10, detector="x") for at in range(2, len(data) - 20, 40)]
    found = in_characters(data, cuts)  # 50,000 cuts: counted from the beginning each time they would take minutes
    assert found[-1].start == cuts[-1].start - 1


def test_a_column_of_a_custom_resources_table_is_looked_at_by_content_alone() -> None:
    """A miss that docs/masking.md names: nobody knows from which field a cell comes."""
    row = {"cells": ["f", "Env6Nobody!to=see", "tok_abcd1234"], "object": {"kind": "PartialObjectMetadata"}}
    got = mask("GET /apis/example.com/v1/namespaces/shop/foos", {"kind": "Table", "rows": [row]})
    assert got.shown["rows"][0]["cells"] == ["f", "Env6Nobody!to=see", placeholder("test-token", "tok_abcd1234")]
