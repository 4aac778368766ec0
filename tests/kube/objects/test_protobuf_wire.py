"""A protobuf message is read as what it is, or refused."""

from __future__ import annotations

import pytest

from l7gw.kube.objects.node import Unreadable
from l7gw.kube.objects.protobuf_wire import encode, is_shortest, scan, varint, zero


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**63, 2**64 - 1])
def test_a_number_comes_back(number: int) -> None:
    data = encode(number)
    assert varint(b"x" + data + b"x", 1) == (number, 1 + len(data))


def test_fields_are_given_by_their_offsets() -> None:
    data = bytes.fromhex("0801 12020304 0803 19 0000000000000000 25 00000000")
    assert scan(data, 0, len(data)) == {
        0x08: [(0, 1, 2), (6, 7, 8)],
        0x12: [(2, 4, 6)],
        0x19: [(8, 9, 17)],
        0x25: [(17, 18, 22)],
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("12", id="a-length-is-missing"),
        pytest.param("120361", id="a-length-that-lies"),
        pytest.param("12ffffffffffffffffff01", id="a-length-of-64-bits"),
        pytest.param("0880", id="a-number-without-an-end"),
        pytest.param("08ffffffffffffffffffff01", id="a-number-of-eleven-bytes"),
        pytest.param("12" + "80" * 11 + "00", id="a-length-of-twelve-bytes"),
        pytest.param("0a0161 8a", id="a-tag-without-an-end"),
        pytest.param("0200", id="a-field-number-of-zero"),
        pytest.param("0b0c", id="a-group"),
        pytest.param("0e00", id="wire-type-six"),
        pytest.param("0f00", id="wire-type-seven"),
        pytest.param("09000000", id="a-fixed-number-that-is-cut"),
    ],
)
def test_what_is_no_message_is_unreadable(text: str) -> None:
    data = bytes.fromhex(text)
    with pytest.raises(Unreadable):
        scan(data, 0, len(data))
    with pytest.raises(Unreadable):  # the message ends where it ends, though more bytes follow
        scan(data + bytes(40), 0, len(data))


@pytest.mark.parametrize(
    ("text", "shortest"),
    [("0801", True), ("088100", False), ("088000", False), ("0a0161", True), ("0a810061", False), ("8a000161", False)],
)
def test_a_number_in_more_bytes_than_it_needs_is_told(text: str, shortest: bool) -> None:
    data = bytes.fromhex(text)
    [(tag, [span])] = scan(data, 0, len(data)).items()
    assert is_shortest(data, tag, span) is shortest


def test_zero_fills_as_many_bytes_as_a_number_had() -> None:
    for length in range(1, 11):
        assert varint(zero(length), 0) == (0, length)
