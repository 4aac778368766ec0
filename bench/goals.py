"""The goals of the data path: which cells each is about, what is to be reached there, and what a run reached."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.cells import CELLS, Cell
from bench.figures import Figures

SYNCS, ABOVE_SYNC_US = (
    1.3,
    100,
)  # a call that waits for the disk takes at most so many syncs, and this, longer than one that does not


@dataclass(frozen=True)
class Reached:
    """One figure of a goal. `value` is None where it was not measured. `most`: it is to be at most `bound`, and not at least."""

    value: float | None
    bound: float
    most: bool = False
    digits: int = 2
    unit: str = ""

    @property
    def held(self) -> bool:
        return self.value is not None and (self.value <= self.bound if self.most else self.value >= self.bound)

    def __str__(self) -> str:
        if self.value is None:
            return "not measured"
        told = f"{self.value:,.{self.digits}f}"
        return f"{f'**{told}**' if self.held else told}{self.unit}"


Judge = Callable[[Figures], list[Reached]]


@dataclass(frozen=True)
class Goal:
    """`before` is what l7gw reached before this goal was set, and in brackets what the relay did. Of each part, `reached` has the
    figures of a run, in the order of the name."""

    name: str
    before: str
    goal: str
    cells: tuple[str, ...]
    parts: tuple[tuple[str, Judge], ...]  # of what the figures are ratios, or what they are


def cell(name: str) -> Cell:
    return next(one for one in CELLS if one.name == name)


def _ratio(other: str, bound: float, *names: str) -> tuple[str, Judge]:
    def judge(figures: Figures) -> list[Reached]:
        rows = [figures.ratios(cell(name), "l7gw", other) for name in names]
        return [Reached(statistics.median(row) if row else None, bound) for row in rows]

    return f"x {other}", judge


def _rate(bound: float, name: str) -> tuple[str, Judge]:
    def judge(figures: Figures) -> list[Reached]:
        rates = figures.rates(cell(name), "l7gw")
        return [Reached(statistics.median(rates) if rates else None, bound, digits=0)]

    return "a core-second", judge


def _latency(name: str) -> tuple[str, Judge]:
    def judge(figures: Figures) -> list[Reached]:
        mine, its = figures.p50s(cell(name), "l7gw"), figures.p50s(cell(name), "go")
        ratios = [one / other for one, other in zip(mine, its)]
        return [Reached(statistics.median(ratios) if ratios else None, 1.0, most=True)]

    return "x go's p50", judge


def durable_us(figures: Figures) -> float | None:
    """Median microseconds that waiting for the disk adds to a POST; None where it was not measured."""
    durable, not_durable = (figures.p50s(cell(POST), name) for name in ("l7gw", "undurable"))
    if not durable or not not_durable:
        return None
    return statistics.median(one - other for one, other in zip(durable, not_durable))


def _durable(figures: Figures) -> list[Reached]:
    bound = SYNCS * statistics.median(figures.sync_us) + ABOVE_SYNC_US if figures.sync_us else 0.0
    return [Reached(durable_us(figures), bound, most=True, digits=0, unit=f" us of {bound:,.0f}")]


def _watch(protocol: str, bound: float) -> tuple[str, Judge]:
    def judge(figures: Figures) -> list[Reached]:
        return [Reached(figures.watches.get(protocol, {}).get("l7gw"), bound, most=True, digits=1)]

    return f"KiB, {protocol}", judge


SMALL = tuple(f"1 kB GET, {count}" for count in ("1 connection", "16 connections", "64 connections"))
SMALL_H2 = tuple(
    f"HTTP/2: 1 kB GET, {c}" for c in ("1 connection, 1 stream", "1 connection, 16 streams", "4 connections, 16 streams")
)
COLD = ("cold GET, 16 connections", "HTTP/2: cold GET, 4 connections, 16 streams")
PACED = ("1 kB GET, 2,000 a second, 16 connections",)
NEW = ("new connection and a GET, 4 at once", "HTTP/2: new connection and a GET, 4 at once")
LISTS = (
    *("1 MB PodList, 4 connections", "1 MB PodList in gzip, 4 connections"),
    *("HTTP/2: 1 MB PodList, 1 connection, 4 streams", "HTTP/2: 1 MB PodList in gzip, 1 connection, 4 streams"),
)
LOGS = ("100 MB log, 2 connections (MB)", "100 MB log, 2 connections, both cores (MB)")
FRAMES_64 = ("exec frames of 64 bytes, a record each, 4 connections", "exec frames of 64 bytes, packed, 4 connections")
FRAMES_4096 = ("exec frames of 4 KiB, a record each, 4 connections", "exec frames of 4 KiB, packed, 4 connections")
POST = "POST, 1 connection"

GOALS = (
    Goal(
        *("1 kB GET, h1, 1 / 16 / 64 connections", "0.74 / 0.39 / 0.73 (1.6 / 1.4 / 2.2)", "0.8 x relay, and at least 1.2 x go"),
        *(SMALL, (_ratio("relay", 0.8, *SMALL), _ratio("go", 1.2, *SMALL))),
    ),
    Goal(
        *("1 kB GET, h2, 1x1 / 1x16 / 4x16", "0.83 / 0.57 / 0.73 (1.9 / 2.2 / 2.7)", "0.7 x relay, and at least 1.5 x go"),
        *(SMALL_H2, (_ratio("relay", 0.7, *SMALL_H2), _ratio("go", 1.5, *SMALL_H2))),
    ),
    Goal("cold, h1 / h2", "0.35 / 0.47 (1.2 / 1.5)", "1.0 x go", COLD, (_ratio("go", 1.0, *COLD),)),
    Goal("paced 2,000/s, h1 16", "0.65 (1.8)", "1.2 x go", PACED, (_ratio("go", 1.2, *PACED),)),
    Goal("new connection + GET, h1 / h2", "0.46 to 0.60 / 0.53 to 0.60", "0.9 x go", NEW, (_ratio("go", 0.9, *NEW),)),
    Goal(
        *("1 MB PodList, h1 plain / gzip; h2 plain / gzip", "0.37 / 0.38; 0.66 / 0.47 (0.9 / 1.1; 1.3 / 1.2)", "0.8 x relay"),
        *(LISTS, (_ratio("relay", 0.8, *LISTS),)),
    ),
    Goal("100 MB log, one core / both", "0.32 / 0.62 (1.1 / 1.3)", "0.75 x relay", LOGS, (_ratio("relay", 0.75, *LOGS),)),
    Goal(
        *("exec frames of 64 B, a record each / packed", "1.3 / 361,000 a core-second", "1.5 x go / 600,000 a core-second"),
        *(FRAMES_64, (_ratio("go", 1.5, FRAMES_64[0]), _rate(600_000, FRAMES_64[1]))),
    ),
    Goal(
        *("exec frames of 4 KiB, a record each / packed", "0.47 / 0.32 (1.4 / 1.0)", "0.8 x relay"),
        *(FRAMES_4096, (_ratio("relay", 0.8, *FRAMES_4096),)),
    ),
    Goal("p50 at one connection, h1", "1.2 x go's", "go's", (SMALL[0],), (_latency(SMALL[0]),)),
    Goal(
        *("POST durable above the same not durable", "372 us, the disk's sync being 186", "1.3 x the sync + 0.1 ms"),
        *((POST,), (("", _durable),)),
    ),
    Goal("KiB an idle watch, h1 / h2", "48 / 10.7", "no worse", (), (_watch("HTTP/1.1", 48.0), _watch("HTTP/2", 10.7))),
)


def reached(goal: Goal, figures: Figures) -> Iterator[tuple[str, list[Reached]]]:
    """Each part of a goal with its figures."""
    for of, judge in goal.parts:
        yield of, judge(figures)
