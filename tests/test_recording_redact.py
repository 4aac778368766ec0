"""No credential is ever written down, whole, cut or hashed."""

from __future__ import annotations

import base64

import pytest

from l7gw.recording.redact import REDACTED, recorded_headers, recorded_text

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
PROTOCOL = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")


@pytest.mark.parametrize("name", ["authorization", "cookie", "set-cookie", "proxy-authorization"])
@pytest.mark.parametrize("value", [f"Bearer {TOKEN}", "Basic YTpi", "", "anything"])
def test_a_header_that_carries_credentials_reads_so(name: str, value: str) -> None:
    assert recorded_headers(((name, value),), None) == ((name, REDACTED),)


@pytest.mark.parametrize("offer", ["{}, v5.channel.k8s.io", "v5.channel.k8s.io,{}", "v5.channel.k8s.io, {} ,{}", "{}"])
def test_a_token_among_subprotocols_is_taken_out_and_the_others_stay(offer: str) -> None:
    ((_, shown),) = recorded_headers((("sec-websocket-protocol", offer.format(PROTOCOL, PROTOCOL)),), TOKEN)
    assert PROTOCOL not in shown and REDACTED in shown
    assert ("v5.channel.k8s.io" in shown) is ("v5" in offer)


def test_a_token_among_subprotocols_in_other_letters_is_taken_out_too() -> None:
    ((_, shown),) = recorded_headers((("sec-websocket-protocol", PROTOCOL.replace("bearer", "BEARER")),), None)
    assert shown == REDACTED


@pytest.mark.parametrize(
    "text",
    [
        f"/api?token={TOKEN}",
        f"x{TOKEN}y{TOKEN}",
        TOKEN.replace(".", "%2E"),
        "/api?t=" + "".join(f"%{byte:02x}" for byte in TOKEN.encode()),
    ],
)
def test_the_callers_token_is_found_wherever_it_stands(text: str) -> None:
    for shown in (recorded_text(text, TOKEN), recorded_headers((("x-other", text),), TOKEN)[0][1]):
        assert TOKEN not in shown and "eyJ" not in shown and "%65%79%4a" not in shown
        assert REDACTED in shown


def test_other_text_stays_as_it_is() -> None:
    headers = (
        ("accept", "application/json"),
        ("user-agent", "kubectl/v1.33 (100%)"),
        ("sec-websocket-protocol", "v5.channel.k8s.io"),
    )
    assert recorded_headers(headers, TOKEN) == headers
    assert recorded_headers(headers, None) == headers
    assert recorded_text("/api/v1/pods?labelSelector=a%3Db", TOKEN) == "/api/v1/pods?labelSelector=a%3Db"


def test_redaction_of_what_was_redacted_changes_nothing() -> None:
    headers = (("authorization", f"Bearer {TOKEN}"), ("sec-websocket-protocol", f"{PROTOCOL}, v4"), ("x", TOKEN))
    once = recorded_headers(headers, TOKEN)
    assert recorded_headers(once, TOKEN) == once
