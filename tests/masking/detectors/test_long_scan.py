"""A text that comes in pieces is found in as a whole, wherever the pieces end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.masking.detectors.long_scan import LongScan
from l7gw.masking.detectors.scanner import Scanner, Scanners, Span
from l7gw.masking.detectors.table import BUILT_IN

SCANNER = Scanners(BUILT_IN).default
PEM = b"-----BEGIN EC PRIVATE KEY-----\n" + b"MHcCAQEEIB0a" * 5 + b"MHcC\nabcd\n-----END EC PRIVATE KEY-----\n"
TEXT = b"""\
start password=hunter2 and "token": "a8f5f167f44f4964e6c998dee827110c",
  db-password: 'Tr0ub4dor&3'
postgres://app:s3cr3t@db:5432/x https://u:p%%40ss@h/ AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
Authorization: Bearer %s
%s
the end ghp_%s""" % (
    b"eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
    PEM,
    b"aB3d" * 9,
)


def in_pieces(scanner: Scanner, pieces: list[bytes]) -> list[Span]:
    scan = LongScan(scanner)
    return [span for piece in pieces for span in scan.feed(piece)] + scan.end()


def test_the_text_holds_what_this_file_needs() -> None:
    assert [span.detector for span in SCANNER.scan(TEXT)] == [
        *("password", "secret-key", "password", "connection-string", "basic-auth-url", "aws-access-key-id"),
        *("aws-secret-key", "jwt", "pem-private-key", "github-token"),
    ]


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.long)])
def test_two_pieces_find_what_the_whole_finds_wherever_they_meet(step: int) -> None:
    whole = SCANNER.scan(TEXT)
    for at in range(0, len(TEXT), step):
        assert in_pieces(SCANNER, [TEXT[:at], TEXT[at:]]) == whole, TEXT[max(0, at - 30) : at]


def test_single_bytes_find_what_the_whole_finds() -> None:
    assert in_pieces(SCANNER, [TEXT[at : at + 1] for at in range(len(TEXT))]) == SCANNER.scan(TEXT)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 60)))
def test_pieces_of_any_size_find_what_the_whole_finds(sizes: list[int]) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(TEXT[at : at + size])
        at += size
    assert in_pieces(SCANNER, [*pieces, TEXT[at:]]) == SCANNER.scan(TEXT)


def test_memory_stays_flat_where_a_value_never_ends() -> None:
    scan = LongScan(SCANNER)
    scan.feed(b"-----BEGIN RSA PRIVATE KEY-----\n")
    for _ in range(100):
        scan.feed(b"MIIEowIBAAKCAQEA" * 256 + b"\n")
    assert len(scan._kept) < 40_000
