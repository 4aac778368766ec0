"""`l7gw sessions`: whose sessions there were, what was in one, and what is under way."""

from __future__ import annotations

import click

from l7gw.cli.lazy_group import LazyGroup

COMMANDS = {
    "list": "sessions.list.list_sessions",
    "show": "sessions.show.show",
    "tail": "sessions.tail.tail",
    "running": "sessions.kill.running",
    "kill": "sessions.kill.kill",
}


@click.group(cls=LazyGroup, functions=COMMANDS, short_help="List, show, follow and end sessions.")
def sessions() -> None:
    """A session is one person, agent or workload on one cluster, until 15 minutes without a call."""
