"""How many instructions a call costs l7gw, counted by callgrind: unlike seconds they repeat, whatever else the machine does.

`python bench/instructions.py small` counts a GET of 1 kB at 16 connections; a KIND or a part of a cell's name says another, and
`;` stands between several. Loads and proxies are those of `make bench`: `--proxies l7gw,unlogged,unmasked,forgetful,relay`. What
is counted is the whole process, its threads included, once its connections stand and have called.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.cells import Cell, chosen
from bench.measuring import Load, LoadFailed, settle
from bench.proxies import OURS, Proxy, Scene, end_with_sigterm, peers

WARM = (
    200  # calls before the counting, of all streams together: what is remembered is remembered by then, and Python has specialized
)
LOG_BYTES = 10 << 20  # of a log; callgrind makes a program fifty times slower
CALLS = {"bulk": 2, "list": 30, "list-gzip": 30, "secrets": 2, "new": 100, "chunked": 200, "post": 200}  # others 500
CALLS_OF_FRAMES = 50_000
PAGE_CELLS = (  # one of each kind of work: all cells would take an hour
    *("1 kB GET, 1 connection", "1 kB GET, 16 connections", "HTTP/2: 1 kB GET, 4 connections, 16 streams", "cold"),
    *("new connection and a GET, 4 at once", "1 MB PodList, 4 connections", "frames-64-packed", "frames-4096-packed"),
)
PAGE_PROXIES = "l7gw,forgetful,relay"
TRIES = 4
CALLGRIND = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=no"]


def missing() -> str:
    """What is missing on this machine, "" for nothing."""
    for program in ("valgrind", "callgrind_control", "callgrind_annotate"):
        if shutil.which(program) is None:
            return f"{program} is not on PATH: install valgrind (apt-get install valgrind)"
    return ""


def total(dump: str) -> int:
    """The instructions of a dump of callgrind, all threads together. Raises ValueError where it holds no total."""
    found = re.findall(r"^(?:totals|summary): (\d+)", dump, re.MULTILINE)
    if not found:
        raise ValueError("callgrind's dump holds no total")
    return int(found[-1])


def calls_of(cell: Cell) -> int:
    """How many calls (frames) are counted: some seconds of callgrind's."""
    return CALLS_OF_FRAMES if cell.kind.startswith("frames") else CALLS.get(cell.kind, 500)


def warm_of(cell: Cell) -> int:
    """How many calls each stream makes before the counting."""
    return max(3, WARM // (cell.connections * (cell.streams or 1))) if cell.kind in ("small", "cold", "post") else 2


def _control(pid: int, *words: str) -> None:
    subprocess.run(["callgrind_control", *words, str(pid)], check=True, capture_output=True, text=True, timeout=120)


def uncounted(proxy: Proxy, binary: Path, cell: Cell) -> None:
    """Drive a cell once: connections to the upstream are opened, and what is made once is made. Raises LoadFailed."""
    with Load(proxy, binary, cell, 3600, calls_of(cell), warm_of(cell)) as load:
        load.go()


def tried(proxy: Proxy, binary: Path, cell: Cell, folder: Path) -> tuple[float, Path] | None:
    """What `count` finds, None where the load fails again and again: slow as it is, a proxy may miss the times that are set it."""
    for attempt in range(TRIES):
        try:
            return count(proxy, binary, cell, folder)
        except LoadFailed as error:
            print(f"attempt {attempt + 1} of {TRIES}, {proxy.name}: {error}", file=sys.stderr)
            time.sleep(2)
    return None


def count(proxy: Proxy, binary: Path, cell: Cell, folder: Path) -> tuple[float, Path]:
    """The instructions of one piece of work of a cell, and callgrind's dump of all of them. Raises LoadFailed."""
    cell = dataclasses.replace(cell, log_bytes=LOG_BYTES, rate=0, both_cores=False)
    uncounted(proxy, binary, cell)
    with Load(proxy, binary, cell, 3600, calls_of(cell), warm_of(cell)) as load:
        settle(proxy.pid)
        _control(proxy.pid, "-i", "on")
        _control(proxy.pid, "-z")
        said = load.go()
        settle(proxy.pid)
        before = set(folder.glob("callgrind.*"))
        _control(proxy.pid, "-d")
        _control(proxy.pid, "-i", "off")
    dumps = [path for path in set(folder.glob("callgrind.*")) - before if f"\npid: {proxy.pid}\n" in path.read_text()]
    dump = max(dumps, key=lambda path: total(path.read_text()))
    return total(dump.read_text()) * cell.unit / said["count"], dump


def functions(annotated: str, most: int) -> list[tuple[int, str]]:
    """The C functions in which most instructions are spent, by what callgrind_annotate printed."""
    rows = re.findall(r"^ *([\d,]+) \([ \d.]+%\) +(?:\?\?\?|[^:\n]*):(\S.*)$", annotated, re.MULTILINE)
    return [(int(count.replace(",", "")), name.partition(" [")[0]) for count, name in rows[:most]]


def _told(dump: Path, most: int, whole: float) -> None:
    annotated = subprocess.run(["callgrind_annotate", str(dump)], check=True, capture_output=True, text=True).stdout
    every = total(dump.read_text())
    for spent, name in functions(annotated, most):
        print(f"    {whole * spent / every:12,.0f}  {100 * spent / every:5.1f} %  {name}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="?", default="1 kB GET, 16 connections", help="kinds, or parts of names, with `;` between")
    parser.add_argument("--proxies", default="l7gw", help=f"of {', '.join(OURS)} and relay, with commas between")
    parser.add_argument("--page", action="store_true", help="the cells and proxies of docs/performance.md, as JSON")
    parser.add_argument("--python", default=sys.executable, help="another interpreter, which can import what l7gw needs")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="tell also the N dearest C functions")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    options = parser.parse_args()
    if options.page:
        options.cells, options.proxies, options.output = ";".join(PAGE_CELLS), PAGE_PROXIES, "json"
    return options


def counted(cells: tuple[Cell, ...], names: list[str], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The instructions of each cell and proxy; each proxy is started once for each protocol."""
    binary, found = peers(), {cell.name: dict[str, float]() for cell in cells}
    out = sys.stderr if options.output == "json" else sys.stdout  # JSON is for programs
    for http2 in (False, True):
        wanted = [cell for cell in cells if (cell.streams > 0) is http2]
        for name in names if wanted else ():
            with contextlib.ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                scene = Scene(folder, stack, http2, [*CALLGRIND, f"--callgrind-out-file={folder}/callgrind.%p"], options.python)
                proxy = scene.start(name)
                for cell in wanted:
                    one = tried(proxy, binary, cell, folder)
                    if one is None:
                        continue
                    found[cell.name][name] = round(one[0])
                    print(f"{cell.name}: {name}: {one[0]:,.0f} instructions", flush=True, file=out)
                    if options.functions:
                        _told(one[1], options.functions, one[0])
    return found


def main() -> None:
    options = _options()
    end_with_sigterm()
    if lack := missing():
        sys.exit(lack)
    names = options.proxies.split(",")
    if wrong := [name for name in names if name not in (*OURS, "relay")]:
        sys.exit(f"no proxy that can be counted is named {', '.join(wrong)}: there are {', '.join(OURS)} and relay")
    try:
        cells = chosen(options.cells)
    except ValueError as error:
        sys.exit(str(error))
    found = counted(cells, names, options)
    if options.output == "json":
        print(json.dumps({"instructions": found}, indent=1))
        return
    for cell, row in found.items():
        others = [name for name in row if name != names[0]] if names[0] in row else []
        for name in others:
            print(f"{cell}: {names[0]} takes {row[names[0]] / row[name]:.3f} of {name}")


if __name__ == "__main__":
    main()
