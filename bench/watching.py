"""The memory that an idle watch takes: proxies that have done nothing else hold many."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measuring import LoadFailed
from bench.proxies import LOAD_CORE, Proxy

FIRST, WATCHES = 200, 2000


def resident(pid: int) -> int:
    """KiB of memory that a process has with its children (proc(5))."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = 0
    for process in (str(pid), *children):
        status = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
        found += int(status[1]) if status else 0
    return found


def settled(pid: int) -> int:
    """As `resident`, once it stands still: what was recorded of the last calls is written a moment later, and what that takes at
    its first time is no part of a watch. Waits for ten seconds at most."""
    before, still = resident(pid), 0
    for _ in range(40):
        time.sleep(0.25)
        now = resident(pid)
        still = still + 1 if now == before else 0
        if still == 4:
            break
        before = now
    return before


def kib_of_watch(proxy: Proxy, binary: Path, http2: bool) -> float:
    """KiB of an idle watch: what a proxy grows by when it holds WATCHES beside the FIRST, which bring what is made once.
    Raises LoadFailed where one does not stand."""
    with _held(proxy, binary, http2, FIRST):
        before = settled(proxy.pid)
        with _held(proxy, binary, http2, WATCHES):
            return (settled(proxy.pid) - before) / WATCHES


@contextlib.contextmanager
def _held(proxy: Proxy, binary: Path, http2: bool, count: int) -> Iterator[None]:
    environment = {**os.environ, "TOKENS": " ".join(proxy.tokens[:1]), "GOMAXPROCS": "1", "H2": "1" if http2 else ""}
    target = proxy.url + "/api/v1/namespaces/default/pods?watch=true&fieldSelector=metadata.name%3Dweb-0"
    with subprocess.Popen(
        ["taskset", "-c", str(LOAD_CORE), binary, "watches", target, str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    ) as load:  # fmt: skip
        assert load.stdout is not None
        try:
            said = load.stdout.readline()
            if said.split() != [str(count), str(count)]:
                raise LoadFailed(f"{proxy.name}: of {count} watches stand, and brought an event: {said.strip() or 'none'}")
            yield
        finally:
            load.kill()
