"""What must still be told outside, such as in Slack. A change notes it in its own transaction; whoever delivers takes it from here.

There is one row for each channel and thing, however often that changes: what is told is how it is at that time. So an outbox holds
no more rows than there are holds, and who was away hears of each once. A row is taken for a time, by one UPDATE: of several
gateways one tells it, and where that one dies another takes it then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from l7gw.store.tables import notices

CHANNELS = "l7gw_channels"  # the option of a connection that names the channels that are told of changes
TAKEN = 60_000_000  # microseconds for which a row is taken; one telling takes 10 s at most


class Notice(NamedTuple):
    """A row that was taken. `place` is where the channel has told it before, "" where it has not."""

    channel: str
    kind: str
    about: str
    changes: int  # how often it has changed so far
    tries: int  # how often it could not be told since it was told last
    place: str
    taken: int


def note(connection: sa.Connection, kind: str, about: str, now: int) -> None:
    """Something is new or has changed: each channel is to be told. `kind` is a word such as `hold`, `about` its id, `now` is in
    microseconds since 1970."""
    for channel in connection.get_execution_options().get(CHANNELS, ()):
        of = (notices.c.channel == channel, notices.c.kind == kind, notices.c.about == about)
        values = {"changes": notices.c.changes + 1, "due": now, "tries": 0}
        if not connection.execute(notices.update().where(*of).values(values)).rowcount:
            row = {"channel": channel, "kind": kind, "about": about, "changes": 1, "due": now}
            connection.execute(notices.insert().values(row | {"tries": 0, "taken": 0, "holder": "", "place": ""}))


def take(connection: sa.Connection, channel: str, holder: str, now: int) -> Notice | None:
    """The row of a channel that has waited longest, taken for this holder. None where none is due."""
    due = (notices.c.channel == channel, notices.c.due <= now, notices.c.taken <= now)
    for row in connection.execute(sa.select(notices).where(*due).order_by(notices.c.due, notices.c.about).limit(1)):
        until = now + TAKEN
        free = (notices.c.taken == row.taken, notices.c.due.is_not(None))
        if connection.execute(notices.update().where(*_one(row), *free).values(taken=until, holder=holder)).rowcount:
            return Notice(row.channel, row.kind, row.about, row.changes, row.tries, row.place, until)
    return None


def told(connection: sa.Connection, notice: Notice, holder: str, now: int, place: str) -> None:
    """It was told, and stands at `place`. Where it has changed meanwhile it is due again."""
    due = sa.case((notices.c.changes > notice.changes, now), else_=None)
    _release(connection, notice, holder, due=due, tries=0, place=place)


def failed(connection: sa.Connection, notice: Notice, holder: str, again: int) -> None:
    """It could not be told. It is due again at `again`, in microseconds since 1970."""
    _release(connection, notice, holder, due=again, tries=notice.tries + 1)


def given_up(connection: sa.Connection, notice: Notice, holder: str) -> None:
    """It is told no more, unless it changes."""
    _release(connection, notice, holder, due=None)


def next_due(connection: sa.Connection, channel: str) -> int | None:
    """When the next row of a channel is due, in microseconds since 1970. None where none is."""
    later = sa.case((notices.c.taken > notices.c.due, notices.c.taken), else_=notices.c.due)
    found = connection.execute(sa.select(sa.func.min(later)).where(notices.c.channel == channel, notices.c.due.is_not(None)))
    due = found.scalar()
    return None if due is None else int(due)


def forget(connection: sa.Connection, kind: str, about: Sequence[str]) -> None:
    """These things are gone, and so is what was to be told of them."""
    if about:
        connection.execute(notices.delete().where(notices.c.kind == kind, notices.c.about.in_(about)))


def _release(connection: sa.Connection, notice: Notice, holder: str, **values: object) -> None:
    mine = (notices.c.holder == holder, notices.c.taken == notice.taken)  # it may be another's by now
    connection.execute(notices.update().where(*_one(notice), *mine).values(taken=0, holder="", **values))


def _one(row: Notice | sa.Row[tuple[object, ...]]) -> tuple[sa.ColumnElement[bool], ...]:
    return notices.c.channel == row.channel, notices.c.kind == row.kind, notices.c.about == row.about
