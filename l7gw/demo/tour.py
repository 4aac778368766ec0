"""The tour: kubectl's daily commands through the gateway, then what the gateway has recorded of them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from l7gw.demo.held import HeldDelete
from l7gw.demo.shown import GREETING, MANIFEST, SHELL, SHOP, Shown
from l7gw.demo.stage import Demo
from l7gw.demo.terminal import listed, typed

OLDEST_KUBECTL = 30  # minor version; 1.30 is the first that speaks WebSocket, and the demo cluster speaks nothing else
PASSWORD_OF = "{{.data.password | base64decode}}"
STEP_WITHIN = 30.0  # seconds that one step may take


async def tour(it: Demo, console: Console) -> int:
    """Show every step. Returns the number of steps that failed."""
    kubectl = await _kubectl()
    client: Client = Kubectl(it, kubectl) if kubectl else await _python(it, console)
    failed = 0
    held = HeldDelete(client.destroying, client.destroy, partial(_l7gw, it, token=it.reviewer), console.width)
    async with _listening(GREETING) as port, _stopping(held):
        steps: list[tuple[str, Callable[[], Awaitable[Shown]]]] = [
            ("Ann lists pods. The gateway knows her by an OIDC token and asks the cluster as itself.", client.list),
            ("She applies a change: it is on the gateway's disk before the cluster hears of it.", client.apply),
            ("She opens a shell in a pod. Every keystroke and every byte of the answer is recorded.", client.exec),
            ("She copies a file into the pod: that is tar over an exec, and recorded as such.", client.copy),
            ("She looks at a Secret. Its values are masked before they reach her or the disk.", client.secret),
            ("The same value in the output of a command: it is known again, and masked.", client.environment),
            ("She edits what she read. The value comes back to its place, though she never saw it.", client.edit),
            ("She forwards a port; the connection inside the tunnel is judged by itself.", lambda: client.forward(port)),
            ("She tries to delete in prod. A guardrail says no, by name; the cluster never hears of it.", client.delete),
            ("She deletes a namespace. A rule holds that: her call waits. In a second terminal Lea, of sre, sees it.", held.begin),
            ("What would it destroy? The gateway has looked, as Ann, and nothing of the call is up yet.", held.show),
            ("Lea approves: that one call goes on, unchanged, and says at Ann's terminal who let it.", held.approve),
            ("Now the auditor: whose sessions were there?", lambda: _l7gw(it, "sessions", "list", columns=console.width)),
            ("What happened in that shell?", lambda: _replay(it)),
            ("And is the recording what was written, whole and in order?", lambda: _l7gw(it, "verify")),
        ]
        for number, (words, step) in enumerate(steps, 1):
            console.print(f"\n[bold cyan]{number}/{len(steps)}[/bold cyan] {words}")
            with console.status("…"):
                try:
                    shown = await asyncio.wait_for(step(), STEP_WITHIN)
                except TimeoutError:
                    shown = Shown("", -1, f"nothing happened within {STEP_WITHIN:.0f} s")
            failed += _show(shown, console)
    if failed:
        console.print(f"\n[red]{failed} of {len(steps)} steps did not go as they should[/red]; the gateway's log, {it.log}:")
        console.print(it.log.read_text()[-4000:], markup=False)
    else:
        console.print("\n[green]That was the tour.[/green] The first configuration for a cluster of your own is in README.md.")
    return failed


def _show(shown: Shown, console: Console) -> bool:
    """Print a step. Returns whether it failed."""
    console.print(f"[bold]$ {escape(shown.command)}[/bold]", soft_wrap=True)
    console.print(shown.output.rstrip(), markup=False, soft_wrap=True)
    if shown.status == shown.expected:
        return False
    console.print(f"[red]exit status {shown.status}, expected {shown.expected}[/red]")
    return True


class Client(Protocol):
    """The steps of the tour that a client makes as Ann."""

    destroying: str  # the command of `destroy`, as people type it

    async def list(self) -> Shown: ...

    async def apply(self) -> Shown: ...

    async def exec(self) -> Shown: ...

    async def copy(self) -> Shown: ...

    async def secret(self) -> Shown: ...

    async def environment(self) -> Shown: ...

    async def edit(self) -> Shown: ...

    async def forward(self, port: int) -> Shown: ...

    async def delete(self) -> Shown: ...

    async def destroy(self) -> Shown: ...


class Kubectl:
    """Ann, who uses the kubectl on PATH, unchanged."""

    destroying = f"kubectl delete namespace {SHOP}"

    def __init__(self, it: Demo, kubectl: str) -> None:
        self._it = it
        self._kubectl = kubectl
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(it.kubeconfig),
            "KUBECACHEDIR": str(it.folder / "cache"),
            # kubectl 1.30 uses WebSocket for port-forward only where this is set
            "KUBECTL_PORT_FORWARD_WEBSOCKETS": "true",
        }

    async def _run(self, *arguments: str, expected: int = 0) -> Shown:
        status, output = await _output([self._kubectl, *arguments], self._environment, self._it.folder)
        return Shown(shlex.join(("kubectl", *arguments)), status, output, expected)

    async def list(self) -> Shown:
        return await self._run("get", "pods", "--all-namespaces")

    async def apply(self) -> Shown:
        (self._it.folder / "greeting.json").write_text(json.dumps(MANIFEST))
        return await self._run("apply", "-f", "greeting.json")

    async def exec(self) -> Shown:
        command = [self._kubectl, "exec", "-it", "web-0", "--", "sh"]
        status, output = await typed(command, self._environment, SHELL)
        return Shown("kubectl exec -it web-0 -- sh", status, output)

    async def copy(self) -> Shown:
        (self._it.folder / "notes.txt").write_text("copied through the gateway\n")
        copied = await self._run("cp", "notes.txt", "web-0:notes.txt")
        read = await self._run("exec", "web-0", "--", "cat", "notes.txt")
        return Shown(f"{copied.command} && {read.command}", copied.status or read.status, copied.output + read.output)

    async def secret(self) -> Shown:
        return await self._run("get", "secret", "database", "-o", f"go-template={PASSWORD_OF}")

    async def environment(self) -> Shown:
        return await self._run("exec", "web-0", "--", "printenv", "DATABASE_PASSWORD")

    async def edit(self) -> Shown:
        """What was read is written back with a label. The placeholder is the same as before, so the value is, too."""
        read = await self._run("get", "secret", "database", "-o", "json")
        if read.status:
            return read
        secret = json.loads(read.output)
        secret["metadata"]["labels"] = {"seen-by": "ann"}
        (self._it.folder / "database.json").write_text(json.dumps(secret))
        written = await self._run("replace", "-f", "database.json")
        again = await self._run("get", "secret", "database", "-o", f"go-template={{{{.metadata.labels}}}} {PASSWORD_OF}")
        same = base64.b64decode(secret["data"]["password"]).decode() in again.output
        command = f"{read.command} > database.json && {written.command} && {again.command}"
        return Shown(command, written.status or again.status or int(not same), written.output + again.output)

    async def forward(self, port: int) -> Shown:
        process = await asyncio.create_subprocess_exec(
            self._kubectl, "port-forward", "pod/web-0", f":{port}",
            env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            line = (await process.stdout.readline()).decode()
            local = line.partition("127.0.0.1:")[2].partition(" ")[0]
            answer = await _ask(int(local)) if local.isdecimal() else ""
        finally:
            process.terminate()
            await process.wait()
        return Shown(f"kubectl port-forward pod/web-0 :{port}", 0 if answer == GREETING.decode() else 1, line + answer)

    async def delete(self) -> Shown:
        return await self._run("delete", "pod", "db-0", "-n", "prod", expected=1)

    async def destroy(self) -> Shown:
        return await self._run("delete", "namespace", SHOP)


async def _python(it: Demo, console: Console) -> Client:
    from l7gw.demo.pyclient import PythonClient

    console.print(f"no kubectl 1.{OLDEST_KUBECTL} or newer on PATH: the Python Kubernetes client takes the tour")
    return PythonClient(it)


async def _kubectl() -> str | None:
    """The path of the kubectl on PATH; None where there is none, or it is too old to speak WebSocket."""
    found = shutil.which("kubectl")
    if found is None:
        return None
    status, output = await _output([found, "version", "--client", "-o", "json"], dict(os.environ), Path.cwd())
    try:
        minor = json.loads(output)["clientVersion"]["minor"]
        return found if status == 0 and int(minor.rstrip("+")) >= OLDEST_KUBECTL else None
    except (ValueError, KeyError):
        return None


async def _output(command: list[str], environment: dict[str, str], folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, output.decode(errors="replace")


async def _l7gw(it: Demo, *arguments: str, token: Path | None = None, columns: int = 0) -> Shown:
    """Run a command of ours; with `columns` as on a terminal of that width."""
    environment = {**os.environ, "L7GW_CONFIG": str(it.config)}
    if token is not None:
        environment["L7GW_TOKEN"] = token.read_text()
    command = [sys.executable, "-m", "l7gw", *arguments]
    if columns:
        status, output = await listed(command, environment, it.folder, columns)
    else:
        status, output = await _output(command, environment, it.folder)
    return Shown(shlex.join(("l7gw", *arguments)), status, output)


async def _replay(it: Demo) -> Shown:
    """Replay the shell of the tour: the exec with a terminal in the newest session."""
    listed = await _l7gw(it, "sessions", "list", "-o", "json")
    sessions = [session for session in json.loads(listed.output) if session["principal"]["user"]]
    exported = await _l7gw(it, "export", sessions[0]["id"], "--format", "jsonl")
    events = [json.loads(line) for line in exported.output.splitlines()]
    shell = next(e for e in events if e["type"] == "request" and e["subresource"] == "exec" and "tty=true" in e["target"])
    return await _l7gw(it, "replay", f"{sessions[0]['id']}/{shell['exchange']}")


@contextlib.asynccontextmanager
async def _stopping(held: HeldDelete) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await held.stop()


@contextlib.asynccontextmanager
async def _listening(greeting: bytes) -> AsyncIterator[int]:
    """A loopback port that stands for a port of a pod. It sends the greeting and closes."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _ask(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()
