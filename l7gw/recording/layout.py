"""The layout of a block's header, for the writer and the reader (docs/recording-format.md). `verify` has a copy of its own."""

from __future__ import annotations

import re
import struct
import zlib
from hashlib import file_digest, sha256
from pathlib import Path
from typing import NamedTuple

MAGIC = b"L7B1"
VERSION = 1
CIPHER_NONE = 0
FOLDER = "journal"  # name of the folder in the state
SUFFIX = ".l7j"
SEGMENT_NAME = re.compile(r"([0-9]{8})-.+\.l7j")  # a number that grows by one, and a UUID
NO_SESSION = bytes(16)
NO_HASH = bytes(32)

HOLDS_SESSION_EVENTS = (
    1  # flag: the block holds only a session's beginning, its runs, steps of its clock or its end. The list reads no other block
)

LARGEST_PLAIN = 8 * 1024 * 1024  # bytes of one block before compression; a reader must be ready to hold as many

# magic, version, cipher, flags, stored length, plain length, journal sequence, session id, session sequence, events,
# totals of the session so far: exchanges, denied, held, bytes; time of the last event; three hashes; then a CRC-32 of it all
_FORMAT = struct.Struct(">4sBBHIIQ16sQIIIIQQ32s32s32s")
_CRC = struct.Struct(">I")
HEADER_SIZE = _FORMAT.size + _CRC.size


class Header(NamedTuple):
    """A block's header. It is a named tuple because a listing makes hundreds of thousands: one takes 0.5 us, a frozen dataclass 3
    us. Totals are those of the session up to the end of this block."""

    flags: int
    stored: int  # bytes of the payload as stored
    plain: int  # bytes of the events before compression
    sequence: int  # of the block in the journal, from 1
    session: bytes  # the session's id, 16 bytes
    session_sequence: int  # of the block in its session, from 1
    events: int  # in this block
    exchanges: int  # total of exchanges begun
    denied: int  # total of exchanges denied
    held: int  # total of exchanges held for review
    content: int  # total of bytes of bodies and channels, before compression
    last: int  # microseconds since 1970 when the block was made
    previous: bytes  # SHA-256 of the header of the journal's block before
    session_previous: bytes  # SHA-256 of the header of the session's block before
    payload_hash: bytes  # SHA-256 of the payload as stored

    def pack(self) -> bytes:
        head = _FORMAT.pack(MAGIC, VERSION, CIPHER_NONE, *self)
        return head + _CRC.pack(zlib.crc32(head))


def unpack(data: bytes) -> Header | None:
    """The header in these bytes; None where they are not exactly HEADER_SIZE bytes of a sound header."""
    if len(data) != HEADER_SIZE or zlib.crc32(data[:-4]) != _CRC.unpack_from(data, _FORMAT.size)[0]:
        return None
    magic, version, cipher, *fields = _FORMAT.unpack_from(data)
    if magic != MAGIC or version != VERSION or cipher != CIPHER_NONE:
        return None
    return Header(*fields)


def is_later(begin: bytes) -> bool:
    """Whether a segment that begins with these bytes (5 or more of them) was written by a later version of the format."""
    family, version = MAGIC[:3], begin[4:5]
    return begin.startswith(family) and (begin[3:4] > MAGIC[3:] or (begin.startswith(MAGIC) and version > bytes([VERSION])))


def header_hash(header: bytes) -> bytes:
    return sha256(header).digest()


def hash_from(path: Path, offset: int) -> bytes:
    """SHA-256 of a file's bytes from an offset to the end."""
    with path.open("rb") as file:
        file.seek(offset)
        return file_digest(file, "sha256").digest()


def last_block(path: Path) -> tuple[bytes | None, int]:
    """The header of a segment's last whole block, or None, and the offset in bytes where that block ends. A last block whose
    content does not have its hash is not whole: a power loss may leave zeros in place of the content."""
    before, last = (None, 0), (None, 0)
    at = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        while True:
            raw = file.read(HEADER_SIZE)
            header = unpack(raw)
            if header is None or at + HEADER_SIZE + header.stored > size:
                break
            at += HEADER_SIZE + header.stored
            before, last = last, (raw, at)  # type: ignore[assignment]
            file.seek(at)
        if last[0] is not None:
            header = unpack(last[0])
            file.seek(before[1] + HEADER_SIZE)
            if at == size and header is not None and sha256(file.read(header.stored)).digest() != header.payload_hash:
                return before
    return last
