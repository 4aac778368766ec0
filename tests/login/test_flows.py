"""A login by the browser and by a device code, a renewal and an end, at an issuer that is played from memory."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import time
from typing import Any

import pytest

from l7gw.login.failure import LoginFailed
from l7gw.login.flows import Flows
from l7gw.login.https import Answer
from l7gw.login.kept import Kept
from l7gw.login.wanted import Wanted
from tests.support.login_issuer import CLIENT, Person, PlayedIssuer, wanted
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import ISSUER


@pytest.fixture
def issuer() -> PlayedIssuer:
    return PlayedIssuer(ManualClock(float(int(time.time()))))


def flows(issuer: PlayedIssuer, person: Person | None = None, asks: Wanted | None = None, **world: Any) -> Flows:
    return Flows(asks or wanted(), issuer.ask, (person or Person(issuer)).world(**world))


def logged_in(issuer: PlayedIssuer, asks: Wanted | None = None) -> Kept:
    return asyncio.run(flows(issuer, asks=asks).by_browser())


def test_a_login_by_the_browser_brings_a_proven_token_and_a_page(issuer: PlayedIssuer) -> None:
    person = Person(issuer)
    kept = asyncio.run(flows(issuer, person).by_browser())
    assert (kept.user, kept.subject, kept.nonce) == ("ann@example.com", "ann@example.com", issuer.nonce)
    assert kept.good_for(wanted(), issuer.clock.wall()) == (kept.id_token, issuer.clock.wall() + 3540)
    assert kept.refresh_token == issuer.given[-1] and not kept.access_token
    (page,) = person.pages
    assert b"You are logged in as ann@example.com. This page may be closed." in page
    assert "a browser opens; if it does not, open" in person.words[0]
    assert [path for path, _ in issuer.asked] == ["/.well-known/openid-configuration", "/token", "/keys"]


def test_a_login_comes_back_at_the_port_that_is_wanted_or_not_at_all(issuer: PlayedIssuer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LoginFailed, match=f"port {port} of 127.0.0.1 cannot be used"):
            logged_in(issuer, wanted(port=port))
    assert not issuer.counted("/token")


def test_an_access_token_is_kept_where_it_is_wanted(issuer: PlayedIssuer) -> None:
    issuer.lasting = 600
    kept = logged_in(issuer, wanted(token="access"))
    assert kept.token_for(wanted(token="access")) == (kept.access_token, issuer.clock.wall() + 600) and kept.access_token
    assert kept.id_token and kept.user == "ann@example.com"


@pytest.mark.parametrize(
    "says, words",
    [
        ({"iss": "https://evil.example.com"}, "not of this issuer"),
        ({"iss": ...}, "not of this issuer"),
        ({"code": ..., "error": "access_denied"}, "access_denied"),
        ({"code": ...}, "brings no code"),
    ],
)
def test_a_redirect_that_is_not_the_issuers_yes_ends_the_login_on_both_sides(
    issuer: PlayedIssuer, says: dict[str, Any], words: str
) -> None:
    person = Person(issuer, **says)
    with pytest.raises(LoginFailed, match=words):
        asyncio.run(flows(issuer, person).by_browser())
    assert b"The login failed" in person.pages[0] and words.encode() in person.pages[0] and not issuer.counted("/token")


@pytest.mark.parametrize(
    "claims, words",
    [
        ({"nonce": "another"}, "claim nonce"),
        ({"aud": "another"}, "another client"),
        ({"iss": "https://evil.example.com"}, "claim iss"),
        ({"exp": 1}, "expired"),
    ],
)
def test_a_token_that_is_not_of_this_login_ends_it_on_both_sides(issuer: PlayedIssuer, claims: dict[str, Any], words: str) -> None:
    issuer.claims_too = claims
    person = Person(issuer)
    with pytest.raises(LoginFailed, match=words) as failed:
        asyncio.run(flows(issuer, person).by_browser())
    assert words.encode() in person.pages[0]
    assert not any(secret in str(failed.value) for secret in (*issuer.given, "code-of-a-test"))


def test_a_login_that_nobody_answers_ends_in_time(issuer: PlayedIssuer) -> None:
    with pytest.raises(LoginFailed, match="nobody logged in"):
        asyncio.run(flows(issuer, browse=lambda url: False, login_within=0.05).by_browser())


def test_where_no_browser_opens_the_device_code_is_named(issuer: PlayedIssuer) -> None:
    person = Person(issuer)
    with pytest.raises(LoginFailed):
        asyncio.run(flows(issuer, person, browse=lambda url: False, login_within=0.01).by_browser())
    assert "to log in, open" in person.words[0] and "--device" in person.words[0]


def test_a_login_by_device_code_is_asked_for_until_somebody_has_typed_it(issuer: PlayedIssuer) -> None:
    issuer.pending = 2
    person = Person(issuer)
    kept = asyncio.run(flows(issuer, person).by_device())
    assert kept.user == "ann@example.com" and kept.nonce == ""
    assert person.waited == [5, 5, 5]
    assert person.words == [f"to log in, open\n  {ISSUER}/type-it\n  and type ABCD-EFGH"]


def test_a_device_code_that_was_answered_is_not_asked_about_again(issuer: PlayedIssuer) -> None:
    issuer.instead["/keys"] = LoginFailed("the keys are away", passing=True)
    with pytest.raises(LoginFailed, match="the keys are away"):
        asyncio.run(flows(issuer).by_device())
    assert issuer.counted("/token") == 1


def test_an_issuer_without_device_codes_says_so(issuer: PlayedIssuer) -> None:
    del issuer.metadata["device_authorization_endpoint"]
    with pytest.raises(LoginFailed, match="no login by device code"):
        asyncio.run(flows(issuer).by_device())


# ---------------------------------------------------------------------- renewing


def test_the_next_refresh_token_is_kept_before_the_rest_is_looked_at(issuer: PlayedIssuer) -> None:
    kept = logged_in(issuer)
    before = kept.id_token
    issuer.instead["/keys"] = LoginFailed("the keys are away", passing=True)
    written: list[str] = []
    with pytest.raises(LoginFailed, match="the keys are away"):
        asyncio.run(flows(issuer).renew(kept, lambda now: written.append(now.refresh_token)))
    assert written == [issuer.given[-1]] and len(issuer.given) == 2 and kept.id_token == before
    del issuer.instead["/keys"]
    asyncio.run(flows(issuer).renew(kept, lambda now: written.append(now.refresh_token)))
    assert written == issuer.given[1:]


def test_a_signal_in_the_middle_of_a_renewal_loses_no_refresh_token(issuer: PlayedIssuer) -> None:
    kept = logged_in(issuer)
    written: list[str] = []

    async def ask(url: str, form: dict[str, str] | None = None) -> Answer:
        if form:
            os.kill(os.getpid(), signal.SIGTERM)  # Ctrl-C at kubectl reaches its plugin too
        return await issuer.ask(url, form)

    former = signal.signal(signal.SIGTERM, lambda *_: written.append("ended"))
    try:
        asyncio.run(Flows(wanted(), ask, Person(issuer).world()).renew(kept, lambda now: written.append(now.refresh_token)))
    finally:
        signal.signal(signal.SIGTERM, former)
    assert written == [issuer.given[-1], "ended"]


@pytest.mark.parametrize(
    "claims, words", [({"sub": "bob@example.com"}, "names somebody else"), ({"nonce": "another"}, "claim nonce")]
)
def test_a_renewed_token_of_somebody_else_is_refused(issuer: PlayedIssuer, claims: dict[str, Any], words: str) -> None:
    kept = logged_in(issuer)
    issuer.claims_too = claims
    with pytest.raises(LoginFailed, match=words):
        asyncio.run(flows(issuer).renew(kept, lambda now: None))
    assert kept.user == "ann@example.com"


def test_a_refresh_token_that_is_taken_no_more_ends_the_login(issuer: PlayedIssuer) -> None:
    kept = logged_in(issuer)
    kept.refresh_token = "another"
    with pytest.raises(LoginFailed, match="the login has ended at the issuer") as ended:
        asyncio.run(flows(issuer).renew(kept, lambda now: None))
    assert not ended.value.passing


def test_an_issuer_that_renews_no_id_token_is_told_as_such(issuer: PlayedIssuer) -> None:
    kept = logged_in(issuer)
    issuer.renews_identity = False
    with pytest.raises(LoginFailed, match="gave no id token"):
        asyncio.run(flows(issuer).renew(kept, lambda now: None))
    of_access = logged_in(issuer, wanted(token="access"))
    asyncio.run(flows(issuer, asks=wanted(token="access")).renew(of_access, lambda now: None))
    assert of_access.user == "ann@example.com"


# ---------------------------------------------------------------------- clocks


@pytest.mark.parametrize("ahead", [-400, -30, 3, 30, 400])
def test_tokens_are_read_by_the_issuers_clock_and_used_by_ours(issuer: PlayedIssuer, ahead: int) -> None:
    here = ManualClock(issuer.clock.wall() + ahead)
    issuer.date = issuer.clock.wall()
    person = Person(issuer)
    kept = asyncio.run(flows(issuer, person, clock=here).by_browser())
    assert kept.id_ends == here.wall() + 3600 - (ahead if ahead == 3 else 0)
    told = [words for words in person.words if "clock" in words]
    assert told == (
        [
            f"this machine's clock is 400 s {'ahead of' if ahead > 0 else 'behind'} the issuer's; the gateway may see tokens as it does"
        ]
        if abs(ahead) == 400
        else []
    )


# ---------------------------------------------------------------------- ending


def test_a_logout_revokes_what_there_is(issuer: PlayedIssuer) -> None:
    kept = logged_in(issuer, wanted(token="access"))
    assert asyncio.run(flows(issuer).revoke(kept)) == ""
    assert [form for path, form in issuer.asked if path == "/revoke"] == [
        {"token": kept.refresh_token, "token_type_hint": "refresh_token", "client_id": CLIENT},
        {"token": kept.access_token, "token_type_hint": "access_token", "client_id": CLIENT},
    ]


@pytest.mark.parametrize("device, words", [(True, "log in by --device"), (False, "first: ssh -L PORT:127.0.0.1:PORT THIS-MACHINE")])
def test_without_a_browser_the_words_say_how_another_machines_is_used(issuer: PlayedIssuer, device: object, words: str) -> None:
    if not device:
        del issuer.metadata["device_authorization_endpoint"]
    person = Person(issuer)

    def nowhere(url: str) -> bool:
        person.world().browse(url)
        return False

    asyncio.run(flows(issuer, person, browse=nowhere).by_browser())
    port = re.findall(r"127\.0\.0\.1%3A([0-9]+)", person.words[0])[0]
    assert person.words[0].endswith("\n  hint: from another machine, " + words.replace("PORT", port))


def test_an_issuer_that_cannot_end_access_tokens_has_ended_the_login(issuer: PlayedIssuer) -> None:
    kept = logged_in(issuer, wanted(token="access"))

    async def ask(url: str, form: dict[str, str] | None = None) -> Answer:
        if form is not None and form.get("token_type_hint") == "access_token":
            return issuer.answer({"error": "unsupported_token_type"}, 400)
        return await issuer.ask(url, form)

    assert asyncio.run(Flows(wanted(), ask, Person(issuer).world()).revoke(kept)) == "" and issuer.counted("/revoke") == 1


def test_a_device_code_is_asked_for_with_the_scopes_that_the_issuer_has(issuer: PlayedIssuer) -> None:
    issuer.metadata["scopes_supported"] = ["openid"]
    asyncio.run(flows(issuer).by_device())
    assert [form["scope"] for path, form in issuer.asked if path == "/device"] == ["openid"]


def test_an_issuer_that_cannot_revoke_says_so(issuer: PlayedIssuer) -> None:
    kept = logged_in(issuer)
    issuer.instead["/revoke"] = issuer.answer({"error": "unsupported_token_type"}, 400)
    with pytest.raises(LoginFailed, match="unsupported_token_type"):
        asyncio.run(flows(issuer).revoke(kept))
    del issuer.metadata["revocation_endpoint"]
    assert "no way to revoke" in asyncio.run(flows(issuer).revoke(kept))


@pytest.mark.parametrize("status, passing", [(404, False), (500, True)])
def test_keys_that_are_not_there_are_told(issuer: PlayedIssuer, status: int, passing: bool) -> None:
    issuer.instead["/keys"] = Answer(status, b"{}", None)
    with pytest.raises(LoginFailed, match=f"keys are answered {status}") as failed:
        logged_in(issuer)
    assert failed.value.passing == passing
    issuer.instead["/keys"] = Answer(200, b"{}", None)
    with pytest.raises(LoginFailed, match="key set"):
        logged_in(issuer)
