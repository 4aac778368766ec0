"""The keys of a file by their paths: `clusters.NAME.credential`.

Behind a dot stands a key of the mapping; the items of a list have no part of the path (`identity.oidc`), and where the user chooses
names a word in capitals stands for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from l7gw.config.shapes import Either, Key, Listed, Mapping, Named, Schema, Shape

DRAFT = "http://json-schema.org/draft-07/schema#"  # what yaml-language-server and the editors on it understand whole


class Found(NamedTuple):
    """One key, with its path."""

    path: str
    key: Key


def keys_of(root: Mapping) -> Iterator[Found]:
    """All keys of a file in the table's order, each before those that stand in it."""
    return _within(root, "")


def mappings_of(root: Mapping) -> Iterator[tuple[str, Mapping]]:
    """All mappings whose keys are known, with their paths; that of the file itself is ""."""
    yield "", root
    for path, key in keys_of(root):
        for more, mapping in inside(key.shape):
            yield path + more, mapping


def _within(mapping: Mapping, before: str) -> Iterator[Found]:
    for key in mapping.keys:
        path = f"{before}{key.name}"
        yield Found(path, key)
        for more, inner in inside(key.shape):
            yield from _within(inner, f"{path}{more}.")


def inside(shape: Shape) -> Iterator[tuple[str, Mapping]]:
    """The mappings with known keys that a value has in it, each with what its path has more than the value's."""
    match shape:
        case Mapping():
            yield "", shape
        case Listed():
            yield "", shape.item
        case Named():
            yield from ((f".{shape.name}{more}", mapping) for more, mapping in inside(shape.item))
        case Either():
            yield from (found for one in shape.shapes for found in inside(one))
        case _:
            return


def find(root: Mapping, path: str) -> list[Found]:
    """The key of this path, and behind it those that stand in it; nothing where there is none. A name that the user chose may
    stand in the path of itself (`clusters.prod`), and a path may end with such a name."""
    return [found for found in keys_of(root) if _begins(found.path.split("."), path.split("."))]


def _begins(path: list[str], asked: list[str]) -> bool:
    return len(asked) <= len(path) and all(one == other or one.isupper() for one, other in zip(path, asked))


def later(root: Mapping, path: str) -> str:
    """The feature that will bring a key that this version lacks; "" for any other path."""
    before, _, name = path.rpartition(".")
    found = [
        mapping
        for at, mapping in mappings_of(root)
        if _begins(at.split("."), before.split(".")) and at.count(".") == before.count(".")
    ]
    return next((mapping.later[name] for mapping in found if mapping.later and name in mapping.later), "")


def schema(root: Mapping, title: str) -> Schema:
    """The JSON Schema of a file."""
    return {"$schema": DRAFT, "title": title, **root.schema()}
