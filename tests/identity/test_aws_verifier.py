"""Tokens of EKS in the chain: for the entry `aws` alone, for one cluster, known by their digest."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from l7gw.clock import Clock
from l7gw.config.settings import IdentityEntry
from l7gw.errors import Refusal
from l7gw.identity.aws_sts import StsRefused, StsUnavailable
from l7gw.identity.chain import IdentityChain
from l7gw.identity.pending import Pending
from l7gw.identity.principal import Principal
from l7gw.identity.remembered import digest
from tests.support.manual_clock import ManualClock
from tests.support.scripted_sts import ACCOUNT, ScriptedSts, entry, made
from tests.support.token_issuer import Issuer
from tests.support.token_issuer import entry as issuer_entry

CLUSTERS = {"prod": "eks-prod", "dev": "eks-dev", "bare": ""}
HERE = "192.0.2.1"


def chain(
    sts: ScriptedSts, clock: Clock, *entries: IdentityEntry, former: IdentityChain | None = None, **changed: Any
) -> IdentityChain:
    return IdentityChain(entries or [entry(**changed)], clock, sts=sts, cluster_ids=CLUSTERS, former=former)


async def ask(one: IdentityChain, token: str, cluster: str = "prod", address: str = HERE) -> Principal | Refusal:
    try:
        who = one.of(token, None, address, cluster)
    except Refusal as refusal:
        return refusal
    if isinstance(who, Principal):
        return who
    answer: asyncio.Future[Principal | Refusal] = asyncio.get_running_loop().create_future()
    who.then(answer.set_result)
    return await answer


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def ran() -> None:
        asyncio.run(test())

    ran.__name__, ran.__doc__ = test.__name__, test.__doc__
    return ran


def words(said: Principal | Refusal, code: int = 401) -> str:
    assert isinstance(said, Refusal) and said.code == code, said
    return said.message


@run
async def test_a_token_proves_a_person_for_its_cluster_and_sts_is_asked_once_for_each() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    one, token = chain(sts, clock), made(clock.wall())
    for _ in range(3):
        who = await ask(one, token)
        assert who == Principal("ann@example.com", ("Engineers",), "human", "aws", address=HERE, expires=clock.wall() + 900)
    assert (await ask(one, token, address="192.0.2.2")).address == "192.0.2.2"  # type: ignore[union-attr]
    await ask(one, token, "dev")
    assert sts.asked == [("sts.eu-west-1.amazonaws.com", "eks-prod"), ("sts.eu-west-1.amazonaws.com", "eks-dev")]


@run
async def test_a_token_ends_fifteen_minutes_after_its_date() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    one, token = chain(sts, clock), made(clock.wall() - 600)
    assert isinstance(await ask(one, token), Principal)
    clock.advance(299)
    assert isinstance(await ask(one, token), Principal)
    clock.advance(2)
    assert "older than 15 minutes" in words(await ask(one, token))
    assert len(sts.asked) == 1


@run
async def test_a_cluster_without_an_id_takes_no_token_of_eks_and_says_so() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    one = chain(sts, clock)
    assert "bare takes no tokens of EKS" in words(await ask(one, made(clock.wall()), "bare"))
    assert not sts.asked


@run
async def test_a_token_of_eks_goes_to_no_issuer_and_without_the_entry_nowhere() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    issuer = Issuer(clock)
    one = IdentityChain([issuer_entry()], clock, issuer.fetch, cluster_ids=CLUSTERS)
    assert "no entry `aws`" in words(await ask(one, made(clock.wall())))
    both = IdentityChain([issuer_entry(prefix="o:"), entry()], clock, issuer.fetch, sts=sts, cluster_ids=CLUSTERS)
    assert isinstance(await ask(both, made(clock.wall())), Principal)
    assert issuer.fetches == 0


@run
async def test_the_hint_for_who_sends_nothing_names_eks() -> None:
    with pytest.raises(Refusal, match="aws eks update-kubeconfig"):
        chain(ScriptedSts(), ManualClock()).of(None, None, HERE, "prod")


@run
async def test_another_account_is_refused_by_name_and_never_becomes_somebody() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    sts.arn = "arn:aws:iam::999999999999:user/mallory"
    one = chain(sts, clock)
    assert "999999999999" in words(await ask(one, made(clock.wall())))
    assert "999999999999" in words(await ask(one, made(clock.wall()))) and len(sts.asked) == 1


@run
async def test_sts_refusing_is_a_401_and_sts_away_a_503() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    one = chain(sts, clock)
    sts.error = StsRefused("ExpiredToken")
    assert "STS refuses the AWS token" in words(await ask(one, made(clock.wall(), 1)))
    sts.error = StsUnavailable("away")
    assert "cannot ask STS" in words(await ask(one, made(clock.wall(), 2)), 503)


@run
async def test_junk_that_is_no_token_asks_sts_nothing() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    one = chain(sts, clock)
    for junk in ("k8s-aws-v1.", "k8s-aws-v1.AAAA", made(clock.wall(), host="evil.com"), made(clock.wall()) + "A" * 5000, made(0.0)):
        words(await ask(one, junk))
    assert not sts.asked


@run
async def test_the_token_itself_is_kept_nowhere_and_its_digest_is_told_to_the_desk() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    one = chain(sts, clock)
    known = digest(made(clock.wall(), 7))
    who = await ask(one, made(clock.wall(), 7))
    assert isinstance(who, Principal)
    assert one.credentials_of(who) == [known]
    gc.collect()
    texts = (text for held in gc.get_objects() for text in gc.get_referents(held) if isinstance(text, str))
    assert not [text for text in texts if text.startswith("k8s-aws-v1.aHR0") and digest(text) == known]


@run
async def test_the_api_takes_a_token_that_a_call_to_a_cluster_has_proven() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    one, token = chain(sts, clock), made(clock.wall())
    assert "run a kubectl command first" in words(await ask(one, token, ""))
    assert not sts.asked
    sts.error = StsRefused("SignatureDoesNotMatch")
    words(await ask(one, token, "prod"))
    sts.error = None
    await ask(one, token, "dev")
    assert (await ask(one, token, "")).user == "ann@example.com"  # type: ignore[union-attr]
    clock.advance(901)
    assert "run a kubectl command first" in words(await ask(one, token, ""))


@run
async def test_a_reload_asks_nobody_anew_and_maps_by_the_new_lines() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    former, token = chain(sts, clock), made(clock.wall())
    await ask(former, token)
    assert (await ask(chain(sts, clock, former=former, prefix="aws:"), token)).user == "aws:ann@example.com"  # type: ignore[union-attr]
    assert "not listed" in words(await ask(chain(sts, clock, former=former, accounts=("999999999999",)), token))
    assert len(sts.asked) == 1
    elsewhere = chain(sts, clock, former=former, regions=("us-west-2",))
    assert "another host" in words(await ask(elsewhere, token))
    other = chain(sts, clock, former=former, endpoint_url="https://sts.internal.example")
    await ask(other, token)
    assert len(sts.asked) == 2, "another STS was asked before, so this one is asked itself"


@run
async def test_endpoint_urls_own_host_counts_beside_those_of_sts() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    one = chain(sts, clock, endpoint_url="https://sts.internal.example:443")
    assert isinstance(await ask(one, made(clock.wall(), host="sts.internal.example")), Principal)
    assert "another host" in words(await ask(one, made(clock.wall(), host="sts.internal.example:8443")))


@run
async def test_a_name_with_another_entrys_prefix_is_refused() -> None:
    """threats F13: a session named `corp:ann` cannot be, so a permission set takes its place here."""
    clock, sts = ManualClock(), ScriptedSts()
    issuer = Issuer(clock)
    one = IdentityChain([entry(), issuer_entry(prefix="ann@")], clock, issuer.fetch, sts=sts, cluster_ids=CLUSTERS)
    assert "another identity entry's prefix" in words(await ask(one, made(clock.wall())))


@run
async def test_a_stream_does_not_end_with_a_token_that_lives_fifteen_minutes() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    one = chain(sts, clock)
    who = await ask(one, made(clock.wall()))
    assert isinstance(who, Principal) and not one.ends_with_credential(who)


@run
async def test_a_token_that_waits_beside_a_certificate_is_pending() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    sts.hold()
    assert isinstance(chain(sts, clock).of(made(clock.wall()), None, HERE, "prod"), Pending)
    sts.go_on()


def test_an_authority_file_that_cannot_be_used_fails_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        IdentityChain([entry(certificate_authority=tmp_path / "none.crt")], ManualClock(), cluster_ids=CLUSTERS)


@run
async def test_two_tokens_at_once_are_two_people_who_never_mix() -> None:
    clock, sts = ManualClock(), ScriptedSts()
    names = [f"user{number}@example.com" for number in range(15)]
    sts.signers = {
        f"ASIA{number:016d}": f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_A_0123456789abcdef/{name}"
        for number, name in enumerate(names)
    }
    one = chain(sts, clock)
    sts.hold()
    answers = [asyncio.ensure_future(ask(one, made(clock.wall(), number))) for number in range(15)]
    await asyncio.sleep(0)
    sts.go_on()
    assert [who.user for who in await asyncio.gather(*answers) if isinstance(who, Principal)] == names
    again = [await ask(one, made(clock.wall(), number)) for number in range(15)]
    assert [who.user for who in again if isinstance(who, Principal)] == names
