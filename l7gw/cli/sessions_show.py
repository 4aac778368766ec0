"""`l7gw sessions show`: what was in one session."""

from __future__ import annotations

import datetime
import json
import shlex
import sys
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from l7gw.cli import completing
from l7gw.cli.state import Events, fail, state_options, the_state, the_whole_session
from l7gw.kube.in_kubectl import acting_words
from l7gw.recording.events import (
    ExchangeEnded,
    GrantRecorded,
    HoldRecorded,
    MaskRecorded,
    RequestRecorded,
    ResponseRecorded,
    ReviewRecorded,
    VerdictRecorded,
    header_text,
)
from l7gw.recording.masked import Masked
from l7gw.recording.reader import Unreadable
from l7gw.recording.session_list import Summary
from l7gw.recording.terminal.unseen import safe

OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="json: one document.")
WITHOUT_TERMINAL = 240  # columns of output that goes to no terminal


def _console() -> Console:
    """A console as wide as the terminal or, without one, WITHOUT_TERMINAL columns wide. Recorded text is never read as markup."""
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WITHOUT_TERMINAL)


@click.command("show", short_help="Show one session and its calls.")
@click.argument("session_id", metavar="SESSION", shell_complete=completing.sessions)
@state_options
@OUTPUT
def show(session_id: str, config: Path | None, state: Path | None, output: str) -> None:
    """Show one session: who, from where, its client processes, and each call with its verdict and outcome, and how much was masked
    in it, by what and where.

    SESSION is an id or any unique beginning of one. JSON has the session without its calls; `l7gw export` has those, and the place
    of each masked value.

    \b
      l7gw sessions show 01a2
      l7gw replay 01a2/7            # call 7 of the table, an exec
    """
    place = the_state(config, state)
    summary = the_whole_session(place, session_id)
    if output == "json":
        click.echo(json.dumps(summary.document(all_runs=True), indent=2))
        return
    console = _console()
    about = summary.started
    calls = f"{summary.exchanges}, {summary.denied} denied" + (f", {summary.held} held" if summary.held else "")
    for name, value in (
        ("session", summary.id), ("cluster", about.cluster), ("user", about.user or "(attempts without a principal)"),
        ("groups", ", ".join(about.groups)), ("kind", about.kind), ("issuer", about.issuer), ("acting agent", about.actor),
        ("address", about.address), ("state", summary.state), ("calls", calls),
    ):  # fmt: skip
        if value:
            console.print(f"{name:>12}  {safe(str(value))}")
    for run in summary.every_run():
        words = (header_text(run.command), header_text(run.client), run.id)
        console.print(f"{'run':>12}  {'  '.join(safe(text) for text in words if text)}")
    try:
        table, grants = _calls(place, summary)
        console.print(table)
        for line in grants:
            console.print(f"{'grant':>12}  {line}", soft_wrap=True)
    except Unreadable as error:
        fail(f"{error}\n  hint: l7gw verify tells more", 1)


def _calls(place: Path, summary: Summary) -> tuple[Table, list[str]]:
    """A row for each call, and a line for each thing that was done to a grant."""
    rows: dict[int, list[str]] = {}
    masked: dict[int, Masked] = {}
    said: dict[str, list[str]] = {}  # who reviewed a hold
    grants: list[str] = []
    for event in Events(place, summary)():
        if isinstance(event, RequestRecorded):
            rows[event.exchange] = [str(event.exchange), safe(_what(event)), safe(event.namespace), "", "", "", "", ""]
        elif isinstance(event, VerdictRecorded) and event.exchange in rows:
            # What was allowed within an allowed call, such as a connection of a port-forward, is no verdict on the call
            if not event.own and (event.verdict != "allow" or not rows[event.exchange][3]):
                rows[event.exchange][3] = event.verdict + (f" ({safe(event.rule)})" if event.rule else "")
        elif isinstance(event, HoldRecorded) and event.exchange in rows:
            by = f" by {safe(', '.join(said[event.hold]))}" if said.get(event.hold) else ""
            rows[event.exchange][3] = f"hold ({safe(event.rule)}): {safe(event.state)}{by}"
        elif isinstance(event, GrantRecorded):
            grants.append(_granted(event))
        elif isinstance(event, ReviewRecorded):
            said.setdefault(event.hold, []).append(event.user)
        elif isinstance(event, ResponseRecorded) and event.exchange in rows:
            rows[event.exchange][4] = str(event.status)
        elif isinstance(event, MaskRecorded) and event.exchange in rows:
            masked.setdefault(event.exchange, Masked()).add(event)
        elif isinstance(event, ExchangeEnded) and event.exchange in rows:
            rows[event.exchange][6:] = [event.outcome, safe(event.reason)]
    for exchange, of_call in masked.items():
        rows[exchange][5] = safe(str(of_call))
    table = Table("call", "what", "namespace", "verdict", "status", "masked", "outcome", "reason", box=box.SIMPLE)
    for row in rows.values():
        table.add_row(*row)
    return table, grants


def _granted(event: GrantRecorded) -> str:
    """What was done to a grant: `2026-01-01 10:00:00 oncall is approved (approve by lea): seen`."""
    when = datetime.datetime.fromtimestamp(event.time / 1e6).strftime("%Y-%m-%d %H:%M:%S")
    by = f" by {event.user}" if event.user else ""
    forced = " (FORCED)" if event.forced else ""
    words = "".join(f": {text}" for text in (event.note, event.reason) if text)
    return safe(f"{when} {event.group} is {event.state} ({event.did}{by}){forced}{words}  {event.grant}")


def _what(event: RequestRecorded) -> str:
    """A call in the form in which people type it: the verb, the object, selectors, and the command of an exec."""
    words = [event.verb, "/".join(part for part in (event.resource, event.subresource) if part) or event.target]
    if event.name:
        words.append(shlex.quote(event.name))
    if event.container:
        words += "-c", shlex.quote(event.container)
    if event.label_selector:
        words += "-l", shlex.quote(event.label_selector)
    if event.field_selector:
        words += "--field-selector", shlex.quote(event.field_selector)
    if event.as_user is not None:
        words += acting_words(event.as_user, event.as_groups or ())
    if event.argv is not None:
        words += "--", shlex.join(event.argv)
    return " ".join(word for word in words if word)
