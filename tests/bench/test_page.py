"""The tables of docs/performance.md are made of the figures in the tree, and of nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from bench.figures import from_json
from bench.goals import GOALS
from bench.measuring import Measured
from bench.page import MADE, PAGE, RESULTS, made_of, page


def test_the_page_is_what_the_figures_in_the_tree_make_of_it() -> None:
    text = PAGE.read_text()
    assert made_of(text) == text, (
        "`make performance` was not run, or a table was edited by hand: `python bench/page.py` writes it anew"
    )


def test_the_page_has_each_table_once() -> None:
    assert sorted(found[1] for found in MADE.finditer(PAGE.read_text())) == ["goals", "instructions", "run"]


def test_only_what_stands_between_the_marks_is_made() -> None:
    text = "before\n<!-- bench: goals -->\nold\n<!-- end -->\nbetween\n<!-- bench: instructions -->\n<!-- end -->\nbehind\n"
    made = page(text, from_json(RESULTS.read_text()), {"instructions": {"cold GET, 16 connections": {"l7gw": 1e6}}})
    goals, counts = (found[0].splitlines()[3:-1] for found in MADE.finditer(made))
    assert MADE.split(made)[::2] == ["before\n", "\nbetween\n", "\nbehind\n"]
    assert [row.split(" | ")[0].removeprefix("| ") for row in goals] == [goal.name for goal in GOALS]
    assert counts == ["| cold GET, 16 connections | 1,000,000 |"]


def test_the_compiled_build_has_columns_of_its_own_in_the_table_of_goals_where_it_was_measured() -> None:
    figures, text = from_json(RESULTS.read_text()), "<!-- bench: goals -->\n<!-- end -->"
    for row in figures.rows.values():
        row.pop("compiled", None)
    small = figures.rows["1 kB GET, 1 connection"]
    assert "compiled" not in page(text, figures, {})
    small["compiled"] = [Measured(2 * one.work, one.cpu, one.wall, one.p50_us) for one in small["l7gw"]]
    head, _, first, *others = page(text, figures, {}).splitlines()[1:-1]
    assert head.endswith("| reached | held | compiled, reached | held |") and "not measured / not measured" in first.split("|")[6]
    assert others[-1].endswith("| - | - |")


def test_each_row_of_a_table_has_as_many_parts_as_its_head() -> None:
    for found in MADE.finditer(PAGE.read_text()):
        rows = [line for line in found[0].splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1, found[1]


def test_the_figures_name_the_machine_by_its_size_alone() -> None:
    text = RESULTS.read_text()
    assert not re.search(r"/(?:tmp|work|root|home)\b", text) and str(Path.home()) not in text
