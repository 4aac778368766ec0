"""What Kubernetes publishes of each of its kinds, with every field filled, in protobuf and in JSON, is one and the same object."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from l7gw.kube.objects import protobuf_nodes as nodes
from l7gw.kube.objects.node import Node
from tests.conftest import missing
from tests.support.go_programs import MissingGo, find_go
from tests.support.kubernetes import protobuf as google


def published(version: str) -> list[Path]:
    """The files of Kubernetes' own tests of compatibility, of this version ("HEAD") or of one before it. The event of a watch is not
    among them: its file has an envelope without a kind, and on the wire it has none."""
    _, modules = google.generator().modules()
    found = (path for one in modules for path in one.rglob(f"testdata/{version}/*.pb"))
    return sorted(path for path in found if "after_roundtrip" not in path.name and path.stem != "core.v1.WatchEvent")


def shown(node: Node) -> Any:
    """A node as JSON has it, without what is empty: Go leaves that out of JSON for many fields, and writes it in protobuf."""
    if node.shape == "object":
        return filled({name: shown(one) for name, one in node.members()})
    if node.shape == "list":
        return filled([shown(one) for one in node.items()])
    if node.shape == "octets":
        return base64.b64encode(node.octets() or b"").decode()
    return node.scalar()


def filled(value: Any) -> Any:
    """A value of JSON without members that are empty."""
    if isinstance(value, dict):
        members = {name: filled(one) for name, one in value.items()}
        return {name: one for name, one in members.items() if one not in ("", 0, False, None, [], {})}
    if isinstance(value, list):
        return [filled(one) for one in value]
    return value


@pytest.fixture(autouse=True)
def modules() -> None:
    try:
        find_go()
    except MissingGo as error:
        missing(f"Kubernetes' published objects lie in Go modules: {error}")


@pytest.mark.parametrize("strict", [False, True])
def test_an_object_in_protobuf_is_the_object_in_json(strict: bool) -> None:
    files = published("HEAD")
    assert len(files) > 180
    for path in files:
        data = path.read_bytes()
        node = nodes.read(data, strict=strict)
        assert shown(node) == filled(json.loads(path.with_suffix(".json").read_bytes())), path
        assert node.render("shown") == data, path


@pytest.mark.parametrize("version", ["v1.33.0", "v1.34.0", "v1.35.0"])
def test_of_an_older_version_only_what_was_withdrawn_since_is_unknown(version: str) -> None:
    files = published(version)
    assert len(files) > 170
    unknown = []
    for path in files:
        data = path.read_bytes()
        node = nodes.read(data, strict=True)
        assert node.render("shown") == data, path
        expected = filled(json.loads(path.with_suffix(".json").read_bytes()))
        if node.member("raw") is not None:
            unknown.append(path.stem)
            assert [name for name, _ in node.members()] == ["apiVersion", "kind", "raw"]
        else:
            _compare(shown(node), expected)
    assert len(unknown) < 15, unknown


def _compare(found: Any, expected: Any) -> None:
    """Hold what is found against what is expected. Fields that the table lacks may stand instead of some."""
    if isinstance(found, dict) and isinstance(expected, dict):
        numbered = [name for name in found if name.startswith("#")]
        assert len(expected.keys() - found.keys()) == len(numbered), (found, expected)
        for name in found.keys() - numbered:
            _compare(found[name], expected[name])
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for one, other in zip(found, expected):
            _compare(one, other)
    else:
        assert found == expected
