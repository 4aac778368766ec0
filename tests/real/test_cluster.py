"""The real cluster, in front of which the gateway is tested, answers the newest and the oldest kubectl as a cluster does."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import until
from tests.support.kubernetes.build import HERE, Built, MissingGo, built
from tests.support.kubernetes.cluster import RealCluster

VERBS = {"websocket": "get", "spdy": "create"}  # the verb of an upgrade in the audit log


@dataclasses.dataclass(frozen=True)
class Kubectl:
    """Runs one kubectl against the cluster's own address, as the admin, in the test's namespace."""

    binary: Path
    cluster: RealCluster
    namespace: str

    def __call__(
        self, *arguments: str | Path, stdin: str | None = None, check: bool = True, protocol: str = "", cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments)[1:]
        environment = over(protocol)
        return self.cluster.kubectl(*command, binary=self.binary, stdin=stdin, check=check, environment=environment, cwd=cwd)

    def command(self, *arguments: str | Path) -> list[str | Path]:
        return [self.binary, arguments[0], "-n", self.namespace, *arguments[1:]]

    def start(self, *arguments: str | Path, protocol: str = "") -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        environment = self.cluster.environment(None, over(protocol))
        return subprocess.Popen(
            self.command(*arguments), env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1
        )


def over(protocol: str) -> dict[str, str]:
    """The environment in which kubectl upgrades to this protocol. For "" kubectl chooses."""
    value = {"websocket": "true", "spdy": "false"}.get(protocol)
    return {} if value is None else {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": value, "KUBECTL_PORT_FORWARD_WEBSOCKETS": value}


protocols = pytest.mark.parametrize("protocol", ["websocket", "spdy"])


@pytest.fixture(params=["newest", "oldest"])
def kubectl(request: pytest.FixtureRequest, cluster: RealCluster, namespace: str) -> Kubectl:
    """One of the two kubectls that are built."""
    binary = cluster.built.kubectl if request.param == "newest" else cluster.built.oldest_kubectl
    return Kubectl(binary, cluster, namespace)


@pytest.fixture
def namespace(request: pytest.FixtureRequest, cluster: RealCluster) -> str:
    """A namespace for this test alone."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60].strip("-")
    return cluster.namespace(name)


@pytest.fixture
def pod(cluster: RealCluster, namespace: str) -> str:
    """A running pod named `echo` in the test's namespace."""
    cluster.pod("echo", namespace)
    return "echo"


def test_kubectl_and_server_say_their_versions(kubectl: Kubectl, cluster: RealCluster) -> None:
    told = json.loads(kubectl("version", "-o", "json").stdout)
    assert told["serverVersion"]["gitVersion"] == "v1.36.3"
    assert cluster.built.kubectls[told["clientVersion"]["gitVersion"]] == kubectl.binary


def test_an_object_that_was_applied_can_be_read(kubectl: Kubectl) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}, "data": {"a": "1"}}
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    assert kubectl("get", "configmap", "it", "-o", "jsonpath={.data.a}").stdout == "1"


def test_logs_are_what_the_container_wrote(kubectl: Kubectl, cluster: RealCluster, namespace: str) -> None:
    script = "echo one; sleep 0.3; echo two >&2; sleep 0.3; printf three"
    cluster.pod("talks", namespace, command=["sh", "-c", script], restartPolicy="Never")
    assert kubectl("logs", "-f", "talks").stdout == "one\ntwo\nthree"
    assert kubectl("logs", "--tail=2", "talks").stdout == "two\nthree"


@protocols
def test_exec_passes_output_and_the_exit_code(
    kubectl: Kubectl, cluster: RealCluster, namespace: str, pod: str, protocol: str
) -> None:
    done = kubectl("exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 7", check=False, protocol=protocol)
    assert (done.returncode, done.stdout) == (7, "out\n")
    assert set(done.stderr.splitlines()) == {"err", "command terminated with exit code 7"}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?"
    assert {event["verb"] for event in cluster.audited() if event["requestURI"].startswith(path)} == {VERBS[protocol]}


@protocols
def test_exec_passes_input_and_its_end(kubectl: Kubectl, pod: str, protocol: str) -> None:
    text = "line\n" * 50_000
    assert kubectl("exec", "-i", pod, "--", "cat", stdin=text, protocol=protocol).stdout == text


@protocols
def test_exec_on_a_terminal_has_its_size(kubectl: Kubectl, cluster: RealCluster, pod: str, protocol: str) -> None:
    # The size may come after the first typed bytes: kubectl sends sizes and input on streams of their own.
    script = 'read word; echo got $word; for n in $(seq 100); do [ "$(stty size)" = "0 0" ] || break; sleep 0.05; done; stty size'
    command = kubectl.command("exec", "-it", pod, "--", "sh", "-c", script)
    shown = on_a_terminal(command, cluster.environment(None, over(protocol)), b"hello\n")
    assert "got hello" in shown
    assert "33 99" in shown


def test_cp_carries_bytes_both_ways(kubectl: Kubectl, pod: str, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    (tmp_path / "there").write_bytes(data)
    kubectl("cp", "there", f"{pod}:kept", cwd=tmp_path)
    kubectl("cp", f"{pod}:kept", "back", cwd=tmp_path)
    assert (tmp_path / "back").read_bytes() == data


@pytest.fixture
def talker() -> Iterator[int]:
    """A port that reads to the end, then answers with the length of what it read. So a half-close must reach it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                total = 0
                while data := peer.recv(65536):
                    total += len(data)
                peer.sendall(f"{total} bytes".encode())

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def ask(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


@contextlib.contextmanager
def forwarding(kubectl: Kubectl, pod: str, port: int, protocol: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A running `kubectl port-forward` and the port that it opened."""
    with kubectl.start("port-forward", f"pod/{pod}", f":{port}", protocol=protocol) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) ", line)
            assert match is not None, line
            yield int(match[1]), process
        finally:
            process.kill()


@protocols
def test_port_forward_carries_bytes_both_ways(kubectl: Kubectl, pod: str, talker: int, protocol: str) -> None:
    with forwarding(kubectl, pod, talker, protocol) as (port, _):
        assert ask(port, b"x" * 200_000) == b"200000 bytes"
        assert ask(port, b"again") == b"5 bytes"


@protocols
def test_port_forward_to_a_closed_port_says_refused(kubectl: Kubectl, pod: str, protocol: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    with forwarding(kubectl, pod, closed, protocol) as (port, process):
        with contextlib.suppress(OSError):
            ask(port, b"anybody?")
        assert process.stderr is not None
        # Over SPDY (kubectl 1.29 forwards over nothing else) the node's reset of the stream can overtake the words.
        said = process.stderr.readline()
        assert f"dial tcp4 127.0.0.1:{closed}: connect: connection refused" in said or "Stream reset" in said


def test_attach_joins_the_container(kubectl: Kubectl, pod: str) -> None:
    with kubectl.start("attach", "-i", pod) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("hello\n")
        assert process.stdout.readline() == "hello\n"
        process.kill()  # the end of its input does not end kubectl, because the container reads on
    assert kubectl("logs", pod).stdout == "main is up\nhello\n"


def test_debug_adds_a_container_and_attaches(kubectl: Kubectl, pod: str) -> None:
    command = ["debug", "-i", pod, "--image=busybox", "--target=main"]
    assert "from the debugger\n" in kubectl(*command, stdin="echo from the debugger\nexit\n").stdout


def test_whoami_tells_the_user_of_the_certificate(kubectl: Kubectl) -> None:
    told = json.loads(kubectl("auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]
    assert (told["username"], told["groups"]) == ("admin", ["system:masters", "system:authenticated"])


def test_the_gateways_certificate_may_impersonate_and_nothing_else(cluster: RealCluster, tmp_path: Path) -> None:
    certificate, key = cluster.gateway_certificate, cluster.gateway_key
    alone = cluster.kubeconfig(tmp_path / "alone", certificate=certificate, key=key)
    refused = cluster.kubectl("get", "pods", kubeconfig=alone, check=False)
    assert 'User "l7gw-gateway" cannot list resource "pods"' in refused.stderr
    as_ann = cluster.kubeconfig(tmp_path / "as-ann", certificate=certificate, key=key, impersonate="ann", groups=["engineers"])
    told = json.loads(cluster.kubectl("auth", "whoami", "-o", "json", kubeconfig=as_ann).stdout)["status"]["userInfo"]
    assert (told["username"], told["groups"]) == ("ann", ["engineers", "system:authenticated"])


def test_audit_finds_a_call_by_its_id(cluster: RealCluster) -> None:
    status, _ = cluster.request("GET", "/api/v1/namespaces/default/pods/none-such?from=audit")
    assert status == 404
    cluster.request("GET", "/version")
    [call] = [event for event in cluster.audited() if event["requestURI"].endswith("/none-such?from=audit")]
    [event] = cluster.audit(call["auditID"])
    assert (event["user"]["username"], event["responseStatus"]["code"]) == ("admin", 404)
    assert event["sourceIPs"] == ["127.0.0.1"]
    assert cluster.audit("never seen", complete=False) == []


def test_a_deleted_pod_ends_its_processes(cluster: RealCluster, namespace: str, pod: str) -> None:
    beside = subprocess.Popen(
        [cluster.built.kubectl, "exec", "-n", namespace, pod, "--", "sleep", "600"],
        env=cluster.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = cluster.pod_folder(pod, namespace)
    assert folder.is_dir()
    cluster.kubectl("delete", "pod", "-n", namespace, pod)
    beside.wait(10)
    assert cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}")[0] == 404
    assert not folder.exists()


def test_a_cluster_dies_with_whoever_started_it(cluster_programs: Built, tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(sys.argv[1:], stdin=sys.stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, cluster_programs.cluster, "--dir", tmp_path / "orphan"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until(lambda: (tmp_path / "orphan" / "ready.json").exists(), 60)
        parent.kill()  # and the child's input stays open
        until(lambda: not runs(child), 10)


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_without_go_the_error_says_what_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingGo, match=r"Go 1\.26\+ is not on PATH"):
        built()
    old = tmp_path / "go"
    old.write_text('#!/bin/sh\necho \'{"GOOS": "linux", "GOARCH": "amd64", "GOVERSION": "go1.21.3"}\'\n')
    old.chmod(0o755)
    with pytest.raises(MissingGo, match=r"Go 1\.26\+ is needed, this is go1\.21\.3"):
        built()


def test_the_module_needs_no_newer_go_than_the_build_asks_for() -> None:
    assert re.search(r"^go 1\.26\.0$", (HERE / "go.mod").read_text(), re.MULTILINE)


@pytest.mark.long
def test_every_kubectl_of_this_machine_execs(cluster: RealCluster, namespace: str, pod: str) -> None:
    for version, binary in cluster.kubectls().items():
        done = cluster.kubectl("exec", "-n", namespace, pod, "--", "sh", "-c", "exit 7", binary=binary, check=False)
        assert done.returncode == 7, f"{version}: {done.stderr}"


def on_a_terminal(command: list[str | Path], environment: dict[str, str], typed: bytes) -> str:
    """Run a command on a terminal of 33 lines and 99 columns. Returns all that was shown."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    process = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, close_fds=True
    )
    os.close(theirs)
    os.write(ours, typed)
    shown = b""
    until = time.monotonic() + 30
    try:
        while time.monotonic() < until:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                part = os.read(ours, 65536)
            except OSError:  # EIO: no process has the terminal open any more
                break
            if not part:
                break
            shown += part
        process.wait(10)
    finally:
        process.kill()
        os.close(ours)
    return shown.decode(errors="replace")
