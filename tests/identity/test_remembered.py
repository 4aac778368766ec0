"""What is remembered of proven credentials, and how little of them is kept. `test_chain.py` has the bounds and the ends."""

from __future__ import annotations

from l7gw.identity.principal import Principal
from l7gw.identity.remembered import Kept, Remembered, digest
from l7gw.limits import Limits
from tests.support.manual_clock import ManualClock

ANN = Principal("ann", issuer="https://a")


def test_a_digest_tells_credentials_apart_and_has_none_of_their_bytes() -> None:
    assert digest("x") == digest(b"x") != digest("y")
    assert len(digest("secret")) == 64 and "secret" not in digest("secret")


def test_a_credential_holds_until_its_end() -> None:
    clock = ManualClock()
    remembered = Remembered(clock, Limits())
    remembered.keep("token", Kept(ANN, expires=clock.wall() + 10))
    assert remembered.good("token") is not None and remembered.good("other") is None
    clock.advance(10)
    assert remembered.good("token") is None


def test_the_oldest_is_forgotten_where_there_are_too_many() -> None:
    clock = ManualClock()
    remembered = Remembered(clock, Limits(proven_credentials=2))
    for name in ("a", "b", "c"):
        remembered.keep(name, Kept(ANN, expires=clock.wall() + 10))
    assert [name for name in ("a", "b", "c") if remembered.good(name)] == ["b", "c"]


def test_what_ended_is_forgotten_before_what_holds() -> None:
    clock = ManualClock()
    remembered = Remembered(clock, Limits(proven_credentials=2))
    remembered.keep("long", Kept(ANN, expires=clock.wall() + 100))
    remembered.keep("short", Kept(ANN, expires=clock.wall() + 1))
    clock.advance(2)
    remembered.keep("new", Kept(ANN, expires=clock.wall() + 100))
    assert remembered.good("long") and remembered.good("new")


def test_the_digests_of_a_principal_are_those_of_all_that_he_showed() -> None:
    clock = ManualClock()
    remembered = Remembered(clock, Limits())
    remembered.keep("token", Kept(ANN, expires=clock.wall() + 10))
    remembered.keep(b"der", Kept(ANN, expires=clock.wall() + 10))
    remembered.keep("hashed for a cluster", Kept(ANN, expires=clock.wall() + 10, digest="d" * 64))
    remembered.keep("bob's", Kept(Principal("bob", issuer="https://a"), expires=clock.wall() + 10))
    assert list(remembered.digests_of(ANN)) == [digest("token"), digest(b"der"), "d" * 64]


def test_each_address_has_a_principal_of_its_own_and_few_are_kept() -> None:
    kept = Kept(ANN, expires=1.0)
    assert kept.at("192.0.2.1") is kept.at("192.0.2.1")
    assert kept.at("192.0.2.2").address == "192.0.2.2"
    for number in range(100):
        kept.at(f"198.51.100.{number}")
    assert len(kept.principals) <= 16
