"""An id token is taken as the gateway would take it, and as this login's alone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from l7gw.identity.keys import Key
from l7gw.login.failure import LoginFailed
from l7gw.login.proof import Proven, end_of_access, prove
from tests.support.login_issuer import CLIENT, PlayedIssuer, wanted
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import ISSUER, sign

CLOCK = ManualClock(time.time())
ISSUES = PlayedIssuer(CLOCK)
KEYS = [Key(jwk) for jwk in ISSUES.keys]
NOW = int(CLOCK.wall())


def token(kid: str = "rsa", **changed: Any) -> str:
    return ISSUES.token(kid, **{"aud": CLIENT, "nonce": "n", **changed})


def proven(text: str, *, first: bool = True, nonce: str | None = "n", keys: list[Key] = KEYS) -> Proven:
    return prove(text, wanted(), keys, NOW, nonce, first=first)


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
def test_a_good_token_names_a_person_and_its_end(kid: str) -> None:
    assert proven(token(kid, sub="7", email="ann@example.com")) == Proven("7", "ann@example.com", NOW + 3600)
    assert proven(token(kid, sub="7", preferred_username="an\x1bn", email=7)).user == "an\\x1bn"


def test_of_several_audiences_one_is_the_client_and_the_token_was_issued_to_it() -> None:
    assert proven(token(aud=[CLIENT, "other"], azp=CLIENT)).subject
    assert proven(token(aud=[CLIENT])).subject


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"iss": "https://evil.example.com"}, "claim iss"),
        ({"iss": 7}, "claim iss"),
        ({"aud": "other"}, "another client"),
        ({"aud": [CLIENT, "other"]}, "claim azp"),
        ({"aud": [CLIENT, "other"], "azp": "other"}, "claim azp"),
        ({"aud": 7}, "another client"),
        ({"nonce": "m"}, "claim nonce"),
        ({"nonce": ...}, "claim nonce"),
        ({"nonce": ["n"]}, "claim nonce"),
        ({"nonce": "\ud800"}, "claim nonce"),
        ({"exp": NOW - 61}, "expired"),
        ({"exp": "soon"}, "claim exp"),
        ({"iat": NOW + 61, "exp": NOW + 3600}, "not yet valid"),
        ({"nbf": NOW + 61}, "not yet valid"),
        ({"sub": ""}, "names nobody"),
        ({"sub": 7}, "names nobody"),
        ({"sub": ...}, "no claim sub"),
    ],
)
def test_a_token_of_another_kind_time_or_login_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(LoginFailed, match=words):
        proven(token(**changed))


def test_a_token_that_no_published_key_has_signed_is_refused() -> None:
    head, _, signature = token().rpartition(".")
    forged = f"{head}.{'A' * len(signature)}"
    for text, keys in (
        (forged, KEYS),
        (token(), []),
        (token(), [key for key in KEYS if key.id != "rsa"]),
        (token(), [Key({**ISSUES.keys[1], "kid": "rsa"})]),
    ):
        with pytest.raises(LoginFailed, match="none of the issuer's keys has signed it"):
            proven(text, keys=keys)


@pytest.mark.parametrize(
    "text",
    ["", "a.b", "x" * 20_000, sign({"alg": "none"}, {}), sign({"alg": "HS256"}, {}), sign({"alg": "RS256", "crit": ["b64"]}, {})],
)
def test_what_is_no_token_is_refused_without_a_byte_of_it(text: str) -> None:
    with pytest.raises(LoginFailed, match="the issuer's id token is not taken") as failed:
        proven(text)
    assert len(text) < 5 or text[:30] not in str(failed.value)


def test_a_renewed_token_need_not_have_the_nonce_and_must_have_no_other() -> None:
    assert proven(token(nonce=...), first=False).subject
    assert proven(token(), first=False).subject
    with pytest.raises(LoginFailed, match="claim nonce"):
        proven(token(nonce="m"), first=False)


def test_a_login_by_device_code_has_no_nonce() -> None:
    assert proven(token(nonce=...), nonce=None).subject


def test_an_access_token_must_be_one_that_a_gateway_can_read() -> None:
    assert end_of_access(ISSUES.token(), ISSUER) == NOW + 3600
    for text, words in (
        ("opaque", "malformed.*\n.*--token id"),
        (ISSUES.token(iss="https://x"), "claim iss"),
        (ISSUES.token(exp="x"), "claim exp"),
        (ISSUES.token(exp=1e300), "claim exp"),
    ):
        with pytest.raises(LoginFailed, match=words):
            end_of_access(text, ISSUER)
