"""SPDY header blocks: which are accepted, which are refused, and which are written."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.spdy_block import LARGEST_BLOCK, MOST_HEADERS, Blocks, block_bytes, parse_block
from tests.support.spdy_frames import Peer, plain

NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_categories=["Lu"]), min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=1, max_codepoint=255), min_size=1, max_size=40)


@given(st.lists(st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3), max_size=8), max_size=5))
def test_what_was_written_is_read_block_by_block_in_one_zlib_stream(blocks: list[dict[str, list[str]]]) -> None:
    writer, reader = Blocks(), Blocks()
    for block in blocks:
        headers = tuple((name, value) for name, values in block.items() for value in values)
        assert reader.read(writer.write(headers)) == headers


def test_the_first_block_names_the_dictionary_and_every_block_ends_on_a_flush() -> None:
    writer = Blocks()
    first, second = writer.write((("streamtype", "error"),)), writer.write((("streamtype", "stdin"),))
    assert first.startswith(bytes.fromhex("78f9e3c6a7c2"))
    assert first.endswith(bytes.fromhex("0000ffff")) and second.endswith(bytes.fromhex("0000ffff"))


@pytest.mark.parametrize("count", [MOST_HEADERS, MOST_HEADERS + 1])
def test_a_block_is_read_and_written_with_up_to_64_pairs(count: int) -> None:
    pairs = tuple((b"h%d" % number, b"v") for number in range(count))
    headers = tuple((name.decode(), value.decode()) for name, value in pairs)
    if count == MOST_HEADERS:
        assert parse_block(plain(pairs)) == headers
        assert block_bytes(headers) == plain(pairs)
    else:
        with pytest.raises(PeerError):
            parse_block(plain(pairs))
        with pytest.raises(OurError):
            block_bytes(headers)


@pytest.mark.parametrize("size", [LARGEST_BLOCK, LARGEST_BLOCK + 1])
def test_a_block_inflates_to_16_kib_and_no_byte_more(size: int) -> None:
    value = b"x" * (size - 13)
    block = plain(((b"a", value),))
    assert len(block) == size
    if size == LARGEST_BLOCK:
        assert Blocks().read(Peer().deflated(block)) == (("a", value.decode()),)
        block_bytes((("a", value.decode()),))
    else:
        with pytest.raises(PeerError) as refused:
            Blocks().read(Peer().deflated(block))
        assert refused.value.code == 11
        with pytest.raises(OurError):
            block_bytes((("a", value.decode()),))


@given(st.binary(max_size=200))
def test_any_bytes_are_pairs_or_refused(block: bytes) -> None:
    try:
        headers = parse_block(block)
    except PeerError:
        return
    assert block_bytes(headers) == block


@pytest.mark.parametrize("at", [0, 4, 9])
def test_each_count_is_held_against_the_block_before_it_is_believed(at: int) -> None:
    block = bytearray(plain(((b"a", b"b"),)))
    block[at : at + 4] = struct.pack(">I", 0xFFFFFFFF)
    with pytest.raises(PeerError):
        parse_block(bytes(block))


@pytest.mark.parametrize("end", range(14))
def test_a_block_cut_anywhere_is_refused(end: int) -> None:
    block = plain(((b"a", b"b"),))
    assert len(block) == 14
    with pytest.raises(PeerError):
        parse_block(block[:end])


@pytest.mark.parametrize(
    "headers",
    [(("", "x"),), (("A", "x"),), (("a b", "x"),), (("é", "x"),), (("a", "x\0y"),), (("a", ""), ("a", "x")), (("a", "€"),)],
    ids=str,
)
def test_a_header_that_would_be_refused_is_not_written_and_the_zlib_stream_stays_in_step(
    headers: tuple[tuple[str, str], ...],
) -> None:
    writer, reader = Blocks(), Blocks()
    with pytest.raises(OurError):
        writer.write(headers)
    assert reader.read(writer.write((("a", "b"),))) == (("a", "b"),)
