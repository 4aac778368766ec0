"""How the bodies of the two encodings are split and read."""

from __future__ import annotations

from l7gw.kube.objects import json_nodes, json_splits, protobuf_nodes, protobuf_splits
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.kube.objects.parts import Part, Splitter

MAGIC = b"k8s\0"
MOST_SPACES = 64 * 1024  # bytes before an object in JSON; no server writes any
_OPENING, _CLOSING = (b"{", b"["), (b"}", b"]")


def splitter(*, protobuf: bool, watch: bool) -> Splitter:
    """The splitter of an answer's body."""
    if protobuf:
        return protobuf_splits.WatchSplitter() if watch else protobuf_splits.ListSplitter()
    return json_splits.WatchSplitter() if watch else json_splits.ListSplitter()


def begins(data: bytes, at: int, *, protobuf: bool) -> bool:
    """Look at bytes of an object's body from offset `at` on, which has nothing but spaces (JSON) or a part of MAGIC before. Whether
    the object has begun with them; False where more bytes must say that. Raises Unreadable where they begin no object."""
    if protobuf:
        if data[: len(MAGIC) - at] != MAGIC[at : at + len(data)]:
            raise Unreadable("it is no protobuf object")
        return at + len(data) >= len(MAGIC)
    first = data[:1] if data[:1] in _OPENING else data.lstrip(b" \t\r\n")[:1]
    if (first and first not in _OPENING) or (not first and at > MOST_SPACES):
        raise Unreadable("it is no JSON object")
    return bool(first)


def seems_whole(part: Part, *, protobuf: bool) -> bool:
    """Whether a part that nobody has to read begins and ends as an object of its encoding does: what is no object does not pass,
    also where nothing in it looks like a secret."""
    if protobuf:
        return part.role != "object" or part.data.startswith(MAGIC)
    data = part.data
    first, last = data[:1], data[-1:]
    if first not in _OPENING or last not in _CLOSING:
        stripped = data.strip(b" \t\r\n")
        first, last = stripped[:1], stripped[-1:]
    return first in _OPENING and last in _CLOSING and bool(first)


def read(part: Part) -> Node:
    """A part of a JSON body. Raises Unreadable."""
    return json_nodes.read(part.data, strict=False)


def read_protobuf(part: Part) -> Node:
    """A part of a protobuf body. Raises Unreadable."""
    return protobuf_nodes.read_part(part)
