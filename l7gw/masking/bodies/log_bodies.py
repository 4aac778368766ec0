"""The mask of a container's log: a body that comes as the container writes it, and is masked as a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from l7gw.masking.bodies.bodies import MOST_UNPACKED, MUCH, Piece
from l7gw.masking.bodies.gzip_bodies import Unpacker
from l7gw.masking.bodies.streams import StreamMask, StreamRules
from l7gw.masking.find import Find
from l7gw.masking.users_hooks import Watch

LOG = "log"  # the name of the channel in `where`


class LogBody:
    """A log. Unlike other bodies it holds bytes for a time alone, and `due` says when to call `release`. `now` gives monotonic
    seconds. `packed`: it comes in gzip. It goes on plain in any case."""

    __slots__ = ("edited", "finds", "warnings", "_mask", "_now", "_unpacker")

    def __init__(self, rules: StreamRules, now: Callable[[], float], watch: Watch | None = None, *, packed: bool = False) -> None:
        self._mask = StreamMask(rules, LOG, watch=watch)
        self._now = now
        self._unpacker = Unpacker() if packed else None
        self.finds: list[Find] = self._mask.finds
        self.warnings: list[str] = []
        self.edited = False  # what is masked has the length that it had

    @property
    def due(self) -> float:
        return self._mask.due

    @property
    def ended(self) -> str:
        """Why a hook ends the log; "" where none does."""
        return self._mask.ended

    @property
    def values(self) -> int:
        """How many different registered values were found."""
        return len(self._mask.values)

    def much(self, data: bytes | None) -> bool:
        return data is not None and len(data) * (1 if self._unpacker is None else MOST_UNPACKED) > MUCH

    def glance(self, parts: Sequence[bytes | memoryview]) -> list[Piece] | None:
        passed = self._mask.glance(parts) if self._unpacker is None else None
        return None if passed is None else [Piece(passed, passed)]

    def feed(self, data: bytes) -> list[Piece]:
        plain = (data,) if self._unpacker is None else self._unpacker.feed(data)
        return [piece for some in plain for piece in _pieces(self._mask.feed(some, self._now()))]

    def release(self) -> list[Piece]:
        """What was held for as long as it may be."""
        return _pieces(self._mask.flush(self._now()))

    def end(self) -> list[Piece]:
        if self._unpacker is not None:
            self._unpacker.end()
        return _pieces(self._mask.end())

    def close(self) -> None:
        """Nothing is held that counts."""


def _pieces(given: tuple[bytes, bytes]) -> list[Piece]:
    return [Piece(*given)] if given != (b"", b"") else []
