"""Plain twins of what reads and writes HTTP/2's heads: field by field and rule by rule, as the RFCs say it. The codec's own functions do the same
in fewer steps, and are held against these."""

from __future__ import annotations

import re
from collections import deque

from hpack.exceptions import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Headers, Informational, Request, Response
from l7gw.wire.http2_fields import OF_A_CONNECTION, PSEUDO_OF_ANSWER, PSEUDO_OF_REQUEST, Malformed
from l7gw.wire.http2_frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM
from l7gw.wire.http2_hpack import FIELD_NAME, MOST_READ, MOST_UNPACKED, MOST_UPDATES, TABLE_SIZE, Fields, _prefix, _start
from l7gw.wire.semantics import (
    BODILESS,
    LARGEST_HEAD,
    MOST_FIELDS,
    SINGLE,
    SINGLE_IN_ANSWER,
    UNTOLD,
    VISIBLE,
    check_body,
    check_deciding,
    check_host,
    check_line,
    check_plain,
    one_line_each,
    plain_length,
)

_STATIC = tuple((name.decode(), value.decode()) for name, value in HeaderTable.STATIC_TABLE)
_STATIC_COUNT = len(_STATIC)


class _Table:
    """The static table and, behind it, the dynamic one, newest entry first (RFC 7541 sections 2.3.2
    and 4). `changes` counts its changes."""

    __slots__ = ("changes", "largest", "_entries", "_size")

    def __init__(self) -> None:
        self.changes = 0
        self.largest = TABLE_SIZE  # bytes that the dynamic table may hold, as the peer said
        self._entries: deque[tuple[str, str]] = deque()
        self._size = 0

    def get(self, index: int) -> tuple[str, str]:
        """The field at an index from 1. Raises IndexError where there is none."""
        if 0 < index <= _STATIC_COUNT:
            return _STATIC[index - 1]
        if index == 0:
            raise IndexError
        return self._entries[index - _STATIC_COUNT - 1]

    def add(self, field: tuple[str, str]) -> None:
        """Add an entry (section 4.4)."""
        self.changes += 1
        self._entries.appendleft(field)
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
            self._size -= _cost(self._entries.pop())


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


def _string(block: bytes, at: int) -> tuple[str, int]:
    """A string literal (RFC 7541 section 5.2) and where it ends."""
    packed = block[at] & 0x80
    length, at = _integer(block, at, 7)
    end = at + length
    if end > len(block):
        raise PeerError(COMPRESSION_ERROR, "a string that leaves its header block")
    text = block[at:end]
    return (decode_huffman(text) if packed else text).decode("latin-1"), end


class PlainReader:
    """Unpacks the header blocks of one connection."""

    def __init__(self) -> None:
        self._table = _Table()

    def read(self, block: bytes) -> Fields:
        try:
            return self._read(block)
        except (HPACKError, IndexError) as error:
            raise PeerError(COMPRESSION_ERROR, "a header block that cannot be unpacked") from error

    def _read(self, block: bytes) -> Fields:
        table = self._table
        fields: Fields = []
        at, end, size, updates = 0, len(block), 0, 0
        while at < end:
            first = block[at]
            if first & 0x80:  # indexed (RFC 7541 section 6.1)
                index, at = (first & 0x7F, at + 1) if first != 0xFF else _integer(block, at, 7)
                field = table.get(index)
            elif first & 0xE0 == 0x20:  # table size update (section 6.3), before all fields
                size_now, at = _integer(block, at, 5)
                updates += 1
                if fields or updates > MOST_UPDATES or size_now > TABLE_SIZE:
                    raise PeerError(COMPRESSION_ERROR, "a table size update that is not allowed")
                table.resize(size_now)
                continue
            else:  # literal: 01 goes into the table (section 6.2.1), 0000 does not, 0001 never may (6.2.2, 6.2.3)
                indexing = first & 0x40
                index, at = _integer(block, at, 6 if indexing else 4)
                if index:
                    name = table.get(index)[0]
                else:
                    name, at = _string(block, at)
                value, at = _string(block, at)
                field = name, value
                if indexing:
                    table.add(field)
            size += len(field[0]) + len(field[1]) + 32  # RFC 9113 section 6.5.2
            if len(fields) >= MOST_READ or size > MOST_UNPACKED:
                raise PeerError(ENHANCE_YOUR_CALM, "a header block that unpacks to too much")
            fields.append(field)
        return fields


_NOT_VISIBLE = re.compile("[^" + re.escape(VISIBLE.decode("latin-1")) + "]")
_PATH = re.compile(r"[!-~]+")
_STATUS = re.compile(r"[1-5][0-9][0-9]")


def split_fields(fields: Fields, pseudo: frozenset[str]) -> tuple[dict[str, str], Fields]:
    """The pseudo-fields as a dict, and the other fields. White space around values is removed, as by HTTP/1.1 (section 8.2.1).

    `pseudo` are the pseudo-fields that may stand there. Raises Malformed for what is no
    field; what the fields say is checked later.
    """
    found: dict[str, str] = {}
    rest: Fields = []
    for name, value in fields:
        if _NOT_VISIBLE.search(value) is not None:
            raise Malformed("a field's value with a byte that none may hold")
        if name[:1] == ":":
            if rest or name in found or name not in pseudo:
                raise Malformed("a pseudo-field that is unknown, stands twice, or stands behind a field")
            found[name] = value
        else:
            value = value.strip(" \t")
            if FIELD_NAME.fullmatch(name) is None or name in OF_A_CONNECTION or (name == "te" and value != "trailers"):
                raise Malformed("a field's name that HTTP/2 does not allow")
            rest.append((name, value))
    return found, rest


def parse_request(fields: Fields, *, end: bool) -> Request:
    """The request in a field section. `end` is true where no body follows.

    Raises Malformed for fields that are no request, and PeerError with the HTTP status to answer for a request that is not served.
    """
    pseudo, rest = split_fields(fields, PSEUDO_OF_REQUEST)
    method, target, scheme = pseudo.get(":method"), pseudo.get(":path"), pseudo.get(":scheme")
    if method == "CONNECT":  # section 8.5: CONNECT has neither scheme nor path; RFC 8441's form is not offered (threats B10)
        raise PeerError(405, "this method is not served")
    if not method or not target or scheme not in ("https", "http"):
        raise Malformed("a request without method, path or scheme")
    if _PATH.fullmatch(target) is None:
        raise Malformed("a path with bytes that no path has")
    size = sum([len(name) + len(value) + 32 for name, value in fields])  # section 6.5.2
    if size > LARGEST_HEAD or len(rest) > MOST_FIELDS:
        raise PeerError(431, f"more than {MOST_FIELDS} header fields, or {LARGEST_HEAD} bytes of them")
    check_line(method, target)
    told = dict(rest)
    if len(told) != len(rest):
        rest = one_line_each(rest, SINGLE, 400)
        told = dict(rest)
    check_deciding(rest)
    host = pseudo.get(":authority", told.get("host", ""))
    if told.get("host", host) != host:  # section 8.3.1
        raise PeerError(400, "Host and :authority differ")
    check_host(host)
    stated = told.get("content-length")
    length = plain_length(stated, 400) if stated is not None else NO_BODY if end or method in BODILESS else CHUNKED
    if end and length > 0:
        raise Malformed("a Content-Length without a body")
    check_body(method, length)
    expects = check_plain(told)
    headers = [("host", host)]
    headers += [pair for pair in rest if pair[0] not in UNTOLD and pair[0] != "host"]
    return Request(method, target, tuple(headers), length, expects_continue=expects and not end)


def parse_answer(fields: Fields, method: str, *, end: bool) -> Response | Informational:
    """The answer in a field section. `method` is that of its request; `end` is true where no body follows. Raises Malformed."""
    pseudo, rest = split_fields(fields, PSEUDO_OF_ANSWER)
    text = pseudo.get(":status", "")
    if _STATUS.fullmatch(text) is None:
        raise Malformed("an answer without a status")
    status = int(text)
    told = dict(rest)
    try:
        size = sum([len(name) + len(value) + 32 for name, value in fields])
        if size > LARGEST_HEAD or len(rest) > MOST_FIELDS:
            raise Malformed(f"more than {MOST_FIELDS} header fields, or {LARGEST_HEAD} bytes of them")
        if len(told) != len(rest):
            rest = one_line_each(rest, SINGLE_IN_ANSWER, 502)
            told = dict(rest)
        length = plain_length(told["content-length"], 502) if "content-length" in told else NO_BODY if end else CHUNKED
    except PeerError as error:
        raise Malformed(error.reason) from error
    bodiless = method == "HEAD" or status == 304 or status == 204
    headers = tuple([pair for pair in rest if pair[0] not in UNTOLD])
    if status < 200:
        if status == 101 or end or length > 0:  # section 8.6: HTTP/2 has no upgrade; an interim answer ends no stream
            raise Malformed("an interim answer that ends, or a 101")
        return Informational(status, headers)
    if end and length > 0 and not bodiless:
        raise Malformed("a Content-Length without a body")
    if status == 204 and length > 0:
        raise Malformed("a length on an answer that has no body")
    if bodiless and length == CHUNKED:
        length = NO_BODY
    return Response(status, headers, length)


def write_block(fields: Headers) -> bytes:
    """Fields as a header block."""
    block = b""
    for name, value in fields:
        if (name, value) in _STATIC:
            block += _prefix(7, 0x80, _STATIC.index((name, value)) + 1)
            continue
        start = _start(name)
        if re.search(r"[\r\n\0]", value) is not None:
            raise OurError("a header would end its line")
        try:
            text = value.encode("latin-1")
        except UnicodeEncodeError as error:
            raise OurError("a header that is not latin-1") from error
        block += start + _prefix(7, 0, len(text)) + text
    return block
