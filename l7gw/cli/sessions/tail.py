"""`l7gw sessions tail`: what happens in a session, as it is recorded."""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path

import click

from l7gw.cli import completing
from l7gw.cli.state import cannot_read, state_options, summaries, the_session, the_state
from l7gw.recording import reader
from l7gw.recording.following import Following
from l7gw.recording.layout import HOLDS_SESSION_EVENTS
from l7gw.recording.session_list import Summary, key_of
from l7gw.recording.tail import Tail

EVERY = 0.2  # seconds between two looks at the journal, which the gateway writes ten times a second
LIVES_EVERY = 2.0  # seconds between two looks at whether the gateway that records still lives
LINES = 20  # that are shown of what was before
MOST_LINES = 10_000


@click.command("tail", short_help="See what happens in a session, as it is recorded.")
@click.argument("session_id", metavar="[SESSION[/EXCHANGE]]", shell_complete=completing.sessions, required=False)
@state_options
@click.option("-f", "--follow", is_flag=True, help="Go on until the session ends, or Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0, MOST_LINES), default=LINES, show_default=True, help="Of what was before.")
def tail(session_id: str | None, config: Path | None, state: Path | None, follow: bool, lines: int) -> None:
    """Show the last of what was recorded of a session, and with --follow what is recorded from now on.

    Each call is a line; of an exec or attach its output follows as it comes, a tenth of a second behind (`|` stdout, `!` stderr).
    It is masked as the recording is. No control sequence of it reaches your terminal, and what would be invisible is written as
    in JSON (\\u200b). `l7gw replay` shows a terminal as it was.

    SESSION is an id or any unique beginning of one; EXCHANGE is the number of a call. Without SESSION all sessions are shown that
    the newest segments of the journal have. The journal is read: root and the gateway's own user can.

    Exit status: 0 shown, 1 there is no such session, 2 wrong usage, 3 the state cannot be read.

    \b
    l7gw sessions tail -f                 # everybody
    l7gw sessions tail 01a2 -f
    l7gw sessions tail 01a2/7 -f -n 100   # one exec
    l7gw sessions kill 01a2 --exchange 7 --reason "copies the database"
    """
    place = the_state(config, state)
    try:
        if session_id is None:
            _many(place, follow=follow, lines=lines)
        else:
            summary, exchange = the_session(place, session_id)
            _one(place, summary, exchange, follow=follow, lines=lines)
    except OSError as error:
        cannot_read("the state cannot be read", error, 3)
    except KeyboardInterrupt:
        sys.exit(130)


def _many(state: Path, *, follow: bool, lines: int) -> None:
    shown = Tail(named=True)
    for one in summaries(state):
        if one.state == "open":
            shown.know(key_of(one.id), one.started)
    following = Following(state)
    following.skip()
    _first(following, shown, None, lines)
    while follow:
        time.sleep(EVERY)
        _next(following, shown, None)


def _one(state: Path, summary: Summary, exchange: int | None, *, follow: bool, lines: int) -> None:
    session = key_of(summary.id)
    shown = Tail(exchange=exchange)
    shown.know(session, summary.started)
    following = Following(state)
    _first(following, shown, session, lines)
    looked = time.monotonic()
    while follow and not shown.over:
        time.sleep(EVERY)
        came = _next(following, shown, session)
        if not came and time.monotonic() - looked > LIVES_EVERY:
            looked = time.monotonic()
            if reader.living_writer(reader.segments(state)) is None:
                click.echo("l7gw: no gateway writes here any more; the session is over", err=True)
                return


def _first(following: Following, shown: Tail, session: bytes | None, most: int) -> None:
    last: deque[str] = deque(maxlen=most)
    for which, events in following(lambda one, flags: _wanted(shown, session, one, flags)):
        last.extend(shown.take(which, events, time.monotonic()))
    last.extend(shown.quiet(float("inf")))
    for line in last:
        click.echo(line)


def _next(following: Following, shown: Tail, session: bytes | None) -> bool:
    """Show what has come. Returns whether anything has."""
    came = False
    for which, events in following(lambda one, flags: _wanted(shown, session, one, flags)):
        came = True
        for line in shown.take(which, events, time.monotonic()):
            click.echo(line)
    for line in shown.quiet(time.monotonic()):
        click.echo(line)
    return came


def _wanted(shown: Tail, session: bytes | None, one: bytes, flags: int) -> bool:
    """Whether a block is of the session that is shown; without one, of any whose beginning is known or may be in the block."""
    return one == session if session is not None else shown.knows(one) or bool(flags & HOLDS_SESSION_EVENTS)
