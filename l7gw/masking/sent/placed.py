"""A value as if it stood in the object for which a JSON patch brings it, so that rules written for objects see its place."""

from __future__ import annotations

from collections.abc import Sequence

from l7gw.kube.objects.node import Node, Scalar, Shape, View

MOST_NAMES = 100  # of a pointer; no object is nested deeper


class Placed(Node):
    """An object with one member, or a list with one item: what a patch says stands around its value. It has no bytes of its own,
    and nothing is put in its place."""

    __slots__ = ("_inner", "_name")

    def __init__(self, name: str, inner: Node) -> None:
        self._name = name
        self._inner = inner

    @property
    def path(self) -> str:
        return self._inner.path

    @property
    def shape(self) -> Shape:
        return "list" if _is_index(self._name) else "object"

    def member(self, name: str) -> Node | None:
        return self._inner if name == self._name and self.shape == "object" else None

    def members(self) -> Sequence[tuple[str, Node]]:
        return ((self._name, self._inner),) if self.shape == "object" else ()

    def items(self) -> Sequence[Node]:
        return (self._inner,) if self.shape == "list" else ()

    def scalar(self) -> Scalar:
        return None

    def octets(self) -> bytes | None:
        return None

    def document(self) -> Node | None:
        return None

    def replace(self, text: str, *, shown_too: bool = True) -> None:
        self._inner.replace(text, shown_too=shown_too)

    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        self._inner.replace_octets(data, shown_too=shown_too)

    def remove(self) -> None:
        self._inner.remove()

    @property
    def edited(self) -> bool:
        return self._inner.edited

    def render(self, view: View) -> bytes:
        return self._inner.render(view)


def placed(pointer: str, value: Node) -> Node:
    """The value of an operation of a JSON patch, in what its pointer says stands around it (RFC 6901)."""
    names = [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1 : MOST_NAMES + 1]]
    for index, name in reversed(list(enumerate(names))):
        # A key of a map may be a number: data is a map, whatever its keys, and its values are in no list
        value = Placed(name if not (_is_index(name) and _is_map(names[:index])) else _Key(name), value)
    return value


class _Key(str):
    """A name that looks like the index of a list, and is a key."""

    __slots__ = ()


def _is_map(around: list[str]) -> bool:
    return around[-1:] in (["data"], ["stringData"], ["binaryData"], ["annotations"], ["labels"])


def _is_index(name: str) -> bool:
    return not isinstance(name, _Key) and (name == "-" or (name.isascii() and name.isdecimal()))
