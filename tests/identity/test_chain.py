"""The chain: one entry decides, proven credentials are remembered while they are valid, and an outage is no bad token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from l7gw.config.settings import ClientCertificate, KindRule
from l7gw.demo.pki import Authority
from l7gw.errors import Refusal
from l7gw.identity import keys as keys_module
from l7gw.identity.chain import IdentityChain
from l7gw.identity.keys import Key
from l7gw.identity.pending import Pending
from l7gw.identity.principal import Principal
from l7gw.limits import Limits
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import ED, Issuer, answer, entry, jwk, settled, sign

OTHER = "https://other.example.com"


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(float(int(time.time())))


@pytest.fixture
def issuer(clock: ManualClock) -> Issuer:
    return Issuer(clock)


async def warm(chain: IdentityChain) -> IdentityChain:
    chain.prefetch()
    await settled(chain)
    return chain


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The signed bytes of each verification."""
    seen: list[bytes] = []
    original = Key.verifies

    def verifies(self: Key, message: bytes, signature: bytes) -> bool:
        seen.append(message)
        return original(self, message, signature)

    monkeypatch.setattr(Key, "verifies", verifies)
    return seen


def certificate_of(authority: Authority, user: str, groups: tuple[str, ...] = ()) -> tuple[bytes, ...]:
    """A certificate and its authority, as TLS gives them."""
    path, _ = authority.client(user.replace("/", "_"), user, groups)
    files = (path, authority.certificate)
    return tuple(x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER) for file in files)


# ---------------------------------------------------------------------- remembered credentials


def test_a_token_is_verified_once(clock: ManualClock, issuer: Issuer, verified: list[bytes]) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch))
        token = issuer.token()
        first = chain.of(token, None, "192.0.2.1")
        assert chain.of(token, None, "192.0.2.1") is first and len(verified) == 1

    run(main())


def test_a_remembered_token_shows_the_address_it_came_from_now(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch))
        token = issuer.token()
        for number in range(40):
            who = chain.of(token, None, f"192.0.2.{number}")
            assert isinstance(who, Principal) and who.address == f"192.0.2.{number}"

    run(main())


@pytest.mark.parametrize("moved, let_in", [(159.0, True), (160.0, False)])
def test_a_remembered_token_is_refused_once_it_has_ended(clock: ManualClock, issuer: Issuer, moved: float, let_in: bool) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch))
        token = issuer.token(exp=int(clock.wall()) + 100)
        assert isinstance(await answer(chain, token), Principal)
        clock.advance(moved)
        assert isinstance(await answer(chain, token), Principal) is let_in

    run(main())


def test_a_remembered_token_is_refused_once_its_key_is_withdrawn(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch))
        gone, stays = issuer.token("rsa"), issuer.token("ec")
        assert isinstance(await answer(chain, gone), Principal) and isinstance(await answer(chain, stays), Principal)
        issuer.keys = [key for key in issuer.keys if key["kid"] != "rsa"]
        clock.advance(keys_module.REFRESH + 1)
        await answer(chain, stays)  # this look-up starts the refresh
        await settled(chain)
        who = await answer(chain, gone)
        assert isinstance(who, Refusal) and "key" in who.message
        assert isinstance(await answer(chain, stays), Principal)

    run(main())


def test_memory_of_tokens_is_bounded(clock: ManualClock, issuer: Issuer, verified: list[bytes]) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch, limits=Limits(proven_credentials=3)))
        tokens = [issuer.token("ec", jti=str(number)) for number in range(5)]
        for token in tokens:
            chain.of(token, None, "")
        assert len(chain._proven._kept) == 3
        chain.of(tokens[4], None, "")
        assert len(verified) == 5  # the newest are kept
        chain.of(tokens[0], None, "")
        assert len(verified) == 6 and len(chain._proven._kept) == 3

    run(main())


def test_memory_of_tokens_is_bounded_by_their_bytes_too(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch, limits=Limits(proven_size=20_000)))
        for number in range(40):
            chain.of(issuer.token("ec", jti=str(number), pad="x" * 2000 * (number % 3)), None, "")
            assert chain._proven._size == sum(map(len, chain._proven._kept)) <= 20_000 + 6_000
        assert 3 <= len(chain._proven._kept) < 40

    run(main())


def test_tokens_that_ended_make_room_first(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch, limits=Limits(proven_credentials=2)))
        lasting = issuer.token("ec")
        short = issuer.token("ec", exp=int(clock.wall()) + 1)
        chain.of(lasting, None, "")
        chain.of(short, None, "")
        clock.advance(100)
        chain.of(issuer.token("ec"), None, "")
        assert lasting in chain._proven._kept and short not in chain._proven._kept

    run(main())


def test_the_same_junk_is_verified_once_and_memory_of_it_is_bounded(
    clock: ManualClock, issuer: Issuer, verified: list[bytes]
) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch, limits=Limits(junk_tokens=2)))
        junk = [sign({"alg": "RS256", "kid": "rsa"}, issuer.claims(jti=str(n)), ED) for n in range(4)]
        for _ in range(3):
            assert isinstance(await answer(chain, junk[0]), Refusal)
        assert len(verified) == 1
        for token in junk:
            await answer(chain, token)
        assert len(chain._issuers[issuer.url].junk) == 2

    run(main())


def test_a_token_with_a_wrong_signature_is_verified_again_once_the_keys_have_changed(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch))
        token = sign({"alg": "EdDSA", "kid": "ed2"}, issuer.claims(), ED)
        issuer.keys.append({**jwk(ED, "ed2"), "x": jwk(Ed25519PrivateKey.generate(), "ed2")["x"]})
        clock.advance(keys_module.RETRY)
        assert isinstance(await answer(chain, token), Refusal)  # that id names another key now
        issuer.keys[-1] = jwk(ED, "ed2")
        clock.advance(keys_module.REFRESH)
        await answer(chain, issuer.token())
        await settled(chain)
        assert isinstance(await answer(chain, token), Principal)

    run(main())


def test_junk_that_names_no_key_costs_four_verifications_once_and_a_fetch_in_30_seconds(
    clock: ManualClock, issuer: Issuer, verified: list[bytes]
) -> None:
    issuer.keys += [jwk(Ed25519PrivateKey.generate(), f"other-{number}") for number in range(9)]

    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch))
        junk = sign({"alg": "EdDSA"}, issuer.claims(), Ed25519PrivateKey.generate())
        for _ in range(60):
            who = await answer(chain, junk)
            assert isinstance(who, Refusal) and "signature does not fit" in who.message
            clock.advance(1)
        assert len(verified) == keys_module.MOST_TRIED and issuer.fetches == 1 + 60 // keys_module.RETRY - 1

    run(main())


def test_a_new_key_under_an_old_ones_id_comes_to_light(clock: ManualClock, issuer: Issuer) -> None:
    """As go-oidc does: some issuers have one id for ever."""

    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch))
        clock.advance(keys_module.RETRY)
        new = Ed25519PrivateKey.generate()
        issuer.keys = [jwk(new, "ed")]
        assert isinstance(await answer(chain, sign({"alg": "EdDSA", "kid": "ed"}, issuer.claims(), new)), Principal)
        assert isinstance(await answer(chain, sign({"alg": "EdDSA", "kid": "ed"}, issuer.claims(), ED)), Refusal)

    run(main())


def test_a_token_that_names_no_key_starts_a_fetch_that_finds_a_rotated_key(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch))
        after = Ed25519PrivateKey.generate()
        token = sign({"alg": "EdDSA"}, issuer.claims(), after)
        issuer.keys = [jwk(after, "ed2")]
        who = await answer(chain, token)
        assert isinstance(who, Refusal) and who.code == 401  # the keys were fetched a moment ago
        clock.advance(keys_module.RETRY)
        assert isinstance(await answer(chain, token), Principal)

    run(main())


# ---------------------------------------------------------------------- waiting for keys


def test_calls_that_wait_for_keys_share_one_fetch_and_are_answered_once(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = IdentityChain([entry()], clock, issuer.fetch)
        heard: list[Principal | Refusal] = []
        for token in (issuer.token(), issuer.token("ec"), sign({"alg": "RS256", "kid": "rsa"}, issuer.claims(), ED)):
            pending = chain.of(token, None, "192.0.2.1")
            assert isinstance(pending, Pending)
            pending.then(heard.append)
        assert heard == []
        await settled(chain)
        assert [type(who) for who in heard] == [Principal, Principal, Refusal]
        assert issuer.fetches == 1

    run(main())


def test_an_error_in_one_waiting_call_leaves_the_others_answered(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = IdentityChain([entry()], clock, issuer.fetch)
        heard: list[Principal | Refusal] = []

        def fails(_: object) -> None:
            raise RuntimeError("this call's own fault")

        for callback in (fails, heard.append):
            pending = chain.of(issuer.token(), None, "")
            assert isinstance(pending, Pending)
            pending.then(callback)
        await settled(chain)
        assert len(heard) == 1

    run(main())


def test_an_answer_that_came_before_then_is_not_lost(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = IdentityChain([entry()], clock, issuer.fetch)
        pending = chain.of(issuer.token(), None, "")
        await settled(chain)
        heard: list[Principal | Refusal] = []
        assert isinstance(pending, Pending)
        pending.then(heard.append)
        assert len(heard) == 1

    run(main())


def test_no_more_than_the_bound_wait_for_one_fetch(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        chain = IdentityChain([entry()], clock, issuer.fetch, limits=Limits(calls_waiting_for_keys=2))
        assert isinstance(chain.of(issuer.token(), None, ""), Pending)
        assert isinstance(chain.of(issuer.token(), None, ""), Pending)
        with pytest.raises(Refusal) as refused:
            chain.of(issuer.token(), None, "")
        assert refused.value.code == 503
        await settled(chain)

    run(main())


def test_an_issuer_that_was_never_reachable_is_503_and_not_the_callers_fault(clock: ManualClock, issuer: Issuer) -> None:
    issuer.down = True

    async def main() -> None:
        chain = IdentityChain([entry()], clock, issuer.fetch)
        who = await answer(chain, issuer.token())
        assert isinstance(who, Refusal) and (who.code, who.reason) == (503, "ServiceUnavailable")
        assert issuer.url in who.message and "it has never reached the issuer's keys" in who.message
        again = await answer(chain, issuer.token())  # answered at once, without a fetch
        assert isinstance(again, Refusal) and again.code == 503
        issuer.down = False
        clock.advance(keys_module.RETRY_EMPTY)
        assert isinstance(await answer(chain, issuer.token()), Principal)

    run(main())


@pytest.mark.parametrize("hours, code", [(23.9, None), (24.1, 503)])
def test_tokens_are_accepted_for_a_day_of_their_issuers_outage_and_no_longer(
    clock: ManualClock, issuer: Issuer, hours: float, code: int | None
) -> None:
    async def main() -> None:
        chain = await warm(IdentityChain([entry()], clock, issuer.fetch))
        long = issuer.token(iat=int(clock.wall()) + 30, exp=int(clock.wall()) + 24 * 3600 + 30)
        assert isinstance(await answer(chain, long), Principal)
        issuer.down = True
        clock.advance(hours * 3600)
        for token in (long, issuer.token()):  # the first is remembered, the second is new
            who = await answer(chain, token)
            if code is None:
                assert isinstance(who, Principal)
            else:
                assert isinstance(who, Refusal) and who.code in (code, 401)
        if code is not None:
            assert isinstance(who, Refusal) and who.code == code

    run(main())


def test_a_reload_in_an_outage_locks_nobody_out(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        former = await warm(IdentityChain([entry()], clock, issuer.fetch))
        issuer.down = True
        chain = IdentityChain([entry(prefix="corp:")], clock, issuer.fetch, former)
        who = await answer(chain, issuer.token())
        assert isinstance(who, Principal) and who.user == "corp:ann@example.com"

    run(main())


# ---------------------------------------------------------------------- several entries


def two(clock: ManualClock) -> tuple[Issuer, Issuer, Any]:
    one, other = Issuer(clock), Issuer(clock, OTHER)
    other.keys = [jwk(rsa.generate_private_key(65537, 2048), "rsa")]  # the same id, another key

    async def fetch(url: str) -> bytes:
        return await (other if url.startswith(OTHER) else one).fetch(url)

    return one, other, fetch


def test_equal_subjects_of_two_issuers_are_two_people(clock: ManualClock) -> None:
    async def main() -> None:
        one, other, fetch = two(clock)
        other.keys = one.keys
        chain = await warm(IdentityChain([entry(), entry(OTHER, prefix="other:", kind=KindRule("workload"))], clock, fetch))
        ann, stranger = await answer(chain, one.token()), await answer(chain, other.token())
        assert isinstance(ann, Principal) and isinstance(stranger, Principal)
        assert (ann.user, ann.issuer, ann.kind) == ("ann@example.com", one.url, "human")
        assert (stranger.user, stranger.groups, stranger.issuer) == ("other:ann@example.com", ("other:engineers",), OTHER)

    run(main())


def test_a_token_is_verified_with_the_keys_of_its_own_issuer_only(clock: ManualClock) -> None:
    async def main() -> None:
        one, _, fetch = two(clock)
        chain = await warm(IdentityChain([entry(), entry(OTHER, prefix="other:")], clock, fetch))
        who = await answer(chain, one.token(iss=OTHER))  # signed by the first issuer, with the second as its issuer
        assert isinstance(who, Refusal) and "signature" in who.message

    run(main())


@pytest.mark.parametrize("claims", [{"sub": "other:ann"}, {"groups": ["engineers", "other:admins"]}])
def test_an_issuer_without_prefix_cannot_name_those_of_another(clock: ManualClock, claims: dict[str, Any]) -> None:
    async def main() -> None:
        one, _, fetch = two(clock)
        chain = await warm(IdentityChain([entry(), entry(OTHER, prefix="other:")], clock, fetch))
        who = await answer(chain, one.token(**claims))
        assert (
            isinstance(who, Refusal) and "'other:a" in who.message and "begins with another identity entry's prefix" in who.message
        )

    run(main())


def test_one_issuers_entries_are_tried_in_order_with_one_set_of_keys(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        entries = [
            entry(require={"repository": "acme/deploy"}, prefix="deploy:", kind=KindRule("workload")),
            entry(require={"repository": "acme/docs"}, prefix="docs:"),
            entry(audience="elsewhere", prefix="elsewhere:"),
        ]
        chain = IdentityChain(entries, clock, issuer.fetch)
        for claims, user in [
            ({"repository": "acme/deploy"}, "deploy:ann@example.com"),
            ({"repository": "acme/docs"}, "docs:ann@example.com"),
            ({"aud": "elsewhere"}, "elsewhere:ann@example.com"),
        ]:
            who = await answer(chain, issuer.token(**claims))
            assert isinstance(who, Principal) and who.user == user
        who = await answer(chain, issuer.token(repository="evil/fork"))
        assert isinstance(who, Refusal) and "claim repository" in who.message
        assert issuer.fetches == 1

    run(main())


def test_a_stream_ends_with_its_credential_where_the_entry_says_so(clock: ManualClock, issuer: Issuer) -> None:
    async def main() -> None:
        for choice in (True, False):
            chain = await warm(IdentityChain([entry(end_with_credential=choice)], clock, issuer.fetch))
            who = await answer(chain, issuer.token())
            assert isinstance(who, Principal) and chain.ends_with_credential(who) is choice

    run(main())


# ---------------------------------------------------------------------- certificates and no credential


def test_a_call_without_a_credential_is_refused_with_what_to_send(clock: ManualClock, issuer: Issuer, tmp_path: Path) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        both: list[Any] = [entry(), ClientCertificate(authority.certificate, KindRule(), "")]
        for entries, wanted in ((both[:1], ["bearer token"]), (both[1:], ["client certificate"]), (both, ["or a client"])):
            who = await answer(IdentityChain(entries, clock, issuer.fetch))
            assert isinstance(who, Refusal) and who.code == 401 and who.message.startswith("no credential")
            assert all(text in who.message for text in wanted)
        nobody = await answer(IdentityChain([], clock))
        assert isinstance(nobody, Refusal) and "no `identity` configured" in nobody.message

    run(main())


def test_a_token_where_only_certificates_are_taken_is_refused(clock: ManualClock, issuer: Issuer, tmp_path: Path) -> None:
    async def main() -> None:
        chain = IdentityChain([ClientCertificate(Authority(tmp_path).certificate, KindRule(), "")], clock)
        who = await answer(chain, issuer.token())
        assert isinstance(who, Refusal) and "takes no tokens" in who.message

    run(main())


@pytest.mark.parametrize("certificates_first, user", [(True, "lea"), (False, "ann@example.com")])
def test_of_two_credentials_the_first_configured_kind_decides(
    clock: ManualClock, issuer: Issuer, tmp_path: Path, certificates_first: bool, user: str
) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        der = certificate_of(authority, "lea")
        entries: list[Any] = [entry(), ClientCertificate(authority.certificate, KindRule(), "cert:")]
        chain = await warm(IdentityChain(entries[::-1] if certificates_first else entries, clock, issuer.fetch))
        who = await answer(chain, issuer.token(), der)
        assert isinstance(who, Principal) and who.user.removeprefix("cert:") == user

    run(main())


@pytest.mark.parametrize("certificates_first", [True, False])
def test_an_unproven_token_is_refused_beside_a_good_certificate(
    clock: ManualClock, issuer: Issuer, tmp_path: Path, certificates_first: bool
) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        der = certificate_of(authority, "lea")
        entries: list[Any] = [entry(), ClientCertificate(authority.certificate, KindRule(), "cert:")]
        chain = await warm(IdentityChain(entries[::-1] if certificates_first else entries, clock, issuer.fetch))
        for word in ("/run/secrets/db", issuer.token(aud="other"), sign({"alg": "RS256", "kid": "rsa"}, issuer.claims(), ED)):
            who = await answer(chain, word, der)
            assert isinstance(who, Refusal) and who.code == 401
        alone = await answer(IdentityChain(entries[1:], clock), "/run/secrets/db", der)
        assert isinstance(alone, Refusal) and "a client certificate alone" in alone.message

    run(main())


@pytest.mark.parametrize("certificates_first", [True, False])
@pytest.mark.parametrize("waits", [True, False], ids=["keys are fetched", "keys are there"])
def test_an_unproven_certificate_beside_a_proven_token_is_ignored_and_logged_once(
    clock: ManualClock, issuer: Issuer, tmp_path: Path, certificates_first: bool, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        good, foreign = certificate_of(authority, "lea"), certificate_of(Authority(tmp_path / "other", "other"), "eve")
        more = Authority(tmp_path / "more", "more")  # of two entries the one counts whose authority has signed
        entries: list[Any] = [entry(), *(ClientCertificate(one.certificate, KindRule(), "cert:") for one in (authority, more))]
        chain = IdentityChain(entries[::-1] if certificates_first else entries, clock, issuer.fetch)
        if not waits:
            await warm(chain)
        for _ in range(5):
            who = await answer(chain, issuer.token(), foreign)
            assert isinstance(who, Principal) and who.user == "ann@example.com"
        lines = [record.getMessage() for record in caplog.records if "certificate is ignored" in record.getMessage()]
        assert len(lines) == 1 and "192.0.2.1" in lines[0]
        who = await answer(chain, issuer.token(), good)
        assert isinstance(who, Principal) and who.user == ("cert:lea" if certificates_first else "ann@example.com")

    run(main())


def test_a_refused_token_stays_refused_beside_a_good_certificate(clock: ManualClock, issuer: Issuer, tmp_path: Path) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        entries: list[Any] = [entry(), ClientCertificate(authority.certificate, KindRule(), "cert:")]
        chain = await warm(IdentityChain(entries, clock, issuer.fetch))
        who = await answer(chain, issuer.token(aud="other"), certificate_of(authority, "lea"))
        assert isinstance(who, Refusal) and "audience" in who.message

    run(main())


def test_a_certificate_alone_is_enough_where_tokens_stand_first(clock: ManualClock, issuer: Issuer, tmp_path: Path) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        entries: list[Any] = [entry(), ClientCertificate(authority.certificate, KindRule("workload"), "cert:")]
        chain = await warm(IdentityChain(entries, clock, issuer.fetch))
        who = await answer(chain, None, certificate_of(authority, "lea", ("b", "a")))
        assert isinstance(who, Principal)
        assert (who.user, who.groups, who.kind, who.issuer) == (
            "cert:lea",
            ("cert:b", "cert:a"),
            "workload",
            "client-certificate",
        )

    run(main())


def test_a_certificate_belongs_to_the_entry_whose_authority_signed_it(clock: ManualClock, tmp_path: Path) -> None:
    async def main() -> None:
        people, robots, foreign = (Authority(tmp_path / name, name) for name in ("people", "robots", "foreign"))
        namesake = Authority(tmp_path / "namesake", "people")  # the same name, another key
        entries = [
            ClientCertificate(people.certificate, KindRule(), ""),
            ClientCertificate(robots.certificate, KindRule("agent"), "robot:"),
        ]
        chain = IdentityChain(entries, clock)
        for authority, user in ((people, "lea"), (robots, "robot:lea")):
            who = await answer(chain, None, certificate_of(authority, "lea"))
            assert isinstance(who, Principal) and who.user == user
        for authority in (foreign, namesake):
            who = await answer(chain, None, certificate_of(authority, "lea"))
            assert isinstance(who, Refusal) and "not signed" in who.message

    run(main())


def test_a_remembered_certificate_ends_in_the_midst_of_a_connection(clock: ManualClock, tmp_path: Path) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        der = certificate_of(authority, "lea")
        chain = IdentityChain([ClientCertificate(authority.certificate, KindRule(), "")], clock)
        first = await answer(chain, None, der)
        assert isinstance(first, Principal)
        assert await answer(chain, None, der) is first
        clock.advance(first.expires - clock.wall())
        assert isinstance(await answer(chain, None, der), Principal)  # the last second counts as valid
        clock.advance(1)
        who = await answer(chain, None, der)
        assert isinstance(who, Refusal) and "expired" in who.message

    run(main())


def test_an_authority_that_cannot_be_read_is_an_error_at_start(clock: ManualClock, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        IdentityChain([ClientCertificate(tmp_path / "missing.crt", KindRule(), "")], clock)
    (tmp_path / "empty.crt").write_text("nothing")
    with pytest.raises(ValueError):
        IdentityChain([ClientCertificate(tmp_path / "empty.crt", KindRule(), "")], clock)
    with pytest.raises(OSError):
        IdentityChain([entry(certificate_authority=tmp_path / "missing.crt")], clock)
