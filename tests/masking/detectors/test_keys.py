"""A stream waits for a private key until the dashes behind its end are whole, and not longer."""

from __future__ import annotations

import pytest

from l7gw.masking.detectors.keys import KEYS
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.detectors.values import is_pem

SCANNER = Scanner(KEYS)
BLOCK = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB0aMHcCAQEEIB0aMHcCAQEEIB0a\nabcd\n-----END EC PRIVATE KEY-----"


def test_a_key_is_waited_for_from_its_first_dash_to_its_last() -> None:
    assert is_pem(BLOCK)
    for size in range(1, len(BLOCK)):
        assert SCANNER.open_from(b"x " + BLOCK[:size]) == 2, BLOCK[:size]


def test_nothing_is_waited_for_behind_a_key_and_where_no_key_follows() -> None:
    for text in (BLOCK + b"\n", BLOCK + b" and more", b"-----BEGIN CERTIFICATE-----\nMIIB", b'-----BEGIN PRIVATE KEY----- is "how'):
        assert SCANNER.open_from(text) == len(text)


HEADERS = (
    b"Version: GnuPG v2.0.22 (GNU/Linux)",
    b'Comment: "2048-bit RSA, of ann@example.com" <#1>',
    "Comment: Schlüssel für alles".encode(),
    b"Comment: \xec\xff\x80 -----END it's not",
    b"------EAuthorization: Bearer \xec\xec",
    b"Proc-Type: 4,ENCRYPTED",
    b"2026-01-02T03:04:05.123456789+01:00 MHcC",
)


@pytest.mark.parametrize("header", HEADERS)
def test_a_key_is_waited_for_whatever_stands_in_its_headers(header: bytes) -> None:
    block = BLOCK.replace(b"abcd", header + b"\n\nabcd")
    (span,) = SCANNER.scan(b"x " + block + b"\n")
    assert (span.start, span.end) == (2, 2 + len(block))
    for size in range(1, len(block)):
        assert SCANNER.open_from(b"x " + block[:size]) == 2, block[:size]
    assert SCANNER.open_from(b"x " + block + b"\n") == len(block) + 3


def test_a_key_is_waited_for_where_its_end_stands_at_once_behind_its_beginning() -> None:
    block = b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY -------- END SSH2 ENCRYPTED PRIVATE KEY ----"
    for size in range(1, len(block)):
        assert SCANNER.open_from(block[:size]) == 0, block[:size]
