"""A lazy group has the commands that it was told of, and imports none of the others."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from l7gw.cli.lazy_group import LazyGroup
from l7gw.cli.sessions.command import COMMANDS, sessions


def test_every_command_of_a_group_is_there_under_its_name() -> None:
    context = click.Context(sessions)
    assert sessions.list_commands(context) == ["list", "show", "tail", "running", "kill"]
    for name in COMMANDS:
        command = sessions.get_command(context, name)
        assert command is not None and command.name == name
    assert sessions.get_command(context, "nonsense") is None


def test_a_group_that_was_told_of_nothing_has_no_command() -> None:
    assert LazyGroup("empty").list_commands(click.Context(click.Command("x"))) == []


@pytest.mark.parametrize("module", ["l7gw.cli.sessions.kill", "httpx", "rich.table"])
def test_listing_sessions_loads_no_other_command(module: str) -> None:
    code = f"import sys; from l7gw.cli.main import cli; cli(['sessions', 'list', '--help'], standalone_mode=False); sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
