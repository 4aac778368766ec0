"""Terminal sizes: what is one goes up in one spelling, however it is cut; what is none goes nowhere, and hides none behind it."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.kube.terminal_sizes import LARGEST_PIECE, LARGEST_SIZE, Sizes, whole_sizes


def size(width: int, height: int) -> bytes:
    """As Go writes it."""
    return b'{"Width":%d,"Height":%d}\n' % (width, height)


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        (size(80, 24), [(80, 24)]),
        (b'{"width":1,"HEIGHT":2}{"Width":3,"Height":4}', [(1, 2), (3, 4)]),
        (b' {"Width" : 0 , "Height" : 65535 } \n\n{"\\u0057idth":1,"Height":2,"other":null}', [(0, 65535), (1, 2)]),
        (b"", []),
        (b" \n", []),
    ],
)
def test_sizes_are_taken_in_any_letters_and_number_wherever_they_are_cut(data: bytes, sizes: list[tuple[int, int]]) -> None:
    expected = [size(*one) for one in sizes]
    assert whole_sizes(data) == (expected, b"")
    for at in range(len(data) + 1):
        one = Sizes()
        (first, odd), (second, more) = one.feed(data[:at]), one.feed(data[at:])
        assert (first + second, odd + more, one.end()) == (expected, b"", b"")


ODD = [
    b'{"Width":null,"Height":null}',  # a hidden tab's
    b'{"Width":80.5,"Height":24}',
    b'{"Width":1.0,"Height":2}',
    b'{"Width":1e2,"Height":2}',
    b'{"Width":-1,"Height":-1}',
    b'{"Width":65536,"Height":2}',
    b'{"Width":80,"Hei',
    b'{"Width":1}',
    b"{}",
    b'{"Width":"1","Height":2}',
    b'{"Width":true,"Height":2}',
    b'{"Width":99999,"width":1,"Height":2}',
    b'{"Width":1,"Width":2,"Height":2}',
    b'{"Width":1,"Height":2,"x":{}}',
    '{"Width":1,"Height":2}'.encode("utf-16-le"),
    b"x",
    b"[1,2]",
    b"null",
    b"}",
    b"{" * 5000,
    b"[" * 5000,
    b"\xff\0",
]


@pytest.mark.parametrize("odd", ODD)
def test_bytes_that_are_no_size_are_dropped_and_the_size_behind_them_counts(odd: bytes) -> None:
    """Go's decoder would end at it, and the shell be deaf to its window."""
    assert whole_sizes(odd) == ([], odd)
    one = Sizes()
    first, second = one.feed(odd), one.feed(size(80, 24))
    assert first[0] + second[0] == [size(80, 24)]
    assert first[1] + second[1] == odd and one.end() == b""


def test_a_size_is_no_longer_than_sizes_are() -> None:
    padded = size(1, 2)[:-2] + b" " * (LARGEST_SIZE - len(size(1, 2)) + 1) + b"}"
    assert len(padded) == LARGEST_SIZE and whole_sizes(padded) == ([size(1, 2)], b"")
    longer = padded[:-1] + b" }"
    assert whole_sizes(longer) == ([], longer)
    one = Sizes()
    assert one.feed(longer[:-2]) == ([], b"")  # it may yet become one
    assert one.feed(b" ") == ([], longer[:-1])


def test_a_piece_larger_than_its_bound_is_not_read() -> None:
    whole = size(1, 2) + b" " * (LARGEST_PIECE - len(size(1, 2)))
    assert whole_sizes(whole) == ([size(1, 2)], b"")
    assert whole_sizes(whole + b" ") == ([], whole + b" ")
    one = Sizes()
    assert one.feed(b"{") == ([], b"") and one.feed(whole + b" ") == ([], b"{" + whole + b" ")
    assert one.feed(size(3, 4)) == ([size(3, 4)], b"")


right = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda sides: size(*sides))
wrong = st.one_of(st.sampled_from([*ODD[:14], b"{", b"}", b" ", b"\n"]), st.binary(max_size=8))


@given(st.lists(st.one_of(right, wrong), max_size=8), st.lists(st.integers(0, 300), max_size=4))
def test_of_any_bytes_every_size_goes_up_nothing_else_does_and_no_byte_is_lost(said: list[bytes], cuts: list[int]) -> None:
    data = b"".join(said)
    one, found, odd = Sizes(), list[bytes](), b""
    for begin, end in itertools.pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        sizes, rest = one.feed(data[begin:end])
        found += sizes
        odd += rest
    odd += one.end()
    assert found == [piece for piece in said if re.fullmatch(rb'\{"Width":\d+,"Height":\d+\}\n', piece) and whole_sizes(piece)[0]]
    assert _visible(odd) + sum(_visible(each) for each in found) == _visible(data)


def _visible(data: bytes) -> int:
    return len(b"".join(data.split()))
