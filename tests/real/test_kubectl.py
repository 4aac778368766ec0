"""Every kubectl gets through the gateway what it gets directly from a real kube-apiserver: exit status, stdout and stderr.

`make test` runs the oldest and the newest kubectl, `make test-long` all of them, each over WebSocket and SPDY where it can. All
calls but upgrades go over HTTP/2, which Go's clients choose where they may. The oldest and the newest are tested over HTTP/1.1 as
well. Each test asserts that the calls came to the gateway over that HTTP and no other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.both_ways import Both, versions
from tests.support.compared_commands import Outcome, Side, same
from tests.support.kubernetes.cluster import RealCluster
from tests.support.spoken_http import HTTP1, HTTP2

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: busybox, env: [{name: A, value: b}]}]}
"""


@dataclass(frozen=True)
class Kubectl:
    """One kubectl, and the protocol of its upgrades: websocket or spdy. `http1` means HTTP/1.1 for all other calls, too."""

    version: str
    path: Path
    protocol: str

    def __str__(self) -> str:
        return f"{self.version}-{self.protocol}"


def _kubectls() -> list[object]:
    """The pairs of version and protocol. All but those of the oldest and the newest are `long`. Paths are known only after the
    build."""
    found: list[object] = []
    for version, minor, is_long in versions():
        protocols = ["spdy"] if minor < 29 else ["websocket", "spdy"]
        protocols += [] if is_long else ["http1"]
        marks = [pytest.mark.long] if is_long else []
        found += [pytest.param((version, protocol), id=f"{version}-{protocol}", marks=marks) for protocol in protocols]
    return found


@pytest.fixture(scope="module", params=_kubectls())
def kubectl(request: pytest.FixtureRequest, cluster: RealCluster) -> Kubectl:
    version, protocol = request.param
    return Kubectl(version, cluster.kubectls()[version], protocol)


@pytest.fixture
def sides(both_sides: Both, kubectl: Kubectl) -> Iterator[tuple[Side, Side]]:
    """The two sides. Each has a namespace with a running pod, and the kubectl's protocol switched on or off. At the end it is
    asserted that calls came to the gateway over this protocol."""
    flag = "false" if kubectl.protocol == "spdy" else "true"
    environment = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": flag, "KUBECTL_PORT_FORWARD_WEBSOCKETS": flag}
    if kubectl.protocol == "http1":
        environment["DISABLE_HTTP2"] = "1"  # apimachinery's own switch (pkg/util/net/http.go)
    direct, through = both_sides.fresh()
    with both_sides.spoken.only(HTTP1 if kubectl.protocol == "http1" else HTTP2):
        yield replace(direct, environment=environment), replace(through, environment=environment)


# ---------------------------------------------------------------------- reading and writing


def test_reading_and_writing_objects_is_the_same_as_directly(sides: tuple[Side, Side], kubectl: Kubectl, tmp_path: Path) -> None:
    k = kubectl.path
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST)
    assert same(sides, k, "get", "pods").status == 0
    assert same(sides, k, "apply", "-f", str(manifest)).status == 0
    manifest.write_text(MANIFEST.replace("blue", "green"))
    assert "configured" in same(sides, k, "apply", "-f", str(manifest)).out
    assert "serverside-applied" in same(sides, k, "apply", "--server-side", "--force-conflicts", "-f", str(manifest)).out
    assert '"green"' in same(sides, k, "get", "configmap", "settings", "-o", "json").out
    for side in sides:  # until its controllers have done what they do, the two may be compared at different moments
        assert side.kubectl(k, "rollout", "status", "deployment/web", "--timeout=30s").status == 0
    same(sides, k, "get", "deployment,configmap", "-o", "wide", "--sort-by=.metadata.name")
    same(sides, k, "describe", "deployment", "web")
    assert same(sides, k, "patch", "configmap", "settings", "-p", '{"data":{"colour":"red"}}').status == 0
    patch = '[{"op":"replace","path":"/data/colour","value":"black"}]'
    assert same(sides, k, "patch", "configmap", "settings", "--type=json", "-p", patch).status == 0
    assert same(sides, k, "scale", "deployment", "web", "--replicas=2").status == 0
    assert same(sides, k, "set", "image", "deployment/web", "main=busybox:2").status == 0
    assert same(sides, k, "create", "secret", "generic", "s", "--from-literal=password=hunter2").status == 0
    described = [side.kubectl(k, "describe", "secret", "s").out for side in sides]
    assert ["hunter2" in out for out in described] == [False, False]
    assert re.findall(r"password: +(\d+) bytes", "".join(described)) == ["7", "32"]  # the second is the length of a placeholder
    assert len({re.sub(r"\d+ bytes", "", out) for out in described}) == 1
    assert same(sides, k, "label", "pod", "web-0", "a=b").status == 0
    assert same(sides, k, "get", "--raw", "/version").status == 0
    assert same(sides, k, "explain", "pod.spec.containers").status == 0
    assert same(sides, k, "api-resources").status == 0
    assert same(sides, k, "delete", "configmap", "settings").status == 0


def test_errors_are_the_clusters_own(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    k = kubectl.path
    assert "not found" in same(sides, k, "get", "pod", "nobody").err
    assert same(sides, k, "get", "nonsense").status == 1
    assert same(sides, k, "exec", "nobody", "--", "ls").status == 1
    assert same(sides, k, "logs", "nobody").status == 1
    assert same(sides, k, "create", "configmap", "Bad_Name").status == 1
    bad = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"dataa":{}}'
    assert same(sides, k, "create", "-f", "-", stdin=bad).status == 1


def test_who_am_i_is_the_same_as_directly(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    outcome = same(sides, kubectl.path, "auth", "whoami", "-o", "json")
    if not kubectl.version.startswith("v1.27."):  # 1.27 asks for an older API than this cluster has
        assert "l7gw:engineers" in outcome.out
    assert same(sides, kubectl.path, "auth", "can-i", "delete", "pods").out == "yes\n"


def test_watch_shows_what_happens(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    lines = []
    for side in sides:
        side.kubectl(kubectl.path, "create", "configmap", "before")
        ours = "--field-selector=metadata.name!=kube-root-ca.crt"  # every namespace gets that one
        command = side.command(kubectl.path, "get", "configmaps", "-w", "-o", "name", ours)
        with running(side, command) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            side.kubectl(kubectl.path, "create", "configmap", "seen")
            lines.append([first, process.stdout.readline()])
    assert lines[0] == lines[1] == ["configmap/before\n", "configmap/seen\n"]


@contextlib.contextmanager
def running(side: Side, command: list[str], **pipes: int) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until the block ends."""
    process = subprocess.Popen(command, env=side.env(), stdout=subprocess.PIPE, text=True, **pipes)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------------- exec, attach, cp, logs


def test_exec_is_the_same_as_directly(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    k = kubectl.path
    done = same(sides, k, "exec", "web-0", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.status, done.out) == (7, "out\n")
    assert "err\n" in done.err
    assert same(sides, k, "exec", "-i", "web-0", "--", "wc", "-c", stdin=b"x" * 100_000).out.strip() == "100000"
    assert same(sides, k, "exec", "-i", "web-0", "--", "cat", stdin=b"").out == ""
    assert len(same(sides, k, "exec", "web-0", "--", "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x").out) == 3_000_000
    assert same(sides, k, "exec", "web-0", "--", "no-such-program").status != 0


def typed(side: Side, kubectl: Kubectl, arguments: list[str], script: list[tuple[str, str | tuple[int, int]]]) -> tuple[int, str]:
    """Run kubectl on a terminal. Wait for each text of the script, then type its line, or give the terminal its size (lines,
    columns). Returns the exit status and all that was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(kubectl.path, side.command(kubectl.path, *arguments), side.env())
    shown = ""
    waiting = list(script)
    size: tuple[int, int] | None = None
    sized = 0.0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if waiting and waiting[0][0] in shown:
            then = waiting.pop(0)[1]
            if isinstance(then, str):
                os.write(terminal, then.encode())
            else:
                size = then
        if size is not None and time.monotonic() - sized > 1:
            # The size is set twice, with another size in between: a kubectl that misses the first signal gets a later one.
            for lines in (size[0] - 1, size[0]):
                fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, size[1], 0, 0))
            sized = time.monotonic()
        ready, _, _ = select.select([terminal], [], [], 0.1)
        if ready:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            shown += data.decode(errors="replace")
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.replace("\r\n", "\n")


def test_exec_on_a_terminal_is_the_same_as_directly(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    sizes = 'until [ "$(stty size)" = "40 120" ]; do sleep 0.05; done; stty size'
    script: list[tuple[str, str | tuple[int, int]]] = [
        ("", f"echo $((40 + 2)); read x; echo got-$x; {sizes}; exit 3\n"),
        ("42", "typed\n"),
        ("got-typed", (40, 120)),
    ]
    outcomes = [typed(side, kubectl, ["exec", "-it", "web-0", "--", "sh"], script) for side in sides]
    assert [status for status, _ in outcomes] == [3, 3]
    for _, shown in outcomes:
        assert "got-typed" in shown
        assert "\n40 120\n" in shown


def test_a_replay_shows_what_stood_on_a_terminal_that_nobody_sized(
    both_sides: Both, sides: tuple[Side, Side], kubectl: Kubectl
) -> None:
    """kubectl tells the size 0 by 0. The output has what a terminal does not show: overwritten text, vim's private sequence, a
    string without an end."""
    name = sides[1].namespace
    through = replace(sides[1], kubeconfig=both_sides.of(name))
    output = rf"erased-{name}\r\033[2K\033[?4mls\342\200\213; {name}\r\n\033_string-{name}\r\nend-{name}"
    status, _ = typed(through, kubectl, ["exec", "-it", "web-0", "--", "sh", "-c", f"printf '{output}'"], [])
    assert status == 0
    (session,) = both_sides.gateway.sessions("--user", name)
    shown, end = "", time.monotonic() + 30
    while f"end-{name}" not in shown and time.monotonic() < end:
        shown = both_sides.gateway.l7gw("replay", session["id"], check=False).stdout
    lines = shown.splitlines()
    assert {f"erased-{name}", f"ls\\u200b; {name}", f"end-{name}"} <= set(lines)
    assert [line for line in lines if line.endswith(f"string-{name}")]


def test_attach_echoes(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    for side in sides:
        command = side.command(kubectl.path, "attach", "-i", "web-0")
        with running(side, command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write("hello\n")
            process.stdin.flush()
            assert process.stdout.readline() == "hello\n"


def test_attach_without_stdin_shows_the_containers_output(both_sides: Both, sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    for side in sides:
        both_sides.cluster.pod("ticker", side.namespace, command=["sh", "-c", "while echo tick; do sleep 0.1; done"])
        command = side.command(kubectl.path, "attach", "ticker")
        with running(side, command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "tick\n"


@pytest.mark.parametrize("what", ["tree", "big"])
def test_cp_carries_files_both_ways_as_directly(sides: tuple[Side, Side], kubectl: Kubectl, tmp_path: Path, what: str) -> None:
    source = tmp_path / what
    if what == "tree":
        for number in range(1000):
            (source / str(number % 10)).mkdir(parents=True, exist_ok=True)
            (source / str(number % 10) / f"{number}.txt").write_text(f"file {number}\n" * (number % 7))
    else:
        source.write_bytes(os.urandom(1 << 20) * 20)
    for side in sides:
        sent = side.kubectl(kubectl.path, "cp", str(source), f"web-0:{what}")
        assert sent.status == 0, sent
        back = tmp_path / f"back-{side.name}"
        fetched = side.kubectl(kubectl.path, "cp", f"web-0:{what}", str(back))
        assert fetched.status == 0, fetched
        assert _contents(back) == _contents(source)


def _contents(place: Path) -> dict[str, bytes]:
    if place.is_file():
        return {"": place.read_bytes()}
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_logs_are_the_same_as_directly(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    assert same(sides, kubectl.path, "logs", "web-0").status == 0
    for side in sides:
        with running(side, side.command(kubectl.path, "logs", "-f", "web-0")) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "main is up\n"


def test_debug_adds_a_container(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    done = same(sides, kubectl.path, "debug", "web-0", "--image=busybox", "-c", "look", "--attach=false", "--", "true")
    assert done.status == 0


# ---------------------------------------------------------------------- port-forward


def echoing() -> tuple[socket.socket, int]:
    """A server that sends back in capitals what it reads, until the end of its input."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data.upper())

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener, listener.getsockname()[1]


def forwarding(side: Side, kubectl: Kubectl, port: int) -> tuple[subprocess.Popen[str], int]:
    command = side.command(kubectl.path, "port-forward", "pod/web-0", f":{port}", "--address", "127.0.0.1")
    process = subprocess.Popen(command, env=side.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "127.0.0.1:" in line, (line, process.stderr.read() if process.stderr and process.poll() is not None else "")
    return process, int(line.split("127.0.0.1:")[1].split(" ")[0])


def _say(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the other end may have closed meanwhile
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def _talk(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        threading.Thread(target=_say, args=(connection, data), daemon=True).start()
        heard = b""
        with contextlib.suppress(ConnectionResetError):  # kubectl ends a connection so when the port refused it
            while piece := connection.recv(65536):
                heard += piece
        return heard


def test_port_forward_carries_parallel_connections(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    listener, port = echoing()
    process, local = forwarding(sides[1], kubectl, port)
    try:
        heard: dict[int, bytes] = {}
        sent = {number: bytes([97 + number]) * 200_000 for number in range(8)}
        threads = [threading.Thread(target=lambda n=number: heard.__setitem__(n, _talk(local, sent[n]))) for number in sent]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert {n: len(data) for n, data in heard.items()} == {n: len(data) for n, data in sent.items()}
        assert heard == {n: data.upper() for n, data in sent.items()}
    finally:
        process.terminate()
        process.wait()
        listener.close()


def _provoke(process: subprocess.Popen[str], local: int) -> None:
    """Connect again and again until kubectl ends. It can miss the refusal of the first connection, also without the gateway."""
    for _ in range(5):
        with contextlib.suppress(ConnectionRefusedError):
            assert _talk(local, b"hello") == b""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
            return


def test_port_forward_to_a_refused_port_fails_as_it_does_directly(sides: tuple[Side, Side], kubectl: Kubectl) -> None:
    outcomes: list[Outcome] = []
    with socket.socket() as unused:  # bound, so that no other process can listen there meanwhile
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for side in sides:
            process, local = forwarding(side, kubectl, port)
            try:
                _provoke(process, local)
            finally:
                process.kill()
            _, err = process.communicate()
            text = err.replace(str(port), "PORT").replace(str(local), "LOCAL")
            outcomes.append(side.outcome(process.returncode, b"", text.encode()))
    assert outcomes[0].status == outcomes[1].status
    # Over SPDY (kubectl 1.29 forwards over nothing else) the node's reset can overtake the words, also without the gateway.
    words = ("connection refused", "Stream reset")
    assert all(any(word in outcome.err for word in words) for outcome in outcomes), outcomes
