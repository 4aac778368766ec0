"""`l7gw sessions running|kill`: the calls under way at a running gateway, and ending them."""

from __future__ import annotations

import json
import re

import click
import msgspec
from rich import box
from rich.table import Column, Table

from l7gw.api.running import LONGEST_REASON, RunningCall, decode_running
from l7gw.cli import completing
from l7gw.cli.answers import console, told
from l7gw.cli.api_client import NO, USAGE, ApiClient, Reach, Refused, reach_options
from l7gw.cli.options import table_option
from l7gw.cli.state import fail
from l7gw.name_rules import visible
from l7gw.recording.terminal.unseen import safe

ID = re.compile("[0-9A-Fa-f-]{1,36}")


@click.command("running", short_help="List the calls that are under way and that you may end.")
@reach_options
@table_option
def running(reach: Reach, output: str) -> None:
    """List the calls that are under way at the gateway, newest first: those that you may end.

    For root and the gateway's own user at the socket these are all; for a person, with a token, his own, those of agents that act
    for him, and those that were held by a rule that names him as a reviewer.

    \b
      l7gw sessions running
      l7gw sessions running --server https://gw.example.com:8443 --token-file token
    """
    try:
        found = decode_running(ApiClient(reach).get("sessions", running="1")).calls
    except Refused as refused:
        told(refused)
    if output == "json":
        click.echo(json.dumps([msgspec.to_builtins(call) for call in found], indent=2))
    elif found:
        table = Table(Column("session", no_wrap=True), "call", "who", "cluster", "since", "what", box=box.SIMPLE)
        for call in found:
            table.add_row(call.session, str(call.exchange), _who(call), safe(call.cluster), call.started, safe(call.command))
        console().print(table)
    else:
        click.echo("no calls that you may end are under way", err=True)


@click.command("kill", short_help="End what runs in a session.")
@click.argument("session", metavar="SESSION[/EXCHANGE]", shell_complete=completing.sessions)
@reach_options
@table_option
@click.option("--exchange", type=click.IntRange(1), metavar="N", help="Only this call of the session.")
@click.option("--reason", default="", help=f"What the client is told, and the record; at most {LONGEST_REASON} characters.")
def kill(session: str, reach: Reach, output: str, exchange: int | None, reason: str) -> None:
    """End the calls of a session that are under way, or one of them: execs, attaches, port-forwards, watches, logs, and whatever
    else is not answered yet. The client is told who ended it, and why, and it is recorded.

    It does not keep anybody from the next call: a rule of the policy does that. What a command has done by then is done, and on a
    cluster it may run on for a moment.

    Root and the gateway's own user may end any call. A person may end his own, those of agents that act for him, and those that
    were held by a rule that names him as a reviewer: with his token, here or with --server.

    SESSION is an id or any unique beginning of one; `l7gw sessions running` lists what is under way, `l7gw sessions tail` shows it.

    Exit status: 0 ended, 1 nothing that you may end is under way there, 2 wrong usage, 3 could not tell (no gateway).

    \b
      l7gw sessions kill 01a2 --reason "copies the database"
      l7gw sessions kill 01a2/7
    """
    prefix, slash, number = session.partition("/")
    if ID.fullmatch(prefix) is None or (slash and not re.fullmatch("[1-9][0-9]{0,9}", number)):
        fail(f"{visible(session)!r} is no id of a session, and no beginning of one; l7gw sessions running has them", USAGE)
    if slash and exchange is not None and exchange != int(number):
        fail("say the call once: as SESSION/EXCHANGE, or with --exchange", USAGE)
    if len(reason) > LONGEST_REASON:
        fail(f"--reason has at most {LONGEST_REASON} characters", USAGE)
    said: dict[str, object] = {"reason": reason}
    if slash or exchange is not None:
        said["exchange"] = int(number) if slash else exchange
    try:
        ended = decode_running(ApiClient(reach).post(f"sessions/{prefix.lower()}/kill", msgspec.json.encode(said))).calls
    except Refused as refused:
        told(refused, NO if refused.fault.code == 401 else None)
    if output == "json":
        click.echo(json.dumps([msgspec.to_builtins(call) for call in ended], indent=2))
        return
    for call in ended:
        click.echo(f"ended {call.session}/{call.exchange}: {safe(call.command)} of {_who(call)}")


def _who(call: RunningCall) -> str:
    who = call.principal
    return safe(f"{who.actor} for {who.user}" if who.actor else who.user)
