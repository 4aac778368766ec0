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
from l7gw.wire.http2_huffman import MOST_STEPS, unpacked

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
