"""The goals: what is held, what is missed, and what was not measured."""

from __future__ import annotations

import pytest

from bench.cells import CELLS
from bench.figures import Figures
from bench.goals import ABOVE_SYNC_US, GOALS, SYNCS, Reached, durable_us, reached
from bench.measuring import Measured

LONG = 1e9  # more work than any bound asks for


def run(ours: float, others: float, p50: float = 100) -> Figures:
    """A run in which l7gw did `ours` in each cell, and each other `others`, per second of either kind."""
    figures = Figures("", "", 1, 1, sync_us=[200.0], watches={"HTTP/1.1": {"l7gw": 1e9 / ours}, "HTTP/2": {"l7gw": 1e9 / ours}})
    for cell in CELLS:
        for name in ("l7gw", "go", "relay", "undurable"):
            figures.add(cell, name, Measured(ours if name == "l7gw" else others, 1, 1, p50 if name == "l7gw" else 100))
    return figures


def judged(figures: Figures) -> list[bool]:
    return [one.held for goal in GOALS for _, found in reached(goal, figures) for one in found]


def test_all_goals_are_held_by_a_gateway_that_is_far_ahead_and_missed_by_one_far_behind() -> None:
    assert all(judged(run(LONG, 1e6))) and not any(judged(run(1, 1e6, p50=10_000)))


def test_a_goal_that_was_not_measured_is_not_held() -> None:
    empty = Figures("", "", 1, 1)
    assert not any(judged(empty)) and durable_us(empty) is None
    assert all(str(one).startswith("not measured") for goal in GOALS for _, found in reached(goal, empty) for one in found)


@pytest.mark.parametrize(("p50", "held"), [(100 + SYNCS * 200 + ABOVE_SYNC_US, True), (101 + SYNCS * 200 + ABOVE_SYNC_US, False)])
def test_a_write_may_take_so_many_syncs_longer_than_one_that_does_not_wait(p50: float, held: bool) -> None:
    (goal,) = [goal for goal in GOALS if goal.name.startswith("POST")]
    ((_, (one,)),) = reached(goal, run(1, 1, p50))
    assert one.held is held and one.value == durable_us(run(1, 1, p50)) == p50 - 100


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (Reached(0.8, 0.8), "**0.80**"),
        (Reached(0.79, 0.8), "0.79"),
        (Reached(1.01, 1.0, most=True), "1.01"),
        (Reached(10.7, 10.7, most=True, digits=1), "**10.7**"),
        (Reached(600_000, 600_000, digits=0), "**600,000**"),
        (Reached(371, 360, most=True, digits=0, unit=" us of 360"), "371 us of 360"),
    ],
)
def test_a_figure_is_bold_where_it_is_held(one: Reached, told: str) -> None:
    assert str(one) == told
