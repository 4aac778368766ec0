"""Secrets in YAML inside a text are masked line by line."""

from __future__ import annotations

import pytest
import yaml

from l7gw.masking.objects.yaml_manifests import may_hold_secret, secret_values
from tests.support.masked import b64, mask

MANIFEST = f"""apiVersion: v1
kind: ConfigMap
data:
  color: blue
---
apiVersion: v1
kind: Secret
metadata:
  name: db
data:
  # the first
  password: {b64("hunter2!")}
  "quoted key": "{b64("hunter3!")}"
  empty: ""
  long: |
    {b64("hunter4!")}
    {b64("hunter5!")}
type: Opaque
stringData:
  url: 'postgres://a:hunter6!@db/x'
  folded: >-
    hunter7!
    hunter8!

immutable: true
"""


def cut_out(text: str) -> list[str]:
    return [text[cut.start : cut.end] for cut in secret_values(text, "secret-data")]


def test_values_are_found_and_keys_and_other_documents_are_not() -> None:
    assert cut_out(MANIFEST) == [
        b64("hunter2!"),
        b64("hunter3!"),
        b64("hunter4!"),
        b64("hunter5!"),
        "postgres://a:hunter6!@db/x",
        "hunter7!",
        "hunter8!",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kind: Secret\ndata: {a: aHVudGVy}\n", ["{a: aHVudGVy}"]),
        ("kind: Secret\ndata: {}\n", []),
        ("- kind: Secret\n  stringData:\n    a: b\n  type: x\n- kind: X\n", ["b"]),
        ("kind: Secret\r\nstringData:\r\n  a: b\r\n", ["b"]),
        ("kind: SecretStore\ndata:\n  a: b\n", []),
        ("kind: ConfigMap\ndata:\n  a: b\n", []),
        ("kind: Secret\nstringData:\n  a:\n    plain words\n    in lines\n", ["plain words", "in lines"]),
    ],
)
def test_other_ways_of_writing(text: str, found: list[str]) -> None:
    assert cut_out(text) == found
    assert may_hold_secret(text) or not found


def test_a_manifest_in_a_config_map_stays_yaml_with_its_keys() -> None:
    got = mask("GET /api/v1/namespaces/shop/configmaps/x", {"kind": "ConfigMap", "data": {"all.yaml": MANIFEST}})
    shown = got.shown["data"]["all.yaml"]
    assert "hunter" not in shown and b64("hunter2!") not in shown
    first, second = yaml.safe_load_all(shown)
    assert first == {"apiVersion": "v1", "kind": "ConfigMap", "data": {"color": "blue"}}
    assert set(second["data"]) == {"password", "quoted key", "empty", "long"} and second["immutable"] is True
    assert {find.detector for find in got.finds} == {"secret-data"}


def test_a_manifest_in_an_annotation_is_masked() -> None:
    got = mask("GET /api/v1/namespaces/shop", {"kind": "Namespace", "metadata": {"annotations": {"x": MANIFEST}}})
    assert len(got.finds) == 7
