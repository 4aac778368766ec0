"""A value of an object as Python has it: for what is compared or written anew, and not edited."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from l7gw.kube.objects.node import DEEPEST, Node, Unreadable


def plain(node: Node, depth: int = 0) -> Any:
    """The value of a node, as JSON would have it: octets are a text in base64. Raises Unreadable."""
    if depth > DEEPEST:
        raise Unreadable("it is nested too deep")
    shape = node.shape
    if shape == "object":
        return {name: plain(member, depth + 1) for name, member in node.members()}
    if shape == "list":
        return [plain(item, depth + 1) for item in node.items()]
    if shape == "octets":
        return b64encode(node.octets() or b"").decode()
    return node.scalar()
