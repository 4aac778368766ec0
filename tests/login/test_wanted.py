"""Which token is wanted is read alike with and without click."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.cli.login import login
from l7gw.login.wanted import Wanted, gateway_of, read
from tests.support.login_issuer import wanted

BASE = ["--issuer", "https://idp.example.com", "--client-id", "kubectl"]


def _by_click(arguments: list[str]) -> Wanted:
    given: dict[str, Any] = login.make_context("login", list(arguments)).params
    assert given.pop("logout") is False
    return Wanted(port=given.pop("port") or 0, **given)


def _same(one: Wanted, other: Wanted) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in Wanted.__slots__)


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--scope", "openid groups"],
        ["--scope", "groups", "--scope=email profile"],
        ["--token", "access", "--scope", "api"],
        ["--token=id", "--device"],
        ["--port", "8250"],
        ["--port=08250", "--gateway", "gw:1"],
        ["--gateway", "https://GW.example.com/prod"],
        ["--certificate-authority=ca.crt", "--gateway", "gw:1", "--gateway", "gw:2"],
    ],
)
def test_options_are_read_as_click_reads_them(more: list[str]) -> None:
    found = read(BASE + more)
    assert found is not None and _same(found, _by_click(BASE + more))
    again = read(found.arguments())
    assert again is not None and _same(found, again)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        BASE[:2],
        [*BASE, "--logout"],
        [*BASE, "--token", "refresh"],
        [*BASE, "--help"],
        [*BASE, "--scope"],
        [*BASE, "--scope", "--device"],
        [*BASE, "--issuer="],
        [*BASE, "word"],
        [*BASE, "--dev"],
        [*BASE, "--port", "0"],
        [*BASE, "--port", "65536"],
        [*BASE, "--port", "any"],
        [*BASE, "--port", "9" * 5000],
        ["--", *BASE],
    ],
)
def test_what_is_of_another_form_is_left_to_click(arguments: list[str]) -> None:
    assert read(arguments) is None


@pytest.mark.parametrize(
    "server, gateway",
    [
        ("https://gw.example.com", "gw.example.com:443"),
        ("https://GW.example.com:8443/prod", "gw.example.com:8443"),
        ("gw.example.com:8443", "gw.example.com:8443"),
        ("https://[2001:DB8::1]/x", "[2001:db8::1]:443"),
        ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("", ""),
    ],
)
def test_a_gateway_is_its_host_and_port(server: str, gateway: str) -> None:
    assert gateway_of(server) == gateway


def test_an_id_token_needs_the_scope_openid_and_an_access_token_does_not() -> None:
    assert wanted().scopes == ("openid", "offline_access")
    assert wanted(scopes=["groups groups"]).scopes == ("openid", "groups")
    assert wanted(scopes=["api"], token="access").scopes == ("api",)
    wider = wanted(scopes=["openid"], port=8250).widened(("groups", "openid"))
    assert (wider.scopes, wider.port) == (("openid", "groups"), 8250)
