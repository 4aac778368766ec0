"""A Python program on a terminal of its own (a pty), whose keys a test presses."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
from typing import Any

WITHIN = 30  # seconds in which a program must write what is waited for


class OnPty:
    """Runs `code`. It is in a process group of its own, below the test's session, so that it can be stopped and continued."""

    def __init__(self, code: str, *arguments: str) -> None:
        self._ours, self._theirs = pty.openpty()
        self.before = self.attributes()
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, process_group=0,
            env={**os.environ, "TERM": "xterm", "LINES": "24", "COLUMNS": "80"},
        )  # fmt: skip
        self.out = b""

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self._theirs)

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def until(self, text: bytes) -> bytes:
        """What the program writes, up to this text. What comes behind it is kept for the next call."""
        while text not in self.out:
            ready, _, _ = select.select([self._ours], [], [], WITHIN)
            assert ready, f"waited for {text!r}, and have {self.out!r}"
            self.out += os.read(self._ours, 65536)
        found, _, self.out = self.out.partition(text)
        return found + text

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)
