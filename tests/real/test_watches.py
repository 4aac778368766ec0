"""Thousands of watches on shared connections: every one is answered, and every one brings every event."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.proxies import peers
from tests.support.both_ways import Both
from tests.support.figures import figure
from tests.support.kubernetes.cluster import RealCluster


def resident(pid: int) -> int:
    """KiB of memory that a process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def connections(pid: int, port: int) -> int:
    """How many established TCP connections a process has to a port on loopback (proc(5), tcp)."""
    inodes = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()}
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[2].endswith(f":{port:04X}") and fields[3] == "01" and f"socket:[{fields[9]}]" in inodes:
            found += 1
    return found


@pytest.mark.parametrize(
    ("client", "count"), [("HTTP/2", 500), ("HTTP/1.1", 500), pytest.param("HTTP/2", 10_000, marks=pytest.mark.long)]
)
def test_all_watches_bring_all_events(both_sides: Both, cluster: RealCluster, client: str, count: int) -> None:
    _, side = both_sides.fresh()
    gateway = both_sides.gateway
    assert gateway.process is not None
    cluster_port = int(cluster.server.rpartition(":")[2])
    before, idle = resident(gateway.process.pid), connections(gateway.process.pid, cluster_port)
    target = (
        f"https://{gateway.address}/real/api/v1/namespaces/{side.namespace}/pods?watch=true&fieldSelector=metadata.name%3Dweb-0"
    )
    environment = {**os.environ, "TOKENS": both_sides.token, "GOMAXPROCS": "1", "H2": "1" if client == "HTTP/2" else ""}
    with subprocess.Popen(
        [peers(), "watches", target, str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as load:  # fmt: skip
        assert load.stdin and load.stdout and load.stderr
        try:
            line = load.stdout.readline()
            assert line == f"{count} {count}\n", gateway.log[-2000:]
            shared = connections(gateway.process.pid, cluster_port) - idle  # `idle` ones are of earlier calls
            assert shared < count / 20, "the watches do not share connections to the cluster"
            each = (resident(gateway.process.pid) - before) / count
            load.stdin.write("\n")
            load.stdin.flush()
            cluster.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": "web-0", "namespace": side.namespace, "labels": {"seen": "yes"}},
                }
            )
            heard = int(load.stdout.readline())
            figure(
                "I2", f"{count} watches by {client}, HTTP/2 to kube-apiserver", "30 KiB each for HTTP/2, all hear an event",
                f"{each:.1f} KiB each on {shared} connections, {heard} heard",
            )  # fmt: skip
            assert heard >= count
        finally:
            load.kill()
