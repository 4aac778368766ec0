"""A body is seen by conditions in its one reading, in JSON and in protobuf, or its fault is told."""

from __future__ import annotations

import pytest

from l7gw.gateway.sent_object import TOO_LARGE, look_into
from l7gw.policy.looked import LARGEST_OBJECT, Looked
from l7gw.wire.events import Request


def seen(body: bytes, content_type: str = "application/json") -> Looked:
    return look_into(Request("POST", "/api/v1/namespaces/dev/pods", (("content-type", content_type),)), body)


def test_json_is_read_and_a_call_without_a_body_has_no_object() -> None:
    assert seen(b'{"a": [1, "x"]}') == Looked(object={"a": [1, "x"]})
    assert seen(b'[{"op": "remove"}]', "application/json-patch+json") == Looked(object=[{"op": "remove"}])
    assert seen(b"") == Looked()


def test_protobuf_has_the_names_and_values_of_json() -> None:
    meta = b"\x0a\x03web"  # ObjectMeta.name
    spec = b"\x12\x02\x08\x05"  # Scale.spec.replicas
    unknown = b"\x0a\x17\x0a\x0eautoscaling/v1\x12\x05Scale"
    raw = b"\x0a" + bytes([len(meta)]) + meta + spec
    found = seen(b"k8s\0" + unknown + b"\x12" + bytes([len(raw)]) + raw, "application/vnd.kubernetes.protobuf")
    assert found.fault == "" and found.object["spec"]["replicas"] == 5 and found.object["metadata"]["name"] == "web"


@pytest.mark.parametrize(
    ("body", "content_type", "fault"),
    [
        (b'{"a": 1, "a": 2}', "application/json", "the object cannot be read: "),
        (b"{", "application/json", "the object cannot be read: "),
        (b"a", "text/plain", "what is sent is no object"),
        (b" " * (LARGEST_OBJECT + 1), "application/json", TOO_LARGE),
    ],
)
def test_what_cannot_be_looked_at_says_why(body: bytes, content_type: str, fault: str) -> None:
    assert seen(body, content_type).fault.startswith(fault) and seen(body, content_type).object is None


def test_the_largest_object_is_looked_at() -> None:
    body = b'{"a": "' + b"x" * (LARGEST_OBJECT - 9) + b'"}'
    assert len(body) == LARGEST_OBJECT and seen(body).fault == ""
