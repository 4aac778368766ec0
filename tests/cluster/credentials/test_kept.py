"""Values that are made elsewhere: once for all who ask, renewed before their end while they are used, and used until then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from l7gw.cluster.credentials.kept import FAILED_FOR, MOST_WAITING, RETRY_MOST, Kept, Made
from l7gw.cluster.credentials.messages import Failed
from tests.support.manual_clock import ManualClock

LIFE = 900.0
DOWN = Failed(503, "ServiceUnavailable", "STS is down")


class Maker:
    """Makes nothing by itself: a test answers what is asked for."""

    def __init__(self, *, most: int = 10, share: float = 0.0) -> None:
        self.clock = ManualClock()
        self.asked: list[tuple[str, Callable[[Any], None]]] = []
        self.failed: list[tuple[str, Failed]] = []
        self.kept: Kept[str, str] = Kept(
            lambda key, then: self.asked.append((key, then)),
            self.clock,
            failed=lambda key, why: self.failed.append((key, why)),
            most=most,
            share=lambda: share,
        )

    def make(self, key: str, value: str, life: float = LIFE) -> None:
        """Ask for a value, and make it."""
        self.kept.ask(key, lambda _: None)
        self.answer(Made(value, life))

    def answer(self, made: Made[str] | Failed) -> None:
        self.asked.pop(0)[1](made)

    def pass_(self, seconds: float) -> None:
        """Let time go by, second by second."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            self.kept.tick()


def test_a_value_is_made_once_for_all_who_ask_and_then_at_hand() -> None:
    maker, told = Maker(), []
    for number in range(3):
        maker.kept.ask("ann", lambda value, number=number: told.append((number, value)))
    assert [key for key, _ in maker.asked] == ["ann"] and told == [] and maker.kept.at_hand("ann") is None
    maker.answer(Made("token", LIFE))
    assert told == [(0, "token"), (1, "token"), (2, "token")]
    maker.kept.ask("ann", lambda value: told.append((3, value)))
    assert told[3:] == [(3, "token")] and maker.asked == [] and maker.kept.at_hand("ann") == "token"


def test_values_of_two_keys_never_mix() -> None:
    maker, told = Maker(), {}
    maker.kept.ask("ann", lambda value: told.setdefault("ann", value))
    maker.kept.ask("bob", lambda value: told.setdefault("bob", value))
    maker.asked[1][1](Made("bob's", LIFE))
    maker.asked[0][1](Made("ann's", LIFE))
    assert told == {"ann": "ann's", "bob": "bob's"}
    assert (maker.kept.at_hand("ann"), maker.kept.at_hand("bob")) == ("ann's", "bob's")


@pytest.mark.parametrize(("share", "due"), [(0.0, 600), (1.0, 546)])
def test_a_used_value_is_renewed_at_two_thirds_of_its_life_or_a_little_earlier(share: float, due: int) -> None:
    maker = Maker(share=share)
    maker.make("ann", "first")
    assert maker.kept.at_hand("ann") == "first"
    maker.pass_(due - 1)
    assert maker.asked == []
    maker.pass_(1)
    assert len(maker.asked) == 1 and maker.kept.at_hand("ann") == "first"
    maker.pass_(100)
    assert len(maker.asked) == 1  # as long as it is being made
    maker.answer(Made("second", LIFE))
    assert maker.kept.at_hand("ann") == "second"


def test_a_value_that_is_first_used_after_its_time_to_renew_is_renewed_then() -> None:
    maker = Maker()
    maker.make("ann", "first")
    maker.pass_(700)
    assert maker.asked == [] and maker.kept.at_hand("ann") == "first"
    maker.pass_(1)
    assert len(maker.asked) == 1


def test_a_value_that_nobody_uses_is_not_renewed_and_is_forgotten_at_its_end() -> None:
    maker = Maker()
    maker.make("ann", "first")
    maker.kept.at_hand("ann")
    maker.pass_(600)
    maker.answer(Made("second", LIFE))
    maker.pass_(899)
    assert maker.asked == [] and len(maker.kept) == 1
    maker.pass_(1)
    assert len(maker.kept) == 0 and maker.kept.at_hand("ann") is None


def test_a_renewal_that_fails_is_tried_again_and_the_value_is_used_until_its_end() -> None:
    maker = Maker()
    maker.make("ann", "first")
    maker.kept.at_hand("ann")
    attempts = 0
    for _ in range(899):
        maker.pass_(1)
        while maker.asked:
            attempts += 1
            maker.answer(DOWN)
        assert maker.kept.at_hand("ann") == "first"
    assert 300 / RETRY_MOST <= attempts <= 12 and maker.failed == [("ann", DOWN)] * attempts
    maker.pass_(1)
    told: list[object] = []
    maker.kept.ask("ann", told.append)
    maker.answer(DOWN)
    assert told == [DOWN]


def test_a_failure_answers_for_two_seconds_and_is_then_forgotten() -> None:
    maker, told = Maker(), []
    maker.kept.ask("ann", told.append)
    maker.answer(DOWN)
    maker.kept.ask("ann", told.append)
    assert told == [DOWN, DOWN] and maker.asked == [] and maker.failed == []
    maker.pass_(FAILED_FOR)
    assert len(maker.kept) == 0
    maker.kept.ask("ann", told.append)
    maker.answer(Made("token", LIFE))
    assert told[2:] == ["token"]


def test_no_more_wait_for_one_value_than_may() -> None:
    maker, told = Maker(), []
    for _ in range(MOST_WAITING):
        maker.kept.ask("ann", lambda _: None)
    maker.kept.ask("ann", told.append)
    assert isinstance(told[0], Failed) and told[0].status == 503 and len(maker.asked) == 1


def test_no_more_values_are_kept_than_may_and_the_one_made_longest_ago_goes() -> None:
    maker = Maker(most=3)
    for key in ("a", "b", "c"):
        maker.make(key, key)
    maker.clock.advance(600)
    maker.kept.at_hand("a")
    maker.kept.tick()
    maker.answer(Made("a2", LIFE))
    maker.make("d", "d")
    assert [maker.kept.at_hand(key) for key in "abcd"] == ["a2", None, "c", "d"]


def test_a_dropped_value_is_given_to_nobody_and_another_is_not_dropped_in_its_place() -> None:
    maker, told = Maker(), []
    maker.make("ann", "first")
    assert not maker.kept.drop("ann", "another") and not maker.kept.drop("bob", "first")
    assert maker.kept.drop("ann", "first") and maker.kept.at_hand("ann") is None
    maker.kept.ask("ann", told.append)
    maker.answer(Made("second", LIFE))
    assert told == ["second"] and not maker.kept.drop("ann", "first")


def test_a_value_dropped_while_it_is_renewed_is_replaced_by_the_renewal() -> None:
    maker, told = Maker(), []
    maker.make("ann", "first")
    maker.kept.at_hand("ann")
    maker.pass_(600)
    assert maker.kept.drop("ann", "first")
    maker.kept.ask("ann", told.append)
    assert len(maker.asked) == 1 and told == []
    maker.answer(Made("second", LIFE))
    assert told == ["second"]


def test_what_is_wanted_no_more_is_dropped_and_who_waits_for_it_is_told() -> None:
    maker, told = Maker(), []
    maker.make("ann", "ann's")
    maker.make("bob", "bob's")
    maker.kept.ask("eve", told.append)
    maker.kept.keep(lambda key: key == "bob")
    assert (maker.kept.at_hand("ann"), maker.kept.at_hand("bob")) == (None, "bob's")
    maker.answer(Made("eve's", LIFE))
    assert told == ["eve's"] and maker.kept.at_hand("eve") is None and len(maker.kept) == 1


def test_at_the_end_all_who_wait_are_told_once() -> None:
    maker, told = Maker(), []
    maker.make("bob", "bob's")
    maker.kept.ask("ann", told.append)
    maker.kept.close(DOWN)
    assert told == [DOWN]
    maker.answer(Made("token", LIFE))
    assert told == [DOWN] and len(maker.kept) == 0
