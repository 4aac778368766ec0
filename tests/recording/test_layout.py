"""A header is encoded as docs/recording-format.md says."""

from __future__ import annotations

import re
import uuid
from hashlib import sha256
from pathlib import Path
from typing import get_args

import pytest

from l7gw.recording import reader
from l7gw.recording.events import Outcome, RunStarted, SessionStarted, VerdictWord, WhyEnded, WrittenEvent
from l7gw.recording.layout import HEADER_SIZE, SEGMENT_NAME, Header, unpack
from l7gw.recording.verify import NAMES

PAGE = (Path(__file__).parent.parent.parent / "docs" / "recording-format.md").read_text()
# The page's first two blocks of code: hexadecimal, with indented explanations.
BLOCK, EVENTS = (
    bytes.fromhex("".join(line for line in code.splitlines() if not line.startswith(" "))) for code in PAGE.split("```")[1:4:2]
)
SAMPLE = BLOCK[:HEADER_SIZE]


def test_the_sample_of_the_format_page_is_read_as_the_page_says() -> None:
    header = unpack(SAMPLE)
    assert header is not None and HEADER_SIZE == 180
    assert (header.flags, header.stored, header.plain, header.sequence, header.session_sequence) == (1, 194, 197, 2, 1)
    assert (header.events, header.exchanges, header.denied, header.held, header.content) == (2, 1, 0, 0, 0)
    assert header.last == 1779000000250000
    assert header.pack() == SAMPLE
    assert sha256(BLOCK[HEADER_SIZE:]).digest() == header.payload_hash and len(BLOCK) == HEADER_SIZE + header.stored
    assert reader.decompress(BLOCK[HEADER_SIZE:], header.plain) == EVENTS
    session, run = reader.decode(EVENTS, header.events)
    assert isinstance(session, SessionStarted) and (session.cluster, session.user) == ("prod", "ann@example.com")
    assert isinstance(run, RunStarted) and (run.client, run.command) == ("kubectl/v1.33.1", "kubectl get")
    assert uuid.UUID(session.id).bytes == header.session


def test_the_format_page_names_every_event() -> None:
    tags = {kind.__struct_config__.tag for kind in get_args(WrittenEvent)}
    table = PAGE.partition("| name | further elements |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.M)) == tags == NAMES


@pytest.mark.parametrize(("event", "words"), [("verdict", VerdictWord), ("end", Outcome), ("ended", WhyEnded)])
def test_the_format_page_names_every_word_that_an_event_may_hold(event: str, words: object) -> None:
    (row,) = re.findall(rf"^\| `{event}` \|(.*)$", PAGE, re.M)
    assert tuple(re.findall("`([a-z]+)`", row)) == get_args(words)


@pytest.mark.parametrize("at", range(HEADER_SIZE))
def test_a_header_with_any_byte_changed_is_none(at: int) -> None:
    assert unpack(SAMPLE[:at] + bytes((SAMPLE[at] ^ 0x40,)) + SAMPLE[at + 1 :]) is None


def test_a_header_that_is_shorter_or_longer_is_none() -> None:
    assert unpack(SAMPLE[:-1]) is None and unpack(SAMPLE + b"\0") is None and unpack(b"") is None


@pytest.mark.parametrize(("at", "value"), [(0, b"L7B2"), (4, b"\2"), (5, b"\1")], ids=["magic", "version", "cipher"])
def test_a_header_of_another_format_is_none(at: int, value: bytes) -> None:
    import zlib

    head = bytearray(SAMPLE[:-4])
    head[at : at + len(value)] = value
    assert unpack(bytes(head) + zlib.crc32(head).to_bytes(4, "big")) is None


def test_a_header_holds_the_largest_numbers() -> None:
    most = Header(65535, *[2**32 - 1] * 2, 2**64 - 1, b"s" * 16, 2**64 - 1, *[2**32 - 1] * 4, *[2**64 - 1] * 2, *[b"h" * 32] * 3)
    assert unpack(most.pack()) == most


@pytest.mark.parametrize("name", ["lock", "1-x.l7j", "00000001.l7j", "00000001-x.l7j.old", "x-00000001.l7j", "../00000001-x.l7j"])
def test_a_file_with_another_kind_of_name_is_no_segment(name: str) -> None:
    assert SEGMENT_NAME.fullmatch(name) is None
