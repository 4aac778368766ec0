"""How long kubectl waits for `l7gw login` when a good token is kept: as a process, beside a Python that does nothing and beside
`l7gw --version`, which loads the commands. Run by `make bench`."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from l7gw.login.cache import Cache
from l7gw.login.exec_credential import API_VERSIONS, VARIABLE
from l7gw.login.kept import Kept
from l7gw.login.wanted import Wanted

RUNS = 30
GOAL = 300.0  # ms; kubectl waits for it on every command
L7GW = str(Path(sys.executable).parent / "l7gw")


def main() -> None:
    wanted = Wanted(issuer="https://idp.example.com", client_id="kubectl", gateway="gw.example.com:8443")
    commands = {
        "l7gw login, from its cache": [L7GW, "login", *wanted.arguments()],
        "python -c pass": [sys.executable, "-c", "pass"],
        "l7gw --version": [L7GW, "--version"],
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        os.environ[VARIABLE] = json.dumps({"apiVersion": API_VERSIONS[0], "spec": {"interactive": False}})
        kept = Kept(wanted)
        kept.id_token, kept.obtained, kept.id_ends = "x" * 1500, time.time(), time.time() + 3600
        Cache(make=True).write(wanted, kept)
        for _ in range(RUNS):
            for name, command in commands.items():
                before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
                done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
                wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
                assert b"x" * 1500 in done.stdout or "login" not in command
                times[name].append((1e3 * wall, 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)))
    table = Table("command", "ms", "ms of CPU", f"goal {GOAL:g} ms")
    for name, rows in times.items():
        walls, spent = zip(*rows, strict=True)
        median = statistics.median(walls)
        goal = ("held" if median < GOAL else "MISSED") if "login" in name else ""
        table.add_row(name, f"{median:.0f} [{min(walls):.0f}-{max(walls):.0f}]", f"{statistics.median(spent):.0f}", goal)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
