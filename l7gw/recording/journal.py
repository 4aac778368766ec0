"""The journal's writer: one thread that makes blocks, appends them, and syncs once for all who wait (group commit).

Nothing written is ever touched again. A write that failed leaves its segment as it lies; the next segment goes on where the
last whole block ended. A failed sync is never tried again on the same file: the kernel may have forgotten the error (H3).
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import msgspec
import zstandard

from l7gw.recording import layout
from l7gw.recording.events import SegmentStarted
from l7gw.recording.layout import HEADER_SIZE, NO_HASH, NO_SESSION, Header, header_hash

LEVEL = 1  # of zstd; level 3 never paid in the prototypes
SYNC_EVERY = 1.0  # seconds at most between a write and its sync, when nobody waits
SEGMENT_SIZE = 512 * 1024 * 1024  # bytes; a new segment is begun beyond it
LARGEST_WRITE = 1024 * 1024  # bytes gathered for one write


@dataclass
class Chain:
    """A session's place in the journal: the number and hash of its last block."""

    id: bytes
    sequence: int = 0
    previous: bytes = NO_HASH


@dataclass
class Piece:
    """Events of one session for one block, encoded and joined."""

    chain: Chain
    data: bytes
    events: int
    flags: int
    exchanges: int
    denied: int
    held: int
    content: int
    last: int


@dataclass
class Batch:
    """What goes to the writer at once. `done` is called in the writer's thread: what was not written, and why."""

    pieces: list[Piece]
    sync: bool
    done: Callable[[list[Piece], Exception | None], None]
    made: float = field(default_factory=time.monotonic)


class Journal:
    """Opened for writing by one process at a time."""

    def __init__(self, state: Path, version: str) -> None:
        self.folder = state / layout.FOLDER
        self._version = version
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
        self._file: int = -1
        self._path = self.folder
        self._size = 0
        self._sequence = 0
        self._previous = NO_HASH
        self._own = Chain(NO_SESSION)
        self._unsynced_since = 0.0
        self._number = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._lock = -1

    def open(self) -> None:
        """Take the state's lock, look where the journal ended, begin a segment. Raises OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OSError(f"another gateway uses the state {self.folder.parent}") from error
        torn = self._resume()
        self._begin_segment(torn)
        self._thread.start()

    def close(self) -> None:
        """Write what is queued, sync, end."""
        self._queue.put(None)
        self._thread.join()
        if self._file >= 0:
            os.close(self._file)
        os.close(self._lock)

    def put(self, batch: Batch) -> None:
        """Hand a batch to the writer. From the loop's thread."""
        self._queue.put(batch)

    # ------------------------------------------------------------------ where the journal ended

    def _resume(self) -> list[tuple[str, int, bytes]]:
        """Read the headers of the newest segments: the chain goes on behind the last whole block. Torn tails are named once, by
        the segment that follows them."""
        torn: list[tuple[str, int, bytes]] = []
        found = False
        for path in sorted(self.folder.glob("*" + layout.SUFFIX), reverse=True):
            if self._number == 0:
                self._number = int(path.name.partition("-")[0])
            last, end = _last_header(path)
            size = path.stat().st_size
            if size > end:
                with path.open("rb") as file:
                    file.seek(end)
                    torn.append((path.name, end, sha256(file.read()).digest()))
            if last is not None:
                header = layout.unpack(last)
                assert header is not None
                self._sequence, self._previous = header.sequence, header_hash(last)
                found = True
                break
        if not found:
            self._sequence, self._previous = 0, NO_HASH
        return torn

    def _begin_segment(self, torn: list[tuple[str, int, bytes]]) -> None:
        self._number += 1
        self._path = self.folder / f"{self._number:08d}-{uuid.uuid4()}{layout.SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._path, flags, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # while it is held, the segment's sessions are alive
        self._size = 0
        now = time.time_ns() // 1000
        event = msgspec.msgpack.encode(SegmentStarted(now, self._version, tuple(torn)))
        self._own = Chain(NO_SESSION)
        block, _ = self._block(Piece(self._own, event, 1, 0, 0, 0, 0, 0, now))
        os.write(self._file, block)
        self._size = len(block)
        os.fdatasync(self._file)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)  # the file's name is durable too
        os.close(folder)

    # ------------------------------------------------------------------ the writer's thread

    def _run(self) -> None:
        while True:
            try:
                batch = self._queue.get(timeout=SYNC_EVERY if self._unsynced_since else None)
            except queue.Empty:
                self._sync_late()
                continue
            if batch is None:
                self._sync_late(now=True)
                return
            left, error = self._write(batch)
            batch.done(left, error)

    def _sync_late(self, *, now: bool = False) -> None:
        if self._file >= 0 and self._unsynced_since and (now or time.monotonic() - self._unsynced_since >= SYNC_EVERY):
            self._unsynced_since = 0.0
            try:
                os.fdatasync(self._file)
            except OSError:
                self._poison()

    def _write(self, batch: Batch) -> tuple[list[Piece], Exception | None]:
        pieces = batch.pieces
        try:
            if self._file < 0 or self._size > SEGMENT_SIZE:
                self._next_segment()
            at = 0
            while at < len(pieces):
                at += self._append(pieces[at:])
            if batch.sync:
                self._unsynced_since = 0.0
                os.fdatasync(self._file)
            elif not self._unsynced_since:
                self._unsynced_since = time.monotonic()
            else:
                self._sync_late()
        except OSError as error:
            left = getattr(error, "l7gw_left", [])
            self._poison()
            return left, error
        return [], None

    def _append(self, pieces: list[Piece]) -> int:
        """Write the first pieces, as many as one write gathers; how many. An OSError carries those that were not written."""
        blocks: list[bytes] = []
        ends: list[tuple[int, bytes]] = []
        size = 0
        before = (self._sequence, self._previous)
        chains: list[tuple[Chain, int, bytes]] = []
        for piece in pieces:
            chains.append((piece.chain, piece.chain.sequence, piece.chain.previous))
            block, _ = self._block(piece)
            blocks.append(block)
            size += len(block)
            ends.append((size, self._previous))
            if size >= LARGEST_WRITE:
                break
        data = b"".join(blocks)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:] if written else data)
        except OSError as error:
            whole = sum(end <= written for end, _ in ends)
            self._sequence = before[0] + whole
            self._previous = ends[whole - 1][1] if whole else before[1]
            for chain, sequence, previous in reversed(chains[whole:]):
                chain.sequence, chain.previous = sequence, previous
            error.l7gw_left = pieces[whole:]  # type: ignore[attr-defined]
            raise
        self._size += len(data)
        return len(blocks)

    def _block(self, piece: Piece) -> tuple[bytes, bytes]:
        payload = self._compressor.compress(piece.data)
        self._sequence += 1
        chain = piece.chain
        chain.sequence += 1
        header = Header(
            piece.flags, len(payload), len(piece.data), self._sequence, chain.id, chain.sequence, piece.events,
            piece.exchanges, piece.denied, piece.held, piece.content, piece.last,
            self._previous, chain.previous, sha256(payload).digest(),
        ).pack()  # fmt: skip
        self._previous = chain.previous = header_hash(header)
        return header + payload, header

    def _poison(self) -> None:
        """This segment is of no further use; what lies in it stays."""
        self._unsynced_since = 0.0
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _next_segment(self) -> None:
        torn = []
        if self._file >= 0:
            os.fdatasync(self._file)
            os.close(self._file)
            self._file = -1
        else:
            _, end = _last_header(self._path)
            if self._path.is_file() and self._path.stat().st_size > end:
                with self._path.open("rb") as file:
                    file.seek(end)
                    torn.append((self._path.name, end, sha256(file.read()).digest()))
        self._begin_segment(torn)


def _last_header(path: Path) -> tuple[bytes | None, int]:
    """The last whole block's header, and where that block ends."""
    last, end = None, 0
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while True:
                raw = file.read(HEADER_SIZE)
                header = layout.unpack(raw)
                if header is None or end + HEADER_SIZE + header.stored > size:
                    return last, end
                last, end = raw, end + HEADER_SIZE + header.stored
                file.seek(end)
    except OSError:
        return last, end
