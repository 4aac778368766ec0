"""What an issuer says of itself is read strictly: its own name, https endpoints, PKCE."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer
from l7gw.login.issuer import checked_issuer, read, where
from tests.support.login_issuer import PlayedIssuer
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import ISSUER


def document(**changed: Any) -> Answer:
    said = {**PlayedIssuer(ManualClock(time.time())).metadata, **changed}
    return Answer(200, json.dumps({name: value for name, value in said.items() if value is not ...}).encode(), None)


def test_the_endpoints_of_an_issuer_are_read() -> None:
    found = read(document(), ISSUER)
    assert (found.token, found.keys, found.authorization) == (f"{ISSUER}/token", f"{ISSUER}/keys", f"{ISSUER}/auth")
    assert (found.device, found.revocation, found.names_itself, found.proofs) == (
        f"{ISSUER}/device",
        f"{ISSUER}/revoke",
        True,
        ["S256"],
    )
    few = read(document(device_authorization_endpoint=..., revocation_endpoint=None, code_challenge_methods_supported=...), ISSUER)
    assert (few.device, few.revocation, few.proofs) == ("", "", None)
    assert where("https://idp.example.com/realm/") == "https://idp.example.com/realm/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"issuer": "https://evil.example.com"}, "another issuer's"),
        ({"issuer": ISSUER + "/"}, "another issuer's"),
        ({"issuer": ...}, "another issuer's"),
        ({"token_endpoint": ...}, "token_endpoint"),
        ({"token_endpoint": "http://idp.example.com/token"}, "token_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"authorization_endpoint": "https://idp.example.com/\x1b[2J"}, "authorization_endpoint"),
        ({"device_authorization_endpoint": 7}, "device_authorization_endpoint"),
        ({"revocation_endpoint": "https://a:b@idp.example.com/"}, "revocation_endpoint"),
    ],
)
def test_a_document_that_is_anothers_or_leads_off_https_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(LoginFailed, match=words):
        read(document(**changed), ISSUER)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"issuer": 1, "issuer": 1}', b"\xff"])
def test_a_document_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(LoginFailed, match="discovery document cannot be read"):
        read(Answer(200, body, None), ISSUER)


@pytest.mark.parametrize("status, passing", [(404, False), (503, True)])
def test_an_issuer_without_a_document_is_told_with_its_status(status: int, passing: bool) -> None:
    with pytest.raises(LoginFailed, match=str(status)) as failed:
        read(Answer(status, b"", None), ISSUER)
    assert failed.value.passing == passing


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:1", "idp.example.com", "https://", "https://x?y", "https://x#y", "https://x/" + "y" * 600]
)
def test_an_issuer_is_an_https_url(issuer: str) -> None:
    with pytest.raises(LoginFailed, match="--issuer"):
        checked_issuer(issuer)
    assert checked_issuer(ISSUER) == ISSUER
