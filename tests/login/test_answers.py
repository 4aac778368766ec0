"""What a token endpoint answers: tokens of a form that the gateway can take, or an error that repeats no credential."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from l7gw.identity.oidc import LARGEST_TOKEN
from l7gw.login.answers import Denied, Tokens, tokens_of
from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer

SECRET = "v1.refresh/that-nobody+may=see"
GOOD = {"access_token": "a", "id_token": "i", "refresh_token": "r", "token_type": "bearer", "expires_in": 60}


def answer(status: int = 200, **changed: Any) -> Answer:
    said = {**(GOOD if status == 200 else {}), **changed}
    return Answer(status, json.dumps({name: value for name, value in said.items() if value is not ...}).encode(), None)


def test_tokens_are_read() -> None:
    assert tokens_of(answer(), [SECRET]) == Tokens("a", "i", "r", 60)
    assert tokens_of(answer(id_token=..., refresh_token=..., expires_in=...), []) == Tokens("a", "", "", None)
    assert tokens_of(answer(expires_in="3599"), []).lasts == 3599  # Entra ID's endpoints without /v2.0 say it as text


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"token_type": "DPoP"}, "another type than Bearer"),
        ({"token_type": ...}, "another type than Bearer"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": "0"}, "expires_in"),
        ({"expires_in": "-60"}, "expires_in"),
        ({"expires_in": "6e1"}, "expires_in"),
        ({"expires_in": " 60"}, "expires_in"),
        ({"expires_in": "\u0666\u0660"}, "expires_in"),
        ({"expires_in": "9" * 5000}, "expires_in"),
        ({"expires_in": ""}, "expires_in"),
        ({"expires_in": True}, "expires_in"),
        ({"expires_in": 1e12}, "expires_in"),
        ({"id_token": "a\nb"}, "id_token is no token"),
        ({"access_token": ""}, "access_token is no token"),
        ({"refresh_token": ["x"]}, "refresh_token is no token"),
        ({"refresh_token": "x" * (LARGEST_TOKEN + 1)}, "refresh_token is no token"),
    ],
)
def test_tokens_of_another_form_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(LoginFailed, match=words):
        tokens_of(answer(**changed), [])
    assert tokens_of(answer(refresh_token="x" * LARGEST_TOKEN), []).refresh


def test_an_error_is_told_in_the_issuers_words() -> None:
    with pytest.raises(Denied, match=r"the issuer says no: invalid_client \(AADSTS7000218: the client is none\)") as denied:
        tokens_of(answer(401, error="invalid_client", error_description="AADSTS7000218: the client is none"), [SECRET])
    assert denied.value.code == "invalid_client" and not denied.value.passing and "must be a public one" in str(denied.value)


@pytest.mark.parametrize(
    "echo",
    [SECRET, f"bad: {SECRET}!", quote(SECRET, safe=""), base64.urlsafe_b64encode(SECRET.encode()).decode(), SECRET.upper().lower()],
)
def test_an_error_that_repeats_what_was_sent_is_told_without_its_words(echo: str) -> None:
    for said in ({"error": "invalid_grant", "error_description": echo}, {"error": echo}):
        with pytest.raises(Denied) as denied:
            tokens_of(answer(400, **said), [SECRET])
        assert SECRET.lower() not in str(denied.value).lower() and echo not in str(denied.value)


def test_an_errors_words_are_cut_and_made_visible_and_long_words_are_left_out() -> None:
    words = "\x1b[2J\u202e eyJhbGciOiJSUzI1NiJ9.eyJhbGciOiJSUzI1NiJ9 said " + "so " * 1000
    with pytest.raises(Denied) as denied:
        tokens_of(answer(400, error="invalid_grant", error_description=words), [])
    told = str(denied.value)
    assert "\\x1b[2J\\u202e ... said so" in told and len(told) < 400 and told.isprintable()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "a", "error": "b"}', b"\xff\xfe"])
def test_what_is_no_answer_of_a_token_endpoint_is_told_by_its_status(body: bytes) -> None:
    with pytest.raises(LoginFailed, match="cannot be read"):
        tokens_of(Answer(200, body, None), [])
    with pytest.raises(LoginFailed, match="answers 502") as failed:
        tokens_of(Answer(502, body, None), [])
    assert failed.value.passing


@pytest.mark.parametrize("error", [None, 7, ["invalid_grant"], "Invalid Grant", "x" * 65])
def test_an_error_that_is_no_name_is_told_without_it(error: object) -> None:
    with pytest.raises(Denied, match="an error without a name") as denied:
        tokens_of(answer(400, error=error, error_description=7), [])
    assert denied.value.code == ""
