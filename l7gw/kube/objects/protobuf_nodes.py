"""Kubernetes objects in protobuf, read one level at a time and edited in place: `Node` over the envelope `k8s\\0`.

The nodes have the shape that JSON has: its names, embedded structs seen through, the kind and apiVersion of the envelope beside the
object's own fields, maps as maps, JSON inside protobuf as what it is. Bytes that nobody edited stay as they came, unknown fields
too; lengths around an edit are written anew. A field N that the table lacks is the member `#N`: bytes whose length must stay, since
nobody knows what they are. They are there to be scanned.

A field that may stand once and stands twice is Unreadable, in answers too: readers of protobuf would join the two, and see what
masking did not. Where a text cannot stand in the place of a value (a number, a time), `replace` makes the value zero; in place of
an object or a list it replaces every value inside.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from l7gw.kube.objects import protobuf_table as tables
from l7gw.kube.objects.node import Node, Scalar, Shape, Unreadable, View
from l7gw.kube.objects.parts import Part
from l7gw.kube.objects.protobuf_strict import MAGIC, check_envelope, type_of
from l7gw.kube.objects.protobuf_table import EMBEDDED, Field, Message
from l7gw.kube.objects.protobuf_values import SPOKEN, Leaf, Number, Source, Spoken, Value, number, path_of
from l7gw.kube.objects.protobuf_wire import LENGTH, Fields, Span, scan, varint

FRAME = 4  # bytes of the length, big-endian, before an event of a watch (AM `pkg/util/framer/framer.go`)
_INT_OR_STRING = "intstr.IntOrString"
_EITHER = ("OrArray", "OrBool", "OrStringArray")  # JSON writes the one that is there (AX `pkg/apis/apiextensions/v1/marshal.go`)


def read(data: bytes, *, strict: bool) -> Node:
    """A whole body: an object in its envelope. Strict for what a caller sends: everything is looked at at once, and nothing is
    forgiven. Raises Unreadable; of what is not read strictly, so may the methods of the node."""
    if strict:
        check_envelope(data, 0, len(data))
    table = enveloped(data, 0, len(data))
    return Top(Source(data, fixed=False), (0, len(MAGIC), len(data)), table)


def read_part(part: Part) -> Node:
    """A part of a body that is not read strictly: its object, item or event. `render` gives the whole part again. Raises
    Unreadable, and so may the methods of the node."""
    data = part.data
    if part.role == "event":
        return Top(Source(data, fixed=False), (0, FRAME, len(data)), tables.message(tables.WATCH_EVENT), framed=True)
    if part.role == "item":
        tag, _ = varint(data, 0)
        table = tables.listed(tag >> 3, tables.message_of(part.api_version, part.kind))
        return Top(Source(data, fixed=part.fixed), (0, 0, len(data)), table)
    return read(data, strict=False)


def enveloped(data: bytes, at: int, end: int) -> Message:
    """The message of the envelope between two offsets, by the kind that it names. Raises Unreadable."""
    if data[at : at + len(MAGIC)] != MAGIC:
        raise Unreadable("it is no protobuf object of Kubernetes")
    return tables.envelope(tables.message_of(*type_of(data, scan(data, at + len(MAGIC), end))))


class Object(Value):
    """A message that JSON writes as an object. `Object.member` makes the nodes of its fields when they are asked for."""

    __slots__ = ("_found", "_hidden", "_made", "table")

    def __init__(
        self, source: Source, owner: Value | None, above: Node | None, name: str | int, tag: int, span: Span, table: Message
    ) -> None:
        super().__init__(source, owner, above, name, tag, span)
        self.table = table
        self._found: Fields | None = None
        self._made: dict[str, Node | None] = {}
        self._hidden: dict[int, Node] = {}  # embedded structs, by their number

    @property
    def shape(self) -> Shape:
        return "object"

    def fields(self) -> Fields:
        """Where the fields stand. Raises Unreadable."""
        if self._found is None:
            self._found = scan(self.source.data, self.span[1], self.span[2])
            table = self.table
            for tag in self._found:
                if tag not in table.fields and tag >> 3 in table.numbers:
                    raise Unreadable("a protobuf field has another wire type than Kubernetes gives it")
        return self._found

    def member(self, name: str) -> Node | None:
        made = self._made
        if name in made:
            return made[name]
        node: Node | None
        field = self.table.names.get(name)
        if field is None:
            node = self._unknown(name[1:]) if name.startswith("#") else None
        elif field.name == EMBEDDED:
            struct = self._embedded(field)
            node = struct.member(name) if struct is not None else None
        else:
            node = self._make(field)
        made[name] = node
        return node

    def members(self) -> Sequence[tuple[str, Node]]:
        found: dict[str, Node] = {}
        for tag in self.fields():
            field = self.table.fields.get(tag)
            name = field.name if field is not None else f"#{tag >> 3}"
            if field is not None and name == EMBEDDED:
                struct = self._embedded(field)
                found |= struct.members() if struct is not None else ()
            elif name != tables.RAW and (node := self.member(name)) is not None:
                found[name] = node
        return list(found.items())

    def replace(self, text: str, *, shown_too: bool = True) -> None:
        for _, node in self.members():
            node.replace(text, shown_too=shown_too)

    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        for _, node in self.members():
            node.replace_octets(data, shown_too=shown_too)

    def payload(self, view: View) -> bytes:
        _, at, end = self.span
        data = self.source.data
        if not self.dirty:
            return data[at:end]
        pieces: list[bytes] = []
        for edit in sorted(self.edits, key=_begun):
            pieces += data[at : edit.span[0]], edit.field(view)
            at = edit.span[2]
        pieces.append(data[at:end])
        return b"".join(pieces)

    def made(self, field: Field, name: str | int = EMBEDDED) -> Node | None:
        """The node of a field of this message, made anew, with a path that continues this one's. Raises Unreadable."""
        spans = self.fields().get(field.tag, [])
        if field.repeated:
            packed = self.fields().get(field.number << 3 | LENGTH, []) if field.tag & 7 != LENGTH else []
            return Items(self, name, field, spans, packed) if spans or packed else None
        if not spans:
            return None
        if field.mapped:
            return Map(self, name, field, spans)
        if len(spans) > 1:
            raise Unreadable("a protobuf field that may stand once stands twice")
        return build(self.source, self, self, name, spans[0], field)

    def _make(self, field: Field) -> Node | None:
        return self.made(field, field.name)

    def _embedded(self, field: Field) -> Node | None:
        struct = self._hidden.get(field.number) or self.made(field)
        if struct is not None:
            self._hidden[field.number] = struct
        return struct

    def _unknown(self, digits: str) -> Node | None:
        """A field that the table lacks: its bytes, or a list of them where it stands more than once."""
        if not digits.isdecimal() or int(digits) in self.table.numbers:
            return None
        number = int(digits)
        spans = self.fields().get(number << 3 | LENGTH)
        if spans is None:
            return None
        field = Field(number, f"#{number}", "unknown", repeated=len(spans) > 1)
        return self.made(field, field.name)


class Top(Object):
    """A whole body or part: an object in its envelope, an item of a list, or an event of a watch."""

    __slots__ = ("_framed",)

    def __init__(self, source: Source, span: Span, table: Message, *, framed: bool = False) -> None:
        super().__init__(source, None, None, EMBEDDED, 0, span, table)
        self._framed = framed

    def render(self, view: View) -> bytes:
        if not self.dirty:
            return self.source.data
        payload = self.payload(view)
        return (len(payload).to_bytes(FRAME, "big") if self._framed else self.source.data[: self.span[1]]) + payload


class Several(Node):
    """Fields of one message that JSON writes as one value: a list or a map."""

    __slots__ = ("_field", "_name", "_spans", "owner")

    def __init__(self, owner: Object, name: str | int, field: Field, spans: list[Span]) -> None:
        self.owner = owner
        self._name = name
        self._field = field
        self._spans = spans

    @property
    def path(self) -> str:
        return path_of(self.owner, self._name)

    def values(self) -> Sequence[Node]:
        """The values in it."""
        raise NotImplementedError

    def member(self, name: str) -> Node | None:
        return None

    def members(self) -> Sequence[tuple[str, Node]]:
        return ()

    def items(self) -> Sequence[Node]:
        return ()

    def scalar(self) -> Scalar:
        return None

    def octets(self) -> bytes | None:
        return None

    def document(self) -> Node | None:
        return None

    def replace(self, text: str, *, shown_too: bool = True) -> None:
        for node in self.values():
            node.replace(text, shown_too=shown_too)

    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        for node in self.values():
            node.replace_octets(data, shown_too=shown_too)

    def remove(self) -> None:
        for node in self.values():
            node.remove()

    @property
    def edited(self) -> bool:
        return any(node.edited for node in self.values())

    def render(self, view: View) -> bytes:
        """The fields with their tags and lengths, without what stands between them."""
        data, edits = self.owner.source.data, {edit.span: edit for edit in self.owner.edits}
        return b"".join(edits[span].field(view) if span in edits else data[span[0] : span[2]] for span in self._spans)


class Items(Several):
    """A repeated field. `packed` are the spans of lists of numbers without a tag for each."""

    __slots__ = ("_items", "_packed")

    def __init__(self, owner: Object, name: str | int, field: Field, spans: list[Span], packed: list[Span]) -> None:
        super().__init__(owner, name, field, spans)
        self._packed = packed
        self._items: list[Node] | None = None

    @property
    def shape(self) -> Shape:
        return "list"

    def items(self) -> Sequence[Node]:
        if self._items is None:
            owner, data = self.owner, self.owner.source.data
            spans = list(self._spans)
            for _, at, end in self._packed:
                while at < end:
                    start = at
                    at = at + 8 if self._field.kind == "double" else varint(data, at)[1]
                    if at > end:
                        raise Unreadable("a packed protobuf number reaches beyond its list")
                    spans.append((start, start, at))
            self._items = [build(owner.source, owner, self, index, span, self._field) for index, span in enumerate(spans)]
        return self._items

    def values(self) -> Sequence[Node]:
        return self.items()


class Map(Several):
    """A map, whose entries are messages with a key and a value."""

    __slots__ = ("_made",)

    def __init__(self, owner: Object, name: str | int, field: Field, spans: list[Span]) -> None:
        super().__init__(owner, name, field, spans)
        self._made: dict[str, Node] | None = None

    @property
    def shape(self) -> Shape:
        return "object"

    def member(self, name: str) -> Node | None:
        return self._entries().get(name)

    def members(self) -> Sequence[tuple[str, Node]]:
        return list(self._entries().items())

    def values(self) -> Sequence[Node]:
        return list(self._entries().values())

    def _entries(self) -> dict[str, Node]:
        if self._made is None:
            made: dict[str, Node] = {}
            for span in self._spans:
                key, node = self._entry(span)
                if key in made:
                    raise Unreadable("a map has a key twice")
                made[key] = node
            self._made = made
        return self._made

    def _entry(self, span: Span) -> tuple[str, Node]:
        source = self.owner.source
        table = tables.entry(self._field)
        entry = Object(source, self.owner, None, EMBEDDED, self._field.tag, span, table)
        found = entry.fields()
        value = table.names["value"]
        keys = found.get(0x0A, ())
        values = found.get(value.tag, ())
        if len(keys) > 1 or len(values) > 1 or len(found) != (keys != ()) + (values != ()):
            raise Unreadable("an entry of a map has other fields than a key and a value")
        try:
            key = source.data[keys[0][1] : keys[0][2]].decode() if keys else ""
        except UnicodeDecodeError:
            raise Unreadable("the key of a map is no UTF-8") from None
        end = span[2]
        node = build(source, entry, self, key, values[0] if values else (end, end, end), value)
        if isinstance(node, Value):
            node.stands_for = entry
        return key, node


def build(source: Source, owner: Value, above: Node, name: str | int, span: Span, field: Field) -> Node:
    """The node of one field. Raises Unreadable."""
    if field.kind == "message":
        return _of_message(source, owner, above, name, span, field)
    if field.kind in ("integer", "boolean", "double"):
        return Number(source, owner, above, name, span, field)
    return Leaf(source, owner, above, name, span, field)


def _of_message(source: Source, owner: Value, above: Node, name: str | int, span: Span, field: Field) -> Node:
    kind, tag = field.message, field.number << 3 | LENGTH
    if kind in SPOKEN:
        return Spoken(source, owner, above, name, tag, span, kind)
    table = tables.message(kind)
    whole = Object(source, owner, above, name, tag, span, table)
    if tables.RAW in table.names:
        return _of_raw(whole, table.names[tables.RAW])
    node: Node | None
    if kind == _INT_OR_STRING:
        is_text = (kinds := whole.fields().get(0x08)) is not None and number(source.data, kinds[-1], "integer") == 1
        field = table.names["strVal" if is_text else "intVal"]
        node = whole.made(field) or build(source, whole, whole, EMBEDDED, (span[2],) * 3, field)
    elif kind.endswith(_EITHER):
        # The second is there only where the first is not, but for OrBool, whose boolean is always written.
        ordered = sorted(table.names.values(), key=lambda one: one.kind == "boolean")
        node = next((made for one in ordered if (made := whole.made(one)) is not None), None)
    elif table.items is not None:
        return Items(whole, EMBEDDED, table.items, whole.fields().get(table.items.tag, []), [])
    else:
        return whole
    if isinstance(node, Value):
        node.stands_for = whole
    return node or whole


def _of_raw(whole: Object, field: Field) -> Node:
    """Bytes that JSON writes as the value that they are: an object in an envelope of its own, or JSON. Others are octets."""
    leaf = whole.made(field)
    if not isinstance(leaf, Leaf):
        return whole  # JSON has null here
    leaf.stands_for = whole
    _, start, end = leaf.span
    data = whole.source.data
    if data.startswith(MAGIC, start, end):
        return Enclosed(whole, leaf.span, enveloped(data, start, end))
    with contextlib.suppress(Unreadable):
        return leaf.read_inner()
    return leaf


class Enclosed(Object):
    """An object in an envelope, in a field of bytes."""

    __slots__ = ()

    def __init__(self, whole: Object, span: Span, table: Message) -> None:
        super().__init__(whole.source, whole, whole, EMBEDDED, 0x0A, span, table)
        self.stands_for = whole

    def fields(self) -> Fields:
        if self._found is None:
            self._found = scan(self.source.data, self.span[1] + len(MAGIC), self.span[2])
        return self._found


def _begun(edit: Value) -> int:
    return edit.span[0]
