"""A stream is masked in the same way however it is split: the record's view of any split is that of the whole, and no registered value
stands in it. The first bytes of the input say where it is split, and whether there is a terminal."""

from __future__ import annotations

import re

from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.registry.registry import Registry
from tests.support.masked_streams import KEY, in_parts

PLACEHOLDER = re.compile(rb"l7gw-masked-[a-z0-9-]{1,32}-[0-9a-f]{8}")
VALUES = (b'hunter2!Xy/z+"1', b"S3cr3t-Value-9", b"\xc3\xa9t\xc3\xa9-2026-Sommer")
WORDS = (
    *VALUES,
    b"aHVudGVyMiFYeS96KyIx",
    b"68756e7465723221",
    b"%68%75nter2%21",
    b'\\u0068unter2!Xy\\/z+\\"1',
    b"hun\x1b[0mter2!Xy/z",
    b"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    b"password=Tr0ub4dor",
    b"-----BEGIN PRIVATE KEY-----\n",
    b"Authorization: Bearer ",
    b" \n",
)
RUNS = 300

REGISTRY = Registry(KEY, lambda: 0.0)
for _value in VALUES:
    REGISTRY.register("c", "n", _value)
SCANNER = Scanners(BUILT_IN).default


def one(data: bytes) -> None:
    """Raises where a split is masked otherwise than the whole, or where a registered value is left."""
    tty, first, size, text = bool(data[:1] and data[0] & 1), *(data[1:3].ljust(2, b"\1")), data[3:]
    whole = in_parts([text], SCANNER, REGISTRY, tty=tty)
    assert whole[0] == whole[1]
    assert tty or len(whole[1]) == len(text)
    assert not REGISTRY.scan(PLACEHOLDER.sub(b"\n", whole[1]), "c", "n")  # a tag and what stands behind it may look like base64
    step = size % 32 + 1
    parts = [text[:first], *(text[at : at + step] for at in range(first, len(text), step))]
    assert in_parts(parts, SCANNER, REGISTRY, tty=tty) == whole
