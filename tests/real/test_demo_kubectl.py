"""kubectl that talks to the demo cluster directly: reads come over HTTP/2, commands run over WebSocket alone."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.demo_cluster import Site, output, with_demo
from tests.support.kubernetes.build import Built


def binary(programs: Built, age: str) -> Path:
    return programs.kubectl if age == "newest" else programs.oldest_kubectl


@pytest.mark.parametrize("age", ["newest", "oldest"])
def test_kubectl_reads_and_watches_over_http2(tmp_path: Path, age: str, cluster_programs: Built) -> None:
    kubectl = binary(cluster_programs, age)

    async def body(demo: Site) -> None:
        environment = demo.environment()
        code, out, err = await output(environment, kubectl, "get", "pods", "-o", "name")
        assert (code, out) == (0, "pod/web-0\npod/web-1\n"), err
        watching = await asyncio.create_subprocess_exec(
            kubectl, "get", "pods", "-w", "-o", "name", env=environment, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert watching.stdout is not None
            assert [await watching.stdout.readline() for _ in range(2)] == [b"pod/web-0\n", b"pod/web-1\n"]
            code, _, err = await output(environment, kubectl, "run", "seen", "--image=demo")
            assert code == 0, err
            assert await watching.stdout.readline() == b"pod/seen\n"
            code, out, err = await output(environment, kubectl, "logs", "seen")
            assert (code, out) == (0, "seen is up\n"), err
            watching.send_signal(signal.SIGINT)
            await watching.wait()
        finally:
            if watching.returncode is None:
                watching.kill()
                await watching.wait()
        assert set(demo.cluster.spoken) == {"h2"}

    with_demo(tmp_path, body)


@pytest.mark.parametrize("age", ["newest", "oldest"])
@pytest.mark.parametrize(
    "command, switch",
    [
        ("exec web-0 -- true", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS"),
        ("attach web-0", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS"),
        ("port-forward web-0 :80", "KUBECTL_PORT_FORWARD_WEBSOCKETS"),
    ],
)
def test_a_kubectl_that_speaks_spdy_is_told_that_it_needs_websocket(
    tmp_path: Path, age: str, command: str, switch: str, cluster_programs: Built
) -> None:
    async def body(demo: Site) -> None:
        environment = demo.environment(**{switch: "false"})
        code, _, err = await output(environment, binary(cluster_programs, age), *command.split())
        assert code == 1
        assert f"the demo cluster speaks WebSocket alone; use kubectl 1.31 or newer and leave {switch} unset" in err

    with_demo(tmp_path, body)


@pytest.mark.parametrize("terminal", [[], ["-it"]])
def test_the_end_of_the_demo_ends_what_runs_in_its_pods(tmp_path: Path, terminal: list[str], cluster_programs: Built) -> None:
    async def body(demo: Site) -> None:
        pipe = asyncio.subprocess.PIPE
        command = [*terminal, "web-0", "--", "sh", "-c", "echo $$; sleep 300 & echo $!; wait"]
        kubectl = await asyncio.create_subprocess_exec(
            cluster_programs.kubectl, "exec", *command, env=demo.environment(), stdin=pipe, stdout=pipe, stderr=pipe
        )
        try:
            assert kubectl.stdout is not None
            pids = [int(await kubectl.stdout.readline()) for _ in range(2)]
            demo.cluster.stop()
            _, err = await kubectl.communicate()
            assert kubectl.returncode == 1, err  # the exec was cut, which is no success
            while any(Path(f"/proc/{pid}/cwd").exists() for pid in pids):  # a zombie has none
                await asyncio.sleep(0.01)
        finally:
            if kubectl.returncode is None:
                kubectl.kill()
                await kubectl.wait()

    with_demo(tmp_path, body)
