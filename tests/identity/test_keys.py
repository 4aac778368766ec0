"""An issuer's keys are found, refreshed and kept through outages, and no stranger can make the gateway fetch too often."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from l7gw.identity import keys as keys_module
from l7gw.identity.keys import IDLE, REFRESH, RETRY, RETRY_EMPTY, STALE, Key, KeySet
from l7gw.timeouts import Timeouts
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import EC, ED, RSA, Issuer, b64, jwk, signature


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(ManualClock())


def key_set(issuer: Issuer) -> KeySet:
    return KeySet(issuer.url, issuer.clock, issuer.fetch)


async def ended(keys: KeySet) -> None:
    while keys.fetching:
        await asyncio.sleep(0)


async def fetched(issuer: Issuer) -> KeySet:
    keys = key_set(issuer)
    keys.prefetch()
    await ended(keys)
    return keys


# ---------------------------------------------------------------------- when keys are fetched


def test_many_lookups_share_one_fetch(issuer: Issuer) -> None:
    async def main() -> None:
        keys = key_set(issuer)
        assert [keys.ready() for _ in range(100)] == [False] * 100
        await ended(keys)
        assert keys.ready() and issuer.fetches == 1

    run(main())


@pytest.mark.parametrize("moved, fetches", [(REFRESH - 1, 1), (REFRESH, 2)])
def test_keys_are_refreshed_in_the_background(issuer: Issuer, moved: float, fetches: int) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        issuer.clock.advance(moved)
        assert keys.ready() and keys.ready()  # no call waits
        await ended(keys)
        assert issuer.fetches == fetches

    run(main())


def test_keys_that_nobody_looked_up_for_long_are_fetched_before_they_are_trusted(issuer: Issuer) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        issuer.clock.advance(IDLE)
        assert not keys.ready() and not keys.ready() and keys.fetching
        await ended(keys)
        assert keys.ready() and issuer.fetches == 2

    run(main())


def test_keys_that_nobody_looked_up_for_long_are_trusted_in_an_outage(issuer: Issuer) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        issuer.clock.advance(IDLE)
        issuer.down = True
        assert not keys.ready()
        await ended(keys)
        assert keys.ready() and keys.find("rsa", "RS256")
        issuer.clock.advance(RETRY)
        assert keys.ready() and keys.fetching  # a fetch runs, and no call waits for it
        await ended(keys)

    run(main())


@pytest.mark.parametrize("moved, good", [(STALE - 1, True), (STALE, False)])
def test_known_keys_outlive_their_issuer_for_a_day(issuer: Issuer, moved: float, good: bool) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        (key,) = keys.find("rsa", "RS256")
        issuer.down = True
        issuer.clock.advance(moved)
        keys.ready()
        await ended(keys)
        assert keys.ready() is good and keys.usable is good and key.withdrawn is not good
        assert bool(keys.find("rsa", "RS256")) is good
        await ended(keys)

    run(main())


def test_a_storm_of_unknown_key_ids_causes_one_fetch_in_30_seconds(issuer: Issuer) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        issuer.clock.advance(RETRY)
        for second in range(90):
            for number in range(100):
                assert keys.find(f"unknown-{second}-{number}", "RS256") == []
                keys.seek()
            await ended(keys)
            issuer.clock.advance(1)
        assert issuer.fetches == 1 + 3

    run(main())


def test_a_storm_of_unknown_key_ids_in_an_outage_causes_one_fetch_in_30_seconds(issuer: Issuer) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        asked = 0

        async def fails(url: str) -> bytes:
            nonlocal asked
            asked += 1
            raise OSError("connection refused")

        keys._fetch = fails
        issuer.clock.advance(RETRY)
        for _ in range(90):
            for _ in range(100):
                keys.seek()
            await ended(keys)
            issuer.clock.advance(1)
        assert asked == 3

    run(main())


def test_an_outage_causes_one_fetch_in_30_seconds_whatever_is_looked_up(issuer: Issuer) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        issuer.down = True
        issuer.clock.advance(REFRESH)
        started = 0
        for _ in range(90):
            for _ in range(10):
                before = keys.fetching
                assert keys.ready()
                started += keys.fetching and not before
            await ended(keys)
            issuer.clock.advance(1)
        assert started == 90 / RETRY

    run(main())


def test_the_pause_after_a_failure_begins_when_it_has_failed(issuer: Issuer) -> None:
    async def slow(url: str) -> bytes:
        issuer.clock.advance(RETRY)
        raise OSError("at last")

    async def main() -> None:
        keys = KeySet(issuer.url, issuer.clock, slow)
        keys.ready()
        await ended(keys)
        issuer.clock.advance(RETRY_EMPTY - 1)
        assert not keys.ready() and not keys.fetching
        issuer.clock.advance(1)
        assert not keys.ready() and keys.fetching
        await ended(keys)

    run(main())


def test_without_any_key_the_issuer_is_asked_once_in_5_seconds(issuer: Issuer) -> None:
    async def main() -> None:
        issuer.down = True
        keys = key_set(issuer)
        started = 0
        for _ in range(20):
            for _ in range(100):
                before = keys.fetching
                keys.ready()
                started += keys.fetching and not before
            await ended(keys)
            issuer.clock.advance(1)
        assert started == 20 / RETRY_EMPTY

    run(main())


def test_a_new_key_is_found_when_its_id_is_first_seen(issuer: Issuer) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        issuer.keys.append(jwk(ED, "new"))
        assert keys.find("new", "EdDSA") == []
        assert not keys.seek()  # the last fetch was a moment ago
        issuer.clock.advance(RETRY)
        assert keys.seek()
        await ended(keys)
        assert len(keys.find("new", "EdDSA")) == 1

    run(main())


def test_a_key_that_stays_is_the_same_key_and_one_that_goes_is_withdrawn(issuer: Issuer) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        stays, goes, changes = (keys.find(*what)[0] for what in (("ec", "ES256"), ("rsa", "RS256"), ("ed", "EdDSA")))
        version = keys.version
        issuer.keys = [jwk(EC, "ec"), jwk(ed25519.Ed25519PrivateKey.generate(), "ed")]
        issuer.clock.advance(REFRESH)
        keys.ready()
        await ended(keys)
        assert keys.find("ec", "ES256")[0] is stays and not stays.withdrawn
        assert keys.find("rsa", "RS256") == [] and goes.withdrawn
        assert keys.find("ed", "EdDSA")[0] is not changes and changes.withdrawn
        assert keys.version == version + 1

    run(main())


def test_an_issuer_that_publishes_no_key_any_more_withdraws_them_all(issuer: Issuer) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        issuer.keys = []
        issuer.clock.advance(REFRESH)
        keys.ready()
        await ended(keys)
        assert keys.ready() and keys.find("rsa", "RS256") == [] and keys.failure == ""

    run(main())


def test_a_hanging_issuer_is_given_up(issuer: Issuer) -> None:
    async def hangs(url: str) -> bytes:
        await asyncio.Event().wait()
        return b""

    async def main() -> None:
        keys = KeySet(issuer.url, issuer.clock, hangs, Timeouts(keys_fetch=0.01))
        told: list[bool] = []
        assert not keys.ready() and keys.wait(lambda: told.append(keys.fetching))
        while not told:
            await asyncio.sleep(0)
        assert told == [False] and "no answer" in keys.failure

    run(main())


@pytest.mark.parametrize("begun", [False, True])
def test_calls_that_wait_are_answered_when_the_fetch_is_stopped(issuer: Issuer, begun: bool) -> None:
    async def hangs(url: str) -> bytes:
        await asyncio.Event().wait()
        return b""

    async def main() -> None:
        keys = KeySet(issuer.url, issuer.clock, hangs)
        keys.ready()
        told: list[bool] = []
        keys.wait(lambda: told.append(True))
        assert keys._task is not None
        if begun:
            await asyncio.sleep(0)
        keys._task.cancel()
        await ended(keys)
        assert told == [True] and keys.failure

    run(main())


def test_an_outage_is_logged_once_and_its_end_once(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "l7gw.identity.keys")

    async def main() -> None:
        keys = await fetched(issuer)
        caplog.clear()
        issuer.down = True
        issuer.clock.advance(REFRESH)
        for _ in range(5):
            keys.ready()
            await ended(keys)
            issuer.clock.advance(RETRY)
        issuer.down = False
        keys.ready()
        await ended(keys)

    run(main())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "connection refused" in caplog.text and "reachable again" in caplog.text


# ---------------------------------------------------------------------- which documents and keys are accepted


@pytest.mark.parametrize(
    "discovery, said",
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b"[]", "no JSON object"),
        (b"[" * 100_000, "no JSON"),
        (
            b'{"issuer": "https://evil.example.com", "issuer": "https://idp.example.com"}',
            "the discovery document cannot be read: a member",
        ),
        ('{"issuer": "https://idp.example.com"}'.encode("utf-16"), "no UTF-8"),
        (b" " * (1024 * 1024 + 1), "more than 1048576 bytes"),
        ({"jwks_uri": "https://idp.example.com/keys"}, "another issuer"),
        ({"issuer": "https://idp.example.com/", "jwks_uri": "https://idp.example.com/keys"}, "another issuer"),
        ({"issuer": "https://evil.example.com", "jwks_uri": "https://idp.example.com/keys"}, "another issuer"),
        ({"issuer": "https://idp.example.com"}, "URL"),
        ({"issuer": "https://idp.example.com", "jwks_uri": 7}, "URL"),
        ({"issuer": "https://idp.example.com", "jwks_uri": "http://idp.example.com/keys"}, "https"),
        ({"issuer": "https://idp.example.com", "jwks_uri": "file:///etc/passwd"}, "https"),
        ({"issuer": "https://idp.example.com", "jwks_uri": "https://user:pass@idp.example.com/keys"}, "https"),
        ({"issuer": "https://idp.example.com", "jwks_uri": "https://idp.example.com\\@evil.example.com/"}, "https"),
        ({"issuer": "https://idp.example.com", "jwks_uri": "https://idp.example.com/\nkeys"}, "URL"),
        ({"issuer": "https://idp.example.com", "jwks_uri": "https://[::1/keys"}, "URL"),
        ({"issuer": "https://idp.example.com", "jwks_uri": "https://h:99999/keys"}, "URL"),
        ({"issuer": "https://idp.example.com", "jwks_uri": "https://idp.example.com/" + "k" * 2048}, "URL"),
    ],
)
def test_a_discovery_document_that_cannot_be_right_is_a_failure(issuer: Issuer, discovery: Any, said: str) -> None:
    async def fetch(url: str) -> bytes:
        if url == "https://idp.example.com/.well-known/openid-configuration":
            return discovery if isinstance(discovery, bytes) else json.dumps(discovery).encode()
        raise AssertionError(f"asked {url}")

    async def main() -> None:
        keys = KeySet(issuer.url, issuer.clock, fetch)
        keys.prefetch()
        await ended(keys)
        assert said in keys.failure and not keys.ready()

    run(main())


@pytest.mark.parametrize("issuer_url", ["http://idp.example.com", "https://idp.example.com#x"])
def test_an_issuer_that_is_not_https_is_never_asked(issuer_url: str) -> None:
    async def fetch(url: str) -> bytes:
        raise AssertionError(f"asked {url}")

    async def main() -> None:
        keys = KeySet(issuer_url, ManualClock(), fetch)
        keys.prefetch()
        await ended(keys)
        assert "not https" in keys.failure

    run(main())


def test_an_issuer_with_a_path_and_a_slash_is_asked_below_it() -> None:
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        raise OSError

    async def main() -> None:
        for url in ("https://idp.example.com/realms/a/", "https://idp.example.com/realms/a"):
            keys = KeySet(url, ManualClock(), fetch)
            keys.prefetch()
            await ended(keys)

    run(main())
    assert set(asked) == {"https://idp.example.com/realms/a/.well-known/openid-configuration"}


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": None}, {"keys": [{}] * 101}, '{"keys": [], "keys": []}'])
def test_a_key_set_of_another_form_is_a_failure_and_the_known_keys_stay(issuer: Issuer, document: Any) -> None:
    async def main() -> None:
        keys = await fetched(issuer)
        good = issuer.fetch

        async def fetch(url: str) -> bytes:
            text = document if isinstance(document, str) else json.dumps(document)
            return text.encode() if url.endswith("/keys") else await good(url)

        keys._fetch = fetch
        issuer.clock.advance(REFRESH)
        keys.ready()
        await ended(keys)
        assert keys.failure and keys.find("rsa", "RS256")

    run(main())


USELESS: dict[str, Any] = {
    "no_object": "key",
    "empty": {},
    "secret": {"kty": "oct", "k": "AA", "kid": "x"},
    "encryption": jwk(RSA, "x", use="enc"),
    "signing_only": jwk(RSA, "x", key_ops=["sign"]),
    "key_ops_of_another_type": jwk(RSA, "x", key_ops=7),
    "rs512": jwk(RSA, "x", alg="RS512"),
    "hs256": jwk(RSA, "x", alg="HS256"),
    "es256_for_rsa": jwk(RSA, "x", alg="ES256"),
    "p384": jwk(ec.generate_private_key(ec.SECP384R1()), "x"),
    "ed448": {
        "kty": "OKP",
        "crv": "Ed448",
        "kid": "x",
        "x": b64(ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw()),
    },
    "x25519": {**jwk(ED, "x"), "crv": "X25519"},
    "rsa_1024": jwk(rsa.generate_private_key(65537, 1024), "x"),
    "rsa_huge": {**jwk(RSA, "x"), "n": b64(b"\xff" * 2048)},
    "rsa_exponent_huge": {**jwk(RSA, "x"), "e": b64(b"\x01" + b"\0" * 7 + b"\x01")},
    "rsa_without_e": {k: v for k, v in jwk(RSA, "x").items() if k != "e"},
    "rsa_n_no_text": {**jwk(RSA, "x"), "n": 7},
    "rsa_n_no_base64": {**jwk(RSA, "x"), "n": "é"},
    "private_half": {**jwk(RSA, "x"), "d": "AQAB"},
    "ec_off_the_curve": {**jwk(EC, "x"), "y": jwk(EC, "x")["x"]},
    "ec_short": {**jwk(EC, "x"), "x": "AQAB"},
    "ed_short": {**jwk(ED, "x"), "x": "AQAB"},
    "kid_number": {**jwk(RSA, "x"), "kid": 7},
    "kid_129": jwk(RSA, "k" * 129),
}


@pytest.mark.parametrize("useless", USELESS.values(), ids=USELESS.keys())
def test_a_key_that_is_not_for_us_is_left_out_and_its_neighbours_stay(issuer: Issuer, useless: Any) -> None:
    async def main() -> None:
        issuer.keys = [useless, jwk(RSA, "good")]
        keys = await fetched(issuer)
        assert keys.failure == ""
        assert [key.id for key in keys._keys] == ["good"]

    run(main())


def test_a_published_private_half_is_not_even_read() -> None:
    with pytest.raises(ValueError, match="private half"):
        Key({**jwk(RSA, "x"), "d": "AQAB"})


@pytest.mark.parametrize("private, alg", [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")])
def test_a_key_verifies_what_its_private_half_signed_and_nothing_else(private: Any, alg: str) -> None:
    key = Key(jwk(private, "k" * 128, alg=alg))
    good = signature(private, b"message")
    assert key.verifies(b"message", good)
    assert not key.verifies(b"Message", good)
    for bad in (b"", good[:-1], good + b"\0", bytes(len(good)), bytes([good[0] ^ 1]) + good[1:]):
        assert not key.verifies(b"message", bad)


def test_each_of_several_keys_with_one_id_is_tried_four_at_most(issuer: Issuer) -> None:
    """As go-oidc does: an issuer may publish its old and its new key under one id."""

    async def main() -> None:
        others = [jwk(rsa.generate_private_key(65537, 2048), "x") for _ in range(keys_module.MOST_TRIED)]
        issuer.keys = [others[0], jwk(RSA, "x"), jwk(EC, "x"), *others[1:], jwk(RSA, "y")]
        keys = await fetched(issuer)
        found = keys.find("x", "RS256")
        assert [key.verifies(b"m", signature(RSA, b"m")) for key in found] == [False, True, False, False]
        assert len(keys.find("x", "ES256")) == 1  # RFC 7517 section 4.5: equal ids of different types are alternatives

    run(main())


def test_without_an_id_the_first_four_keys_of_the_algorithm_are_found(issuer: Issuer) -> None:
    async def main() -> None:
        others = [ed25519.Ed25519PrivateKey.generate() for _ in range(keys_module.MOST_TRIED)]
        nameless = {name: value for name, value in jwk(ED, "").items() if name != "kid"}
        issuer.keys = [jwk(RSA, "rsa"), nameless, *(jwk(other, str(n)) for n, other in enumerate(others))]
        keys = await fetched(issuer)
        found = keys.find(None, "EdDSA")
        assert [key.id for key in found] == ["", "0", "1", "2"] and found[0].verifies(b"m", signature(ED, b"m"))
        assert [key.id for key in keys.find(None, "RS256")] == ["rsa"] and keys.find(None, "ES256") == []

    run(main())


def test_a_key_published_twice_is_one_key_and_is_withdrawn_as_one(issuer: Issuer) -> None:
    async def main() -> None:
        issuer.keys = [jwk(ED, "x"), jwk(ED, "x"), jwk(ED, "y")]
        keys = await fetched(issuer)
        before = list(keys._keys)
        assert [key.id for key in before] == ["x", "y"]
        issuer.keys = [jwk(ED, "y"), jwk(ED, "x"), jwk(ED, "x")]  # the same keys in another order are no change
        issuer.clock.advance(REFRESH)
        keys.ready()
        await ended(keys)
        assert keys._keys == before[::-1] and keys.version == 1
        issuer.keys = []
        issuer.clock.advance(REFRESH)
        keys.ready()
        await ended(keys)
        assert all(key.withdrawn for key in before)

    run(main())
