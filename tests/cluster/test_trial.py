"""A trial goes on behind a failure that leaves something to try, and not behind one that does not."""

from __future__ import annotations

from l7gw.cluster.trial import Failure, Found, Step, Trial


def failing(what: str, *, ends: bool) -> Found[int]:
    raise Failure(what, "do this", ends=ends)


def test_each_step_is_told_before_and_after_with_what_it_found() -> None:
    told: list[str | Step] = []
    trial = Trial(told.append, told.append)
    assert trial.step("one", lambda: Found(1, "found")) == 1
    assert trial.step("two", lambda: failing("broken", ends=False)) is None
    assert trial.step("three", lambda: Found(3, "works", "but mind")) == 3
    assert not trial.over and trial.failed
    assert trial.step("four", lambda: failing("gone", ends=True)) is None
    assert trial.over
    assert trial.step("five", lambda: Found(5, "never")) is None
    trial.not_asked("six", "nobody knows")
    assert [(step.name, step.outcome, step.said, step.remedy) for step in trial.steps] == [
        ("one", "ok", "found", ""),
        ("two", "failed", "broken", "do this"),
        ("three", "warning", "works", "but mind"),
        ("four", "failed", "gone", "do this"),
        ("five", "not tried", "", ""),
        ("six", "not asked", "nobody knows", ""),
    ]
    names = [one if isinstance(one, str) else f"{one.name} ended" for one in told]
    assert names == [
        "one",
        "one ended",
        "two",
        "two ended",
        "three",
        "three ended",
        "four",
        "four ended",
        "five ended",
        "six ended",
    ]
    assert all(step.seconds >= 0 for step in trial.steps) and trial.steps[4].seconds == 0
