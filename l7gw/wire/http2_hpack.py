"""HTTP/2's header blocks: HPACK (RFC 7541), with the library's static table. `http2_huffman` has its Huffman code.

Reading keeps a dynamic table, as it must. Clients repeat themselves, so a block that came before under the same table is not
unpacked again. Writing keeps no table: a field that the static table lacks is a literal without indexing (RFC 7541 section 6.2.2).
So a peer can neither grow our memory nor guess a secret from sizes (threats B5), and a value is written alike on each connection.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Generic, TypeVar

from hpack.exceptions import HPACKError
from hpack.table import HeaderTable

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import Headers
from l7gw.wire.http2_frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, LARGEST_BLOCK
from l7gw.wire.http2_huffman import LongStrings, unpacked
from l7gw.wire.semantics import OF_MEANING, UNTOLD

# ---------------------------------------------------------------------- limits

TABLE_SIZE = 4096  # bytes of the dynamic table; the default of RFC 9113 section 6.5.2
MOST_UPDATES = 2  # table size updates before a block's fields: a lower and a final one (RFC 7541 section 4.2, threats B4)
MOST_READ = 1000  # fields of a block; one more ends the connection, as a field may take one byte (threats B4)
MOST_UNPACKED = 256 * 1024  # bytes of a block's fields; more end the connection, more than LARGEST_HEAD are answered by a 431
LARGEST_KNOWN = 64 * 1024  # bytes of remembered blocks and their fields, on one connection that is told no other (threats B4)

FEW = 20  # fields of a block whose sizes need no look: each names a whole table at most, and their strings have 1.6 x the block

T = TypeVar("T")
Fields = list[tuple[str, str]]

_STATIC = tuple((name.decode(), value.decode()) for name, value in HeaderTable.STATIC_TABLE)
_STATIC_COUNT = len(_STATIC)


# ---------------------------------------------------------------------- reading


class _Table:
    """The static table and, behind it, the dynamic one, newest entry first (RFC 7541 sections 2.3.2
    and 4). `changes` counts its changes."""

    __slots__ = ("changes", "entries", "largest", "_size")

    def __init__(self) -> None:
        self.changes = 0
        self.largest = TABLE_SIZE  # bytes that the dynamic table may hold, as the peer said
        self.entries: deque[tuple[str, str]] = deque()
        self._size = 0

    def get(self, index: int) -> tuple[str, str]:
        """The field at an index from 1. Raises IndexError where there is none."""
        if 0 < index <= _STATIC_COUNT:
            return _STATIC[index - 1]
        if index == 0:
            raise IndexError
        return self.entries[index - _STATIC_COUNT - 1]

    def add(self, field: tuple[str, str]) -> None:
        """Add an entry (section 4.4)."""
        self.changes += 1
        self.entries.appendleft(field)
        self._size += _cost(field)
        self._evict()

    def resize(self, largest: int) -> None:
        """Change the size of the table, in bytes (section 4.3)."""
        if largest != self.largest:
            self.changes += 1
            self.largest = largest
            self._evict()

    def _evict(self) -> None:
        """Drop the oldest entries until the table fits. An entry that is larger than the table empties it (section 4.4)."""
        while self._size > self.largest:
            self._size -= _cost(self.entries.pop())


def _cost(field: tuple[str, str]) -> int:
    """Bytes of an entry (section 4.1)."""
    return len(field[0]) + len(field[1]) + 32


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """A prefixed integer (RFC 7541 section 5.1) and where it ends. Larger ones than three
    bytes behind the prefix hold are refused."""
    largest = (1 << bits) - 1
    number = block[at] & largest
    at += 1
    if number < largest:
        return number, at
    for shift in (0, 7, 14):
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise PeerError(COMPRESSION_ERROR, "a number in a header block that is too long")


# Decoding Huffman code costs 30 ns a byte, and peers repeat their strings. So 4,096 short strings are remembered.
_UNPACKED: dict[bytes, str] = {}
MOST_UNPACKED_KEPT, LONGEST_KEPT = 4096, 64


def _string(block: bytes, at: int, long: LongStrings | None = None) -> tuple[str, int]:
    """A string literal (RFC 7541 section 5.2) and where it ends."""
    first = block[at]
    length = first & 0x7F
    if length == 0x7F:
        length, at = _integer(block, at, 7)
    else:
        at += 1
    end = at + length
    if end > len(block):
        raise PeerError(COMPRESSION_ERROR, "a string that leaves its header block")
    text = block[at:end]
    if first < 0x80:
        return text.decode("latin-1"), end
    if length > LONGEST_KEPT:  # tokens are among these: whether they are remembered is not decided here
        return (unpacked(text) if long is None else long.unpacked(text)), end
    known = _UNPACKED.get(text)
    if known is None:
        known = unpacked(text)
        if len(_UNPACKED) >= MOST_UNPACKED_KEPT:
            _UNPACKED.clear()
        _UNPACKED[text] = known
    return known, end


class BlockReader(Generic[T]):
    """Unpacks the header blocks of one connection. It must get every block, in order, as they
    share a table (RFC 7541 section 2.2). `remembered` is how many bytes of blocks and their fields are kept with their meaning.
    `long` are long strings that other connections had."""

    __slots__ = ("unpacked", "_known", "_known_size", "_long", "_remembered", "_seen", "_table")

    def __init__(self, remembered: int = LARGEST_KNOWN, long: LongStrings | None = None) -> None:
        self._remembered = remembered
        self._long = long
        self._table = _Table()
        self._seen = 0  # `changes` of the table for which `_known` holds
        self._known: dict[bytes, T] = {}
        self._known_size = 0
        self.unpacked = 0  # bytes of the fields that were read last

    def known(self, block: bytes) -> T | None:
        """What `remember` stored for this block, None where the table has changed since."""
        if self._table.changes != self._seen:
            self._seen = self._table.changes
            self._known.clear()
            self._known_size = 0
        return self._known.get(block)

    def remember(self, block: bytes, meaning: T) -> None:
        """Store the meaning of the block that was read last. A block that changed the table is not stored:
        it would mean something else next time."""
        size = len(block) + self.unpacked
        if self._table.changes != self._seen or size > self._remembered // 4:
            return
        size += OF_MEANING
        if self._known_size + size > self._remembered:
            self._known.clear()
            self._known_size = 0
        self._known[block] = meaning
        self._known_size += size

    def read(self, block: bytes) -> Fields:
        """The fields of a block; names and values have one character a byte. Raises PeerError COMPRESSION_ERROR or
        ENHANCE_YOUR_CALM. They end the connection, as its table is then unknown."""
        try:
            return self._read(block)
        except (HPACKError, IndexError) as error:
            raise PeerError(COMPRESSION_ERROR, "a header block that cannot be unpacked") from error

    def _read(self, block: bytes) -> Fields:
        # 4.6 us for an answer of kube-apiserver, of which a new Audit-Id takes 1.2
        table = self._table
        entries = table.entries
        fields: Fields = []
        at, end, size, updates = 0, len(block), 0, 0
        few = FEW if end <= LARGEST_BLOCK else 0
        while at < end:
            first = block[at]
            if first & 0x80:  # indexed (RFC 7541 section 6.1)
                index = first & 0x7F
                if index == 0x7F:
                    index, at = _integer(block, at, 7)
                else:
                    at += 1
                if index > _STATIC_COUNT:
                    fields.append(entries[index - _STATIC_COUNT - 1])
                elif index:
                    fields.append(_STATIC[index - 1])
                else:
                    raise IndexError
            elif first & 0xE0 == 0x20:  # table size update (section 6.3), before all fields
                size_now, at = _integer(block, at, 5)
                updates += 1
                if fields or updates > MOST_UPDATES or size_now > TABLE_SIZE:
                    raise PeerError(COMPRESSION_ERROR, "a table size update that is not allowed")
                table.resize(size_now)
                continue
            else:
                field, at = self._literal(block, at, first)
                fields.append(field)
            if len(fields) > few:
                size = size + _cost(fields[-1]) if size else sum(map(_cost, fields))
                if size > MOST_UNPACKED or len(fields) > MOST_READ:
                    raise PeerError(ENHANCE_YOUR_CALM, "a header block that unpacks to too much")
        if self._remembered:
            self.unpacked = size or sum(map(_cost, fields))
        return fields

    def _literal(self, block: bytes, at: int, first: int) -> tuple[tuple[str, str], int]:
        """A literal, and where it ends. 01 goes into the table (section 6.2.1), 0000 does not, 0001 never may (6.2.2, 6.2.3)."""
        largest = 0x3F if first & 0x40 else 0x0F
        index = first & largest
        if index == largest:
            index, at = _integer(block, at, 6 if first & 0x40 else 4)
        else:
            at += 1
        if index:
            name = self._table.get(index)[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at, self._long)
        field = name, value
        if first & 0x40:
            self._table.add(field)
        return field, at


# ---------------------------------------------------------------------- writing

NO_TABLE = b"\x20"  # a table size update to zero (RFC 7541 section 6.3): we use no dynamic table


def _prefix(bits: int, first: int, number: int) -> bytes:
    """A prefixed integer of `bits` bits (RFC 7541 section 5.1), with the other bits of its first byte from `first`."""
    largest = (1 << bits) - 1
    if number < largest:
        return bytes((first | number,))
    out = bytearray((first | largest,))
    number -= largest
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_INDEX_OF_NAME = {name: index for index, (name, _) in reversed(list(enumerate(_STATIC, 1)))}
_INDEXED = {pair: _prefix(7, 0x80, index) for index, pair in enumerate(_STATIC, 1)}
_VALUED = frozenset(name for name, value in _INDEXED if value)
_LENGTHS = [_prefix(7, 0, length) for length in range(512)]
_NAMES: dict[str, bytes] = {}  # a name, and the beginning of its literal; names come from our allow-lists and from clusters
MOST_NAMES = 1024
FIELD_NAME = re.compile(r":?[!#$%&'*+.^_`|~0-9a-z-]+")


def write_block(fields: Headers) -> bytes:
    """Fields as a header block. Raises OurError for a field that a reader would read as something else (threats A9)."""
    parts = []
    for pair in fields:
        name, value = pair
        if (name in _VALUED or not value) and pair in _INDEXED:
            parts.append(_INDEXED[pair])
            continue
        start = _NAMES.get(name) or _start(name)
        if "\n" in value or "\r" in value or "\0" in value:  # a fiftieth of a regular expression, where the value is a token
            raise OurError("a header would end its line")
        try:
            text = value.encode("latin-1")
        except UnicodeEncodeError as error:
            raise OurError("a header that is not latin-1") from error
        size = len(text)
        parts += (start, _LENGTHS[size] if size < 512 else _prefix(7, 0, size), text)
    return b"".join(parts)


# The beginning of a Content-Length, up to its digits, by their number
_LENGTH_STARTS = [_prefix(4, 0, _INDEX_OF_NAME["content-length"]) + _prefix(7, 0, digits) for digits in range(20)]


def beginning(block: bytes, headers: Headers, length: int) -> bytes:
    """What `ready_block` needs of a block that ends in the last of these headers, and in `length` where that is 0 or more: all
    before the length of that header's value. Empty where it knows no such block: where the static table knows the header, which may
    then be one byte with its value, and where the value is long."""
    if not headers or headers[-1][0] in _INDEX_OF_NAME or len(headers[-1][1]) >= len(_LENGTHS):
        return b""
    behind = len(_written(headers[-1][1].encode("latin-1"), length))
    return block[: len(block) - behind]


def ready_block(start: bytes, value: str, length: int) -> bytes:
    """The header block that begins with `start`, and ends in the value of a field, and in `length` where that is 0 or more. Empty
    where the value needs the checks of `write_block`."""
    if len(value) < len(_LENGTHS) and value.isascii() and value.isprintable():  # so it ends no line
        return start + _written(value.encode("latin-1"), length)
    return b""


def _written(value: bytes, length: int) -> bytes:
    if length < 0:
        return _LENGTHS[len(value)] + value
    digits = b"%d" % length
    return b"".join((_LENGTHS[len(value)], value, _LENGTH_STARTS[len(digits)], digits))


def _start(name: str) -> bytes:
    """A literal without indexing (RFC 7541 section 6.2.2), up to its value. For a credential it forbids indexing to all (7.1.3)."""
    if FIELD_NAME.fullmatch(name) is None or name in UNTOLD - {"content-length"}:
        raise OurError(f"{name!r} cannot be sent over HTTP/2")
    first = 0x10 if name in ("authorization", "cookie") else 0
    index = _INDEX_OF_NAME.get(name, 0)
    start = _prefix(4, first, index)
    if not index:
        start += _prefix(7, 0, len(name)) + name.encode("latin-1")
    if len(_NAMES) >= MOST_NAMES:
        _NAMES.clear()
    _NAMES[name] = start
    return start
