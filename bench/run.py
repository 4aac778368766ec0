"""`make bench`: l7gw beside its peers in the same run, as work per second of the proxy's own CPU.

The proxies run on one core, the upstream and the load on another. l7gw authenticates, judges, masks, records and logs each call;
`unmasked` is l7gw without its masks, `unlogged` without its access log, `eks` is l7gw before a cluster of EKS, with a token and a
pool of connections for each person; the peers only pass bytes on. Compare figures of one run only, and ratios rather than absolute
values.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from l7gw.demo.issuer import AUDIENCE
from l7gw.demo.pki import Authority
from tests.support.aws.environment import NOBODY
from tests.support.aws.stand_in import Aws
from tests.support.demo_issuer import issuing
from tests.support.eks_scene import entry
from tests.support.go_programs import built_once

HERE = Path(__file__).parent
MOST_PEOPLE = 16
WARMING = 1  # seconds of each kind of load before the first round


@dataclass(frozen=True)
class Cell:
    """One kind of load. The load counts requests, bytes or frames; `unit` of them are one piece of work."""

    name: str
    kind: str
    connections: int
    streams: int = 0  # streams at once on each connection of HTTP/2; 0 for HTTP/1.1
    unit: float = 1
    people: int = 1  # each connection is of one of them, in turn

    @property
    def small(self) -> bool:
        """Whether it is also measured at a cluster of EKS, and without the log: what a call costs is seen in the smallest."""
        return self.kind == "small"


CELLS = [
    Cell("1 kB GET, 1 connection", "small", 1),
    Cell("1 kB GET, 16 connections", "small", 16),
    Cell("1 kB GET, 64 connections", "small", 64),
    Cell("1 kB GET, 16 connections of 16 people", "small", 16, people=16),
    Cell("1 kB GET, 4,096 objects, 16 connections", "varied", 16),
    Cell("100 MB log, 2 connections (MB)", "bulk", 2, unit=1e6),
    Cell("exec frames of 64 bytes, 4 connections", "frames", 4),
    Cell("1 MB PodList, 4 connections", "list", 4),
    Cell("1 MB PodList in gzip, 4 connections", "list-gzip", 4),
    Cell("watch of 1,000 Secrets, 4 connections (events)", "secrets", 4),
    Cell("HTTP/2: 1 kB GET, 1 connection, 1 stream", "small", 1, 1),
    Cell("HTTP/2: 1 kB GET, 1 connection, 16 streams", "small", 1, 16),
    Cell("HTTP/2: 1 kB GET, 8 connections, 8 streams", "small", 8, 8),
    Cell("HTTP/2: 1 kB GET, 8 connections of 8 people, 8 streams", "small", 8, 8, people=8),
    Cell("HTTP/2: 1 kB GET, 4,096 objects, 1 connection, 16 streams", "varied", 1, 16),
    Cell("HTTP/2: 100 MB log, 1 connection, 2 streams (MB)", "bulk", 1, 2, unit=1e6),
]


@dataclass
class Proxy:
    name: str
    pid: int
    url: str
    tokens: tuple[str, ...] = ()


def peers() -> Path:
    """The path of the bench's Go program, built once into the cache. Raises MissingGo, BuildFailed."""
    return built_once(HERE / "peers", "l7gw-bench-peers")


def cpu_seconds(pid: int) -> float:
    """Seconds of user and system time of a process with its threads (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree_cpu(pid: int) -> float:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_seconds(pid) + sum(cpu_seconds(int(child)) for child in children)


@contextlib.contextmanager
def started(command: list[str], core: int, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process on one core, and the first line that it prints."""
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "GOMAXPROCS": "1", **environment},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def proxies(folder: Path, binary: Path, h2: str) -> Iterator[list[Proxy]]:
    """All proxies, in front of one upstream. `h2` is "1" where each leg is to speak HTTP/2, as far as its proxy can."""
    authority = Authority(folder / "pki")
    certificate, key = authority.server("server", "127.0.0.1")
    client = authority.client("client", "gateway")
    pair = [str(certificate), str(key)]
    with contextlib.ExitStack() as stack:
        _, port = stack.enter_context(started([str(binary), "upstream", *pair], 1, H2=h2))
        upstream = f"https://127.0.0.1:{port}"
        found = []
        issuer = stack.enter_context(issuing(authority))
        (folder / "policy.yaml").write_text("rules:\n  - {name: all, groups: [engineers], effects: ['*'], verdict: allow}\n")
        settings = {
            "listen": "127.0.0.1:0",
            "tls": {"certificate": str(certificate), "key": str(key)},
            "identity": [
                {
                    "oidc": {
                        "issuer": issuer.url,
                        "audience": AUDIENCE,
                        "username": "name",
                        "groups": "groups",
                        "certificate-authority": str(authority.certificate),
                    }
                }
            ],
            "clusters": {
                "bench": {
                    "server": upstream,
                    "certificate-authority": str(authority.certificate),
                    "credential": {"client-certificate": str(client[0]), "client-key": str(client[1])},
                }
            },
            "policy": "policy.yaml",
        }
        tokens = tuple(issuer.token(f"person-{number}@example.com", ["engineers"]) for number in range(MOST_PEOPLE))
        aws = stack.enter_context(Aws(folder))
        aws.eks.cluster("prod", upstream, authority.certificate.read_text())
        at_eks = {"clusters": {"bench": entry(aws, aws.sts.role("l7gw"))}}
        keys = NOBODY | aws.ring.user("gateway").environment
        for name, program, more in (
            ("l7gw", ["-m", "l7gw"], {}),
            ("unmasked", [str(HERE / "unmasked.py")], {}),
            ("unlogged", ["-m", "l7gw"], {"log": {"access": "off"}}),
            ("eks", ["-m", "l7gw"], at_eks),
        ):
            config = folder / f"{name}.yaml"
            (folder / name).mkdir(mode=0o700)
            config.write_text(json.dumps({**settings, **more, "state": name}))
            command = [sys.executable, *program, "serve", "--config", str(config)]
            gateway, line = stack.enter_context(started(command, 0, **keys))
            found.append(Proxy(name, gateway.pid, f"https://{line.rpartition(' ')[2]}", tokens))
        go, port = stack.enter_context(started([str(binary), "proxy", *pair, upstream], 0, H2=h2))
        found.append(Proxy("go", go.pid, f"https://127.0.0.1:{port}"))
        if shutil.which("nginx"):
            found.append(stack.enter_context(nginx(folder, pair, upstream)))
        yield found


@contextlib.contextmanager
def nginx(folder: Path, pair: list[str], upstream: str) -> Iterator[Proxy]:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream it {{ server {upstream.removeprefix("https://")}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port} ssl http2; keepalive_requests 1000000; ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]};
    location / {{
      proxy_pass https://it; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
    )
    process = subprocess.Popen(["taskset", "-c", "0", "nginx", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
        yield Proxy("nginx", process.pid, f"https://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


def measure(proxy: Proxy, binary: Path, cell: Cell, seconds: float) -> tuple[float, dict[str, float]]:
    """Pieces of work per second of the proxy's CPU time, and the figures that the load printed."""
    environment = {
        "TOKENS": " ".join(proxy.tokens[: cell.people]),
        "H2": "1" if cell.streams else "",
        "STREAMS": str(cell.streams or 1),
    }
    before = tree_cpu(proxy.pid)
    done = subprocess.run(
        ["taskset", "-c", "1", str(binary), "load", cell.kind, proxy.url, str(cell.connections), str(seconds)],
        env={**os.environ, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    return said["count"] / cell.unit / max(tree_cpu(proxy.pid) - before, 1e-9), said


def price(without: str, with_: str, rows: dict[str, list[float]]) -> str:
    # How many times the CPU of one proxy another takes: the median of the rounds, each by itself, as the machine changes between
    # them; and the least and the most.
    if not {without, with_} <= rows.keys():
        return ""
    ratios = [one / other for one, other in zip(rows[without], rows[with_])]
    return f"{statistics.median(ratios):.3f} [{min(ratios):.2f}-{max(ratios):.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="of the whole table, interleaved")
    parser.add_argument("--only", default="", help="cells whose name holds this")
    parser.add_argument("--proxies", default="", help="these alone, as `l7gw,unlogged`")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    options = parser.parse_args()
    cells = [cell for cell in CELLS if options.only in cell.name]
    wanted = [name for name in options.proxies.split(",") if name]
    binary = peers()
    results: dict[str, dict[str, list[float]]] = {cell.name: {} for cell in cells}
    latencies: dict[str, dict[str, list[float]]] = {cell.name: {} for cell in cells}
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        running = {
            h2: stack.enter_context(proxies(Path(stack.enter_context(tempfile.TemporaryDirectory())), binary, "1" if h2 else ""))
            for h2 in (False, True)
        }
        for turn in range(-1, options.rounds):
            for cell in cells:
                for proxy in running[cell.streams > 0]:
                    if (proxy.name in ("eks", "unlogged") and not cell.small) or (wanted and proxy.name not in wanted):
                        continue
                    if turn < 0:  # what a process makes once, such as the search of long lists, is no part of a call
                        measure(proxy, binary, cell, WARMING)
                        continue
                    console.print(f"round {turn + 1}/{options.rounds}: {cell.name}: {proxy.name}", highlight=False)
                    rate, said = measure(proxy, binary, cell, options.seconds)
                    if said["fails"]:
                        console.print(f"  {said['fails']} failed")
                    results[cell.name].setdefault(proxy.name, []).append(rate)
                    latencies[cell.name].setdefault(proxy.name, []).append(said["p50_us"])
    if options.output == "json":
        print(json.dumps({"per_core_second": results, "p50_us": latencies}, indent=2))
        return
    names = [proxy.name for proxy in running[False] if not wanted or proxy.name in wanted]
    table = Table(
        "cell",
        *(f"{name}, per core-second" for name in names),
        *(f"{name} / go" for name in names if "go" in names),
        "price of masking",
        "price of the access log",
        "price of EKS",
        "p50 us",
    )
    for cell in cells:
        rows = results[cell.name]
        median = {name: statistics.median(row) for name, row in rows.items()}
        table.add_row(
            cell.name,
            *(f"{median[name]:,.0f} [{min(rows[name]):,.0f}-{max(rows[name]):,.0f}]" if name in rows else "" for name in names),
            *(f"{median[name] / median['go']:.2f}" if name in rows else "" for name in names if "go" in names),
            price("unmasked", "l7gw", rows),
            price("unlogged", "l7gw", rows),
            price("l7gw", "eks", rows),
            " / ".join(f"{statistics.median(latencies[cell.name][name]):.0f}" for name in names if name in rows),
        )
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
