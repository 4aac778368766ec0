"""One measurement: a load drives a proxy, and the proxy's CPU time is read when the load begins and when it has ended."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cells import Cell
from bench.proxies import LOAD_CORE, PROXY_CORE, Proxy

RESTS = 0.1  # seconds of CPU in half a second: an idle gateway, also under valgrind, takes less
SYNCS = 200  # writes of which the median tells how long the disk takes


class LoadFailed(Exception):
    """The load could not do its work; what it said is in the message."""


@dataclass(frozen=True)
class Measured:
    """`work` counts pieces of work; `cpu` and `wall` are seconds."""

    work: float
    cpu: float
    wall: float
    p50_us: float


def cpu_seconds(pid: int) -> float:
    """Seconds of user and system time of a process with its threads, also those that ended."""
    # The clock of a process by its number, as clock_getcpuclockid(3) makes it. proc(5) tells hundredths of a second only.
    return time.clock_gettime((~pid << 3) | 2)


def tree_cpu(pid: int) -> float:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_seconds(pid) + sum(cpu_seconds(int(child)) for child in children)


def settle(pid: int) -> None:
    """Wait until a process rests: what it prepares in its threads after its start is no part of a call."""
    for _ in range(120):
        before = tree_cpu(pid)
        time.sleep(0.5)
        if tree_cpu(pid) - before < RESTS:
            return
    raise RuntimeError("the proxy does not come to rest")


class Load:
    """A load whose connections stand, and which waits for `go`. `calls` is the number of calls to make, or None for `seconds`.
    `warm` calls are made by each stream before."""

    def __init__(self, proxy: Proxy, binary: Path, cell: Cell, seconds: float, calls: int | None = None, warm: int = 2) -> None:
        environment = {
            **os.environ,
            "TOKENS": " ".join(proxy.tokens[: cell.people]),
            "H2": "1" if cell.streams else "",
            "STREAMS": str(cell.streams or 1),
            "RATE": str(cell.rate or ""),
            "CALLS": str(calls or ""),
            "WARM": str(warm),
            "LOG_BYTES": str(cell.log_bytes or ""),
        }
        self._cell = cell
        pinned = [] if calls else ["taskset", "-c", str(LOAD_CORE)]
        command = [*pinned, str(binary), "load", cell.kind, proxy.url, str(cell.connections), str(seconds)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process: subprocess.Popen[str] = subprocess.Popen(command, **pipes, text=True, env=environment)

    def __enter__(self) -> Load:
        if self._line() != "warm\n":
            raise LoadFailed(f"{self._cell.name}: the load did not get warm")
        return self

    def _line(self) -> str:
        assert self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            raise LoadFailed(f"{self._cell.name}: {self._process.stderr.read().strip()}")
        return line

    def begin(self) -> None:
        """Let it drive, and do not wait for its end: `so_far` tells how far it is."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def go(self) -> dict[str, Any]:
        """Let it drive, and read what it counted. Raises LoadFailed where a call failed, or where another protocol was spoken."""
        self.begin()
        return self._counted()

    def so_far(self) -> dict[str, Any]:
        """What it has counted since it began, of requests. Raises LoadFailed as `go` does."""
        self.begin()
        return self._counted()

    def _counted(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self._line())
        if said["fails"] or not said["count"] or said["proto"] != self._cell.protocol:
            raise LoadFailed(f"{self._cell.name}: {said}")
        return said

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait(10)


def measure(proxy: Proxy, binary: Path, cell: Cell, seconds: float) -> Measured:
    """What a proxy did in a cell. Raises LoadFailed."""
    with _cores(proxy.pid, cell.both_cores), Load(proxy, binary, cell, seconds) as load:
        before = tree_cpu(proxy.pid)
        said = load.go()
        spent = tree_cpu(proxy.pid) - before
    return Measured(said["count"] / cell.unit, max(spent, 1e-6), said["seconds"], said["p50_us"])


@contextlib.contextmanager
def _cores(pid: int, both: bool) -> Iterator[None]:
    if both:
        _pin(pid, {PROXY_CORE, LOAD_CORE})
    try:
        yield
    finally:
        if both:
            _pin(pid, {PROXY_CORE})


def _pin(pid: int, cores: set[int]) -> None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for process in (str(pid), *children):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.sched_setaffinity(int(thread.name), cores)


def sync_us(folder: Path) -> float:
    """Median microseconds that the disk takes to have what was appended to a file, 1 KiB at a time (fdatasync(2))."""
    times = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            file.write(os.urandom(1024))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(1e6 * (time.perf_counter() - began))
    return statistics.median(times)
