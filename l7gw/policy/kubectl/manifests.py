"""Objects from files of YAML or JSON, as kubectl reads them for -f."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from l7gw.config.document import DEEPEST, LARGEST, OPENING
from l7gw.policy.kubectl.words import NotRead

MOST_OBJECTS = 100  # in one file; a test is about a call, not about a release
DEEPEST_OBJECT = DEEPEST * 5  # collections in collections; the deepest objects of Kubernetes, schemas of resources, have fifty

Manifest = dict[str, Any]


def objects_of(path: Path) -> list[Manifest]:
    """The objects in a file, those of a List one by one. Raises NotRead for a file that cannot be used."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotRead(f"{path} cannot be read: {error.strerror}", "a relative path begins at the policy's folder") from None
    return objects_in(data, str(path))


def objects_in(data: bytes, name: str) -> list[Manifest]:
    """As `objects_of`, from the file's bytes; `name` stands in messages."""
    if len(data) > LARGEST:
        raise NotRead(f"{name} is larger than {LARGEST // 1024} KiB")
    try:
        text = data.decode("utf-8-sig")
        _check(text, name)
        documents = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except UnicodeDecodeError:
        raise NotRead(f"{name} is not UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise NotRead(f"{name} is not YAML{f', in line {mark.line + 1}' if mark else ''}") from None
    except ValueError:
        raise NotRead(f"{name} has a value that is none") from None
    found = [one for document in documents for one in _items(document, name)]
    if not found or len(found) > MOST_OBJECTS:
        raise NotRead(f"{name} has {len(found)} objects", f"1 to {MOST_OBJECTS} are taken")
    return found


class _Loader(yaml.SafeLoader):
    """YAML as sigs.k8s.io/yaml gives it to an API server: a date is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _check(text: str, name: str) -> None:
    """Refuse by its tokens what would cost memory or stack: aliases multiply."""
    depth = 0
    for token in yaml.scan(text, _Loader):
        if isinstance(token, OPENING):
            depth += 1
        elif isinstance(token, yaml.BlockEndToken | yaml.FlowMappingEndToken | yaml.FlowSequenceEndToken):
            depth -= 1
        elif isinstance(token, yaml.AliasToken | yaml.TagToken):
            raise NotRead(f"{name} has aliases or tags, which are not taken here")
        if depth > DEEPEST_OBJECT:
            raise NotRead(f"{name} is nested more than {DEEPEST_OBJECT} deep")


def _items(document: object, name: str) -> list[Manifest]:
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise NotRead(f"{name} holds something that is no object")
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        return [one for item in document["items"] for one in _items(item, name)]
    kind, version = document.get("kind"), document.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str) or not kind or not version:
        raise NotRead(f"an object in {name} has no kind or no apiVersion")
    metadata = document.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise NotRead(f"an object in {name} has metadata that is no mapping")
    return [document]
