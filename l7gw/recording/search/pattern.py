"""What people search for: an expression in RE2's syntax, or a literal text. It is about one line and never matches across its end.

Many lines are searched at once. RE2 takes as long for a line by itself as for 10 kB of lines in which nothing is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import re2

# What is about the ends of the text instead of the line's: \A, \z, and flags that are taken away; and \C, which is any byte, a
# line's end too. Each line is then searched alone.
_OF_THE_TEXT = re.compile(r"\\[AzC]|\(\?[a-zA-Z]*-")

MOST_STEPS = 1000  # matches within what is known, one byte apart: a part of 1 MiB takes 10 ms and not 500


class BadPattern(ValueError):
    """The expression cannot be used. The message is RE2's."""


class Match(NamedTuple):
    """A line with its first match, as offsets in bytes."""

    line: bytes
    begin: int
    end: int


class Pattern:
    """A compiled expression; `literal`: a text as it is; `ignore_case`: for letters of every script. Raises BadPattern."""

    def __init__(self, text: str, *, literal: bool = False, ignore_case: bool = False) -> None:
        options = re2.Options()
        options.log_errors = False
        options.literal = literal
        options.never_nl = True
        options.case_sensitive = not ignore_case
        # Bytes of the command line that are no UTF-8 come as surrogates, and go to RE2 as they were
        wanted = text.encode("utf-8", "surrogateescape")
        if literal and b"\n" in wanted:
            raise BadPattern("a line's end is in the text, and a line holds none")
        try:
            self._search = re2.compile(wanted if literal else b"(?m)" + wanted, options).search
        except re2.error as error:
            words = error.args[0] if error.args else b""
            said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
            raise BadPattern(said.replace("(?m)", "", 1)) from None
        self._each_line = not literal and _OF_THE_TEXT.search(text) is not None

    def may_match(self, lines: bytes) -> bool:
        """Whether one of these lines matches."""
        return any(True for _ in self.matches(lines))

    def matches(self, lines: bytes) -> Iterator[Match]:
        """The lines that match, each once. `lines` are whole, and each ends in a line feed."""
        if self._each_line:
            for line in lines.split(b"\n")[:-1]:
                if (match := self.match(line)) is not None:
                    yield match
            return
        at = 0
        while at < len(lines):
            found = self._search(lines, at)
            if found is None or found.start() >= len(lines):  # behind the last line there is none
                return
            begin = lines.rfind(b"\n", at, found.start()) + 1 or at
            end = lines.index(b"\n", found.end())
            yield Match(lines[begin:end], found.start() - begin, found.end() - begin)
            at = end + 1

    def match(self, line: bytes) -> Match | None:
        """The first match in one line."""
        found = self._search(line)
        return Match(line, found.start(), found.end()) if found is not None else None

    def match_in_part(self, part: bytes, known: int, *, goes_on: bool) -> Match | None:
        """The first match in a part of a line that is too long to be searched as one. The first `known` bytes stood at the end of
        the part before; what was found in them alone is left out. `goes_on`: the line goes on behind the part."""
        at, end = min(known, 1), len(part) - goes_on  # the byte beyond says whether a word or the line ends there
        steps = 0
        while (found := self._search(part, at, end)) is not None:
            if found.end() > known or not known:
                return Match(part, found.start(), found.end())
            steps += 1
            at = found.start() + 1
            if steps == MOST_STEPS:  # the part before has told of this line; only what ends close behind it is looked for now
                at = max(at, known - MOST_STEPS)
        return None
