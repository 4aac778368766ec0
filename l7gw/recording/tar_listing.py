"""Lists the files of a tar stream as it comes, as `kubectl cp` sends and gets it: POSIX.1-2001 (ustar and pax) and GNU tar.

It is strict: what is not a tar to the byte is a fault, and everything from there on is given back, so that nothing which is no
content of a listed file can hide in it. What it keeps is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

BLOCK = 512
LONGEST_NAME = 4096  # bytes, as Linux takes them
LARGEST_RECORDS = 64 * 1024  # bytes of an entry's extended records; names and times take some hundred
LARGEST_SIZE = 2**53  # bytes that a file may say it has
_END = bytes(BLOCK)
_KINDS = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "link",
    b"2": "symlink",
    b"3": "device",
    b"4": "device",
    b"5": "folder",
    b"6": "pipe",
}
_RECORDS, _LONG_NAME, _LONG_LINK = (b"x", b"g"), b"L", b"K"


class Entry(NamedTuple):
    kind: str  # file link symlink device folder pipe
    name: str
    size: int  # bytes; 0 of what is no file
    target: str  # of a link; else ""


class _Fault(Exception):
    pass


class TarListing:
    """Is fed the stream. `fault` says what is wrong from `offset` on, "" where nothing is; `ended` that the archive's end came."""

    def __init__(self) -> None:
        self.files = self.size = self.offset = 0
        self.ended = False
        self.fault = ""
        self._waiting = bytearray()  # a header, or records, that are not whole
        self._skip = 0  # bytes that belong to a file
        self._padding = 0  # zeros behind them, up to the next block
        self._wanted = BLOCK
        self._extended = b""  # the kind of the entry whose records come next
        self._about: dict[str, str] = {}  # what records say of the next entry
        self._last = ""

    def feed(self, data: bytes) -> tuple[list[Entry], bytes]:
        """The entries that begin in these bytes, and the bytes that are no part of an archive."""
        entries: list[Entry] = []
        at = 0
        while at < len(data) and not self.fault:
            step = min(self._skip, len(data) - at)
            self._skip -= step
            self.offset += step
            at += step
            if self._skip or at == len(data):
                break
            more = data[at : at + self._wanted - len(self._waiting)]
            self._waiting += more
            at += len(more)
            if len(self._waiting) == self._wanted:
                block, self._waiting = bytes(self._waiting), bytearray()
                try:
                    entries += self._block(block)
                    self.offset += len(block)
                except _Fault as fault:
                    self.fault = str(fault)
                    return entries, block + data[at:]
        return entries, data[at:] if self.fault else b""

    def finish(self) -> tuple[str, bytes]:
        """The stream ends. What is wrong with it, "" where it is whole, and the bytes that are no part of an archive."""
        rest = bytes(self._waiting)
        if not self.fault and not self.ended:
            where = f"in the middle of {self._last}" if self._skip > self._padding else "before its end"
            self.fault = f"it breaks off {where}"
        elif not self.fault and rest.strip(b"\0"):
            self.fault = "something stands behind its end"
        return self.fault, rest if self.fault else b""

    def _block(self, block: bytes) -> Iterator[Entry]:
        if self._extended:
            kind, self._extended, self._wanted = self._extended, b"", BLOCK
            self._records(kind, block)
        elif self.ended:
            if block != _END:
                raise _Fault("something stands behind its end")
        elif block == _END:
            if self._about:
                raise _Fault("it ends where an entry must follow")
            self.ended = True  # a second one follows; GNU tar takes one, too, and fills its record with zeros
        else:
            yield from self._header(block)

    def _header(self, block: bytes) -> Iterator[Entry]:
        if not is_header(block):
            raise _Fault("a header's checksum is wrong")
        kind = block[156:157]
        size = _number(block[124:136])
        if kind in _RECORDS or kind in (_LONG_NAME, _LONG_LINK):
            if size > (LARGEST_RECORDS if kind in _RECORDS else LONGEST_NAME + 1):
                raise _Fault("an entry's records are too long")
            self._extended = kind + size.to_bytes(4)
            self._wanted = -(-size // BLOCK) * BLOCK
            if not size:
                self._extended, self._wanted = b"", BLOCK
            return
        if kind not in _KINDS:
            raise _Fault(f"an entry is of a kind that is not known ({kind!r})")
        about, self._about = self._about, {}
        name = _text(block[:100])
        if block[257:263] == b"ustar\0" and block[345]:
            name = f"{_text(block[345:500])}/{name}"
        name, target = about.get("path", name), about.get("linkpath", _text(block[157:257]))
        is_file = _KINDS[kind] == "file"
        if is_file and "size" in about:
            size = _decimal(about["size"])
        size = size if is_file else 0
        self._padding = -size % BLOCK
        self._skip = size + self._padding
        self._last = name
        self.files += is_file
        self.size += size
        yield Entry(_KINDS[kind], name, size, target if _KINDS[kind] in ("link", "symlink") else "")

    def _records(self, kind: bytes, block: bytes) -> None:
        """What a block says of the next entry: a long name, or pax records ("LENGTH KEY=VALUE\\n")."""
        kind, size = kind[:1], int.from_bytes(kind[1:])
        data, padding = block[:size], block[size:]
        if padding.strip(b"\0"):
            raise _Fault("something stands between two entries")
        if kind in (_LONG_NAME, _LONG_LINK):
            self._about["path" if kind == _LONG_NAME else "linkpath"] = _text(data)
            return
        while data:
            digits, space, _ = data.partition(b" ")
            length = _decimal(digits.decode("latin-1"))
            record = data[len(digits) + 1 : length]
            if not space or not len(digits) + 2 < length <= len(data) or record[-1:] != b"\n":
                raise _Fault("an entry's records are no records")
            key, equals, value = record[:-1].partition(b"=")
            if not equals:
                raise _Fault("an entry's records are no records")
            if kind == b"x" and key in (b"path", b"linkpath", b"size"):
                self._about[key.decode()] = value.decode("utf-8", "replace")
            data = data[length:]


def is_header(block: bytes) -> bool:
    """Whether this is an entry's header, by its checksum."""
    if len(block) != BLOCK:
        return False
    try:
        wanted = _number(block[148:156])
    except _Fault:
        return False
    return wanted == sum(block) - sum(block[148:156]) + 8 * 32


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _number(field: bytes) -> int:
    """A number in octal digits, or, where the first bit is set, in bytes (GNU)."""
    if field[0] == 0x80:
        number = int.from_bytes(field[1:])
    else:
        digits = field.partition(b"\0")[0].strip(b" ")
        if digits.strip(b"01234567"):
            raise _Fault("a number is none")
        number = int(digits or b"0", 8)
    if number > LARGEST_SIZE:
        raise _Fault("a size is too large")
    return number


def _decimal(text: str) -> int:
    if not 0 < len(text) < 16 or text.strip("0123456789"):
        raise _Fault("a number is none")
    return int(text)
