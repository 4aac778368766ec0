"""Reads journals: blocks of a segment up to the last whole one, events of a session wherever its blocks lie."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import zstandard

from l7gw.recording import layout
from l7gw.recording.events import AnyEvent
from l7gw.recording.layout import HEADER_SIZE, LARGEST_PLAIN, Header


class Unreadable(Exception):
    """A block that is whole by its length and is not what it says; `verify` tells more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block lies."""

    path: Path
    offset: int
    header: Header


def segments(state: Path) -> list[Path]:
    """The journal's segments, oldest first. Raises OSError where the state cannot be read."""
    folder = state / layout.FOLDER
    if not folder.is_dir():
        if not state.is_dir():
            raise FileNotFoundError(f"there is no state {state}")
        return []
    return sorted(path for path in folder.iterdir() if path.name.endswith(layout.SUFFIX))


def places(path: Path) -> Iterator[Place]:
    """The whole blocks of a segment. What lies behind them, a torn tail or what is being written, is not told."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        offset = 0
        while offset + HEADER_SIZE <= end:
            header = layout.unpack(file.read(HEADER_SIZE))
            if header is None or offset + HEADER_SIZE + header.stored > end:
                return
            yield Place(path, offset, header)
            offset += HEADER_SIZE + header.stored
            file.seek(offset)


def is_open(path: Path) -> bool:
    """Whether a living gateway writes this segment: it holds a lock on it."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def events_at(place: Place) -> list[AnyEvent]:
    """The events of one block. Raises Unreadable."""
    with place.path.open("rb") as file:
        file.seek(place.offset + HEADER_SIZE)
        payload = file.read(place.header.stored)
    if sha256(payload).digest() != place.header.payload_hash:
        raise Unreadable(f"{place.path.name}: the block at {place.offset} was changed")
    try:
        return decode(decompress(payload, place.header.plain))
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as error:
        raise Unreadable(f"{place.path.name}: the block at {place.offset} cannot be read: {error}") from error


def decompress(payload: bytes, plain: int) -> bytes:
    """One zstd frame, whole, of the stated size, and no more than a block may hold (threats H2, H9). Raises ValueError."""
    if plain > LARGEST_PLAIN:
        raise ValueError(f"more than {LARGEST_PLAIN} bytes")
    stream = zstandard.ZstdDecompressor(max_window_size=LARGEST_PLAIN).decompressobj()
    data = stream.decompress(payload)
    if not stream.eof or stream.unused_data or len(data) != plain:
        raise ValueError("not one whole frame of the stated size")
    return data


_decoder = msgspec.msgpack.Decoder(AnyEvent)


def decode(data: bytes) -> list[AnyEvent]:
    """Events that lie one behind the other. msgspec decodes one message at a time and does not say where it ended, so that
    the ends are found by their lengths."""
    found: list[AnyEvent] = []
    view = memoryview(data)
    at = 0
    while at < len(data):
        end = skip(data, at)
        found.append(_decoder.decode(view[at:end]))
        at = end
    return found


def skip(data: bytes, at: int) -> int:
    """Where the msgpack value at `at` ends (the msgpack specification, "formats"). Raises ValueError, for truncated data too."""
    left = 1
    size = len(data)
    while left:
        if at >= size:
            raise ValueError("a value that is not whole")
        byte = data[at]
        at += 1
        left -= 1
        if byte <= 0x7F or byte >= 0xE0 or byte in (0xC0, 0xC2, 0xC3):
            continue
        if byte <= 0x8F:
            left += 2 * (byte & 15)
        elif byte <= 0x9F:
            left += byte & 15
        elif byte <= 0xBF:
            at += byte & 31
        else:
            at, more = _long(data, at, byte)
            left += more
    if at > size:
        raise ValueError("a value that is not whole")
    return at


_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_COUNTED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_HOLDING = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def _long(data: bytes, at: int, byte: int) -> tuple[int, int]:
    """The end of a longer value's head or body, and how many values it holds."""
    if byte in _FIXED:
        return at + _FIXED[byte], 0
    if byte in _COUNTED:
        width = _COUNTED[byte]
        return at + width + int.from_bytes(data[at : at + width], "big"), 0
    if byte in _HOLDING:
        width, each = _HOLDING[byte]
        return at + width, each * int.from_bytes(data[at : at + width], "big")
    raise ValueError("a value of a kind that events do not have")


def session_events(state: Path, session: bytes) -> Iterator[AnyEvent]:
    """Every event of a session, in order. Raises Unreadable."""
    for path in segments(state):
        for place in places(path):
            if place.header.session == session:
                yield from events_at(place)
