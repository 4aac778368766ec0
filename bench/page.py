"""`make performance`: writes the tables of docs/performance.md from the figures of one run of the bench (bench/results.json), and
of one count of instructions (bench/instructions.json), where there is one. What stands around the tables is written by hand."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.cells import CELLS
from bench.figures import Figures, from_json, spread
from bench.goals import GOALS, Reached, reached
from bench.proxies import PEERS

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
RESULTS, INSTRUCTIONS = HERE / "results.json", HERE / "instructions.json"
QUIET = 0.5
MADE = re.compile(r"<!-- bench: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def page(text: str, figures: Figures, instructions: dict[str, Any]) -> str:
    """The page with each part between its marks made anew: `<!-- bench: run|goals|instructions -->` to `<!-- end -->`."""
    parts = {"run": lambda: _run(figures), "goals": lambda: _goals(figures), "instructions": lambda: _counts(instructions)}

    def made(found: re.Match[str]) -> str:
        return "\n".join((f"<!-- bench: {found[1]} -->", *parts[found[1]](), "<!-- end -->"))

    return MADE.sub(made, text)


def _row(*parts: str) -> str:
    return f"| {' | '.join(part or '-' for part in parts)} |"


def _head(*parts: str) -> Iterator[str]:
    yield _row(*parts)
    yield "|" + "---|" * len(parts)


def _run(figures: Figures) -> Iterator[str]:
    names = ("l7gw", *PEERS)
    yield f"One run of {figures.date}: {figures.machine}; {figures.rounds} rounds of {figures.seconds:g} s a cell, interleaved."
    yield f"{_load(figures.load)} Medians, the least and the most of the rounds in brackets."
    yield ""
    yield from _head("cell", *names, "l7gw / go", "l7gw / relay", "relay / go", "p50 us: " + ", ".join(names))
    for cell in (cell for cell in CELLS if cell.name in figures.rows):
        p50s = [f"{statistics.median(some):,.0f}" if (some := figures.p50s(cell, name)) else "-" for name in names]
        yield _row(
            cell.name + (", per second" if cell.both_cores else ""),
            *(spread(figures.rates(cell, name)) + ("" if figures.kept_up(cell, name) else " (did not keep up)") for name in names),
            spread(figures.ratios(cell, "l7gw", "go"), 2),
            spread(figures.ratios(cell, "l7gw", "relay"), 2),
            spread(figures.ratios(cell, "relay", "go"), 2),
            "" if cell.kind.startswith("frames") else ", ".join(p50s),
        )


def _load(load: float) -> str:
    if load < QUIET:
        return "The machine did nothing else."
    return f"**The machine had other work**: {load:g} programs wanted its cores in the minute before."


def _goals(figures: Figures) -> Iterator[str]:
    builds = ("l7gw", *(name for name in ("compiled",) if any(name in row for row in figures.rows.values())))
    columns = [column for name in builds for column in (("reached", "held") if name == "l7gw" else (f"{name}, reached", "held"))]
    yield from _head("cell", "before, x go (the relay)", "goal", *columns)
    for goal in GOALS:
        told = []
        for name in builds:
            parts = list(reached(goal, figures.where(name)))
            every = [one for _, found in parts for one in found]
            is_measured = any(one.value is not None for one in every)
            told += ["; ".join(_part(of, found) for of, found in parts), _held(every)] if is_measured else ["", ""]
        yield _row(goal.name, goal.before, goal.goal, *told)


def _part(of: str, found: list[Reached]) -> str:
    return f"{' / '.join(map(str, found))} {of}".strip()


def _held(every: list[Reached]) -> str:
    held = sum(one.held for one in every)
    return "yes" if held == len(every) else "no" if held == 0 else f"{held} of {len(every)}"


def _counts(instructions: dict[str, Any]) -> Iterator[str]:
    counts = instructions.get("instructions", {})
    names = list(dict.fromkeys(name for row in counts.values() for name in row))
    yield from _head("instructions of one", *names)
    for cell in (cell for cell in CELLS if cell.name in counts):
        yield _row(cell.name, *(f"{counts[cell.name][name]:,.0f}" if name in counts[cell.name] else "" for name in names))


def made_of(text: str) -> str:
    """The page as it is made of the figures in the tree."""
    counted = json.loads(INSTRUCTIONS.read_text()) if INSTRUCTIONS.exists() else {}
    return page(text, from_json(RESULTS.read_text()), counted)


def main() -> None:
    PAGE.write_text(made_of(PAGE.read_text()))


if __name__ == "__main__":
    main()
