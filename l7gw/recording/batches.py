"""What the outbox hands to the writer of the journal: pieces of sessions, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from l7gw.recording.layout import NO_HASH

Done = Callable[[list["Piece"], Exception | None], None]


class Chain:
    """A session's place in the journal. `sequence` and `previous` (number and header hash of its last block) belong to the writer's
    threads. `queued` (bytes handed over and not yet written) belongs to the event loop's thread."""

    __slots__ = ("id", "previous", "queued", "sequence")

    def __init__(self, id: bytes) -> None:  # noqa: A002
        self.id = id
        self.sequence = 0
        self.previous = NO_HASH
        self.queued = 0


class Piece(msgspec.Struct, eq=False, gc=False):
    """Events of one session for one block, and the session's totals up to and with them. The journal's thread joins them, which
    takes a hundredth of what compressing them does."""

    chain: Chain
    parts: Sequence[bytes | memoryview]  # the encoded events; a part may be less or more than an event
    size: int  # bytes of all parts
    events: int  # how many
    last: int  # microseconds since 1970 when the piece was made
    flags: int = 0  # of the block's header
    exchanges: int = 0  # exchanges begun
    denied: int = 0  # exchanges denied
    held: int = 0  # exchanges held for review
    content: int = 0  # bytes of bodies and channels


class Batch(msgspec.Struct, eq=False):
    """Pieces that are handed to the writer together. When they are written (with `sync`: synced), or that failed, a writer's thread
    calls `done` with the pieces that were not written, and the error or None."""

    pieces: list[Piece]
    sync: bool
    done: Done
    written: bool = False  # set by the writer's thread; the sync may still be missing
    left: list[Piece] = []
