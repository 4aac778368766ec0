"""A body is read by its Content-Type, and placeholders in it are found by their paths."""

from __future__ import annotations

import json

import pytest

from l7gw.errors import Refusal
from l7gw.kube.objects import json_nodes
from l7gw.masking.sent.sent_body import Format, Sent, find_in, format_of
from tests.support.coming_back import act

PLACEHOLDER = "l7gw-masked-secret-data-0123abcd"


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, "json"),
        ("", "json"),
        ("Application/JSON; charset=utf-8", "json"),
        ("application/vnd.kubernetes.protobuf", "protobuf"),
        ("application/strategic-merge-patch+json", "strategic-patch"),
        ("application/apply-patch+yaml", "apply"),
        ("application/yaml", None),
        ("application/cbor", None),
        ("application/apply-patch+cbor", None),
    ],
)
def test_a_content_type_says_the_format(content_type: str | None, expected: Format | None) -> None:
    assert format_of(content_type) == expected


def test_placeholders_are_found_in_order_and_by_path() -> None:
    body = {"a": PLACEHOLDER, "b": [{"c": "x"}, {"c": f"see {PLACEHOLDER}"}], "d": {"e": 1, "f": PLACEHOLDER}}
    node = json_nodes.read(json.dumps(body).encode(), strict=True)
    assert [found.path for found in find_in(node)] == ["a", "b[1].c", "d.f"]
    assert [found.path for found in find_in(node, most=1)] == ["a"]


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b"a: b", b"{}{}", b"", b'{"a":NaN}'])
def test_a_body_that_is_unreadable_is_a_400(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        Sent(act=act(), format="json", body=body).read()
    assert caught.value.code == 400
