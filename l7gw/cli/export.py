"""`l7gw export`: a session in forms that other tools read."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from l7gw.cli import completing
from l7gw.cli.state import Events, cannot_read, fail, state_options, the_session, the_state
from l7gw.recording.execs import execs
from l7gw.recording.export import Line, asciicast, json_lines
from l7gw.recording.reader import Unreadable
from l7gw.recording.terminal.unseen import INVISIBLE, safe

# Control, line-breaking, direction and invisible characters that JSON allows. They are escaped, so that a document stays on one
# line, shows all that it has, and does no harm to a terminal (threats H6, H7). The escaped document has the same meaning.
UNSEEN = re.compile(f"[\x7f-\x9f\u2028\u2029\ufff9-\ufffb{INVISIBLE}]")


def escaped(match: re.Match[str]) -> str:
    """A character of UNSEEN as JSON escapes it."""
    return json.dumps(match[0])[1:-1]


def _write_lines(documents: Iterator[Line], session_id: str, exchange: int | None) -> None:
    """Print the documents. With `exchange`, nothing is printed before that exchange is found."""
    held: list[str] = []
    found = exchange is None
    for document in documents:
        found = found or document.get("exchange") == exchange
        held.append(UNSEEN.sub(escaped, json.dumps(document, ensure_ascii=False, separators=(",", ":"))) + "\n")
        if found:
            sys.stdout.writelines(held)
            held.clear()
    if not found:
        fail(f"there is no exchange {session_id}; `l7gw sessions show` lists those that are", 1)


@click.command(short_help="Write a session as JSON Lines or asciicast.")
@click.argument("session_id", metavar="SESSION[/EXCHANGE]", shell_complete=completing.sessions)
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "asciicast"]), required=True, help="jsonl: every event; asciicast: one exec."
)
@state_options
def export(session_id: str, form: str, config: Path | None, state: Path | None) -> None:
    """Write a session to stdout, or one call of it.

    SESSION is an id or any unique beginning of one, EXCHANGE the number of a call in `l7gw sessions show`.

    \b
      l7gw export 01a2 --format jsonl > session.jsonl
      l7gw export 01a2/7 --format asciicast > shell.cast    # for asciinema play
    """
    place = the_state(config, state)
    summary, exchange = the_session(place, session_id)
    events = Events(place, summary)
    out = sys.stdout
    try:
        if form == "jsonl":
            _write_lines(json_lines(summary, events(), exchange), session_id, exchange)
            return
        found = execs(events.blocks, exchange)
        if not found:
            fail(f"there is no exec in {session_id} that ran", 1)
        if len(found) > 1:
            listed = "\n".join(f"  {summary.id}/{one.exchange}  {safe(shlex.join((one.name, *(one.argv or ()))))}" for one in found)
            fail(f"there are {len(found)} execs; an asciicast file holds one. Say which:\n{listed}", 2)
        for line in asciicast(found[0]):
            out.write(line + "\n")
    except Unreadable as error:
        fail(f"{error}\n  hint: l7gw verify tells more", 1)
    except OSError as error:
        cannot_read("the journal cannot be read", error, 3)
