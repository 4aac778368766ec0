"""What the access log costs a small call, of one gateway that a reload switches between `access: on` and `off` under a steady load.

Two gateways beside each other differ by the layout of their memory alone, by more than the log costs. Here the same process does
both in turns, on off off on, hundreds of times, and each period of half a second is held against its neighbour. A few gateways are
started anew for it. `--null` reloads without a change: what it finds must be 1, and tells how much the instrument can see.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from bench.cells import Cell, chosen
from bench.measuring import Load, LoadFailed, cpu_seconds, settle
from bench.proxies import LOAD_CORE, Proxy, Scene, end_with_sigterm, peers

CELL = "1 kB GET, 16 connections"
GATEWAYS, PERIODS, SECONDS, SETTLING = 4, 80, 0.4, 0.15  # seconds of CPU; the whole takes some three and a half minutes
POLLED, PATIENCE = 0.01, 60.0  # seconds: how often the CPU time is looked at, and when a gateway that gets no further is given up
LINE, NO_LINE = 300.0, 30.0  # bytes of log a call, at least where it is on, and at most where it is off: a reload says some lines
RESAMPLED = 2000
WITHIN = 0.95  # of what is drawn anew lies in the interval

Statistic = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Period:
    """One period of the load. `on` is whether the log was on, `us` is CPU of the gateway a call, `logged` bytes of log a call."""

    on: bool
    us: float
    logged: float


def turns(periods: int) -> list[bool]:
    """Whether the log is on in each period. What drifts steadily adds to either as much as to the other."""
    return [number % 4 in (0, 3) for number in range(periods)]


def ratios(periods: Sequence[Period]) -> list[float]:
    """How many times the CPU a call takes with the log, of each period and its neighbour."""
    pairs = zip(periods[::2], periods[1::2], strict=False)
    return [(a.us / b.us if a.on else b.us / a.us) for a, b in pairs]


def interval(samples: Sequence[Sequence[float]], of: Statistic, seed: int = 1) -> tuple[float, float]:
    """Where a statistic lies by bootstrap: gateways are drawn anew, and of each its pairs."""
    draw = random.Random(seed)
    found = sorted(
        of(list(chain.from_iterable(draw.choices(one, k=len(one)) for one in draw.choices(samples, k=len(samples)))))
        for _ in range(RESAMPLED)
    )
    outside = int((1 - WITHIN) / 2 * RESAMPLED)
    return found[outside], found[-1 - outside]


def check(period: Period, logs: bool) -> None:
    """Raise LoadFailed where a period was not what it should be: the reload came too late, or the log went elsewhere."""
    if not (period.logged >= LINE if logs else period.logged <= NO_LINE):
        raise LoadFailed(f"{period.logged:.0f} bytes of log a call, with the log {'on' if logs else 'off'}")


@contextlib.contextmanager
def journal() -> Iterator[tuple[int, int]]:
    """Where a service's log goes: a stream socket, from which another process reads. Its descriptor, and the reader's pid."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = subprocess.Popen(["taskset", "-c", str(LOAD_CORE), "cat"], stdin=theirs, stdout=subprocess.DEVNULL)
        try:
            yield ours.fileno(), reader.pid
        finally:
            reader.kill()
            reader.wait()


def _read_by(pid: int) -> int:
    """How many bytes a process has read (proc(5))."""
    return int(Path(f"/proc/{pid}/io").read_text().split(maxsplit=2)[1])


class Switched:
    """A gateway, its reader, and a load that drives it already."""

    def __init__(self, proxy: Proxy, config: Path, reader: int, load: Load) -> None:
        self._proxy, self._config, self._reader, self._load = proxy, config, reader, load

    def _now(self) -> tuple[float, int, int]:
        cpu = cpu_seconds(self._proxy.pid)
        return cpu, self._load.so_far()["count"], _read_by(self._reader)

    def _work(self, seconds: float) -> None:
        """Wait until the gateway has used so much CPU: on a busy machine that is no less work than on a quiet one."""
        end, patience = cpu_seconds(self._proxy.pid) + seconds, time.monotonic() + PATIENCE
        while cpu_seconds(self._proxy.pid) < end:
            time.sleep(POLLED)
            if time.monotonic() > patience:
                raise LoadFailed(f"the gateway did not use {seconds} s of CPU in {PATIENCE:g} s")

    def period(self, on: bool, null: bool, seconds: float, settling: float) -> Period:
        """Reload, settle, and measure. With `null` the log is on in any case. Raises LoadFailed."""
        logs = on or null
        settings = {**json.loads(self._config.read_text()), "log": {"access": "on" if logs else "off"}}
        self._config.write_text(json.dumps(settings))
        os.kill(self._proxy.pid, signal.SIGHUP)
        self._work(settling)
        before = self._now()
        self._work(seconds)
        cpu, calls, logged = (after - was for after, was in zip(self._now(), before, strict=True))
        if not calls:
            raise LoadFailed("no call ended within a period")
        found = Period(on, 1e6 * cpu / calls, logged / calls)
        check(found, logs)
        return found


def of_a_gateway(cell: Cell, options: argparse.Namespace) -> list[Period]:
    """Start a gateway, and measure its periods. Raises LoadFailed."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="l7gw-bench-")))
        descriptor, reader = stack.enter_context(journal())
        proxy = Scene(folder, stack, http2=cell.streams > 0, stderr=descriptor).start("l7gw")
        settle(proxy.pid)
        load = stack.enter_context(Load(proxy, peers(), cell, 3600))
        load.begin()
        switched = Switched(proxy, folder / "l7gw.yaml", reader, load)
        switched.period(True, options.null, 1.0, 1.0)  # warms
        return [switched.period(on, options.null, options.seconds, options.settling) for on in turns(options.periods)]


def told(samples: Sequence[Sequence[float]]) -> list[str]:
    """What was found, as lines."""
    every = list(chain.from_iterable(samples))
    lines = [f"  gateway {number}: {statistics.median(one):.3f}" for number, one in enumerate(samples, 1)]
    for name, of in (("median", statistics.median), ("mean", statistics.fmean)):
        low, high = interval(samples, of)
        lines.append(f"{name} of {len(every)} pairs: {of(every):.4f} [{low:.4f}-{high:.4f}]")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", default=CELL, help="another cell of the bench, of requests")
    parser.add_argument("--gateways", type=int, default=GATEWAYS, help="how many are started, one after another")
    parser.add_argument("--periods", type=int, default=PERIODS, help="of each gateway")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of CPU, of a period")
    parser.add_argument("--settling", type=float, default=SETTLING, help="seconds of CPU after a reload that do not count")
    parser.add_argument("--null", action="store_true", help="leave the log on: what is found must be 1")
    options = parser.parse_args()
    end_with_sigterm()
    (cell,) = chosen(options.cell)
    load = os.getloadavg()[0]
    samples = []
    for _ in range(options.gateways):
        periods = of_a_gateway(cell, options)
        samples.append(ratios(periods))
        on, off = (statistics.median(one.us for one in periods if one.on is which) for which in (True, False))
        print(f"{on:.1f} us a call with the log, {off:.1f} without: {statistics.median(samples[-1]):.3f}", flush=True)
    print(f"price of the access log{' that stays on' if options.null else ''}, {cell.name}, load {load:.1f} before:")
    print("\n".join(told(samples)))


if __name__ == "__main__":
    main()
