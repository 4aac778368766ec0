"""The rules for objects hold in protobuf as they do in JSON. The objects are written by Google's protobuf, and read by it again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.kube.objects import protobuf_nodes, protobuf_splits
from l7gw.masking.objects.hiding import Masked
from l7gw.masking.objects.secret_objects import TOKEN_WARNING
from l7gw.obligations import NO_OBLIGATIONS, Obligations
from tests.support.kubernetes.protobuf import enveloped, message_class
from tests.support.masked import masker, placeholder

SECRETS = "GET /api/v1/namespaces/shop/secrets"
OTHER = "GET /apis/example.com/v1/namespaces/shop/things"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def masked(line: str, body: bytes, obligations: Obligations = NO_OBLIGATIONS) -> tuple[bytes, bytes, Masked]:
    """The body as it is shown and as it is recorded, and what was done."""
    masks = masker(line, obligations)
    node = protobuf_nodes.read(body, strict=False)
    assert masks.needs_reading(body)
    done = masks.mask(node)
    return node.render("shown"), node.render("recorded"), done


def read(body: bytes, name: str) -> Any:
    unknown: Any = message_class("runtime.Unknown")()
    unknown.ParseFromString(body[4:])
    message: Any = message_class(name)()
    message.ParseFromString(unknown.raw)
    return message


def secret(**data: bytes) -> Any:
    message: Any = message_class("core/v1.Secret")()
    message.metadata.name = "db"
    message.metadata.namespace = "shop"
    message.type = "Opaque"
    for key, value in data.items():
        message.data[key] = value
    return message


@pytest.mark.parametrize("line", [SECRETS, OTHER])
def test_a_secret(line: str) -> None:
    message = secret(a=b"hunter2!", b=b"\xff\x00binary", empty=b"")
    message.stringData["s"] = "hunter3!"
    message.metadata.annotations[LAST_APPLIED] = json.dumps({"kind": "Secret", "stringData": {"s": "hunter3!"}})
    shown, recorded, done = masked(line, enveloped("v1", "Secret", message))
    assert shown == recorded
    got = read(shown, "core/v1.Secret")
    assert dict(got.data) == {
        "a": placeholder("secret-data", "hunter2!").encode(),
        "b": placeholder("secret-data", b"\xff\x00binary").encode(),
        "empty": b"",
    }
    assert dict(got.stringData) == {"s": placeholder("secret-data", "hunter3!")}
    assert json.loads(got.metadata.annotations[LAST_APPLIED])["stringData"] == {"s": placeholder("secret-data", "hunter3!")}
    assert len(done.finds) == 4


def test_a_revealed_secret_is_shown_as_it_came() -> None:
    body = enveloped("v1", "Secret", secret(a=b"hunter2!"))
    shown, recorded, done = masked(SECRETS, body, Obligations(reveal=frozenset(("secret-data",))))
    assert shown == body and b"hunter2!" not in recorded and len(done.finds) == 1


def secrets_in_a_list() -> Any:
    message: Any = message_class("core/v1.SecretList")()
    for number in range(3):
        item = secret(a=f"hunter2-{number}-and-a-longer-value".encode(), b=b"shorty")
        manifest = {"kind": "Secret", "stringData": {"a": f'hunter2-{number}-"and" a longer value', "b": "shorty\n"}}
        item.metadata.annotations[LAST_APPLIED] = json.dumps(manifest)
        message.items.append(item)
    return message


@pytest.mark.parametrize("line", [SECRETS, OTHER])
def test_a_list(line: str) -> None:
    shown, _, done = masked(line, enveloped("v1", "SecretList", secrets_in_a_list()))
    got = read(shown, "core/v1.SecretList")
    assert [item.data["a"] for item in got.items] == [
        placeholder("secret-data", f"hunter2-{number}-and-a-longer-value").encode() for number in range(3)
    ]
    assert {find.where for find in done.finds} >= {"items[0].data.a", "items[2].data.b"}


@pytest.mark.parametrize("line", [SECRETS, OTHER])
def test_items_whose_length_is_fixed_keep_it(line: str) -> None:
    body = enveloped("v1", "SecretList", secrets_in_a_list())
    splitter = protobuf_splits.ListSplitter()
    masks = masker(line)
    written = b""
    for part in [*(part for at in range(len(body)) for part in splitter.feed(body[at : at + 1])), *splitter.end()]:
        if part.role == "between":
            written += part.data
            continue
        node = protobuf_nodes.read_part(part)
        assert masks.needs_reading(part.data, part.kind)
        masks.mask(node, listed=part.kind, fixed=part.fixed)
        written += node.render("shown")
    got = read(written, "core/v1.SecretList")
    assert b"hunter2" not in written and b"shorty" not in written
    if len(written) == len(body):
        assert [item.data["b"] for item in got.items] == [b"******"] * 3
    for item in got.items:
        assert isinstance(json.loads(item.metadata.annotations[LAST_APPLIED]), dict)


def pod() -> Any:
    message: Any = message_class("core/v1.Pod")()
    message.metadata.namespace = "shop"
    for container in (
        message.spec.containers.add(),
        message.spec.initContainers.add(),
        message.spec.ephemeralContainers.add().ephemeralContainerCommon,
    ):
        container.name = "web"
        for name, value in (("A_PASSWORD", "hunter2!"), ("LOG_LEVEL", "information")):
            variable = container.env.add()
            variable.name, variable.value = name, value
    return message


def test_a_pod_with_containers_of_all_three_sorts() -> None:
    shown, _, done = masked(OTHER, enveloped("v1", "Pod", pod()))
    got = read(shown, "core/v1.Pod")
    common = [got.spec.containers[0], got.spec.initContainers[0], got.spec.ephemeralContainers[0].ephemeralContainerCommon]
    assert [[variable.value for variable in one.env] for one in common] == [[placeholder("env", "hunter2!"), "information"]] * 3
    assert len(done.finds) == 3


def test_json_inside_a_controller_revision() -> None:
    message: Any = message_class("apps/v1.ControllerRevision")()
    message.metadata.namespace = "shop"
    env = [{"name": "A_PASSWORD", "value": "hunter2!"}]
    message.data.raw = json.dumps({"spec": {"template": {"spec": {"containers": [{"env": env}]}}}}).encode()
    shown, _, done = masked(OTHER, enveloped("apps/v1", "ControllerRevision", message))
    got = json.loads(read(shown, "apps/v1.ControllerRevision").data.raw)
    assert got["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == placeholder("env", "hunter2!")
    assert [find.where for find in done.finds] == ["data.spec.template.spec.containers[0].env[0].value"]


def test_a_token() -> None:
    message: Any = message_class("authentication/v1.TokenRequest")()
    message.status.token = "eyJhbGci"
    shown, _, done = masked(
        "POST /api/v1/namespaces/shop/serviceaccounts/ci/token", enveloped("authentication.k8s.io/v1", "TokenRequest", message)
    )
    assert read(shown, "authentication/v1.TokenRequest").status.token == placeholder("token-request", "eyJhbGci")
    assert done.warnings == [TOKEN_WARNING]


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"])
def test_an_event_of_a_watch(kind: str) -> None:
    event: Any = message_class("meta/v1.WatchEvent")()
    event.type = kind
    event.object.raw = enveloped("v1", "Secret", secret(a=b"hunter2!"))
    frame = event.SerializeToString()
    (part,) = protobuf_splits.WatchSplitter().feed(len(frame).to_bytes(4, "big") + frame)
    masks = masker("GET /api/v1/secrets?watch=1")
    node = protobuf_nodes.read_part(part)
    assert masks.needs_reading(part.data)
    done = masks.mask(node)
    written = node.render("shown")
    assert int.from_bytes(written[:4], "big") == len(written) - 4
    got: Any = message_class("meta/v1.WatchEvent")()
    got.ParseFromString(written[4:])
    assert got.type == kind
    assert read(got.object.raw, "core/v1.Secret").data["a"] == placeholder("secret-data", "hunter2!").encode()
    assert [find.where for find in done.finds] == ["object.data.a"]


def test_a_status_that_quotes_a_secret() -> None:
    message: Any = message_class("meta/v1.Status")()
    message.status, message.reason, message.code = "Failure", "Invalid", 422
    message.message = (
        ' "" is invalid: patch: Invalid value: "{\\"data\\":{\\"a\\":\\"aHVudGVyMiE=\\"}}": illegal base64 data at input byte 0'
    )
    cause = message.details.causes.add()
    cause.field, cause.message = "patch", message.message.removeprefix(' "" is invalid: patch: ')
    shown, _, done = masked("PATCH /api/v1/namespaces/shop/secrets/db", enveloped("v1", "Status", message))
    got = read(shown, "meta/v1.Status")
    assert "aHVu" not in got.message + got.details.causes[0].message
    assert got.message.startswith(' "" is invalid: patch: Invalid value: l7gw-masked-secret-data-')
    assert len(done.finds) == 2


def test_what_holds_nothing_stays_byte_for_byte() -> None:
    message: Any = message_class("core/v1.Node")()
    message.metadata.name = "a"
    message.status.nodeInfo.machineID = "abc"
    body = enveloped("v1", "Node", message)
    masks = masker("GET /api/v1/nodes/a")
    assert not masks.needs_reading(body)
    node = protobuf_nodes.read(body, strict=False)
    assert masks.mask(node).finds == [] and node.render("shown") == body


def test_binary_data_of_a_config_map() -> None:
    message: Any = message_class("core/v1.ConfigMap")()
    message.metadata.namespace = "shop"
    message.data["a.password"] = "hunter2!"
    message.binaryData["private.key"] = b"\xffhunter2!"
    message.binaryData["other"] = b"\xff tok_abcd1234"
    shown, _, _ = masked(OTHER, enveloped("v1", "ConfigMap", message))
    got = read(shown, "core/v1.ConfigMap")
    assert got.data["a.password"] == placeholder("config-map", "hunter2!")
    assert dict(got.binaryData) == {
        "private.key": placeholder("config-map", b"\xffhunter2!").encode(),
        "other": b"\xff " + placeholder("test-token", "tok_abcd1234").encode(),
    }


def test_an_unknown_kind_in_a_known_envelope_is_masked_by_content_in_its_length() -> None:
    body = enveloped("v9", "Unheard", b"\x0a\x14is tok_abcd1234, yes")
    masks = masker(OTHER)
    node = protobuf_nodes.read(body, strict=False)
    done = masks.mask(node)
    assert len(done.finds) == 1
    assert node.render("shown") == body.replace(b"tok_abcd1234", b"************")


@pytest.mark.parametrize("size", [2, 200])
def test_where_a_secret_was_asked_for_a_kind_that_nobody_knows_is_masked_whole_in_its_length(size: int) -> None:
    raw = secret(a=b"hunter2!").SerializeToString().ljust(size, b"\0")[:size]
    body = enveloped("example.com/v1", "Vault", raw)
    shown, recorded, done = masked(SECRETS, body)
    [find] = done.finds
    assert (find.detector, find.where, find.length) == ("secret-data", "raw", size)
    tagged = f"l7gw-masked-secret-data-{find.tag}".encode() if find.tag else b""
    assert shown == recorded == body.replace(raw, tagged.ljust(size, b"*"))
    assert bool(find.tag) == (size == 200)
