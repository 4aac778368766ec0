"""Somebody who types commands at a shell, in a folder of his own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

TYPED_WITHIN = 60.0  # seconds for one line
READY = "l7gw: ready on"


class Typist:
    """Types lines in `folder`, each in a shell of its own with this environment. `said` has what each line printed."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self.said: dict[str, str] = {}

    def typed(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TYPED_WITHIN,
        )

    @contextlib.contextmanager
    def serving(self, line: str) -> Iterator[None]:
        """A line that starts the gateway, which runs until the block ends."""
        log = self._folder / "gateway.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip
        try:
            assert process.stdout is not None
            assert any(said.startswith(READY) for said in iter(process.stdout.readline, "")), log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(30)

    def line(self, line: str, stack: contextlib.ExitStack, status: int = 0) -> None:
        """Type a line, which ends with this status. `l7gw serve` runs until the stack is left."""
        if "l7gw serve" in line:
            stack.enter_context(self.serving(line))
            return
        done = self.typed(line)
        assert done.returncode == status, f"{line}\n{done.returncode}\n{done.stdout}\n{done.stderr}"
        self.said[line] = done.stdout + done.stderr

    def of(self, words: str) -> str:
        """What the one line said that has these words."""
        [found] = [said for line, said in self.said.items() if words in line]
        return found
