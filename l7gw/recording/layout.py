"""The numbers of the journal's bytes, shared by writer and reader (docs/recording-format.md). `verify` has its own copy."""

from __future__ import annotations

import re
import struct
import zlib
from hashlib import sha256
from typing import NamedTuple

MAGIC = b"L7B1"
VERSION = 1
CIPHER_NONE = 0
FOLDER = "journal"  # below the state
SUFFIX = ".l7j"
SEGMENT_NAME = re.compile(r"([0-9]{8})-.+\.l7j")  # a number that grows, and a UUID
NO_SESSION = bytes(16)
NO_HASH = bytes(32)

HOLDS_SESSION_EVENTS = (
    1  # flag: a session's beginning, its runs, steps of its clock, or its end, and nothing else: what the list reads
)

LARGEST_PLAIN = 8 * 1024 * 1024  # bytes of one block before compression: what a reader must be ready to hold

# magic, version, cipher, flags, stored length, plain length, journal sequence, session id, session sequence, events,
# totals of the session so far: exchanges, denied, held, bytes; time of the last event; three hashes; then a CRC-32 of it all
_FORMAT = struct.Struct(">4sBBHIIQ16sQIIIIQQ32s32s32s")
_CRC = struct.Struct(">I")
HEADER_SIZE = _FORMAT.size + _CRC.size


class Header(NamedTuple):
    """A named tuple: a listing makes hundreds of thousands (0.5 us each; a frozen dataclass took 3)."""

    flags: int
    stored: int
    plain: int
    sequence: int
    session: bytes
    session_sequence: int
    events: int
    exchanges: int
    denied: int
    held: int
    content: int
    last: int
    previous: bytes
    session_previous: bytes
    payload_hash: bytes

    def pack(self) -> bytes:
        head = _FORMAT.pack(MAGIC, VERSION, CIPHER_NONE, *self)
        return head + _CRC.pack(zlib.crc32(head))


def unpack(data: bytes) -> Header | None:
    """A header from exactly HEADER_SIZE bytes; None where they are none."""
    if len(data) != HEADER_SIZE or zlib.crc32(data[:-4]) != _CRC.unpack_from(data, _FORMAT.size)[0]:
        return None
    magic, version, cipher, *fields = _FORMAT.unpack_from(data)
    if magic != MAGIC or version != VERSION or cipher != CIPHER_NONE:
        return None
    return Header(*fields)


def header_hash(header: bytes) -> bytes:
    return sha256(header).digest()
