"""The table of fields is what Kubernetes publishes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from l7gw.kube.objects import protobuf_table as tables
from tests.conftest import missing
from tests.support.go_programs import MissingGo, find_go
from tests.support.kubernetes import protobuf as google
from tests.support.kubernetes.build import PROGRAMS

FILE = Path(tables.__file__).parent / "protobuf_fields.json"


def test_the_file_is_what_the_script_writes_from_the_modules_of_go() -> None:
    try:
        find_go()
    except MissingGo as error:
        missing(f"Kubernetes' .proto files lie in Go modules: {error}")
    assert google.generator().text() == FILE.read_text()


def test_the_version_is_that_of_the_cluster_in_the_tests() -> None:
    assert tables.version() == PROGRAMS[0].version


def test_embedded_structs_are_seen_through_and_names_are_those_of_json() -> None:
    volume = tables.message("core/v1.Volume")
    assert {"name", "secret", "configMap", "csi"} <= volume.names.keys()
    assert volume.names["secret"].name == tables.EMBEDDED
    assert "$ref" in tables.message("apiextensions/v1.JSONSchemaProps").names


@pytest.mark.parametrize(
    ("api_version", "kind", "message"),
    [
        ("v1", "Secret", "core/v1.Secret"),
        ("v1", "List", "core/v1.List"),
        ("apps/v1", "DeploymentList", "apps/v1.DeploymentList"),
        ("v1", "Status", "meta/v1.Status"),
        ("policy/v1", "DeleteOptions", "meta/v1.DeleteOptions"),
        ("meta.k8s.io/v1", "PartialObjectMetadataList", "meta/v1.PartialObjectMetadataList"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "apiextensions/v1.CustomResourceDefinition"),
        ("example.com/v1", "Status", ""),
        ("example.com/v1", "Secret", ""),
        ("v2", "Secret", ""),
    ],
)
def test_a_kind_has_its_message_by_its_apiversion(api_version: str, kind: str, message: str) -> None:
    assert tables.message_of(api_version, kind) == message


def test_the_items_of_a_list_have_a_field() -> None:
    item = tables.item_of("core/v1.PodList")
    assert item is not None and (item.number, item.message) == (2, "core/v1.Pod")
    assert tables.item_of("core/v1.Pod") is None and tables.item_of("") is None


def test_every_field_that_the_table_names_has_a_type_that_it_has() -> None:
    for name in tables.messages():
        for field in tables.message(name).fields.values():
            assert field.kind != "message" or tables.message(field.message)
            assert re.fullmatch(r"[A-Za-z0-9$_-]*", field.name), name
