"""The command `l7gw`. The module of a command is imported only when it is asked for, so that `--help` is quick."""

from __future__ import annotations

import importlib
import os
import sys

import click

from l7gw.cli.ending import open_streams, status_of

# command -> module of this package that defines it under the same name (dashes as underscores)
COMMANDS = {
    "init": "init",
    "serve": "serve",
    "check": "check",
    "config": "config",
    "demo": "demo",
    "clusters": "clusters",
    "kubeconfig": "kubeconfig",
    "login": "login",
    "holds": "holds",
    "grants": "grants",
    "sessions": "sessions",
    "grep": "grep",
    "replay": "replay",
    "export": "export",
    "verify": "verify",
    "policy": "policy",
    "rbac": "rbac",
    "masking": "masking",
    "audit": "audit",
    "help": "help",
    "completion": "completion",
    "version": "version",
}

NAME = "l7gw"
COMPLETING = "_L7GW_COMPLETE"  # in the environment: a shell asks what could be typed (click's name for it)


class Commands(click.Group):
    """Finds a command by importing its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"l7gw.cli.{COMMANDS[name]}")
        command = getattr(module, name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="l7gw")
def cli() -> None:
    """A Layer-7 gateway for Kubernetes: every call authenticated, judged, recorded and replayable."""


def main() -> None:
    """Run the command. Exit status: 0 yes, 1 no (not found, not intact, denied), 2 wrong usage or configuration, 3 could not
    tell."""
    open_streams()
    sys.exit(status_of(_run))


def _run() -> object:
    if COMPLETING in os.environ:
        cli.main(prog_name=NAME)
    # `cli.main` itself would end a command whose reader has left with status 1, which here means no
    with cli.make_context(NAME, sys.argv[1:]) as context:
        return cli.invoke(context)
