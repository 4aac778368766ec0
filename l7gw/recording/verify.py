"""Checks that a journal is what was written: every block whole, unchanged and in its place. This module follows
docs/recording-format.md and shares no code with the writer or the reader, so that a mistake of theirs cannot hide here.

Two changes cannot be seen without checkpoints, which a later version signs: a cut at the very end, and a journal that was rewritten
as a whole.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard

HEAD = struct.Struct(">4sBBHIIQ16sQIIIIQQ32s32s32sI")  # docs/recording-format.md, "Header"
LARGEST = 8 << 20
ZERO = bytes(32)
# docs/recording-format.md, "Events". Events with other names come from later versions; they are skipped and counted.
NAMES = frozenset(
    (
        "segment session run request request-body verdict response response-body frame mask hold review kill grant end dropped "
        "clock ended"
    ).split()
)
FRAME = b"\x28\xb5\x2f\xfd"  # RFC 8878 section 3.1.1; frames with other magic numbers hold no data

Wrong = Callable[[str], None]


class _Named(msgspec.Struct, array_like=True, gc=False):
    """An event, of which only the name is decoded."""

    name: str


_names = msgspec.msgpack.Decoder(list[_Named])
_whole = msgspec.msgpack.Decoder(list[list[Any]])


@dataclass(frozen=True)
class Finding:
    """What is wrong, in words, with the block at `offset` (in bytes) of a segment."""

    file: str  # name of the segment
    offset: int
    what: str


@dataclass
class Report:
    """What `verify` found. `torn` and `unknown` are reported but are no problems."""

    sessions: int = 0
    blocks: int = 0  # checked whole
    bytes: int = 0  # of these blocks, headers included
    problems: list[Finding] = field(default_factory=list)
    torn: list[Finding] = field(default_factory=list)  # tails left by processes that died
    unknown: Counter[str] = field(default_factory=Counter)  # how many events of each name that only a later version knows

    @property
    def intact(self) -> bool:
        return not self.problems


@dataclass
class _Walk:
    report: Report
    only: bytes | None
    whole: bool
    first: int  # number of the journal's first block, where its beginning was removed on purpose; else 1
    previous: bytes | None = None  # SHA-256 of the last header read; None before the first
    sequence: int = 0
    sessions: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    tails: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # file name -> offset and SHA-256 of its tail
    unnamed: set[str] = field(default_factory=set)  # names of files with a tail that the next segment must name
    files: set[str] = field(default_factory=set)  # names of all files walked so far
    # File name -> a last block whose content is wrong: a power loss if the next segment names the tail, else a problem.
    doubtful: dict[str, Finding] = field(default_factory=dict)


def verify(
    paths: list[Path],
    *,
    session: bytes | None = None,
    whole: bool = True,
    first: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Check segments, given oldest first. Raises OSError.

    With `session` (an id of 16 bytes), only the blocks of that session are counted and only their payloads read. `whole` says that
    these are all segments of a journal; without it the first segment may follow others. `first` is the number of the block with
    which the oldest segment may begin, since those before it were removed on purpose. `progress` is called with the bytes of
    each block."""
    walk = _Walk(Report(), session, whole, first)
    for path in paths:
        _segment(path, walk, progress)
    found = {key for key in walk.sessions if key != bytes(16) and (session is None or key == session)}
    walk.report.sessions = len(found)
    walk.report.problems += walk.doubtful.values()
    for name, (offset, _) in walk.tails.items():
        if name not in walk.doubtful:
            walk.report.torn.append(Finding(name, offset, "a tail that is no whole block: the process died, or is still writing"))
    return walk.report


def _segment(path: Path, walk: _Walk, progress: Callable[[int], None]) -> None:
    walk.sessions.pop(bytes(16), None)  # the journal's own session begins anew with each segment
    walk.files.add(path.name)
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        offset = 0
        while offset < end:
            raw = file.read(HEAD.size)
            length = _block(path, offset, raw, file, end, walk)
            if not length:
                file.seek(offset)
                walk.tails[path.name] = (offset, _rest(file))
                walk.unnamed.add(path.name)
                break
            offset += length
            progress(length)


def _rest(file: BinaryIO) -> bytes:
    """SHA-256 of the rest of a file."""
    digest = hashlib.sha256()
    while data := file.read(1 << 20):
        digest.update(data)
    return digest.digest()


def _block(path: Path, offset: int, raw: bytes, file: BinaryIO, end: int, walk: _Walk) -> int:
    """Check one block. Returns its length in bytes, or 0 where no whole block stands here."""

    def wrong(what: str) -> None:
        walk.report.problems.append(Finding(path.name, offset, what))

    if len(raw) < HEAD.size:
        return 0
    fields = HEAD.unpack(raw)
    magic, version, cipher, flags, stored, plain, sequence, session, own, events = fields[:10]
    previous, session_previous, payload_hash, check = fields[15:]
    if zlib.crc32(raw[:-4]) != check or magic != b"L7B1":
        # A torn write leaves the beginning of a block, so its header is sound. A power loss leaves zeros. Neither leaves other
        # bytes.
        if raw.strip(b"\0"):
            wrong("a block's header was changed")
        return 0
    if offset + HEAD.size + stored > end:
        return 0
    wanted = walk.only is None or session in (walk.only, bytes(16))
    if wanted:
        payload = file.read(stored)
        changed = hashlib.sha256(payload).digest() != payload_hash
        if changed and offset + HEAD.size + stored == end:
            walk.doubtful[path.name] = Finding(path.name, offset, "a block's content was changed")
            return 0
        if changed:
            wrong("a block's content was changed")
        else:
            data = _content(payload, plain, wrong)
            if data is not None:
                _events(data, events, session, walk, offset == 0, wrong)
    else:
        file.seek(offset + HEAD.size + stored)
    if offset == 0 and session != bytes(16):
        wrong("the segment does not begin with its own event")
    if version != 1 or cipher != 0 or flags & ~1:
        wrong(f"a block of a format that is not known: version {version}, cipher {cipher}")
    _chains(raw, sequence, previous, session, own, session_previous, walk, wrong)
    if walk.only is None or session == walk.only:
        walk.report.blocks += 1
        walk.report.bytes += HEAD.size + stored
    return HEAD.size + int(stored)


def _chains(
    raw: bytes, sequence: int, previous: bytes, session: bytes, own: int, session_previous: bytes, walk: _Walk, wrong: Wrong
) -> None:
    """Check that a block follows the block before it in the journal, and the one before it in its session."""
    digest = hashlib.sha256(raw).digest()
    if walk.previous is not None:
        if sequence != walk.sequence + 1:
            wrong(f"block {walk.sequence + 1} is missing: block {sequence} stands here")
        elif previous != walk.previous:
            wrong("the block before this one was changed")
    elif sequence == 1 and previous != ZERO:
        wrong("the first block follows another")
    elif sequence > walk.first and (walk.whole or len(walk.files) > 1):
        wrong(f"the journal's beginning is missing: block {sequence} is its first")
    walk.previous, walk.sequence = digest, sequence
    known = walk.sessions.get(session)
    if known is None and own == 1 and session_previous != ZERO:
        wrong("a session's first block follows another")
    if known is not None and (own != known[0] + 1 or session_previous != known[1]):
        wrong("a block of this session is missing, or was changed")
    walk.sessions[session] = (own, digest)


def _content(payload: bytes, plain: int, wrong: Wrong) -> bytes | None:
    """The decompressed events; None, after telling `wrong`, where they do not decompress to `plain` bytes."""
    if plain > LARGEST:
        wrong("a block larger than any")
        return None
    try:
        if (
            payload[:4] != FRAME or zstandard.frame_content_size(payload) != plain
        ):  # checked first, because no more is unpacked than the frame's own head says (threats H9)
            wrong("a block's content is not as long as it says")
            return None
        stream = zstandard.ZstdDecompressor(max_window_size=LARGEST).decompressobj()
        data = stream.decompress(payload)
    except zstandard.ZstdError:
        wrong("a block's content is not what was compressed")
        return None
    if not stream.eof or stream.unused_data or len(data) != plain:
        wrong("a block's content is not as long as it says")
        return None
    return data


def _events(data: bytes, count: int, session: bytes, walk: _Walk, first: bool, wrong: Wrong) -> None:
    """Count the names that only a later version knows, and check the tails that the journal's own events name. The fields of other
    events are not read: the hashes show that they are what was written."""
    array = b"\xdd" + count.to_bytes(4, "big") + data
    own = session == bytes(16)
    try:
        names = [event.name for event in _names.decode(array)]
        events = _whole.decode(array) if own else []
    except (msgspec.MsgspecError, RecursionError):  # the latter: arrays nested without end
        if own:
            wrong("a segment's first event cannot be read")
        return
    if not NAMES.issuperset(names):
        walk.report.unknown.update(name for name in names if name not in NAMES)
    if first and names[:1] != ["segment"]:
        wrong("a segment that does not begin with its own event")
    for event in events:
        if event[0] == "segment":
            _tails(event, walk, wrong)


def _tails(event: list[Any], walk: _Walk, wrong: Wrong) -> None:
    try:
        named = {str(name): (offset, digest) for name, offset, digest in event[3]}
    except (IndexError, ValueError, TypeError):
        wrong("a segment's first event cannot be read")
        return
    for name in walk.unnamed - named.keys():
        wrong(f"{name} has a tail that the segment after it did not find there")
        walk.doubtful.pop(name, None)
    removed = walk.first > 1 and len(walk.files) == 1  # the oldest segment may name a tail of one that was removed
    for name in named.keys() - walk.files if walk.whole and not removed else ():
        wrong(f"{name} is missing: it had a tail")
    for name in named.keys() & walk.files:
        if walk.tails.get(name) != named[name]:
            wrong(f"the tail of {name} is not what the segment after it found there")
        walk.doubtful.pop(name, None)
    walk.unnamed.clear()
