"""What a shell completes: the ids of sessions and the names of clusters, where it is asked for one."""

from __future__ import annotations

import datetime
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from l7gw.cli.state import the_state
from l7gw.errors import ConfigurationError
from l7gw.recording.session_list import Summary, summaries
from l7gw.recording.terminal.unseen import safe

MOST = 50  # ids, the newest; a shell shows no more on one screen


def sessions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The sessions whose id begins so, newest first, with who, where, when (local time) and how many calls. None where the state
    cannot be read: nobody is told why while he types."""
    with suppress(OSError, SystemExit, ConfigurationError), redirect_stderr(StringIO()):
        given: dict[str, Path | None] = ctx.params
        found = summaries(the_state(given.get("config"), given.get("state")))
        mine = [one for one in found if one.id.startswith(incomplete.lower())][:MOST]
        return [CompletionItem(one.id, help=safe(_about(one))) for one in mine]
    return []


def _about(one: Summary) -> str:
    """`ann@example.com on prod, 2026-11-28 09:02, 12 calls`."""
    who = "failed log-ins" if one.started.attempts else one.started.user
    when = datetime.datetime.fromtimestamp(one.started.time / 1e6).strftime("%Y-%m-%d %H:%M")
    return f"{who} on {one.started.cluster}, {when}, {one.exchanges} call{'' if one.exchanges == 1 else 's'}"


def clusters(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The clusters whose name begins so, in the configuration's order. None where the configuration has a mistake."""
    from l7gw.config.load import find, load  # only where it is asked for: the other commands start without it

    with suppress(OSError, ConfigurationError), redirect_stderr(StringIO()):
        given: dict[str, Path | None] = ctx.params
        return [CompletionItem(name) for name in load(find(given.get("config"))).clusters if name.startswith(incomplete)]
    return []
