"""The patterns of a policy: globs over names, and over resources as policy spells them. They are compiled at load.

`*` is the only wildcard. Every other character stands for itself, and case counts. Regular expressions are not used: a glob is
matched by finding its pieces from left to right, so no choice of stars makes that slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

LONGEST_PATTERN = 512  # characters; names of objects have at most 253, users 256; a longer command is a script
MOST_STARS = 8  # in one pattern; each star is one more search through the text
Match = Callable[[str], bool]


class BadPattern(ValueError):
    """A pattern that cannot be used, in words; `hint` says what could be written instead."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def glob(pattern: str, star: str = "*") -> Match:
    """Whether a text matches, as a function. `star` stands for any number of any characters. Raises BadPattern."""
    bounded(pattern, star)
    first, *pieces = pattern.split(star)
    if not pieces:
        return first.__eq__
    *middle, last = pieces
    middle = [piece for piece in middle if piece]
    least = len(first) + len(last) + sum(map(len, middle))

    def matches(text: str) -> bool:
        if len(text) < least or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in middle:  # the leftmost place leaves the most room for the pieces that follow
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return matches


def bounded(pattern: str, star: str = "*") -> None:
    """Raises BadPattern for a pattern that is empty, too long, or has too many stars."""
    if not pattern:
        raise BadPattern("an empty pattern matches nothing")
    if len(pattern) > LONGEST_PATTERN:
        raise BadPattern(f"a pattern is longer than {LONGEST_PATTERN} characters")
    if pattern.count(star) > MOST_STARS:
        raise BadPattern(f"{pattern!r} has more than {MOST_STARS} stars")


class Globs:
    """Several globs: a text matches if it matches one of them. `everything` is true where one of them is `*` alone. Only that
    covers a call without a name."""

    __slots__ = ("_exact", "_matches", "everything", "texts")

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        self.everything = any(text and not text.strip("*") for text in texts)
        self._exact = frozenset(text for text in texts if "*" not in text)
        compiled = {text: glob(text) for text in texts}
        self._matches = tuple(match for text, match in compiled.items() if "*" in text)

    def match(self, text: str) -> bool:
        if self.everything or text in self._exact:
            return True
        for match in self._matches:  # noqa: SIM110  # a generator costs as much as the look itself
            if match(text):
                return True
        return False


class Resources:
    """Several patterns of resources: a resource matches if it matches one of them.

    They look so: `pods`, `pods/exec`, `deployments.apps`, `*.apps`, `events.*`, `*/scale`, `*`. The part behind the first dot is
    the API group, and `*` there is any group, the core group included. A pattern without a dot is about the core group. A resource
    never stands for its subresources (threats D9). `pods/*` are the subresources of pods, `*.apps/*` those of a group, and `*/*`
    all subresources. `*` alone stands for all resources and all subresources, as in RBAC.
    """

    __slots__ = ("_matches", "everything", "texts")

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        self.everything = "*" in texts
        self._matches = tuple(_resource(text) for text in texts)

    def match(self, resource: str, group: str, subresource: str) -> bool:
        if self.everything:
            return True
        for plural, of_group, sub in self._matches:
            if plural(resource) and of_group(group):
                if sub is None:
                    if not subresource:
                        return True
                elif subresource and sub(subresource):
                    return True
        return False


SPELLING = re.compile(r"[a-z0-9*-]+(\.[a-z0-9.*-]+)?(/[a-z0-9*-]+)?", re.ASCII)


def _resource(text: str) -> tuple[Match, Match, Match | None]:
    """Three functions that match plural, group and subresource. The third is None where the pattern names no subresource."""
    bounded(text)
    if SPELLING.fullmatch(text) is None:
        raise BadPattern(f"{text!r} is no resource", "as in pods, pods/exec or deployments.apps, all in lower case")
    base, slash, sub = text.partition("/")
    plural, dot, group = base.partition(".")
    of_group = glob(group) if dot else _any if base == "*" else "".__eq__
    return glob(plural), of_group, glob(sub) if slash else None


def _any(_: str) -> bool:
    return True
