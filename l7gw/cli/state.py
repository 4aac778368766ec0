"""What the commands about recordings share: where the state is, which session is meant, how they fail."""

from __future__ import annotations

import datetime
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from l7gw.cli.options import config_option
from l7gw.os_faults import OF_OUTPUT, OTHERWISE, told
from l7gw.quantities import many
from l7gw.recording.events import AnyEvent, UnknownEvent
from l7gw.recording.layout import FOLDER, SUFFIX
from l7gw.recording.reader import Blocks, Mark, of_later_version
from l7gw.recording.session_list import NoSuch, Summary, find, key_of
from l7gw.recording.session_list import summaries as all_summaries
from l7gw.recording.terminal.unseen import safe

F = TypeVar("F", bound=Callable[..., Any])

UNREADABLE = (
    "block of the recordings is changed, missing, or of a session whose beginning is gone",
    "blocks of the recordings are changed, missing, or of sessions whose beginning is gone",
)
UNITS = {"m": 60, "h": 3600, "d": 86400}  # seconds


def state_options(command: F) -> F:
    """Adds the options `--config` and `--state` to a command. Either of them says where the state is."""
    command = click.option(
        "--state", metavar="DIR", type=click.Path(readable=False, path_type=Path), help="The state itself, without a configuration."
    )(command)
    return config_option(command)


def fail(message: object, status: int) -> NoReturn:
    """End the command with a sentence on stderr. Status 1: no, 2: wrong usage, 3: could not tell."""
    click.echo(f"l7gw: {message}", err=True)
    sys.exit(status)


def cannot_read(what: str, error: BaseException, status: int) -> NoReturn:
    """End the command with what the operating system refused, and with what to do about it. An error of stdout is raised again: no
    read fails so, and a command prints while it reads."""
    if isinstance(error, OSError) and error.errno in OF_OUTPUT:
        raise error
    fail(f"{what}: {told(error, otherwise=OTHERWISE)}", status)


def ago(text: str | None, option: str) -> int | None:
    """The moment so long ago, in microseconds since 1970; None where the option was not given. Ends the command for what is no
    time."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    if match is None:
        fail(f"{option} is 30m, 12h or 7d", 2)
    now = datetime.datetime.now(datetime.UTC).timestamp()
    return int((now - int(match[1]) * UNITS[match[2]]) * 1e6)


def tell_unknown(names: Counter[str]) -> None:
    """Say on stderr that events of a later version were left out."""
    if names:
        listed = ", ".join(safe(name) for name in sorted(names)[:10])
        click.echo(f"l7gw: left out: {many(names.total(), 'event')} of kinds that this version does not know ({listed})", err=True)


class Events:
    """The events of a session. Each call reads them from the beginning. Events of a later version are counted on stderr, once,
    after all events were read."""

    def __init__(self, state: Path, summary: Summary) -> None:
        self._blocks = Blocks(state, key_of(summary.id), summary.begins_in)
        self._told = False

    def __call__(self) -> Iterator[AnyEvent]:
        for _, events in self.blocks():
            yield from events

    def blocks(self, begin: Mark | None = None) -> Iterator[tuple[Mark, list[AnyEvent]]]:
        """The same events block by block, from a given block on."""
        unknown: Counter[str] = Counter()
        for mark, events in self._blocks(begin):
            unknown.update(event.name for event in events if isinstance(event, UnknownEvent))
            yield mark, events
        if not self._told:
            self._told = True
            tell_unknown(unknown)


def the_state(config: Path | None, state: Path | None) -> Path:
    if state is not None:
        found = state
    else:
        from l7gw.config.load import find as find_config
        from l7gw.config.load import load

        found = load(find_config(config)).state
    try:
        if not found.is_dir():
            fail(f"there is no state {found}\n  hint: say where with --state DIR or --config FILE", 3)
        if state is not None and not (state / FOLDER).is_dir():
            fail(f"there is no journal in {state}: no gateway has recorded there\n  hint: {_meant(state)}", 3)
        if (later := of_later_version(found)) is not None:
            fail(f"{later} was written by a later version of l7gw, which this one cannot read\n  hint: install that version", 3)
    except OSError as error:
        cannot_read("the state cannot be read", error, 3)
    return found


def _meant(state: Path) -> str:
    """What to say for `--state` instead of a folder that has no journal."""
    if any(state.glob(f"*{SUFFIX}")) and state.name == FOLDER:
        return f"--state {state.parent}, the folder above it"
    if any(state.glob(f"*{SUFFIX}")):
        return f"`l7gw verify {state}` reads segments as they lie; the other commands want them in a folder {FOLDER}/ of the state"
    if (state / "l7gw.yaml").is_file():
        return f"--config {state / 'l7gw.yaml'}, which names the state"
    return "--state is what `state` says in l7gw.yaml, such as /var/lib/l7gw; --config FILE reads it there"


def summaries(state: Path) -> list[Summary]:
    try:
        return all_summaries(state)
    except OSError as error:
        cannot_read("the state cannot be read", error, 3)


def the_session(state: Path, text: str) -> tuple[Summary, int | None]:
    """The session that a user named by the beginning of its id, and the exchange's number behind a slash, or None. Ends the command
    where there is none."""
    prefix, slash, number = text.partition("/")
    # Only ASCII digits, at most ten: Python's int() takes digits of every script, and raises for long numbers.
    if slash and not re.fullmatch(r"[0-9]{1,10}", number):
        fail(f"{text!r}: what follows the slash must be an exchange's number", 2)
    try:
        return find(state, prefix), int(number) if slash else None
    except NoSuch as error:
        fail(error, 1)
    except OSError as error:
        cannot_read("the state cannot be read", error, 3)


def the_whole_session(state: Path, text: str) -> Summary:
    """The session that a user named by the beginning of its id, for commands that are not about one exchange. Ends the command
    where there is none."""
    summary, exchange = the_session(state, text)
    if exchange is not None:
        fail(f"{text!r}: a session's id is needed, without an exchange\n  hint: `l7gw export` shows one exchange", 2)
    return summary
