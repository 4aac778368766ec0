"""Thousands of idle watches, a client that reads nothing for a minute, and a cluster that falls silent without an error. All this
takes minutes, so it runs in `make test-long`."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7gw.demo.pki import Authority
from l7gw.gateway.worker import DESCRIPTORS_FOR_CLIENTS, OWN_DESCRIPTORS
from tests.conftest import missing
from tests.faults.test_slow import Endless
from tests.support.demo_issuer import issuing
from tests.support.faults import exec_client, program, resident
from tests.support.figures import figure
from tests.support.gateway_process import EVERYTHING, Gateway
from tests.support.http_callers import POD, Http2Caller
from tests.support.raw_client import RawClient
from tests.support.scene import identity, scene

FOR_EACH = 80 * 1024  # bytes of memory that an idle watch may cost, whose connection to the cluster is its own
WARM = 200  # watches that are opened first, so that memory shared by all is already allocated


class Helper:
    """A process that answers each line with a number (tests/support/idle_watches.py)."""

    def __init__(self, *arguments: str | Path, under: tuple[str, ...] = ()) -> None:
        command = [*under, sys.executable, "-m", "tests.support.idle_watches", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)

    def tell(self, line: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def number(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def before(folder: Path, address: str = "127.0.0.1", under: tuple[str, ...] = ()) -> Iterator[tuple[Gateway, Helper, str]]:
    """A gateway, the process of the cluster behind it, and Ann's token."""
    authority, far = Authority(folder / "issuer"), Authority(folder / "far")
    pair, own = far.server("far", address), far.client("own", "l7gw-gateway")
    with issuing(authority) as issuer, Helper("cluster", address, *pair, under=under) as cluster:
        entry: dict[str, Any] = {
            "server": f"https://{address}:{cluster.number()}",
            "certificate-authority": str(far.certificate),
            "credential": {"client-certificate": str(own[0]), "client-key": str(own[1])},
            "impersonate": "groups",
        }
        settings = {"identity": [identity(issuer, authority)], "clusters": {"test": entry}}
        with Gateway(folder / "gateway", settings, EVERYTHING) as gateway:
            yield gateway, cluster, issuer.token("ann@example.com", ["engineers"])


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("wanted", [2_000, 10_000])
def test_idle_watches_cost_little_and_all_hear_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: int) -> None:
    """There are ten thousand watches, or as many as the machine's limit of descriptors allows one gateway."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # only root may raise the limit, and not everywhere
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[0], max(limit, 3 * wanted)))
        limit = max(limit, 3 * wanted)
    watches = min(wanted, int((limit - OWN_DESCRIPTORS) * DESCRIPTORS_FOR_CLIENTS) - 10)
    program(tmp_path, monkeypatch, "import resource", f"resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))")
    with (
        before(tmp_path) as (gateway, cluster, token),
        Helper("clients", gateway.port, gateway.authority.certificate, token) as clients,
    ):
        it: Any = type("It", (), {"gateway": gateway})
        clients.tell(WARM)
        assert clients.number() == WARM
        time.sleep(2)
        warm = resident(it)
        began = time.monotonic()
        clients.tell(watches - WARM)
        assert clients.number() == watches
        took = time.monotonic() - began
        time.sleep(3)
        each = (resident(it) - warm) / (watches - WARM)
        cluster.tell("event")
        clients.tell("hear")
        heard = clients.number()
        figure(
            "I2", f"{watches} idle watches, HTTP/1.1 on both sides", "80 KiB each, all hear an event",
            f"{each / 1024:.1f} KiB each, {resident(it) / 1024**2:.0f} MiB in all, opened in {took:.0f} s, {heard} heard",
        )  # fmt: skip
        assert heard == watches, f"{watches - heard} of {watches} did not hear the event"
        assert each <= FOR_EACH


@pytest.fixture(scope="module")
def silent_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str] | None]:
    """The process in which a cluster falls silent, begun. None where the machine cannot run it. It and the client that reads nothing
    mostly sleep, so they take the same minute."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        yield None
        return
    command = ["unshare", "--net", sys.executable, "-m", "tests.support.silent_cluster", tmp_path_factory.mktemp("silent")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.long
def test_a_client_that_reads_nothing_for_a_minute_goes_on_where_it_was(silent_cluster: object, tmp_path: Path) -> None:
    """`kubectl logs -f` does so behind a pager, or when Ctrl-Z stopped it. A minute is longer than any of our limits for an
    answer."""
    with scene(tmp_path / "scene", Endless()) as it, contextlib.ExitStack() as stack:
        log = stack.enter_context(RawClient(it.gateway))
        log.send(it.request(f"GET {POD}/log?follow=true"))
        shell, _ = exec_client(it)
        stack.enter_context(shell)
        multiplexed = stack.enter_context(contextlib.closing(Http2Caller(it)))
        multiplexed.ask(f"{POD}/log?follow=true")
        sockets = [log.socket, shell.socket]
        for sock in sockets:
            assert sock.recv(1)
        time.sleep(60)
        taken = [0] * len(sockets)

        def read(number: int) -> None:
            sock = sockets[number]
            sock.settimeout(20)
            with contextlib.suppress(OSError):
                while taken[number] < 64 * 1024 * 1024 and (data := sock.recv(65536)):
                    taken[number] += len(data)

        threads = [threading.Thread(target=read, args=(number,)) for number in range(len(sockets))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert min(taken) >= 64 * 1024 * 1024, taken
        assert multiplexed.call()[0] == 200
        assert "gone without a word" not in it.gateway.log


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_cluster_that_falls_silent_is_noticed_in_time(silent_cluster: subprocess.Popen[str] | None) -> None:
    """Its packets are lost without an error, as behind a load balancer that forgot the connection. A watch waits, and a call is on
    its way."""
    if silent_cluster is None:
        missing("a network of its own needs unshare and the right to it")
    out, err = silent_cluster.communicate(timeout=250)
    assert silent_cluster.returncode == 0, err
    found = json.loads(out)
    took = ", ".join(f"{what} {found[what]:.0f} s" for what in ("call", "watch", "exec"))
    figure("I5", "a cluster whose packets are lost", "noticed within 45 s", took)
    assert found["watch"] < 50  # 45 seconds are promised; a probe's interval is added
    assert found["call"] < 50
    assert found["exec"] < 50
    assert found["status"] == 502
    assert found["again"] == 200
