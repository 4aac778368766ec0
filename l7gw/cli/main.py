"""The command `l7gw`. The module of a command is imported only when it is asked for, so that `--help` is quick."""

from __future__ import annotations

import importlib
import os
import sys

import click

from l7gw.cli.ending import open_streams, status_of, tidy_up_on_signals

# what the commands are for -> those commands; each is defined in the module of its name, or in `command` of the package of its name
GROUPS = {
    "To run a gateway": ("init", "check", "serve", "config", "policy", "masking"),
    "Clusters and clients": ("clusters", "rbac", "kubeconfig", "login"),
    "What happened": ("sessions", "grep", "replay", "export", "verify", "audit"),
    "What waits for people": ("holds", "grants"),
    "To learn": ("demo", "help", "completion", "version"),
}
COMMANDS = tuple(command for commands in GROUPS.values() for command in commands)
PACKAGES = frozenset(("init", "kubeconfig", "policy", "rbac", "sessions"))
READ_ON = """\b
l7gw demo                   shows it all on an embedded cluster
l7gw COMMAND --help         has options, examples and the exit status
l7gw help                   lists the pages: configuration, policy, recordings, ...
"""

NAME = "l7gw"
COMPLETING = "_L7GW_COMPLETE"  # in the environment: a shell asks what could be typed (click's name for it)


class Commands(click.Group):
    """Finds a command by importing its module, and lists them by what they are for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"l7gw.cli.{name}.command" if name in PACKAGES else f"l7gw.cli.{name}")
        command = getattr(module, name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, COMMANDS))
        for title, names in GROUPS.items():
            found = [(name, command) for name in names if (command := self.get_command(ctx, name)) is not None]
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{widest}}", command.get_short_help_str(200)) for name, command in found])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=READ_ON)
@click.version_option(package_name="l7gw")
def cli() -> None:
    """A Layer-7 gateway for Kubernetes: every call authenticated, judged, recorded and replayable."""


def main() -> None:
    """Run the command. Exit status: 0 yes, 1 no (not found, not intact, denied), 2 wrong usage or configuration, 3 could not
    tell."""
    open_streams()
    tidy_up_on_signals()
    sys.exit(status_of(_run))


def _run() -> object:
    if COMPLETING in os.environ:
        cli.main(prog_name=NAME)
    # `cli.main` itself would end a command whose reader has left with status 1, which here means no
    with cli.make_context(NAME, sys.argv[1:]) as context:
        return cli.invoke(context)
