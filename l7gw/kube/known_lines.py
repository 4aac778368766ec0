"""What request lines mean that clients send again and again, on whichever connection they come.

Each kubectl begins with the same questions of discovery on a connection of its own. What such a line means depends on the line
alone, so that it is remembered for all connections of a worker; who sends it and what he may is asked by each call. The usual
lines on resources are not remembered: to read one (`requestinfo.usual`) costs little more than to look for it, and they are too
many. Nor is what asks for an upgrade: an exec says its command in its line.
"""

from __future__ import annotations

from l7gw.generations import Generations
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import part_by_part, usual

MOST_REMEMBERED = 1024 * 1024  # bytes, twice (`Generations`): some thousand lines; discovery of a large cluster has a few hundred
LONGEST = 2048  # characters of a target that is remembered
OF_ONE = 1024  # bytes that are counted of an act beside its texts, which hold the target three times


class KnownLines:
    """The lines that one worker remembers. `most` is how many bytes of them; 0: none."""

    __slots__ = ("_known",)

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._known: Generations[tuple[str, str], Act] = Generations(most)

    def describe(self, method: str, target: str, upgrade: str) -> Act:
        """As `requestinfo.describe`. A line of discovery that is remembered costs 6,000 instructions instead of 90,000."""
        if upgrade:
            return part_by_part(method, target, upgrade)
        act = usual(method, target)
        if act is None:
            line = method, target
            act = self._known.get(line)
            if act is None:
                act = part_by_part(method, target, "")
                if len(target) <= LONGEST:
                    self._known.keep(line, act, OF_ONE + 3 * len(target))
        return act
