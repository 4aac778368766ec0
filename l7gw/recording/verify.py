"""Whether a journal is what was written: every block whole, unchanged, in its place. Shares no code with the writer or the reader,
only docs/recording-format.md: a mistake of theirs must not hide in it.

Not to be seen without checkpoints, which a later version signs: a cut at the very end, or a journal rewritten as a whole.
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
# docs/recording-format.md, "Events". Other names are of later versions: passed over, and counted.
NAMES = frozenset("segment session run request request-body verdict response response-body frame end dropped clock ended".split())
FRAME = b"\x28\xb5\x2f\xfd"  # RFC 8878 section 3.1.1; other magic numbers skip bytes

Wrong = Callable[[str], None]


class _Named(msgspec.Struct, array_like=True, gc=False):
    """An event, of which the name is all that is wanted."""

    name: str


_names = msgspec.msgpack.Decoder(list[_Named])
_whole = msgspec.msgpack.Decoder(list[list[Any]])


@dataclass(frozen=True)
class Finding:
    file: str
    offset: int
    what: str


@dataclass
class Report:
    sessions: int = 0
    blocks: int = 0
    bytes: int = 0
    problems: list[Finding] = field(default_factory=list)
    torn: list[Finding] = field(default_factory=list)  # tails of processes that died: told, and no problem
    unknown: Counter[str] = field(default_factory=Counter)  # events whose names are of a later version, by name: no problem

    @property
    def intact(self) -> bool:
        return not self.problems


@dataclass
class _Walk:
    report: Report
    only: bytes | None
    whole: bool
    previous: bytes | None = None  # the hash of the journal's last header; None: not known yet
    sequence: int = 0
    sessions: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    tails: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # file -> offset and hash of what lies behind its blocks
    unnamed: set[str] = field(default_factory=set)  # files since the last segment that began: the next one must name their tails
    files: set[str] = field(default_factory=set)
    doubtful: dict[str, Finding] = field(default_factory=dict)  # last blocks whose content is not there: a power loss, if named


def verify(
    paths: list[Path], *, session: bytes | None = None, whole: bool = True, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Walk segments, oldest first. `session` limits what is counted, and whose payloads are read, to one. `whole` says that
    these are all segments of a journal; else the first is taken as it begins. `progress` is told the bytes read. Raises OSError."""
    walk = _Walk(Report(), session, whole)
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
    """The hash of all that follows in a file."""
    digest = hashlib.sha256()
    while data := file.read(1 << 20):
        digest.update(data)
    return digest.digest()


def _block(path: Path, offset: int, raw: bytes, file: BinaryIO, end: int, walk: _Walk) -> int:
    """Check one block; its length, 0 where no whole block stands here."""

    def wrong(what: str) -> None:
        walk.report.problems.append(Finding(path.name, offset, what))

    if len(raw) < HEAD.size:
        return 0
    fields = HEAD.unpack(raw)
    magic, version, cipher, flags, stored, plain, sequence, session, own, events = fields[:10]
    previous, session_previous, payload_hash, check = fields[15:]
    if zlib.crc32(raw[:-4]) != check or magic != b"L7B1":
        # A torn write leaves the beginning of a block, whose header is then sound, or (a power loss) zeros: never this.
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
    """The block follows the journal's block before it, and its session's."""
    digest = hashlib.sha256(raw).digest()
    if walk.previous is not None:
        if sequence != walk.sequence + 1:
            wrong(f"block {walk.sequence + 1} is missing: block {sequence} stands here")
        elif previous != walk.previous:
            wrong("the block before this one was changed")
    elif sequence == 1 and previous != ZERO:
        wrong("the first block follows another")
    elif sequence > 1 and (walk.whole or len(walk.files) > 1):
        wrong(f"the journal's beginning is missing: block {sequence} is its first")
    walk.previous, walk.sequence = digest, sequence
    known = walk.sessions.get(session)
    if known is None and own == 1 and session_previous != ZERO:
        wrong("a session's first block follows another")
    if known is not None and (own != known[0] + 1 or session_previous != known[1]):
        wrong("a block of this session is missing, or was changed")
    walk.sessions[session] = (own, digest)


def _content(payload: bytes, plain: int, wrong: Wrong) -> bytes | None:
    """The content, which decompresses to what the header says."""
    if plain > LARGEST:
        wrong("a block larger than any")
        return None
    try:
        if (
            payload[:4] != FRAME or zstandard.frame_content_size(payload) != plain
        ):  # no more is ever unpacked than the frame's head says (threats H9)
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
    """Names of later versions are counted; the journal's own events name the tails before them. What other events say is not
    looked at: that they are what was written, the hashes tell."""
    array = b"\xdd" + count.to_bytes(4, "big") + data
    own = session == bytes(16)
    try:
        names = [event.name for event in _names.decode(array)]
        events = _whole.decode(array) if own else []
    except (msgspec.MsgspecError, RecursionError):  # the latter: arrays in arrays without end
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
    for name in named.keys() - walk.files if walk.whole else ():
        wrong(f"{name} is missing: it had a tail")
    for name in named.keys() & walk.files:
        if walk.tails.get(name) != named[name]:
            wrong(f"the tail of {name} is not what the segment after it found there")
        walk.doubtful.pop(name, None)
    walk.unnamed.clear()
