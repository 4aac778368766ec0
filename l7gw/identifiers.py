"""Ids of sessions and holds: UUIDv7 (RFC 9562 section 5.7), so that they sort by time. Ids of calls: any UUID."""

from __future__ import annotations

import os
import random
import time

_random = random.Random(os.urandom(32))  # for ids of calls: they must differ, not be unguessable. os.urandom for each cost 6 %


def uuid7() -> str:
    """A new id. Its first 48 bits are milliseconds since 1970; the bits after them are random, but for version and variant."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}  # two bits of a digit, behind the variant's


def new_audit_id() -> str:
    """A UUID of version 4 that names one call in the cluster's audit log, in the recording and in the answer's `Audit-Id`. Its
    digits are put together by hand: an object of Python's `uuid` takes nine times as long."""
    digits = _random.getrandbits(128).to_bytes(16, "little").hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"
