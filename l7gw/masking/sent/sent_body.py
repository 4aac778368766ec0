"""A body that a caller sent: its format, and where placeholders stand in it."""

from __future__ import annotations

from typing import Final, Literal, NoReturn

import msgspec

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.objects import json_nodes, protobuf_nodes
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.masking.placeholder_search import Room, holds, may_hold

MOST_PLACES = 1000  # values with a placeholder in one body; the largest Secret of a chart has some dozens

Format = Literal["json", "protobuf", "json-patch", "merge-patch", "strategic-patch", "apply"]
FORMATS: Final[dict[str, Format]] = {
    "": "json",  # without a Content-Type the API server takes JSON (AS pkg/endpoints/handlers/negotiation)
    "application/json": "json",
    "application/vnd.kubernetes.protobuf": "protobuf",
    "application/json-patch+json": "json-patch",
    "application/merge-patch+json": "merge-patch",
    "application/strategic-merge-patch+json": "strategic-patch",
    "application/apply-patch+yaml": "apply",
}


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A body that a caller sent, and what it is for."""

    act: Act
    format: Format
    body: bytes

    def read(self) -> Node:
        """The body as a node. Raises Refusal 400 where it is unreadable."""
        try:
            return read_as(self.format, self.body)
        except Unreadable as error:
            raise Refusal(400, "BadRequest", f"the body cannot be read: {error}") from error


def format_of(content_type: str | None) -> Format | None:
    """The format of a body by its Content-Type; None for one that the gateway cannot read. Parameters do not count."""
    return FORMATS.get((content_type or "").partition(";")[0].strip().lower())


def read_as(kind: Format, data: bytes) -> Node:
    """The bytes of a body as a node. Raises Unreadable."""
    return protobuf_nodes.read(data, strict=True) if kind == "protobuf" else json_nodes.read(data, strict=True)


def find_in(node: Node, most: int = MOST_PLACES) -> list[Node]:
    """The texts and octets in a value that hold a placeholder: the first ones, `most` at most. Raises Refusal 422 where a name
    holds one."""
    found: list[Node] = []
    waiting, room = [node], Room()
    while waiting and len(found) < most:
        node = waiting.pop()
        if not may_hold(node.render("recorded")):
            continue
        if node.shape == "object":
            members = node.members()
            for name, _ in members:
                refuse_name(node, name)
            waiting += [child for _, child in reversed(members)]
        elif node.shape == "list":
            waiting += reversed(node.items())
        elif leaf_holds(node, room):
            found.append(node)
    return found


def leaf_holds(node: Node, room: Room) -> bool:
    """Whether this is a text, or octets, with a placeholder. `room` is that of the body."""
    return node.shape in ("text", "octets") and holds(bytes_of(node), room)


def bytes_of(node: Node) -> bytes:
    """The bytes of a text or of octets, as they stand in the body: base64 is not decoded."""
    if node.shape == "octets":
        return node.octets() or b""
    return as_bytes(node.text() or "")


def as_bytes(text: str) -> bytes:
    """A text in UTF-8; half of a surrogate pair, which JSON can write, stays as it is."""
    return text.encode("utf-8", "surrogatepass")


def text_at(node: Node, *names: str) -> str:
    """The text at these names; "" where there is none."""
    found = node.at(*names)
    return (found.text() if found is not None else None) or ""


def refuse_name(node: Node, name: str) -> None:
    """Raise Refusal 422 where the name of a member holds a placeholder."""
    if holds(as_bytes(name)):
        where = node.path or "the object"
        raise invalid(f"a name in {where} holds the placeholder of a masked value, and no name is restored; write the real name")


def invalid(message: str) -> Refusal:
    """The 422 of a placeholder that cannot be restored."""
    return Refusal(422, "Invalid", message)


def lost(path: str, prefix: str = "") -> NoReturn:
    """Refuse a placeholder that has no value to take. The words are the same for every reason, so that they tell nobody more than
    that this field does not hold that value."""
    where = " ".join(word for word in (prefix, path or "the value") if word)
    raise invalid(
        f"{where} holds the placeholder of a masked value, and this field does not hold that value now; write the real value, or "
        "read the object again and leave the field as it is (a masked value of an older revision cannot be brought back)"
    )
