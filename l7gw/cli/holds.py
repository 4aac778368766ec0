"""`l7gw holds`: the calls that wait for a human, and the answers to them."""

from __future__ import annotations

import datetime
import json
from typing import Any

import click
import msgspec

from l7gw.api.messages import decode_page
from l7gw.approval.messages import LONGEST_NOTE, LONGEST_REST, MOST_CALLS, STATES, Hold, decode_hold
from l7gw.cli import hold_views
from l7gw.cli.answers import MOST_LISTED, console, id_of, in_parts, now, seconds_of, told
from l7gw.cli.api_client import NO, UNKNOWN, USAGE, ApiClient, Reach, Refused, reach_options
from l7gw.cli.columns import terminal_width
from l7gw.cli.options import table_option
from l7gw.cli.state import fail
from l7gw.recording.terminal.unseen import safe


@click.group(short_help="Look at calls that wait for a human, and answer them.")
def holds() -> None:
    """A hold is a call that the policy does not let go on before a human has seen what it would do, and said yes.

    The gateway's socket on this machine is asked, which root and the gateway's own user reach, and the members of `socket:
    {group}`. From elsewhere: --server https://GATEWAY:8443. Who approves proves who he is, by a token or a client certificate.

    \b
      export L7GW_TOKEN=$(my-login print-token)     # or --token-file FILE
      l7gw holds list --state pending
      l7gw holds show 0199d2a4                      # any unique beginning of the id
      l7gw holds approve 0199d2a4 --note "seen with Lea"
      l7gw holds deny 0199d2a4 --note "not on a Friday"

    Exit status: 0 yes, 1 no (not found, refused, over already), 2 wrong usage, 3 could not tell (no gateway, no permission).
    """


@holds.command("list")
@reach_options
@table_option
@click.option("--state", type=click.Choice(STATES), multiple=True, help="Only holds in this state; may stand several times.")
@click.option("--limit", type=click.IntRange(1, MOST_LISTED), default=100, show_default=True, help="At most so many, the newest.")
def list_holds(reach: Reach, output: str, state: tuple[str, ...], limit: int) -> None:
    """List holds, newest first.

    They are those that you asked for or could review; for root at the socket, all of them.

    \b
      l7gw holds list --state pending
      l7gw holds list -o json | jq '.[] | select(.state == "pending").id'
    """
    try:
        found = _listed(ApiClient(reach), ",".join(state), limit)
    except Refused as refused:
        told(refused)
    if output == "json":
        click.echo(json.dumps([msgspec.to_builtins(hold) for hold in found], indent=2))
    elif found:
        for line in hold_views.table(found, now(), terminal_width()):
            click.echo(line)
    else:
        click.echo("no holds" + (" that you asked for or could review" if reach.server else ""), err=True)


def _listed(client: ApiClient, states: str, limit: int) -> list[Hold]:
    def part(query: dict[str, str]) -> tuple[list[Hold], str]:
        page = decode_page(client.get("holds", **query))
        return page.holds, page.before

    return in_parts(limit, states, part)


@holds.command()
@click.argument("hold", metavar="ID")
@reach_options
@table_option
def show(hold: str, reach: Reach, output: str) -> None:
    """Show one hold, and what its call would do.

    Of a write that is the difference that it makes, of a delete what would be destroyed, of an exec what would run and as whom;
    and beside it what the same principal did in the minutes before.

    ID is an id, or any unique beginning of one. `claimed` are the client's own words, which nobody has checked; everything else is
    the gateway's. Secrets are masked. Characters that hide or turn text are written as \\u202e.

    \b
      l7gw holds show 0199d2a4
      l7gw holds show 0199d2a4 -o json | jq -r .shown.diff
    """
    try:
        found = decode_hold(ApiClient(reach).get(f"holds/{id_of(hold, 'hold')}"))
    except Refused as refused:
        told(refused)
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2))
    else:
        hold_views.show(console(), found, now())


@holds.command()
@click.argument("hold", metavar="ID")
@reach_options
@table_option
@click.option("--note", default="", help="What the requester and the record are told.")
@click.option(
    "--rest-of-run", "rest", type=click.IntRange(1, MOST_CALLS), metavar="N",
    help=f"Let N more calls of the same run pass that are like this one (rule, verb, resource, namespace); at most {MOST_CALLS}.",
)  # fmt: skip
@click.option("--for", "within", metavar="10m", help="How long --rest-of-run lasts; at most 30m, and 10m where it is not said.")
@click.option("--force", is_flag=True, help="As a member of a rule's emergency groups: alone, at once, with --reason. It alarms.")
@click.option("--reason", default="", help="Why it is forced.")
def approve(
    hold: str, reach: Reach, output: str, note: str, rest: int | None, within: str | None, force: bool, reason: str
) -> None:
    """Let a held call go on.

    This one goes on, unchanged, once, for the one who asked.

    You prove who you are by a token (--token-file FILE, else $L7GW_TOKEN) or a client certificate, of a person: agents and
    workloads never approve, and nobody approves his own call. Root at the socket may approve without one where the configuration
    says `reviews: {local: true}`.

    \b
      l7gw holds approve 0199d2a4 --note "seen with Lea"
      l7gw holds approve 0199d2a4 --rest-of-run 20 --for 15m      # kubectl delete of twenty objects is twenty calls
      l7gw holds approve 0199d2a4 --force --reason "INC-4711: the shop is down"
    """
    if within is not None and rest is None:
        fail("--for says how long --rest-of-run N lasts; say both", USAGE)
    if force != bool(reason.strip()):
        fail("--force needs --reason TEXT, and --reason goes with --force", USAGE)
    said: dict[str, Any] = {"note": note, "rest_of_run": rest or 0, "force": force, "reason": reason}
    if within is not None:
        said["for"] = seconds_of(within, LONGEST_REST)
    found = _reviewed(reach, hold, "approve", said)
    words = _after_approval(found)
    if rest and found.state != "pending" and found.rest is None:
        words += "; no more calls of its run pass, as not every approval allows some"
    _print_review(found, output, words)


@holds.command()
@click.argument("hold", metavar="ID")
@reach_options
@table_option
@click.option("--note", default="", help="Why not: the requester is told, and the record.")
def deny(hold: str, reach: Reach, output: str, note: str) -> None:
    """Refuse a held call. One denial ends it, however many approvals it has.

    It takes an approval back that was not used yet, and of one that was used the rest of the run.

    \b
      l7gw holds deny 0199d2a4 --note "scale it down first, then ask again"
    """
    found = _reviewed(reach, hold, "deny", {"note": note})
    call = f"{safe(found.command)} of {safe(hold_views.who(found))}"
    _print_review(
        found,
        output,
        f"denied: {call} does not go on"
        if found.state == "denied"
        else f"denied: no more calls pass as the rest of the run of {call}",
    )


@holds.command()
@reach_options
@table_option
def watch(reach: Reach, output: str) -> None:
    """Print holds as they come and change.

    It goes on until Ctrl-C, and begins with those that are pending or approved now. With -o json each line is
    one hold, without what a reviewer is shown: `l7gw holds show` has that.

    \b
      l7gw holds watch -o json | jq --unbuffered 'select(.state == "pending").command'
    """
    screen = console()
    try:
        for line in ApiClient(reach).lines("holds", watch="1"):
            if line.startswith(b'{"error"'):
                fail(f"the gateway ended the watch: {json.loads(line)['error']['message']}", UNKNOWN)
            if output == "json":
                click.echo(json.dumps(json.loads(line), separators=(",", ":")))  # ASCII: it may be a terminal that reads it
                continue
            hold = decode_hold(line)
            when = datetime.datetime.now().strftime("%H:%M:%S")
            words = f"{when}  {hold.id}  {hold_views.state(hold):<12}  {hold_views.who(hold)}  {hold.command}"
            screen.print(safe(words), style=hold_views.STYLES.get(hold.state, ""), soft_wrap=True)
    except Refused as refused:
        told(refused)
    except KeyboardInterrupt:
        return
    fail("the gateway ended the watch", UNKNOWN)


# ---------------------------------------------------------------------- what they share


def _reviewed(reach: Reach, hold: str, verb: str, said: dict[str, Any]) -> Hold:
    if any(len(said.get(name, "")) > LONGEST_NOTE for name in ("note", "reason")):
        fail(f"--note and --reason have at most {LONGEST_NOTE} characters", USAGE)
    try:
        client = ApiClient(reach)
        return decode_hold(client.post(f"holds/{id_of(hold, 'hold')}/{verb}", msgspec.json.encode(said)))
    except Refused as refused:
        if refused.fault.code == 401:
            told(refused, NO)
        told(refused)


def _print_review(hold: Hold, output: str, words: str) -> None:
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(hold), indent=2))
    else:
        click.echo(words)


def _after_approval(hold: Hold) -> str:
    call = f"{safe(hold.command)} of {safe(hold_views.who(hold))}"
    if hold.state == "pending":
        missing = [f"{safe(rule.rule)} {rule.approvals} of {rule.reviewers.minimum}" for rule in hold.rules if not rule.forced]
        return f"your approval counts; others are needed yet ({', '.join(missing)}): {call}"
    if hold.wait == "come-back" and hold.state == "approved":
        return f"approved: {call} may go on when it is run again, once, until {hold.expires}"
    return f"approved: {call} goes on"
