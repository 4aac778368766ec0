"""`l7gw sessions list`: whose sessions there were."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
import msgspec

from l7gw.cli import completing
from l7gw.cli.columns import Column, natural, table, terminal_width
from l7gw.cli.options import table_option
from l7gw.cli.state import ago, state_options, summaries, the_state
from l7gw.clock import local_time
from l7gw.recording.session_list import Summary
from l7gw.recording.terminal.unseen import safe

NEWEST = 50  # rows of a table, unless more are asked for: what two screens hold
SHORT_ID = 13  # characters of an id in a narrow table, unless other sessions begin with the same
NONE = (
    "no sessions: nobody has called by this gateway yet, or its `state` is another\n"
    "  hint: `kubectl config view --minify` must show the gateway's address as `server:`; `l7gw kubeconfig NAME` writes such a file"
)
ORDERS: dict[str, Callable[[Summary], int]] = {
    "began": lambda one: one.started.time,
    "calls": lambda one: one.exchanges,
    "denied": lambda one: one.denied,
    "bytes": lambda one: one.content,
}


@click.command("list", short_help="List sessions, newest first.")
@state_options
@table_option
@click.option("--cluster", shell_complete=completing.clusters, help="Only this cluster's; * matches anything.")
@click.option("--user", shell_complete=completing.users, help="Only this user's; * matches anything.")
@click.option("--since", help="Only those that began in the last 30m, 12h or 7d.")
@click.option("--denied", is_flag=True, help="Only those in which something was denied.")
@click.option("--command", "ran", help="Only those with such a command; see above.")
@click.option("--sort", type=click.Choice(list(ORDERS)), default="began", show_default=True, help="The largest first.")
@click.option("--limit", type=click.IntRange(1), help=f"At most so many, the first; in a table {NEWEST}, if you do not say.")
@click.option("--all", "every", is_flag=True, help="All of them in a table too.")
def list_sessions(
    config: Path | None, state: Path | None, output: str, sort: str, limit: int | None, every: bool, **filters: Any
) -> None:
    """List sessions, newest first. Times are local in the table, UTC in JSON. A session that is not closed is open, or torn, where
    the gateway died in it. Calls without a principal are one session a day and cluster: failed log-ins.

    --command looks at what clients say that they are: kubectl's command ("kubectl delete"), or the User-Agent of a client that
    names none. With *, ? or [ it is a pattern for the whole of it, else a part. It looks at no arguments; `l7gw grep`
    does.

    \b
      l7gw sessions list --user ann@example.com --since 7d
      l7gw sessions list --command delete --denied
      l7gw sessions list -o json | jq '.[0].id'
    """
    if every and limit is not None:
        raise click.UsageError("--all and --limit exclude each other")
    listed = summaries(the_state(config, state))
    found = sorted(_found(listed, **filters), key=ORDERS[sort], reverse=True)
    if output == "json":
        click.echo(_document(found[:limit]))
        return
    if not found:
        click.echo(NONE if not listed else "no sessions that all of these filters let through", err=True)
        return
    shown = found if every else found[: limit or NEWEST]
    within = terminal_width()
    lines = table(WIDE, [_wide_row(one) for one in shown], None) if within is None else _narrow(shown, listed, within)
    click.echo("\n".join(lines))
    if more := len(found) - len(shown):
        click.echo(f"{more:,} more; --all or --limit N shows them")


def _found(
    listed: list[Summary], *, cluster: str | None, user: str | None, since: str | None, denied: bool, ran: str | None
) -> list[Summary]:
    """The sessions that all filters let through."""
    after = ago(since, "--since") or 0
    return [
        one
        for one in listed
        if (cluster is None or fnmatchcase(one.started.cluster, cluster))
        and (user is None or fnmatchcase(one.started.user, user))
        and one.started.time >= after
        and (one.denied or not denied)
        and (ran is None or any(_matches(command, ran) for command in one.commands))
    ]


def _matches(command: str, wanted: str) -> bool:
    return fnmatchcase(command, wanted) if any(mark in wanted for mark in "*?[") else wanted in command


def _document(found: Iterable[Summary]) -> str:
    """The list as one JSON document. Python's own encoder keeps to ASCII, so that no text reaches a terminal as a control sequence;
    msgspec's indents, which Python's does at a tenth of the speed."""
    encode = json.JSONEncoder().encode
    return msgspec.json.format("[" + ",".join(encode(one.document(all_runs=False)) for one in found) + "]", indent=2)


WIDE = [Column(name) for name in ("session", "cluster", "who", "began", "lasted")] + [
    *(Column(name, right=True) for name in ("calls", "denied", "held", "bytes")),
    Column("state"),
]


def who(one: Summary) -> str:
    """Whose session it is: `ann@example.com`, `bot (agent)`, `failed log-ins (3 addresses)`."""
    if (failed := one.failed_logins()) is not None:
        return str(failed)
    kind = one.started.kind
    return safe(one.started.user) + (f" ({safe(kind)})" if kind not in ("", "human") else "")


def _wide_row(one: Summary) -> list[str]:
    began = local_time(one.started.time)
    return [
        one.id, safe(one.started.cluster), who(one), began, str(datetime.timedelta(seconds=_seconds(one))),
        str(one.exchanges), str(one.denied), str(one.held), f"{one.content:,}", one.state,
    ]  # fmt: skip


def _narrow(shown: list[Summary], listed: list[Summary], within: int) -> Iterable[str]:
    """The lines of a table for a terminal. Where it is wide enough, it has the whole ids and the bytes."""
    denied, held = any(one.denied for one in shown), any(one.held for one in shown)
    columns = [Column("session"), Column("began"), Column("lasted"), Column("calls", right=True)]
    columns += [Column(name, right=True) for name, there in (("denied", denied), ("held", held)) if there]
    columns += [Column("who", broken=True), Column("cluster", broken=True)]
    ids, now = short_ids([one.id for one in listed]), time.time()
    rows = [
        [
            ids[one.id],
            _when(one.started.time, now),
            _lasted(_seconds(one)) + (f" {one.state}" if one.state != "closed" else ""),
            str(one.exchanges),
            *([str(one.denied or "")] if denied else []),
            *([str(one.held or "")] if held else []),
            who(one),
            safe(one.started.cluster),
        ]
        for one in shown
    ]
    wider = [*columns, Column("bytes", right=True)], [[*row, f"{one.content:,}"] for row, one in zip(rows, shown, strict=True)]
    if natural(*wider) <= within:
        columns, rows = wider
        whole = [[one.id, *row[1:]] for row, one in zip(rows, shown, strict=True)]
        rows = whole if natural(columns, whole) <= within else rows
    return table(columns, rows, within)


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """The beginning of each id that names it alone, SHORT_ID characters or more."""
    ordered = sorted(ids)
    short: dict[str, str] = {}
    for before, one, behind in zip(["", *ordered], ordered, [*ordered[1:], ""]):
        length = SHORT_ID
        while length < len(one) and one[:length] in (before[:length], behind[:length]):
            length += 1
        short[one] = one[:length]
    return short


def _seconds(one: Summary) -> int:
    return max(0, one.last - one.started.time) // 1_000_000


def _when(microseconds: int, now: float) -> str:
    """`11-28 09:02`, or the date where it is long ago."""
    moment = datetime.datetime.fromtimestamp(microseconds / 1e6)
    return moment.strftime("%m-%d %H:%M" if now - microseconds / 1e6 < 300 * 86400 else "%Y-%m-%d")


def _lasted(seconds: int) -> str:
    """`40s`, `12m`, `3h05m`, `1d00h`."""
    minutes, hours = seconds // 60, seconds // 3600
    if hours >= 24:
        return f"{hours // 24}d{hours % 24:02d}h"
    if hours:
        return f"{hours}h{minutes % 60:02d}m"
    return f"{minutes}m" if minutes else f"{seconds}s"
