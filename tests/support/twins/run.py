"""`make differential CALLS=1000000`: two gateways, with memory and without, get the same traffic of so many calls.

Shows how far it is, and at its end what was compared. A difference is printed with its seed and the shortest traffic in which it was
found; the exit status is then 1, and 130 where it was interrupted. `--seed` is the first seed, `--jobs` the number of processes, each of which takes
a seed of its own.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.twins.compared import in_full, of_seed
from tests.support.twins.house_of_twins import House

CALLS = 5000  # of one seed: to make and to end a pair of gateways takes as long as 200 calls
MOST = 5  # differences that are looked into
BAR = 30  # characters
_house: list[House] = []


@dataclass
class Told:
    """What was compared, of one seed or of several."""

    calls: int = 0
    steps: int = 0
    recorded: int = 0  # calls that were recorded as those before
    answered: int = 0  # answers that were handed on as those before
    outdated: int = 0  # calls whose head was known, and that were made anew because something had changed
    blocks: int = 0  # of the journal
    cut_elsewhere: int = 0  # seeds in which a session's full blocks end at another event
    size: int = 0  # bytes
    ended: Counter[str] = field(default_factory=Counter)
    varied: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    digests: list[tuple[int, str]] = field(default_factory=list)  # of all that was compared, by seed

    def add(self, more: Told) -> None:
        for name, value in vars(more).items():
            setattr(self, name, getattr(self, name) + value)


def one(seed: int, calls: int) -> Told:
    """Compare the traffic of one seed."""
    if not _house:
        _house.append(House(Path(tempfile.mkdtemp(prefix="l7gw-twins-"))))
        gc.disable()  # a tenth of the time: what a seed leaves is looked through once
    house = _house[0]
    found, traffic = of_seed(house, seed, calls)
    words = [f"seed {seed}: {in_full(house, seed, traffic, found)}\n"] if found.difference else []
    told = Told(
        traffic.calls, len(traffic.steps), found.recorded, found.answered, found.outdated, found.blocks, found.cut_elsewhere,
        found.bytes, found.ended, traffic.varied, words, [seed], [(seed, found.digest)],
    )  # fmt: skip
    del found, traffic
    gc.collect()
    return told


def bar(told: Told, wanted: int, seconds: float) -> str:
    """How far it is, at which rate, and how long the rest will take."""
    share = min(1.0, told.calls / wanted)
    rate = told.calls / seconds
    left = max(0.0, wanted - told.calls) / rate if rate else 0.0
    drawn = "#" * int(BAR * share) + "." * (BAR - int(BAR * share))
    return (
        f"[{drawn}] {share:4.0%}  {told.calls:,} calls, {rate:,.0f} a second, {_minutes(seconds)} gone, {_minutes(left)} left, "
        f"{len(told.differences)} differences"
    )


def closing(told: Told, seconds: float, jobs: int) -> str:
    """What was compared, for people and for the docs."""
    calls = max(told.calls, 1)
    seeds = f"{min(told.seeds)} to {max(told.seeds)}" if told.seeds else "none"
    varied = sorted(told.varied.items(), key=lambda each: -each[1])
    lines = [
        ("calls", f"{told.calls:,} in {told.steps:,} steps, given to a gateway with memory and to one without"),
        ("remembered", f"{told.recorded:,} calls ({told.recorded / calls:.0%}) were recorded as those before, {told.answered:,} answers "
                       f"({told.answered / calls:.0%}) handed on as those before"),
        ("made anew", f"{told.outdated:,} calls had a known head, and something that they depend on had changed"),
        ("compared", f"{told.size / 1e6:,.0f} MB at clients, clusters and logs, and of {told.blocks:,} blocks of the journal, of which full ones "
                     f"end at another event in {told.cut_elsewhere:,} seeds"),
        ("varied", ", ".join(f"{count:,} {what}" for what, count in varied)),
        ("ended", ", ".join(f"{count:,} {what}" for what, count in told.ended.most_common(12))),
        ("seeds", f"{seeds} ({len(told.seeds)} of {CALLS:,} calls)"),
        ("time", f"{_minutes(seconds)}, {jobs} processes, {calls / seconds:,.0f} calls a second"),
        ("digest", hashlib.sha256(repr(sorted(told.digests)).encode()).hexdigest()),
        ("differences", f"{len(told.differences)}"),
    ]  # fmt: skip
    return "\n".join(f"{name + ':':<13}{words}" for name, words in lines)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def main() -> int:
    said = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    said.add_argument("--calls", type=int, default=20_000)
    said.add_argument("--seed", type=int, default=0, help="the first one")
    said.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = said.parse_args()
    seeds = range(given.seed, given.seed + max(1, -(-given.calls // CALLS)))
    began, told, shown, status = time.monotonic(), Told(), 0.0, 0
    lively = sys.stdout.isatty()
    with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(one, seed, min(CALLS, given.calls)) for seed in seeds]
        try:
            for job in as_completed(jobs):
                more = job.result()
                told.add(more)
                for words in more.differences:
                    print(words, flush=True)
                now = time.monotonic() - began
                if lively or now - shown > 30 or told.calls >= given.calls:
                    print(bar(told, given.calls, now), end="\r" if lively else "\n", flush=True)
                    shown = now
                if len(told.differences) >= MOST:
                    break
        except KeyboardInterrupt:
            status = 130
        pool.shutdown(wait=False, cancel_futures=True)
    print(f"\n{closing(told, time.monotonic() - began, given.jobs)}")
    return 1 if told.differences else status


if __name__ == "__main__":
    sys.exit(main())
