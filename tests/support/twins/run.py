"""`make differential CALLS=1000000`: two gateways, with memory and without, get the same traffic of so many calls.

Prints a line for every few seeds, and at the end what was compared. A difference is printed with its seed and the shortest traffic in
which it was found; the exit status is then 1. `--seed` is the first seed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.support.twins.compared import in_full, of_seed
from tests.support.twins.house_of_twins import House

CALLS = 2000  # of one seed
_house: list[House] = []


def one(seed: int, calls: int) -> tuple[int, int, int, tuple[int, int], Counter[str], str]:
    """Compare the traffic of one seed: the seed, its calls and steps, those that were remembered, how they ended, the difference."""
    if not _house:
        _house.append(House(Path(tempfile.mkdtemp(prefix="l7gw-twins-"))))
    house = _house[0]
    found, traffic = of_seed(house, seed, calls)
    words = in_full(house, seed, traffic, found) if found.difference else ""
    return seed, traffic.calls, len(traffic.steps), (found.recorded, found.answered), found.ended, words


def main() -> int:
    said = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    said.add_argument("--calls", type=int, default=20_000)
    said.add_argument("--seed", type=int, default=0, help="the first one")
    said.add_argument("--beside", type=int, default=os.cpu_count() or 1, help="processes")
    given = said.parse_args()
    seeds = range(given.seed, given.seed + max(1, -(-given.calls // CALLS)))
    began, calls, steps, recorded, answered, ended, differences = time.monotonic(), 0, 0, 0, 0, Counter[str](), 0
    with ProcessPoolExecutor(given.beside, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(one, seed, min(CALLS, given.calls)) for seed in seeds]
        for number, job in enumerate(as_completed(jobs), 1):
            seed, more, of_it, known, ends, words = job.result()
            calls, steps, ended = calls + more, steps + of_it, ended + ends
            recorded, answered = recorded + known[0], answered + known[1]
            if words:
                differences += 1
                print(f"seed {seed}: {words}\n", flush=True)
                if differences >= 5:
                    pool.shutdown(cancel_futures=True)
                    break
            if number % max(1, len(seeds) // 50) == 0:
                print(
                    f"{calls:,} calls, {number} of {len(seeds)} seeds, {differences} differences, {time.monotonic() - began:.0f} s",
                    flush=True,
                )
    print(
        f"\ncompared: {calls:,} calls of {len(seeds)} seeds ({seeds[0]} to {seeds[-1]}) in {steps:,} steps, {time.monotonic() - began:.0f} s"
    )
    print(f"remembered: {recorded:,} calls were recorded as those before, {answered:,} answers handed on as those before")
    print("ended: " + ", ".join(f"{what} {count:,}" for what, count in ended.most_common(16)))
    print(f"differences: {differences}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
