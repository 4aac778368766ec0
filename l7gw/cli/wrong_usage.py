"""What to type instead, after a word or an option that click does not take. click itself says what is wrong."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator

import click

from l7gw.name_rules import visible

EXTRA = "Got unexpected extra argument"  # as click's words begin
FILES = (".yaml", ".yml")  # the ends of a configuration's name
SESSIONS = "l7gw sessions list shows ids; a unique beginning of one is enough"
CLUSTERS = "a name of `clusters` in l7gw.yaml; l7gw clusters list shows them"
WHERE = {  # the name of an argument, and which command has what it takes
    **dict.fromkeys(("session", "session_id"), SESSIONS),
    **dict.fromkeys(("cluster", "name"), CLUSTERS),
    "hold": "l7gw holds list shows ids; a unique beginning of one is enough",
    "grant": "l7gw grants list shows ids; a unique beginning of one is enough",
}
BY_HAND = "help operations"
OTHERWISE = {"search": "grep", "backup": BY_HAND, "retention": BY_HAND, "upgrade": BY_HAND, "install": BY_HAND, "start": "serve"}


def hint_of(wrong: click.UsageError) -> str:
    """What to type, "" where click's own words say all that is known. An error of ours has its hint in its own words."""
    context = wrong.ctx
    if isinstance(wrong, click.MissingParameter):
        return _of_missing(wrong.param)
    if isinstance(wrong, click.NoSuchCommand):
        at_the_top = context is not None and context.parent is None
        return _of_command(wrong.command_name, context) if at_the_top and context is not None else ""
    if wrong.message.startswith(EXTRA) and context is not None:
        extra = wrong.message[len(EXTRA) :].lstrip("s ").strip("()")
        takes = any(parameter.name == "config" for parameter in context.command.params)
        return f"--config {visible(extra)}" if takes and extra.endswith(FILES) else ""
    return ""


def _of_missing(parameter: click.Parameter | None) -> str:
    if isinstance(parameter, click.Option) and parameter.help and not isinstance(parameter.type, click.Choice):
        return f"{parameter.opts[0]} {parameter.metavar or parameter.type.name.upper()}: {parameter.help}"
    return WHERE.get(parameter.name or "", "") if isinstance(parameter, click.Argument) else ""


def _of_command(name: str, context: click.Context) -> str:
    """Where that is done which `l7gw NAME` was typed for."""
    if name in OTHERWISE:
        return f"l7gw {OTHERWISE[name]}"
    found = [f"l7gw {group} {name}" for group in _groups_with(name, context)]
    if found:
        return ", ".join(found)
    from l7gw.policy.kubectl.commands import COMMANDS

    if name not in COMMANDS:
        return ""
    typed = shlex.join(["kubectl", *(visible(word) for word in sys.argv[1:])])
    return (
        f"that is a command of kubectl, which goes through the gateway by a kubeconfig of l7gw kubeconfig: {typed}; "
        f"what the policy says to it: l7gw policy explain --user U -- {typed}"
    )


def _groups_with(name: str, context: click.Context) -> Iterator[str]:
    """The groups of commands that have one of this name."""
    top = context.command
    assert isinstance(top, click.Group)
    for group in top.list_commands(context):
        command = top.get_command(context, group)
        if isinstance(command, click.Group) and name in command.list_commands(context):
            yield group
