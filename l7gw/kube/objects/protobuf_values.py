"""The leaves of an object in protobuf (texts, bytes, numbers, times), and what every value there has in common: where it stands,
its edits, and how it is written."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Sequence

from l7gw.kube.objects.json_nodes import read_within
from l7gw.kube.objects.node import Node, Scalar, Shape, Unreadable, View, item_path, member_path
from l7gw.kube.objects.protobuf_table import Field
from l7gw.kube.objects.protobuf_wire import LENGTH, MOST_FIELDS, Span, encode, signed, zero

FILLER = b"*"
_DOCUMENT = ("{", "[")


class Source:
    """The bytes that all nodes of one body share."""

    __slots__ = ("data", "fixed", "left")

    def __init__(self, data: bytes, *, fixed: bool) -> None:
        self.data = data
        self.fixed = fixed  # whether every value must keep its length
        self.left = MOST_FIELDS  # how many fields may still be read


class Edit:
    """What was done to a value, or to values inside it."""

    __slots__ = ("gone", "inside", "recorded", "shown")

    def __init__(self) -> None:
        self.recorded: bytes | None = None  # what stands in its place in the view for the disk
        self.shown: bytes | None = None  # and in the caller's
        self.gone = False  # whether it was taken out
        self.inside: list[Value] = []  # the values inside it that have an edit


class Value(Node):
    """A value that has bytes of its own. `owner` is the message whose bytes its bytes stand in, `above` the node whose path its own
    path continues, `name` what it is called there ("" where it is that node itself), `field` what the table says of it."""

    __slots__ = ("above", "depth", "edit", "field", "name", "owner", "source", "span")

    depth: int  # of a message: how many messages it stands in

    hides = False  # whether JSON does not show this value, but one inside it in its place

    def __init__(self, source: Source, owner: Value | None, above: Node | None, name: str | int, span: Span, field: Field) -> None:
        self.source = source
        self.owner = owner
        self.above = above
        self.name = name
        self.span = span
        self.field = field
        self.edit: Edit | None = None

    @property
    def path(self) -> str:
        return path_of(self.above, self.name)

    @property
    def edited(self) -> bool:
        return self.edit is not None

    @abstractmethod
    def payload(self, view: View) -> bytes:
        """The value as it is written in a view, without tag and length."""

    def written(self, view: View) -> bytes:
        """The value as it is written in a view, with its tag and length."""
        begun, start, end = self.span
        data, edit = self.source.data, self.edit
        if edit is None:
            return data[begun:end]
        if edit.gone:
            return b""
        payload = self.payload(view)
        if len(payload) == end - start and begun < start:
            return data[begun:start] + payload
        tag = self.field.tag
        if tag & 7 == LENGTH:
            return b"".join((encode(tag), encode(len(payload)), payload))
        return encode(tag) + payload

    def render(self, view: View) -> bytes:
        return self.payload(view)

    def remove(self) -> None:
        if self.source.fixed:
            raise ValueError("nothing can be taken out of a part whose length is fixed")
        value: Value = self
        while value.owner is not None and value.owner.hides:
            value = value.owner
        value.touch().gone = True

    def touch(self) -> Edit:
        """The edit of the value. Where it is new, everything around it has one too from now on."""
        if self.edit is not None:
            return self.edit
        edit = self.edit = Edit()
        value = self
        while value.owner is not None:
            before = value.owner.edit
            around = before or Edit()
            around.inside.append(value)
            value.owner.edit = around
            if before is not None:
                break
            value = value.owner
        return edit

    def put(self, recorded: bytes, *, shown_too: bool) -> None:
        """Put bytes in place of the payload."""
        edit = self.touch()
        edit.recorded = recorded
        if shown_too:
            edit.shown = recorded

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


def path_of(above: Node | None, name: str | int) -> str:
    """The path of what goes by this name in a node."""
    before = above.path if above is not None else ""
    if isinstance(name, int):
        return item_path(before, name)
    return member_path(before, name) if name else before


class Leaf(Value):
    """A text, or bytes. `inner` is the JSON document that was read in it."""

    __slots__ = ("inner",)

    def __init__(self, source: Source, owner: Value | None, above: Node | None, name: str | int, span: Span, field: Field) -> None:
        self.source = source  # not by super(): that would be a third of the time
        self.owner = owner
        self.above = above
        self.name = name
        self.span = span
        self.field = field
        self.edit = None
        self.inner: Node | None = None

    @property
    def raw(self) -> bytes:
        """The bytes as they came."""
        return self.source.data[self.span[1] : self.span[2]]

    @property
    def shape(self) -> Shape:
        return "text" if self.field.kind == "text" and (self.raw.isascii() or self.text() is not None) else "octets"

    @property
    def fixed_length(self) -> int | None:
        return self.span[2] - self.span[1] if self.source.fixed or self.field.kind == "unknown" else None

    def scalar(self) -> Scalar:
        return self.text()

    def text(self) -> str | None:
        _, start, end = self.span
        try:
            return self.source.data[start:end].decode()
        except UnicodeDecodeError:
            return None

    def octets(self) -> bytes | None:
        return None if self.shape == "text" else self.raw

    def document(self) -> Node | None:
        if self.inner is None:
            text = self.text()
            if text is None or not text.lstrip().startswith(_DOCUMENT):
                return None
            try:
                self.read_inner()
            except Unreadable:
                return None
        return self.inner

    def read_inner(self) -> Node:
        """Read these bytes as JSON. Edits of what is given are rendered into this value. Raises Unreadable."""
        self.inner = read_within(self.raw, self, self.touch, fixed=self.fixed_length is not None)
        return self.inner

    def replace(self, text: str, *, shown_too: bool = True) -> None:
        self.replace_octets(text.encode(errors="surrogatepass"), shown_too=shown_too)

    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        length = self.fixed_length
        if length is not None and len(data) != length:
            data = data[:length]
            if self.field.kind == "text":
                data = data.decode(errors="ignore").encode()  # a cut may go through a character
            data = data.ljust(length, FILLER)
        self.put(data, shown_too=shown_too)

    def payload(self, view: View) -> bytes:
        edit = self.edit
        if edit is None:
            return self.raw
        new = edit.recorded if view == "recorded" else edit.shown
        if new is not None:
            return new
        return self.raw if self.inner is None else self.inner.render(view)


class Unwritable(Value):
    """A value in whose place no text can stand. Whatever is put there, it becomes zero of the same length."""

    __slots__ = ()

    @property
    def fixed_length(self) -> int | None:
        return self.span[2] - self.span[1]

    @abstractmethod
    def zeros(self) -> bytes:
        """The payload of this length whose numbers are zero."""

    def replace(self, text: str, *, shown_too: bool = True) -> None:
        if self.fixed_length:  # a value that is not written is zero
            self.put(self.zeros(), shown_too=shown_too)

    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        self.replace("", shown_too=shown_too)

    def payload(self, view: View) -> bytes:
        edit = self.edit
        new = None if edit is None else edit.recorded if view == "recorded" else edit.shown
        return self.source.data[self.span[1] : self.span[2]] if new is None else new


class Number(Unwritable):
    """A number, or a boolean."""

    __slots__ = ()

    @property
    def shape(self) -> Shape:
        return "boolean" if self.field.kind == "boolean" else "number"

    def scalar(self) -> Scalar:
        return number(self.source.data, self.span, self.field.kind)

    def zeros(self) -> bytes:
        length = self.span[2] - self.span[1]
        return bytes(length) if self.field.kind == "double" else zero(length)


def number(data: bytes, span: Span, kind: str) -> int | float | bool:
    """The value of a field of numbers."""
    _, start, end = span
    if start == end:  # the value of an entry of a map that has none
        return False if kind == "boolean" else 0
    if kind == "double":
        value: float = struct.unpack_from("<d", data, start)[0]
        return value
    return signed(data, start) != 0 if kind == "boolean" else signed(data, start)


class Several(Node):
    """Fields of one message that JSON writes as one value: a list or a map."""

    __slots__ = ("_field", "_name", "_spans", "owner")

    def __init__(self, owner: Value, name: str | int, field: Field, spans: list[Span]) -> None:
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
        data, edit = self.owner.source.data, self.owner.edit
        edited = {value.span: value for value in edit.inside} if edit is not None else {}
        if not edited:
            return b"".join([data[begun:end] for begun, _, end in self._spans])
        return b"".join(edited[span].written(view) if span in edited else data[span[0] : span[2]] for span in self._spans)
