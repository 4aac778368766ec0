"""`l7gw replay`: watch a recorded exec again."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import click

from l7gw.cli.state import fail, state_options, the_session, the_state
from l7gw.recording.export import Exec, execs
from l7gw.recording.reader import Unreadable, session_events
from l7gw.recording.replay import LONGEST_PAUSE, RESET, WRAP_ROWS, final_screen, play, safe, written
from l7gw.recording.sessions import key_of, moment


@click.command(short_help="Watch a recorded exec again.")
@click.argument("session_id", metavar="SESSION[/EXCHANGE]")
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, help="How much faster than it was.")
@click.option("--max-idle", type=click.FloatRange(0), default=LONGEST_PAUSE, show_default=True, help="Longest pause, in seconds.")
@click.option("--instant", is_flag=True, help="Show the last screen at once.")
@state_options
def replay(session_id: str, speed: float, max_idle: float, instant: bool, config: Path | None, state: Path | None) -> None:
    """Show the execs and attaches of a session, one after the other, each at its own pace.

    The recording is drawn by a terminal emulator: none of its escape sequences reaches your terminal. Where stdout is no
    terminal the last screens are printed at once. A command that had no terminal shows what it wrote.

    \b
      l7gw replay 01a2              # every exec of the session, in order
      l7gw replay 01a2/7 --speed 4
    """
    place = the_state(config, state)
    summary, exchange = the_session(place, session_id)
    try:
        found = execs(lambda: session_events(place, key_of(summary.id)), exchange)
        if not found:
            fail(f"there is no exec in {session_id}; `l7gw export {session_id} --format jsonl` shows everything", 1)
        for one in found:
            _show(one, speed, max_idle, instant)
            if len(found) > 1:
                click.echo(_about(one), err=True)
    except Unreadable as error:
        fail(f"{error}\n  hint: l7gw verify tells more", 1)
    except KeyboardInterrupt:
        _write(f"{RESET}{WRAP_ROWS}\n")
        sys.exit(130)


def _show(one: Exec, speed: float, max_idle: float, instant: bool) -> None:
    terminal = sys.stdout.isatty()
    if not one.tty:
        for line in written(one):
            click.echo(line)
    elif terminal and not instant:
        rows = shutil.get_terminal_size().lines
        play(one, _write, time.sleep, speed=speed, longest_pause=max_idle, rows=rows)
    else:
        for line in final_screen(one, colour=terminal):
            click.echo(line)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _about(one: Exec) -> str:
    return f"-- exchange {one.exchange}, {moment(one.started)}, {safe(one.name)}: {one.outcome or 'running'}"
