"""A JSON patch restores what it adds and replaces, and tells nothing of what is masked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.masking.coming_back.coming_back import must_be_read, restore
from l7gw.masking.sent.sent_body import Sent
from tests.support.coming_back import (
    APPLIED,
    PASSWORD,
    TOKEN,
    act,
    b64,
    back,
    deployment,
    hidden,
    main_of,
    reading,
    refused,
    secret,
    shown,
)

VERSION = {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
MAIN = "/spec/template/spec/containers/1"


def patched(stored: dict[str, Any], *operations: dict[str, Any]) -> Any:
    return back(stored, list(operations), "json-patch")


@pytest.mark.parametrize("op", ["add", "replace"])
def test_a_value_comes_back_behind_a_test_of_the_version(op: str) -> None:
    sent = patched(secret(), {"op": op, "path": "/data/password", "value": b64(hidden(PASSWORD))})
    assert sent == [VERSION, {"op": op, "path": "/data/password", "value": b64(PASSWORD)}]


def test_a_patch_that_has_the_version_is_led_by_no_other() -> None:
    change = {"op": "replace", "path": "/data/password", "value": b64(hidden(PASSWORD))}
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": "3"}
    assert patched(secret(), version, change) == [version, {**change, "value": b64(PASSWORD)}]


def test_whole_parts_of_an_object_come_back() -> None:
    """As kubectl's `rollout undo` sends them."""
    stored = deployment()
    template = shown(stored)["spec"]["template"]
    sent = patched(stored, {"op": "replace", "path": "/spec/template", "value": template})
    assert sent[1]["value"] == stored["spec"]["template"]
    main_of({"spec": {"template": template}})["env"][1]["value"] = hidden("an older password", "env")
    message = refused(lambda: patched(stored, {"op": "replace", "path": "/spec/template", "value": template}))
    assert message.startswith("operation 0 of the patch (replace): spec.template.spec.containers[1].env[1].value holds the")
    assert "a masked value of an older revision cannot be brought back" in message


def test_the_annotation_of_apply_comes_back() -> None:
    stored = secret(applied={"kind": "Secret", "stringData": {"password": PASSWORD}})
    path = f"/metadata/annotations/{APPLIED.replace('/', '~1')}"
    sent = patched(
        stored, {"op": "replace", "path": path, "value": json.dumps({"kind": "Secret", "data": {"token": b64(hidden(TOKEN))}})}
    )
    assert json.loads(sent[1]["value"])["data"] == {"token": b64(TOKEN)}


def test_the_annotation_of_apply_in_another_place_is_refused() -> None:
    text = json.dumps({"kind": "Secret", "data": {"token": b64(hidden(TOKEN))}})
    for path in (f"/metadata/labels/{APPLIED.replace('/', '~1')}", f"/{APPLIED.replace('/', '~1')}"):
        refused(lambda path=path: patched(secret(), {"op": "add", "path": path, "value": text}))  # type: ignore[misc]
    for path, value in (("/metadata/annotations", {APPLIED: text}), ("/metadata", {"name": "db", "annotations": {APPLIED: text}})):
        assert b64(TOKEN) in json.dumps(patched(secret(), {"op": "replace", "path": path, "value": value}))


def test_items_come_back_at_their_index() -> None:
    value = hidden(PASSWORD, "env")
    for change in (
        {"path": f"{MAIN}/env/1/value", "value": value},
        {"path": f"{MAIN}/env/1", "value": {"name": "PASSWORD", "value": value}},
        {"path": f"{MAIN}/args/1", "value": main_of(shown(deployment()))["args"][1]},
    ):
        sent = patched(deployment(), {"op": "replace", **change})
        assert json.dumps(sent).count("l7gw-masked") == 0


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "replace", "path": f"{MAIN}/env/1", "value": {"name": "SHOWN", "value": hidden(PASSWORD, "env")}}],
        [{"op": "add", "path": f"{MAIN}/env/1", "value": {"name": "PASSWORD", "value": hidden(PASSWORD, "env")}}],
        [{"op": "add", "path": f"{MAIN}/env/-", "value": {"name": "PASSWORD", "value": hidden(PASSWORD, "env")}}],
        [
            {"op": "remove", "path": "/spec/template/spec/containers/0"},
            {"op": "replace", "path": f"{MAIN}/env/1/value", "value": hidden(PASSWORD, "env")},
        ],
        [{"op": "add", "path": "/metadata/labels", "value": {"x": hidden(PASSWORD, "env")}}],
        [{"op": "replace", "path": "/spec/nothing/here", "value": hidden(PASSWORD, "env")}],
        [{"op": "remove", "path": "/spec", "value": hidden(PASSWORD, "env")}],
        [{"op": "test", "path": "/spec/replicas", "value": hidden(PASSWORD, "env")}],
        [{"op": "add", "path": f"/metadata/labels/{hidden(PASSWORD, 'env')}", "value": "x"}],
    ],
)
def test_a_placeholder_elsewhere_is_refused(operations: list[dict[str, Any]]) -> None:
    refused(lambda: patched(deployment(), *operations))


READERS = [
    {"op": "test", "path": "/data/password", "value": b64("a guess")},
    {"op": "test", "path": "/data", "value": {}},
    {"op": "test", "path": "", "value": {}},
    {"op": "copy", "from": "/data/password", "path": "/metadata/annotations/x"},
    {"op": "copy", "from": "", "path": "/metadata/annotations/x"},
    {"op": "move", "from": "/data", "path": "/stringData"},
    {"op": "move", "from": "/data/password", "path": "/metadata/labels/x"},
    {"op": "copy", "from": f"/metadata/annotations/{APPLIED.replace('/', '~1')}", "path": "/metadata/labels/x"},
    {"op": "copy", "from": "/metadata", "path": "/x"},
]


@pytest.mark.parametrize("reader", READERS)
def test_no_operation_reads_what_is_masked(reader: dict[str, Any]) -> None:
    stored = secret(applied={"kind": "Secret", "stringData": {"password": PASSWORD}})
    message = refused(lambda: patched(stored, {"op": "remove", "path": "/metadata/labels"}, reader), 403)
    assert f"may not {reader['op']} {reader.get('from', reader['path']) or 'the whole object'}" in message


@pytest.mark.parametrize(
    "odd", [{"from": None}, {"from": None, "op": "test"}, {"op": "test", "path": None}, {"op": "add", "path": "/x", "from": None}]
)
def test_a_null_among_the_members_hides_no_operation_that_reads(odd: dict[str, Any]) -> None:
    """kube-apiserver reads null as a member that is not there, and carries such a test out."""
    reader = {"op": "test", "path": "/data/password", "value": b64("a guess")}
    operations = [{**reader, **odd}] if odd.get("op") != "add" else [reader, odd]
    assert must_be_read(Sent(act=act(verb="patch"), format="json-patch", body=json.dumps(operations).encode()))
    refused(lambda: patched(secret(), *operations), 403)


def test_an_index_means_any_item_where_items_move() -> None:
    reader = {"op": "copy", "from": "/spec/template/spec/containers/0/env/1/value", "path": "/metadata/labels/x"}
    assert patched(deployment(), reader) == [reader]
    refused(lambda: patched(deployment(), {"op": "remove", "path": "/spec/template/spec/containers/0"}, reader), 403)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/type", "value": "Opaque"},
        {"op": "copy", "from": "/type", "path": "/metadata/labels/x"},
        {"op": "test", "path": "/data/none", "value": None},
    ],
)
def test_what_is_not_masked_may_be_read(operation: dict[str, Any]) -> None:
    assert patched(secret(), operation) == [operation]


def test_a_test_of_the_version_needs_no_reading() -> None:
    for operation in (
        VERSION,
        {"op": "test", "path": "/metadata/labels/a", "value": "b"},
        {"op": "remove", "path": "/data/password"},
    ):
        sent = Sent(act=act(verb="patch"), format="json-patch", body=json.dumps([operation]).encode())
        assert not must_be_read(sent)


def test_a_patch_of_too_many_operations_is_refused_where_it_must_be_read() -> None:
    operations = [{"op": "test", "path": f"/data/k{index}", "value": ""} for index in range(1001)]
    sent = Sent(act=act(verb="patch"), format="json-patch", body=json.dumps(operations).encode())
    assert must_be_read(sent)
    refused(lambda: restore(sent, reading(secret())))


@pytest.mark.parametrize("index", ["01", "+1", "-1", "+01", "1x"])
def test_an_item_is_named_by_its_plain_number_alone(index: str) -> None:
    """kube-apiserver takes other spellings of a number, and counts -1 from the end."""
    place = f"/spec/template/spec/containers/{index}/env/1"
    for operation in (
        {"op": "copy", "from": f"{place}/value", "path": "/metadata/labels/x"},
        {"op": "copy", "from": f"{MAIN}/env/{index}/value", "path": "/metadata/labels/x"},
        {"op": "test", "path": f"{place}/value", "value": PASSWORD},
        {"op": "replace", "path": f"{place}/name", "value": "COLOUR"},
    ):
        assert "by what is no plain number" in refused(lambda operation=operation: patched(deployment(), operation))  # type: ignore[misc]
    shifts = {"op": "remove", "path": f"/spec/template/spec/containers/{index}"}
    reader = {"op": "copy", "from": "/spec/template/spec/containers/0/env/1/value", "path": "/metadata/labels/x"}
    refused(lambda: patched(deployment(), shifts, reader))


def test_a_key_that_looks_like_a_number_is_none() -> None:
    operations = [{"op": "add", "path": "/metadata/labels", "value": {}}, {"op": "test", "path": "/data/007", "value": None}]
    assert patched(secret(), *operations) == operations
