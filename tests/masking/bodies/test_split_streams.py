"""A stream is masked as its whole wherever it is split, also where values of several detectors begin within each other."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.masking.detectors.long_scan import LongScan
from l7gw.masking.detectors.scanner import Scanner, Span
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.registry.registry import Registry
from tests.support.credential_samples import samples
from tests.support.masked_streams import KEY, in_parts

VALUE = b'hunter2!Xy/z+"1'
REGISTRY = Registry(KEY, lambda: 0.0)
REGISTRY.register("c", "n", VALUE)
# Of Azure's keys, which have their marks near their ends, a part is missed where a stream is parted (docs/masking.md).
SCANNER = Scanner([one for one in BUILT_IN if one.on and one.name != "azure-key"])
CREDENTIALS = [one.text for one in samples(true=True) if one.detector != "azure-key" and len(one.text) < 600]

WHOLE = st.sampled_from(CREDENTIALS)
CUT = st.builds(lambda text, at, size: text[at % len(text) :][:size], WHOLE, st.integers(0, 600), st.integers(1, 80))
KEYS = st.sampled_from([
    b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", b"-----BEGIN RSA ",
    b"PRIVATE KEY-----\n", b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n", b"-----END PRIVATE KEY-----", b"------E", b"-----", b"-",
    b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n", b"Comment: ", b"Version: x (y)\n", b"2026-01-02T03:04:05.123456Z ", b'"private_key": "',
])  # fmt: skip
NAMES = st.sampled_from([
    b"Authorization: Bearer ", b"bearer+", b"password=", b'"password": "', b"pwd=", b"--password ", b"token=", b"_auth=", b"api_key='",
    b"ACCESS_KEY='", b"aws_secret_access_key = ", b"AccountKey=", b"postgres://u:", b"Basic ", b"ghp_", b"eyJhbGciOi", b"LS0tLS1CRUdJTiB",
])  # fmt: skip
PLAIN = st.sampled_from([
    b" ", b"\n", b"\r\n", b'"', b"'", b"\\", b"\\n", b"=", b":", b"@", b".", b"/", b"x", b"a1B2" * 9, b"z" * 130, b"\xec" * 16, b"\xff", b"\x80",
    b"\x00", "é".encode(), b"\x1b[0m", b"\x1b", VALUE, VALUE[:7], b"%68%75nter2%21", b"\\u0068unter2!Xy", b"aHVudGVyMiFYeS96KyIx",
])  # fmt: skip
TEXTS = st.lists(st.one_of(KEYS, NAMES, PLAIN, CUT, WHOLE), min_size=1, max_size=12).map(b"".join)
SIZES = st.one_of(st.integers(1, 8).map(lambda size: [size]), st.lists(st.integers(1, 90), min_size=1, max_size=12))


def _parts(text: bytes, sizes: list[int]) -> list[bytes]:
    """The text in pieces of these sizes, again and again."""
    parts, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= len(text):
            return parts
        parts.append(text[at : at + size])
        at += size
    return parts


@pytest.mark.parametrize("runs", [40, pytest.param(3000, marks=pytest.mark.long)])
def test_a_stream_is_masked_as_its_whole_wherever_it_is_split(runs: int) -> None:
    @settings(max_examples=runs, deadline=None)
    @given(TEXTS, SIZES, st.booleans())
    def same(text: bytes, sizes: list[int], tty: bool) -> None:
        whole = in_parts([text], SCANNER, REGISTRY, tty=tty)
        assert whole[0] == whole[1]
        assert tty or len(whole[0]) == len(text)
        assert in_parts(_parts(text, sizes), SCANNER, REGISTRY, tty=tty) == whole

    same()


@pytest.mark.parametrize("runs", [40, pytest.param(3000, marks=pytest.mark.long)])
def test_a_long_scan_finds_what_a_scan_of_the_whole_finds(runs: int) -> None:
    @settings(max_examples=runs, deadline=None)
    @given(TEXTS, SIZES)
    def same(text: bytes, sizes: list[int]) -> None:
        scan = LongScan(SCANNER)
        found: list[Span] = [span for part in _parts(text, sizes) for span in scan.feed(part)] + scan.end()
        assert found == SCANNER.scan(text)

    same()


NESTED = (
    b"_auth=" + b"eX1.x-" * 40 + b"ACCESS_KEY='PgbhQBMzNc3g/ _",
    b"Authorization:Bearer " + b"eyA1" * 56 + b"wauthorization=token _key=/",
    b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n------EAuthorization: Bearer "
    + b"\xec" * 16
    + b"PRIVATE KEY-----\n",
)


@pytest.mark.parametrize("text", NESTED)
def test_a_name_within_a_long_value_tells_of_what_stands_behind_it_in_every_split(text: bytes) -> None:
    whole = in_parts([text], SCANNER, REGISTRY, tty=False)
    assert whole[2]
    for size in range(1, 12):
        assert in_parts(_parts(text, [size]), SCANNER, REGISTRY, tty=False) == whole
