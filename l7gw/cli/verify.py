"""`l7gw verify`: is the recording what was written?"""

from __future__ import annotations

import errno
import json
import re
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from l7gw.cli import completing
from l7gw.cli.options import output_option
from l7gw.cli.state import cannot_read, fail, state_options, tell_unknown, the_state, the_whole_session
from l7gw.quantities import many
from l7gw.recording import layout
from l7gw.recording.verify import Report
from l7gw.recording.verify import verify as check

WHAT = "a segment (*.l7j), a gateway's state, or the beginning of a session's id, which `l7gw sessions list` shows"
EXCHANGE = re.compile(r"[0-9a-f-]+/[0-9]+")  # a session's id and an exchange; anything else that does not exist is a path
LIMITS = (
    "a cut at the very end, or a journal rewritten as a whole, would not be seen:"
    " checkpoints, which tell those, are not in this version"
)


@click.command(short_help="Check that recordings are whole, unchanged and in order.")
@click.argument("what", metavar="[SESSION|PATH]", required=False, shell_complete=completing.sessions_and_files)
@state_options
@click.option(
    "--archive",
    "archives",
    metavar="DIR",
    type=click.Path(readable=False, path_type=Path),
    multiple=True,
    help="A folder with older segments, which belong before those of the state. May be repeated.",
)
@click.option("--from", "first", metavar="BLOCK", type=click.IntRange(1), default=1, help="The block with which the journal "
    "begins, where what came before it was removed on purpose.")  # fmt: skip
@output_option
def verify(what: str | None, config: Path | None, state: Path | None, archives: tuple[Path, ...], first: int, output: str) -> None:
    """Check every block of the journals: that it is whole, unchanged and follows the one before it.

    With nothing, all of `state`; with a session's id that session; with a path that segment or state. Exit status 0: intact,
    1: not, 3: could not tell.

    Segments that were moved elsewhere are read from there with --archive. Where they were deleted, --from says with which block
    the journal begins now: a journal that begins later than that is not intact.

    \b
      l7gw verify                      # everything
      l7gw verify 01a2                 # one session, by any unique beginning of its id
      l7gw verify /mnt/copy-of-state   # a copy
      l7gw verify --archive /mnt/old   # the state, and the segments that were moved away from it
    """
    session = None
    segment = False
    if what is not None and _exists(what):
        segment = Path(what).is_file()
        paths = [_segment(Path(what))] if segment else _segments(Path(what))
    elif what is not None and "/" in what and not EXCHANGE.fullmatch(what):
        fail(f"there is no file or folder {what!r}\n  hint: {WHAT}", 2)
    else:
        place = the_state(config, state)
        paths = _segments(place)
        if what is not None:
            session = bytes.fromhex(the_whole_session(place, what).id.replace("-", ""))
    paths = sorted([*paths, *(path for archive in archives for path in _segments(archive))], key=lambda path: path.name)
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("reading", total=sum(path.stat().st_size for path in paths))
            report = check(
                paths, session=session, whole=not segment, first=first, progress=lambda size: progress.advance(task, size)
            )
    except OSError as error:
        cannot_read("the journal cannot be read", error, 3)
    tell_unknown(report.unknown)
    _tell(report, output)
    sys.exit(0 if report.intact else 1)


def _exists(what: str) -> bool:
    """Whether this is the path of a file that exists. A text too long for a path is none."""
    try:
        return Path(what).exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        cannot_read("the journal cannot be read", error, 3)


def _segment(path: Path) -> Path:
    """A file that begins as a segment does. Ends the command for any other."""
    try:
        with path.open("rb") as file:
            begin = file.read(layout.HEADER_SIZE)
    except OSError as error:
        cannot_read(f"{path} cannot be read", error, 3)
    if layout.is_later(begin):
        fail(f"{path} was written by a later version of l7gw, which this one cannot check\n  hint: install that version", 3)
    if not begin.startswith(layout.MAGIC):
        fail(f"{path} is no segment of a journal\n  hint: {WHAT}", 3)
    return path


def _segments(place: Path) -> list[Path]:
    folder = place / "journal"
    try:
        if not folder.is_dir():
            folder = place
        found = sorted(path for path in folder.iterdir() if path.suffix == ".l7j")
    except OSError as error:
        cannot_read("the journal cannot be read", error, 3)
    if not found:
        fail(f"there is no journal in {place}: nothing was recorded, or all of it is gone\n  hint: {WHAT}", 3)
    _segment(found[-1])
    return found


def _tell(report: Report, output: str) -> None:
    if output == "json":
        problems = [{"file": p.file, "offset": p.offset, "what": p.what} for p in report.problems]
        document = {
            "intact": report.intact,
            "sessions": report.sessions,
            "blocks": report.blocks,
            "bytes": report.bytes,
            "problems": problems,
            "unknown_events": report.unknown.total(),
        }
        click.echo(json.dumps(document, indent=2))
        return
    read = (many(report.sessions, "session"), many(report.blocks, "block"), many(report.bytes, "byte"))
    click.echo(f"{', '.join(read)} read")
    for problem in report.problems:
        click.echo(f"{problem.file}:{problem.offset}: {problem.what}")
    for tail in report.torn:
        click.echo(f"{tail.file}:{tail.offset}: {tail.what}")
    click.echo(f"{'intact' if report.intact else 'NOT intact'}; {LIMITS}")
