"""How the bodies of the two encodings are split and read."""

from __future__ import annotations

from l7gw.kube.objects import json_nodes, json_splits, protobuf_nodes, protobuf_splits
from l7gw.kube.objects.node import Node
from l7gw.kube.objects.parts import Part, Splitter

MAGIC = b"k8s\0"
_OPENING, _CLOSING = (b"{", b"["), (b"}", b"]")


def splitter(*, protobuf: bool, watch: bool) -> Splitter:
    """The splitter of an answer's body."""
    if protobuf:
        return protobuf_splits.WatchSplitter() if watch else protobuf_splits.ListSplitter()
    return json_splits.WatchSplitter() if watch else json_splits.ListSplitter()


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
