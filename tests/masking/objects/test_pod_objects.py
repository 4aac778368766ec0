"""Environments of pods and of templates, ConfigMaps, kubeconfigs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.obligations import Obligations
from tests.support.masked import b64, mask, placeholder

ENV = [
    {"name": "DB_PASSWORD", "value": "hunter2!"},
    {"name": "DB_PASSWORD_FILE", "value": "/run/secrets/db"},
    {"name": "LOG_LEVEL", "value": "information"},
    {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
    {"name": "API_KEY", "value": "short"},
    {"name": "SESSION_KEY_TIMEOUT", "value": "3600000"},
]
MASKED_ENV = [{"name": "DB_PASSWORD", "value": placeholder("env", "hunter2!")}, *ENV[1:]]
LISTS = ("containers", "initContainers", "ephemeralContainers")


def pod_spec(env: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: [{"name": name.lower(), "image": "shop/web:1", "env": env}] for name in LISTS}


def nested(path: str, value: object) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


PLACES = {
    "pods": ("Pod", "spec"),
    "deployments": ("Deployment", "spec.template.spec"),
    "replicasets": ("ReplicaSet", "spec.template.spec"),
    "daemonsets": ("DaemonSet", "spec.template.spec"),
    "statefulsets": ("StatefulSet", "spec.template.spec"),
    "replicationcontrollers": ("ReplicationController", "spec.template.spec"),
    "jobs": ("Job", "spec.template.spec"),
    "cronjobs": ("CronJob", "spec.jobTemplate.spec.template.spec"),
    "podtemplates": ("PodTemplate", "template.spec"),
    "controllerrevisions": ("ControllerRevision", "data.spec.template.spec"),
    "workflows.example.com": ("Workflow", "spec.steps.template.spec"),
}
GROUPS = {"cronjobs": "batch", "jobs": "batch", "pods": "", "podtemplates": "", "replicationcontrollers": ""}


def line_of(resource: str) -> str:
    resource, _, group = resource.partition(".")
    group = group or GROUPS.get(resource, "apps")
    return f"GET {f'/apis/{group}' if group else '/api'}/v1/namespaces/shop/{resource}/web"


@pytest.mark.parametrize("resource", PLACES)
@pytest.mark.parametrize("named", [True, False], ids=["kind-named", "kind-of-the-url"])
def test_the_environment_of_every_container_is_masked(resource: str, named: bool) -> None:
    kind, path = PLACES[resource]
    body = nested(path, pod_spec(ENV)) | ({"kind": kind} if named else {})
    got = mask(line_of(resource), body)
    assert got.shown == nested(path, pod_spec(MASKED_ENV)) | ({"kind": kind} if named else {})
    assert set(got.places) == {f"{path}.{name}[0].env[0].value" for name in LISTS}


def test_the_kind_is_enough_where_the_url_says_another() -> None:
    got = mask("GET /api/v1/namespaces/shop/services/web", nested("spec", pod_spec(ENV)) | {"kind": "Pod"})
    assert len(got.finds) == 3


def test_a_custom_kind_of_a_built_in_name_is_searched_whole() -> None:
    body = {"kind": "Job", "apiVersion": "batch.example.com/v1", "spec": {"tasks": [{"template": {"spec": pod_spec(ENV)}}]}}
    assert len(mask("GET /apis/batch.example.com/v1/namespaces/shop/jobs/x", body).finds) == 3


def test_a_secret_inside_a_custom_resource_is_masked() -> None:
    body = {
        "kind": "Work",
        "apiVersion": "example.com/v1",
        "spec": {"manifests": [{"kind": "Secret", "data": {"a": b64("hunter2!")}}]},
    }
    got = mask("GET /apis/example.com/v1/namespaces/shop/works/x", body)
    assert got.places == {"spec.manifests[0].data.a": "secret-data"}


def test_names_written_in_escapes_are_read() -> None:
    body = b'{"kind":"Work","spec":{"\\u0065nv":[{"n\\u0061me":"P\\u0041SSWORD","value":"hunter2!"}]}}'
    assert len(mask("GET /apis/example.com/v1/namespaces/shop/works/x", body).finds) == 1


def test_a_revealed_environment_is_shown_and_recorded_masked() -> None:
    body = nested("spec", pod_spec(ENV))
    got = mask(line_of("pods"), body, Obligations(reveal=frozenset(("env",))))
    assert got.shown == body
    assert got.recorded == nested("spec", pod_spec(MASKED_ENV))


def test_the_manifest_of_an_applied_deployment_is_masked_in_its_annotation() -> None:
    manifest = {"kind": "Deployment", "apiVersion": "apps/v1"} | nested("spec.template.spec", pod_spec(ENV))
    name = "kubectl.kubernetes.io/last-applied-configuration"
    got = mask(line_of("deployments"), manifest | {"metadata": {"annotations": {name: json.dumps(manifest)}}})
    copy = json.loads(got.shown["metadata"]["annotations"][name])
    assert copy == {"kind": "Deployment", "apiVersion": "apps/v1"} | nested("spec.template.spec", pod_spec(MASKED_ENV))


CONFIG_MAPS = "GET /api/v1/namespaces/shop/configmaps/web"


def test_values_of_a_config_map_whose_keys_say_so_are_masked() -> None:
    body = {
        "kind": "ConfigMap",
        "data": {"db.password": "hunter2!", "log.level": "information", "tokenFile": "/run/secret", "api-key": "none"},
        "binaryData": {"private.key": b64("hunter2!"), "logo.png": b64("hunter2!")},
    }
    got = mask(CONFIG_MAPS, body)
    assert got.places == {'data."db.password"': "config-map", 'binaryData."private.key"': "config-map"}
    assert got.shown["binaryData"]["private.key"] == b64(placeholder("config-map", "hunter2!"))
    assert mask(CONFIG_MAPS, body, Obligations(reveal=frozenset(("config-map",)))).shown == body


KUBECONFIG = """apiVersion: v1
kind: Config
clusters:
- {name: c, cluster: {server: "https://10.0.0.1", certificate-authority-data: LS0tLS1C}}
users:
- name: ann
  user:
    token: abcdef.0123456789abcdef
    client-certificate-data: LS0tLS1C
    client-key-data: "LS0tLS1CRUdJTi"
- {name: bob, user: {username: bob, password: 'pass word', tokenFile: /run/token}}
"""


def test_only_the_credentials_of_a_kubeconfig_are_masked() -> None:
    got = mask(CONFIG_MAPS, {"kind": "ConfigMap", "data": {"kubeconfig": KUBECONFIG}})
    wanted = KUBECONFIG
    for value in ("abcdef.0123456789abcdef", "LS0tLS1CRUdJTi", "pass word"):
        wanted = wanted.replace(value, placeholder("config-map", value))
    assert got.shown["data"]["kubeconfig"] == wanted
    assert len(got.finds) == 3


def test_a_kubeconfig_in_json_and_in_an_annotation_is_masked_too() -> None:
    text = json.dumps({"kind": "Config", "users": [{"name": "a", "user": {"token": "hunter2!"}}]})
    body = {"kind": "Namespace", "metadata": {"annotations": {"example.com/kubeconfig": text}}}
    got = mask("GET /api/v1/namespaces/shop", body)
    assert json.loads(got.shown["metadata"]["annotations"]["example.com/kubeconfig"])["users"][0]["user"] == {
        "token": placeholder("config-map", "hunter2!")
    }


def test_a_kubeconfig_that_is_read_as_a_manifest_is_masked_too() -> None:
    user = {
        "token": "hunter2!",
        "auth-provider": {"config": {"id-token": "hunter3!", "idp-issuer-url": "https://idp"}},
        "tokenFile": "/run/x",
    }
    text = json.dumps({"kind": "Config", "users": [{"name": 'a"b', "user": user}]})
    got = mask("GET /api/v1/namespaces/shop", {"kind": "Namespace", "metadata": {"annotations": {"example.com/kubeconfig": text}}})
    assert sorted(find.where.rpartition(".")[2] for find in got.finds) == ["id-token", "token"]


def test_a_text_that_is_no_kubeconfig_stays() -> None:
    got = mask(CONFIG_MAPS, {"kind": "ConfigMap", "data": {"app.yaml": "kind: ConfigMap\ntoken: abcdef\n"}})
    assert got.finds == []


@pytest.mark.parametrize("written", [">-\n      hunter2\n      word", "|\n      hunter2word", ">\r\n      hunter2word"])
def test_a_credential_of_a_kubeconfig_in_a_block_is_masked(written: str) -> None:
    config = f"kind: Config\nusers:\n- user:\n    token: {written}\n    name: other\n"
    got = mask("GET /api/v1/namespaces/shop/configmaps/x", {"kind": "ConfigMap", "data": {"config": config}})
    assert "hunter2" not in got.shown["data"]["config"] and "word" not in got.shown["data"]["config"]
    assert "    name: other\n" in got.shown["data"]["config"]
