"""What `l7gw audit reconcile` says of what it found, to people and to programs."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table

from l7gw.clock import moment
from l7gw.quantities import many
from l7gw.recording.audit_log import AuditLog
from l7gw.recording.reconcile import Counted, Reconciliation, Round
from l7gw.recording.recorded_calls import RecordedCall, RecordedCalls
from l7gw.recording.terminal.unseen import safe

NONE, SOME, UNKNOWN = 0, 1, 3  # exit statuses
WITHOUT_TERMINAL = 240  # columns of output that goes to no terminal
NO_CALLS = "--since says from when on; is it the log of this cluster, and the audit log?"
MOST_SHOWN = 50  # rows of a table for people; JSON has all
MOST_IGNORED = 8  # users in the line about those that are ignored


def answer(cluster: str, run: Reconciliation, recorded: RecordedCalls, log: AuditLog, output: str) -> int:
    """Print what was found. Gives the exit status."""
    unseen = list(run.unseen())
    rounds = sorted(run.rounds.items(), key=lambda one: -one[1].time)
    if output == "json":
        click.echo(json.dumps(_document(cluster, run, recorded, log, rounds, unseen), indent=2))
    else:
        _show(cluster, run, recorded, rounds, unseen)
    _tell(run, recorded, log)
    if rounds or run.never_seen:
        return SOME
    return UNKNOWN if log.garbled or recorded.unreadable or not run.begin or run.earlier else NONE


def _document(
    cluster: str,
    run: Reconciliation,
    recorded: RecordedCalls,
    log: AuditLog,
    rounds: list[tuple[Round, Counted]],
    unseen: list[RecordedCall],
) -> dict[str, Any]:
    return {
        "cluster": cluster,
        "from": moment(run.begin) if run.begin else None,
        "to": moment(run.end) if run.begin else None,
        "silences": [{"from": moment(begin), "to": moment(end)} for begin, end in run.silences()],
        "events": log.events,
        "recorded": recorded.count,
        "recorded_and_seen": recorded.seen_count,
        "went_round": sum(counted.count for _, counted in rounds) + run.more_rounds,
        "rounds": [_round(way, counted) for way, counted in rounds],
        "never_seen": run.never_seen,
        "calls_never_seen": [_recorded(call) for call in unseen],
        "ignored": dict(sorted(run.ignored.items(), key=lambda one: -one[1])),
        "harmless": run.harmless,
        "earlier": run.earlier,
        "not_recorded_by_configuration": run.unrecorded,
        "unreadable_lines": log.garbled,
        "other_lines": log.other,
        "unreadable_blocks": recorded.unreadable,
    }


def _round(way: Round, counted: Counted) -> dict[str, Any]:
    return {
        "why": way.why,
        "user": way.user,
        "as": way.acts_as,
        "address": way.address,
        "client": way.agent,
        "verb": way.verb,
        "resource": way.kind,
        "namespace": way.namespace,
        "count": counted.count,
        "last": {
            "time": moment(counted.time),
            "audit_id": counted.audit_id,
            "uri": counted.uri,
            "status": counted.status or None,
        },
    }


def _recorded(call: RecordedCall) -> dict[str, Any]:
    return {
        "session": call.session,
        "exchange": call.exchange,
        "user": call.user,
        "time": moment(call.time),
        "verb": call.verb,
        "resource": call.kind,
        "namespace": call.namespace,
        "name": call.name,
    }


def _show(
    cluster: str, run: Reconciliation, recorded: RecordedCalls, rounds: list[tuple[Round, Counted]], unseen: list[RecordedCall]
) -> None:
    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WITHOUT_TERMINAL)
    if rounds:
        click.echo("Went round the gateway:")
        table = Table(Column("calls", justify="right"), "who", "from", "what", "how", "the last one", box=box.SIMPLE)
        for way, counted in rounds[:MOST_SHOWN]:
            who = f"{way.user} as {way.acts_as}" if way.acts_as else way.user
            what = f"{way.verb} {way.kind}" + (f" in {way.namespace}" if way.namespace else "")
            source = f"{way.address}, {way.agent}" if way.agent else way.address
            status = f" ({counted.status})" if counted.status else ""
            row = (who, source, what + status, way.why, f"{moment(counted.time)} {counted.audit_id}")
            table.add_row(f"{counted.count:,}", *map(safe, row))
        console.print(table)
        _rest(len(rounds))
    if unseen:
        click.echo("Recorded, and never seen by the cluster:")
        table = Table("call", "when", "who", "what", box=box.SIMPLE)
        for call in unseen[:MOST_SHOWN]:
            what = " ".join(filter(None, (call.verb, call.kind, call.name))) + (f" in {call.namespace}" if call.namespace else "")
            table.add_row(*map(safe, (f"{call.session}/{call.exchange}", moment(call.time), call.user, what)))
        console.print(table)
        _rest(run.never_seen)
    went = sum(counted.count for _, counted in rounds) + run.more_rounds
    span = f"{moment(run.begin)} to {moment(run.end)}" if run.begin else "no time"
    seen = f"{many(recorded.seen_count, 'recorded call')} seen by the cluster"
    click.echo(f"cluster {cluster}, {span}: {many(went, 'call')} went round, {run.never_seen:,} recorded and never seen, {seen}")
    _show_left_out(run)


def _rest(rows: int) -> None:
    if rows > MOST_SHOWN:
        click.echo(f"and {rows - MOST_SHOWN:,} more: -o json has them\n")


def _show_left_out(run: Reconciliation) -> None:
    """What was left out, so that nobody takes silence for an answer."""
    if silences := run.silences():
        begin, end = max(silences, key=lambda one: one[1] - one[0])
        more = f", and {len(silences) - 1:,} times more" if len(silences) > 1 else ""
        click.echo(f"the log has no event at all from {moment(begin)} to {moment(end)}{more}: a part of it may be missing")
    if run.ignored:
        most = sorted(run.ignored.items(), key=lambda one: -one[1])
        named = ", ".join(f"{safe(user) or 'others'} {count:,}" for user, count in most[:MOST_IGNORED])
        more = f", and {len(most) - MOST_IGNORED} users more" if len(most) > MOST_IGNORED else ""
        click.echo(
            f"left out: {many(sum(run.ignored.values()), 'call')} of the cluster's own parts: {named}{more} (--all shows them)"
        )
    if run.harmless:
        click.echo(f"left out: {run.harmless:,} questions after health, version or one's own rights")
    if run.unrecorded:
        click.echo(f"left out: {many(run.unrecorded, 'call')} through the gateway that `record: none` is about")


def _tell(run: Reconciliation, recorded: RecordedCalls, log: AuditLog) -> None:
    """Say on stderr what could not be said."""
    if log.garbled:
        click.echo(
            f"l7gw: {many(log.garbled, 'part')} of the log cannot be read: lines that are cut or changed; calls may be missing\n"
            "  hint: name a log of kube-apiserver as it writes it, one JSON object a line",
            err=True,
        )
    if recorded.unreadable:
        what = "of the recordings cannot be read; what is recorded there counts as not recorded"
        click.echo(f"l7gw: {many(recorded.unreadable, 'block')} {what}\n  hint: l7gw verify tells more", err=True)
    if run.earlier:
        click.echo(
            f"l7gw: {many(run.earlier, 'call')} came before the oldest recording: of them nothing can be said\n  hint: --since",
            err=True,
        )
    if not run.begin:
        click.echo(f"l7gw: the log has no call of that time\n  hint: {NO_CALLS}", err=True)
    elif run.never_seen:
        hint = "where the audit policy leaves such calls out, say so: --unaudited 'VERB RESOURCE'"
        click.echo(
            f"l7gw: recorded calls are missing in the log: it was cut or changed, or the recording was\n  hint: {hint}", err=True
        )
