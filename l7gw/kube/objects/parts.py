"""The parts in which a body is read, masked and sent on: an object, the items of a list, the events of a watch, and what stands
between items."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

LONGEST_PIECE = (
    64 * 1024 * 1024
)  # bytes of an object, item or event: etcd's limit is 1.5 MiB, an aggregated API may have more (threats I9)


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A piece of a body. The parts of a body, joined, are the body."""

    data: bytes
    role: Literal[
        "object",  # the whole body: one object, also a list that was small enough to be read whole
        "item",  # one item of a list, without the comma (JSON) or with its field's tag and length (protobuf)
        "event",  # one event of a watch, with its line end (JSON) or its length (protobuf)
        "between",  # what stands around the items
    ]
    index: int = 0  # of an item: its place in the list, from 0
    kind: str = ""  # of an item: the `kind` of the list, without `List`; "" where it is not known yet
    api_version: str = ""  # of an item in protobuf: that of the list
    fixed: bool = False  # whether the part must keep its length, because a length that holds it is on its way already


class Splitter(Protocol):
    """Splits a body as it comes, with flat memory."""

    def feed(self, data: bytes) -> list[Part]:
        """Take the next bytes. Gives the parts that are whole now. Raises Unreadable."""

    def end(self) -> list[Part]:
        """The body is whole. Gives what is left of it. Raises Unreadable where something is missing."""
