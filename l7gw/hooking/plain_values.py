"""Objects as hooks see them: plain Python values, and the paths of these values back to nodes."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from l7gw.kube.objects.json_nodes import JsonNode
from l7gw.kube.objects.node import Node, Unreadable

_STEP = re.compile(r'(?:^|\.)(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\["\\])*)")|\[([0-9]{1,9})\]')
_ESCAPE = re.compile(r'\\(["\\])')
LONGEST_PATH = 4096  # characters; the path of a value in the deepest object has fewer

_decode = msgspec.json.Decoder().decode


def as_it_came(node: Node, apart: frozenset[str] = frozenset()) -> Any:
    """The value of a node before masking. `apart` are members of the node itself that are left out. Raises Unreadable."""
    match node.shape:
        case "object":
            return {name: as_it_came(member) for name, member in node.members() if name not in apart}
        case "list":
            return [as_it_came(item) for item in node.items()]
        case "octets":
            return _base64(node.octets() or b"")
        case _:
            return node.scalar()


def masked(node: Node, apart: frozenset[str] = frozenset()) -> Any:
    """The value of a node as the recording has it. `apart` are members of the node itself that are left out. Raises Unreadable."""
    if isinstance(node, JsonNode):
        try:
            value = _decode(node.render("recorded"))
        except (ValueError, RecursionError):
            raise Unreadable("a value of it is no JSON") from None
        return {name: member for name, member in value.items() if name not in apart} if apart else value
    match node.shape:
        case "object":
            return {name: masked(member) for name, member in node.members() if name not in apart}
        case "list":
            return [masked(item) for item in node.items()]
        case "text":
            return node.render("recorded").decode("utf-8", "replace") if node.edited else node.text()
        case "octets":
            return _base64(node.render("recorded"))
        case _:
            return node.scalar() if not node.edited else None


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def steps(path: str) -> list[str | int] | None:
    """The names and indexes in a path, as `member_path` and `item_path` write it; None where it is no path."""
    found: list[str | int] = []
    at = 0
    while at < len(path) <= LONGEST_PATH:
        step = _STEP.match(path, at)
        if step is None or path[0] == ".":
            return None
        plain, quoted, index = step.groups()
        found.append(int(index) if index is not None else plain if plain is not None else _ESCAPE.sub(r"\1", quoted))
        at = step.end()
    return found or None


def at(node: Node, names: Sequence[str | int]) -> Node | None:
    """The node at these names and indexes, also within JSON inside a text; None where there is none. Raises Unreadable."""
    found: Node | None = node
    for name in names:
        if found is None:
            return None
        if found.shape in ("text", "octets"):
            found = found.document()
            if found is None:
                return None
        if isinstance(name, str):
            found = found.member(name)
        else:
            items = found.items()
            found = items[name] if name < len(items) else None
    return found
