"""The rules of the structure are kept by the object's kind or the URL's, and in copies too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.kube.objects.node import Unreadable
from tests.support.masked import b64, mask, masker

VALUE = {"password": b64("hunter2!")}


@pytest.mark.parametrize("kind", ["Secret", "Unknown", "ConfigMap", "", None])
def test_the_url_is_enough_for_a_secret(kind: str | None) -> None:
    body: dict[str, Any] = {"data": VALUE} | ({"kind": kind} if kind is not None else {})
    got = mask("GET /api/v1/namespaces/shop/secrets/db", body)
    assert got.places == {"data.password": "secret-data"}


@pytest.mark.parametrize("line", ["GET /api/v1/namespaces/shop/pods/db", "GET /apis/example.com/v1/things", "GET /version"])
def test_the_kind_is_enough_for_a_secret(line: str) -> None:
    assert mask(line, {"kind": "Secret", "apiVersion": "v1", "data": VALUE}).places == {"data.password": "secret-data"}


def test_a_manifest_of_a_secret_in_a_config_map_is_masked() -> None:
    text = json.dumps({"kind": "Secret", "apiVersion": "v1", "stringData": {"a": "hunter2!"}})
    got = mask("GET /api/v1/namespaces/shop/configmaps/x", {"kind": "ConfigMap", "data": {"manifest.json": text}})
    assert got.places == {'data."manifest.json".stringData.a': "secret-data"}


def test_a_list_of_manifests_in_an_annotation_is_masked() -> None:
    text = json.dumps({"kind": "List", "items": [{"kind": "Secret", "data": VALUE}, {"kind": "Pod", "spec": {"containers": []}}]})
    got = mask("GET /api/v1/namespaces/shop", {"kind": "Namespace", "metadata": {"name": "shop", "annotations": {"x": text}}})
    assert list(got.places) == ["metadata.annotations.x.items[0].data.password"]


def test_the_annotations_of_a_partial_object_are_masked() -> None:
    text = json.dumps({"kind": "Secret", "stringData": {"a": "hunter2!"}})
    body = {
        "kind": "PartialObjectMetadataList",
        "items": [{"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": text}}}],
    }
    got = mask("GET /api/v1/namespaces/shop/secrets", body)
    assert len(got.finds) == 1 and b"hunter2!" not in got.bytes_shown


def test_a_text_in_a_text_in_a_text_is_read_to_a_bound() -> None:
    text = json.dumps({"kind": "Secret", "stringData": {"a": "hunter2!"}})
    for _ in range(3):
        text = json.dumps({"kind": "X", "metadata": {"annotations": {"x": text}}})
    got = mask("GET /api/v1/namespaces/shop", {"kind": "Namespace", "metadata": {"annotations": {"x": text}}})
    assert len(got.finds) == 1 and b"hunter2!" not in got.bytes_shown


def test_an_object_that_is_nested_too_deep_is_refused() -> None:
    body = '{"kind":"X","a":' + "[" * 5000 + '"env"' + "]" * 5000 + "}"
    with pytest.raises(Unreadable):
        mask("GET /apis/example.com/v1/xs/x", body.encode())


@pytest.mark.parametrize("kind", ["ConfigMap", "StatefulSet"])
def test_json_in_a_text_that_names_no_kind_is_looked_through_for_environments(kind: str) -> None:
    text = json.dumps({"spec": {"env": [{"name": "DB_PASSWORD", "value": "hunter2word"}]}})
    body = {"kind": kind, "apiVersion": "v1", "metadata": {"annotations": {"a": text}}, "data": {"settings": text}}
    got = mask(f"GET /api/v1/namespaces/shop/{kind.lower()}s/x", body)
    assert "metadata.annotations.a.spec.env[0].value" in got.places
    assert ("data.settings.spec.env[0].value" in got.places) == (kind == "ConfigMap")
    assert masker(f"GET /api/v1/namespaces/shop/{kind.lower()}s/x").needs_reading(json.dumps(body).encode())


def test_a_kubeconfig_in_json_is_masked_with_its_environments() -> None:
    user = {"token": "hunter2token", "exec": {"env": [{"name": "X_TOKEN", "value": "hunter2word"}]}}
    body = {"kind": "ConfigMap", "data": {"config": json.dumps({"kind": "Config", "users": [{"user": user}]})}}
    got = mask("GET /api/v1/namespaces/shop/configmaps/x", body)
    assert set(got.places) == {"data.config.users[0].user.token", "data.config.users[0].user.exec.env[0].value"}
