"""Bytes of which the searches say that nobody has to read them hold nothing that a reading of them would mask."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.kube.objects import json_nodes
from l7gw.masking.detectors.marks import WORTH, Expression, Marks
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.objects.objects import ObjectMasker
from l7gw.masking.objects.structure_hints import (
    ENCODED,
    ENVIRONMENT,
    ESCAPED,
    EXPRESSIONS,
    GO_ESCAPED,
    JSON_EXPRESSIONS,
    LARGE_JSON,
    STRUCTURE,
    VARIABLE,
    WITHIN,
    hints,
    holds_variable,
    marks_in_json,
    may_be_json,
    without_go_escapes,
)  # fmt: skip
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS
from tests.support.kubernetes.protobuf import enveloped, message_class
from tests.support.masked import KEY, act_of
from tests.support.planted import KINDS, Planter

SCANNER = Scanners(BUILT_IN).default
IN_JSON = Marks(JSON_EXPRESSIONS)
REGISTERED = b"Tr0ub4dor&3<>\\x"


def registry() -> Registry:
    found = Registry(KEY, lambda: 0.0)
    for namespace in ("shop", *(f"ns-{number}" for number in range(8))):
        found.register("test", namespace, REGISTERED + namespace[-1:].encode())
    return found


class ReadsAll(ObjectMasker, frozen=True, kw_only=True):
    """Reads and looks into everything, whatever the searches say."""

    def needs_reading(self, data: bytes, listed: str = "") -> bool:
        return True

    def looks_held(self, data: bytes) -> bool:
        return True

    def _notice(self, data: bytes, namespaces: object) -> bool:
        return True


def masker(kind: type[ObjectMasker], line: str) -> ObjectMasker:
    return kind(
        key=KEY, cluster="test", act=act_of(line), obligations=NO_OBLIGATIONS, scanner=SCANNER, registry=REGISTRY, sender=""
    )


REGISTRY = registry()
LINES = ["GET /api/v1/pods", "GET /api/v1/namespaces/shop/pods/x", "GET /api/v1/nodes", "GET /apis/apps/v1/deployments",
         "GET /apis/example.com/v1/things"]  # fmt: skip
TEXTS = st.sampled_from(
    [
        "info", "", "hunter2-hunter2", "password=hunter2!", "AKIAIOSFODNN7EXAMPLQ", "postgres://u:p4ssw0rd@db/x", "a & b <c>/d",
        "kind: Secret\ndata:\n  a: aGVsbG8gd29ybGQ=\n", "apiVersion: v1\nkind: Config\nusers:\n- user:\n    token: abcdef123456\n",
        'say "it"', "tab\tline\nend", "ö€\U0001d4b3", "Bearer abcdefgh12345678", REGISTERED.decode() + "p", REGISTERED.decode() + "1", "\u2028",
        base64.encodebytes(b"x" * 52 + REGISTERED + b"1" + b"x" * 9).decode(), base64.encodebytes(b"x" * 50 + REGISTERED + b"p").decode(),
    ]
)  # fmt: skip
NAMES = st.sampled_from(["LOG_LEVEL", "DB_PASSWORD", "apiKey", 'a"token', "A_SECRET,B", "HOME", "my.token"])


def variable(name: str, value: str, more: object, *, turned: bool) -> dict[str, object]:
    pairs = [("name", name), *([("x", more)] if more else []), ("value", value)]
    return dict(reversed(pairs) if turned else pairs)


VARIABLES = st.builds(variable, NAMES, TEXTS, st.sampled_from([None, None, 1, {"a": {"b": 1}}]), turned=st.booleans())
OWN_VARIABLES = st.builds(lambda name, value: {"name": name, "value": value}, NAMES, TEXTS)


@st.composite
def objects(draw: st.DrawFn, level: int = 0, *, ordered: bool = True) -> dict[str, Any]:
    """Objects of several kinds. `ordered`: their own variables are as kube-apiserver writes them. Those of a manifest within one have
    any order."""
    kind, group = draw(
        st.sampled_from(
            [
                ("Pod", "v1"),
                ("Deployment", "apps/v1"),
                ("Thing", "example.com/v1"),
                ("Secret", "v1"),
                ("ConfigMap", "v1"),
                ("Node", "v1"),
            ]
        )
    )
    env = draw(st.lists(OWN_VARIABLES if ordered and not level else VARIABLES, max_size=2))
    spec: Any = {"containers": [{"name": "c", "env": env, "args": draw(st.lists(TEXTS, max_size=2))}]}
    if kind == "Deployment":
        spec = {"template": {"spec": spec}}
    annotations = {"note": draw(TEXTS)}
    if level < 2 and draw(st.booleans()):
        annotations["m"] = json.dumps(
            draw(objects(level + 1)), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))
        )
    found = {"kind": kind, "apiVersion": group, "metadata": {"name": "x", "annotations": annotations}, "spec": spec}
    if namespace := draw(st.sampled_from(["shop", "ns-1", "other", ""])):
        found["metadata"]["namespace"] = namespace
    if kind in ("Secret", "ConfigMap"):
        found["data"] = {"password": "aGVsbG8gd29ybGQ=", "x": draw(TEXTS)}
    if draw(st.booleans()):
        found["binaryData"] = {"x": "cGFzc3dvcmQ9aHVudGVyMiE="}
    return found


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """JSON in which some characters are written as escapes, as one encoder or another does."""
    text = json.dumps(value, ensure_ascii=draw(st.booleans()), separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])),
                      indent=draw(st.sampled_from([None, None, 1])))  # fmt: skip
    for plain, escaped in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e"), ("/", "\\/")):
        if draw(st.booleans()):
            text = text.replace(plain, escaped)
    if draw(st.integers(0, 3)) == 0:
        letter = draw(st.sampled_from("kSvn"))  # no digits of another escape
        places = [at for at, one in enumerate(text) if one == letter and text[at - 1] != "\\"]
        if places:
            at = draw(st.sampled_from(places))
            text = text[:at] + draw(st.sampled_from(["\\u%04x", "\\u%04X"])) % ord(letter) + text[at + 1 :]
    return text


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, str]:
    """A request's line, and the JSON that answers it."""
    line = draw(st.sampled_from(LINES))
    made = objects(ordered="pods" in line or "deployments" in line)
    kinds = st.sampled_from(["List", "PodList", "ThingList"])
    listed = st.builds(
        lambda items, kind: {"kind": kind, "apiVersion": "v1", "metadata": {}, "items": items}, st.lists(made, max_size=4), kinds
    )
    return line, draw(written(draw(made | listed | made.map(lambda one: {"type": "ADDED", "object": one}))))


def made(beside: tuple[Expression, ...]) -> None:
    """Have the one search for these expressions made, as after many bytes."""
    while SCANNER.marks(beside, 2 * WORTH) is None:
        time.sleep(0.01)


@settings(deadline=None, max_examples=150)
@given(calls(), st.booleans())
def test_what_need_not_be_read_holds_nothing_and_what_is_read_is_masked_as_if_all_of_it_were(
    call: tuple[str, str], large: bool
) -> None:
    line, text = call
    data = text.encode("utf-8", "surrogatepass")
    if large:
        data += b" " * LARGE_JSON
        made(JSON_EXPRESSIONS)
    all_of_it, as_it_is = json_nodes.read(data, strict=False), json_nodes.read(data, strict=False)
    everything = masker(ReadsAll, line).mask(all_of_it).finds
    ordinary = masker(ObjectMasker, line)
    if not ordinary.needs_reading(data):
        assert not everything
    found = ordinary.mask(as_it_is).finds
    assert found == everything and as_it_is.render("shown") == all_of_it.render("shown")


@settings(deadline=None, max_examples=150)
@given(calls())
def test_what_is_noticed_in_large_json_is_what_is_noticed_anywhere(call: tuple[str, str]) -> None:
    data = call[1].encode("utf-8", "surrogatepass")
    marks = hints().find(data, 0)
    assert marks_in_json(IN_JSON, data, 0) == marks & ~ENVIRONMENT
    for stop in (STRUCTURE | ENVIRONMENT, STRUCTURE | ESCAPED | WITHIN | ENVIRONMENT, ESCAPED | ENCODED):
        assert bool(marks_in_json(IN_JSON, data, stop) & stop) == bool(marks & stop)


def test_only_what_has_nothing_that_json_lacks_is_searched_as_json() -> None:
    assert may_be_json(b'{"kind":"PodList"}') and not may_be_json(b"k8s\0\x0a\x07API_KEY\x12\x02x")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(NAMES, TEXTS), max_size=3), TEXTS, objects(level=1), st.sampled_from(LINES[:2]))
def test_the_same_holds_in_protobuf(env: list[tuple[str, str]], note: str, inner: dict[str, Any], line: str) -> None:
    from l7gw.kube.objects import protobuf_nodes

    pods: Any = message_class("core/v1.PodList")()
    for number in range(2):
        pod = pods.items.add()
        pod.metadata.namespace, pod.metadata.uid = "shop", "0b5b4f5e-8d3e-4b52-9d0a-3c2f0f0f0f0f"
        pod.metadata.annotations["note"] = note
        if number:
            pod.metadata.annotations["m"] = json.dumps(inner)
            container = pod.spec.containers.add()
            for name, value in env:
                variable = container.env.add()
                variable.name, variable.value = name, value
    data = enveloped("v1", "PodList", pods)
    all_of_it, as_it_is = (protobuf_nodes.read(data, strict=False) for _ in range(2))
    everything = masker(ReadsAll, line).mask(all_of_it).finds
    ordinary = masker(ObjectMasker, line)
    if not ordinary.needs_reading(data):
        assert not everything
    assert ordinary.mask(as_it_is).finds == everything and as_it_is.render("shown") == all_of_it.render("shown")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_that_holds_something_is_read_however_long_the_body(kind: str) -> None:
    planted = KINDS[kind](Planter(7))
    data = json.dumps([{"kind": "Node"}, planted.value] + [{"kind": "Node"}] * (WORTH // 8)).encode()
    masks = masker(ObjectMasker, "GET /apis/other.example.com/v1/things")
    assert masks.needs_reading(data)
    made(JSON_EXPRESSIONS)
    assert masks.needs_reading(data)
    made(EXPRESSIONS)
    assert masks.needs_reading(data + b"\x12")


@pytest.mark.parametrize(
    ("data", "marks"),
    [
        (b'"kind":"Secret"', STRUCTURE),
        (b"kind:\x0bConfig,", STRUCTURE),
        (b"\x0a\x07API_KEY\x12\x02x", STRUCTURE),
        (b'"name":"A_TOKEN","value":"x"', VARIABLE),
        (b"\\u0074", ESCAPED),
        (b"\\u003C", ESCAPED),
        (b"\\u00", ESCAPED),
        (b"\\u0026\\u003c\\u003e\\/", GO_ESCAPED),
        (b'"binaryData":{}', ENCODED),
        (b'"env":[]', ENVIRONMENT),
        (b'\\"env\\":[]', WITHIN),
        (b'{"metadata":{"name":"web","managedFields":[{"k:{\\"name\\":\\"c\\"}":{}}]},"spec":{"containers":[]}}', 0),
    ],
)
def test_each_mark_stands_for_something(data: bytes, marks: int) -> None:
    assert hints().find(data, 0) == marks
    if b"\x12" not in data:
        assert marks_in_json(IN_JSON, data, ENVIRONMENT) == marks


def test_an_applied_pod_whose_passwords_are_in_secrets_holds_no_variable() -> None:
    env = [
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
        {"name": "LOG", "value": "info"},
    ]
    manifest = json.dumps({"kind": "Pod", "spec": {"containers": [{"env": env}]}})
    data = json.dumps(
        {"kind": "Pod", "metadata": {"annotations": {"x": manifest}}, "spec": {"containers": [{"env": env}]}}
    ).encode()
    marks = hints().find(data, 0)
    assert marks & WITHIN and not holds_variable(data, marks)
    other = data.replace(b"LOG", b"A_TOKEN")
    assert holds_variable(other, hints().find(other, 0))


def test_escapes_that_go_writes_are_taken_out() -> None:
    assert without_go_escapes(b"a \\u0026 \\u003cb\\u003e \\/ \\u0074 \\n") == b"a & <b> / \\u0074 \\n"
