"""The mask of a container's log: a body that comes as the container writes it, and is masked as a stream."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.masking.bodies.bodies import MUCH, Piece
from l7gw.masking.bodies.streams import StreamMask, StreamRules
from l7gw.masking.find import Find
from l7gw.masking.watch import Watch

LOG = "log"  # the name of the channel in `where`


class LogBody:
    """A log. Unlike other bodies it holds bytes for a time alone, and `due` says when to call `release`. `now` gives monotonic
    seconds."""

    __slots__ = ("edited", "finds", "warnings", "_mask", "_now")

    def __init__(self, rules: StreamRules, now: Callable[[], float], watch: Watch | None = None) -> None:
        self._mask = StreamMask(rules, LOG, watch=watch)
        self._now = now
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
        return data is not None and len(data) > MUCH

    def feed(self, data: bytes) -> list[Piece]:
        return _pieces(self._mask.feed(data, self._now()))

    def release(self) -> list[Piece]:
        """What was held for as long as it may be."""
        return _pieces(self._mask.flush(self._now()))

    def end(self) -> list[Piece]:
        return _pieces(self._mask.end())

    def close(self) -> None:
        """Nothing is held that counts."""


def _pieces(given: tuple[bytes, bytes]) -> list[Piece]:
    return [Piece(*given)] if given != (b"", b"") else []
