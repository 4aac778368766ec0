"""Which forwarded connections carry text, and which bytes stand in none."""

from __future__ import annotations

import gzip

import pytest

from l7gw.masking.bodies.forwarded import LOOKED_AT, holds_other_than_text, looks_like_text


@pytest.mark.parametrize(
    ("data", "is_text"),
    [
        (b"GET / HTTP/1.1\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * LOOKED_AT + b"\x00", True),
        (b"*1\r\n$4\r\nPING\r\n", True),
        ("EHLO bücher".encode(), True),
        ("EHLO bü".encode()[:-1], True),
        (b"\x1b[1mready\x1b[0m\n", True),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", False),
        (b"\x16\x03\x01\x02\x00\x01", False),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", False),
        (b"caf\xe9 au lait", False),
    ],
)
def test_what_a_connection_carries_is_told_by_its_first_bytes(data: bytes, is_text: bool) -> None:
    assert looks_like_text(data) is is_text


def test_what_stands_in_no_text_is_told_wherever_it_stands_and_text_may_be_parted_anywhere() -> None:
    text = "naïve\t日本\r\n\x1b[1m~".encode()
    assert not any(holds_other_than_text(text[at:]) or holds_other_than_text(text[:at]) for at in range(len(text)))
    assert holds_other_than_text(b"HTTP/1.1 200 OK\r\n\r\n" * 100 + gzip.compress(b"a body", mtime=0))
    assert holds_other_than_text(b"\x17\x03\x03\x00\x20")
