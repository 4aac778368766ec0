"""A browser is opened beside kubectl's own output, and no signal cuts what the issuer gives once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from l7gw.login.world import DEFERRED, browse, uninterrupted
from tests.support.login_browser import Opened


def test_a_browser_gets_the_address_and_nothing_of_kubectls_output(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    (tmp_path / "webbrowser.py").write_text("raise SystemExit('a file of the current folder was run')")
    code = "from l7gw.login.world import browse; print(browse('https://idp.example.com/auth?a=b&c=d'))"
    environment = {**os.environ, **opened.environment}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert opened.url() == "https://idp.example.com/auth?a=b&c=d"
    assert process.communicate() == ("True\n", None)


def test_without_a_screen_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not browse("https://idp.example.com/auth")


@pytest.mark.parametrize("number", DEFERRED)
def test_a_signal_counts_once_the_block_has_ended(number: signal.Signals) -> None:
    came: list[object] = []
    former = signal.signal(number, lambda *_: came.append("handled"))
    try:
        with uninterrupted():
            signal.raise_signal(number)
            came.append("block")
        assert came == ["block", "handled"]
        signal.raise_signal(number)
        assert came == ["block", "handled", "handled"]
    finally:
        signal.signal(number, former)


def test_an_ignored_signal_stays_ignored() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_thread_beside_the_main_one_has_no_signals_to_defer() -> None:
    ran: list[int] = []

    def block() -> None:
        with uninterrupted():
            ran.append(1)

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert ran
