"""What a caller says of a call (arguments, selectors, a path behind a proxy), as a hook may see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from l7gw.masking.objects.hiding import Cut
from l7gw.masking.objects.objects import ObjectMasker, apart, in_characters
from l7gw.masking.placeholder import Tagger
from l7gw.masking.sent.arguments import passwords
from l7gw.masking.sent.requests import ARGUMENT


class Texts(Protocol):
    """Gives texts of a call to a hook."""

    def text(self, text: str) -> str:
        """One text."""

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The arguments of a command."""


class AsSent:
    """For a hook that sees data before masking."""

    def text(self, text: str) -> str:
        return text

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        return tuple(argv)


class AsRecorded:
    """For every other hook: masked as the recording is. `masks` know the caller as the sender."""

    __slots__ = ("_masks", "_tagger")

    def __init__(self, masks: ObjectMasker) -> None:
        self._masks = masks
        self._tagger = Tagger(masks.key, masks.cluster, masks.act.namespace)

    def text(self, text: str) -> str:
        return self._masked(text, ())

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        asked = dict(passwords(argv))
        return tuple(
            argument if index == 0 else self._masked(argument, (asked[index],) if index in asked else ())
            for index, argument in enumerate(argv)
        )

    def _masked(self, text: str, passwords_from: Sequence[int]) -> str:
        """A text without what is masked in it, and without what stands behind the beginning of a password."""
        data = text.encode("utf-8", "surrogatepass")
        cuts = in_characters(data, self._masks.cuts(data, self._masks.act.namespace))
        cuts = apart([*(Cut(start=start, end=len(text), detector=ARGUMENT) for start in passwords_from), *cuts])
        parts: list[str] = []
        at = 0
        for cut in cuts:
            value = text[cut.start : cut.end].encode("utf-8", "surrogatepass")
            parts += text[at : cut.start], self._tagger.placeholder(cut.detector, value)
            at = cut.end
        parts.append(text[at:])
        return "".join(parts)
