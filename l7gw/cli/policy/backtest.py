"""`l7gw policy backtest`: what a new policy would have said to the calls that are recorded."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table

from l7gw.cli import completing
from l7gw.cli.options import output_option
from l7gw.cli.progress import reading_bar
from l7gw.cli.state import UNREADABLE, ago, cannot_read, state_options, the_state
from l7gw.clock import moment
from l7gw.gateway.sent_object import look_by_type
from l7gw.policy.judge import Policy
from l7gw.quantities import many
from l7gw.recording.backtest import Backtest, Change, Counted, Why, command_of
from l7gw.recording.past_calls import PastCalls
from l7gw.recording.terminal.unseen import safe

WITHOUT_TERMINAL = 240  # columns of output that goes to no terminal
CHANGES, UNKNOWN = 1, 3  # exit statuses
IN_WORDS: dict[Why, str] = {
    "object-not-recorded": "the object that a condition reads is not recorded",
    "object-masked": "what a condition reads of the object is masked",
    "argv-masked": "a rule reads a command in which something is masked",
    "result": "a condition reads the result of a dry run",
    "grant-not-recorded": "a group was granted, and of the grant nothing is recorded here",
    "groups-not-recorded": "a denial was for a group that is no name",
}


@click.command("backtest", short_help="Which recorded calls would a new policy judge otherwise?")
@click.argument("new", metavar="NEW", type=click.Path(readable=False, path_type=Path))
@state_options
@click.option("--since", help="Only calls of the last 30m, 12h or 7d.")
@click.option("--until", help="Only calls that are older than 30m, 12h or 7d.")
@click.option("--cluster", shell_complete=completing.clusters, default="*", help="Only this cluster's; * matches anything.")
@click.option("--user", shell_complete=completing.users, default="*", help="Only this user's; * matches anything.")
@output_option
def backtest(
    new: Path, config: Path | None, state: Path | None, since: str | None, until: str | None, cluster: str, user: str, output: str
) -> None:
    """Run the policy NEW over recorded sessions, and show each call whose verdict would change: allow, hold or deny.

    The recordings are read, open ones up to their last whole block; no gateway need run. Calls that were refused before the policy
    was asked are left out. Calls of which the new verdict cannot be said are counted apart as unknown: a condition reads an object
    that is masked or not recorded, or the result of a dry run.

    A call is judged as the one who made it, with the groups that he had. Budgets count from nothing, and hooks are not asked.

    Exit status: 0 no call changes, 1 some do, 2 wrong usage or a mistake in NEW, 3 none does as far as can be said,
    but of some it cannot, or a part of the recordings cannot be read.

    \b
    l7gw policy backtest new-policy.yaml --since 30d
    l7gw policy backtest new-policy.yaml --since 7d --cluster 'prod*' -o json | jq '.changes[] | select(.after == "deny")'
    l7gw sessions show 01a2           # the session of an example; what stands behind its slash is the call
    """
    after, before = ago(since, "--since"), ago(until, "--until")
    policy = Policy.load(new.absolute())
    place = the_state(config, state)
    run = Backtest(policy, look_by_type)
    try:
        with reading_bar(place) as read:
            past = PastCalls(place, since=after or 0, until=before, cluster=cluster, user=user, bodies=run.reads_objects, read=read)
            for call in past:
                run.take(call)
    except OSError as error:
        cannot_read("the state cannot be read", error, UNKNOWN)
    except KeyboardInterrupt:
        sys.exit(130)
    changes = sorted(run.changes.items(), key=_order)
    if output == "json":
        click.echo(json.dumps(_document(run, changes, past.unreadable), indent=2))
    else:
        _show(run, changes)
    _tell(run, past.unreadable)
    if changes:
        sys.exit(CHANGES)
    if run.unknown or past.unreadable:
        sys.exit(UNKNOWN)


def _order(one: tuple[Change, Counted]) -> tuple[bool, int]:
    """What is allowed and would be denied comes first, and of the rest what is most."""
    change, counted = one
    return (change.before, change.after) != ("allow", "deny"), -counted.count


def _document(run: Backtest, changes: list[tuple[Change, Counted]], unreadable: int) -> dict[str, Any]:
    return {
        "calls": run.calls,
        "unknown": run.unknown.total(),
        "unknown_because": dict(sorted(run.unknown.items())),
        "other_rule": run.other_rule,
        "unreadable_blocks": unreadable,
        "changes": [
            {
                "before": change.before,
                "after": change.after,
                "rule_before": change.rule_before,
                "rule_after": change.rule_after,
                "count": counted.count,
                "example": _example(counted),
            }
            for change, counted in changes
        ],
    }


def _example(counted: Counted) -> dict[str, Any]:
    call = counted.example
    return {
        "session": call.session,
        "exchange": call.request.exchange,
        "time": moment(call.request.time),
        "cluster": call.cluster,
        "user": call.principal.user,
        "command": command_of(call),
    }


def _show(run: Backtest, changes: list[tuple[Change, Counted]]) -> None:
    if changes:
        table = Table(Column("calls", justify="right"), "was", "would be", Column("the last one", no_wrap=True), "", box=box.SIMPLE)
        for change, counted in changes:
            call = counted.example
            table.add_row(
                f"{counted.count:,}",
                _said(change.before, change.rule_before),
                _said(change.after, change.rule_after),
                f"{call.session}/{call.request.exchange}",
                safe(f"{call.principal.user} on {call.cluster}: {command_of(call)}"),
            )
        width = None if sys.stdout.isatty() else WITHOUT_TERMINAL
        Console(highlight=False, markup=False, emoji=False, width=width).print(table)
    changed = sum(counted.count for _, counted in changes)
    sums = [many(run.calls, "call"), f"{changed:,} would change", f"{run.unknown.total():,} unknown"]
    click.echo(", ".join(sums) + (f"; {run.other_rule:,} stay as they are by another rule" if run.other_rule else ""))


def _said(verdict: str, rule: str) -> str:
    return f"{verdict} ({safe(rule) or 'no rule'})"


def _tell(run: Backtest, unreadable: int) -> None:
    """Say on stderr what could not be said."""
    for why, count in run.unknown.most_common():
        click.echo(f"l7gw: unknown of {many(count, 'call')}: {IN_WORDS[why]}", err=True)
    if unreadable:
        click.echo(f"l7gw: {many(unreadable, *UNREADABLE)}; their calls are left out\n  hint: l7gw verify tells more", err=True)
    if not run.calls:
        click.echo("l7gw: no calls are recorded there", err=True)
