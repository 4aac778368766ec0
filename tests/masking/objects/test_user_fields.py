"""Fields that the configuration names are masked whole, wherever an object of their kind stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.config.field_paths import read_path
from l7gw.config.settings import MaskingField
from l7gw.obligations import Obligations
from tests.support.masked import Result, b64, mask, masker, placeholder

DATABASES = "GET /apis/example.com/v1/namespaces/shop/databases"


def field(kind: str, path: str, group: str = "") -> MaskingField:
    return MaskingField(kind=kind, group=group, path=read_path(path), line=1)


def masked(fields: list[MaskingField], body: Any, line: str = DATABASES, obligations: Obligations | None = None) -> Result:
    return mask(line, body, obligations or Obligations(), fields=tuple(fields))


def database(**spec: Any) -> dict[str, Any]:
    return {"kind": "Database", "apiVersion": "example.com/v1", "metadata": {"name": "a", "namespace": "shop"}, "spec": spec}


def test_a_path_leads_through_items_and_quoted_names() -> None:
    body = database(users=[{"pass.word": "one"}, {"pass.word": "two", "name": "b"}], other="three")
    got = masked([field("Database", 'spec.users[*]."pass.word"', "example.com")], body)
    assert got.places == {'spec.users[0]."pass.word"': "field", 'spec.users[1]."pass.word"': "field"}
    assert got.shown["spec"]["users"][0] == {"pass.word": placeholder("field", "one")}


def test_one_item_and_all_texts_below_an_object() -> None:
    body = database(hosts=[{"key": "one"}, {"key": "two"}], credentials={"a": {"b": "three"}, "n": 5, "l": ["four"]})
    got = masked([field("Database", "spec.hosts[1].key"), field("Database", "spec.credentials")], body)
    assert set(got.places) == {"spec.hosts[1].key", "spec.credentials.a.b", "spec.credentials.l[0]"}


def test_values_of_a_config_map_by_a_star() -> None:
    body = {"kind": "ConfigMap", "apiVersion": "v1", "data": {"my-pin": "1234", "x": "y"}, "binaryData": {"pin.bin": b64("1234")}}
    fields = [field("ConfigMap", "data.*pin*"), field("ConfigMap", "binaryData.*")]
    got = masked(fields, body, "GET /api/v1/namespaces/shop/configmaps/a")
    assert set(got.places) == {"data.my-pin", 'binaryData."pin.bin"'}
    assert got.shown["binaryData"]["pin.bin"] == b64(placeholder("field", "1234"))


@pytest.mark.parametrize(
    ("kind", "group"), [("Database", "other.example.com"), ("Databases", ""), ("database", ""), ("Database", "example")]
)
def test_another_kind_or_group_is_not_meant(kind: str, group: str) -> None:
    assert masked([field(kind, "spec.pin", group)], database(pin="one")).finds == []


def test_items_of_a_list_without_a_kind_or_group_are_meant() -> None:
    body = {"kind": "DatabaseList", "apiVersion": "example.com/v1", "items": [{"spec": {"pin": "one"}}]}
    assert list(masked([field("Database", "spec.pin", "example.com")], body).places) == ["items[0].spec.pin"]
    other = {"kind": "DatabaseList", "apiVersion": "other.example.com/v1", "items": [{"spec": {"pin": "one"}}]}
    assert masked([field("Database", "spec.pin", "example.com")], other).finds == []


def test_the_manifest_of_an_applied_object_is_masked_too() -> None:
    body = database(pin="one")
    body["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(database(pin="one"))}
    got = masked([field("Database", "spec.pin")], body)
    assert len(got.finds) == 2 and b'one"' not in got.bytes_shown.replace(b"\\", b"")


def test_a_field_may_be_revealed_and_is_recorded_masked() -> None:
    got = masked([field("Database", "spec.pin")], database(pin="one"), obligations=Obligations(reveal=frozenset(("field",))))
    assert got.shown["spec"]["pin"] == "one" and got.recorded["spec"]["pin"] == placeholder("field", "one")


def test_only_objects_of_the_kind_are_read_for_it() -> None:
    masks = masker(DATABASES, fields=(field("Database", "spec.pin"),))
    assert masks.needs_reading(b'{"kind":"Database"}')
    assert masks.needs_reading(b'{"spec":{}}', listed="Database")
    assert not masks.needs_reading(b'{"kind":"Other"}')
