"""`l7gw grep`: find text in recordings."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from l7gw.cli import completing
from l7gw.cli.export import UNSEEN, escaped
from l7gw.cli.progress import Bars, progress_bars
from l7gw.cli.state import ago, cannot_read, fail, state_options, the_session, the_state
from l7gw.clock import local_time, moment
from l7gw.quantities import many
from l7gw.recording.search.journal_walk import CHANNELS, LONGEST_SHOWN, Found, JournalSearch
from l7gw.recording.search.pattern import BadPattern, Pattern
from l7gw.recording.session_list import key_of
from l7gw.recording.terminal.style import RESET
from l7gw.recording.terminal.unseen import safe

NONE, UNKNOWN = 1, 3
MATCH = "\x1b[1;31m"  # bold and red, as grep's
AROUND = 160  # characters of a line that are shown before a match, and behind it


@click.command(short_help="Find text in recordings.")
@click.argument("pattern")
@click.argument("only", metavar="[SESSION[/EXCHANGE]]...", nargs=-1, shell_complete=completing.sessions)
@click.option("-F", "--fixed", "literal", is_flag=True, help="PATTERN is a text, and no expression.")
@click.option("-i", "--ignore-case", is_flag=True, help="Upper and lower case are the same.")
@click.option("-l", "--sessions", "listed", is_flag=True, help="Only the sessions in which it is found, an id a line.")
@click.option("-c", "--count", "counted", is_flag=True, help="Only how many lines each of these sessions has.")
@click.option("--channel", "channels", multiple=True, help=f"Only there; * matches anything: {', '.join(CHANNELS)}, port-8080.")
@click.option("--since", help="Only what came in the last 30m, 12h or 7d.")
@click.option("--cluster", shell_complete=completing.clusters, default="*", help="Only this cluster's; * matches anything.")
@click.option("--user", shell_complete=completing.users, default="*", help="Only this user's; * matches anything.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: an object a line.")
@state_options
def grep(pattern: str, only: tuple[str, ...], output: str, *, listed: bool, counted: bool, **terms: Any) -> None:
    """Find the lines that match PATTERN in all recordings, or in these sessions or calls: in what was typed, sent and shown.

    Searched are commands, request lines (as sent and decoded), the argv of execs, bodies, logs, every channel of execs and
    port-forwards, refusals with their reasons, and the notes of people. What a terminal showed is searched as it stood there,
    without escape sequences, and beside that as it was sent. Headers are not searched.

    PATTERN is in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax) and is about one line. Lines come oldest first:
    session/exchange, time, channel, direction (up: from the client), and the line, clipped around the match where it is long.

    \b
      l7gw grep -i 'drop table' --since 7d
      l7gw grep -F /etc/shadow --channel stdin --channel stdout --user 'ann@*'
      l7gw grep -l 'secrets/db-[a-z]+' | xargs -n 1 l7gw sessions show
      l7gw grep 'rm -rf' 01a2 && l7gw replay 01a2 --search 'rm -rf'
      l7gw grep curl -o json | jq -r '[.time, .session, .line] | @tsv'

    JSON is one object a line: session, exchange, time, channel, direction, line (at most 4 KiB around the match), clipped, cluster,
    user.

    Exit status: 0 found, 1 none, 2 wrong usage or pattern, 3 a part of the recordings cannot be read; what is found in the others
    is printed.
    """
    what = "sessions" if listed else "count" if counted else "lines"
    sys.exit(_searched(_pattern(pattern, **terms), only, what, as_json=output == "json", **terms))


def _pattern(pattern: str, *, literal: bool, ignore_case: bool, **_: Any) -> Pattern:
    try:
        return Pattern(pattern, literal=literal, ignore_case=ignore_case)
    except BadPattern as error:
        fail(f"{pattern!r} is no expression: {error}\n  hint: -F takes it as a text", 2)


def _searched(
    pattern: Pattern,
    only: tuple[str, ...],
    what: str,
    *,
    as_json: bool,
    channels: tuple[str, ...],
    since: str | None,
    cluster: str,
    user: str,
    config: Path | None,
    state: Path | None,
    **_: Any,
) -> int:
    """Print what is found. Gives the exit status."""
    _check_channels(channels)
    after = ago(since, "--since") or 0
    place = the_state(config, state)
    sessions = {key_of(one.id): exchange for one, exchange in (the_session(place, text) for text in only)}
    with progress_bars() as bars:
        search = JournalSearch(
            place, pattern, since=after, cluster=cluster, user=user, sessions=sessions if only else None,
            channels=channels or ("*",), read=bars.begin_recordings((place,)),
        )  # fmt: skip
        try:
            found = _answer(search, bars, what, as_json=as_json)
        except OSError as error:
            bars.stop()
            cannot_read("the recordings cannot be read", error, UNKNOWN)
        except KeyboardInterrupt:
            bars.stop()
            sys.exit(130)
    _tell(search)
    return UNKNOWN if search.unreadable else 0 if found else NONE


def _check_channels(channels: tuple[str, ...]) -> None:
    for channel in channels:
        plain = not set(channel) & set("*?[")
        if plain and channel not in CHANNELS and not channel.startswith("port-") and not channel.endswith("-not-passed"):
            fail(f"there is no channel {channel!r}; there are {', '.join(CHANNELS)}, port-N", 2)


def _answer(search: JournalSearch, bars: Bars, what: str, *, as_json: bool) -> bool:
    """Print what is found. Gives whether something was."""
    if what == "count":
        return _counts(search, as_json=as_json)
    on_terminal = sys.stdout.isatty()
    colour = on_terminal and not os.environ.get("NO_COLOR")
    any_found, clipped = False, 0
    for found in search:
        if on_terminal and not any_found:
            bars.stop()  # both would be on one screen
        any_found = True
        if what == "sessions":
            search.leave()
            about: dict[str, object] = {"session": found.session.id, "cluster": found.session.cluster, "user": found.session.user}
            _print(_json(about) if as_json else found.session.id)
        elif as_json:
            _print(_json(_document(found)))
        else:
            line, short = _line(found, colour=colour)
            clipped += short
            _print(line)
    bars.stop()
    if clipped:
        more = f"-o json has up to {LONGEST_SHOWN:,} bytes of each, `l7gw export` everything"
        click.echo(f"-- {many(clipped, 'line is', 'lines are')} clipped (…); {more}", err=True)
    return any_found


def _counts(search: JournalSearch, *, as_json: bool) -> bool:
    counts: dict[str, int] = {}
    for found in search:
        counts[found.session.id] = counts.get(found.session.id, 0) + 1
    for session, count in counts.items():
        _print(_json({"session": session, "count": count}) if as_json else f"{session}  {count}")
    return bool(counts)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _json(document: dict[str, object]) -> str:
    return UNSEEN.sub(escaped, json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def _document(found: Found) -> dict[str, object]:
    return {
        "session": found.session.id, "exchange": found.exchange, "time": moment(found.time), "channel": found.channel,
        "direction": _direction(found), "line": found.line, "clipped": any(found.clipped),
        "cluster": found.session.cluster, "user": found.session.user,
    }  # fmt: skip


def _direction(found: Found) -> str:
    return "up" if found.up else "down"


def _line(found: Found, *, colour: bool) -> tuple[str, bool]:
    """A find as a line, and whether something of it is left out."""
    parts = list(_parts(found))
    clipped = parts[0].startswith("…") or parts[2].endswith("…")
    text = f"{parts[0]}{MATCH}{parts[1]}{RESET}{parts[2]}" if colour else "".join(parts)
    when = local_time(found.time)
    return f"{found.session.id}/{found.exchange}  {when}  {safe(found.channel)} {_direction(found)}: {text}", clipped


def _parts(found: Found) -> Iterator[str]:
    """What stands before the match, the match, and what stands behind it, fit to be printed."""
    before, match, behind = found.line[: found.begin], found.line[found.begin : found.end], found.line[found.end :]
    yield ("…" if found.clipped[0] or len(before) > AROUND else "") + safe(before[-AROUND:])
    yield safe(match)
    yield safe(behind[:AROUND]) + ("…" if found.clipped[1] or len(behind) > AROUND else "")


def _tell(search: JournalSearch) -> None:
    """Say on stderr what could not be searched as it should."""
    if search.in_pieces:
        calls = many(search.in_pieces, "long call was", "long calls were")
        click.echo(f"-- {calls} searched in pieces: a line that was cut there may be missing", err=True)
    if search.unreadable:
        blocks = many(search.unreadable, "block")
        click.echo(f"l7gw: left out: {blocks} of the recordings that cannot be read\n  hint: l7gw verify tells more", err=True)
