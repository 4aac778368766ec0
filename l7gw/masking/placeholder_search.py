"""Looks for placeholders in what a caller sends: raw, escaped as in JSON, in base64 at any offset, and in gzip within base64.

Where the beginning of a placeholder stands with a letter or digit behind it, that counts as a placeholder, also where its rest was
changed on the way: a placeholder that somebody cut must not become data either.
"""

from __future__ import annotations

import base64
import functools
import re
import zlib
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

import hyperscan

from l7gw.masking.placeholder import BEGINNING

MOST_UNPACKED = 32 * 1024 * 1024  # bytes of all the gzip in one body, unpacked; text in a body of 3 MiB becomes about so much
_MOST_LEVELS = 3  # of JSON within texts of JSON that are looked into for escapes
_STEP = 64 * 1024  # bytes that are unpacked at once

_RAW = BEGINNING.encode()
_BROKEN_OR_WHOLE = re.compile(re.escape(_RAW) + rb"[a-z0-9]")
_ESCAPE = re.compile(rb"\\+u00([0-7][0-9a-fA-F])")
_BREAKS = re.compile(rb"\\+[nr]|[\r\n]")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_RUN = re.compile(rb"[A-Za-z0-9+/_-]{12,}")


def _encoded(mark: bytes) -> Iterable[bytes]:
    """The marks by which base64 of a text is told that holds `mark`: one for each offset of it in the groups of three."""
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + mark)
        yield whole[-(-offset * 8 // 6) : (offset + len(mark)) * 8 // 6]


_BASE64 = tuple(_encoded(_RAW))
_TWICE = tuple(twice for once in _BASE64 for twice in _encoded(once))  # a Secret's value that is base64 itself, as Helm's
_ENCODED = (*_BASE64, *_TWICE)
_GZIP = b"\x1f\x8b\x08"
_PACKED = next(iter(_encoded(_GZIP)))  # base64 of gzip: a value begins with it
_PACKED_TWICE = next(iter(_encoded(_PACKED)))
_LONGEST = max(map(len, (_RAW, *_ENCODED))) + 1
_KEPT = 6 * _LONGEST  # bytes of a stream that are kept: a line may end between any two letters, or each be written as \\u006c


# A letter or digit that is written as JSON's escape, which no encoder does: it could part every mark
_ESCAPED = rb"\\+u00(?:2[dD]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA])"


def _in_lines(mark: bytes) -> bytes:
    """The pattern of a mark in base64 between whose letters a line may end, raw or as in JSON: decoders skip that."""
    return rb"(?:\\+[nr]|[\r\n])*".join(mark[i : i + 1] for i in range(len(mark)))


@functools.cache
def _database() -> hyperscan.Database:
    """What tells that bytes may hold a placeholder. Compiled at first use, in a tenth of a second."""
    patterns = [*map(re.escape, (_RAW, *_TWICE, _PACKED_TWICE)), rb"\x1f\x8b\x08", _ESCAPED, *map(_in_lines, (*_BASE64, _PACKED))]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=patterns, elements=len(patterns), flags=hyperscan.HS_FLAG_SINGLEMATCH)
    database.scratch = hyperscan.Scratch(database)
    return database


def _stop(*_: object) -> bool:  # must stay referenced while hyperscan runs
    return True


def may_hold(data: bytes) -> bool:
    """Whether these bytes may hold a placeholder: where this is false, they hold none. Costs 0.7 us a kilobyte, 0.5 ns a byte
    beyond."""
    try:
        _database().scan(data, match_event_handler=_stop)
    except hyperscan.ScanTerminated:
        return True
    return False


class Room:
    """How many bytes of gzip may still be unpacked. All values of a body share one. Where none are left, a value counts as holding
    a placeholder: nobody can know."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_UNPACKED


def holds(data: bytes, room: Room | None = None) -> bool:
    """Whether a value, or the name of a value, holds a placeholder. `room` is that of the body; None for a value by itself."""
    room = room or Room()
    if _readably(data) or (_has_packed(data) and _packed_holds(data, room)):
        return True
    joined = _BREAKS.sub(b"", data) if _has_breaks(data) else data
    return joined != data and _has_packed(joined) and _packed_holds(joined, room)


def _readably(data: bytes) -> bool:
    """Whether a placeholder stands in these bytes in a form that is not packed."""
    if _stands_in(data):
        return True
    plain = data
    for _ in range(_MOST_LEVELS if b"\\u" in data else 0):
        plain = _ESCAPE.sub(_unescaped, plain)
        if _stands_in(plain):
            return True
    if not _has_breaks(data):
        return False
    joined = _BREAKS.sub(b"", data)
    return any(mark in joined for mark in _ENCODED)


def _has_breaks(data: bytes) -> bool:
    return b"\n" in data or b"\\n" in data or b"\r" in data


def _stands_in(data: bytes) -> bool:
    """Whether a placeholder stands in these bytes, raw or in base64."""
    return _BROKEN_OR_WHOLE.search(data) is not None or any(mark in data for mark in _ENCODED)


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode())


def in_target(target: str) -> bool:
    """Whether the target of a request holds a placeholder. It is as HTTP's events have it, one character a byte."""
    plain = (unquote(target, "latin-1") if "%" in target else target).encode("latin-1")
    return may_hold(plain) and holds(plain)


def in_headers(headers: Sequence[tuple[str, str]]) -> str:
    """Which header field holds a placeholder: `the header NAME`, or "" for none. They are as HTTP's events have them. Costs 2 us
    for those of a kubectl."""
    if not may_hold("\n".join([value for _, value in headers]).encode("latin-1")):
        return ""
    return next((f"the header {name}" for name, value in headers if holds(value.encode("latin-1"))), "")


class PlaceholderSearch:
    """Looks for a placeholder in bytes that come in pieces, such as the stdin of an exec, at any split."""

    __slots__ = ("_tail", "found")

    def __init__(self) -> None:
        self.found = False  # once true, it stays so
        self._tail = b""

    def passes(self, data: bytes) -> bool:
        """Whether `feed` of these bytes, in any pieces, finds nothing. It takes nothing."""
        return not self.found and not may_hold(self._tail + data)

    def take(self, data: bytes) -> None:
        """Take bytes that pass."""
        self._tail = (self._tail + data)[-_KEPT:]

    def feed(self, data: bytes) -> bool:
        """Take the next bytes. Gives whether a placeholder was found in what has come so far."""
        if not self.found:
            joined = self._tail + data
            self.found = may_hold(joined) and _readably(joined)
            self._tail = joined[-_KEPT:]
        return self.found


def _has_packed(data: bytes) -> bool:
    return _PACKED in data or _PACKED_TWICE in data or data.startswith(_GZIP)


def _packed_holds(data: bytes, room: Room) -> bool:
    """Whether gzip holds a placeholder: the bytes themselves, or a run of base64 in them, once or twice encoded."""
    if data.startswith(_GZIP):
        return _unpacked_holds(data, room)
    for run in _RUN.finditer(data):
        for mark in (_PACKED, _PACKED_TWICE):
            at = run[0].find(mark)
            if at >= 0 and (inner := _decoded(run[0][at:])) and _packed_holds(inner, room):
                return True
    return False


def _decoded(text: bytes) -> bytes:
    """What base64, of either alphabet, stands for: its whole groups of four."""
    return base64.b64decode(text.translate(_STANDARD)[: len(text) // 4 * 4])


def _unpacked_holds(data: bytes, room: Room) -> bool:
    """Whether gzip holds a placeholder, as far as it can be unpacked. What is broken holds none: it is the caller's own."""
    search, unpacker = PlaceholderSearch(), zlib.decompressobj(wbits=31)
    try:
        while room.left > 0:
            piece = unpacker.decompress(data, _STEP)
            room.left -= len(piece)
            if search.feed(piece):
                return True
            data = unpacker.unconsumed_tail
            if unpacker.eof:
                data, unpacker = unpacker.unused_data, zlib.decompressobj(wbits=31)
            if not data and len(piece) < _STEP:
                return False
    except zlib.error:
        return False
    return True
