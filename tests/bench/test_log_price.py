"""What the price of the access log is computed from, and which periods are no figure."""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from bench import log_price
from bench.cells import Cell
from bench.log_price import LINE, NO_LINE, Period, check, interval, ratios, turns
from bench.measuring import Load, LoadFailed
from tests.bench.test_measuring import GOOD, PROXY, load
from tests.support.go_programs import MissingGo, find_go


def periods(cost: float, *, drift: float = 0.0, noise: float = 0.0, count: int = 200, seed: int = 7) -> list[Period]:
    """Periods in which the log costs so many times a call without it, on a machine that gets slower by `drift` a period."""
    draw = random.Random(seed)
    return [
        Period(on, 100 * (1 + drift * number) * (cost if on else 1) * (1 + noise * draw.uniform(-1, 1)), 0)
        for number, on in enumerate(turns(count))
    ]


def test_the_log_is_on_in_every_second_period_and_first_in_every_second_pair() -> None:
    assert turns(8) == [True, False, False, True, True, False, False, True]


@pytest.mark.parametrize("cost", [1.0, 1.03, 0.9])
def test_the_ratio_of_each_pair_is_that_of_the_log_to_none(cost: float) -> None:
    assert ratios(periods(cost)) == pytest.approx([cost] * 100)


@pytest.mark.parametrize("drift", [0.002, -0.002])
def test_a_machine_that_changes_steadily_changes_no_mean(drift: float) -> None:
    assert statistics.fmean(ratios(periods(1.03, drift=drift))) == pytest.approx(1.03, abs=0.0005)


def test_a_period_without_a_neighbour_is_left_out() -> None:
    assert len(ratios(periods(1.03, count=5))) == 2


@pytest.mark.parametrize("of", [statistics.median, statistics.fmean])
def test_the_interval_holds_what_is_there_and_tells_3_percent_from_nothing(of: log_price.Statistic) -> None:
    samples = [ratios(periods(1.03, noise=0.1, seed=seed)) for seed in range(4)]
    low, high = interval(samples, of)
    assert 1.0 < low < 1.03 < high < 1.06


def test_gateways_that_differ_widen_the_interval() -> None:
    alike = [[1.01, 1.03] * 20] * 4
    apart = [[1.01] * 40, [1.01] * 40, [1.03] * 40, [1.03] * 40]
    assert interval(apart, statistics.fmean) == pytest.approx((1.01, 1.03))
    low, high = interval(alike, statistics.fmean)
    assert 1.015 < low < high < 1.025


@pytest.mark.parametrize(("logged", "logs"), [(LINE, True), (600, True), (0, False), (NO_LINE, False)])
def test_a_period_with_the_lines_that_are_wanted_is_a_figure(logged: float, logs: bool) -> None:
    check(Period(logs, 100, logged), logs)


@pytest.mark.parametrize(("logged", "logs"), [(LINE - 1, True), (0, True), (NO_LINE + 1, False), (600, False)])
def test_a_period_before_the_reload_or_with_a_log_that_went_elsewhere_is_no_figure(logged: float, logs: bool) -> None:
    with pytest.raises(LoadFailed, match="bytes of log a call"):
        check(Period(logs, 100, logged), logs)


def test_a_load_tells_how_far_it_is(tmp_path: Path) -> None:
    program = load(tmp_path, "warm", "", json.dumps({**GOOD, "count": 3}), json.dumps({**GOOD, "count": 9}))
    with Load(PROXY, program, Cell("a cell", "small", 1), 1) as started:
        started.begin()
        assert started._line() == "\n"
        assert [started.so_far()["count"], started.so_far()["count"]] == [3, 9]


def test_a_load_in_which_a_call_failed_tells_it_at_once(tmp_path: Path) -> None:
    program = load(tmp_path, "warm", json.dumps({**GOOD, "fails": 1}))
    with Load(PROXY, program, Cell("a cell", "small", 1), 1) as started, pytest.raises(LoadFailed, match="a cell"):
        started.so_far()


@pytest.mark.parametrize("null", [[], ["--null"]], ids=["switched", "null"])
def test_a_gateway_is_switched_under_load_and_its_price_told(null: list[str]) -> None:
    try:
        find_go()
    except MissingGo as error:
        pytest.skip(str(error))
    few = ["--gateways", "1", "--periods", "4", "--seconds", "0.1", "--settling", "0.15"]
    done = subprocess.run([sys.executable, log_price.__file__, *few, *null], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^median of 2 pairs: \d\.\d{4} \[\d\.\d{4}-\d\.\d{4}\]$", done.stdout, re.MULTILINE), done.stdout
