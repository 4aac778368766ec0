"""The patterns of an exec's argv. An allow covers only the spelling in its pattern; a deny
reaches every spelling of the same place."""

from __future__ import annotations

import re

from l7gw.policy.patterns import BadPattern, Match, bounded, glob

LIVE = "\0"  # an unquoted star in a word of a command; neither a pattern nor an argv can hold a NUL

# An argument "climbs" if it may lead to a parent folder: `..` stands before a slash, before the end, or before a character that
# separates paths and options (`--file=../x`, `-C..`, `a:..:b`). `a..b` and `...` do not climb.
CLIMBS = re.compile(r"(?<!\.)\.\.(?![A-Za-z0-9._-])")

# A process's links in proc(5), which the kernel itself follows to any directory: `/proc/self/root/etc` is /etc.
PROCESSES = re.compile(r"(?<![A-Za-z0-9._-])proc/")
LINKED = re.compile(r"/(?:root|cwd)(?:/|$)|/fd/+(?:\./+)*[0-9]+/")


class Command:
    """A pattern of an argv. It is split into words by shell rules, at load.

    `*` stays within one argument and matches no `/`. A quoted `*` is an ordinary character. `**` as the last word matches any
    number of further arguments. The words are compared with the argv that the container's runtime executes. No shell reads that
    argv, so nothing in an argument can start another command.
    """

    __slots__ = ("_places", "_words", "further", "text")

    def __init__(self, text: str) -> None:
        """Raises BadPattern."""
        bounded(text)
        words = split(text)
        self.text = text
        self.further = bool(words) and words[-1] == LIVE * 2
        words = words[:-1] if self.further else words
        for word in words:
            if LIVE * 2 in word:
                raise BadPattern(f"{text!r}: ** takes further arguments and stands only as the last word")
            if CLIMBS.search(word):
                raise BadPattern(f"{text!r} has a .. segment, which no pattern matches")
        self._words = tuple(_argument(word) for word in words)
        self._places = tuple(_place(word, program=number == 0) for number, word in enumerate(words))

    def covers(self, argv: tuple[str, ...]) -> bool:
        """Whether an allow covers the argv: it matches as it is spelled. An argv with a climbing argument is never covered, as
        `/var/log/../../etc` does not stay in `/var/log`."""
        climbs = any(CLIMBS.search(argument) for argument in argv)
        return not climbs and self._has_room(argv) and all(word(argument) for word, argument in zip(self._words, argv))

    def overlaps(self, argv: tuple[str, ...]) -> bool:
        """Whether a deny reaches the argv: some reading of it matches.

        A path matches in every spelling that leads to the same place. A relative path is read from every working directory, because
        the container's is not known. An argument that climbs, or that follows a process's links, may be any path.
        """
        return self._has_room(argv) and all(
            _may_be_anywhere(argument) or word(argument) or place(argument)
            for word, place, argument in zip(self._words, self._places, argv)
        )

    def _has_room(self, argv: tuple[str, ...]) -> bool:
        return len(argv) == len(self._words) or (len(argv) > len(self._words) and self.further)


def _may_be_anywhere(argument: str) -> bool:
    if CLIMBS.search(argument):
        return True
    processes = PROCESSES.search(argument)
    return processes is not None and LINKED.search(argument, processes.end() - 1) is not None


def _argument(word: str) -> Match:
    """Whether one argument matches as it is spelled, as a function. Pattern and argument must have the same number of slashes."""
    if LIVE not in word:
        return word.__eq__
    segments = [glob(segment, LIVE) if segment else "".__eq__ for segment in word.split("/")]

    def matches(argument: str) -> bool:
        parts = argument.split("/")
        return len(parts) == len(segments) and all(segment(part) for segment, part in zip(segments, parts))

    return matches


def _place(word: str, *, program: bool) -> Match:
    """Whether one argument may be a path to the place that the word names, as a function. Only denials use it.

    In `if=/etc/*` and `--file=/etc/*` a path begins behind the first `=` too. `program` is true for the first word of a command: a
    program without a slash is looked for in PATH, so that `cat` may be `/bin/cat`.
    """
    place = _path(word, program=program)
    head, equals, tail = word.partition("=")
    if not equals or not head or not tail or "/" in head:
        return place
    is_head, tail_leads = glob(head, LIVE), _path(tail, program=False)

    def matches(argument: str) -> bool:
        name, given, value = argument.partition("=")
        return place(argument) or (bool(given) and is_head(name) and tail_leads(value))

    return matches


def _path(word: str, *, program: bool) -> Match:
    absolute, names = _resolved(word)
    segments = [glob(name, LIVE) for name in names]
    is_any = not names or (not program and names[0] == LIVE)  # `*` and `.` name no place, so they mean no absolute path

    def matches(argument: str) -> bool:
        from_root, parts = _resolved(argument)
        if absolute == from_root:
            return len(parts) == len(segments) and all(segment(part) for segment, part in zip(segments, parts))
        # One of the two is relative. From some directory it leads to the same place if the absolute one ends with it.
        if absolute:
            is_path = argument != "" and (program or not argument.startswith("-"))  # else it is an option
            return is_path and len(parts) <= len(segments) and all(map(_ends, reversed(segments), reversed(parts)))
        return not is_any and len(segments) <= len(parts) and all(map(_ends, reversed(segments), reversed(parts)))

    return matches


def _ends(segment: Match, part: str) -> bool:
    return segment(part)


def _resolved(path: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a path is absolute, and its segments as the kernel walks them: empty segments and `.` are left out
    (path_resolution(7)). `..` is not resolved, as a climbing argument counts as any path."""
    return path.startswith("/"), tuple(segment for segment in path.split("/") if segment not in ("", "."))


# Characters with which a shell does more than split words. An exec has no shell, so a pattern with one would never match.
_OPERATORS = frozenset("|&;<>()$`\n")


def split(text: str) -> list[str]:
    """The words of a command by POSIX rules (XCU 2.2 Quoting, 2.6.5 Field Splitting); unquoted stars become LIVE.

    Raises BadPattern for an open quote, and for operators and expansions outside quotes.
    """
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    rest = iter(text)
    for c in rest:
        if quote == "'" or (quote and c not in '"\\$`'):
            if c == quote:
                quote = ""
            else:
                assert word is not None
                word.append(c)
            continue
        if not quote and c in " \t":
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        word = [] if word is None else word
        if c == '"' or (c == "'" and not quote):
            quote = "" if quote else c
        elif c == "\\":
            escaped = next(rest, "")
            if not escaped:
                raise BadPattern(f"{text!r} ends with a backslash that escapes nothing")
            word.append(escaped if not quote or escaped in '"\\$`' else c + escaped)
        elif c in _OPERATORS:
            raise BadPattern(f"{text!r}: {c} is the shell's, and an exec has none", f"quote it if the argument has it: '{c}'")
        else:
            word.append(LIVE if c == "*" else c)
    if quote:
        raise BadPattern(f"{text!r} has an open quote")
    if word is not None:
        words.append("".join(word))
    if not words:
        raise BadPattern("an empty command matches nothing")
    return words
