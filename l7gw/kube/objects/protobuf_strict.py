"""What a caller sends in protobuf is read whole before it is believed, and in one way alone.

Refused is what two readers could take for two things: a field twice that may stand once, a number in more bytes than it needs, a
text that is no UTF-8, a key of a map twice, a number that is none, more than DEEPEST levels, and JSON inside that plainjson does
not read. Unknown fields pass. Costs (one core): 60 to 90 ms a MB, 0.1 ms for a Pod.
"""

from __future__ import annotations

import math
import struct

from l7gw import plainjson
from l7gw.kube.objects import protobuf_table as tables
from l7gw.kube.objects.node import DEEPEST, Unreadable
from l7gw.kube.objects.protobuf_table import Field, Kind, Message
from l7gw.kube.objects.protobuf_wire import (
    LENGTH,
    MOST_FIELDS,
    Fields,
    Span,
    count,
    encode,
    is_shortest,
    scan,
    signed,
    unpacked,
    varint,
)

MAGIC = b"k8s\0"  # AM `pkg/runtime/serializer/protobuf/protobuf.go`
_TYPE, _RAW, _ENCODING, _CONTENT = 0x0A, 0x12, 0x1A, 0x22  # tags of the envelope, AM `pkg/runtime/generated.proto`
_TIMES = ("meta/v1.Time", "meta/v1.MicroTime")
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # of the years 1 to 9999, which JSON can say (RFC 3339 section 1)
_LONGER = "a protobuf number is written in more bytes than it needs, or has more than 64 bits"
_CONTENT_TYPES = (b"", b"application/vnd.kubernetes.protobuf")


def type_of(data: bytes, envelope: Fields) -> tuple[str, str]:
    """apiVersion and kind of the object in an envelope, by the fields of the envelope. Raises Unreadable where they are not there
    once, or empty: Kubernetes' clients then take the object for what they asked for."""
    kinds = envelope.get(_TYPE, [])
    if len(kinds) != 1 or len(envelope.get(_RAW, [])) > 1:
        raise Unreadable("a protobuf envelope does not name one kind and hold one object")
    encodings = [data[start:end] for tag in (_ENCODING, _CONTENT) for _, start, end in envelope.get(tag, [])]
    if any(text not in _CONTENT_TYPES for text in encodings):
        raise Unreadable("a protobuf envelope says that its object is encoded in another way")
    said = scan(data, kinds[0][1], kinds[0][2])
    api_version, kind = (said.get(tag, []) for tag in (0x0A, 0x12))
    texts = [data[start:end] for spans in (api_version, kind) for _, start, end in spans]
    if len(api_version) != 1 or len(kind) != 1 or b"" in texts:
        raise Unreadable("a protobuf envelope does not name one apiVersion and one kind")
    try:
        return texts[0].decode(), texts[1].decode()
    except UnicodeDecodeError:
        raise Unreadable("the kind of a protobuf envelope is no UTF-8") from None


def check_envelope(data: bytes, at: int, end: int) -> None:
    """Look at a whole object in its envelope, which begins at an offset. Raises Unreadable."""
    _Check(data).envelope(at, end, 1)


class _Check:
    """Looks at one body. Its methods raise Unreadable."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = MOST_FIELDS

    def envelope(self, at: int, end: int, depth: int) -> None:
        """Look at an object in its envelope."""
        data = self._data
        if data[at : at + len(MAGIC)] != MAGIC:
            raise Unreadable("it is no protobuf object of Kubernetes")
        found = scan(data, at + len(MAGIC), end)
        api_version, kind = type_of(data, found)
        if _RAW not in found or not found.keys() <= {_TYPE, _RAW, _ENCODING, _CONTENT}:
            raise Unreadable("a protobuf envelope has no object, or other fields beside it")
        self._message(tables.envelope(tables.message_of(api_version, kind)), at + len(MAGIC), end, depth)

    def _message(self, table: Message, at: int, end: int, depth: int) -> Fields:
        """Look at a message and everything in it. Gives where its fields stand."""
        if depth > DEEPEST:
            raise Unreadable(f"it is nested deeper than {DEEPEST} levels")
        data = self._data
        found = scan(data, at, end, self._left)
        self._left -= count(found)
        for tag, spans in found.items():
            field = table.fields.get(tag)
            if field is None:
                if tag >> 3 in table.numbers:
                    raise Unreadable("a protobuf field has another wire type than Kubernetes gives it")
                if not all(is_shortest(data, tag, span) for span in spans):
                    raise Unreadable(_LONGER)
                continue
            if len(spans) > 1 and not (field.repeated or field.mapped):
                raise Unreadable("a protobuf field that may stand once stands twice")
            if tag & 7 == LENGTH:
                _check_lengths(tag, spans)
                if field.mapped:
                    self._map(field, spans, depth + 1)
                elif field.kind == "message":
                    self._messages(field.table, spans, depth + 1)
                elif field.kind == "text":
                    _check_texts(data, spans)
                elif field.kind != "octets" and field.kind != "unknown":
                    for _, start, stop in spans:
                        packed = list(unpacked(data, field.kind, start, stop, self._left))
                        self._left -= len(packed)
                        _check_numbers(data, field.kind, packed)
            else:
                _check_numbers(data, field.kind, spans)
        return found

    def _map(self, field: Field, spans: list[Span], depth: int) -> None:
        table, keys = field.entry, set()
        for _, at, end in spans:
            found = self._message(table, at, end, depth)
            if not found.keys() <= table.fields.keys():
                raise Unreadable("an entry of a map has other fields than a key and a value")
            keys.add(b"".join(self._data[start:stop] for _, start, stop in found.get(0x0A, ())))
        if len(keys) != len(spans):
            raise Unreadable("a map has a key twice")

    def _messages(self, table: Message, spans: list[Span], depth: int) -> None:
        for _, start, end in spans:
            found = self._message(table, start, end, depth)
            if table.form != "object" and not found.keys() <= table.fields.keys():
                raise Unreadable("a value in protobuf has more fields than JSON can say of it")
            if table.form == "raw":
                self._raw(found, depth)
            elif table.name in _TIMES:
                _check_time(self._data, found)

    def _raw(self, found: Fields, depth: int) -> None:
        """Look at a message whose bytes are an object in an envelope of its own, or JSON."""
        data = self._data
        for _, start, stop in found.get(0x0A, ()):
            if data.startswith(MAGIC, start, stop):
                self.envelope(start, stop, depth)
            elif start < stop:
                try:
                    plainjson.read(data[start:stop])
                except ValueError:
                    raise Unreadable("JSON inside it is none, or can be read in two ways") from None


def _check_lengths(tag: int, spans: list[Span]) -> None:
    """Raises Unreadable where a tag or a length has more bytes than it needs."""
    size = 1 if tag < 0x80 else len(encode(tag))
    for begun, start, end in spans:
        length = end - start
        if start - begun - size != (1 if length < 0x80 else 2 if length < 0x4000 else len(encode(length))):
            raise Unreadable(_LONGER)


def _check_time(data: bytes, found: Fields) -> None:
    seconds, nanoseconds = (signed(data, found[tag][0][1]) if tag in found else 0 for tag in (0x08, 0x10))
    if not (_FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanoseconds < 1_000_000_000):
        raise Unreadable("a time in it does not exist")


def _check_texts(data: bytes, spans: list[Span]) -> None:
    try:
        for _, start, end in spans:
            data[start:end].decode()
    except UnicodeDecodeError:
        raise Unreadable("a text in it is no UTF-8") from None


def _check_numbers(data: bytes, kind: Kind, spans: list[Span]) -> None:
    for _, start, end in spans:
        if kind == "double":
            if not math.isfinite(struct.unpack_from("<d", data, start)[0]):
                raise Unreadable("a number in it is none")
        elif end - start > 1 and (data[end - 1] == 0 or varint(data, start)[0] >> 64):
            raise Unreadable(_LONGER)
