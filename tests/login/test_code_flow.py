"""The authorization code: what the browser asks with, and which redirect answers it (RFC 6749, 7636, 8252, 9207)."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from l7gw.login.answers import Denied
from l7gw.login.code_flow import CodeRequest
from l7gw.login.failure import LoginFailed
from l7gw.login.issuer import Metadata, read
from tests.login.test_issuer import document
from tests.support.login_issuer import CLIENT, PlayedIssuer, wanted
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import ISSUER, unb64

BACK = "http://127.0.0.1:1234/callback"
ISSUES = PlayedIssuer(ManualClock(time.time()))


def metadata(**changed: Any) -> Metadata:
    return read(document(**changed), ISSUER)


def asked(request: CodeRequest) -> dict[str, str]:
    found = parse_qs(urlsplit(request.url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


def redirected(request: CodeRequest, **changed: Any) -> str:
    said = {"code": "c0de", "state": asked(request)["state"], "iss": ISSUER, **changed}
    return urlencode({name: value for name, value in said.items() if value is not ...})


def test_the_code_is_bound_to_this_login_by_a_challenge_a_state_and_a_nonce() -> None:
    one, other = CodeRequest(wanted(), metadata(), BACK), CodeRequest(wanted(), metadata(), BACK)
    said = asked(one)
    form = one.form("c0de")
    assert unb64(said.pop("code_challenge")) == hashlib.sha256(form["code_verifier"].encode()).digest()
    assert len(form["code_verifier"]) >= 43 and form["code_verifier"] not in one.url
    assert said.pop("nonce") == one.nonce
    assert said.pop("state") != asked(other)["state"] and one.nonce != other.nonce
    assert said == {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": BACK,
        "scope": "openid offline_access",
        "code_challenge_method": "S256",
        "prompt": "consent",
    }
    assert form.pop("code_verifier") != other.form("c0de")["code_verifier"]
    assert form == {"grant_type": "authorization_code", "code": "c0de", "redirect_uri": BACK, "client_id": CLIENT}


@pytest.mark.parametrize(
    "announced, scope, prompt",
    [
        (["openid", "email"], "openid", None),  # GitLab, Google, Cognito
        (["openid", "offline_access"], "openid offline_access", "consent"),
        ("nonsense", "openid offline_access", "consent"),
    ],
)
def test_a_refresh_token_is_asked_for_by_scope_unless_the_issuer_announces_others_alone(
    announced: object, scope: str, prompt: str | None
) -> None:
    said = asked(CodeRequest(wanted(), metadata(scopes_supported=announced), BACK))
    assert (said["scope"], said.get("prompt")) == (scope, prompt)


def test_an_endpoint_with_a_query_keeps_it_and_without_openid_there_is_no_nonce() -> None:
    request = CodeRequest(wanted(scopes=["api"], token="access"), metadata(authorization_endpoint=f"{ISSUER}/auth?tenant=1"), BACK)
    said = asked(request)
    assert said["tenant"] == "1" and "nonce" not in said and "prompt" not in said


def test_the_redirect_of_this_login_brings_its_code() -> None:
    request = CodeRequest(wanted(), metadata(), BACK)
    query = redirected(request)
    assert request.belongs(query) and request.code_of(query) == "c0de"


@pytest.mark.parametrize("changed", [{"state": ...}, {"state": ""}, {"state": "x" * 43}, {"state": "\u00e9"}])
def test_a_redirect_with_another_state_does_not_belong_to_this_login(changed: dict[str, Any]) -> None:
    request = CodeRequest(wanted(), metadata(), BACK)
    assert not request.belongs(redirected(request, **changed))


def test_a_redirect_with_a_field_twice_or_of_no_form_does_not_belong_either() -> None:
    request = CodeRequest(wanted(), metadata(), BACK)
    query = redirected(request)
    for bad in (f"{query}&code=other", f"state=x&{query}", f"{query}&a=%ff", query + "&a=b" * 40, ""):
        assert not request.belongs(bad)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("issuer", ["https://evil.example.com", ISSUER + "/", "", ...])
def test_an_answer_of_another_issuer_is_no_answer(announced: bool, issuer: Any) -> None:
    request = CodeRequest(wanted(), metadata(authorization_response_iss_parameter_supported=announced), BACK)
    query = redirected(request, iss=issuer)
    if issuer is ... and not announced:
        assert request.code_of(query) == "c0de"
    else:
        with pytest.raises(LoginFailed, match="not of this issuer"):
            request.code_of(query)


def test_a_refusal_is_told_in_the_issuers_words() -> None:
    request = CodeRequest(wanted(), metadata(), BACK)
    with pytest.raises(Denied, match=r"access_denied \(not you\)"):
        request.code_of(redirected(request, code=..., error="access_denied", error_description="not you"))


@pytest.mark.parametrize("code", [..., "", "x" * 4097, "a\nb", "\u00e9"])
def test_a_redirect_without_a_code_of_its_form_is_refused(code: Any) -> None:
    request = CodeRequest(wanted(), metadata(), BACK)
    with pytest.raises(LoginFailed, match="brings no code"):
        request.code_of(redirected(request, code=code))


def test_an_issuer_without_the_endpoint_or_the_challenge_is_told() -> None:
    with pytest.raises(LoginFailed, match="no authorization endpoint"):
        CodeRequest(wanted(), metadata(authorization_endpoint=...), BACK)
    with pytest.raises(LoginFailed, match="S256"):
        CodeRequest(wanted(), metadata(code_challenge_methods_supported=["plain"]), BACK)
    assert CodeRequest(wanted(), metadata(code_challenge_methods_supported=...), BACK).url
