"""Objects in protobuf have the shape that JSON has, and stay the bytes that they are where nobody edits them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

import pytest

from l7gw.kube.objects import protobuf_nodes as nodes
from l7gw.kube.objects import protobuf_table
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.kube.objects.protobuf_wire import MOST_FIELDS, encode
from tests.conftest import missing
from tests.support.go_programs import MissingGo
from tests.support.kubernetes import protobuf as google

# kubernetes-wire 3.2: what kubectl 1.33 sends for `create secret generic x --from-literal=password=hunter2`
SECRET = bytes.fromhex(
    "6b387300 0a0c 0a027631 1206536563726574 12 2a 0a11 0a0178 1200 1a00 2200 2a00 3200 3800 4200"
    "12 13 0a08 70617373776f7264 12 07 68756e74657232 1a00 1a00 2200"
)
KINDS = sorted(protobuf_table.kinds().items())


@pytest.fixture(autouse=True)
def descriptors() -> None:
    try:
        google.pool()
    except MissingGo as error:
        missing(f"Kubernetes' .proto files lie in Go modules: {error}")


@pytest.mark.parametrize("strict", [False, True])
def test_a_secret_has_its_kind_its_names_and_its_values(strict: bool) -> None:
    secret = nodes.read(SECRET, strict=strict)
    assert [name for name, _ in secret.members()] == ["apiVersion", "kind", "metadata", "data", "type"]
    assert google.tree(secret.at("metadata")) == {  # type: ignore[arg-type]
        "name": "x", "generateName": "", "namespace": "", "selfLink": "", "uid": "", "resourceVersion": "", "generation": 0,
        "creationTimestamp": None,
    }  # fmt: skip
    password = secret.at("data", "password")
    assert password is not None and password.path == "data.password"
    assert password.octets() == b"hunter2" and password.text() == "hunter2" and password.shape == "octets"
    assert secret.member("stringData") is None and secret.at("metadata", "labels", "x") is None


def test_a_longer_value_rewrites_the_lengths_around_it_and_nothing_else() -> None:
    secret = nodes.read(SECRET, strict=True)
    password = secret.at("data", "password")
    assert password is not None and not secret.edited
    password.replace_octets(b"[MASKED]")
    assert secret.edited and secret.render("recorded") == secret.render("shown")
    assert secret.render("shown") == bytes.fromhex(
        "6b387300 0a0c 0a027631 1206536563726574 12 2b 0a11 0a0178 1200 1a00 2200 2a00 3200 3800 4200"
        "12 14 0a08 70617373776f7264 12 08 5b4d41534b45445d 1a00 1a00 2200"
    )


def test_what_a_caller_may_see_is_out_of_the_record_alone() -> None:
    secret = nodes.read(SECRET, strict=True)
    password = secret.at("data", "password")
    assert password is not None
    password.replace_octets(b"masked", shown_too=False)
    assert secret.edited and secret.render("shown") == SECRET
    assert b"hunter2" not in secret.render("recorded")


@pytest.mark.parametrize(("key", "message"), KINDS, ids=[f"{api}-{kind}" for (api, kind), _ in KINDS])
def test_every_kind_reads_as_googles_protobuf_reads_it(key: tuple[str, str], message: str) -> None:
    for number in range(4):
        written = google.filled(message, random.Random(number << 32 | zlib.crc32(message.encode())))
        data = google.enveloped(*key, written)
        expected = {"apiVersion": key[0], "kind": key[1], **google.as_json(written, message)}
        for strict in (True, False):
            node = nodes.read(data, strict=strict)
            assert google.tree(node) == expected
            assert node.render("shown") == node.render("recorded") == data


@pytest.mark.parametrize(("levels", "readable"), [(40, True), (200, False), (10_000, False)])
def test_deep_nesting_is_unreadable(levels: int, readable: bool) -> None:
    schema = b""
    for _ in range(levels):
        schema = field(28, schema)  # `not`
    body = google.enveloped("apiextensions.k8s.io/v1", "CustomResourceDefinition", field(2, field(7, field(4, field(1, schema)))))
    for strict in (True, False):
        try:
            node = nodes.read(body, strict=strict)
            found = list(every(node))
            if readable:
                assert max(len(one.path) for one in found) == len("spec.versions[0].schema.openAPIV3Schema" + ".not" * levels)
            assert readable
        except Unreadable:
            assert not readable


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\x12\x00" * (MOST_FIELDS + 1), id="items"),
        pytest.param(b"\x7a\x00" * (MOST_FIELDS + 1), id="fields-that-nobody-knows"),
        pytest.param(
            b"\x12" + encode(4 + (n := 2 * MOST_FIELDS)) + b"\x12" + encode(n) + b"\x0a\x00" * MOST_FIELDS, id="over-levels"
        ),
    ],
)
def test_more_fields_than_any_object_has_are_unreadable(raw: bytes) -> None:
    body = google.enveloped("v1", "PodList", raw)
    with pytest.raises(Unreadable):
        nodes.read(body, strict=True)
    with pytest.raises(Unreadable):
        list(every(nodes.read(body, strict=False)))


def test_more_packed_numbers_than_any_object_has_are_unreadable() -> None:
    groups = field(2, field(14, field(4, bytes(MOST_FIELDS + 1))))
    body = google.enveloped("v1", "Pod", groups)
    with pytest.raises(Unreadable):
        nodes.read(body, strict=True)
    with pytest.raises(Unreadable):
        list(every(nodes.read(body, strict=False)))


def field(number: int, data: bytes) -> bytes:
    return encode(number << 3 | 2) + encode(len(data)) + data


def every(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        yield (one := waiting.pop())
        waiting += [child for _, child in one.members()] + list(one.items())


def test_in_place_of_an_object_or_a_list_every_value_in_it_is_replaced() -> None:
    node = nodes.read(SECRET, strict=True)
    data, metadata = node.member("data"), node.member("metadata")
    assert data is not None and metadata is not None
    data.replace("masked")
    metadata.replace_octets(b"masked", shown_too=False)
    again = nodes.read(node.render("recorded"), strict=False)
    assert google.tree(again)["data"] == {"password": b"masked"}
    assert google.tree(again)["metadata"]["name"] == google.tree(again)["metadata"]["uid"] == "masked"
    assert google.tree(again)["metadata"]["generation"] == 0
    shown = google.tree(nodes.read(node.render("shown"), strict=True))
    assert shown["metadata"]["name"] == "x" and shown["data"] == {"password": b"masked"}


def test_what_is_removed_goes_with_its_name_in_both_views() -> None:
    raw = b"".join(field(2, field(1, b"k%d" % number) + field(2, b"v")) for number in range(3)) + field(4, field(1, b"e"))
    node = nodes.read(google.enveloped("v1", "Secret", raw), strict=True)
    node.at("data", "k1").remove()  # type: ignore[union-attr]
    node.at("stringData", "e").remove()  # type: ignore[union-attr]
    again = google.tree(nodes.read(node.render("shown"), strict=True))
    assert again == {"apiVersion": "v1", "kind": "Secret", "data": {"k0": b"v", "k2": b"v"}}
    assert node.render("recorded") == node.render("shown")
    node.member("data").remove()  # type: ignore[union-attr]
    assert node.render("shown") == google.enveloped("v1", "Secret", b"")


def test_an_entry_without_a_value_can_be_given_one() -> None:
    node = nodes.read(google.enveloped("v1", "Secret", field(2, field(1, b"k"))), strict=True)
    value = node.at("data", "k")
    assert value is not None and value.octets() == b""
    value.replace_octets(b"v")
    assert node.render("shown") == google.enveloped("v1", "Secret", field(2, field(1, b"k") + field(2, b"v")))


def test_unknown_fields_and_kinds_are_bytes_whose_length_stays() -> None:
    raw = field(1, field(1, b"x")) + field(200, b"hunter2") + encode(201 << 3) + b"\x07" + field(202, b"a") + field(202, b"bcd")
    secret = nodes.read(google.enveloped("v1", "Secret", raw), strict=True)
    assert google.tree(secret) == {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "#200": b"hunter2", "#202": [b"a", b"bcd"],
    }  # fmt: skip
    unknown = secret.member("#200")
    assert unknown is not None and unknown.fixed_length == 7 and unknown.path == '"#200"'
    unknown.replace("l7gw-masked-jwt-01234567")
    secret.member("#202").items()[1].replace_octets(b"*")  # type: ignore[union-attr]
    masked = raw.replace(b"hunter2", b"l7gw-ma").replace(b"bcd", b"***")
    assert secret.render("shown") == google.enveloped("v1", "Secret", masked)
    widget = nodes.read(google.enveloped("example.com/v1", "Widget", raw), strict=True)
    [*_, (name, value)] = widget.members()
    assert (name, value.shape, value.octets(), value.fixed_length) == ("raw", "octets", raw, len(raw))


def test_a_field_that_stands_twice_is_unreadable() -> None:
    twice = google.enveloped("v1", "Secret", bytes.fromhex("1a0141 1a0142"))
    with pytest.raises(Unreadable):
        nodes.read(twice, strict=True)
    with pytest.raises(Unreadable):
        nodes.read(twice, strict=False).member("type")
