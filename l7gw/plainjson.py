"""JSON from outside. A text that two JSON readers could read differently is refused (RFC 8259 section 4, RFC 8725 section 2.4).

10 KiB of Kubernetes objects take 0.1 ms, 3 MiB 60 to 90 ms, the most hostile 3 MiB 0.25 s. Python's own reader takes as long, and
holds nothing of what is promised here.
"""

from __future__ import annotations

import gc
import json
import math
import re
from array import array
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import msgspec

DEEPEST = 100  # levels of lists and objects in each other; a Kubernetes object has about 20 (threats D12)
# Lists and objects in one body. One of Kubernetes has 100,000 in 3 MiB at most; two million empty ones would take 0.6 s and 200 MB.
MOST_INSIDE = 250_000
PAUSES_GC = 256 * 1024  # bytes. From here on the garbage collector would look at the same new lists again and again: half the time

_decode = msgspec.json.Decoder().decode  # refuses control characters, lone surrogates and numbers that are no finite float
_encode = msgspec.json.Encoder().encode
_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}":,'))
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_ALL_SQUARE = bytes.maketrans(b"{}", b"[]")
_STEPS = bytes.maketrans(b"[]", b"\x01\xff")  # as signed bytes: +1, -1
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * 309  # no float has more digits before its point
_INTEGER = re.compile(rb"(?<![0-9.eE+])(?<![eE]-)[0-9]{309,}(?![0-9.eE])")
_TEXT = re.compile(rb'"[^"]*"')


def read(data: bytes) -> Any:
    """The JSON value in `data`, UTF-8.

    Raises ValueError for bytes that are no UTF-8 or no JSON, for a lone half of a surrogate pair, a member that stands twice at any
    depth, NaN, numbers out of a float's range, nesting deeper than DEEPEST, and more than MOST_INSIDE lists and objects. Its words
    quote none of the bytes. Members whose names differ only in case are two members, as in RFC 8259 and for kube-apiserver. Go's
    own structs take either.
    """
    _check_utf8(data)
    brackets = _brackets(data)
    if len(brackets) > 2 * MOST_INSIDE:
        raise ValueError(f"it has more than {MOST_INSIDE} lists and objects")
    try:
        value = _without_gc(_decode, data) if len(data) >= PAUSES_GC else _decode(data)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels") from None
    except ValueError:  # msgspec's own errors; also a number of thousands of digits
        raise ValueError("it is no JSON") from None
    if _depth(brackets) > DEEPEST:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    _check_members(data, value)
    _check_integers(data)
    return value


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`, read as strictly, but that half of a surrogate pair is kept: one unfit group in a token shuts
    nobody out. Nesting is bounded by what Python reads. Raises ValueError also for a value that is no object.
    """
    _check_utf8(data)
    found = _slowly(data)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def depth_of(data: bytes) -> int:
    """How many lists and objects stand in each other at most. `data` is whole JSON. 3 MiB take 10 ms."""
    return _depth(_brackets(data))


def _brackets(data: bytes) -> bytes:
    """The brackets of JSON, without those in its texts; each is a square one."""
    if data.count(b"[") + data.count(b"{") == 0:
        return b""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # What is left of most texts is `""`. The end of one text and the start of the next are never neighbours here.
    structure = data.translate(None, _NO_STRUCTURE).replace(b'""', b"")
    return _TEXT.sub(b"", structure).translate(_ALL_SQUARE, _NO_BRACKET)


def _depth(brackets: bytes) -> int:
    peeled = 0
    while brackets and peeled < 8:  # one level of all that are innermost; more rounds cost hostile bytes more than what follows
        brackets = brackets.replace(b"[]", b"")
        peeled += 1
    return peeled + max(accumulate(array("b", brackets.translate(_STEPS))), default=0)


def _check_utf8(data: bytes) -> None:
    try:
        data.isascii() or data.decode()
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8") from None


def _check_members(data: bytes, value: Any) -> None:
    """Raises ValueError where a member stands twice.

    A second member of one name is not in `value`, nor is its colon. Every other colon of `data` is, and nothing but the escape
    `\\u003a` writes one in another way.
    """
    colons = data.count(b":")
    if b"\\u003" in data:
        unescaped = data.replace(b"\\\\", b"")
        colons += unescaped.count(b"\\u003a") + unescaped.count(b"\\u003A")
    if _encode(value).count(b":") != colons:
        raise ValueError("a member of it stands twice")


def _check_integers(data: bytes) -> None:
    """Raises ValueError where an integer is out of a float's range. msgspec looks at the other numbers."""
    if _LONG not in data.translate(_DIGITS):
        return
    numbers = _TEXT.sub(b'""', data.replace(b"\\\\", b"").replace(b'\\"', b""))
    if any(math.isinf(float(digits)) for digits in _INTEGER.findall(numbers)):
        raise ValueError("it is no JSON")


def _slowly(data: bytes) -> Any:
    try:
        return json.loads(
            data.decode(), object_pairs_hook=_members, parse_constant=_no_constant, parse_float=_float, parse_int=_int
        )
    except _Twice:
        raise ValueError("a member of it stands twice") from None
    except (ValueError, RecursionError):  # ValueError: also a number of thousands of digits
        raise ValueError("it is no JSON") from None


class _Twice(ValueError):
    pass


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _no_constant(_: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number out of range")
    return value


def _int(digits: str) -> int:
    _float(digits)
    return int(digits)


def _without_gc(work: Callable[[bytes], Any], data: bytes) -> Any:
    collects = gc.isenabled()
    gc.disable()
    try:
        return work(data)
    finally:
        if collects:
            gc.enable()
