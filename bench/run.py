"""`make bench`: l7gw beside its peers in the same run, as work per second of the proxy's own CPU.

The proxies run on one core, the upstream and the load on another. l7gw authenticates, judges, masks, records and logs each call;
`go` (httputil.ReverseProxy), `relay` (uvloop's TLS, bytes copied) and `nginx` pass on and do nothing else. Compare figures of one
run only, and ratios rather than absolute values.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench.cells import Cell, chosen
from bench.figures import Figures, from_json, machine
from bench.measuring import LoadFailed, measure, settle, sync_us
from bench.proxies import OURS, PEERS, USUAL, Proxy, Scene, end_with_sigterm, is_there, peers
from bench.shown import summary, table
from bench.watching import kib_of_watch
from tests.support.go_programs import environment, find_go

WARMING = 0.5  # seconds of each kind of load before the first round
QUICK = {"rounds": 3, "seconds": 1.3}
TOLD = Console(stderr=True, highlight=False)


class Running:
    """The proxies of both scenes, HTTP/1.1 and HTTP/2, each started when it is first asked for."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, pythons: Mapping[str, str]) -> None:
        self._folder, self._stack, self._pythons = folder, stack, pythons
        self._scenes: dict[bool, Scene] = {}
        self._proxies: dict[tuple[str, bool], Proxy] = {}

    def proxy(self, name: str, http2: bool) -> Proxy:
        if http2 not in self._scenes:
            folder = self._folder / ("h2" if http2 else "h1")
            folder.mkdir()
            self._scenes[http2] = Scene(folder, self._stack, http2, pythons=self._pythons)
        if (name, http2) not in self._proxies:
            self._proxies[name, http2] = self._scenes[http2].start(name)
        return self._proxies[name, http2]

    def settle(self) -> None:
        """Wait until all proxies rest: what they prepare in their threads after their start is no part of a call."""
        for proxy in self._proxies.values():
            settle(proxy.pid)


def measured_at(cell: Cell, wanted: Sequence[str]) -> list[str]:
    """The proxies that a cell is measured at: of the wanted ones, those that are always, those that the cell names, and l7gw by
    other interpreters."""
    return [
        name
        for name in dict.fromkeys((*USUAL, *OURS, *wanted))
        if name in wanted and (name not in OURS or name in USUAL or name in cell.also) and is_there(name)
    ]


def interpreters(given: Sequence[str]) -> dict[str, str]:
    """The interpreters of `NAME=PATH`, by their names. Raises ValueError where one is not so, or has a proxy's name."""
    pairs = [one.partition("=")[::2] for one in given]
    if wrong := [f"{name}={path}" for name, path in pairs if not name or not path or name in (*OURS, *PEERS)]:
        raise ValueError(f"--python takes NAME=PATH, with a name that no proxy has: {', '.join(wrong)}")
    return dict(pairs)


def rounds(figures: Figures, cells: Sequence[Cell], wanted: Sequence[str], running: Running, folder: Path) -> None:
    """Measure all cells at all proxies, round by round. The first round only warms: what a process makes once, such as the search
    of long lists, is no part of a call."""
    binary = peers()
    for turn in range(-1, figures.rounds):
        TOLD.print(f"round {turn + 1}/{figures.rounds}" if turn >= 0 else "warming")
        if turn == 0:
            running.settle()
        for cell in cells:
            for name in measured_at(cell, wanted):
                if cell.kind == "post":
                    os.sync()  # what earlier rounds recorded is on the disk: a sync of this cell waits for no other bytes
                proxy = running.proxy(name, cell.streams > 0)
                try:
                    one = measure(proxy, binary, cell, figures.seconds if turn >= 0 else WARMING)
                except LoadFailed as error:
                    TOLD.print(f"  FAILED, {name}: {error}", markup=False)
                    continue
                if turn >= 0:
                    figures.add(cell, name, one)
            if turn >= 0 and cell.kind == "post":
                os.sync()
                figures.sync_us.append(sync_us(folder))


def watches(figures: Figures, wanted: Sequence[str], folder: Path) -> None:
    """Measure what an idle watch takes. All legs to the upstream speak HTTP/2 where the proxy does, as with kube-apiserver."""
    for protocol in ("HTTP/1.1", "HTTP/2"):
        with contextlib.ExitStack() as stack:
            own = folder / f"watches-{protocol.replace('/', '')}"
            own.mkdir()
            scene = Scene(own, stack, http2=True)
            for name in (name for name in USUAL if name in wanted and is_there(name)):
                try:
                    found = kib_of_watch(scene.start(name), peers(), http2=protocol == "HTTP/2")
                except LoadFailed as error:
                    TOLD.print(f"  FAILED: {error}", markup=False)
                    continue
                figures.watches.setdefault(protocol, {})[name] = round(found, 1)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="l7gw-bench-") as name:
        yield Path(name)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="of the whole table, interleaved")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="rounds and seconds so that all cells take ten minutes: {rounds} of {seconds} s".format(**QUICK),
    )
    parser.add_argument("--only", default="", help="cells of this name or kind, or with this in their name; `;` between several")
    parser.add_argument("--proxies", default="", help="these alone, as `l7gw,unlogged`")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="one more proxy: l7gw by another interpreter, as it is installed there. Can be given again",
    )
    parser.add_argument("--prices", action="store_true", help="l7gw too without its log, masks and memory, and before EKS")
    parser.add_argument("--no-watches", action="store_true", help="leave out the memory of idle watches")
    parser.add_argument("--show", type=Path, metavar="FILE", help="measure nothing: show the JSON of a run")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    return options


def _wanted(options: argparse.Namespace, pythons: Mapping[str, str]) -> list[str]:
    if not options.proxies:
        return [*USUAL, "undurable", *(OURS if options.prices else ()), *pythons]
    names = [name.strip() for name in options.proxies.split(",")]
    if wrong := [name for name in names if name not in (*OURS, *PEERS, *pythons)]:
        sys.exit(f"no proxy is named {', '.join(wrong)}: there are {', '.join((*OURS, *PEERS, *pythons))}")
    return [*names, *(name for name in pythons if name not in names)]


def main() -> None:
    options = _options()
    end_with_sigterm()
    if options.show:
        figures = from_json(options.show.read_text())
    else:
        try:
            cells, pythons = chosen(options.only), interpreters(options.python)
        except ValueError as error:
            sys.exit(str(error))
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        figures = Figures(
            machine(environment(find_go())["GOVERSION"]), today, options.rounds, options.seconds, load=round(os.getloadavg()[0], 1)
        )
        wanted = _wanted(options, pythons)
        with _folder() as folder, contextlib.ExitStack() as stack:
            if not options.no_watches and not options.only:
                watches(figures, wanted, folder)
            rounds(figures, cells, wanted, Running(folder, stack, pythons), folder)
    if options.output == "json":
        print(figures.as_json())
        return
    wide = Console(width=200)
    wide.print(table(figures))
    for line in summary(figures):
        wide.print(line, highlight=False, markup=False)


if __name__ == "__main__":
    main()
