"""The cells of the bench: each once, each goal has its own, and words find them."""

from __future__ import annotations

import pytest

from bench.cells import CELLS, chosen
from bench.goals import GOALS
from bench.proxies import OURS
from bench.run import interpreters, measured_at


def test_a_cell_stands_once() -> None:
    names = [cell.name for cell in CELLS]
    assert len(names) == len({*names}) and len({*CELLS}) == len(CELLS)


def test_each_goal_is_about_cells_that_are_measured() -> None:
    assert {name for goal in GOALS for name in goal.cells} <= {cell.name for cell in CELLS}


def test_what_must_be_measured_has_a_cell_over_both_protocols() -> None:
    """Exec is HTTP/1.1's alone, paced and written calls are asked for over it alone."""
    spoken = {http2: {cell.kind for cell in CELLS if (cell.streams > 0) is http2} for http2 in (False, True)}
    both = {"small", "cold", "new", "chunked", "list", "list-gzip", "bulk"}
    assert both <= spoken[True] and both | {"post"} <= spoken[False]
    assert {f"frames-{size}-{how}" for size in (64, 4096) for how in ("each", "packed")} <= spoken[False]
    assert any(cell.rate == 2000 for cell in CELLS)
    assert {cell.both_cores for cell in CELLS if cell.kind == "bulk"} == {True, False}


def test_a_cell_that_names_proxies_names_ours() -> None:
    assert all({*cell.also} <= OURS.keys() for cell in CELLS)


def test_each_variant_of_ours_is_measured_somewhere() -> None:
    assert {name for cell in CELLS for name in ("l7gw", *cell.also)} == OURS.keys()


def test_a_cell_is_measured_at_each_of_its_proxies_once() -> None:
    for cell in CELLS:
        found = measured_at(cell, ["l7gw", "go", "relay", *OURS])
        assert found == list(dict.fromkeys(["l7gw", "go", "relay", *(name for name in OURS if name in cell.also)])), cell.name
        assert measured_at(cell, ["relay"]) == ["relay"]


def test_l7gw_by_another_interpreter_is_measured_in_each_cell_behind_the_others() -> None:
    assert {tuple(measured_at(cell, ["fast", "l7gw", "go"])) for cell in CELLS} == {("l7gw", "go", "fast")}


def test_interpreters_have_names_that_no_proxy_has() -> None:
    assert interpreters(["fast=/opt/a=b/python", "slow=python3"]) == {"fast": "/opt/a=b/python", "slow": "python3"}
    for wrong in ("fast", "=python3", "fast=", "l7gw=python3", "go=python3"):
        with pytest.raises(ValueError, match="--python takes NAME=PATH, with a name that no proxy has: "):
            interpreters(["slow=python3", wrong])


@pytest.mark.parametrize(
    ("words", "kinds"),
    [("cold", {"cold"}), ("post;new", {"post", "new"}), ("PodList in gzip", {"list-gzip"}), ("", {cell.kind for cell in CELLS})],
)
def test_words_choose_cells_by_kind_and_by_part_of_the_name(words: str, kinds: set[str]) -> None:
    assert {cell.kind for cell in chosen(words)} == kinds


def test_a_whole_name_chooses_its_cell_alone() -> None:
    assert [cell.name for cell in chosen("1 kB GET, 16 connections")] == ["1 kB GET, 16 connections"]


def test_a_word_that_is_in_no_cell_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no cell is named 'smal1'; there are:\n  POST, 1 connection \(post\)\n  1 kB GET"):
        chosen("smal1")
