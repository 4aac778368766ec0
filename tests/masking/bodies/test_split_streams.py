"""A stream is masked as its whole wherever it is split, also where values of several detectors begin within each other."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.masking.bodies.bodies import Budget
from l7gw.masking.bodies.streams import StreamMask, StreamRules
from l7gw.masking.bodies.text_bodies import TextBody
from l7gw.masking.bodies.texts import TextMasks
from l7gw.masking.detectors.long_scan import LongScan
from l7gw.masking.detectors.scanner import Scanner, Span
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS
from tests.support.credential_samples import Sample, samples
from tests.support.masked_streams import KEY, in_parts

VALUE = b'hunter2!Xy/z+"1'
REGISTRY = Registry(KEY, lambda: 0.0)
REGISTRY.register("c", "n", VALUE)
# Azure's keys have their marks near their ends, so that a stream waits for one from its sixteenth byte on (docs/masking.md)
SCANNER = Scanner([one for one in BUILT_IN if one.on and one.name != "azure-key"])
CREDENTIALS = [one.text for one in samples(true=True) if one.detector != "azure-key"]

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
# Longer than most detectors look for, some with a token, a name or an end within
LONG = st.builds(
    lambda run, size, within, at: (run * size)[: at % size] + within + (run * size)[at % size : size],
    st.sampled_from([b"a1B2c3D4e5F6g7", b"a1B2-c3D4_e5F6.", b"x9/+="]), st.sampled_from([250, 500, 640, 770, 900, 1100, 1600]),
    st.one_of(st.sampled_from([b"", b"-", b" ", b",", b"token=", b"bearer+"]), WHOLE), st.integers(0, 1600),
)  # fmt: skip
TEXTS = st.lists(st.one_of(KEYS, NAMES, PLAIN, CUT, WHOLE), min_size=1, max_size=12).map(b"".join)
LONG_TEXTS = st.lists(st.one_of(KEYS, NAMES, PLAIN, CUT, LONG), min_size=1, max_size=5).map(b"".join)
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


PATIENT = (pytest.mark.long, pytest.mark.timeout(400))  # they take a third of it on a slow machine


@pytest.mark.parametrize("runs", [40, pytest.param(3000, marks=PATIENT)])
def test_a_stream_is_masked_as_its_whole_wherever_it_is_split(runs: int) -> None:
    @settings(max_examples=runs, deadline=None)
    @given(st.one_of(TEXTS, LONG_TEXTS), SIZES, st.booleans())
    def same(text: bytes, sizes: list[int], tty: bool) -> None:
        whole = in_parts([text], SCANNER, REGISTRY, tty=tty)
        assert whole[0] == whole[1]
        assert tty or len(whole[0]) == len(text)
        assert in_parts(_parts(text, sizes), SCANNER, REGISTRY, tty=tty) == whole

    same()


@pytest.mark.parametrize("runs", [40, pytest.param(3000, marks=PATIENT)])
def test_a_long_scan_finds_what_a_scan_of_the_whole_finds(runs: int) -> None:
    @settings(max_examples=runs, deadline=None)
    @given(st.one_of(TEXTS, LONG_TEXTS), SIZES)
    def same(text: bytes, sizes: list[int]) -> None:
        scan = LongScan(SCANNER)
        found: list[Span] = [span for part in _parts(text, sizes) for span in scan.feed(part)] + scan.end()
        assert found == SCANNER.scan(text)

    same()


@pytest.mark.parametrize("runs", [40, pytest.param(1000, marks=PATIENT)])
def test_a_text_behind_a_proxy_is_masked_as_its_whole_wherever_it_is_split(runs: int) -> None:
    masks = TextMasks(tagger=Tagger(KEY, "c", "n"), obligations=NO_OBLIGATIONS, scanner=SCANNER, registry=REGISTRY)

    @settings(max_examples=runs, deadline=None)
    @given(st.one_of(TEXTS, LONG_TEXTS), SIZES)
    def same(text: bytes, sizes: list[int]) -> None:
        seen = []
        for parts in ([text], _parts(text, sizes)):
            body = TextBody(masks, Budget())
            pieces = [piece for part in parts for piece in body.feed(part)] + body.end()
            seen.append((b"".join(bytes(piece.shown) for piece in pieces), body.finds))
        assert seen[0] == seen[1]

    same()


RANDOM = b"M23Rwvllph6F8bY1H-pJ0XjIweOLHd704hA_"
JWT = b"eyJhbGciOiJSUzI1NiJ9.eyJ" + b"abcd" * 10 + b"." + b"Ef3_" * 150
KEY_BEHIND = b"sk-ant-api03-" + b"aB3_" * 25
TOO_LONG = (
    b"token: " + JWT + KEY_BEHIND,
    b"token: " + JWT + b"-" + KEY_BEHIND + b"\n",
    b"client_secret: " + RANDOM * 30 + b" and " + b"password=hunter2Foo\n",
    b"api_key='" + RANDOM * 24 + b", token=" + RANDOM,  # no quote behind it
    b"token=" + RANDOM * 18 + b"token=" + RANDOM * 12 + b"\n",
    b"Authorization: Bearer " + RANDOM * 500 + b"\n",
    b"x \x1b[1mtoken=" + RANDOM * 15 + b"\x1b[0m" + RANDOM * 15 + b"\n",
)


@pytest.mark.parametrize("text", TOO_LONG, ids=[text[:20].decode() for text in TOO_LONG])
@pytest.mark.parametrize("tty", [False, True])
def test_a_value_longer_than_its_detector_looks_for_is_masked_alike_in_every_split(text: bytes, tty: bool) -> None:
    whole = in_parts([text], SCANNER, REGISTRY, tty=tty)
    assert whole[2]
    for size in (1, 7, 100) if len(text) < 4000 else (500,):
        assert in_parts(_parts(text, [size]), SCANNER, REGISTRY, tty=tty) == whole


@pytest.mark.parametrize("size", [260, 400, 900])
@pytest.mark.parametrize("before", [b"", b"x ", b"token: "])
def test_of_a_value_that_comes_to_a_halt_for_seconds_the_rest_is_masked(before: bytes, size: int) -> None:
    rules = StreamRules(
        tagger=Tagger(KEY, "c", "n"), scanner=SCANNER, registry=None, obligations=NO_OBLIGATIONS, sender="", tty=False
    )
    mask = StreamMask(rules, "stdout")
    text = b"a line\n" * 60 + before + JWT + RANDOM * 10 + b" and more\n"
    at = 420 + len(before) + size
    mask.feed(text[:at], 0.0)
    mask.flush(0.03)
    mask.flush(1.5)
    parts = [mask.feed(text[at : at + 50], 1.5), mask.feed(text[at + 50 :], 1.5), mask.end()]
    assert b"".join(shown for shown, _ in parts).strip(b"*") == b" and more\n"
    assert RANDOM not in b"".join(recorded for _, recorded in parts)


@pytest.mark.parametrize(
    "sample", [one for one in samples(true=True) if one.detector == "azure-key"], ids=lambda one: one.text[:12]
)
@pytest.mark.parametrize("size", [1, 7, 15])
def test_of_an_azure_key_that_is_parted_no_more_than_its_first_bytes_are_shown(sample: Sample, size: int) -> None:
    scanner = Scanner([one for one in BUILT_IN if one.name == "azure-key"])
    shown, recorded, finds = in_parts(_parts(sample.text, [size]), scanner, REGISTRY, tty=False)
    ((start, end),) = sample.values
    assert shown == recorded and len(finds) == 1
    assert shown[:start] + shown[end:] == sample.text[:start] + sample.text[end:]
    assert sample.text[start + 15 : start + 20] not in shown


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
