"""A person at a browser: Debian's Chromium, driven by npm's playwright-core, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from types import TracebackType

import pytest

from tests.npm.install import MissingNode, node_modules

DRIVER = Path(__file__).parent.parent / "npm" / "browser.mjs"
ANSWERS_WITHIN = 60.0  # seconds until the browser must have done what it was told


class MissingBrowser(Exception):
    """Chromium, or Node.js to drive it, is not on this machine."""


class LoginBrowser:
    """The browser, which `with` starts. Raises MissingBrowser."""

    def __init__(self) -> None:
        found = shutil.which("chromium")
        if found is None:
            raise MissingBrowser("logins need a browser: Debian's package chromium")
        self._chromium = found
        try:
            self._modules = node_modules()
        except MissingNode as missing:
            raise MissingBrowser(f"logins need a browser, driven by Node.js: {missing}") from None

    def __enter__(self) -> LoginBrowser:
        self._process = subprocess.Popen(
            ["node", DRIVER, self._modules, self._chromium],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def _answer(self) -> object:
        assert self._process.stdout is not None
        timer = threading.Timer(ANSWERS_WITHIN, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        assert line, "the browser ended"
        return json.loads(line)

    def visit(self, url: str, user: str = "ann@example.com", code: str = "") -> tuple[str, str]:
        """Open an address, log in as `user` ("" cancels), type the code of a device where one is asked for, agree to all. Gives the
        address and the text of the page behind."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(["visit", url, user, code]) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        assert isinstance(answer, list)
        return answer[0], answer[1]


class Opened:
    """A program for $BROWSER that hands the address that it is to open to the test, and the environment in which it is one."""

    def __init__(self, folder: Path) -> None:
        self._pipe = folder / "opened"
        os.mkfifo(self._pipe)
        program = folder / "browser"
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" > {self._pipe}\n')
        program.chmod(0o700)
        self.environment = {"BROWSER": f"{program} %s"}

    def url(self) -> str:
        """The address that was opened; waits for it."""
        return self._pipe.read_text().strip()


def browser_or_skip() -> LoginBrowser:
    """The browser, or a skipped test where it is missing; a failed one where L7GW_NO_SKIP is 1."""
    try:
        return LoginBrowser()
    except MissingBrowser as missing:
        if os.environ.get("L7GW_NO_SKIP") == "1":
            raise
        pytest.skip(str(missing))
