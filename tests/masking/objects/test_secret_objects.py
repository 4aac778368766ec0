"""Secrets, their copies, Helm's releases and tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.masking.objects.secret_objects import HELM_WARNING, TOKEN_WARNING, is_public_certificate
from l7gw.obligations import Obligations
from tests.support.masked import b64, mask, placeholder

SECRET = "GET /api/v1/namespaces/shop/secrets/db"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUJ5\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def secret(data: dict[str, Any] | None = None, type_: str = "Opaque", **more: Any) -> dict[str, Any]:
    return {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": "db", "namespace": "shop"},
        "data": data if data is not None else {"password": b64("hunter2!")},
        "type": type_,
    } | more


def test_every_value_of_a_secret_is_masked_in_base64_and_every_key_stays() -> None:
    got = mask(SECRET, secret({"password": b64("hunter2!"), "user": b64("admin"), "empty": ""}))
    assert got.shown["data"] == {
        "password": b64(placeholder("secret-data", "hunter2!")),
        "user": b64(placeholder("secret-data", "admin")),
        "empty": "",
    }
    assert got.recorded == got.shown
    assert got.places == {"data.password": "secret-data", "data.user": "secret-data"}
    assert got.finds[0].length == 8
    assert got.finds[0].tag == placeholder("secret-data", "hunter2!")[-8:]


def test_string_data_is_masked_in_plain_with_the_same_tag() -> None:
    got = mask("PATCH /api/v1/namespaces/shop/secrets/db", {"stringData": {"password": "hunter2!"}})
    assert got.shown == {"stringData": {"password": placeholder("secret-data", "hunter2!")}}


@pytest.mark.parametrize("value", ["%%%", 5, True, {"a": "hunter2!"}, ["hunter2!"]])
def test_a_value_that_is_no_base64_is_masked_all_the_same(value: Any) -> None:
    got = mask(SECRET, secret({"password": value}))
    assert got.shown["data"]["password"].startswith("l7gw-masked-secret-data-")


@pytest.mark.parametrize("data", ["hunter2!", ["hunter2!"], 7])
def test_data_that_is_no_map_is_masked_whole(data: Any) -> None:
    got = mask(SECRET, secret() | {"data": data})
    assert got.shown["data"].startswith("l7gw-masked-secret-data-")


def test_the_manifest_of_kubectl_apply_stays_json_with_its_keys() -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"annotations": {}, "name": "db", "namespace": "shop"},
        "data": {"password": b64("hunter2!")},
        "stringData": {"user": "admin!!"},
    }
    body = secret()
    body["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(manifest) + "\n", "team": "shop"}
    got = mask(SECRET, body)
    copy = json.loads(got.shown["metadata"]["annotations"][LAST_APPLIED])
    assert copy["data"] == {"password": b64(placeholder("secret-data", "hunter2!"))}
    assert copy["stringData"] == {"user": placeholder("secret-data", "admin!!")}
    assert copy["metadata"] == manifest["metadata"]
    assert got.shown["metadata"]["annotations"]["team"] == "shop"
    where = f'metadata.annotations."{LAST_APPLIED}"'
    assert f"{where}.data.password" in got.places
    assert f"{where}.stringData.user" in got.places


@pytest.mark.parametrize(
    "text", ['{"stringData":{"password":"hunter2!"', "stringData: {password: hunter2!}", '{"a":1,"a":2}hunter2!']
)
def test_a_manifest_that_cannot_be_read_is_masked_whole(text: str) -> None:
    body = secret()
    body["metadata"]["annotations"] = {LAST_APPLIED: text}
    got = mask(SECRET, body)
    assert got.shown["metadata"]["annotations"][LAST_APPLIED].startswith("l7gw-masked-secret-data-")


def test_any_other_annotation_with_a_manifest_is_masked_too() -> None:
    body = secret()
    body["metadata"]["annotations"] = {
        "example.com/copy": json.dumps({"data": {"password": b64("hunter2!")}}),
        "example.com/list": json.dumps([{"kind": "Secret", "stringData": {"password": "hunter2!"}}]),
    }
    got = mask(SECRET, body)
    assert b"hunter2!" not in got.bytes_shown
    assert b64("hunter2!").encode() not in got.bytes_shown
    assert json.loads(got.shown["metadata"]["annotations"]["example.com/list"])[0]["kind"] == "Secret"


@pytest.mark.parametrize("key", ["tls.crt", "ca.crt"])
def test_a_public_certificate_stays(key: str) -> None:
    got = mask(SECRET, secret({key: b64(CERTIFICATE * 2), "tls.key": b64(KEY)}, "kubernetes.io/tls"))
    assert got.shown["data"][key] == b64(CERTIFICATE * 2)
    assert got.places == {'data."tls.key"': "secret-data"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("tls.crt", CERTIFICATE + KEY), ("tls.crt", "hunter2!"), ("cert.pem", CERTIFICATE), ("ca.crt", CERTIFICATE + "hunter2!")],
)
def test_what_is_more_than_a_certificate_or_stands_elsewhere_is_masked(key: str, value: str) -> None:
    got = mask(SECRET, secret({key: b64(value)}))
    assert len(got.finds) == 1


def test_a_certificate_is_told_from_what_follows_it() -> None:
    assert is_public_certificate(CERTIFICATE.encode())
    assert not is_public_certificate(b"")
    assert not is_public_certificate(CERTIFICATE.encode() + b"x")


@pytest.mark.parametrize("reveal", ["secret-data", "kubernetes.io/tls", "*"])
def test_a_revealed_secret_is_shown_as_it_came_and_recorded_masked(reveal: str) -> None:
    body = json.dumps(secret({"tls.key": b64(KEY)}, "kubernetes.io/tls")).encode()
    got = mask(SECRET, body, Obligations(reveal=frozenset((reveal,))))
    assert got.bytes_shown == body
    assert got.recorded["data"]["tls.key"] == b64(placeholder("secret-data", KEY))
    assert len(got.finds) == 1


def test_a_type_is_revealed_for_secrets_of_that_type_alone() -> None:
    got = mask(SECRET, secret(), Obligations(reveal=frozenset(("kubernetes.io/tls",))))
    assert got.shown["data"]["password"] == b64(placeholder("secret-data", "hunter2!"))


RELEASE = secret({"release": b64(b64("H4sIAAAA"))}, "helm.sh/release.v1") | {
    "metadata": {"name": "sh.helm.release.v1.web.v1", "namespace": "shop", "labels": {"owner": "helm"}}
}


def test_a_helm_release_is_masked_whole_and_the_answer_warns() -> None:
    got = mask("GET /api/v1/namespaces/shop/secrets", {"kind": "SecretList", "items": [RELEASE, RELEASE]})
    assert got.shown["items"][1]["data"] == {"release": b64(placeholder("helm-release", b64("H4sIAAAA")))}
    assert got.places == {"items[0].data.release": "helm-release", "items[1].data.release": "helm-release"}
    assert got.done.warnings == [HELM_WARNING]


@pytest.mark.parametrize("reveal", ["helm.sh/release.v1", "helm-release", "secret-data"])
def test_a_revealed_helm_release_is_shown_whole_without_a_warning(reveal: str) -> None:
    got = mask(SECRET, RELEASE, Obligations(reveal=frozenset((reveal,))))
    assert got.shown == RELEASE
    assert got.recorded["data"] != RELEASE["data"]
    assert got.done.warnings == []


def test_a_helm_release_in_a_config_map_is_masked_whole() -> None:
    release = RELEASE | {"kind": "ConfigMap", "data": {"release": "H4sIAAAA"}}
    got = mask("GET /api/v1/namespaces/shop/configmaps/x", release)
    assert got.places == {"data.release": "helm-release"}
    assert got.done.warnings == [HELM_WARNING]


def test_a_requested_token_is_masked_with_a_warning() -> None:
    body = {
        "kind": "TokenRequest",
        "spec": {"audiences": ["a"]},
        "status": {"token": "eyJhbGci", "expirationTimestamp": "2026-01-01T00:00:00Z"},
    }
    got = mask("POST /api/v1/namespaces/shop/serviceaccounts/ci/token", body)
    assert got.shown["status"] == {"token": placeholder("token-request", "eyJhbGci"), "expirationTimestamp": "2026-01-01T00:00:00Z"}
    assert got.done.warnings == [TOKEN_WARNING]
    shown = mask("POST /api/v1/namespaces/shop/serviceaccounts/ci/token", body, Obligations(reveal=frozenset(("token-request",))))
    assert shown.shown == body
    assert shown.done.warnings == []


def test_the_token_of_a_review_is_masked() -> None:
    body = {"kind": "TokenReview", "spec": {"token": "eyJhbGci"}, "status": {"authenticated": True, "user": {"username": "ann"}}}
    got = mask("POST /apis/authentication.k8s.io/v1/tokenreviews", body)
    assert got.places == {"spec.token": "token-request"}
    assert got.shown["status"] == body["status"]
