"""What a detector is: a name, the shapes that it finds, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LONGEST = 512  # bytes of a match, where a shape says nothing else: tokens of services have less than 300


@dataclass(frozen=True, slots=True)
class Shape:
    """One expression that finds values.

    `pattern` is in the syntax that hyperscan, re2 and Python's `re` share. Its group `value`, where it has one, is what is masked;
    the rest is context. `longest` bounds the bytes of a match: what is longer is masked up to there. `notice` is for hyperscan,
    where it is not derived from the pattern; shapes with the same one share it. It must also find a match inside a JSON text, where
    quotes and line ends are escaped. `opens` is for hyperscan too: what stands in a text in which a match has reached its value,
    where that is not derived; `opening` is for re2: what such a text ends with, its first group being the value so far. `keeps`
    takes the value and says whether it really is one.
    """

    pattern: str
    longest: int = LONGEST
    notice: str = ""
    opens: str = ""
    opening: str = ""
    early: bool = True  # whether a stream waits at every beginning of `opens` too
    keeps: Callable[[bytes], bool] | None = None


# Where a token begins: behind no letter and no digit. Inside a JSON text a line end is written as a letter behind a backslash.
START = r"(?:\b|\\[bfnrt]|\\u[0-9a-f]{4})"


@dataclass(frozen=True, slots=True)
class Detector:
    name: str  # [a-z0-9-]{1,32}; it stands in placeholders and in rules
    finds: str  # for people: what it finds
    anchor: str  # for people: the text without which nothing is found
    reason: str  # why it is there, and what keeps it from finding other things
    shapes: tuple[Shape, ...]
    fixed: bool  # whether a match has a shape that nothing but such a credential has, so that no command hides in one
    ns_per_byte: float = 0.0  # of an ordinary log that is scanned for this alone (`cost.measured`); 0: not measured yet
    on: bool = True  # without a word in the configuration
    keeps_sent: Callable[[bytes], bool] | None = None  # a further look at values in what a caller sent
