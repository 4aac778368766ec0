"""One pass over the headers of a journal's blocks: which sessions there are, and where what is known of them lies.

A list of thousands of sessions reads hundreds of thousands of headers. So a segment is read in pieces, of a header only what is
needed is unpacked (1.3 us a block, where `reader.places` takes 3.6), and of a session no block but its first is read until somebody
asks for more.
"""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from l7gw.recording import layout, reader
from l7gw.recording.events import AnyEvent, SessionStarted
from l7gw.recording.layout import HEADER_SIZE, HOLDS_SESSION_EVENTS, NO_SESSION, Header

CHUNK = 256 * 1024  # bytes that are read at once where blocks are small
SMALL = 16 * 1024  # bytes of a block behind which a whole chunk is read; behind a larger one the header alone
MOST_CALLS = 1000  # blocks of attempts that are remembered: strangers can make 65,000 a day, and to read so many takes 10 ms
GUESSED = 1024  # bytes that are read of a block whose size is not known yet: most of those that a list reads are smaller
_SOUND = layout.MAGIC + bytes((layout.VERSION, layout.CIPHER_NONE))
_SESSION, _NUMBER, _HASH = slice(24, 40), slice(40, 48), slice(144, 176)  # the session's id, the block's number in it, its hash
_FIRST = (1).to_bytes(8, "big")
_CRC_AT = HEADER_SIZE - 4
_LENGTHS = struct.Struct(">II").unpack_from
_NUMBER_OF = struct.Struct(">I").unpack_from


Decoder = Callable[[bytes, int], list[Any]]
Spots = dict[Path, "array[int]"]  # where blocks lie: of each segment the offsets, in bytes. Of a session there may be a million


class Scanned:
    """A session as far as headers and its first block tell. `spots` are its blocks that hold its beginning, its runs, steps of its
    clock or its end; `calls` are the newest MOST_CALLS of the others, of a day's attempts alone."""

    __slots__ = ("alive", "calls", "first", "latest", "path", "spots", "started")

    def __init__(self, started: SessionStarted, first: list[AnyEvent], path: Path) -> None:
        self.started = started
        self.first = first  # the events of the first block
        self.path = path  # the segment in which it begins
        self.alive = False
        self.spots: Spots = {}  # without the first block
        self.calls: deque[tuple[Path, int]] = deque(maxlen=MOST_CALLS)
        self.latest = b""  # the header of its last block

    def header(self) -> Header:
        """The header of the session's last block."""
        header = layout.unpack(self.latest)
        assert header is not None  # its checksum was looked at
        return header

    def blocks(self) -> Iterator[list[AnyEvent]]:
        """The events of the first block and of those in `spots`, as `blocks_at` gives them."""
        yield self.first
        yield from blocks_at(self.spots)

    def attempts(self, decoder: Decoder) -> Iterator[list[Any]]:
        """The events of the blocks in `calls`."""
        for path, of_path in groupby(self.calls, key=lambda call: call[0]):
            yield from blocks_at({path: array("Q", (offset for _, offset in of_path))}, decoder)


def blocks_at(spots: Spots, decoder: Decoder = reader.decode) -> Iterator[list[Any]]:
    """The events of these blocks. Those that cannot be read, or are gone, are left out."""
    for path, offsets in spots.items():
        with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
            for offset in offsets:
                raw = os.pread(file.fileno(), GUESSED, offset)
                if len(raw) < HEADER_SIZE:
                    continue
                # The header's own checksum was looked at when the block was found
                stored, plain = _LENGTHS(raw, 8)
                payload = raw[HEADER_SIZE : HEADER_SIZE + stored]
                if len(payload) < stored:
                    payload = os.pread(file.fileno(), stored, offset + HEADER_SIZE)
                with suppress(reader.Unreadable):
                    events = reader.decoded(payload, raw[_HASH], plain, _NUMBER_OF(raw, 48)[0], decoder)
                    yield events


def scan(state: Path) -> list[Scanned]:
    """Every session of a state whose first block can be read, in the order in which they began to be written. Raises OSError."""
    found: dict[bytes, Scanned] = {}
    paths = reader.segments(state)
    living = reader.living_writer(paths)
    for path in paths:
        try:
            alive = living is not None and reader.writer_of(path) == living
            _segment(path, found, alive=alive)
        except FileNotFoundError:  # removed since the folder was listed
            continue
    return list(found.values())


def _segment(path: Path, found: dict[bytes, Scanned], *, alive: bool) -> None:
    with path.open("rb") as file:
        for offset, raw in _headers(file.fileno()):
            session, flagged = raw[_SESSION], raw[7] & HOLDS_SESSION_EVENTS
            one = found.get(session)
            if one is not None:
                if flagged:
                    if path not in one.spots:
                        one.spots[path] = array("Q")
                    one.spots[path].append(offset)
                elif one.started.attempts:
                    one.calls.append((path, offset))
            elif flagged and session != NO_SESSION and raw[_NUMBER] == _FIRST:
                one = _begun(path, offset, raw, file)
                if one is not None:
                    found[session] = one
            if one is not None:
                one.latest, one.alive = raw, alive


def _begun(path: Path, offset: int, raw: bytes, file: BinaryIO) -> Scanned | None:
    """The session whose first block lies there; None where the block cannot be read."""
    header = layout.unpack(raw)
    if header is not None:
        with suppress(reader.Unreadable):
            events = reader.events_at(reader.Place(path, offset, header, file))
            for event in events:
                if isinstance(event, SessionStarted):
                    return Scanned(event, events, path)
    return None


def _headers(file: int) -> Iterator[tuple[int, bytes]]:
    """The header of each whole block of a segment, as bytes, with its offset. What lies behind the last whole block is left out."""
    end = os.fstat(file).st_size
    offset = begin = step = 0  # where the block and the chunk lie in the file; bytes of the block before
    chunk = b""
    while offset + HEADER_SIZE <= end:
        at = offset - begin
        raw = chunk[at : at + HEADER_SIZE]
        if len(raw) < HEADER_SIZE:
            begin = offset
            chunk = os.pread(file, CHUNK if step < SMALL else HEADER_SIZE, offset)
            raw = chunk[:HEADER_SIZE]
        if raw[:6] != _SOUND or zlib.crc32(raw[:_CRC_AT]) != _NUMBER_OF(raw, _CRC_AT)[0]:
            return
        stored = _NUMBER_OF(raw, 8)[0]
        step = HEADER_SIZE + stored
        if offset + step > end:
            return
        if offset + step == end and sha256(os.pread(file, stored, offset + HEADER_SIZE)).digest() != raw[_HASH]:
            return  # a power loss: the content of the last block never reached the disk
        yield offset, raw
        offset += step
