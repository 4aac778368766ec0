"""What the deciding rule of the policy obliges the gateway to do with a call that it allows: what is masked and what is shown, how
it is recorded, and how long it may stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from l7gw.config.settings import Durable, RecordMode

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


@dataclass(frozen=True, slots=True)
class Handling:
    """How a call that passes is handled. Of what is None the configuration says it: `record` of its cluster, `durable` of
    `recording`; a stream without `max_duration`, in seconds, lasts as long as any may (`timeouts.longest_stream`)."""

    record: RecordMode | None = None
    durable: Durable | None = None
    max_duration: int | None = None


NO_HANDLING = Handling()
