"""Quiet tunnels between middleboxes that forget: our pings keep them, on both sides of the gateway (threats I17).

The clients are real ones. The boxes forget a connection after 3 s, and no client pings so often: kubectl every 5 or 10 s, Python's
never.
"""

from __future__ import annotations

import contextlib
import copy
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kubernetes.stream import stream
from websocket import WebSocketException

from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from tests.real.test_kubectl import Kubectl, echoing, forwarding
from tests.real.test_python import core
from tests.support.both_ways import before
from tests.support.compared_commands import Side
from tests.support.forgetful_proxy import Forgetful
from tests.support.kubernetes.cluster import RealCluster

SCRIPT = ["sh", "-c", "echo begun; read x; echo got $x"]
WITHIN = 30.0  # seconds
NEVER = 1e9  # seconds of silence until a ping: so many that there is none
FORGOTTEN = (WebSocketException, OSError)


class Exec:
    """`kubectl exec`, whose command waits for a line."""

    def __init__(self, side: Side, kubectl: Kubectl) -> None:
        command = side.command(kubectl.path, "exec", "-i", "web-0", "--", *SCRIPT)
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=side.env(), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "begun\n"

    def answers(self) -> bool:
        return self._process.communicate("typed\n", timeout=WITHIN)[0] == "got typed\n" and self._process.returncode == 0

    def close(self) -> None:
        self._process.kill()
        self._process.wait(WITHIN)


class Forward:
    """`kubectl port-forward`, and a connection through it."""

    def __init__(self, side: Side, kubectl: Kubectl, port: int) -> None:
        self._process, forwarded = forwarding(side, kubectl, port)
        self._connection = socket.create_connection(("127.0.0.1", forwarded), WITHIN)
        assert self.answers()

    def answers(self) -> bool:
        try:
            self._connection.sendall(b"said")
            return self._connection.recv(65536) == b"SAID"
        except ConnectionError:
            return False

    def close(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.communicate(timeout=WITHIN)


class Python:
    """The exec of Python's client. It reads, and so answers pings, only while the test tells it to."""

    def __init__(self, side: Side) -> None:
        self._shell = stream(
            core(side).connect_get_namespaced_pod_exec, "web-0", side.namespace, command=SCRIPT,
            stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
        )  # fmt: skip
        assert self._shell.readline_stdout(timeout=WITHIN) == "begun"

    def read(self, seconds: float) -> None:
        self._shell.run_forever(timeout=seconds)

    def answers(self) -> bool:
        try:
            self._shell.write_stdin("typed\n")
            self.read(WITHIN)
        except FORGOTTEN:
            return False
        return bool(self._shell.read_stdout() == "got typed\n")

    def close(self) -> None:
        self._shell.close()


@contextlib.contextmanager
def between(cluster: RealCluster, folder: Path, timeouts: Timeouts) -> Iterator[tuple[Side, dict[str, Forgetful]]]:
    """A gateway with a pod, and on each side of the gateway a box that can forget connections."""
    with Forgetful(cluster.port) as behind:
        beyond = copy.copy(cluster)
        beyond.server = f"https://127.0.0.1:{behind.port}"
        with before(beyond, folder, watched=False, timeouts=timeouts) as both, Forgetful(both.gateway.port) as ahead:
            both.gateway.address = f"127.0.0.1:{ahead.port}"
            kubeconfig = both.gateway.kubeconfig("real", both.token, name="forgetful.kubeconfig")
            namespace = folder.parent.name.replace("_", "-")[:60].strip("-")
            cluster.namespace(namespace)
            cluster.pod("web-0", namespace)
            yield Side("through", kubeconfig, namespace, folder), {"client": ahead, "cluster": behind}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("quiet", "after", "forgetful", "lives"),
    [
        pytest.param(0.0, 3.0, ["client", "cluster"], True, id="pinged each second"),
        pytest.param(
            USUAL_TIMEOUTS.client_ping_after, 35.0, ["client", "cluster"], True, id="pinged as ever", marks=pytest.mark.long
        ),
        pytest.param(NEVER, 3.0, ["client"], False, id="unpinged, forgotten before the gateway", marks=pytest.mark.long),
        pytest.param(NEVER, 3.0, ["cluster"], False, id="unpinged, forgotten behind the gateway", marks=pytest.mark.long),
    ],
)
def test_a_quiet_tunnel_outlives_what_forgets_it_by_our_pings(
    cluster: RealCluster,
    tmp_path: Path,
    quiet: float,
    after: float,
    forgetful: list[str],
    lives: bool,
) -> None:
    """Without our pings the tunnel is cut, on either side. Otherwise this test would show nothing."""
    timeouts = Timeouts(client_ping_after=quiet, cluster_ping_after=quiet)
    listener, port = echoing()
    (oldest, old), (newest, new) = sorted(cluster.built.kubectls.items())
    with listener, contextlib.ExitStack() as stack, between(cluster, tmp_path / "between", timeouts) as (side, boxes):
        tunnels: list[Exec | Forward | Python] = [Exec(side, Kubectl(oldest, old, "spdy"))]
        for protocol, flag in (("websocket", "true"), ("spdy", "false")):
            chosen = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": flag, "KUBECTL_PORT_FORWARD_WEBSOCKETS": flag}
            side, kubectl = replace(side, environment=chosen), Kubectl(newest, new, protocol)
            tunnels += [Exec(side, kubectl), Forward(side, kubectl, port)]
        tunnels.append(python := Python(side))
        for tunnel in tunnels:
            stack.callback(tunnel.close)
        for name in forgetful:
            boxes[name].begin(after)
        end = time.monotonic() + 3 * after + 1
        with contextlib.suppress(*(() if lives else FORGOTTEN)):
            python.read(3 * after + 1)
        time.sleep(max(0.0, end - time.monotonic()))
        assert [tunnel.answers() for tunnel in tunnels] == [lives] * len(tunnels)
