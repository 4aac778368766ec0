"""The demo as a new user runs it: with kubectl, without it, kept up, interrupted. It leaves nothing behind."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from l7gw.demo import run
from l7gw.demo.store import PASSWORD
from tests.support.kubernetes.build import Built

DEMO = [sys.executable, "-m", "l7gw", "demo"]
WITHIN = 60.0  # seconds that the demo may take, as the README promises


def environment(folder: Path, kubectl: Path | None) -> dict[str, str]:
    """An environment whose PATH has this kubectl or none, and whose temporary files lie in `folder`."""
    tools = folder / "bin"
    tools.mkdir()
    for name in ("sh", "tar", "cat", "ls", "test"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    if kubectl is not None:
        (tools / "kubectl").symlink_to(kubectl)
    (folder / "tmp").mkdir()
    return {"PATH": str(tools), "TMPDIR": str(folder / "tmp"), "HOME": str(folder), "LANG": "C.UTF-8"}


def left(folder: Path) -> list[str]:
    """What the demo left behind: files, and processes that hold its folder in their arguments."""
    files = [str(path) for path in (folder / "tmp").iterdir()]
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_text()
            except OSError:
                continue
            if str(folder / "tmp") in command:
                files.append(command)
    return files


def check_tour(output: str) -> None:
    for step in range(1, 16):
        assert f"{step}/15" in output
    for word in (
        "web-0",
        "greeting",
        "This is web-0, a pod of the l7gw demo.",
        "42",
        "copied through the gateway",
        "hello from inside the pod",
    ):
        assert word in output, word
    assert "prod is not deleted from" in output
    listed, shown, approved = (output.partition(f"{step}/15")[2].partition(f"{step + 1}/15")[0] for step in (10, 11, 12))
    assert "(it waits)" in listed and "pending" in listed and "kubectl delete namespaces shop" in listed
    assert "PersistentVolume orders-data: its data are lost (reclaim policy Delete)" in shown
    assert "pods orders-0 in shop: deleted" in shown and "cannot be read" not in shown
    assert "approved by lea@example.com" in approved and approved.index("goes on") < approved.index("$ ", 10)
    assert "ann@example.com" in output
    assert "\nintact" in output
    assert "That was the tour." in output
    assert output.count("l7gw-masked-secret-data-") == 2 and "l7gw-masked-registry-" in output
    assert "seen-by" in output
    assert PASSWORD not in output and base64.b64encode(PASSWORD.encode()).decode() not in output


@pytest.mark.parametrize("client", ["kubectl", "python"])
def test_the_tour_goes_through_and_leaves_nothing(tmp_path: Path, client: str, cluster_programs: Built) -> None:
    env = environment(tmp_path, cluster_programs.kubectl if client == "kubectl" else None)
    done = subprocess.run(DEMO, env=env, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    check_tour(done.stdout)
    assert ("the Python Kubernetes client takes the tour" in done.stdout) == (client == "python")
    assert left(tmp_path) == []


def test_a_demo_that_is_kept_says_what_to_type_and_leaves_nothing_after_ctrl_c(tmp_path: Path, cluster_programs: Built) -> None:
    env = environment(tmp_path, cluster_programs.kubectl)
    process = subprocess.Popen([*DEMO, "--keep"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        exported: dict[str, str] = {}
        said: list[str] = []
        for line in process.stdout:
            if line.startswith("  export "):
                name, _, value = line.removeprefix("  export ").strip().partition("=")
                exported[name] = value
            said.append(line)
            if "Ctrl-C ends it" in line:
                break
        (where,) = [line for line in said if line.startswith("the gateway listens on ")]
        listens, log = where.removeprefix("the gateway listens on ").strip().split("; its log is ")
        assert re.fullmatch(r"127\.0\.0\.1:[0-9]+", listens) and Path(log).name == "gateway.log" and Path(log).is_file()
        assert f"  tail -f {log}  # a line a call\n" in said

        kubeconfig = exported["KUBECONFIG"]
        token = Path(exported["L7GW_TOKEN"].removeprefix("$(cat ").removesuffix(")"))
        env |= {"KUBECONFIG": kubeconfig, "L7GW_CONFIG": exported["L7GW_CONFIG"]}

        def run(command: list[str | Path], **more: str) -> str:
            done = subprocess.run(command, env={**env, **more}, capture_output=True, text=True, timeout=20, check=False)
            return done.stdout + done.stderr

        def kubectl(*words: str) -> str:
            return run([cluster_programs.kubectl, *words])

        def lea(*words: str) -> str:
            return run([sys.executable, "-m", "l7gw", "holds", *words], L7GW_TOKEN=token.read_text())

        assert kubectl("get", "pods", "-o", "name") == "pod/web-0\npod/web-1\n"
        secret = ("create", "secret", "generic", "mine", "--from-literal=password=hunter2hunter2")
        assert kubectl(*secret) == "secret/mine created\n", "kubectl sends it as protobuf"
        assert 'secrets "mine" already exists' in kubectl(*secret)
        assert 'secrets "other" not found' in kubectl("get", "secret", "other")
        assert "unknown format" in kubectl("patch", "secret", "mine", "--type=json", "-p", '[{"op": "remove", "path": "/data"}]')
        kubectl("patch", "secret", "mine", "-p", '{"stringData": {"more": "hunter3hunter3"}}')
        shown = json.loads(kubectl("get", "secret", "mine", "-o", "json"))
        assert {base64.b64decode(value)[:23] for value in shown["data"].values()} == {b"l7gw-masked-secret-data"}
        assert shown["data"].keys() == {"password", "more"} and "stringData" not in shown
        assert kubectl("auth", "can-i", "delete", "pods") == kubectl("auth", "can-i", "get", "pods") == "yes\n"
        assert kubectl("auth", "can-i", "get", "/metrics").startswith("no - l7gw: ")
        modes = [path.stat().st_mode & 0o777 for path in (Path(kubeconfig), token, token.parent)]
        assert modes == [0o600, 0o600, 0o700]
        waiting = subprocess.Popen(
            [cluster_programs.kubectl, "delete", "pod", "web-1"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        pending: list[dict[str, str]] = []
        while waiting.poll() is None and not pending:
            pending = json.loads(lea("list", "--state", "pending", "-o", "json"))
        assert "web-1 in default: deleted" in lea("show", pending[0]["id"])
        assert "goes on" in lea("approve", pending[0]["id"])
        assert 'pod "web-1" deleted' in waiting.communicate(timeout=20)[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.communicate()
    assert left(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_a_closed_terminal_while_a_delete_waits_leave_nothing(
    tmp_path: Path, number: signal.Signals, cluster_programs: Built
) -> None:
    env = environment(tmp_path, cluster_programs.kubectl)
    process = subprocess.Popen(DEMO, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("11/15"):
                process.send_signal(number)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.communicate()
    assert left(tmp_path) == []


@pytest.mark.parametrize("after", [0.0, 1.0, 3.0])
def test_ctrl_c_during_the_demo_leaves_nothing(tmp_path: Path, after: float, cluster_programs: Built) -> None:
    process = subprocess.Popen(
        DEMO, env=environment(tmp_path, cluster_programs.kubectl), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while process.poll() is None and not any((tmp_path / "tmp").iterdir()):
        time.sleep(0.01)  # until the demo has files or processes that it could leave behind
    until = time.monotonic() + after
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    try:
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "Traceback" not in output, output
    assert left(tmp_path) == []


STUBBORN = """#!/bin/sh
echo $$ > "$0.started"
trap 'echo > "$0.told"' TERM
while true; do sleep 0.1; done
"""


@pytest.mark.parametrize("impatient", [False, True], ids=["once", "twice"])
def test_ctrl_c_while_the_gateway_starts_leaves_no_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatient: bool
) -> None:
    """The gateway's process has started, is not ready, and ignores SIGTERM. A second Ctrl-C meanwhile does not end the demo
    sooner."""
    gateway = tmp_path / "gateway"
    gateway.write_text(STUBBORN)
    gateway.chmod(0o700)
    (tmp_path / "tmp").mkdir()

    async def main() -> int:
        running = asyncio.create_task(run.demo(keep=False, gateway_ends_within=0.5))
        for name in ("started", "told")[: 1 + impatient]:
            while not running.done() and not (tmp_path / f"gateway.{name}").exists():
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
        return await running

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        patched.setattr(sys, "executable", str(gateway))
        assert asyncio.run(main()) == 130
    number = int((tmp_path / "gateway.started").read_text())
    try:
        assert not Path(f"/proc/{number}").exists()
        assert left(tmp_path) == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
