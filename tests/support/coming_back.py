"""Objects that are masked and written back, for tests of coming back: with a masking of their own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.objects import json_nodes
from l7gw.kube.objects.node import Node
from l7gw.masking.coming_back.coming_back import must_be_read, restore
from l7gw.masking.coming_back.restoring import Reading
from l7gw.masking.placeholder import Tagger
from l7gw.masking.sent.sent_body import Format, Sent

TAGGER = Tagger(b"k" * 32, "prod", "shop")
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
PASSWORD, TOKEN = "hunter2 of the shop", "0123456789abcdef"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def hidden(value: str, detector: str = "secret-data") -> str:
    return TAGGER.placeholder(detector, value.encode())


def mask(node: Node) -> None:
    """A masking for these tests: values of Secrets and of their copies, variables called PASSWORD, and what follows `password=`."""
    kind = node.at("kind")
    if kind is not None and kind.text() == "Secret":
        _secret(node)
    annotation = node.at("metadata", "annotations", APPLIED)
    document = annotation.document() if annotation is not None else None
    if document is not None:
        mask(document)
    for container in _items(node, "spec", "template", "spec", "containers"):
        for variable in _items(container, "env"):
            if variable.member("name").text() == "PASSWORD" and variable.member("value"):  # type: ignore[union-attr]
                _whole(variable.member("value"), "env")
        for argument in _items(container, "args"):
            _content(argument)
    for name in ("data", "spec"):
        for _, value in node.member(name).members() if kind and kind.text() != "Secret" and node.member(name) else ():  # type: ignore[union-attr]
            _content(value)
    for user in _items(node, "spec", "users"):
        _whole(user.member("pass"), "field")


def _items(node: Node, *names: str) -> list[Node]:
    found = node.at(*names)
    return list(found.items()) if found is not None else []


def _secret(node: Node) -> None:
    for _, value in node.member("data").members() if node.member("data") else ():  # type: ignore[union-attr]
        octets = value.octets()
        assert octets is not None
        value.replace_octets(TAGGER.placeholder("secret-data", octets).encode())
    for _, value in node.member("stringData").members() if node.member("stringData") else ():  # type: ignore[union-attr]
        _whole(value, "secret-data")


def _whole(node: Node | None, detector: str) -> None:
    if node is not None:
        node.replace(TAGGER.placeholder(detector, (node.text() or "").encode()))


def _content(node: Node) -> None:
    text = node.text() or ""
    before, found, rest = text.partition("password=")
    if found:
        word = rest.split()[0].split("&")[0]
        node.replace(before + found + TAGGER.placeholder("password", word.encode()) + rest[len(word) :])


def act(resource: str = "secrets", verb: str = "update", name: str = "db", group: str = "", subresource: str = "") -> Act:
    return Act(
        verb=verb, path="/x", query="", effects=frozenset(("write",)), is_resource=True, group=group, version="v1",
        resource=resource, subresource=subresource, namespace="shop", name=name,
    )  # fmt: skip


def reading(stored: dict[str, Any]) -> Reading:
    return Reading(stored=json.dumps(stored).encode(), mask=mask, tagger=TAGGER)


def back(stored: dict[str, Any], body: Any, form: Format = "json", asked: Act | None = None) -> Any:
    """What goes to the cluster for a body."""
    default = act("secrets" if stored["kind"] == "Secret" else "things", "update" if form in ("json", "protobuf") else "patch")
    sent = Sent(act=asked or default, format=form, body=json.dumps(body).encode())
    assert must_be_read(sent)
    return json.loads(restore(sent, reading(stored)))


def refused(call: Callable[[], object], code: int = 422) -> str:
    with pytest.raises(Refusal) as caught:
        call()
    assert caught.value.code == code
    return caught.value.message


def secret(applied: dict[str, Any] | None = None, **values: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "db", "namespace": "shop", "uid": "u-1", "resourceVersion": "7"}
    if applied is not None:
        metadata["annotations"] = {APPLIED: json.dumps(applied)}
    data = {key: b64(value) for key, value in (values or {"password": PASSWORD, "token": TOKEN}).items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data, "type": "Opaque"}


def shown(stored: dict[str, Any]) -> dict[str, Any]:
    """The object as a client gets it."""
    node = json_nodes.read(json.dumps(stored).encode(), strict=False)
    mask(node)
    found: dict[str, Any] = json.loads(node.render("shown"))
    return found


def deployment(**more: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "shop:1",
        "env": [{"name": "A", "value": "a"}, {"name": "PASSWORD", "value": PASSWORD}],
        "args": ["--port=80", "--url=db?password=abcdef&x=1"],
        **more,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "db", "namespace": "shop", "resourceVersion": "7"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "side", "image": "x"}, container]}}},
    }


def main_of(body: Any) -> Any:
    return body["spec"]["template"]["spec"]["containers"][1]
