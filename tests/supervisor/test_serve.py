"""What systemd is told (sd_notify(3)). The gateway as a process is the subject of the suites of `tests/faults`."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from l7gw.supervisor.serve import notify


def test_systemd_is_told_the_state_where_it_asked_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        assert told.recv(100) == b"READY=1"


def test_an_abstract_socket_is_written_with_an_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(f"\0{tmp_path}")
        told.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{tmp_path}")
        notify("STOPPING=1")
        assert told.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "/nobody/listens/here"])
def test_a_gateway_runs_on_where_nobody_listens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_a_gateway_that_holds_nothing_loads_no_database() -> None:
    """It would take 0.4 s and 20 MB of every gateway."""
    script = "import sys, l7gw.supervisor.serve; sys.exit(bool({'sqlalchemy', 'alembic', 'psycopg'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
