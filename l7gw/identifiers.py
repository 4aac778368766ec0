"""Ids of sessions and holds: UUIDv7 (RFC 9562 section 5.7), so that they sort by time."""

from __future__ import annotations

import os
import time


def uuid7() -> str:
    """A new id. Its first 48 bits are milliseconds since 1970; the bits after them are random, but for version and variant."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
