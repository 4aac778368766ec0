"""The mask of a text that is no object: what an application answers behind a proxy subresource, an error in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from l7gw.masking.bodies.bodies import MOST_UNPACKED, MUCH, Budget, Piece
from l7gw.masking.bodies.gzip_bodies import Packer, Unpacker
from l7gw.masking.bodies.stream_cuts import before_all
from l7gw.masking.bodies.texts import TextMasks
from l7gw.masking.detectors.scanner import KEPT
from l7gw.masking.find import Find
from l7gw.masking.placeholder import TAG_DIGITS


class TextBody:
    """Masks a text as it comes. Only what a value may still need is held back."""

    __slots__ = (
        "_budget",
        "_cut",
        "_held",
        "_masks",
        "_offset",
        "_packer",
        "_seen",
        "_unpacker",
        "_waiting",
        "edited",
        "finds",
        "warnings",
    )

    def __init__(self, masks: TextMasks, budget: Budget, *, packed: Literal["", "gzip", "gzip-unasked"] = "") -> None:
        self._masks = masks
        self._budget = budget
        self._unpacker = Unpacker() if packed else None
        self._packer = Packer() if packed == "gzip" else None
        self._seen = b""  # the last KEPT bytes that were sent
        self._cut = False  # whether other bytes stood before them
        self._waiting = b""  # what was not sent yet
        self._offset = 0  # of `_waiting`, in the recorded bytes
        self._held = 0  # bytes of the budget
        self.finds: list[Find] = []
        self.warnings: list[str] = []
        self.edited = False

    def much(self, data: bytes | None) -> bool:
        more = len(data or b"") * (MOST_UNPACKED if self._unpacker is not None else 1)
        return len(self._waiting) + more > MUCH

    def glance(self, parts: Sequence[bytes | memoryview]) -> list[Piece] | None:
        return None

    def feed(self, data: bytes) -> list[Piece]:
        if self._unpacker is None:
            return self._masked(data, whole=False)
        pieces = [piece for plain in self._unpacker.feed(data) for piece in self._masked(plain, whole=False)]
        return self._packed(pieces)

    def end(self) -> list[Piece]:
        if self._unpacker is not None:
            self._unpacker.end()
        pieces = self._packed(self._masked(b"", whole=True))
        if self._packer is not None:
            pieces.append(Piece(*self._packer.end()))
        return pieces

    def close(self) -> None:
        self._budget.take(-self._held)
        self._held = 0

    def _masked(self, data: bytes, *, whole: bool) -> list[Piece]:
        before = len(self._seen)
        text = self._seen + self._waiting + data
        end = len(text) if whole else max(before, self._masks.open_from(text))
        cuts, other = self._masks.cuts_from(text, before, cut=self._cut)
        end = max(before, before_all(end, [*other, *((cut.start, cut.end) for cut in cuts)]))
        shown: list[bytes] = []
        recorded: list[bytes] = []
        at, offset = before, self._offset
        for cut in cuts:
            if cut.end <= before or cut.start >= end:
                continue
            start = max(cut.start, before)
            between, value = text[at:start], text[start : cut.end]
            placeholder = self._masks.placeholder(value, cut).encode()
            offset += len(between)
            self.finds.append(
                Find(
                    detector=cut.detector,
                    where=f"body:{offset}",
                    length=len(value),
                    tag=placeholder[-TAG_DIGITS:].decode(),
                    others=cut.others,
                )
            )
            offset += len(placeholder)
            recorded += between, placeholder
            shown += between, value if self._masks.reveals(cut) else placeholder
            self.edited = True
            at = cut.end
        shown.append(text[at:end])
        recorded.append(text[at:end])
        piece = Piece(b"".join(shown), b"".join(recorded))
        self._offset += len(piece.recorded)
        self._seen, self._waiting = text[max(0, end - KEPT) : end], text[end:]
        self._cut = self._cut or end > KEPT
        self._budget.take(len(self._waiting) - self._held)
        self._held = len(self._waiting)
        return [piece] if piece.shown or piece.recorded else []

    def _packed(self, pieces: list[Piece]) -> list[Piece]:
        if self._packer is None:
            return pieces
        packed = [Piece(*self._packer.pack(piece.shown, piece.recorded, flush=True)) for piece in pieces]
        return [piece for piece in packed if piece.shown or piece.recorded]
