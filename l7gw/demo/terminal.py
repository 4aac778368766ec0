"""Runs a program on a terminal and types into it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import termios
from pathlib import Path

ROWS, COLUMNS = 24, 80
LARGEST = 2**20  # bytes of a listing
QUIET = 0.3  # seconds without output after which the program waits for input


async def listed(command: list[str], environment: dict[str, str], folder: Path, columns: int) -> tuple[int, str]:
    """Run `command`, whose stdout alone is a terminal, of so many columns: it lays out tables for it. Returns its exit status and
    what it printed there and on stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=theirs, stderr=pipe
    )
    os.close(theirs)
    try:
        shown, (_, said) = await asyncio.gather(asyncio.to_thread(_all, ours), process.communicate())
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, (shown + said).decode(errors="replace").replace("\r\n", "\n")


def _all(ours: int) -> bytes:
    """What a program writes to its terminal until it ends."""
    shown = b""
    with contextlib.suppress(OSError), os.fdopen(ours, "rb", 0) as terminal:  # EIO: the program has ended
        while len(shown) < LARGEST and (data := terminal.read(4096)):
            shown += data
    return shown


async def typed(command: list[str], environment: dict[str, str], lines: list[str]) -> tuple[int, str]:
    """Run `command` on a terminal, and type each line when the program has been quiet for QUIET seconds. Returns its exit status
    and all that it printed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0))
    shown = b""
    try:
        waiting = list(lines)
        while True:
            try:
                data = await asyncio.wait_for(reader.read(4096), QUIET if shown and waiting else None)
            except TimeoutError:
                os.write(ours, waiting.pop(0).encode() + b"\n")
                continue
            except OSError:  # EIO: the program has ended, and its terminal with it
                break
            if not data:
                break
            shown += data
        return await process.wait(), shown.decode(errors="replace").replace("\r\n", "\n")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        transport.close()
