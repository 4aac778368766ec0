"""docs/conformance.md has the results of the kept runs, for every case."""

from __future__ import annotations

import json

import pytest

from tests.conformance.page import KEPT, PAGE, page, section


def test_the_page_is_what_the_kept_runs_say() -> None:
    assert PAGE.read_text() == page(), "make it anew: python tests/conformance/page.py render"


@pytest.mark.parametrize(("suite", "cases"), [("h2spec", 146), ("autobahn", 2 * 301)])
def test_a_kept_run_is_whole_and_nothing_in_it_was_unexpected(suite: str, cases: int) -> None:
    text = (KEPT / f"{suite}.json").read_text()
    assert "unexpectedly" not in text
    assert sum(row["cases"] for row in json.loads(text)["rows"]) == cases


def test_a_list_is_shown_with_slashes_and_a_bar_does_not_end_its_cell() -> None:
    rows = [{"family": "a|b", "l7gw": [1, 0]}]
    shown = section(
        {"title": "T", "when": "2026-01-02", "command": "c", "versions": {"go": "1"}, "counts": ["x", "y"], "rows": rows}
    )
    assert shown.splitlines() == [
        "## T",
        "",
        "`c`, 2026-01-02, with go 1.",
        "",
        "The numbers between slashes count, in this order: x, y.",
        "",
        "| family | l7gw |",
        "| --- | --- |",
        r"| a\|b | 1 / 0 |",
    ]
