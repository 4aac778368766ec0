"""What the deciding rule of the policy obliges the gateway to do with a call that it allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

EVERYTHING = "*"
# What is masked by where it stands in an object, and what a Secret that was read says elsewhere. The other names are detectors'.
STRUCTURAL = ("secret-data", "token-request", "env", "config-map", "helm-release", "registry", "field")


@dataclass(frozen=True, slots=True)
class Obligations:
    """The lists name detectors, structural rules of masking, Secret types, or EVERYTHING.

    `mask` also turns on a detector that the configuration leaves off. `reveal` never reaches the disk: the recording is masked all
    the same. `ends_on_mask`: a stream ends at the first masked value, because its copy could not be used.
    """

    mask: frozenset[str] = frozenset()
    reveal: frozenset[str] = frozenset()
    ends_on_mask: bool = False

    def reveals(self, *names: str) -> bool:
        """Whether the caller sees a value that goes by any of these names. `mask` beats `reveal`."""
        if not self.reveal or EVERYTHING in self.mask or not self.mask.isdisjoint(names):
            return False
        return EVERYTHING in self.reveal or not self.reveal.isdisjoint(names)

    def hidden(self, names: Iterable[str]) -> list[str]:
        """Those names under which a value stays masked. A value that several things find at once is shown where each of them is
        revealed, so where none is hidden."""
        return [name for name in names if not self.reveals(name)]


NO_OBLIGATIONS = Obligations()
