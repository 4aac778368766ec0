"""A detector: masks employee numbers in objects and in streams.

    hooks:
      - {name: employee-number, object: "employee_number:EmployeeNumber", path: hooks, for: [object, frame]}

An employee number is `EMP-` and seven digits, the last of which is a checksum (Luhn's, as on a bank card). `masking.patterns` could
not tell EMP-1234566, which is one, from EMP-1234567, which is none. To find numbers of your own, change PATTERN and `is_valid`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from l7gw.hooks import Mask, Stream, Tripwire, View, texts

PATTERN = re.compile(rb"(?<![A-Za-z0-9])EMP-([0-9]{7})(?![0-9])")


def is_valid(digits: bytes) -> bool:
    """Luhn's checksum: every second digit from the right counts twice, and the digits of all that add up to a multiple of ten."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = (digit - ord("0")) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def places(data: bytes) -> list[tuple[int, int]]:
    """Where valid numbers stand in these bytes."""
    return [found.span() for found in PATTERN.finditer(data) if is_valid(found[1])]


class EmployeeNumber:
    def object(self, view: View) -> Iterable[Mask]:
        return [Mask(path) for path, text in texts(view.value) if places(text.encode("utf-8", "surrogatepass"))]

    def frames(self, stream: Stream) -> Tripwire:
        return Looks()


class Looks:
    """Looks for numbers in the bytes of one channel: in whole lines or frames, as programs write them."""

    def feed(self, data: bytes) -> Iterable[Mask]:
        return [Mask(start, end) for start, end in places(data)]
