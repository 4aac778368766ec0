"""npm's oidc-provider issues the tokens: discovery, algorithms, rotation, outages and silence, over real https."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from l7gw.demo.pki import Authority
from l7gw.errors import Refusal
from l7gw.identity.chain import IdentityChain
from l7gw.identity.keys import REFRESH, RETRY, STALE
from l7gw.identity.principal import Principal
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from tests.support.manual_clock import ManualClock
from tests.support.oidc_provider import OidcProvider
from tests.support.token_issuer import answer, entry

if not shutil.which("npm") and os.environ.get("L7GW_NO_SKIP") != "1":  # one line for the whole file
    pytest.skip("Node.js 20+ with npm is not on PATH", allow_module_level=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    with OidcProvider(tmp_path_factory.mktemp("idp")) as provider:
        yield provider


@pytest.fixture
def provider(running: OidcProvider) -> OidcProvider:
    running.up()
    return running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(time.time())


def chain(provider: OidcProvider, clock: ManualClock, *, timeouts: Timeouts = USUAL_TIMEOUTS, **changed: Any) -> IdentityChain:
    issuer = entry(provider.issuer, certificate_authority=provider.certificate_authority, **changed)
    return IdentityChain([issuer], clock, timeouts=timeouts)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


async def ended(chain: IdentityChain) -> None:
    """Wait for the end of the running fetch. Real bytes arrive, so this loop waits on the selector."""
    (keys,) = chain.key_sets
    if keys.fetching:
        done = asyncio.get_running_loop().create_future()
        keys.wait(lambda: done.set_result(None))
        await done


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_tokens_of_the_provider_prove_a_person(provider: OidcProvider, clock: ManualClock, algorithm: str) -> None:
    async def main() -> None:
        token = provider.token("ann@example.com", ["engineers", "sre"], algorithm=algorithm, lasting=600, act={"sub": "bot"})
        who = await answer(chain(provider, clock, username="email"), token)
        assert isinstance(who, Principal)
        assert (who.user, who.groups, who.kind, who.issuer) == (
            "ann@example.com",
            ("engineers", "sre"),
            "agent",
            provider.issuer,
        )
        assert who.actor == "bot" and abs(who.expires - clock.wall() - 600) < 5

    run(main())


@pytest.mark.parametrize(
    "given, said",
    [
        ({"audience": "elsewhere"}, "audience"),
        ({"iat": 1_000, "exp": 2_000}, "expired"),
        ({"iss": "https://evil.example.com"}, "issuer"),
        ({"groups": [7]}, "group 1 in"),
        ({"nbf": 9_999_999_999}, "not yet valid"),
        ({"lasting": 10 * 86400}, "lifetime"),
    ],
)
def test_tokens_of_the_provider_that_are_not_for_us_are_refused(
    provider: OidcProvider, clock: ManualClock, given: dict[str, Any], said: str
) -> None:
    async def main() -> None:
        who = await answer(chain(provider, clock), provider.token(**given))
        assert isinstance(who, Refusal) and who.code == 401 and said in who.message

    run(main())


@pytest.mark.parametrize("keep", [True, False])
def test_a_rotation_is_followed_and_a_withdrawn_key_ends_its_tokens(provider: OidcProvider, clock: ManualClock, keep: bool) -> None:
    async def main() -> None:
        identity = chain(provider, clock)
        before = provider.token()
        assert isinstance(await answer(identity, before), Principal)
        provider.rotate(keep=keep)
        after = provider.token()
        who = await answer(identity, after)
        assert isinstance(who, Refusal) and "key" in who.message  # no second fetch within a moment
        clock.advance(RETRY)
        assert isinstance(await answer(identity, after), Principal)
        assert isinstance(await answer(identity, before), Principal) is keep

    run(main())


def test_an_outage_is_ridden_out_and_its_end_is_noticed(provider: OidcProvider, clock: ManualClock) -> None:
    async def main() -> None:
        identity = chain(provider, clock)
        known, new = provider.token(), provider.token()
        tomorrow = int(clock.wall()) + 3600
        late = provider.token(iat=tomorrow, exp=tomorrow + 86400)
        assert isinstance(await answer(identity, known), Principal)
        provider.down()
        clock.advance(REFRESH)
        assert isinstance(await answer(identity, known), Principal)
        await ended(identity)
        assert "ConnectError" in identity.key_sets[0].failure
        assert isinstance(await answer(identity, new), Principal)  # verified with the keys that were fetched before
        clock.advance(STALE)
        who = await answer(identity, late)
        assert isinstance(who, Refusal) and who.code == 503
        provider.up()
        clock.advance(RETRY)
        fresh = provider.token(iat=int(clock.wall()), exp=int(clock.wall()) + 600)
        assert isinstance(await answer(identity, fresh), Principal)
        assert identity.key_sets[0].failure == ""

    run(main())


def test_a_provider_that_takes_requests_and_never_answers_is_an_outage(provider: OidcProvider, clock: ManualClock) -> None:
    async def main() -> None:
        token = provider.token()
        provider.hang()
        who = await answer(chain(provider, clock, timeouts=Timeouts(keys_fetch=0.3)), token)
        assert isinstance(who, Refusal) and who.code == 503

    run(main())


def test_a_provider_whose_certificate_another_authority_signed_is_not_believed(
    provider: OidcProvider, clock: ManualClock, tmp_path: Path
) -> None:
    async def main() -> None:
        other = Authority(tmp_path).certificate
        identity = IdentityChain([entry(provider.issuer, certificate_authority=other)], clock)
        who = await answer(identity, provider.token())
        assert isinstance(who, Refusal) and who.code == 503
        assert "CERTIFICATE_VERIFY_FAILED" in identity.key_sets[0].failure

    run(main())
