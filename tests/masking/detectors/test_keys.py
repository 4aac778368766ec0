"""A stream waits for a private key until the dashes behind its end are whole, and not longer."""

from __future__ import annotations

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
