"""The demo cluster's pods. An exec is a real process in the pod's own temporary folder, with an environment of its own."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import termios
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from l7gw.demo.store import PASSWORD
from l7gw.demo.websocket import WebSocket

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHUNK = 32 * 1024
SUCCESS = {"metadata": {}, "status": "Success"}


class Pods:
    """The folders of all pods. They lie under `root`, and are removed with it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._logs: dict[tuple[str, str], list[str]] = {}
        self._more = asyncio.Condition()

    def folder(self, namespace: str, name: str) -> Path:
        folder = self._root / namespace / name
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
            (folder / "tmp").mkdir()
            (folder / "etc").mkdir()
            (folder / "etc" / "motd").write_text(f"This is {name}, a pod of the l7gw demo.\n")
        return folder

    async def started(self, namespace: str, name: str) -> None:
        await self._log(namespace, name, f"{name} is up\n")

    async def _log(self, namespace: str, name: str, line: str) -> None:
        async with self._more:
            self._logs.setdefault((namespace, name), []).append(line)
            self._more.notify_all()

    async def logs(self, namespace: str, name: str, follow: bool, tail: int | None) -> AsyncGenerator[bytes, None]:
        lines = self._logs.setdefault((namespace, name), [])
        at = max(0, len(lines) - tail) if tail is not None else 0
        while True:
            for line in lines[at:]:
                yield line.encode()
            at = len(lines)
            if not follow:
                return
            async with self._more:
                await self._more.wait_for(lambda: len(lines) > at)  # noqa: B023

    def removed(self, namespace: str, name: str) -> None:
        shutil.rmtree(self._root / namespace / name, ignore_errors=True)
        self._logs.pop((namespace, name), None)

    async def run(self, socket: WebSocket, namespace: str, name: str, argv: list[str], *, tty: bool, stdin: bool) -> None:
        """Run one process for a client that speaks v5.channel.k8s.io. Each standard stream is a channel; the exit comes as a Status
        on channel 3."""
        folder = self.folder(namespace, name)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "TERM": "xterm",
            "HOSTNAME": name,
            "DATABASE_PASSWORD": PASSWORD,
        }
        await socket.send(bytes((STDOUT,)))  # the real API server's first message is the same
        try:
            process, ends = await _start(argv, folder, environment, tty=tty)
        except OSError as error:
            await _status(socket, _failure(f"command could not be started: {error.strerror}: {argv[0]!r}", "InternalError"))
            return
        feeding = asyncio.create_task(_feed(socket, process, ends, stdin=stdin))
        try:
            await asyncio.gather(*(_pump(socket, channel, reader) for channel, reader in ends.outputs))
            code = await process.wait()
        finally:  # also where the demo ends
            feeding.cancel()
            _kill(process)
            ends.close()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await feeding
        if code == 0:
            await _status(socket, SUCCESS)
        else:
            code = code if code >= 0 else 128 - code
            message = f"command terminated with non-zero exit code: exit status {code}"
            await _status(
                socket,
                {
                    **_failure(message, "NonZeroExitCode"),
                    "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
                },
            )

    async def attach(self, socket: WebSocket, namespace: str, name: str) -> None:
        """Attach to a container. The demo's containers write their input to their output and their log."""
        await socket.send(bytes((STDOUT,)))
        async for message in socket.messages():
            if message[:1] == bytes((CLOSE,)):
                break
            if message[:1] == bytes((STDIN,)):
                await socket.send(bytes((STDOUT,)) + message[1:])
                await self._log(namespace, name, message[1:].decode(errors="replace"))
        await _status(socket, SUCCESS)


class _Ends:
    """Our side of a process's standard streams."""

    def __init__(self) -> None:
        self.terminal: int | None = None
        self.outputs: list[tuple[int, asyncio.StreamReader]] = []

    def close(self) -> None:
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None


async def _start(
    argv: list[str], folder: Path, environment: dict[str, str], *, tty: bool
) -> tuple[asyncio.subprocess.Process, _Ends]:
    ends = _Ends()
    if not tty:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        assert process.stdout is not None and process.stderr is not None
        ends.outputs = [(STDOUT, process.stdout), (STDERR, process.stderr)]
        return process, ends
    ours, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
    except OSError:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    ends.terminal = ours
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(ours), "rb", 0))
    ends.outputs = [(STDOUT, reader)]
    return process, ends


async def _feed(socket: WebSocket, process: asyncio.subprocess.Process, ends: _Ends, *, stdin: bool) -> None:
    """Write what the client sends to the process. End the process when the client leaves."""
    if not stdin and process.stdin is not None:
        process.stdin.close()
    async for message in socket.messages():
        channel, data = message[0] if message else -1, message[1:]
        if channel == STDIN and data:
            if ends.terminal is not None:
                os.write(ends.terminal, data)
            elif process.stdin is not None:
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(data)
                    await process.stdin.drain()
        elif channel == CLOSE and data[:1] == bytes((STDIN,)) and process.stdin is not None:
            process.stdin.close()
        elif channel == RESIZE and ends.terminal is not None:
            size = {key.lower(): value for key, value in json.loads(data).items()}
            fcntl.ioctl(ends.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size["height"], size["width"], 0, 0))
    _kill(process)


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a process and its children, unless it has ended."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _pump(socket: WebSocket, channel: int, reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):  # EIO: no process has the terminal open any more
        while data := await reader.read(CHUNK):
            await socket.send(bytes((channel,)) + data)


async def _status(socket: WebSocket, status: Mapping[str, object]) -> None:
    await socket.send(bytes((ERROR,)) + json.dumps(status).encode())
    socket.close()


def _failure(message: str, reason: str) -> dict[str, object]:
    return {"metadata": {}, "status": "Failure", "message": message, "reason": reason}
