"""Calls that wait for an answer of the broker are told once, in its words, and none waits for ever."""

from __future__ import annotations

from l7gw.cluster.credentials.messages import Failed
from l7gw.cluster.credentials.waiting import FAILED_FOR, Waiting
from l7gw.errors import Refusal
from tests.support.manual_clock import ManualClock

REFUSED = Failed(502, "BadGateway", "AssumeRole is refused: see the trust policy")


class Stage:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.asked = 0
        self.told: list[Refusal | None] = []
        self.waiting = Waiting(self._ask, self.clock, within=20.0, what="answer")

    def _ask(self) -> None:
        self.asked += 1

    def wait(self) -> None:
        self.waiting.wait(self.told.append)


def test_all_who_wait_are_told_by_one_answer_and_those_who_come_later_ask_again() -> None:
    stage = Stage()
    for _ in range(3):
        stage.wait()
    stage.waiting.answered()
    stage.wait()
    assert stage.told == [None] * 3 and stage.asked == 2


def test_a_flood_of_calls_while_aws_refuses_is_one_question_a_second() -> None:
    stage = Stage()
    for _ in range(10):
        for _ in range(100):
            stage.wait()
            stage.waiting.answered(REFUSED)
        stage.clock.advance(FAILED_FOR)
    assert stage.asked == 10 and len(stage.told) == 1000
    assert {(one.code, one.reason, one.message) for one in stage.told if one is not None} == {
        (502, "BadGateway", "AssumeRole is refused: see the trust policy")
    }


def test_whoever_waits_within_an_answer_waits_for_the_next_one() -> None:
    stage = Stage()
    stage.waiting.wait(lambda refusal: stage.wait())
    stage.waiting.answered()
    assert stage.told == [] and stage.asked == 2
    stage.waiting.answered()
    assert stage.told == [None]


def test_the_wait_is_bounded_by_the_call_that_waits_longest() -> None:
    stage = Stage()
    stage.wait()
    stage.clock.advance(19.0)
    stage.wait()
    stage.waiting.tick(stage.clock.monotonic())
    assert stage.told == []
    stage.clock.advance(1.0)
    stage.waiting.tick(stage.clock.monotonic())
    assert len(stage.told) == 2 and all(one is not None and one.code == 503 and "20 s" in one.message for one in stage.told)
