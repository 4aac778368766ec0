"""Placeholders are found in every form in which a client may send one back, and nothing else is taken for one."""

from __future__ import annotations

import base64
import gzip
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.masking.placeholder_search import PlaceholderSearch, Room, holds, in_headers, in_target, may_hold

PLACEHOLDER = b"l7gw-masked-secret-data-0123abcd"


def encoded(offset: int) -> bytes:
    return base64.b64encode(b"x" * offset + PLACEHOLDER + b" and more")


FORMS = {
    "raw": PLACEHOLDER,
    "within a text": b"password=" + PLACEHOLDER + b";",
    "cut": PLACEHOLDER[:20],
    "escaped": "".join(f"\\u{letter:04x}" for letter in PLACEHOLDER).encode(),
    "one letter escaped": PLACEHOLDER.replace(b"m", b"\\u006D"),
    "escaped within a text": b'{\\"a\\":\\"\\\\u006c' + PLACEHOLDER[1:],
    **{f"base64 at {offset}": encoded(offset) for offset in range(4)},
    **{f"base64 in base64 at {offset}": base64.b64encode(b"x" * offset + encoded(offset)) for offset in range(4)},
    "base64 without padding": base64.b64encode(PLACEHOLDER).rstrip(b"="),
    "URL-safe base64": base64.urlsafe_b64encode(b"\xff\xfe" + PLACEHOLDER),
    "base64 in lines": base64.encodebytes(b"y" * 50 + PLACEHOLDER),
    "base64 in lines, in JSON": json.dumps(base64.encodebytes(b"y" * 50 + PLACEHOLDER).decode()).encode(),
    "gzip": gzip.compress(b"a release " + PLACEHOLDER, mtime=0),
    "gzip in base64": base64.b64encode(gzip.compress(b"a release " + PLACEHOLDER, mtime=0)),
    "gzip in base64 in base64": base64.b64encode(base64.b64encode(gzip.compress(b"a release " + PLACEHOLDER, mtime=0))),
    "gzip of two members in base64": base64.b64encode(gzip.compress(b"one", mtime=0) + gzip.compress(PLACEHOLDER)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_placeholder_is_found_in_each_form(form: str) -> None:
    assert may_hold(FORMS[form])
    assert may_hold(b'{"data": {"a": "' + FORMS[form] + b'"}}')
    assert holds(FORMS[form])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"l7gw-masked-",
        b"a placeholder looks like l7gw-masked-DETECTOR-TAG",
        b"l7gw masked secret data",
        base64.b64encode(b"l7gw-maskeX-secret-data-0123abcd"),
        base64.b64encode(gzip.compress(b"a release without one", mtime=0)),
        b"H4sIAAAAAAAA/broken",
    ],
)
def test_other_text_is_no_placeholder(text: bytes) -> None:
    assert not holds(text)


def test_the_gzip_of_a_body_is_looked_into_up_to_32_mebibytes_and_then_counts_as_holding_one() -> None:
    assert holds(gzip.compress(bytes(7 << 20) + PLACEHOLDER))
    bomb, room = gzip.compress(bytes(15 << 20)), Room()
    assert [holds(bomb, room) for _ in range(4)] == [False, False, True, True]
    assert not holds(bomb)


@pytest.mark.parametrize("form", [form for form in FORMS if "gzip" not in form])
def test_a_placeholder_in_a_stream_is_found_at_every_split(form: str) -> None:
    stream = b"before " + FORMS[form] + b" behind"
    for split in range(len(stream)):
        search = PlaceholderSearch()
        search.feed(stream[:split])
        assert search.feed(stream[split:]), split
    search = PlaceholderSearch()
    assert any(search.feed(stream[i : i + 1]) for i in range(len(stream)))


def test_a_placeholder_that_is_packed_is_missed_in_a_stream() -> None:
    """A listed miss: docs/compatibility.md."""
    assert not PlaceholderSearch().feed(FORMS["gzip"]) and holds(FORMS["gzip"])


def test_a_stream_without_a_placeholder_is_none() -> None:
    search = PlaceholderSearch()
    assert not any(search.feed(b"ls -l\r grep l7gw-masked- notes\r") for _ in range(100))


def test_the_head_of_a_request_says_where_a_placeholder_stands() -> None:
    name = PLACEHOLDER.decode()
    assert in_target(f"/api/v1/namespaces/x/pods/{name}")
    assert in_target(f"/exec?command=-p{name.replace('-', '%2D')}")
    assert in_headers([("Accept", "*/*"), ("User-Agent", f"kubectl {name}")]) == "the header User-Agent"
    assert in_headers([("Accept", "*/*")]) == "" and not in_target("/api%20x")


@given(
    st.lists(
        st.sampled_from(
            [PLACEHOLDER, PLACEHOLDER[:9], PLACEHOLDER[9:], b"l7gw", b"-masked-", b"\\u006c", b"text\n", b"x" * 300, encoded(1)]
        )
    ),
    st.data(),
)
def test_bytes_that_pass_hold_nothing_in_any_pieces_and_are_remembered_alike(words: list[bytes], data: st.DataObject) -> None:
    text = b"".join(words)
    before, cuts = (
        data.draw(st.sampled_from([b"", b"l7gw-mas", b"a" * 400])),
        data.draw(st.lists(st.integers(0, len(text)), max_size=5)),
    )
    together, apart = PlaceholderSearch(), PlaceholderSearch()
    assert not together.feed(before) and not apart.feed(before)
    if together.passes(text):
        together.take(text)
        for start, end in itertools.pairwise(sorted({0, len(text), *cuts})):
            assert not apart.feed(text[start:end])
        assert together._tail == apart._tail
