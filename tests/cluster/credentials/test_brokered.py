"""A credential of AWS: calls wait for it together and not for ever, a refused token is made anew once, and nothing goes up without."""

from __future__ import annotations

import pytest

from l7gw.cluster.credentials.brokered import RENEWED_FOR, BrokeredCredential
from l7gw.cluster.credentials.messages import Failed, TokenWanted
from l7gw.cluster.credentials.waiting import FAILED_FOR
from l7gw.errors import Refusal
from tests.support.manual_clock import ManualClock
from tests.support.scripted_broker import ScriptedBroker

ANN = TokenWanted("prod", "https://issuer", "ann")
DOWN = Failed(503, "ServiceUnavailable", "AssumeRole: STS does not answer")
WITHIN = 20.0


class Stage:
    def __init__(self, *, at_once: bool = False) -> None:
        self.clock = ManualClock()
        self.broker = ScriptedBroker(at_once=at_once)
        self.credential = BrokeredCredential(self.broker, ANN, self.clock, within=WITHIN)
        self.told: list[Refusal | None] = []

    def wait(self) -> None:
        self.credential.wait(self.told.append)

    def tick(self) -> None:
        self.clock.advance(1.0)
        self.credential.tick(self.clock.monotonic())

    def value(self) -> str:
        ((name, value),) = self.credential.authorization
        assert name == "authorization"
        return value


def test_calls_that_wait_for_a_token_wait_together_and_the_broker_is_asked_once() -> None:
    stage = Stage()
    assert not stage.credential.ready()
    for _ in range(50):
        stage.wait()
    assert stage.broker.asked == [ANN] and stage.told == []
    stage.broker.answer()
    assert stage.told == [None] * 50 and stage.credential.ready() and stage.value() == "Bearer ann-1"


def test_without_a_token_there_is_no_header_and_the_call_is_refused() -> None:
    """A call without its credential would be one of `system:anonymous`."""
    with pytest.raises(Refusal) as refused:
        Stage().value()
    assert refused.value.code == 503 and "no token for cluster prod" in refused.value.message


def test_a_failure_is_told_in_its_words_and_answers_the_calls_of_the_next_second_too() -> None:
    stage = Stage()
    stage.wait()
    stage.broker.answer(DOWN)
    stage.wait()
    first, second = stage.told
    assert isinstance(first, Refusal) and (first.code, first.message) == (503, DOWN.message) and second is first
    assert len(stage.broker.asked) == 1
    stage.clock.advance(FAILED_FOR)
    stage.wait()
    stage.broker.answer()
    assert stage.told[-1] is None and len(stage.broker.asked) == 2


def test_a_broker_that_never_answers_makes_calls_wait_for_a_bounded_time() -> None:
    stage = Stage()
    stage.wait()
    stage.clock.advance(WITHIN - 1)
    stage.credential.tick(stage.clock.monotonic())
    assert stage.told == []
    stage.clock.advance(1)
    stage.credential.tick(stage.clock.monotonic())
    (refusal,) = stage.told
    assert isinstance(refusal, Refusal) and refusal.code == 503 and "within 20 s" in refusal.message
    stage.broker.answer()  # late: nobody is told twice
    assert len(stage.told) == 1 and stage.credential.ready()


def test_a_renewed_token_is_shown_within_a_second() -> None:
    stage = Stage(at_once=True)
    stage.wait()
    assert stage.value() == "Bearer ann-1"
    stage.broker.ask(ANN, lambda _: None)
    stage.tick()
    assert stage.value() == "Bearer ann-2"


def test_a_token_that_ends_while_its_connection_is_made_is_still_shown() -> None:
    stage = Stage(at_once=True)
    stage.wait()
    sent = stage.value()
    stage.broker.expire()
    stage.tick()
    assert stage.value() == sent and not stage.credential.ready()


def test_a_refused_token_is_made_anew_once_in_a_minute_and_once_for_all_calls_that_showed_it() -> None:
    stage = Stage(at_once=True)
    stage.wait()
    first = stage.value()
    assert stage.credential.refused(first)
    assert stage.credential.refused(first), "a second call that showed it is told of the other token, and drops none"
    assert len(stage.broker.dropped) == 1 and not stage.credential.ready()
    assert stage.value() == first, "a call that has its connection by now shows what there was, and is sent again"
    stage.wait()
    second = stage.value()
    assert second != first and stage.credential.refused(first)
    assert not stage.credential.refused(second), "the new one is refused too: that is an outage"
    stage.clock.advance(RENEWED_FOR)
    assert stage.credential.refused(second) and len(stage.broker.dropped) == 2


def test_a_token_stands_in_no_text_of_its_credential() -> None:
    stage = Stage(at_once=True)
    stage.wait()
    assert "ann-1" in stage.value()
    assert "ann-1" not in repr(stage.credential) + str(stage.credential) + repr(stage.broker.held)
