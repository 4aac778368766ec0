"""What is said of header fields in few steps is what is said of them field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from l7gw.errors import Refusal
from l7gw.gateway.answer import shown_headers
from l7gw.identity.bearer import BEARER_PROTOCOL, bearer_of
from l7gw.masking.bodies.answers import OF_THE_BYTES, Choice
from l7gw.masking.bodies.answers import shown_headers as masked_headers
from l7gw.recording.redact import CREDENTIALS, as_sent, recorded_headers, without
from l7gw.wire.events import Headers, Request
from tests.support import plain_header_readings as plain

T = TypeVar("T")

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
NAMES = [
    *sorted(CREDENTIALS | OF_THE_BYTES),
    *("content-type", "content-encoding", "sec-websocket-protocol", "x-content-type-options", "audit-id", "l7gw-session"),
    *("accept", "date", "x-own"),
]
VALUES = [
    *(
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN}",
        f"Bearer {TOKEN} x",
        f"Bearer  {TOKEN}",
        "Basic YTpi",
        TOKEN,
        f"a{TOKEN}%20",
    ),
    *(
        "text/html",
        "Text/XML; x",
        "application/json",
        "gzip",
        f"v5, {BEARER_PROTOCOL}{TOKEN}",
        f"{BEARER_PROTOCOL.upper()}YQ",
        "none",
    ),
]
ANY = st.text(st.characters(max_codepoint=255), max_size=6)  # one character a byte
values = st.one_of(st.sampled_from(VALUES), ANY, ANY.map(lambda text: f"Bearer {text}"), ANY.map(lambda text: f"Bearer a{text}b"))
headers = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=6).map(tuple)


def said(work: Callable[[], T]) -> T | tuple[int, str]:
    try:
        return work()
    except Refusal as refusal:
        return refusal.code, refusal.message


@given(headers)
def test_the_token_of_a_request(fields: Headers) -> None:
    assert said(lambda: bearer_of(Request("GET", "/", fields))) == said(lambda: plain.bearer_of(fields))


def test_the_token_ends_at_any_white_space_that_a_header_can_have() -> None:
    for code in range(256):
        for value in (f"Bearer a{chr(code)}b", f"Bearer {chr(code)}b", f"Bearer a{chr(code)}", f"Bearer {chr(code)}"):
            fields = (("authorization", value),)
            assert said(lambda: bearer_of(Request("GET", "/", fields))) == said(lambda: plain.bearer_of(fields)), value  # noqa: B023


@given(headers, st.sampled_from([as_sent, without(TOKEN), without(TOKEN[:12])]))
def test_what_is_recorded_of_headers(fields: Headers, hide: Callable[[str], str]) -> None:
    assert recorded_headers(fields, hide) == plain.recorded_headers(fields, hide)


@given(headers, st.sampled_from([101, 200, 404]), st.sampled_from(["", "dGhlIHNhbXBsZSBub25jZQ=="]), st.booleans())
def test_what_a_client_gets_of_an_answers_fields(fields: Headers, status: int, key: str, proxied: bool) -> None:
    assert shown_headers(fields, "A", "S", key, status, proxied=proxied) == plain.shown_headers(
        fields, "A", "S", key, status, proxied=proxied
    )


@given(
    headers,
    st.sampled_from(["object", "unmasked", "text"]),
    st.sampled_from(["", "gzip", "gzip-unasked"]),
    st.booleans(),
    st.lists(st.sampled_from(["a", "b"]), max_size=2),
)
def test_what_is_left_of_the_fields_of_an_answer_that_was_masked(
    fields: Headers, sort: str, packed: str, edited: bool, warnings: list[str]
) -> None:
    chosen = Choice(sort=sort, packed=packed)  # type: ignore[arg-type]
    assert masked_headers(fields, chosen, edited=edited, warnings=warnings) == plain.masked_headers(
        fields, chosen, edited=edited, warnings=warnings
    )
