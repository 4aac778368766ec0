"""Objects in protobuf have the shape that JSON has, and stay the bytes that they are where nobody edits them."""

from __future__ import annotations

import random
import zlib

import pytest

from l7gw.kube.objects import protobuf_nodes as nodes
from l7gw.kube.objects import protobuf_table
from l7gw.kube.objects.node import Unreadable
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


def test_a_field_that_stands_twice_is_unreadable() -> None:
    twice = google.enveloped("v1", "Secret", bytes.fromhex("1a0141 1a0142"))
    with pytest.raises(Unreadable):
        nodes.read(twice, strict=True)
    with pytest.raises(Unreadable):
        nodes.read(twice, strict=False).member("type")
