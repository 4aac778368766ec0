"""Values of an object in protobuf, and the JSON inside them, are edited in their place."""

from __future__ import annotations

import pytest

from l7gw.kube.objects import protobuf_nodes as nodes
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.kube.objects.parts import Part
from l7gw.kube.objects.protobuf_wire import encode


def field(number: int, data: bytes) -> bytes:
    return encode(number << 3 | 2) + encode(len(data)) + data


def enveloped(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version.encode()) + field(2, kind.encode())) + field(2, raw) + b"\x1a\0\x22\0"


def child(node: Node, *names: str) -> Node:
    found = node.at(*names)
    assert found is not None, names
    return found


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
APPLIED = b'{"kind":"Secret","stringData":{"a\\"b":"hunter2","n":[1,true,null,"p\\u0061ss"]}}\n'


def annotated(text: bytes) -> bytes:
    return field(1, field(1, b"x") + field(12, field(1, LAST_APPLIED.encode()) + field(2, text)))


def test_json_in_a_text_is_edited_within_the_object() -> None:
    node = nodes.read(enveloped("v1", "Secret", annotated(APPLIED)), strict=True)
    annotation = child(node, "metadata", "annotations", LAST_APPLIED)
    document = annotation.document()
    assert document is not None and document is annotation.document() and not node.edited
    value = child(document, "stringData", 'a"b')
    assert value.path == f'metadata.annotations."{LAST_APPLIED}".stringData."a\\"b"'
    value.replace("l7gw-masked-secret-data-01234567", shown_too=False)
    assert node.edited and annotation.edited
    assert node.render("shown") == enveloped("v1", "Secret", annotated(APPLIED))
    longer = APPLIED.replace(b"hunter2", b"l7gw-masked-secret-data-01234567")
    assert node.render("recorded") == enveloped("v1", "Secret", annotated(longer))
    annotation.replace("whole")
    assert node.render("recorded") == node.render("shown") == enveloped("v1", "Secret", annotated(b"whole"))


@pytest.mark.parametrize("text", [b"", b"x", b"{", b'{"a":1,"a":2}', b"\xff", b"[" * 200 + b"]" * 200])
def test_a_text_that_is_no_json_has_no_document(text: bytes) -> None:
    node = nodes.read(enveloped("v1", "Secret", annotated(text)), strict=False)
    assert child(node, "metadata", "annotations", LAST_APPLIED).document() is None


def test_json_that_protobuf_holds_is_the_value_itself() -> None:
    body = enveloped("apps/v1", "ControllerRevision", field(2, field(1, b'{"spec":{"a":"hunter2"}}')))
    node = nodes.read(body, strict=True)
    data = child(node, "data")
    assert (data.shape, data.path, data.document()) == ("object", "data", None)
    child(data, "spec", "a").replace("masked-value")
    expected = enveloped("apps/v1", "ControllerRevision", field(2, field(1, b'{"spec":{"a":"masked-value"}}')))
    assert node.render("recorded") == expected
    data.remove()
    assert node.render("shown") == enveloped("apps/v1", "ControllerRevision", b"")


def test_bytes_that_are_neither_json_nor_an_object_are_bytes_in_an_answer_and_refused_in_a_request() -> None:
    body = enveloped("apps/v1", "ControllerRevision", field(2, field(1, b"hunter2")))
    data = child(nodes.read(body, strict=False), "data")
    assert (data.shape, data.octets()) == ("octets", b"hunter2")
    with pytest.raises(Unreadable):
        nodes.read(body, strict=True)


@pytest.mark.parametrize(
    ("names", "text", "becomes"),
    [
        (("stringData", 'a"b'), "l7gw-masked", b'{"kind":"Secret","stringData":{"a\\"b":"l7gw-ma","n":[1,true,null,"p\\u0061ss"]}}\n'),
        (("stringData", 'a"b'), "x", b'{"kind":"Secret","stringData":{"a\\"b":"x******","n":[1,true,null,"p\\u0061ss"]}}\n'),
        (("stringData", 'a"b'), '"""""', b'{"kind":"Secret","stringData":{"a\\"b":"\\"\\"\\"*","n":[1,true,null,"p\\u0061ss"]}}\n'),
        (("stringData", 'a"b'), "\u20ac\u20ac\u20ac", b'{"kind":"Secret","stringData":{"a\\"b":"\xe2\x82\xac\xe2\x82\xac*","n":[1,true,null,"p\\u0061ss"]}}\n'),
        (("stringData", "n"), "x", b'{"kind":"Secret","stringData":{"a\\"b":"hunter2","n":"x**********************"}}\n'),
        (("kind",), "", b'{"kind":"******","stringData":{"a\\"b":"hunter2","n":[1,true,null,"p\\u0061ss"]}}\n'),
    ],
)  # fmt: skip
def test_json_keeps_its_length_where_that_is_fixed(names: tuple[str, ...], text: str, becomes: bytes) -> None:
    part = Part(data=field(2, annotated(APPLIED)), role="item", kind="Secret", api_version="v1", fixed=True)
    node = nodes.read_part(part)
    document = child(node, "metadata", "annotations", LAST_APPLIED).document()
    assert document is not None
    value = child(document, *names)
    assert value.fixed_length is not None
    value.replace(text)
    rendered = node.render("shown")
    assert len(becomes) == len(APPLIED) and rendered == field(2, annotated(becomes))
    with pytest.raises(ValueError, match="fixed"):
        value.remove()


POD = field(1, field(8, b"\x08\x80\xe3\xcf\xd5\x06\x10\0")) + field(
    2, b"\x20\x1e" + b"\x58\x01" + field(2, field(8, field(1, field(1, b"cpu") + field(2, field(1, b"250m")))))
)


def test_numbers_times_and_quantities_become_zero_of_the_same_length() -> None:
    node = nodes.read(enveloped("v1", "Pod", POD), strict=True)
    seconds, network = child(node, "spec", "terminationGracePeriodSeconds"), child(node, "spec", "hostNetwork")
    created = child(node, "metadata", "creationTimestamp")
    cpu = child(node, "spec", "containers").items()[0].at("resources", "limits", "cpu")
    assert cpu is not None and cpu.path == "spec.containers[0].resources.limits.cpu"
    assert (seconds.scalar(), network.scalar(), cpu.scalar()) == (30, True, "250m")
    assert (created.scalar(), created.shape) == ("2026-09-23T15:34:24Z", "text")
    for one in (seconds, network, created, cpu):
        one.replace("l7gw-masked-x-01234567")
    again = nodes.read(node.render("shown"), strict=False)
    assert len(node.render("shown")) == len(enveloped("v1", "Pod", POD))
    assert child(again, "spec", "terminationGracePeriodSeconds").scalar() == 0
    assert child(again, "spec", "hostNetwork").scalar() is False
    assert child(again, "metadata", "creationTimestamp").scalar() == "1970-01-01T00:00:00Z"
    assert child(again, "spec", "containers").items()[0].at("resources", "limits", "cpu").scalar() == "0000"  # type: ignore[union-attr]
