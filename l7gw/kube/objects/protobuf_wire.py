"""The wire format of protobuf: varints, and where the fields of a message stand.

Only what Kubernetes writes is read. A group, a wire type that does not exist, a field number of zero or a length that reaches
beyond the message is Unreadable. A message is read one level deep and nothing is copied: fields are given by their offsets.
"""

from __future__ import annotations

from collections.abc import Iterator

from l7gw.kube.objects.node import Unreadable

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # wire types
_FIXED = {FIXED64: 8, FIXED32: 4}  # bytes of a value
LONGEST_VARINT = 10  # bytes of 64 bits at seven a byte

MOST_FIELDS = 500_000  # of a body, an item or an event; an object of 3 MiB has 300,000, and each takes 200 bytes while it is read
_TOO_MANY = f"it has more than {MOST_FIELDS} fields"

Span = tuple[int, int, int]  # of a field: where its tag begins, where its value begins (behind a length), where it ends
Fields = dict[int, list[Span]]  # tag (field number << 3 | wire type) -> its fields, in their order


def varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """The number that stands at an offset, and the offset behind it. Raises Unreadable, and IndexError where the data ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift >= 7 * LONGEST_VARINT:
            raise Unreadable("a protobuf number has more than ten bytes")


def signed(data: bytes, at: int) -> int:
    """The number that stands at an offset, which may be negative: then it has ten bytes."""
    value, _ = varint(data, at)
    return value - (1 << 64) if value >= 1 << 63 else value


def encode(value: int) -> bytes:
    """The varint of a number that is not negative."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zero(length: int) -> bytes:
    """Zero as a varint of that many bytes, which every reader of protobuf takes."""
    return b"\x80" * (length - 1) + b"\0"


def scan(data: bytes, at: int, end: int, most: int = MOST_FIELDS) -> Fields:
    """The fields of the message between two offsets. Raises Unreadable, also for more than `most` of them."""
    found: Fields = {}
    try:
        while at < end:
            begun = at
            most -= 1
            tag = data[at]
            at += 1
            if tag > 0x7F:
                tag, at = varint(data, begun)
            wire = tag & 7
            if wire == LENGTH:
                length = data[at]
                at += 1
                if length > 0x7F:
                    length, at = varint(data, at - 1)
                start = at
                at += length
            elif wire == VARINT:
                start = at
                while data[at] > 0x7F:
                    at += 1
                at += 1
                if at - start > LONGEST_VARINT:
                    raise Unreadable("a protobuf number has more than ten bytes")
            elif wire in _FIXED:
                start = at
                at += _FIXED[wire]
            else:
                raise Unreadable("a protobuf field has a wire type that Kubernetes does not use")
            if at > end or tag < 8:
                raise Unreadable("a protobuf field reaches beyond its message, or has no number")
            if most < 0:
                raise Unreadable(_TOO_MANY)
            if tag in found:
                found[tag].append((begun, start, at))
            else:
                found[tag] = [(begun, start, at)]
    except IndexError:
        raise Unreadable("a protobuf message ends within a field") from None
    return found


def count(found: Fields) -> int:
    """How many fields were found."""
    return sum(map(len, found.values()))


def is_shortest(data: bytes, tag: int, span: Span) -> bool:
    """Whether a field's tag, its length and its varint are written in no more bytes than they need."""
    begun, start, end = span
    header = len(encode(tag)) + (len(encode(end - start)) if tag & 7 == LENGTH else 0)
    return start - begun == header and not (tag & 7 == VARINT and end - start > 1 and data[end - 1] == 0)


def unpacked(data: bytes, kind: str, at: int, end: int, most: int = MOST_FIELDS) -> Iterator[Span]:
    """The numbers of a packed list between two offsets. Raises Unreadable, also for more than `most` of them."""
    while at < end:
        most -= 1
        if most < 0:
            raise Unreadable(_TOO_MANY)
        start = at
        at = at + 8 if kind == "double" else varint(data, at)[1]
        if at > end:
            raise Unreadable("a packed protobuf number reaches beyond its list")
        yield start, start, at
