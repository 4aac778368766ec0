"""`l7gw replay`: watch a recorded exec again."""

from __future__ import annotations

import math
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click

from l7gw.cli import completing
from l7gw.cli.state import Events, fail, state_options, the_session, the_state
from l7gw.clock import moment
from l7gw.recording.export import Exec, execs
from l7gw.recording.reader import Unreadable
from l7gw.recording.replay import LONGEST_PAUSE, WRAP_ROWS, LeftOut, final_screen, play, text
from l7gw.recording.session_list import Summary
from l7gw.recording.terminal.style import RESET
from l7gw.recording.terminal.unseen import safe


class Number(click.FloatRange):
    """A number in a range. Python's "nan" is in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


@click.command(short_help="Watch a recorded exec again.")
@click.argument("session_id", metavar="SESSION[/EXCHANGE]", shell_complete=completing.sessions)
@click.option("--speed", type=Number(0.1, 100), default=1.0, show_default=True, help="How much faster than it was.")
@click.option("--max-idle", type=Number(0), default=LONGEST_PAUSE, show_default=True, help="Longest pause, in seconds.")
@click.option("--instant", is_flag=True, help="Show the last screen at once.")
@click.option("--text", "as_text", is_flag=True, help="Print all text that was shown, also what was erased or scrolled away.")
@state_options
def replay(
    session_id: str, speed: float, max_idle: float, instant: bool, as_text: bool, config: Path | None, state: Path | None
) -> None:
    """Show the execs and attaches of a session, one after the other, each at its own pace.

    The recording is drawn by a terminal emulator: none of its escape sequences reaches your terminal. What would be invisible
    there is written as in JSON (\\u200b), concealed text is shown in reverse, and what was left out is told at the end.

    Masked values stand as they were recorded: as placeholders (l7gw-masked-...) or stars. How many there are is told at the end.

    Where stdout is no terminal, or with --text, all text that was shown is printed, line by line: also what was written over,
    erased or scrolled away. A command that had no terminal shows what it wrote.

    SESSION is an id or any unique beginning of one, EXCHANGE the number of a call in `l7gw sessions show`.

    \b
      l7gw replay 01a2              # every exec of the session, in order
      l7gw replay 01a2/7 --speed 4
      l7gw replay 01a2 | grep passwd
    """
    place = the_state(config, state)
    summary, exchange = the_session(place, session_id)
    try:
        found = execs(Events(place, summary).blocks, exchange)
        if not found:
            fail(f"there is no exec in {session_id} that ran; `l7gw export {session_id} --format jsonl` shows everything", 1)
        for one in found:
            left_out = _show(one, speed, max_idle, instant, as_text or not sys.stdout.isatty())
            if len(found) > 1 or one.outcome != "complete":
                click.echo(_about(one, summary), err=True)
            if one.masked:
                click.echo(f"-- {safe(str(one.masked))}", err=True)
            if told := left_out.sentence():
                hint = "--text prints the lines, " if left_out.lines else ""
                click.echo(
                    f"-- not shown: {told}; {hint}`l7gw export {summary.id}/{one.exchange} --format jsonl` has everything", err=True
                )
    except Unreadable as error:
        fail(f"{error}\n  hint: l7gw verify tells more", 1)
    except KeyboardInterrupt:
        _write(f"{RESET}{WRAP_ROWS}\n")
        sys.exit(130)


def _show(one: Exec, speed: float, max_idle: float, instant: bool, as_text: bool) -> LeftOut:
    left_out = LeftOut()
    if as_text or not one.tty:
        for line in text(one, left_out):
            click.echo(line)
    elif instant:
        for line in final_screen(one, left_out, colour=True):
            click.echo(line)
    else:
        size = shutil.get_terminal_size()
        play(one, _write, time.sleep, left_out, speed=speed, longest_pause=max_idle, size=size)
    return left_out


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _about(one: Exec, summary: Summary) -> str:
    ended = f"{one.outcome} ({safe(one.reason)})" if one.reason else one.outcome
    if not ended:
        ended = "running" if summary.state == "open" else "the gateway died in it; more may have been shown"
    return f"-- exchange {one.exchange}, {moment(one.started)}, {safe(one.name)}: {ended}"
