"""The figures of one run of the bench, as JSON and as the ratios that a reader wants of them."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from bench.cells import Cell
from bench.measuring import Measured

KEPT_UP = 0.95  # of the calls that a paced cell asks for


@dataclass
class Figures:
    """`rows` has the measurements of each cell and proxy, one a round. `watches` has the KiB of an idle watch of each protocol and
    proxy. `sync_us` has, for each round, how long the disk takes to have a write. `load` is how many programs
    wanted a core in the minute before the run (uptime(1)): 0 on a quiet machine."""

    machine: str
    date: str
    rounds: int
    seconds: float
    rows: dict[str, dict[str, list[Measured]]] = field(default_factory=dict)
    watches: dict[str, dict[str, float]] = field(default_factory=dict)
    sync_us: list[float] = field(default_factory=list)
    load: float = 0.0

    def add(self, cell: Cell, proxy: str, measured: Measured) -> None:
        self.rows.setdefault(cell.name, {}).setdefault(proxy, []).append(measured)

    def rates(self, cell: Cell, proxy: str) -> list[float]:
        """Work per second of the proxy's CPU, a figure a round; where it may run on both cores, work per second. Empty where it was
        not measured."""
        measured = self.rows.get(cell.name, {}).get(proxy, [])
        return [one.work / (one.wall if cell.both_cores else one.cpu) for one in measured]

    def p50s(self, cell: Cell, proxy: str) -> list[float]:
        """Median microseconds of one call, a figure a round."""
        return [one.p50_us for one in self.rows.get(cell.name, {}).get(proxy, [])]

    def ratios(self, cell: Cell, proxy: str, other: str) -> list[float]:
        """How many times the work of another a proxy does, round by round, as the machine changes between them."""
        return [mine / its for mine, its in zip(self.rates(cell, proxy), self.rates(cell, other))]

    def kept_up(self, cell: Cell, proxy: str) -> bool:
        """Whether a proxy did the calls of a paced cell in time. Where it did not, its figures are of another load than meant."""
        measured = self.rows.get(cell.name, {}).get(proxy, [])
        return not cell.rate or all(one.work / one.wall >= KEPT_UP * cell.rate for one in measured)

    def where(self, proxy: str, stands_for: str = "l7gw") -> Figures:
        """The same run with this proxy's figures in the place of another's, without cells in which it was not measured, and without
        `undurable`, which is measured of the usual build alone."""
        rows = {cell: {**row, stands_for: row[proxy]} for cell, row in self.rows.items() if proxy in row}
        for row in rows.values() if proxy != stands_for else ():
            row.pop("undurable", None)
        return replace(self, rows=rows, watches={of: {stands_for: row[proxy]} for of, row in self.watches.items() if proxy in row})

    def as_json(self) -> str:
        """All of it, a line for each cell and proxy."""
        told = {name: value for name, value in vars(self).items() if name != "rows"}
        lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in told.items()]
        cells = [f"  {json.dumps(cell)}: {{\n" + ",\n".join(_lines(row)) + "\n  }" for cell, row in self.rows.items()]
        return "{\n" + ",\n".join([*lines, ' "rows": {\n' + ",\n".join(cells) + "\n }"]) + "\n}"


def _lines(row: dict[str, list[Measured]]) -> list[str]:
    return [
        f"   {json.dumps(name)}: {json.dumps([[float(f'{n:.5g}') for n in astuple(one)] for one in some])}"
        for name, some in row.items()
    ]


def from_json(text: str) -> Figures:
    """The figures that `as_json` wrote. Raises ValueError, KeyError and TypeError where they are not of that form."""
    given = json.loads(text)
    rows = {cell: {proxy: [Measured(*one) for one in some] for proxy, some in row.items()} for cell, row in given["rows"].items()}
    return Figures(**{**given, "rows": rows})


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median of some figures, and behind it the least and the most of them."""
    if not values:
        return ""
    return f"{statistics.median(values):,.{digits}f} [{min(values):,.{digits}f}-{max(values):,.{digits}f}]"


def machine(go: str) -> str:
    """The machine by its size and by what the proxies are built with. `go` is Go's version."""
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    parts = [f"{len(os.sched_getaffinity(0))} cores, {int(memory[1]) / 2**20:.0f} GiB" if memory else ""]
    parts += [f"Python {platform.python_version()}", f"uvloop {version('uvloop')}", go.replace("go", "Go ", 1)]
    if shutil.which("nginx"):
        told = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr
        parts.append("nginx " + told.strip().rpartition("/")[2])
    return ", ".join(part for part in parts if part)
