"""What a caller sends in protobuf is read whole before it is believed, and in one way alone.

Refused is what two readers could take for two things: a field twice that may stand once, a number in more bytes than it needs, a
text that is no UTF-8, a key of a map twice, a number that is none, more than DEEPEST levels, and JSON inside that plainjson does
not read. Unknown fields pass.
"""

from __future__ import annotations

import math
import struct

from l7gw import plainjson
from l7gw.kube.objects import protobuf_table as tables
from l7gw.kube.objects.node import DEEPEST, Unreadable
from l7gw.kube.objects.protobuf_table import Field, Kind, Message
from l7gw.kube.objects.protobuf_wire import LENGTH, Fields, Span, encode, is_shortest, scan, signed, unpacked, varint

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
    said = scan(data, kinds[0][1], kinds[0][2])
    api_version, kind = (said.get(tag, []) for tag in (0x0A, 0x12))
    texts = [data[start:end] for spans in (api_version, kind) for _, start, end in spans]
    if len(api_version) != 1 or len(kind) != 1 or b"" in texts:
        raise Unreadable("a protobuf envelope does not name one apiVersion and one kind")
    try:
        return texts[0].decode(), texts[1].decode()
    except UnicodeDecodeError:
        raise Unreadable("the kind of a protobuf envelope is no UTF-8") from None


def check_envelope(data: bytes, at: int, end: int, depth: int = 1) -> None:
    """Look at a whole object in its envelope, which begins at an offset. Raises Unreadable."""
    if data[at : at + len(MAGIC)] != MAGIC:
        raise Unreadable("it is no protobuf object of Kubernetes")
    found = scan(data, at + len(MAGIC), end)
    api_version, kind = type_of(data, found)
    if _RAW not in found or not found.keys() <= {_TYPE, _RAW, _ENCODING, _CONTENT}:
        raise Unreadable("a protobuf envelope has no object, or other fields beside it")
    said = [data[start:stop] for tag in (_ENCODING, _CONTENT) for _, start, stop in found.get(tag, [])]
    if any(text not in _CONTENT_TYPES for text in said):
        raise Unreadable("a protobuf envelope says that its object is encoded in another way")
    _check(data, tables.envelope(tables.message_of(api_version, kind)), at + len(MAGIC), end, depth)


def _check(data: bytes, table: Message, at: int, end: int, depth: int) -> Fields:
    """Look at a message and everything in it. Gives where its fields stand."""
    if depth > DEEPEST:
        raise Unreadable(f"it is nested deeper than {DEEPEST} levels")
    found = scan(data, at, end)
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
                _check_map(data, field, spans, depth + 1)
            elif field.kind == "message":
                _check_messages(data, field.table, spans, depth + 1)
            elif field.kind == "text":
                _check_texts(data, spans)
            elif field.kind != "octets" and field.kind != "unknown":
                for _, start, stop in spans:
                    _check_numbers(data, field.kind, list(unpacked(data, field.kind, start, stop)))
        else:
            _check_numbers(data, field.kind, spans)
    return found


def _check_lengths(tag: int, spans: list[Span]) -> None:
    """Raises Unreadable where a tag or a length has more bytes than it needs."""
    size = 1 if tag < 0x80 else len(encode(tag))
    for begun, start, end in spans:
        length = end - start
        if start - begun - size != (1 if length < 0x80 else 2 if length < 0x4000 else len(encode(length))):
            raise Unreadable(_LONGER)


def _check_map(data: bytes, field: Field, spans: list[Span], depth: int) -> None:
    table, keys = field.entry, set()
    for _, at, end in spans:
        found = _check(data, table, at, end, depth)
        if not found.keys() <= table.fields.keys():
            raise Unreadable("an entry of a map has other fields than a key and a value")
        keys.add(b"".join(data[start:stop] for _, start, stop in found.get(0x0A, ())))
    if len(keys) != len(spans):
        raise Unreadable("a map has a key twice")


def _check_messages(data: bytes, table: Message, spans: list[Span], depth: int) -> None:
    for _, start, end in spans:
        found = _check(data, table, start, end, depth)
        if table.form != "object" and not found.keys() <= table.fields.keys():
            raise Unreadable("a value in protobuf has more fields than JSON can say of it")
        if table.form == "raw":
            _check_raw(data, found, depth)
        elif table.name in _TIMES:
            _check_time(data, found)


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


def _check_raw(data: bytes, found: Fields, depth: int) -> None:
    """Look at a message whose bytes are an object in an envelope of its own, or JSON."""
    for _, start, stop in found.get(0x0A, ()):
        if data.startswith(MAGIC, start, stop):
            check_envelope(data, start, stop, depth)
        elif start < stop:
            try:
                plainjson.read(data[start:stop])
            except ValueError:
                raise Unreadable("JSON inside it is none, or can be read in two ways") from None
