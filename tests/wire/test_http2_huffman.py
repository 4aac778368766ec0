"""HPACK's Huffman code beside the library that decodes half a byte at a time."""

from __future__ import annotations

import itertools
import random

from hpack.exceptions import HPACKError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given
from hypothesis import strategies as st

from l7gw.wire import http2_huffman
from l7gw.wire.http2_huffman import MOST_STEPS, LongStrings, unpacked

ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def by_library(packed: bytes) -> str | None:
    try:
        return decode_huffman(packed).decode("latin-1")
    except HPACKError:
        return None


def ours(packed: bytes) -> str | None:
    try:
        return unpacked(packed)
    except HPACKError:
        return None


@given(
    st.one_of(
        st.binary(max_size=40),
        st.binary(max_size=40).map(ENCODER.encode),
        st.text("0123456789abcdef-").map(str.encode).map(ENCODER.encode),
    )
)
def test_any_bytes_are_decoded_as_the_library_decodes_them_or_refused_as_there(packed: bytes) -> None:
    for one in (packed, packed[:-1], packed + b"\xff", packed[1:]):
        assert ours(one) == by_library(one)


def test_every_string_of_two_bytes_and_every_pair_of_characters_is_decoded_as_by_the_library() -> None:
    for pair in itertools.product(range(256), repeat=2):
        packed = bytes(pair)
        assert ours(packed) == by_library(packed)
        assert unpacked(ENCODER.encode(packed)) == packed.decode("latin-1")


def test_steps_that_are_kept_are_bounded_and_those_that_are_not_kept_are_right() -> None:
    dice = random.Random(1)
    for size in (2, 3, 4):  # strings of any bytes reach every state
        for _ in range(20_000):
            packed = dice.randbytes(size)
            assert ours(packed) == by_library(packed)
    assert 10_000 < sum(step is not None for state in http2_huffman._states.values() for step in state[:256]) <= MOST_STEPS


def test_long_strings_are_kept_where_their_sender_is_known_and_are_the_same_text_each_time() -> None:
    strings, token = LongStrings(), "Bearer " + "a1B2_" * 100
    packed = ENCODER.encode(token.encode())
    assert strings.unpacked(packed) == token and not strings._kept
    strings.keep((("authorization", "Bearer another"),))
    strings.unpacked(packed)
    assert not strings._kept
    strings.keep((("host", "a"), ("authorization", token)))
    assert strings._kept == {packed: token} and strings.unpacked(packed) is strings._kept[packed]
    assert strings.unpacked(packed[:-1] + b"\xff") == by_library(packed[:-1] + b"\xff")


def test_long_strings_that_are_kept_and_held_are_bounded() -> None:
    strings = LongStrings(5000)
    for number in range(50):
        text = f"{number:04d}" * 50
        strings.unpacked(ENCODER.encode(text.encode()))
        assert len(strings._new) <= http2_huffman.MOST_NEW
        strings.keep((("authorization", text),))
        assert strings._size == sum(map(len, strings._kept.values())) <= 5000
    assert len(strings._kept) == 25
    strings.unpacked(ENCODER.encode(b"9" * 20_000))
    assert not strings._new
