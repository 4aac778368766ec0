"""A header is the bytes of the format page."""

from __future__ import annotations

import pytest

from l7gw.recording.layout import HEADER_SIZE, SEGMENT_NAME, Header, unpack

# docs/recording-format.md, "A sample"
SAMPLE = bytes.fromhex(
    "4c374231 01 00 0001 00000137 00000164 0000000000000002 01a212061920762aa29fac0b7c0ec13d 0000000000000001 00000006"
    "00000001 00000000 00000000 0000000000000000 0006611667d225f5"
    "3e661294e238856cc5a387ea6c5321d9cb242ecbd2a77a10310ce277565628ee"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "66d64f1f207676dba9c5c85a80f0eaff10c3ac1a0a79153bd07872ce0e41fc85 d7fd1522"
)


def test_the_format_pages_sample_is_read_as_it_says() -> None:
    header = unpack(SAMPLE)
    assert header is not None and HEADER_SIZE == 180
    assert (header.flags, header.stored, header.plain, header.sequence, header.session_sequence) == (1, 311, 356, 2, 1)
    assert (header.events, header.exchanges, header.denied, header.held, header.content) == (6, 1, 0, 0, 0)
    assert header.session.hex() == "01a212061920762aa29fac0b7c0ec13d"
    assert header.pack() == SAMPLE


@pytest.mark.parametrize("at", range(HEADER_SIZE))
def test_a_header_with_any_byte_changed_is_none(at: int) -> None:
    assert unpack(SAMPLE[:at] + bytes((SAMPLE[at] ^ 0x40,)) + SAMPLE[at + 1 :]) is None


def test_a_header_that_is_shorter_or_longer_is_none() -> None:
    assert unpack(SAMPLE[:-1]) is None and unpack(SAMPLE + b"\0") is None and unpack(b"") is None


@pytest.mark.parametrize(("at", "value"), [(0, b"L7B2"), (4, b"\2"), (5, b"\1")], ids=["magic", "version", "cipher"])
def test_another_format_is_not_guessed_at(at: int, value: bytes) -> None:
    import zlib

    head = bytearray(SAMPLE[:-4])
    head[at : at + len(value)] = value
    assert unpack(bytes(head) + zlib.crc32(head).to_bytes(4, "big")) is None


def test_the_largest_numbers_fit() -> None:
    most = Header(65535, *[2**32 - 1] * 2, 2**64 - 1, b"s" * 16, 2**64 - 1, *[2**32 - 1] * 4, *[2**64 - 1] * 2, *[b"h" * 32] * 3)
    assert unpack(most.pack()) == most


@pytest.mark.parametrize("name", ["lock", "1-x.l7j", "00000001.l7j", "00000001-x.l7j.old", "x-00000001.l7j", "../00000001-x.l7j"])
def test_other_files_are_no_segments(name: str) -> None:
    assert SEGMENT_NAME.fullmatch(name) is None
