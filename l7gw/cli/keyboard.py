"""Somebody's terminal, key by key: without echo, and as it was before in every end."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

from l7gw.recording.drawing import SHOW_CURSOR, WRAP_ROWS
from l7gw.recording.terminal.style import RESET

# A key as xterm sends it: an arrow in either mode, another sequence (which no key has), or a character
_KEY = re.compile(rb"\x1b[\[O]([ABCD])|\x1b\[[0-9;?]*[@-~]|\x1b[^\[O]|\x1b[\[O]?|([^\x1b])", re.DOTALL)
ARROWS = {b"A": "up", b"B": "down", b"C": "right", b"D": "left"}
ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def keys_of(data: bytes) -> list[str]:
    """The keys in what a terminal sent: characters, and left, right, up, down. Other keys are left out."""
    found = []
    for arrow, character in _KEY.findall(data):
        if arrow:
            found.append(ARROWS[arrow])
        elif b" " <= character <= b"~":
            found.append(character.decode())
    return found


class Keyboard:
    """The terminal on stdin, while it is entered. `wait` gives keys, and `stopped`, `resize` and `redraw` for signals that came."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        self._signalled: list[str] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Keyboard:
        self._attributes = termios.tcgetattr(self._descriptor)
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGTSTP: self._stop, signal.SIGCONT: self._continue, signal.SIGWINCH: self._resize,
            **dict.fromkeys(ENDS, self._end),
        }  # fmt: skip
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._restore()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._woken)
        os.close(self._wake)

    def wait(self, seconds: float | None) -> list[str]:
        """The keys and signals that came. Waits for the first of them, at most so many seconds; None: as long as it takes."""
        if not self._signalled:
            select.select([self._descriptor, self._woken], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)
        ready, _, _ = select.select([self._descriptor], [], [], 0)
        data = b""
        with suppress(OSError):  # EIO: the terminal is gone
            data = os.read(self._descriptor, 4096) if ready else b""
        signalled, self._signalled = self._signalled, []
        if ready and not data:
            return ["q"]
        return signalled + keys_of(data)

    def _restore(self) -> None:
        """Give the terminal back as it was."""
        with suppress(termios.error, OSError):
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._attributes)
        self._write(f"{RESET}{WRAP_ROWS}{SHOW_CURSOR}")

    def _write(self, text: str) -> None:
        """Past the buffer of `sys.stdout`, which may be in use when a signal comes."""
        with suppress(OSError, ValueError):
            os.write(sys.stdout.fileno(), text.encode())

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """^Z: the shell gets its terminal, and this process stands still until it is continued."""
        self._restore()
        self._write("\n")
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stop)
        self._continue(number, frame)  # where nobody could continue it, the kernel did not stop it

    def _continue(self, number: int, frame: FrameType | None) -> None:
        with suppress(termios.error, OSError):
            tty.setcbreak(self._descriptor)
        self._signalled += ["stopped", "resize"]

    def _resize(self, number: int, frame: FrameType | None) -> None:
        self._signalled.append("resize")

    def _end(self, number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)
