"""An answer that must wait reaches its call once, whether it is there before the call asks or after."""

from __future__ import annotations

from dataclasses import replace

from l7gw.errors import Refusal
from l7gw.identity.pending import Pending
from l7gw.identity.principal import Principal

ANN = Principal("ann")


def _no() -> Principal:
    raise Refusal(401, "Unauthorized", "no")


def test_an_answer_is_told_once_when_it_is_there() -> None:
    told: list[Principal | Refusal] = []
    pending = Pending(lambda: ANN)
    pending.then(told.append)
    assert told == []
    pending.ended()
    assert told == [ANN]


def test_an_answer_that_is_there_before_it_is_asked_for_is_told_at_once() -> None:
    told: list[Principal | Refusal] = []
    pending = Pending(_no)
    pending.ended()
    pending.then(told.append)
    assert [one.message for one in told if isinstance(one, Refusal)] == ["no"]


def test_a_change_is_made_to_the_answer() -> None:
    told: list[Principal | Refusal] = []
    Pending(lambda: ANN).but(lambda who: replace(who, user="bob")).then(told.append)
    pending = Pending(lambda: ANN).but(lambda who: replace(who, user="bob"))
    pending.then(told.append)
    pending.ended()
    assert told == [Principal("bob")]
