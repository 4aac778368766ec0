"""Bodies of protobuf in parts, as they come: long lists item by item, watches event by event, everything else as one object.

A list says its length before its items. Once the first item is on its way no length can change any more: the items of a long list
are `fixed`. A length that does not fit what is around it is Unreadable.

Costs (one core): an item 2 us, 1 ms a MB.
"""

from __future__ import annotations

from l7gw.kube.objects import protobuf_table as tables
from l7gw.kube.objects.node import Unreadable
from l7gw.kube.objects.parts import Part
from l7gw.kube.objects.protobuf_nodes import FRAME
from l7gw.kube.objects.protobuf_strict import MAGIC, type_of
from l7gw.kube.objects.protobuf_wire import LENGTH, scan, varint

READ_WHOLE = 4 << 20  # bytes: up to here a list is one object, whose lengths are free; informers' pages of 500 pods have 2 to 4 MiB
LONGEST_PIECE = 64 << 20  # bytes of an object, item or event; etcd's own limit is 1.5 MiB, an aggregated API may have more
_LONGEST_HEAD = 1 << 10  # bytes before the object in an envelope: its apiVersion and kind
_LONGEST_TAIL = 1 << 10  # bytes behind the object: two empty texts
_TYPE_TAG, _RAW_TAG = 0x0A, 0x12
_TAIL_TAGS = {0x1A, 0x22}


class ListSplitter:
    """Splits the body of an answer that is no watch. A `parts.Splitter`."""

    def __init__(self, *, read_whole: int = READ_WHOLE) -> None:
        self._read_whole = read_whole
        self._held = bytearray()
        self._left: int | None = None  # bytes of the list that have not come; None where the body is read whole, or not known yet
        self._whole = False
        self._kind = self._api_version = ""
        self._item_tag = 0
        self._index = 0

    def feed(self, data: bytes) -> list[Part]:
        self._held += data
        if len(self._held) > LONGEST_PIECE + len(data):
            raise Unreadable(f"a piece of it has more than {LONGEST_PIECE} bytes")
        parts: list[Part] = []
        if self._left is None and not self._whole:
            self._begin(parts)
        if self._left is not None:
            self._split(parts)
        return parts

    def end(self) -> list[Part]:
        if self._left is None:
            return [Part(data=bytes(self._held), role="object")]
        if self._left:
            raise Unreadable("a protobuf list ends before its end")
        tail = bytes(self._held)
        if not scan(tail, 0, len(tail)).keys() <= _TAIL_TAGS:
            raise Unreadable("a protobuf envelope has more than one object")
        return [Part(data=tail, role="between")] if tail else []

    def _begin(self, parts: list[Part]) -> None:
        """Look at the beginning of the envelope: whether this is a long list."""
        head = bytes(self._held[:_LONGEST_HEAD])
        try:
            at = len(MAGIC)
            if not head.startswith(MAGIC[: len(head)]) or head[at] != _TYPE_TAG:
                self._whole = True
                return
            length, start = varint(head, at + 1)
            at = start + length
            if head[at] != _RAW_TAG:
                self._whole = True
                return
            length, behind = varint(head, at + 1)
        except IndexError:
            self._whole = len(head) == _LONGEST_HEAD
            return
        api_version, kind = type_of(head, {_TYPE_TAG: [(len(MAGIC), start, at)]})
        item = tables.item_of(tables.message_of(api_version, kind))
        if item is None or length <= self._read_whole:
            self._whole = True
            return
        self._left = length
        self._item_tag = item.tag
        self._kind, self._api_version = kind.removesuffix("List"), api_version
        parts.append(Part(data=head[:behind], role="between"))
        del self._held[:behind]

    def _split(self, parts: list[Part]) -> None:
        """Give the fields of the list that are whole."""
        held, at = self._held, 0
        while self._left:
            try:
                tag, start = varint(held, at)
                length, start = varint(held, start)
            except IndexError:
                break
            end = start + length
            if tag & 7 != LENGTH or tag < 8 or end - at > self._left:
                raise Unreadable("a field of a protobuf list reaches beyond it, or is none")
            if end - at > LONGEST_PIECE:
                raise Unreadable(f"an item of it has more than {LONGEST_PIECE} bytes")
            if end > len(held):
                break
            parts.append(self._part(bytes(held[at:end]), tag))
            self._left -= end - at
            at = end
        del held[:at]
        if not self._left and len(held) > _LONGEST_TAIL:
            raise Unreadable("a protobuf envelope has more than one object")

    def _part(self, data: bytes, tag: int) -> Part:
        if tag == 0x0A:  # the metadata of the list: resourceVersion, continue
            return Part(data=data, role="between")
        index = self._index
        if tag != self._item_tag:  # a field that the table lacks: an item of an unknown kind, so that its content is looked at
            return Part(data=data, role="item", index=index, fixed=True)
        self._index += 1
        return Part(data=data, role="item", index=index, kind=self._kind, api_version=self._api_version, fixed=True)


class WatchSplitter:
    """Splits the body of a watch into its events. A `parts.Splitter`."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Part]:
        held, at = self._held, 0
        held += data
        parts: list[Part] = []
        while len(held) - at >= FRAME:
            end = at + FRAME + int.from_bytes(held[at : at + FRAME], "big")
            if end - at > LONGEST_PIECE:
                raise Unreadable(f"an event of it has more than {LONGEST_PIECE} bytes")
            if end > len(held):
                break
            parts.append(Part(data=bytes(held[at:end]), role="event"))
            at = end
        del held[:at]
        return parts

    def end(self) -> list[Part]:
        if self._held:
            raise Unreadable("a watch ends within an event")
        return []
