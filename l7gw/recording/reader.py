"""Reads journals: the blocks of a segment up to the last whole one, and the events of a session from all its blocks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast, get_args

import msgspec
import zstandard

from l7gw.recording import layout
from l7gw.recording.events import AnyEvent, SegmentStarted, SessionEnded, UnknownEvent, WrittenEvent
from l7gw.recording.layout import HEADER_SIZE, LARGEST_PLAIN, Header


class Unreadable(Exception):
    """A block has its whole length, but its content is not what the header says. `verify` tells more."""


class Place(NamedTuple):
    """Where a block lies: `offset` is in bytes from the file's beginning. `file` stays open until `places` goes on to the next
    block."""

    path: Path
    offset: int
    header: Header
    file: BinaryIO


def segments(state: Path) -> list[Path]:
    """The journal's segments, oldest first. Raises OSError where the state cannot be read."""
    folder = state / layout.FOLDER
    if not folder.is_dir():
        if not state.is_dir():
            raise FileNotFoundError(f"there is no state {state}")
        return []
    found = sorted(path for path in folder.iterdir() if layout.SEGMENT_NAME.fullmatch(path.name))
    for path in found:
        if path.exists() and not (
            path.is_file() or path.is_dir()
        ):  # a pipe would be waited for without end; opening a folder fails
            raise OSError(f"{path} is no file\n  hint: ls -l {path}; no gateway writes such a segment")
    return found


def of_later_version(state: Path) -> Path | None:
    """The newest segment, where a later version of l7gw wrote it; else None. Raises OSError."""
    newest = segments(state)[-1:]
    for path in newest:
        with path.open("rb") as file:
            return path if layout.is_later(file.read(HEADER_SIZE)) else None
    return None


class Mark(NamedTuple):
    """Where a session can be read from: one of its blocks. `number` counts the session's blocks from 1."""

    path: Path
    offset: int
    number: int


def places(path: Path, begin: int = 0) -> Iterator[Place]:
    """The whole blocks of a segment, from the one at offset `begin` on. What lies behind them (a torn tail, or a block that is
    being written) is left out. Raises OSError."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        offset = begin
        file.seek(begin)
        while offset + HEADER_SIZE <= end:
            header = layout.unpack(file.read(HEADER_SIZE))
            if header is None or offset + HEADER_SIZE + header.stored > end:
                return
            place = Place(path, offset, header, file)
            offset += HEADER_SIZE + header.stored
            if offset == end and sha256(_payload(place)).digest() != header.payload_hash:
                return  # a power loss: the content of the last block never reached the disk
            yield place
            file.seek(offset)


def is_open(path: Path) -> bool:
    """Whether a living gateway writes this segment. The gateway holds a lock on it as long as it does."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def writer_of(path: Path) -> str:
    """The id of the process that wrote a segment; "" where that cannot be read."""
    for place in places(path):
        with suppress(Unreadable):
            for event in events_at(place):
                if isinstance(event, SegmentStarted):
                    return event.writer
        break
    return ""


def living_writer(paths: list[Path]) -> str | None:
    """The id of the gateway process that writes to this journal now; None where none does. While it changes segments it has locks
    on two, so the newest that is locked counts."""
    for path in reversed(paths):
        if is_open(path):
            return writer_of(path)
    return None


Decoded = TypeVar("Decoded")


def events_at(place: Place) -> list[AnyEvent]:
    """The events of one block. Raises Unreadable."""
    return decoded_at(place, decode)


def decoded_at(place: Place, decoder: Callable[[bytes, int], Decoded]) -> Decoded:
    """What `decoder` makes of one block. It is given the bytes of the events, and their number. Raises Unreadable."""
    header = place.header
    try:
        return decoded(_payload(place), header.payload_hash, header.plain, header.events, decoder)
    except Unreadable as error:
        raise Unreadable(f"{place.path.name}: the block at {place.offset} {error}") from error


def decoded(payload: bytes, digest: bytes, plain: int, events: int, decoder: Callable[[bytes, int], Decoded]) -> Decoded:
    """The same of a block that was read already: its payload, and the hash, the length and the number of events that its header
    says."""
    if sha256(payload).digest() != digest:
        raise Unreadable("was changed")
    try:
        return decoder(decompress(payload, plain), events)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unreadable(f"cannot be read: {error}") from error


def _payload(place: Place) -> bytes:
    place.file.seek(place.offset + HEADER_SIZE)
    return place.file.read(place.header.stored)


def decompress(payload: bytes, plain: int) -> bytes:
    """The `plain` bytes that a payload of exactly one whole zstd frame unpacks to, at most LARGEST_PLAIN (threats H2, H9). Raises
    ValueError or ZstdError."""
    if plain > LARGEST_PLAIN:
        raise ValueError(f"more than {LARGEST_PLAIN} bytes")
    if not payload.startswith(zstandard.FRAME_HEADER) or zstandard.frame_content_size(payload) != plain:
        raise ValueError("not a frame of the stated size")
    data: bytes = _unpack(payload, allow_extra_data=False)
    if len(data) != plain:
        raise ValueError("not one whole frame of the stated size")
    return data


# Made once: to make it takes 9 us, as long as all else that is done to a small block. Only one thread of a process reads journals.
_unpack = zstandard.ZstdDecompressor(max_window_size=LARGEST_PLAIN).decompress
_decoder = msgspec.msgpack.Decoder(list[WrittenEvent])
_one = msgspec.msgpack.Decoder(WrittenEvent)
_each = msgspec.msgpack.Decoder(list[msgspec.Raw])
_head = msgspec.msgpack.Decoder(list[Any])
KNOWN = frozenset(kind.__struct_config__.tag for kind in get_args(WrittenEvent))


def decode(data: bytes, count: int) -> list[AnyEvent]:
    """`count` events that lie one behind the other. msgspec reads them all at once. An event whose name this version does not know
    becomes an `UnknownEvent`. Raises MsgspecError."""
    packed = as_list(data, count)
    try:
        return cast(list[AnyEvent], _decoder.decode(packed))
    except msgspec.ValidationError:  # an unknown name, or wrong fields: read the events one by one
        return [_decode_one(raw) for raw in _each.decode(packed)]


def as_list(data: bytes, count: int) -> bytes:
    """`count` events that lie one behind the other, as one msgpack array of them."""
    return b"\xdd" + count.to_bytes(4, "big") + data


def _decode_one(raw: msgspec.Raw) -> AnyEvent:
    try:
        return cast(AnyEvent, _one.decode(raw))
    except msgspec.ValidationError:
        name, time, *_ = [*_head.decode(raw), None, None]
        if not isinstance(name, str) or name in KNOWN or not isinstance(time, int):
            raise
        return UnknownEvent(name, time)


class Blocks:
    """A session's events, block by block. Each call reads the journal again, from `begin` on, or from the session's beginning.

    `first` is the segment in which the session begins, where that is known: those before it are not looked at. The last block is
    kept in memory: the next call often begins in it. Iterating raises OSError, and Unreadable where one of the
    session's blocks is missing or changed, or may lie behind a damaged header.
    """

    def __init__(self, state: Path, session: bytes, first: Path | None = None) -> None:
        self._state = state
        self._first = first.name if first is not None else ""
        self._session = session
        self._kept: tuple[Mark, list[AnyEvent]] | None = None

    def __call__(self, begin: Mark | None = None) -> Iterator[tuple[Mark, list[AnyEvent]]]:
        next_one = begin.number if begin is not None else 1
        damage = ""
        earliest = begin.path.name if begin is not None else self._first
        for path in segments(self._state):
            if path.name < earliest:
                continue
            end = begin.offset if begin is not None and path.name == begin.path.name else 0
            for place in places(path, end):
                header = place.header
                end = place.offset + HEADER_SIZE + header.stored
                if header.session != self._session:
                    continue
                if header.session_sequence != next_one:
                    raise Unreadable(f"{path.name}: block {next_one} of this session is missing before {place.offset}")
                events = self._events(Mark(path, place.offset, next_one), place)
                yield Mark(path, place.offset, next_one), events
                next_one += 1
                if any(isinstance(event, SessionEnded) for event in events):
                    return  # nothing of a session lies behind its end
            if next_one > 1 and damaged(path, end):
                damage = f"{path.name}: the header at {end} was changed; what lies behind it in this file cannot be read"
        if damage:
            raise Unreadable(damage)

    def _events(self, mark: Mark, place: Place) -> list[AnyEvent]:
        if self._kept is None or self._kept[0] != mark:
            self._kept = mark, events_at(place)
        return self._kept[1]


def damaged(path: Path, end: int) -> bool:
    """Whether the bytes behind the last whole block, which ends at `end`, are damage and no torn tail. A torn tail begins with a
    sound header, is shorter than a header, or is zeros."""
    with path.open("rb") as file:
        file.seek(end)
        raw = file.read(HEADER_SIZE)
    return len(raw) == HEADER_SIZE and bool(raw.strip(b"\0")) and layout.unpack(raw) is None
