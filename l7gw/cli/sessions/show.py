"""`l7gw sessions show`: what was in one session."""

from __future__ import annotations

import datetime
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from l7gw.cli import completing
from l7gw.cli.columns import Column, table, terminal_width
from l7gw.cli.options import table_option
from l7gw.cli.sessions.story import Only, Story, broken, matches
from l7gw.cli.state import Events, fail, state_options, the_state, the_whole_session
from l7gw.clock import local_time
from l7gw.recording.events import AnyEvent, GrantRecorded
from l7gw.recording.failed_logins import FailedLogins
from l7gw.recording.reader import Unreadable
from l7gw.recording.session_calls import SessionCall, SessionCalls
from l7gw.recording.session_list import Summary
from l7gw.recording.terminal.unseen import safe

NEWEST = 500  # calls that are shown, unless more are asked for: of a session that has 100,000 nobody reads all
MOST_FAILED = 20  # kinds of failed log-ins that are shown, unless all are asked for
BESIDE = " " * 14  # where what is known of a session as a whole stands, behind its name
AT_ONCE = 200  # calls of a JSON document that are written together


@click.command("show", short_help="Show one session and its calls.")
@click.argument("session_id", metavar="SESSION", shell_complete=completing.sessions)
@state_options
@table_option
@click.option("--only", type=click.Choice(["denied", "writes", "execs"]), help="Only these calls; denied are refused ones too.")
@click.option("--limit", type=click.IntRange(1), help=f"At most so many calls, the newest; {NEWEST}, if you do not say.")
@click.option("--all", "every", is_flag=True, help="Every call, and discovery call by call.")
def show(
    session_id: str, config: Path | None, state: Path | None, output: str, only: Only | None, limit: int | None, every: bool
) -> None:
    """Show one session: who, from where, and what each client process did. A call is told as the kubectl command that would make
    it, with its number, the verdict on it, what became of it, the bytes of bodies and channels both ways, how long it took, and
    how much was masked in it, by what and where. Times are local. Of failed log-ins it says where they came from.

    SESSION is an id or any unique beginning of one. Of discovery (/api, /apis, /openapi, /version) that was answered, a process
    has one line with a count. A pipe gets a line for each call.

    JSON has all runs and, as `calls`, all calls, unless --only or --limit leave some out; `l7gw export` has their bodies and
    streams, and the place of each masked value. A call that 10,000 others have overtaken stands there where it ended.

    \b
      l7gw sessions show 01a2
      l7gw sessions show 01a2 --only denied
      l7gw replay 01a2/7            # call #7, an exec
    """
    if every and limit is not None:
        raise click.UsageError("--all and --limit exclude each other")
    place = the_state(config, state)
    summary = the_whole_session(place, session_id)
    grants: list[GrantRecorded] = []
    blocks = _Readable(Events(place, summary))
    calls = SessionCalls(blocks(), grants.append)
    failed = FailedLogins(blocks(), whole=True) if summary.started.attempts else None
    if output == "json":
        _write_json(summary, failed, (call for call in calls if only is None or matches(call, only)), limit)
    else:
        within = terminal_width()
        story = Story(calls, only=only, unfolded=every, most=None if every else limit or NEWEST)
        lines = [*_head(summary, within), *_failed(failed, within, every=every)]
        lines += story.lines(summary.started.cluster, summary.started.time, within)
        if story.left_out:
            lines += ["", f"{story.left_out:,} earlier; --all or --limit N shows them"]
        lines += (line for grant in grants for line in broken(f"{'grant':>12}  {_granted(grant)}", within, BESIDE))
        click.echo("\n".join(lines))
    if blocks.damage is not None:
        fail(f"{blocks.damage}\n  hint: l7gw verify tells more", 1)


class _Readable:
    """The blocks of a session up to the first that cannot be read; `damage` says why that is so."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.damage: Unreadable | None = None

    def __call__(self) -> Iterator[list[AnyEvent]]:
        try:
            for _, events in self._events.blocks():
                yield events
        except Unreadable as damage:
            self.damage = damage


def _write_json(summary: Summary, failed: FailedLogins | None, calls: Iterable[SessionCall], limit: int | None) -> None:
    """The session and its calls as one JSON document. It is written as it is read: a session may have a hundred thousand calls."""
    encode = json.JSONEncoder().encode
    if limit is not None:
        calls = deque(calls, maxlen=limit)
    document = summary.document(all_runs=True) | {"failed_logins": failed.document() if failed is not None else None}
    sys.stdout.write(json.dumps(document, indent=2)[:-2] + ',\n  "calls": [')
    before, gathered = "\n    ", []
    for call in calls:
        gathered.append(before + encode(call.document()))
        before = ",\n    "
        if len(gathered) == AT_ONCE:
            sys.stdout.write("".join(gathered))
            gathered.clear()
    sys.stdout.write("".join(gathered) + ("\n  ]\n}\n" if before[0] == "," else "]\n}\n"))


def _head(summary: Summary, within: int | None) -> Iterator[str]:
    """What is known of the session as a whole."""
    about = summary.started
    began = local_time(about.time)
    lasted = datetime.timedelta(seconds=max(0, summary.last - about.time) // 1_000_000)
    calls = f"{summary.exchanges}, {summary.denied} denied" + (f", {summary.held} held" if summary.held else "")
    for name, value in (
        ("session", summary.id), ("cluster", about.cluster), ("user", about.user), ("groups", ", ".join(about.groups)),
        ("kind", about.kind), ("issuer", about.issuer), ("acting agent", about.actor), ("address", about.address),
        ("state", summary.state), ("began", f"{began}, lasted {lasted}"), ("calls", calls),
    ):  # fmt: skip
        if value:
            yield from broken(f"{name:>12}  {safe(str(value))}", within, BESIDE)


FAILED = [Column("count", right=True), Column("address"), Column("reason", broken=True)]


def _failed(failed: FailedLogins | None, within: int | None, *, every: bool) -> Iterator[str]:
    """Of failed log-ins, where they came from."""
    if failed is None:
        return
    yield ""
    yield f"{failed}:"
    shown = failed.by if every else failed.by[:MOST_FAILED]
    yield from table(FAILED, [[str(one.count), safe(one.address), safe(one.reason)] for one in shown], within)
    others = failed.others + sum(one.count for one in failed.by[len(shown) :])
    if others:
        yield f"{others:,} more from other addresses or for other reasons{'' if every else '; --all and -o json have more'}"
    if failed.unrecorded:
        yield f"{failed.unrecorded:,} more were only counted: there were too many at once"


def _granted(event: GrantRecorded) -> str:
    """What was done to a grant: `2026-01-01 10:00:00 oncall is approved (approve by lea): seen`."""
    when = local_time(event.time)
    by = f" by {event.user}" if event.user else ""
    forced = " (FORCED)" if event.forced else ""
    words = "".join(f": {text}" for text in (event.note, event.reason) if text)
    return safe(f"{when} {event.group} is {event.state} ({event.did}{by}){forced}{words}  {event.grant}")
