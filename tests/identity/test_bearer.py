"""The token of a request is read from its own place, and refused in any other."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.errors import Refusal
from l7gw.identity.bearer import BEARER_PROTOCOL, DECODED, bearer_of, check_alone, readings
from l7gw.wire.events import Headers, Request

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4iLCJhdWQiOiJsN2d3In0.c2lnbmF0dXJlIG9mIHRoZSB0b2tlbg"
PROTOCOL = BEARER_PROTOCOL + base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
OWN = ("authorization", f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ((), None),
        ((("sec-websocket-protocol", "v5.channel.k8s.io"),), None),
        ((OWN,), TOKEN),
        ((("authorization", f"bearer  {TOKEN}"),), TOKEN),
        ((("sec-websocket-protocol", f"v5.channel.k8s.io, {PROTOCOL}"),), TOKEN),
    ],
)
def test_the_token_is_that_of_authorization_or_of_the_subprotocol(headers: Headers, token: str | None) -> None:
    assert bearer_of(Request("GET", "/api", headers)) == token


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ((("authorization", "Basic YTpi"),), "only Bearer"),
        ((("authorization", "Bearer"),), "only Bearer"),
        ((("authorization", "Bearer a b"),), "only Bearer"),
        ((OWN, OWN), "two credentials"),
        ((OWN, ("sec-websocket-protocol", PROTOCOL)), "two credentials"),
        ((("sec-websocket-protocol", f"{PROTOCOL}, {PROTOCOL}"),), "two credentials"),
        ((("sec-websocket-protocol", f"{BEARER_PROTOCOL}!"),), "malformed"),
        ((("sec-websocket-protocol", f"{BEARER_PROTOCOL}gICA"),), "malformed"),  # bytes that are no ASCII
    ],
)
def test_a_credential_that_is_no_single_bearer_token_is_a_401(headers: Headers, words: str) -> None:
    with pytest.raises(Refusal) as refused:
        bearer_of(Request("GET", "/api", headers))
    assert refused.value.code == 401 and words in refused.value.message


def test_a_token_in_its_own_header_is_the_only_thing_replaced() -> None:
    check_alone(Request("GET", "/api/v1/pods?labelSelector=a%3Db", (OWN, ("user-agent", "k" * 500))), TOKEN)
    check_alone(Request("GET", "/api", (("sec-websocket-protocol", f"v5.channel.k8s.io, {PROTOCOL}"),)), TOKEN)


@given(st.text("ab%2541", max_size=20))
def test_each_reading_of_a_text_says_where_its_characters_begin(text: str) -> None:
    found = list(readings(text))
    assert found[0][0] == text and len(found) <= DECODED + 1
    for reading, starts in found:
        assert len(starts) == len(reading) + 1 and starts[-1] == len(text)
        assert list(starts) == sorted(set(starts))
