"""The leaves of an object in protobuf (texts, bytes, numbers, times), and what every value there has in common: where it stands,
its edits, and how it is written."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from l7gw.kube.objects.json_nodes import read_within
from l7gw.kube.objects.node import Node, Scalar, Shape, Unreadable, View, item_path, member_path
from l7gw.kube.objects.protobuf_table import Field
from l7gw.kube.objects.protobuf_wire import LENGTH, Span, encode, scan, varint, zero

FILLER = b"*"
_DOCUMENT = ("{", "[")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Source:
    """The bytes that all nodes of one body share."""

    __slots__ = ("data", "fixed")

    def __init__(self, data: bytes, *, fixed: bool) -> None:
        self.data = data
        self.fixed = fixed  # whether every value must keep its length


class Value(Node):
    """A value that has bytes of its own. `owner` is the message whose bytes its bytes stand in, `above` the node whose path its own
    path continues."""

    __slots__ = ("above", "dirty", "edits", "gone", "name", "owner", "source", "span", "stands_for", "tag")

    def __init__(self, source: Source, owner: Value | None, above: Node | None, name: str | int, tag: int, span: Span) -> None:
        self.source = source
        self.owner = owner
        self.above = above
        self.name = name  # the name or index in `above`; "" where it is that node itself
        self.tag = tag
        self.span = span
        self.dirty = False
        self.gone = False
        self.edits: list[Value] = []  # the values inside it that were edited
        self.stands_for: Value | None = None  # the field that goes where this value is removed, if it is not the value's own

    @property
    def path(self) -> str:
        return path_of(self.above, self.name)

    @property
    def edited(self) -> bool:
        return self.dirty

    @abstractmethod
    def payload(self, view: View) -> bytes:
        """The value as it is written in a view, without tag and length."""

    def field(self, view: View) -> bytes:
        """The value as it is written in a view, with its tag and length."""
        begun, start, end = self.span
        data = self.source.data
        if not self.dirty:
            return data[begun:end]
        if self.gone:
            return b""
        payload = self.payload(view)
        if len(payload) == end - start and begun < start:
            return data[begun:start] + payload
        if self.tag & 7 == LENGTH:
            return b"".join((encode(self.tag), encode(len(payload)), payload))
        return encode(self.tag) + payload

    def render(self, view: View) -> bytes:
        return self.payload(view)

    def remove(self) -> None:
        if self.source.fixed:
            raise ValueError("nothing can be taken out of a part whose length is fixed")
        taken = self.stands_for or self
        taken.gone = True
        taken.touch()

    def touch(self) -> None:
        """Remember that the value was edited, here and in everything around it."""
        value = self
        while not value.dirty:
            value.dirty = True
            if value.owner is None:
                return
            value.owner.edits.append(value)
            value = value.owner

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

    __slots__ = ("_recorded", "_shown", "inner", "kind")

    def __init__(self, source: Source, owner: Value | None, above: Node | None, name: str | int, span: Span, field: Field) -> None:
        super().__init__(source, owner, above, name, field.number << 3 | LENGTH, span)
        self.kind = field.kind
        self.inner: Node | None = None
        self._recorded: bytes | None = None
        self._shown: bytes | None = None

    @property
    def raw(self) -> bytes:
        """The bytes as they came."""
        return self.source.data[self.span[1] : self.span[2]]

    @property
    def shape(self) -> Shape:
        return "text" if self.kind == "text" and self.scalar() is not None else "octets"

    @property
    def fixed_length(self) -> int | None:
        return self.span[2] - self.span[1] if self.source.fixed or self.kind == "unknown" else None

    def scalar(self) -> Scalar:
        try:
            return self.raw.decode()
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
        self.replace_octets(text.encode(), shown_too=shown_too)

    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        length = self.fixed_length
        if length is not None and len(data) != length:
            data = data[:length]
            if self.kind == "text":
                data = data.decode(errors="ignore").encode()  # a cut may go through a character
            data = data.ljust(length, FILLER)
        self._recorded = data
        if shown_too:
            self._shown = data
        self.touch()

    def payload(self, view: View) -> bytes:
        edit = self._recorded if view == "recorded" else self._shown
        if edit is not None:
            return edit
        if self.inner is None or not self.inner.edited:
            return self.raw
        return self.inner.render(view)


class Number(Value):
    """A number, or a boolean. Whatever is put in its place, it becomes zero of the same length: a text cannot stand there."""

    __slots__ = ("_recorded_only", "kind")

    def __init__(self, source: Source, owner: Value | None, above: Node | None, name: str | int, span: Span, field: Field) -> None:
        super().__init__(source, owner, above, name, field.tag, span)
        self.kind = field.kind
        self._recorded_only = True

    @property
    def shape(self) -> Shape:
        return "boolean" if self.kind == "boolean" else "number"

    @property
    def fixed_length(self) -> int | None:
        return self.span[2] - self.span[1]

    def scalar(self) -> Scalar:
        return number(self.source.data, self.span, self.kind)

    def replace(self, text: str, *, shown_too: bool = True) -> None:
        if shown_too:
            self._recorded_only = False
        self.touch()

    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        self.replace("", shown_too=shown_too)

    def payload(self, view: View) -> bytes:
        _, start, end = self.span
        if not self.dirty or (view == "shown" and self._recorded_only):
            return self.source.data[start:end]
        return bytes(end - start) if self.kind == "double" else zero(end - start)


def number(data: bytes, span: Span, kind: str) -> int | float | bool:
    """The value of a field of numbers."""
    _, start, end = span
    if start == end:  # the value of an entry of a map that has none
        return False if kind == "boolean" else 0
    if kind == "double":
        value: float = struct.unpack_from("<d", data, start)[0]
        return value
    found, _ = varint(data, start)
    if kind == "boolean":
        return found != 0
    return found - (1 << 64) if found >= 1 << 63 else found


# ---------------------------------------------------------------------- messages that JSON writes as a text


class Spoken(Value):
    """A message that JSON writes as a text: a time, a duration or a quantity. Whatever is put in its place, its numbers and digits
    become zero: no other text can stand there."""

    __slots__ = ("_recorded_only", "message")

    def __init__(
        self, source: Source, owner: Value | None, above: Node | None, name: str | int, tag: int, span: Span, message: str
    ) -> None:
        super().__init__(source, owner, above, name, tag, span)
        self.message = message
        self._recorded_only = True

    @property
    def shape(self) -> Shape:
        return "null" if self.scalar() is None else "text"

    @property
    def fixed_length(self) -> int | None:
        return self.span[2] - self.span[1]

    def scalar(self) -> Scalar:
        data = self.source.data
        fields = scan(data, self.span[1], self.span[2])
        if self.message == QUANTITY:
            return b"".join(data[start:end] for _, start, end in fields.get(0x0A, ())).decode(errors="replace")
        numbers = {tag >> 3: number(data, spans[-1], "integer") for tag, spans in fields.items() if tag & 7 == 0}
        if self.message == DURATION:
            return duration(int(numbers.get(1, 0)))
        # Go writes the zero time as an empty message; 1970 has its seconds written.
        if not numbers:
            return None
        return moment(int(numbers.get(1, 0)), int(numbers.get(2, 0)), micro=self.message == MICRO_TIME)

    def replace(self, text: str, *, shown_too: bool = True) -> None:
        if shown_too:
            self._recorded_only = False
        self.touch()

    def replace_octets(self, data: bytes, *, shown_too: bool = True) -> None:
        self.replace("", shown_too=shown_too)

    def payload(self, view: View) -> bytes:
        data = self.source.data
        _, at, stop = self.span
        if not self.dirty or (view == "shown" and self._recorded_only):
            return data[at:stop]
        out = bytearray(data[at:stop])
        for tag, spans in scan(data, at, stop).items():
            for _, start, end in spans:
                out[start - at : end - at] = zero(end - start) if tag & 7 == 0 else b"0" * (end - start)
        return bytes(out)


QUANTITY = "resource.Quantity"
DURATION = "meta/v1.Duration"
MICRO_TIME = "meta/v1.MicroTime"
SPOKEN = {QUANTITY, DURATION, MICRO_TIME, "meta/v1.Time"}


def moment(seconds: int, nanoseconds: int, *, micro: bool) -> str:
    """A time as JSON writes it, `2026-01-02T03:04:05Z`: AM `pkg/apis/meta/v1/time.go`, `micro_time.go`."""
    try:
        at = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise Unreadable("a time is out of range") from None
    return at.strftime(f"{at.year:04}-%m-%dT%H:%M:%S") + (f".{nanoseconds // 1000:06}Z" if micro else "Z")


def duration(nanoseconds: int) -> str:
    """A duration as Go writes it: `1h2m3.5s`, `20ms`, `0s`."""
    sign, left = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if left < 1_000_000_000:
        for size, unit in ((1_000_000, "ms"), (1_000, "µs"), (1, "ns")):
            if left >= size:
                return f"{sign}{_decimal(left, size)}{unit}"
        return "0s"
    minutes, left = divmod(left, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    before = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{before}{_decimal(left, 1_000_000_000)}s"


def _decimal(value: int, unit: int) -> str:
    """`value / unit`, without zeros at the end. `unit` is a power of ten."""
    whole, rest = divmod(value, unit)
    return f"{whole}.{rest:0{len(str(unit)) - 1}}".rstrip("0") if rest else str(whole)
