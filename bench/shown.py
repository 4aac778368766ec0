"""The figures of a run as a table for people."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from rich.table import Table

from bench.cells import CELLS, Cell
from bench.figures import Figures, spread
from bench.goals import durable_us
from bench.proxies import OURS, PEERS, USUAL

PRICES = {
    "masking": ("unmasked", "l7gw"),
    "the access log": ("unlogged", "l7gw"),
    "EKS": ("l7gw", "eks"),
    "no memory": ("l7gw", "forgetful"),
}


def table(figures: Figures) -> Table:
    """A row for each cell that was measured: work per core-second, its ratios to go and to the relay, median microseconds."""
    names = [name for name in USUAL if any(name in row for row in figures.rows.values())]
    ratios = [
        (name, other)
        for name, other in (("l7gw", "go"), ("l7gw", "relay"), ("relay", "go"), ("nginx", "go"))
        if {name, other} <= {*names}
    ]
    shown = Table("cell", *(f"{name}, per core-second" for name in names), *(f"{a} / {b}" for a, b in ratios), "p50 us")
    for cell in (cell for cell in CELLS if cell.name in figures.rows):
        shown.add_row(
            cell.name + (", per second" if cell.both_cores else ""),
            *(spread(figures.rates(cell, name)) + ("" if figures.kept_up(cell, name) else ", did not keep up") for name in names),
            *(spread(figures.ratios(cell, a, b), 2) for a, b in ratios),
            " / ".join(f"{statistics.median(figures.p50s(cell, name)):.0f}" for name in names if figures.p50s(cell, name)),
        )
    return shown


def summary(figures: Figures) -> Iterator[str]:
    """What stands in no column: prices, other interpreters, the disk, idle watches."""
    for cell in (cell for cell in CELLS if cell.name in figures.rows):
        for what, (without, with_) in PRICES.items():
            if ratio := price(figures, cell, without, with_):
                yield f"price of {what}, {cell.name}: {ratio}"
        for name in (name for name in figures.rows[cell.name] if name not in (*OURS, *PEERS)):
            if ratios := figures.ratios(cell, name, "l7gw"):
                yield f"{name} / l7gw, {cell.name}: {spread(ratios, 3)}"
        if cell.kind == "post" and (above := durable_us(figures)) is not None:
            yield f"POST durable above the same not durable: {above:.0f} us; the disk's sync: {spread(figures.sync_us)} us"
    for protocol, row in figures.watches.items():
        yield f"KiB an idle watch, {protocol}: " + ", ".join(f"{name} {size:.1f}" for name, size in row.items())
    yield f"{figures.date}: {figures.machine}; {figures.rounds} rounds of {figures.seconds:g} s; load before it {figures.load:g}"


def price(figures: Figures, cell: Cell, without: str, with_: str) -> str:
    """How many times the CPU of one proxy another takes, "" where one of them was not measured."""
    return spread(figures.ratios(cell, without, with_), 3)
