"""`l7gw replay`: watch a recorded exec again."""

from __future__ import annotations

import datetime
import math
import sys
from pathlib import Path
from typing import Any

import click

from l7gw.cli import completing
from l7gw.cli.replay_on_terminal import Film, watch_all
from l7gw.cli.state import Events, cannot_read, fail, state_options, the_session, the_state
from l7gw.recording.drawing import SHOW_CURSOR, WRAP_ROWS
from l7gw.recording.execs import Exec, execs
from l7gw.recording.playback import LONGEST_PAUSE
from l7gw.recording.reader import Unreadable
from l7gw.recording.replay import OURS, LeftOut, final_screen, printed, shown, text, title
from l7gw.recording.search.pattern import BadPattern, Pattern
from l7gw.recording.search.plain_text import without_sequences
from l7gw.recording.session_list import Summary
from l7gw.recording.shown_lines import LONGEST_LINE, Line
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
@click.option("--text", "as_text", is_flag=True, help="Print all text that was shown, also what was erased or scrolled away.")
@click.option("--search", "searched", metavar="PATTERN", help="Go to what matches (RE2); in a pipe, print it with its time.")
@click.option("--speed", type=Number(0.1, 100), default=1.0, show_default=True, help="How much faster than it was.")
@click.option("--max-idle", type=Number(0), default=LONGEST_PAUSE, show_default=True, help="Longest pause, in seconds.")
@click.option("--real-time", is_flag=True, help="Pauses as long as they were.")
@click.option("--instant", is_flag=True, help="Show the last screen at once.")
@state_options
def replay(session_id: str, searched: str | None, config: Path | None, state: Path | None, **how: Any) -> None:
    """Show the execs and attaches of a session, one after the other, each at its own pace and below a title: time, who, exit
    status, pod, container and argv. Of `kubectl cp` the files are listed.

    On a terminal: space pauses, left and right go 5 seconds, up and down (+ and -) change the speed, n and p go to the next and
    previous exec, m and M to the next and previous match of --search, q quits, ? shows these keys.

    Where stdout is no terminal, or with --text, all text that was shown is printed, line by line: also what was written over,
    erased or scrolled away. Titles begin with `==`; a recorded line that does so has \\u003d there.

    The recording is drawn by a terminal emulator: none of its escape sequences reaches your terminal. What would be invisible
    there is written as in JSON (\\u200b), concealed text is shown in reverse, and what was left out is told at the end. Masked
    values stand as they were recorded: as placeholders (l7gw-masked-...) or stars.

    SESSION is an id or any unique beginning of one, EXCHANGE the number of a call in `l7gw sessions show`.

    \b
      l7gw replay 01a2                       # every exec of the session, in order
      l7gw replay 01a2/7 --speed 4
      l7gw replay 01a2 --search 'rm -rf'     # `l7gw grep` finds in which session
      l7gw replay 01a2 | grep passwd
    """
    pattern = _pattern(searched)
    place = the_state(config, state)
    summary, exchange = the_session(place, session_id)
    try:
        found = execs(Events(place, summary).blocks, exchange)
        if not found:
            fail(f"there is no exec in {session_id} that ran; `l7gw export {session_id} --format jsonl` shows everything", 1)
        _show(found, summary, pattern, **how)
    except Unreadable as error:
        fail(f"{error}\n  hint: l7gw verify tells more", 1)
    except OSError as error:
        cannot_read("the journal cannot be read", error, 3)
    except KeyboardInterrupt:
        if sys.stdout.isatty():
            _write(f"{RESET}{WRAP_ROWS}{SHOW_CURSOR}\n")
        sys.exit(130)


def _pattern(searched: str | None) -> Pattern | None:
    try:
        return Pattern(searched) if searched is not None else None
    except BadPattern as error:
        fail(f"{searched!r} is no expression: {error}", 2)


def _show(
    found: list[Exec],
    summary: Summary,
    pattern: Pattern | None,
    *,
    as_text: bool,
    instant: bool,
    speed: float,
    max_idle: float,
    real_time: bool,
) -> None:
    films = [Film(one, title(one, summary.started.user, summary.started.cluster, _ended(one, summary))) for one in found]
    if as_text or not sys.stdout.isatty():
        printed_some = [_print_matches(film, pattern) if pattern is not None else _print(film, summary) for film in films]
        if not any(printed_some):
            fail("nothing that was shown matches", 1)
        return
    if pattern is not None:
        films = [film._replace(times=times) for film in films if (times := [line.time for line in _matching(film.one, pattern)])]
        if not films:
            fail("nothing that was shown matches", 1)
    if instant:
        for film in films:
            _print(film, summary, last_screen=film.one.tty)
        return
    longest = math.inf if real_time else max_idle

    def told(film: Film, left_out: LeftOut) -> None:
        _tell(film.one, summary, left_out)

    watch_all(films, _write, told, speed=speed, longest_pause=longest)


def _print(film: Film, summary: Summary, *, last_screen: bool = False) -> bool:
    left_out = LeftOut()
    click.echo(f"{OURS} {safe(film.title)}")
    for line in final_screen(film.one, left_out, colour=True) if last_screen else text(film.one, left_out):
        click.echo(line)
    _tell(film.one, summary, left_out)
    return True


def _print_matches(film: Film, pattern: Pattern) -> bool:
    """Print the lines that match, each with its local time, below the title. Gives whether there were any."""
    any_found = False
    for line in _matching(film.one, pattern):
        if not any_found:
            click.echo(f"{OURS} {safe(film.title)}")
        any_found = True
        when = datetime.datetime.fromtimestamp(line.time / 1e6).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        click.echo(f"{when}  {printed(line)}")
    return any_found


def _matching(one: Exec, pattern: Pattern) -> list[Line]:
    """The lines that match, in the order of their times."""

    def matches(line: Line) -> bool:
        data = line.text.encode("utf-8", "replace")
        return pattern.match(data) is not None or pattern.match(without_sequences(data)) is not None

    return sorted(filter(matches, shown(one, LeftOut())), key=lambda line: line.time)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _ended(one: Exec, summary: Summary) -> str:
    """How an exec without an exit status ended."""
    if one.outcome:
        return f"{one.outcome} ({one.reason})" if one.reason else one.outcome
    return "running" if summary.state == "open" else "the gateway died in it; more may have been shown"


def _tell(one: Exec, summary: Summary, left_out: LeftOut) -> None:
    """Say on stderr what is not shown, and why the recording ends early."""
    if one.outcome != "complete":
        click.echo(f"-- call {one.exchange}: {safe(_ended(one, summary))}", err=True)
    if one.masked:
        click.echo(f"-- {safe(str(one.masked))}", err=True)
    if left_out.parts:
        click.echo(f"-- lines of more than {LONGEST_LINE:,} characters are printed in parts: {left_out.parts:,} times", err=True)
    if told := left_out.sentence():
        hint = "--text prints the lines, " if left_out.lines else ""
        hint += "`l7gw grep` searches them, " if left_out.copied else ""
        everything = f"`l7gw export {summary.id}/{one.exchange} --format jsonl` has everything"
        click.echo(f"-- not shown: {told}; {hint}{everything}", err=True)
