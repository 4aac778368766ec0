"""The identity entries of l7gw.yaml: issuers of tokens, authorities of certificates, and the kinds of callers."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from l7gw.config.settings import OidcIssuer, OidcLogin
from tests.support.written_configuration import Written


def test_two_issuers_can_never_name_the_same_person(written: Written) -> None:
    def of(*prefixes: str | None) -> list[str]:
        entries = [{"oidc": written.entry["oidc"]} | ({} if p is None else {"prefix": p}) for p in prefixes]
        written.top["identity"] = entries
        return written.problems()

    assert of(None, "a:") == [] and of("a:", "b:") == []
    assert len(of(None, None)) == 1 and len(of(None, "")) == 1 and len(of("a:", "a:")) == 1 and len(of(None, None, None)) == 2


@pytest.mark.parametrize(
    "audience, found",
    [
        ("l7gw", ("l7gw",)),
        (["l7gw"], ("l7gw",)),
        (["b", "a", "b"], ("b", "a")),
        ([], None),
        ("", None),
        (7, None),
        (["a", 7], None),
    ],
)
def test_audiences_are_a_text_or_a_list(written: Written, audience: Any, found: tuple[str, ...] | None) -> None:
    written.entry["oidc"]["audience"] = audience
    if found is None:
        assert len(written.problems()) == 1
    else:
        (entry,) = written.load().identity
        assert isinstance(entry, OidcIssuer) and (entry.audiences, entry.any_audience) == (found, False)


@pytest.mark.parametrize("inside, beside, found", [("any-of", None, True), (None, "any-of", True), ("exact", None, False)])
def test_audiences_may_stand_in_oidc_or_beside_it(written: Written, inside: Any, beside: Any, found: bool) -> None:
    written.entry["oidc"] |= {"audiences": inside} if inside else {}
    written.entry |= {"audiences": beside} if beside else {}
    (entry,) = written.load().identity
    assert isinstance(entry, OidcIssuer) and entry.any_audience is found


@pytest.mark.parametrize(
    "inside, beside, said",
    [
        ({"audiences": "any"}, {}, "any-of"),
        ({"audiences": "exact"}, {"audiences": "exact"}, "stands in `oidc` and beside it"),
        ({}, {"email-verified": "if-present"}, "`username: email`"),
        ({"username": "email"}, {"email-verified": "never"}, "require or if-present"),
        ({"username": "email"}, {"email-verified": False}, "one line of text"),
        ({}, {"longest-lifetime": "401d"}, "within 60s and 400d"),
        ({}, {"longest-lifetime": "59s"}, "within 60s and 400d"),
        ({}, {"longest-lifetime": 3600}, "a duration such as"),
        ({}, {"longest-lifetime": "1h30m"}, "a duration such as"),
        ({}, {"longest-lifetime": "-1h"}, "a duration such as"),
    ],
)
def test_a_setting_of_tokens_that_does_not_fit_its_entry_is_reported(
    written: Written, inside: dict[str, Any], beside: dict[str, Any], said: str
) -> None:
    written.entry["oidc"] |= inside
    written.entry |= beside
    (what,) = written.problems()
    assert said in what


@pytest.mark.parametrize("lifetime, seconds", [("400d", 400 * 86400), ("1m", 60), ("36h", 129600), ("90s", 90)])
def test_the_longest_lifetime_is_a_duration(written: Written, lifetime: str, seconds: int) -> None:
    written.entry["longest-lifetime"] = lifetime
    (entry,) = written.load().identity
    assert isinstance(entry, OidcIssuer) and entry.longest_lifetime == seconds


@pytest.mark.parametrize(
    "kind",
    ["robot", {"claim": "k"}, {"agent": ["x"]}, {"claim": "k", "agent": []}, {"claim": "k", "agent": ["x"], "human": ["x"]}, 7],
)
def test_a_kind_rule_that_decides_nothing_is_reported(written: Written, kind: Any) -> None:
    written.entry["kind"] = kind
    assert written.problems()


@pytest.mark.parametrize(
    "more",
    [
        {"require": {"a": "b"}},
        {"end-with-credential": True},
        {"longest-lifetime": "1h"},
        {"email-verified": "require"},
        {"kind": {"claim": "k", "agent": ["x"]}},
    ],
)
def test_a_certificate_has_no_claims(written: Written, more: dict[str, Any]) -> None:
    written.top["identity"] = [{"client-certificate": {"certificate-authority": "ca.crt"}} | more]
    assert len(written.problems()) == 1


def test_an_authority_that_openssl_takes_and_identity_cannot_read_is_reported(written: Written) -> None:
    """A `TRUSTED CERTIFICATE` also holds the purposes for which it is trusted (openssl-x509(1), -trustout)."""
    ca = written.folder / "ca.crt"
    trusted = ssl.PEM_cert_to_DER_cert(ca.read_text()) + bytes.fromhex("3000")
    (written.folder / "trusted.crt").write_text(ssl.DER_cert_to_PEM_cert(trusted).replace(" CERTIFICATE", " TRUSTED CERTIFICATE"))
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(written.folder / "trusted.crt")
    written.top["identity"] = [{"client-certificate": {"certificate-authority": "trusted.crt"}}]
    assert "BEGIN CERTIFICATE" in written.problems()[0]
    written.top["identity"] = [{"client-certificate": {"certificate-authority": "ca.crt"}}]
    assert written.problems() == []


@pytest.mark.parametrize("value", [7, None, [1], {"a": 1}, ""])
def test_a_required_claim_is_text_true_or_false(written: Written, value: Any) -> None:
    written.entry["require"] = {"a": value}
    assert len(written.problems()) == 1


@pytest.mark.parametrize(
    "login, username, found",
    [
        ({"client-id": "l7gw"}, "sub", OidcLogin("l7gw", ("openid", "offline_access"))),
        ({"client-id": "l7gw"}, "email", OidcLogin("l7gw", ("openid", "offline_access", "email"))),
        ({"client-id": "l7gw", "scopes": "openid"}, "sub", OidcLogin("l7gw", ("openid",))),
        ({"client-id": "desk", "scopes": ["api", "api"], "token": "access"}, "sub", OidcLogin("desk", ("api",), "access")),
        ({"client-id": "l7gw", "port": 8250}, "sub", OidcLogin("l7gw", ("openid", "offline_access"), port=8250)),
    ],
)
def test_a_login_names_the_client_its_scopes_and_the_token(
    written: Written, login: dict[str, Any], username: str, found: OidcLogin
) -> None:
    written.entry["oidc"] |= {"login": login, "username": username}
    (entry,) = written.load().identity
    assert isinstance(entry, OidcIssuer) and entry.login == found


@pytest.mark.parametrize(
    "login, said",
    [
        ({}, "client-id"),
        ({"client-id": "desk"}, "an id token's audience is its client"),
        ({"client-id": "l7gw", "scopes": ["groups"]}, "lacks openid"),
        ({"client-id": "l7gw", "scopes": ["openid groups"]}, "is no scope"),
        ({"client-id": "l7gw", "token": "refresh"}, "token"),
        ({"client-id": "l7gw", "device": True}, "device"),
        ({"client-id": "l7gw", "port": 0}, "`port`"),
        ({"client-id": "l7gw", "port": 65536}, "`port`"),
        ({"client-id": "l7gw", "port": True}, "`port`"),
        ({"client-id": "l7gw", "port": "http"}, "`port`"),
    ],
)
def test_a_login_that_brings_no_token_that_counts_is_reported(written: Written, login: dict[str, Any], said: str) -> None:
    written.entry["oidc"]["login"] = login
    (problem,) = written.problems()
    assert said in problem
