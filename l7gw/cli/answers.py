"""What `l7gw holds` and `l7gw grants` share: words of the gateway as the end of a command, ids, times, a console."""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

from rich.console import Console
from rich.text import Text

from l7gw.cli.api_client import NO, UNKNOWN, USAGE, Refused
from l7gw.cli.columns import indented
from l7gw.cli.state import fail
from l7gw.name_rules import visible

T = TypeVar("T")

ARROW = "-> "
WITHOUT_TERMINAL = 240  # columns of output that goes to no terminal
MOST_LISTED = 100_000  # holds or grants that --limit takes; the list is asked for in parts
AT_A_TIME = 100  # of them in one answer
SECONDS = {"s": 1, "m": 60, "h": 3600}
PREFIX = re.compile("[0-9A-Fa-f-]{1,36}")


def told(refused: Refused, status: int | None = None) -> NoReturn:
    """End the command with what the gateway said."""
    fault = refused.fault
    statuses = {400: USAGE, 403: NO, 404: NO, 409: NO, 413: USAGE, 415: USAGE}
    hint = ""
    if fault.code == 401:
        hint = "\n  hint: --token-file FILE, else $L7GW_TOKEN, is the token by which you prove who you are"
    elif fault.code == 403 and not refused.proven:
        hint = "\n  hint: send a token of your own: --token-file FILE, or $L7GW_TOKEN"
    if status is None:
        status = statuses.get(fault.code, UNKNOWN) if fault.reason else UNKNOWN  # without a reason it is no gateway that answered
    fail(visible(fault.message) + hint, status)


def in_parts(limit: int, states: str, get: Callable[[dict[str, str]], tuple[list[T], str]]) -> list[T]:
    """A list of the API, newest first and `limit` long at most. `get` is given the parameters of each part, and gives what is in it
    and where the list goes on, "" behind the last."""
    found: list[T] = []
    before = ""
    while len(found) < limit:
        query = {"state": states, "limit": str(min(limit - len(found), AT_A_TIME)), "before": before}
        part, before = get({name: value for name, value in query.items() if value})
        found += part
        if not before:
            break
    return found


def id_of(text: str, what: str) -> str:
    """The id of a hold or a grant, or a beginning of one."""
    if PREFIX.fullmatch(text) is None:
        fail(f"{visible(text)!r} is no id of a {what}, and no beginning of one; l7gw {what}s list has them", USAGE)
    return text.lower()


def seconds_of(text: str, most: int, option: str = "--for") -> int:
    """The seconds of an option such as `--for`."""
    match = re.fullmatch("([0-9]{1,5})([smh])", text)
    if match is None or not 1 <= (seconds := int(match[1]) * SECONDS[match[2]]) <= most:
        longest = f"{most // 3600}h" if most % 3600 == 0 else f"{most // 60}m"
        fail(f"{option} is a time such as 10m, at most {longest}", USAGE)
    return seconds


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def arrow(hint: str, mark: int, style: str, within: int | None) -> list[Text]:
    """What to do, below a statement: behind an arrow at column `mark`, in lines of at most `within` columns."""
    indent = " " * (mark + len(ARROW))
    first, *further = indented(hint, indent, within) if within is not None else [indent + hint]
    return [Text.assemble(" " * mark, (ARROW, style), first[len(indent) :]), *map(Text, further)]


def console() -> Console:
    """A console as wide as the terminal or, without one, WITHOUT_TERMINAL columns wide. No text is read as markup."""
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WITHOUT_TERMINAL)
