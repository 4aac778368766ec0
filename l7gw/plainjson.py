"""JSON from outside. A text that two JSON readers could read differently is refused (RFC 8259 section 4, RFC 8725 section 2.4)."""

from __future__ import annotations

import json
import math
from typing import Any


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`, UTF-8.

    Raises ValueError for bytes that are no UTF-8, no JSON or no object; for a member that stands twice, at any depth; for NaN and
    infinite numbers; for nesting deeper than Python reads. Its words quote none of the bytes. Members whose names differ only in
    case are two members, as in RFC 8259. Go's structs take either, so the bytes read here are never handed on as they came.
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
