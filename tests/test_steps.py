"""Work in steps: one step of one work in each turn of the loop, whatever else goes on; and it ends where nobody wants it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from l7gw.errors import Refusal
from l7gw.steps import STEP, InSteps, Steps, spent


def of(units: int, told: list[object] | None = None, name: object = None) -> Callable[[], int]:
    """Work of so many units, which notes each."""

    def work() -> int:
        for _ in range(units):
            if told is not None:
                told.append(name)
            spent()
        return units

    return work


def never() -> None:
    raise AssertionError


def play(inside: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop.run(inside())


def test_what_is_done_within_one_step_is_over_at_once_and_tells_nobody() -> None:
    async def inside() -> None:
        work = Steps().begin(of(STEP - 1), never)
        assert work.over and work.result() == STEP - 1 and work.steps == 1

    play(inside)


def test_a_step_is_so_many_units_and_between_two_of_them_the_loop_turns() -> None:
    async def inside() -> None:
        done = asyncio.Event()
        told: list[object] = []
        work = Steps().begin(of(10 * STEP, told), done.set)
        turns = [len(told)]
        while not done.is_set():
            await asyncio.sleep(0)
            turns.append(len(told))
        assert work.result() == 10 * STEP and work.steps == 11
        assert max(after - before for before, after in itertools.pairwise(turns)) <= STEP

    play(inside)


def test_each_turn_has_one_step_of_whoever_waits_longest() -> None:
    async def inside() -> None:
        steps, told = Steps(), list[object]()
        done = [asyncio.Event() for _ in range(3)]
        for number, event in enumerate(done):
            steps.begin(of(2 * STEP + 1, told, number), event.set)
        before = len(told)
        while not all(event.is_set() for event in done):
            await asyncio.sleep(0)
            assert len(told) - before <= STEP
            before = len(told)
        assert told[::STEP][:6] == [0, 1, 2, 0, 1, 2]

    play(inside)


def test_what_the_work_raises_its_result_raises() -> None:
    def work() -> None:
        spent(2 * STEP)
        raise ValueError("it")

    async def inside() -> None:
        done = asyncio.Event()
        begun = Steps().begin(work, done.set)
        await done.wait()
        with pytest.raises(ValueError, match="it"):
            begun.result()

    play(inside)


def test_work_that_nobody_wants_ends_where_it_stands_and_tells_nobody() -> None:
    told: list[object] = []
    ended: list[bool] = []

    def work() -> None:
        try:
            of(5 * STEP, told)()
        finally:
            spent(2 * STEP)  # what is to be put right is not waited for
            ended.append(True)

    async def inside() -> None:
        steps = Steps()
        begun = steps.begin(work, never)
        begun.abandon()
        assert begun.over and len(told) == STEP
        begun.abandon()
        for _ in range(5):
            await asyncio.sleep(0)
        other = asyncio.Event()
        steps.begin(of(2 * STEP), other.set)
        await other.wait()

    play(inside)
    assert len(told) == STEP


def test_beyond_the_most_that_may_be_under_way_large_work_is_refused_and_small_work_is_not() -> None:
    async def inside() -> None:
        steps, done = Steps(most=1), asyncio.Event()
        steps.begin(of(3 * STEP), done.set)
        assert steps.begin(of(1), never).over
        with pytest.raises(Refusal, match="too many large objects"):
            steps.begin(of(3 * STEP), never)
        await done.wait()

    play(inside)


def test_a_thread_serves_one_work_after_the_other() -> None:
    begun = [InSteps(of(1), never) for _ in range(50)]
    for work in begun:
        work.go_on()
    assert all(work.over for work in begun)
    assert sum(thread.name == "l7gw-step" for thread in threading.enumerate()) <= 8


def test_elsewhere_nothing_is_counted() -> None:
    assert of(3 * STEP)() == 3 * STEP
