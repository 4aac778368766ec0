"""Texts that an expression stands for, drawn by its tree: quickly, and with the lengths at which engines begin to differ."""

from __future__ import annotations

import random
import re
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MORE = (0, 0, 1, 2, 3, 7, 14, 15, 16, 63)  # times beyond the fewest that a repeat is drawn
FEW = (0, 0, 1, 2, 15)  # the same of what is no single byte
_BYTES = bytes(range(256))
_KNOWN: dict[str, list[bytes]] = {}  # by a class as the parser gives it
_SINGLE = (ops.LITERAL, ops.NOT_LITERAL, ops.IN, ops.ANY)


def drawn(pattern: bytes, dice: random.Random) -> bytes:
    """A text that the whole expression matches, but for what it asks of its edges (`^`, `$`, `\\b`)."""
    parsed = parser.parse(pattern.replace(rb"\z", rb"\Z"))
    text = _all(list(parsed), dice)
    return bytes(dice.choice((byte, ord(chr(byte).swapcase()))) for byte in text) if _folds(parsed, text) else text


def _folds(parsed: Any, text: bytes) -> bool:
    return bool(parsed.state.flags & re.IGNORECASE) and text.isascii()


def _all(nodes: list[tuple[Any, Any]], dice: random.Random) -> bytes:
    return b"".join(_one(op, argument, dice) for op, argument in nodes)


def _one(op: Any, argument: Any, dice: random.Random) -> bytes:
    if op is ops.LITERAL:
        return bytes((argument,))
    if op is ops.AT:
        return b""
    if op is ops.BRANCH:
        return _all(list(dice.choice(argument[1])), dice)
    if op is ops.SUBPATTERN:
        return _all(list(argument[3]), dice)
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
        least, most, inner = argument
        times = min(most, least + dice.choice(MORE if len(inner) == 1 and inner[0][0] in _SINGLE else FEW))
        return b"".join(_all(list(inner), dice) for _ in range(times))
    if op in _SINGLE:
        known = str((op, argument))
        if known not in _KNOWN:
            _KNOWN[known] = _of(op, argument)
        return dice.choice(_KNOWN[known])
    raise ValueError(str(op))


def _of(op: Any, argument: Any) -> list[bytes]:
    """The bytes of a class; letters and quotes are more likely than what no text has."""
    if op is ops.ANY:
        found = [byte for byte in _BYTES if byte != 10]
    elif op is ops.NOT_LITERAL:
        found = [byte for byte in _BYTES if byte != argument]
    else:
        found = [byte for byte in _BYTES if _in(argument, bytes((byte,)))]
    likely = [byte for byte in found if 32 <= byte < 127]
    return [bytes((byte,)) for byte in found + likely * 4]


def _in(items: list[tuple[Any, Any]], byte: bytes) -> bool:
    negated = items[0][0] is ops.NEGATE
    return any(_item(op, argument, byte) for op, argument in items[negated:]) != negated


def _item(op: Any, argument: Any, byte: bytes) -> bool:
    if op is ops.LITERAL:
        return byte[0] == argument
    if op is ops.RANGE:
        return bool(argument[0] <= byte[0] <= argument[1])
    return re.fullmatch(_CATEGORIES[argument], byte) is not None


_CATEGORIES = {
    ops.CATEGORY_DIGIT: rb"\d",
    ops.CATEGORY_NOT_DIGIT: rb"\D",
    ops.CATEGORY_SPACE: rb"\s",
    ops.CATEGORY_NOT_SPACE: rb"\S",
    ops.CATEGORY_WORD: rb"\w",
    ops.CATEGORY_NOT_WORD: rb"\W",
}
