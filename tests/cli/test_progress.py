"""Bars on stderr while a command reads."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from l7gw.cli.progress import progress_bars, reading_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_nothing_is_shown_and_no_file_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with reading_bar(tmp_path / "no-such-state") as told:
        told(10)
    assert stderr.getvalue() == ""


def test_on_a_terminal_a_bar_takes_the_place_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_bars() as bars:
        bars.begin("reading the recordings", 100)(40)
        bars.begin("reading the log", None)(7)
        bars.stop()
        shown = stderr.getvalue()
    assert "reading the log" in shown
    assert "reading the recordings" not in shown.rpartition("\r")[2]
