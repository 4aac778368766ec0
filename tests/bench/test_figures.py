"""Figures of a run: kept as JSON without loss, ratios taken round by round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cells import CELLS
from bench.figures import Figures, from_json, machine, spread
from bench.measuring import Measured
from bench.shown import summary

ONE = next(cell for cell in CELLS if not cell.both_cores)
BOTH = next(cell for cell in CELLS if cell.both_cores)
NUMBERS = st.integers(1, 99_999).map(lambda n: n / 16)


def of(*rows: tuple[str, list[tuple[float, float]]]) -> Figures:
    """Figures of the first cell: work and CPU seconds of each round, of each proxy."""
    figures = Figures("2 cores", "2026-11-28", 3, 1.5)
    for name, measured in rows:
        for work, cpu in measured:
            figures.add(ONE, name, Measured(work, cpu, 2 * cpu, 100.0))
    return figures


def test_work_is_told_by_the_cpu_and_with_both_cores_by_the_clock() -> None:
    figures = Figures("", "", 1, 1)
    for cell in (ONE, BOTH):
        figures.add(cell, "go", Measured(work=100, cpu=2, wall=5, p50_us=0))
    assert (figures.rates(ONE, "go"), figures.rates(BOTH, "go"), figures.rates(ONE, "relay")) == ([50], [20], [])


def test_ratios_are_of_the_rounds_and_not_of_the_medians() -> None:
    figures = of(("l7gw", [(10, 1), (20, 1), (60, 1)]), ("go", [(10, 1), (40, 1), (20, 1)]))
    assert figures.ratios(ONE, "l7gw", "go") == [1, 0.5, 3] and figures.ratios(ONE, "l7gw", "relay") == []


def test_l7gw_by_another_interpreter_is_told_beside_the_usual_one() -> None:
    figures = of(("l7gw", [(10, 1), (20, 1)]), ("go", [(10, 1), (40, 1)]), ("fast", [(15, 1), (25, 1)]))
    assert next(summary(figures)) == f"fast / l7gw, {ONE.name}: 1.375 [1.250-1.500]"
    assert not any(ONE.name in line for line in summary(of(("l7gw", [(10, 1)]), ("go", [(10, 1)]))))


def test_another_build_is_held_against_the_peers_as_l7gw_is_and_only_where_it_was_measured() -> None:
    figures = of(("l7gw", [(10, 1)]), ("go", [(20, 1)]), ("compiled", [(30, 1)]), ("undurable", [(40, 1)]))
    figures.add(BOTH, "l7gw", Measured(1, 1, 1, 1))
    figures.watches = {"HTTP/2": {"l7gw": 1.0}}
    other = figures.where("compiled")
    assert other.ratios(ONE, "l7gw", "go") == [1.5] and other.rates(ONE, "undurable") == other.rates(BOTH, "l7gw") == []
    assert other.watches == {} and figures.ratios(ONE, "l7gw", "go") == [0.5] and figures.where("l7gw") == figures


def test_a_paced_load_that_was_not_kept_up_with_is_told() -> None:
    paced = next(cell for cell in CELLS if cell.rate)
    figures = Figures("", "", 1, 1)
    figures.add(paced, "go", Measured(work=0.96 * paced.rate, cpu=0.1, wall=1, p50_us=0))
    figures.add(paced, "l7gw", Measured(work=0.94 * paced.rate, cpu=0.1, wall=1, p50_us=0))
    assert figures.kept_up(paced, "go") and not figures.kept_up(paced, "l7gw") and figures.kept_up(ONE, "l7gw")


def test_a_spread_is_the_median_and_the_ends() -> None:
    assert spread([3000.4, 1000, 2000]) == "2,000 [1,000-3,000]"
    assert spread([0.5, 0.25], 2) == "0.38 [0.25-0.50]" and spread([]) == ""


@given(st.dictionaries(st.sampled_from([cell.name for cell in CELLS]), st.lists(st.builds(Measured, *[NUMBERS] * 4), min_size=1)))
def test_figures_come_back_from_json_as_they_went(rows: dict[str, list[Measured]]) -> None:
    figures = Figures(
        "2 cores", "2026-11-28", 3, 1.5, {name: {"l7gw": some} for name, some in rows.items()}, {"HTTP/2": {"go": 1.5}}, [180.0]
    )
    back = from_json(figures.as_json())
    assert {**vars(back), "rows": 0} == {**vars(figures), "rows": 0} and back.rows.keys() == figures.rows.keys()
    for name, row in figures.rows.items():
        for one, other in zip(row["l7gw"], back.rows[name]["l7gw"], strict=True):
            assert vars(other) == pytest.approx(vars(one), rel=1e-4)


def test_a_machine_is_named_by_its_size_and_not_by_its_name() -> None:
    assert machine("go1.26.8").split(", ")[1:4:2] != [] and "Go 1.26.8" in machine("go1.26.8")
    assert " cores, " in machine("go1.26.8") and " GiB, Python 3." in machine("go1.26.8")
