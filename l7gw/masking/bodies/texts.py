"""What is masked in a text of one call: what detectors find, and registered values."""

from __future__ import annotations

from typing import Protocol

import msgspec

from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.objects import objects
from l7gw.masking.objects.hiding import Cut
from l7gw.masking.placeholder import Tagger
from l7gw.obligations import Obligations


class Registered(objects.Registered, Protocol):
    """Recognises the values of Secrets that were read, in streams too."""

    def open_from(self, data: bytes, cluster: str, *namespaces: str) -> int:
        """Where a value begins that the next bytes may complete; the length of the bytes where there is none."""


class TextMasks(msgspec.Struct, frozen=True, kw_only=True):
    """The masks of texts of one call. `sender` is who sends the text, "" where the cluster does: in what a caller sends, only the
    detectors of a fixed shape count, and the registered values that the sender did not write."""

    tagger: Tagger
    obligations: Obligations
    scanner: Scanner
    registry: Registered | None = None
    sender: str = ""

    def cuts(self, data: bytes) -> list[Cut]:
        """What is masked, in bytes, in order and disjoint."""
        return self.cuts_from(data, 0)[0]

    def cuts_from(self, data: bytes, done: int, *, cut: bool = False) -> tuple[list[Cut], list[tuple[int, int]]]:
        """What is masked behind the first `done` bytes, and what only looks like a value; as `Scanner.scan_from`."""
        tagger = self.tagger
        spans, other = self.scanner.scan_from(data, done, sent=bool(self.sender), cut=cut)
        return objects.cuts_of(spans, data, self.registry, tagger.cluster, tagger.namespace, self.sender), other

    def open_from(self, data: bytes) -> int:
        """Where a value may begin that the next bytes complete; the length of the bytes where there is none."""
        first = self.scanner.open_from(data)
        if self.registry is not None:
            first = min(first, self.registry.open_from(data, self.tagger.cluster, self.tagger.namespace))
        return first

    def placeholder(self, value: bytes, cut: Cut) -> str:
        """What stands in the place of a value."""
        return self.tagger.placeholder(cut.detector, value, cut.tag)

    def reveals(self, cut: Cut) -> bool:
        """Whether the caller sees the value."""
        return not self.obligations.hidden(cut.names)
