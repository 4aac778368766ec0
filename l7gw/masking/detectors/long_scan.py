"""Finds credentials in a text of any length that comes in pieces, with flat memory; the pieces may end anywhere."""

from __future__ import annotations

from l7gw.masking.detectors.scanner import KEPT, Scanner, Span


class LongScan:
    """Scans pieces, and finds what `Scanner.scan` finds in the whole. It keeps what a value that is not whole could need."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._kept = b""  # KEPT bytes that are done, and what is not done
        self._done = 0  # bytes of `_kept` that are done
        self._offset = 0  # in the whole text, of `_kept`

    def feed(self, data: bytes) -> list[Span]:
        """The values that are whole now, in order; their offsets count from the beginning of the text."""
        self._kept += data
        return self._take(self._scanner.open_from(self._kept))

    def end(self) -> list[Span]:
        """The text is over: what is left is as whole as it gets."""
        return self._take(len(self._kept))

    def _take(self, until: int) -> list[Span]:
        spans, other = self._scanner.scan_from(self._kept, self._done, cut=self._offset > 0)
        for start, end in sorted([*other, *((span.start, span.end) for span in spans)], reverse=True):
            if start < until < end:
                until = start
        until = max(until, self._done)
        found = [
            Span(span.detector, self._offset + max(span.start, self._done), self._offset + span.end, span.others)
            for span in spans
            if span.end <= until
        ]
        cut = max(0, until - KEPT)
        self._kept = self._kept[cut:]
        self._offset += cut
        self._done = until - cut
        return found
