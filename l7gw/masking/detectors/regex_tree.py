"""A regular expression as a tree: what notices it, and what an unfinished match of it looks like.

Three engines see an expression. hyperscan notices that a match may be there, google-re2 locates it, and the parser of Python's `re`
gives the tree from which other texts are written. Expressions are kept to the syntax on which the three agree. All see bytes.

The parser is a private object of the standard library (`re._parser`, since Python 3.11). It is used in `read` and `alphabet` alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

Nodes = list[tuple[Any, Any]]  # as the parser gives them: pairs of an operation and its argument

_CATEGORIES = {
    ops.CATEGORY_DIGIT: r"\d",
    ops.CATEGORY_NOT_DIGIT: r"\D",
    ops.CATEGORY_SPACE: r"\s",
    ops.CATEGORY_NOT_SPACE: r"\S",
    ops.CATEGORY_WORD: r"\w",
    ops.CATEGORY_NOT_WORD: r"\W",
}
_PLACES = {
    ops.AT_BEGINNING: (r"\A", "(?m:^)"),
    ops.AT_BEGINNING_STRING: (r"\A", r"\A"),
    ops.AT_END: (r"\z", "(?m:$)"),
    ops.AT_END_STRING: (r"\z", r"\z"),
    ops.AT_BOUNDARY: (r"\b", r"\b"),
    ops.AT_NON_BOUNDARY: (r"\B", r"\B"),
}
_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT)
_SINGLE = (ops.LITERAL, ops.NOT_LITERAL, ops.IN, ops.ANY)
ENOUGH = 8  # times of a last repeat that are noticed; more make a database five times as slow to compile, and tell little more
FIRST = 4  # bytes by which most tokens can be told from words
VALUE = "value"  # the group that holds what is masked, where that is not the whole match


class NoTree(ValueError):
    """The expression has something that the parser of `re` reads in another way than re2, or not at all."""


@dataclass(frozen=True)
class Tree:
    """A parsed expression, cut at its group `value`. Without such a group `value` is everything."""

    before: Nodes
    value: Nodes
    after: Nodes
    caseless: bool
    lines: bool  # whether ^ and $ match at line ends
    widths: tuple[int, int]  # the shortest and the longest match, in bytes; the longest is at least 2**32 - 1 where it has no bound

    @property
    def _flags(self) -> str:
        return "(?i)" if self.caseless else ""

    def notice(self) -> str:
        """For hyperscan: an expression that ends where a match has its shortest length, so that it is reported once and not for
        each byte by which the match grows. Quotes, backslashes and white space may be escaped, as in a JSON text."""
        return self._flags + self._text(_escaped(_shortened([*self.before, *self.value, *self.after])))

    def opening(self) -> str:
        """For re2: what a text ends with in which a match has reached its value and is not finished. The group is the value so
        far; where a byte may stand before the value or in it, it is in it, since more bytes may need it there."""
        value = f"{self._partial(self.value)}|{self._text(self.value)}{self._partial(self.after)}"
        return f"{self._text(self.before, lazy=True)}({value})"

    def name(self) -> str:
        """For re2: what stands before a value."""
        return self._text(self.before)

    def unended(self) -> str:
        """For re2: the value behind its name, in a group."""
        return f"{self._text(self.before)}({self._text(self.value)})"

    def holds(self, some: bytes) -> bool:
        """Whether one of these bytes may stand in a value."""
        return not _bytes(self.value).isdisjoint(some)

    def beginning(self) -> str:
        """For hyperscan: what stands in a text in which a match has reached its value: everything before it, or where nothing is
        before it the first bytes of it."""
        return self._flags + self._text(_shortened(self.before) if self.is_behind_something else [*self.before, *self._first()])

    @property
    def is_behind_something(self) -> bool:
        """Whether other bytes stand before the value."""
        return _width(self.before) > 0

    def begun(self) -> str:
        """For re2: what a text ends with that more bytes could make a `beginning`, where that is of the value."""
        return self._text(self.before) + self._partial(self._first())

    def prefixes(self) -> str:
        """For re2: every beginning of a match."""
        return self._partial([*self.before, *self.value, *self.after])

    def _first(self) -> Nodes:
        """The first nodes of the value, FIRST bytes wide where it has so many of a fixed kind."""
        nodes: Nodes = []
        width = 0
        for op, argument in _flat(self.value):
            if op in _REPEATS:
                least, _, inner = argument
                if width or not least:
                    break
                return [*nodes, (op, (least, least, inner))]
            nodes.append((op, argument))
            width += op in _SINGLE
            if width == FIRST or op is ops.BRANCH:
                break
        return nodes if any(op is not ops.AT for op, _ in nodes) else self.value

    def literal(self) -> str:
        """The longest plain text that each match holds; "" where there is none."""
        runs, run = [""], ""
        for op, argument in [*self.before, *self.value, *self.after]:
            if op is ops.LITERAL:
                run += chr(argument)
            elif op is not ops.AT:
                runs.append(run)
                run = ""
        return max([*runs, run], key=len)

    def flagged(self, text: str) -> str:
        """The text with this expression's flags, for use inside another one."""
        return f"(?i:{text})" if self.caseless else f"(?:{text})"

    def _text(self, nodes: Nodes, *, lazy: bool = False) -> str:
        """The expression again. `lazy`: its repeats take as little as they can."""
        return "".join(self._one(op, argument, lazy=lazy) for op, argument in nodes)

    def _one(self, op: Any, argument: Any, *, lazy: bool) -> str:
        if op is ops.LITERAL:
            return _character(argument)
        if op is ops.NOT_LITERAL:
            return f"[^{_character(argument)}]"
        if op is ops.ANY:
            return "[^\\n]"
        if op is ops.IN:
            return _class(argument)
        if op is ops.AT:
            return _PLACES[argument][self.lines]
        if op is ops.BRANCH:
            return f"(?:{'|'.join(self._text(list(branch), lazy=lazy) for branch in argument[1])})"
        if op is ops.SUBPATTERN:
            return f"(?:{self._text(list(argument[3]), lazy=lazy)})"
        if op in _REPEATS:
            least, most, inner = argument
            return f"(?:{self._text(list(inner), lazy=lazy)}){_times(least, most)}{'?' if lazy and least != most else ''}"
        raise NoTree(str(op))

    def _partial(self, nodes: Nodes) -> str:
        """What matches each beginning of a match of the nodes, the empty one and the whole one too."""
        if not nodes:
            return ""
        (op, argument), rest = nodes[0], nodes[1:]
        if op is ops.SUBPATTERN:
            return self._partial([*argument[3], *rest])
        whole = self._text([nodes[0]])
        behind = self._partial(rest)
        if op in _REPEATS:
            _, most, inner = argument
            some = self._text(list(inner))
            if len(inner) == 1 and inner[0][0] in _SINGLE:
                begun = f"(?:{some}){_times(0, most)}"
            else:
                fewer = most if most == ops.MAXREPEAT else most - 1
                begun = (f"(?:{some}){_times(0, fewer)}" if fewer else "") + self._partial(list(inner))
            return f"(?:{begun}|{whole}{behind})" if behind else begun
        if op is ops.BRANCH:
            begun = "|".join(self._partial(list(branch)) for branch in argument[1])
            return f"(?:{begun}|{whole}{behind})"
        return f"(?:{whole}{behind})?"


def read(pattern: str) -> Tree:
    """Read an expression of ASCII text. Raises NoTree."""
    if "[[:" in pattern or not pattern.isascii():
        raise NoTree("a class by name, or no ASCII")
    try:
        parsed = parser.parse(pattern.encode())
    except (re.error, RecursionError, OverflowError) as error:
        raise NoTree(str(error)) from error
    flags = parsed.state.flags
    if flags & ~(re.IGNORECASE | re.MULTILINE):
        raise NoTree("a flag other than i and m")
    nodes = list(parsed)
    number = parsed.state.groupdict.get(VALUE)
    at = next((i for i, (op, argument) in enumerate(nodes) if op is ops.SUBPATTERN and argument[0] == number is not None), None)
    cut = (nodes[:at], list(nodes[at][1][3]), nodes[at + 1 :]) if at is not None else ([], nodes, [])
    if number is not None and at is None:
        raise NoTree("the group `value` stands within another one")
    tree = Tree(*cut, bool(flags & re.IGNORECASE), bool(flags & re.MULTILINE), parsed.getwidth())
    tree.opening()  # raises for what cannot be written
    return tree


def alphabet(pattern: str) -> frozenset[int]:
    """The bytes that stand in matches of an expression that this module wrote; also some that do not."""
    found = _bytes(list(parser.parse(pattern.encode())))
    return frozenset(found | set(bytes(found).swapcase()))


def _bytes(nodes: Nodes) -> set[int]:
    found: set[int] = set()
    for op, argument in nodes:
        if op is ops.LITERAL:
            found.add(argument)
        elif op is ops.IN:
            found.update(b"".join(re.findall(_class(argument).encode(), bytes(range(256)))))
        elif op is ops.BRANCH:
            found.update(*(_bytes(list(branch)) for branch in argument[1]))
        elif op is ops.SUBPATTERN:
            found |= _bytes(list(argument[3]))
        elif op in _REPEATS:
            found |= _bytes(list(argument[2]))
        elif op is not ops.AT:
            found.update(range(256))
    return found


def _flat(nodes: Nodes) -> Nodes:
    """The nodes with those of a first group in its place."""
    if nodes and nodes[0][0] is ops.SUBPATTERN:
        return [*_flat(list(nodes[0][1][3])), *nodes[1:]]
    if nodes and nodes[0][0] is ops.AT:
        return [nodes[0], *_flat(nodes[1:])]
    return nodes


def _width(nodes: Nodes) -> int:
    """The fewest bytes that the nodes match."""
    width = 0
    for op, argument in nodes:
        if op in _SINGLE:
            width += 1
        elif op is ops.SUBPATTERN:
            width += _width(list(argument[3]))
        elif op is ops.BRANCH:
            width += min(_width(list(branch)) for branch in argument[1])
        elif op in _REPEATS:
            width += argument[0] * _width(list(argument[2]))
    return width


def _shortened(nodes: Nodes) -> Nodes:
    """The nodes without what the end of a match may have or lack."""
    while nodes:
        op, argument = nodes[-1]
        if op is ops.AT:
            nodes = nodes[:-1]
        elif op is ops.SUBPATTERN:
            nodes = [*nodes[:-1], *argument[3]]
        elif op in _REPEATS and argument[0] == 0:
            nodes = nodes[:-1]
        elif op in _REPEATS:
            least = min(argument[0], ENOUGH)
            return [*nodes[:-1], (op, (least, least, argument[2]))]
        else:
            return nodes
    return nodes


def _escaped(nodes: Nodes) -> Nodes:
    """The nodes, where what JSON escapes may have backslashes before it, and a line end may be a letter behind them."""
    made: Nodes = []
    for op, argument in nodes:
        if op in _REPEATS:
            made.append((op, (argument[0], argument[1], _escaped(list(argument[2])))))
        elif op is ops.SUBPATTERN:
            made.append((op, (*argument[:3], _escaped(list(argument[3])))))
        elif op is ops.BRANCH:
            made.append((op, (None, [_escaped(list(branch)) for branch in argument[1]])))
        elif op in (ops.LITERAL, ops.IN) and _needs_escape(op, argument):
            plain = [(op, argument)]
            made.append((ops.BRANCH, (None, [[(ops.MAX_REPEAT, (0, 3, [_BACKSLASH])), *plain], [*_LINE_END]])))
        else:
            made.append((op, argument))
    return made


_BACKSLASH = (ops.LITERAL, ord("\\"))
_LINE_END = [(ops.MAX_REPEAT, (1, 3, [_BACKSLASH])), (ops.IN, [(ops.LITERAL, ord(letter)) for letter in "nrt"])]


def _needs_escape(op: Any, argument: Any) -> bool:
    if op is ops.LITERAL:
        return argument in b'"\\\n\r\t'
    return argument[0][0] is not ops.NEGATE and re.search(_class(argument).encode(), b'"\\\n\r\t') is not None


def _character(code: int) -> str:
    return chr(code) if chr(code).isalnum() and code < 128 else f"\\x{code:02x}"


def _class(items: list[tuple[Any, Any]]) -> str:
    made = ""
    for op, argument in items:
        if op is ops.NEGATE:
            made += "^"
        elif op is ops.LITERAL:
            made += _character(argument)
        elif op is ops.RANGE:
            made += f"{_character(argument[0])}-{_character(argument[1])}"
        elif op is ops.CATEGORY:
            made += _CATEGORIES[argument]
        else:
            raise NoTree(str(op))
    return f"[{made}]"


def _times(least: int, most: int) -> str:
    if most == ops.MAXREPEAT:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return {(0, 1): "?", (1, 1): ""}.get((least, most), f"{{{least},{most}}}")
