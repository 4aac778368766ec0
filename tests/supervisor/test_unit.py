"""deploy/l7gw.service can be used by systemd 252, which Debian 12, RHEL 9 and Amazon Linux 2023 have."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from l7gw.cli.main import cli

UNIT = (Path(__file__).parent.parent.parent / "deploy" / "l7gw.service").read_text()
LINES = [line.partition("=")[::2] for line in UNIT.splitlines() if "=" in line and not line.startswith("#")]
TYPES = {"simple", "exec", "forking", "oneshot", "dbus", "notify", "idle"}  # systemd.service(5) of 252


def _all(key: str) -> list[str]:
    return [value for name, value in LINES if name == key]


def test_its_type_is_known_and_a_reload_checks_the_files_before_it_tells_the_gateway() -> None:
    assert _all("Type") == ["notify"] and set(_all("Type")) <= TYPES
    check, tell = _all("ExecReload")
    assert "l7gw check --config /etc/l7gw/l7gw.yaml" in check and tell == "/bin/kill -HUP $MAINPID"


def test_the_command_that_it_starts_exists_with_its_options() -> None:
    program, command, *options = shlex.split(_all("ExecStart")[0])
    assert program.endswith("/l7gw")
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    found.make_context(command, options)
