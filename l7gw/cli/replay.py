"""`l7gw replay`: watch a recorded exec again."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from l7gw.cli.state import fail, state_options, the_session, the_state
from l7gw.recording.export import Exec, execs
from l7gw.recording.reader import Unreadable, session_events
from l7gw.recording.replay import final_screen, play, safe
from l7gw.recording.sessions import key_of, moment


@click.command(short_help="Watch a recorded exec again.")
@click.argument("session_id", metavar="SESSION[/EXCHANGE]")
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, help="How much faster than it was.")
@click.option("--instant", is_flag=True, help="Show the last screen at once.")
@state_options
def replay(session_id: str, speed: float, instant: bool, config: Path | None, state: Path | None) -> None:
    """Show the execs and attaches of a session, one after the other, each at its own pace.

    The recording is drawn by a terminal emulator: none of its escape sequences reaches your terminal. Where stdout is no
    terminal the last screens are printed at once.
    """
    place = the_state(config, state)
    summary, exchange = the_session(place, session_id)
    try:
        found = execs(session_events(place, key_of(summary.id)), exchange)
    except Unreadable as error:
        fail(f"{error}\n  hint: l7gw verify tells more", 1)
    if not found:
        fail(f"there is no exec in {session_id}; `l7gw export {session_id} --format jsonl` shows everything", 1)
    moving = sys.stdout.isatty() and not instant
    for one in found:
        if moving and one.tty:
            play(one, _write, time.sleep, speed=speed)
        else:
            for line in final_screen(one, colour=sys.stdout.isatty()):
                click.echo(line)
        if len(found) > 1:
            click.echo(_about(one), err=True)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _about(one: Exec) -> str:
    return f"-- exchange {one.exchange}, {moment(one.started)}, {safe(one.name)}: {one.outcome or 'running'}"
