"""A value in a Kubernetes object, read and edited in the same way in JSON and in protobuf.

A rule about an object is written once, on `Node`, and does not know the encoding. Children are read when they are asked for. An
edit is remembered in its node; `render` writes the bytes anew around it, and gives the bytes as they came where nothing was edited.

An object is rendered in two views. They differ where a rule shows a caller a value that the recording must not hold.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from l7gw import plainjson

View = Literal[
    "recorded",  # for the disk: every edit
    "shown",  # for the client: without the edits of what the caller may see
]
Shape = Literal["object", "list", "text", "octets", "number", "boolean", "null"]
Scalar = str | int | float | bool | None

DEEPEST = plainjson.DEEPEST  # levels of nesting, in protobuf too

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class Unreadable(ValueError):
    """The bytes are no object, or could be read in two ways. Its words quote none of the bytes."""


def member_path(path: str, name: str) -> str:
    """The path of a member: `data.password`, `metadata.labels."app.kubernetes.io/name"`. `path` is "" at the top."""
    if not _PLAIN.fullmatch(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{path}.{name}" if path else name


def item_path(path: str, index: int) -> str:
    """The path of an item of a list: `items[3]`."""
    return f"{path}[{index}]"


class Node(ABC):
    """One value of an object. `path` is where it stands, "" for the object itself; it is put together when it is asked for.

    Reading gives what came, also where it was edited. Reading raises Unreadable where the value is no such thing after all.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def path(self) -> str:
        """Where the value stands."""

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """What kind of value it is. `octets` is a `bytes` field of protobuf, which JSON writes as a text in base64."""

    @abstractmethod
    def member(self, name: str) -> Node | None:
        """The member of an object or map, by the name that JSON gives it; None where there is none, or this is no object."""

    @abstractmethod
    def members(self) -> Sequence[tuple[str, Node]]:
        """All members of an object or map, in their order; empty where this is none."""

    @abstractmethod
    def items(self) -> Sequence[Node]:
        """The items of a list; empty where this is none."""

    @property
    def fixed_length(self) -> int | None:
        """How many bytes stand in place of this value, whatever is put there; None where any number may. What `replace` is given is
        then cut, or filled with `*`: a field of protobuf whose meaning is not known, or whose length is on its way already."""
        return None

    @abstractmethod
    def scalar(self) -> Scalar:
        """The value of a text, number or boolean; None for every other shape. Octets that are UTF-8 count as a text."""

    @abstractmethod
    def octets(self) -> bytes | None:
        """The bytes that a field of bytes holds: of a text in JSON those that its base64 stands for (AS encodes with padding; line
        breaks are skipped, as in Go), in protobuf the field itself. None where it is no such value."""

    @abstractmethod
    def document(self) -> Node | None:
        """The JSON object or list inside this text or these octets; None where there is none. The node belongs to this one: its
        edits are rendered into this value."""

    @abstractmethod
    def replace(self, text: str, *, shown_too: bool = True) -> None:
        """Put a text in place of this value. With `shown_too` false only the recorded view has it."""

    @abstractmethod
    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        """Put bytes in place of this value of a field of bytes: in base64 where the encoding is JSON."""

    @abstractmethod
    def remove(self) -> None:
        """Take this value and its name out of the object or list around it, in both views."""

    @property
    @abstractmethod
    def edited(self) -> bool:
        """Whether this value, or one inside it, was edited."""

    @abstractmethod
    def render(self, view: View) -> bytes:
        """The value's encoded bytes. A node that was read as a whole object gives the whole body again (protobuf: with its
        envelope)."""

    def text(self) -> str | None:
        """The value of a text; None for every other shape."""
        value = self.scalar()
        return value if isinstance(value, str) else None

    def at(self, *names: str) -> Node | None:
        """The member of a member: `at("metadata", "name")`; None where one of them is missing."""
        node: Node | None = self
        for name in names:
            if node is None:
                return None
            node = node.member(name)
        return node
