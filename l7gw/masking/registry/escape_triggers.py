"""Whether a text must be decoded before registered values are looked for in it.

Text with escapes is common: a path with %20, JSON in a log. It is decoded only where an escape may stand within a value: the value
has a character that an encoder had to escape so, or a letter or digit is escaped that no encoder had to.
"""

from __future__ import annotations

import functools
from collections.abc import Set
from typing import cast

import hyperscan

_SHORT = {0x22: rb'\\"', 0x5C: rb"\\\\", 0x2F: rb"\\/", 0x0A: rb"\\n", 0x0D: rb"\\r", 0x09: rb"\\t", 0x08: rb"\\b", 0x0C: rb"\\f"}
ALWAYS = 256  # the id of what is decoded whatever the values are; ids below are bytes
HIGH = 128  # stands for all bytes beyond ASCII
WRAPPED_FROM = 60  # characters; shorter text holds no wrapped base64
_WRAPPED = rb"[A-Za-z0-9+/]{%d}" % WRAPPED_FROM

# The escapes, by the byte without which none of them is there: most text has one of the three at most
_ESCAPES: dict[bytes, list[tuple[int, bytes]]] = {
    b"%": [
        (ALWAYS, rb"%[46][1-9A-Fa-f]"),
        (ALWAYS, rb"%[57][0-9Aa]"),
        (ALWAYS, rb"%3[0-9]"),
        (ALWAYS, rb"%2[bf]"),  # base64 as few encoders write it in a URL; as others do, it is a form (`registered_forms`)
        (HIGH, rb"%[89A-Fa-f][0-9A-Fa-f]"),
        *((byte, b"(?i)%%%02x" % byte) for byte in range(HIGH) if not chr(byte).isalnum()),
    ],
    b"\\": [
        (ALWAYS, rb"\\u00[0-7][0-9A-Fa-f]"),
        (ALWAYS, _WRAPPED + rb"(?:\\+r)?\\+n"),  # base64 that was wrapped, in the JSON of a text
        (HIGH, rb"\\u[0-9A-Fa-f]{4}"),
        *_SHORT.items(),
    ],
    b"\n": [(ALWAYS, _WRAPPED + rb"\r?\n")],
}


@functools.cache
def _databases() -> list[tuple[bytes, hyperscan.Database]]:
    """An automaton for each kind of escapes. A process compiles them once, when its first registry is made (`prepare`)."""
    return [(byte, _compiled(words)) for byte, words in _ESCAPES.items()]


def _compiled(words: list[tuple[int, bytes]]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[word for _, word in words],
        ids=[number for number, _ in words],
        elements=len(words),
        flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(words),
    )
    return database


def special_of(value: bytes) -> bytes:
    """The bytes of a value that an encoder may escape: neither letters nor digits; HIGH for those beyond ASCII."""
    return bytes({min(byte, HIGH) for byte in value if byte >= HIGH or not chr(byte).isalnum()})


def prepare() -> None:
    """Compile, so that no call waits for it."""
    _databases()


def needs_decoding(data: bytes, special: Set[int]) -> bool:
    """Whether an escape stands in the bytes that may be of a value. `special` are the bytes of values that
    `special_of` gives."""
    return may_be_of(triggers(data), special)


def triggers(data: bytes) -> set[int]:
    """Which escapes stand in the bytes: what `may_be_of` takes."""
    seen: set[int] = set()
    for byte, database in _databases():
        if byte in data:
            database.scan(data, match_event_handler=_hit, context=seen)
    return seen


def may_be_of(seen: set[int], special: Set[int]) -> bool:
    """Whether one of these escapes may be of a value. `special` is as in `needs_decoding`."""
    return bool(seen) and (ALWAYS in seen or not seen.isdisjoint(special))


def _hit(number: int, start: int, end: int, flags: int, context: object) -> None:
    cast(set[int], context).add(number)
