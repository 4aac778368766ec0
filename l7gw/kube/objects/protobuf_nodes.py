"""Kubernetes objects in protobuf, read one level at a time and edited in place: `Node` over the envelope `k8s\\0`.

The nodes have the shape that JSON has: its names, embedded structs seen through, the kind and apiVersion of the envelope beside the
object's own fields, maps as maps, JSON inside protobuf as what it is. Bytes that nobody edited stay as they came, unknown fields
too; lengths around an edit are written anew. A field N that the table lacks is the member `#N`: bytes whose length must stay, since
nobody knows what they are. They are there to be scanned.

A field that may stand once and stands twice is Unreadable, in answers too: readers of protobuf would join the two, and see what
masking did not. Where a text cannot stand in the place of a value (a number, a time), `replace` makes the value zero; in place of
an object or a list it replaces every value inside.

Costs (one core, without the garbage collector, which doubles it for 30,000 nodes and more): a message 1 us and 0.15 us a field, a
value 0.5 us; a Secret read, masked and rendered in two views 40 us.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from l7gw.kube.objects import protobuf_table as tables
from l7gw.kube.objects.node import DEEPEST, Node, Shape, Unreadable, View
from l7gw.kube.objects.parts import Part
from l7gw.kube.objects.protobuf_strict import MAGIC, check_envelope, type_of
from l7gw.kube.objects.protobuf_table import EMBEDDED, Field, Message
from l7gw.kube.objects.protobuf_times import Spoken
from l7gw.kube.objects.protobuf_values import Leaf, Number, Several, Source, Value, number
from l7gw.kube.objects.protobuf_wire import LENGTH, Fields, Span, count, scan, unpacked, varint

FRAME = 4  # bytes of the length, big-endian, before an event of a watch (AM `pkg/util/framer/framer.go`)
_TOP = Field(0, EMBEDDED, "message")


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
    """A message that JSON writes as an object. The nodes of its fields are made when they are asked for."""

    __slots__ = ("_found", "_made", "table")

    def __init__(
        self, source: Source, owner: Value | None, above: Node | None, name: str | int, span: Span, field: Field, table: Message
    ) -> None:
        self.source = source  # not by super(): that would be a third of the time
        self.owner = owner
        self.above = above
        self.name = name
        self.span = span
        self.field = field
        self.edit = None
        self.depth = owner.depth + 1 if owner is not None else 0
        if self.depth > DEEPEST:
            raise Unreadable(f"it is nested deeper than {DEEPEST} levels")
        self.table = table
        self._found: Fields | None = None
        self._made: dict[str | int, Node | None] = {}  # by name; embedded structs by their number

    @property
    def shape(self) -> Shape:
        return "object"

    def fields(self) -> Fields:
        """Where the fields stand. Raises Unreadable."""
        found = self._found
        if found is None:
            source = self.source
            found = self._found = scan(source.data, self._start(), self.span[2], source.left)
            source.left -= count(found)
            table = self.table
            for tag in found:
                if tag not in table.fields and tag >> 3 in table.numbers:
                    raise Unreadable("a protobuf field has another wire type than Kubernetes gives it")
        return found

    def member(self, name: str) -> Node | None:
        made = self._made
        if name in made:
            return made[name]
        node: Node | None
        field = self.table.names.get(name)
        if field is None:
            node = self._unknown(name) if name.startswith("#") else None
        elif field.name == EMBEDDED:
            struct = self._embedded(field)
            node = struct.member(name) if struct is not None else None
        else:
            node = self.node_of(field, name)
        made[name] = node
        return node

    def members(self) -> Sequence[tuple[str, Node]]:
        found: list[tuple[str, Node]] = []
        fields = self.fields()
        for tag in fields:
            field = self.table.fields.get(tag)
            if field is None:
                name = f"#{tag >> 3}" if tag & 7 == LENGTH else tables.RAW
            elif tag != field.tag and field.tag in fields:
                continue  # numbers of one list, some packed and some not
            elif (name := field.name) == EMBEDDED:
                struct = self._embedded(field)
                found += struct.members() if struct is not None else ()  # an unknown field there may have a name that is here too
                continue
            if name != tables.RAW and (node := self.member(name)) is not None:
                found.append((name, node))
        return found

    def replace(self, text: str, *, shown_too: bool = True) -> None:
        for _, node in self.members():
            node.replace(text, shown_too=shown_too)

    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        for _, node in self.members():
            node.replace_octets(data, shown_too=shown_too)

    def payload(self, view: View) -> bytes:
        _, at, end = self.span
        data = self.source.data
        if self.edit is None:
            return data[at:end]
        pieces: list[bytes] = []
        for value in sorted(self.edit.inside, key=_begun):
            pieces += data[at : value.span[0]], value.written(view)
            at = value.span[2]
        pieces.append(data[at:end])
        return b"".join(pieces)

    def node_of(self, field: Field, name: str) -> Node | None:
        """The node of a field of this message, made anew, with a path that continues this one's. Raises Unreadable."""
        found = self._found or self.fields()
        spans = found.get(field.tag)
        if field.repeated:
            packed = found.get(field.number << 3 | LENGTH, []) if field.tag & 7 != LENGTH else []
            return Items(self, name, field, spans or [], packed) if spans or packed else None
        if spans is None:
            return None
        if field.mapped:
            return Map(self, name, field, spans)
        if len(spans) > 1:
            raise Unreadable("a protobuf field that may stand once stands twice")
        return build(self.source, self, self, name, spans[0], field)

    def _start(self) -> int:
        return self.span[1]

    def _embedded(self, field: Field) -> Node | None:
        if field.number not in self._made:
            self._made[field.number] = self.node_of(field, EMBEDDED)
        return self._made[field.number]

    def _unknown(self, name: str) -> Node | None:
        """A field that the table lacks, here or in an embedded struct: its bytes, or a list where it stands more than once."""
        number, fields = int(name[1:]) if name[1:].isdecimal() else 0, self.fields()
        spans = fields.get(number << 3 | LENGTH)
        if spans is not None and number not in self.table.numbers:
            return self.node_of(Field(number, name, "unknown", repeated=len(spans) > 1), name)
        embedded = [field for tag in fields if (field := self.table.fields.get(tag)) is not None and field.name == EMBEDDED]
        return next((node for one in embedded if (struct := self._embedded(one)) and (node := struct.member(name))), None)


class Hidden(Object):
    """A message in whose place JSON shows one of its values."""

    __slots__ = ()
    hides = True


class Enclosed(Object):
    """An object in an envelope, in a field of bytes."""

    __slots__ = ()

    def _start(self) -> int:
        return self.span[1] + len(MAGIC)


class Top(Object):
    """A whole body or part: an object in its envelope, an item of a list, or an event of a watch."""

    __slots__ = ("_framed",)

    def __init__(self, source: Source, span: Span, table: Message, *, framed: bool = False) -> None:
        super().__init__(source, None, None, EMBEDDED, span, _TOP, table)
        self._framed = framed

    def render(self, view: View) -> bytes:
        if self.edit is None:
            return self.source.data
        payload = self.payload(view)
        return (len(payload).to_bytes(FRAME, "big") if self._framed else self.source.data[: self.span[1]]) + payload


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
            owner, field, source = self.owner, self._field, self.owner.source
            spans = self._spans
            for _, start, end in self._packed:
                spans = [*spans, *unpacked(source.data, field.kind, start, end, source.left)]
                source.left -= len(spans)
            if field.kind == "message" and field.table.form == "object":
                table = field.table
                self._items = [Object(source, owner, self, at, span, field, table) for at, span in enumerate(spans)]
            else:
                self._items = [build(source, owner, self, at, span, field) for at, span in enumerate(spans)]
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
        source, field = self.owner.source, self._field
        entry = Hidden(source, self.owner, None, EMBEDDED, span, field, field.entry)
        found = entry.fields()
        value = field.entry.names["value"]
        keys, values = found.get(0x0A, ()), found.get(value.tag, ())
        if len(keys) > 1 or len(values) > 1 or len(found) != (keys != ()) + (values != ()):
            raise Unreadable("an entry of a map has other fields than a key and a value")
        try:
            key = source.data[keys[0][1] : keys[0][2]].decode() if keys else ""
        except UnicodeDecodeError:
            raise Unreadable("the key of a map is no UTF-8") from None
        return key, build(source, entry, self, key, values[0] if values else (span[2],) * 3, value)


def build(source: Source, owner: Value, above: Node, name: str | int, span: Span, field: Field) -> Node:
    """The node of one field. Raises Unreadable."""
    kind = field.kind
    if kind == "message":
        table = field.table
        if table.form == "object":
            return Object(source, owner, above, name, span, field, table)
        if table.form == "spoken":
            return Spoken(source, owner, above, name, span, field)
        return _in_place_of(Hidden(source, owner, above, name, span, field, table))
    if kind in ("integer", "boolean", "double"):
        return Number(source, owner, above, name, span, field)
    return Leaf(source, owner, above, name, span, field)


def _in_place_of(whole: Hidden) -> Node:
    """What JSON writes in place of a message that it does not write as an object."""
    table, fields = whole.table, whole.fields()
    if not fields.keys() <= table.fields.keys():
        raise Unreadable("a value in protobuf has more fields than JSON can say of it")
    if table.form == "list" and table.only is not None:
        return Items(whole, EMBEDDED, table.only, fields.get(table.only.tag, []), [])
    if table.form == "raw":
        return _of_raw(whole, table.names[tables.RAW])
    if table.form == "number or text":
        is_text = number(whole.source.data, fields[0x08][-1], "integer") == 1 if 0x08 in fields else False
        field = table.names["strVal" if is_text else "intVal"]
        node = whole.node_of(field, EMBEDDED)
        return node or build(whole.source, whole, whole, EMBEDDED, (whole.span[2],) * 3, field)
    # The boolean of OrBool is always written; what else there is comes before it.
    there = [field for field in table.names.values() if field.tag in fields]
    there = [field for field in there if field.kind != "boolean"] or there
    if len(there) > 1:
        raise Unreadable("a value in protobuf is two things at once")
    return (whole.node_of(there[0], EMBEDDED) if there else None) or _empty(whole)


def _of_raw(whole: Hidden, field: Field) -> Node:
    """Bytes that JSON writes as the value that they are: an object in an envelope of its own, or JSON. Others are octets."""
    leaf = whole.node_of(field, EMBEDDED)
    if not isinstance(leaf, Leaf):
        return _empty(whole)  # JSON has null here
    _, start, end = leaf.span
    data = whole.source.data
    if data.startswith(MAGIC, start, end):
        return Enclosed(whole.source, whole, whole, EMBEDDED, leaf.span, field, enveloped(data, start, end))
    with contextlib.suppress(Unreadable):
        return leaf.read_inner()
    return leaf


def _empty(whole: Hidden) -> Node:
    return Object(whole.source, whole.owner, whole.above, whole.name, whole.span, whole.field, whole.table)


def _begun(edit: Value) -> int:
    return edit.span[0]
