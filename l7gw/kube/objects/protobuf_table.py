"""How Kubernetes' own kinds stand in protobuf: field numbers, their types, and the names that JSON gives them.

protobuf_fields.json is written by deploy/protobuf_fields.py from the files that Kubernetes publishes, and has its version.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from l7gw.kube.objects.protobuf_wire import FIXED64, LENGTH, VARINT

Kind = Literal["message", "text", "octets", "integer", "boolean", "double", "unknown"]

# How JSON writes a message: as an object; as the text of a time, a duration or a quantity; as a number or a text; as that field
# which is there (AX `pkg/apis/apiextensions/v1/marshal.go`); as the value that its bytes hold; as a list.
Form = Literal["object", "spoken", "number or text", "either", "raw", "list"]

QUANTITY = "resource.Quantity"
DURATION = "meta/v1.Duration"
MICRO_TIME = "meta/v1.MicroTime"
_SPOKEN = {QUANTITY, DURATION, MICRO_TIME, "meta/v1.Time"}
_EITHER = ("OrArray", "OrBool", "OrStringArray")

RAW = "-"  # the name of bytes that JSON writes as the value that they are
EMBEDDED = ""  # the name of a struct whose fields JSON writes as those of the message around it
WATCH_EVENT = "meta/v1.WatchEvent"
# Registered in every group (AM `pkg/apis/meta/v1/register.go`): their apiVersion is that of the object that they are about.
_IN_EVERY_GROUP = {"ListOptions", "GetOptions", "DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions"}
_UNVERSIONED = {"Status", "APIVersions", "APIGroup", "APIGroupList", "APIResourceList"}  # their apiVersion is v1
_KINDS: dict[str, tuple[Kind, int]] = {
    "string": ("text", LENGTH),
    "bytes": ("octets", LENGTH),
    "bool": ("boolean", VARINT),
    "int32": ("integer", VARINT),
    "int64": ("integer", VARINT),
    "double": ("double", FIXED64),
}


class Field:
    """One field of a message. For a map `kind` and `message` are those of its values.

    A plain class: its attributes are read at each field of each object, at half the price of a frozen Struct's properties.
    """

    __slots__ = ("_table", "kind", "mapped", "message", "name", "number", "repeated", "tag")

    def __init__(
        self, number: int, name: str, kind: Kind, message: str = "", *, repeated: bool = False, mapped: bool = False
    ) -> None:
        self.number = number
        self.name = name  # what JSON calls it, EMBEDDED, or RAW
        self.kind: Kind = kind
        self.message = message  # the message's name, of a field that is one
        self.repeated = repeated
        self.mapped = mapped
        self.tag = number << 3 | (LENGTH if mapped else wire_of(kind))  # what stands before the field
        self._table: Message | None = None

    @property
    def table(self) -> Message:
        """What is known of the field's message."""
        if self._table is None:
            self._table = message(self.message)
        return self._table

    @property
    def entry(self) -> Message:
        """Of a map: the message of its entries."""
        if self._table is None:
            self._table = Message("", [Field(1, "key", "text"), Field(2, "value", self.kind, self.message)])
        return self._table


class Message:
    """What is known of a message. `fields` has a field under each of its tags: a list of numbers may come packed too."""

    __slots__ = ("fields", "form", "name", "names", "numbers", "only")

    def __init__(self, name: str, fields: list[Field]) -> None:
        self.name = name
        self.only = fields[0] if len(fields) == 1 else None  # the field of a message that has one
        self.form: Form = _form(name, self.only)
        self.fields = {field.tag: field for field in fields}
        self.fields |= {field.number << 3 | LENGTH: field for field in fields if field.repeated}
        self.numbers = {field.number for field in fields}
        # What JSON calls a field -> the field, or the embedded struct that has it. The outer name wins, as in Go.
        self.names: dict[str, Field] = {}
        for field in fields:
            if field.name == EMBEDDED and not field.repeated:
                self.names |= dict.fromkeys(field.table.names, field)
        self.names |= {field.name: field for field in fields if field.name != EMBEDDED}


def _form(name: str, only: Field | None) -> Form:
    if name in _SPOKEN:
        return "spoken"
    if name == "intstr.IntOrString":
        return "number or text"
    if name.endswith(_EITHER):
        return "either"
    if only is not None and only.name == RAW:
        return "raw"
    if only is not None and only.name == EMBEDDED and only.repeated:
        return "list"
    return "object"


class _File(msgspec.Struct):
    kubernetes: str
    kinds: dict[str, str]
    messages: dict[str, str]


def wire_of(kind: Kind) -> int:
    """The wire type of a field that is no list and no map."""
    return FIXED64 if kind == "double" else VARINT if kind in ("integer", "boolean") else LENGTH


@cache
def _file() -> _File:
    return msgspec.json.decode(resources.files(__package__).joinpath("protobuf_fields.json").read_bytes(), type=_File)


def version() -> str:
    """The version of Kubernetes whose kinds the table has, such as v1.36.3."""
    return _file().kubernetes


def kinds() -> dict[tuple[str, str], str]:
    """(apiVersion, kind) -> the message's name, of every kind that the table has."""
    return {(api_version, kind): name for key, name in _file().kinds.items() for api_version, kind in [key.split(" ")]}


def messages() -> list[str]:
    """The names of all messages."""
    return list(_file().messages)


@cache
def message(name: str) -> Message:
    """A message by its name. Raises KeyError."""
    return Message(name, [_field(row) for row in _file().messages[name].split(";") if row])


def _field(row: str) -> Field:
    number, name, written = row.split(" ")
    repeated = written.startswith("[]")
    mapped = written.startswith("map:")
    written = written.removeprefix("[]").removeprefix("map:")
    kind: Kind = _KINDS[written][0] if written in _KINDS else "message"
    return Field(int(number), name, kind, written if kind == "message" else "", repeated=repeated, mapped=mapped)


def message_of(api_version: str, kind: str) -> str:
    """The name of a kind's message; "" where the table has none."""
    found = _file().kinds.get(f"{api_version} {kind}")
    if found is None and (kind in _IN_EVERY_GROUP or (kind in _UNVERSIONED and api_version == "v1")):
        found = _file().kinds.get(f"meta.k8s.io/v1 {kind}")
    return found or ""


@cache
def envelope(name: str) -> Message:
    """The envelope around an object of this message, read as JSON has it: apiVersion and kind stand beside the object's fields.

    Around a kind that the table lacks (name "") it has a field `raw` of unknown bytes.
    """
    raw = Field(2, EMBEDDED, "message", name) if name else Field(2, "raw", "unknown")
    rest = [Field(3, "-", "text"), Field(4, "-", "text")]
    return Message("", [Field(1, EMBEDDED, "message", "runtime.TypeMeta"), raw, *rest])


@cache
def listed(number: int, name: str) -> Message:
    """The message of an item of a list, together with its tag. Of an item that is no known kind (name "") all is unknown."""
    return Message("", [Field(number, EMBEDDED, "message", name)] if name else [])


def item_of(list_message: str) -> Field | None:
    """The field of a list's items; None where the message is no list."""
    field = message(list_message).names.get("items") if list_message.endswith("List") else None
    return field if field is not None and field.repeated and field.kind == "message" else None
