"""JSON from outside, with one reading or none (RFC 8259 section 4, RFC 8725 section 2.4): readers differ over the rest."""

from __future__ import annotations

import json
import math
from typing import Any


def read_object(data: bytes) -> dict[str, Any]:
    """The object that these bytes are.

    Raises ValueError, in words that hold none of them: no UTF-8, no JSON, no object, a member that stands twice at any depth, NaN,
    a number beyond all numbers, nesting beyond Python's. Members whose names differ in case are two, as in RFC 8259; Go's structs
    would take either, so what is read here is never handed on as it came.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8") from None
    try:
        found = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant, parse_float=_finite)
    except _Twice:
        raise ValueError("a member of it stands twice") from None
    except (ValueError, RecursionError):  # ValueError: also a number of thousands of digits
        raise ValueError("it is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


class _Twice(ValueError):
    pass


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _no_constant(_: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number out of range")
    return value
