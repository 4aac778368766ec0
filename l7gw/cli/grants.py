"""`l7gw grants`: a group for some time, asked for and answered."""

from __future__ import annotations

import datetime
import json
import shlex
import time
from collections.abc import Sequence

import click
import msgspec
from rich import box
from rich.table import Column, Table
from rich.text import Text

from l7gw.api.messages import decode_grants
from l7gw.approval.grant_messages import GRANT_STATES, LONGEST_GRANT, LONGEST_REASON, Grant, decode_grant
from l7gw.approval.messages import LONGEST_NOTE
from l7gw.cli import completing
from l7gw.cli.answers import MOST_LISTED, console, id_of, in_parts, now, seconds_of, told
from l7gw.cli.api_client import NO, USAGE, ApiClient, Reach, Refused, reach_options
from l7gw.cli.hold_views import called, local, named, review_line, reviewers, since, span, telling
from l7gw.cli.options import table_option
from l7gw.cli.state import fail
from l7gw.recording.terminal.unseen import safe

LOOK_AFTER, LOOK_EVERY = 0.25, 2.0  # seconds before the first look of --wait, and between two later ones; it doubles between them
STYLES = {"pending": "yellow", "approved": "green", "denied": "red", "revoked": "red"}


@click.group(short_help="Ask for a group for some time, and answer who asks.")
def grants() -> None:
    """A grant is a group that somebody has on one cluster for some time, after a reviewer has said yes.

    What may be asked for, by whom and for how long, is in the policy (`grants:`). The group counts for the policy's rules and,
    where they name it, in the cluster; never for who may approve anything. When the grant ends or is revoked, what it allowed
    ends: also an exec or a watch that is running.

    The gateway's socket on this machine is asked; from elsewhere: --server https://GATEWAY:8443. Who asks or answers proves who
    he is by a token or a client certificate.

    \b
      export L7GW_TOKEN=$(my-login print-token)     # or --token-file FILE
      l7gw grants request oncall --cluster prod --for 30m --reason "INC-4711: the shop is down"
      l7gw grants list --state pending
      l7gw grants approve 0199d2a4                  # somebody else; any unique beginning of the id
      l7gw grants revoke 0199d2a4                   # done earlier than thought

    Exit status: 0 yes, 1 no (not found, refused, over already), 2 wrong usage, 3 could not tell (no gateway, no permission).
    """


@grants.command()
@click.argument("group")
@reach_options
@table_option
@click.option(
    "--cluster", shell_complete=completing.clusters, required=True, metavar="C", help="On which cluster, as the gateway calls it."
)
@click.option("--for", "lasting", required=True, metavar="30m", help="For how long, from the approval on; the policy has a limit.")
@click.option("--reason", required=True, help="Why: the reviewer and the record are told.")
@click.option("--wait", is_flag=True, help="Wait until somebody has answered. Exit status 0 approved, 1 not.")
def request(group: str, reach: Reach, output: str, cluster: str, lasting: str, reason: str, wait: bool) -> None:
    """Ask for a group on a cluster for some time.

    It prints the id of the grant, which the reviewer needs. The time begins when it is approved. You need no new token and no new
    kubeconfig then: run the same command again.

    \b
      l7gw grants request oncall --cluster prod --for 30m --reason "INC-4711: the shop is down"
      l7gw grants request oncall --cluster prod --for 30m --reason "INC-4711" --wait && kubectl exec -it web-0 -- sh
    """
    seconds = seconds_of(lasting, LONGEST_GRANT)
    if not reason.strip() or len(reason) > LONGEST_REASON:
        fail(f"--reason is a text of at most {LONGEST_REASON} characters", USAGE)
    client = ApiClient(reach)
    said = {"group": group, "cluster": cluster, "for": seconds, "reason": reason}
    try:
        grant = decode_grant(client.post("grants", msgspec.json.encode(said)))
        if not wait:
            _print(grant, output, grant.id)
        if output != "json" or wait:
            click.echo(_after_request(grant), err=True)
        pause = LOOK_AFTER
        while wait and grant.state == "pending":
            time.sleep(pause)
            pause = min(pause * 2, LOOK_EVERY)
            grant = decode_grant(client.get(f"grants/{grant.id}"))
    except Refused as refused:
        told(refused, NO if refused.fault.code == 401 else None)
    if wait:
        _print(grant, output, grant.id)
        if grant.state != "approved":
            fail(f"it is {grant.state}" + (f": {safe(grant.why)}" if grant.why else ""), NO)
        click.echo(f"approved: {safe(group)} on {safe(cluster)} until {grant.ends}", err=True)


def _after_request(grant: Grant) -> str:
    count = "" if grant.needed == 1 else f" ({grant.needed} of them)"
    return (
        f"asked for {safe(grant.group)} on {safe(grant.cluster)} for {span(grant.seconds)}; pending until {local(grant.expires)}\n"
        f"  tell a reviewer, {named(grant.reviewers)}{count}:  l7gw grants approve {grant.id}\n"
        f"  see what became of it:  l7gw grants show {grant.id}"
    )


@grants.command("list")
@reach_options
@table_option
@click.option("--state", type=click.Choice(GRANT_STATES), multiple=True, help="Only grants in this state; may stand several times.")
@click.option("--limit", type=click.IntRange(1, MOST_LISTED), default=100, show_default=True, help="At most so many, the newest.")
def list_grants(reach: Reach, output: str, state: tuple[str, ...], limit: int) -> None:
    """List grants, newest first.

    They are those that you asked for or could review; for root at the socket, all of them.

    \b
      l7gw grants list --state pending
      l7gw grants list -o json | jq '.[] | select(.state == "approved").principal.user'
    """

    def part(query: dict[str, str]) -> tuple[list[Grant], str]:
        page = decode_grants(client.get("grants", **query))
        return page.grants, page.before

    try:
        client = ApiClient(reach)
        found = in_parts(limit, ",".join(state), part)
    except Refused as refused:
        told(refused)
    if output == "json":
        click.echo(json.dumps([msgspec.to_builtins(grant) for grant in found], indent=2))
    elif found:
        console().print(_table(found, now()))
    else:
        click.echo("no grants" + (" that you asked for or could review" if reach.server else ""), err=True)


@grants.command()
@click.argument("grant", metavar="ID")
@reach_options
@table_option
def show(grant: str, reach: Reach, output: str) -> None:
    """Show one grant: who asked for what and why, who may approve it, and what was said.

    ID is an id, or any unique beginning of one.

    \b
      l7gw grants show 0199d2a4
    """
    try:
        found = decode_grant(ApiClient(reach).get(f"grants/{id_of(grant, 'grant')}"))
    except Refused as refused:
        told(refused)
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    screen = console()
    for name, value in _facts(found, now()):
        if value:
            screen.print(f"{name:>12}  {value}", soft_wrap=True)


@grants.command()
@click.argument("grant", metavar="ID")
@reach_options
@table_option
@click.option("--note", default="", help="What the requester and the record are told.")
@click.option("--force", is_flag=True, help="As a member of the emergency groups: alone, at once, with --reason. It alarms.")
@click.option("--reason", default="", help="Why it is forced.")
def approve(grant: str, reach: Reach, output: str, note: str, force: bool, reason: str) -> None:
    """Let somebody have the group. The time begins now.

    You prove who you are by a token (--token-file FILE, else $L7GW_TOKEN) or a client certificate, of a person: agents and
    workloads never approve, nobody approves his own request, and a group that you have by a grant does not count.

    \b
      l7gw grants approve 0199d2a4 --note "on call this week"
      l7gw grants approve 0199d2a4 --force --reason "INC-4711: nobody else is awake"
    """
    if force != bool(reason.strip()):
        fail("--force needs --reason TEXT, and --reason goes with --force", USAGE)
    found = _said(reach, grant, "approve", {"note": note, "force": force, "reason": reason})
    what = f"{safe(found.group)} on {safe(found.cluster)} for {safe(called(found.principal))}"
    if found.state == "approved":
        _print(found, output, f"approved: {what}, until {found.ends}")
    else:
        _print(found, output, f"your approval counts; others are needed yet ({found.approvals} of {found.needed}): {what}")


@grants.command()
@click.argument("grant", metavar="ID")
@reach_options
@table_option
@click.option("--note", default="", help="Why not: the requester is told, and the record.")
def deny(grant: str, reach: Reach, output: str, note: str) -> None:
    """Refuse a grant that is pending. One denial ends it. What is approved already is taken back by revoke.

    \b
      l7gw grants deny 0199d2a4 --note "ask whoever is on call"
    """
    found = _said(reach, grant, "deny", {"note": note})
    _print(found, output, f"denied: {safe(found.group)} on {safe(found.cluster)} for {safe(called(found.principal))}")


@grants.command()
@click.argument("grant", metavar="ID")
@reach_options
@table_option
@click.option("--note", default="", help="Why: the record and the streams that end are told.")
def revoke(grant: str, reach: Reach, output: str, note: str) -> None:
    """Take a grant back, or withdraw a request.

    Its reviewers may, who asked for it, and root at the socket. It counts at once: what the grant allowed ends within a second,
    also an exec that is running.

    \b
      l7gw grants revoke 0199d2a4 --note "the incident is over"
    """
    found = _said(reach, grant, "revoke", {"note": note})
    _print(found, output, f"revoked: {safe(found.group)} on {safe(found.cluster)} for {safe(called(found.principal))}")


# ---------------------------------------------------------------------- what they share


def _said(reach: Reach, grant: str, verb: str, said: dict[str, object]) -> Grant:
    if any(len(str(said.get(name, ""))) > LONGEST_NOTE for name in ("note", "reason")):
        fail(f"--note and --reason have at most {LONGEST_NOTE} characters", USAGE)
    try:
        return decode_grant(ApiClient(reach).post(f"grants/{id_of(grant, 'grant')}/{verb}", msgspec.json.encode(said)))
    except Refused as refused:
        told(refused, NO if refused.fault.code == 401 else None)


def _print(grant: Grant, output: str, words: str) -> None:
    click.echo(json.dumps(msgspec.to_builtins(grant), indent=2) if output == "json" else words)


def _table(found: Sequence[Grant], moment: datetime.datetime) -> Table:
    """A row for each grant. `left` is how long a pending one may be answered, or one in force lasts."""
    table = Table(
        Column("grant", no_wrap=True), Column("state", no_wrap=True), "who", "group", "cluster", Column("for", no_wrap=True),
        "reason", Column("age", no_wrap=True), Column("left", no_wrap=True), box=box.SIMPLE,
    )  # fmt: skip
    length = telling([grant.id for grant in found])
    for grant in found:
        table.add_row(
            grant.id[:length],
            Text(_state(grant), STYLES.get(grant.state, "")),
            safe(called(grant.principal)),
            safe(grant.group),
            safe(grant.cluster),
            span(grant.seconds),
            safe(grant.reason),
            span(-since(moment, grant.created)),
            _left(grant, moment),
        )
    return table


def _state(grant: Grant) -> str:
    return f"pending {grant.approvals}/{grant.needed}" if grant.state == "pending" and grant.needed > 1 else grant.state


def _left(grant: Grant, moment: datetime.datetime) -> str:
    until = grant.expires if grant.state == "pending" else grant.ends if grant.state == "approved" else None
    return "" if until is None else span(since(moment, until))


def _facts(grant: Grant, moment: datetime.datetime) -> list[tuple[str, str]]:
    asked = grant.principal
    facts = [
        ("grant", grant.id),
        ("state", _state(grant) + (f": {safe(grant.why)}" if grant.why else "")),
        ("group", safe(grant.group)),
        ("cluster", safe(grant.cluster)),
        ("for", span(grant.seconds)),
        ("who", safe(called(asked))),
        ("groups", safe(", ".join(asked.groups))),
        ("issuer", safe(asked.issuer)),
        ("address", safe(asked.address)),
        ("reason", safe(grant.reason)),
        ("asked", f"{local(grant.created)}, {span(-since(moment, grant.created))} ago"),
        ("answer until", local(grant.expires) if grant.state == "pending" else ""),
        ("began", local(grant.starts) if grant.starts else ""),
        ("ends", f"{local(grant.ends)}, {_left(grant, moment)} left" if grant.ends and grant.state == "approved" else ""),
        ("ended", local(grant.ended) if grant.ended else ""),
        ("reviewers", reviewers(grant.reviewers, f"{grant.approvals} of {grant.needed}")),
        *(("review", review_line(one)) for one in grant.reviews),
    ]
    if grant.state == "pending":
        facts.append(("answer", f"l7gw grants approve {grant.id}\n{'':14}l7gw grants deny {grant.id} --note WHY"))
    elif grant.state == "approved":
        facts.append(("take back", f"l7gw grants revoke {shlex.quote(grant.id)}"))
    return facts
