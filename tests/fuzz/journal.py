"""A segment of any bytes is read or refused, and never more is unpacked than a block may hold."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

from l7gw.recording import reader
from l7gw.recording.layout import LARGEST_PLAIN, NO_HASH, Header
from l7gw.recording.verify import verify

WORDS = [b"L7B1\x01\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"\xdd\xff\xff\xff\xff", b"\x97\xa3run", b"\xc6\x7f\xff\xff\xff"]
RUNS = 1500  # each writes files

_folder = tempfile.TemporaryDirectory(prefix="l7gw-fuzz-")


def one(data: bytes) -> None:
    """Read the bytes as a segment, and as the content of a sound block. The reader raises nothing but Unreadable, and the verifier
    nothing. Bytes that the verifier calls intact are read by the reader."""
    read(data)
    plain = int.from_bytes(data[:4], "big") if data[:1] < b"\x01" else _stated(data[4:])
    payload = data[4:]
    head = Header(
        0, len(payload), plain, 1, bytes(range(16)), 1, int.from_bytes(data[1:4], "big"), 0, 0, 0, 0, 0, NO_HASH, NO_HASH,
        sha256(payload).digest(),
    )  # fmt: skip
    read(head.pack() + payload)


def read(data: bytes) -> None:
    path = Path(_folder.name) / "00000001-fuzz.l7j"
    path.write_bytes(data)
    intact = verify([path]).intact
    readable = True
    for place in reader.places(path):
        try:
            reader.events_at(place)
            assert place.header.plain <= LARGEST_PLAIN
        except reader.Unreadable:
            readable = False
    # the verifier checks bytes only, so a sound block may hold content that is no events
    if intact and not readable:
        for place in reader.places(path):
            payload = data[place.offset + len(place.header.pack()) :][: place.header.stored]
            assert len(reader.decompress(payload, place.header.plain)) == place.header.plain


def _stated(payload: bytes) -> int:
    """The length that a zstd frame states, so that some inputs pass the first check."""
    import zstandard

    try:
        return max(0, min(zstandard.frame_content_size(payload), 2**32 - 1))
    except zstandard.ZstdError:
        return 0
