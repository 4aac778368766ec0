"""The transaction of a review: whether it counts, what becomes of the hold, and how much of the run may pass."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from l7gw.approval import rest_of_run, rows
from l7gw.approval.messages import Asked, Hold, Review, Reviewer, ReviewView, encode
from l7gw.approval.people import People
from l7gw.approval.reviewers import counts
from l7gw.approval.rows import SECOND
from l7gw.approval.states import TABLE, move, noted
from l7gw.errors import Refusal
from l7gw.store.tables import holds, reviews

TWICE = "you have said so already, under this or another name: a person counts once"
ROOT = " local:root"  # no person's name begins with a space


_view = msgspec.json.Decoder(ReviewView).decode


class Reviewing(NamedTuple):
    """What the configuration says of reviews, and when this one is: `now` in microseconds since 1970."""

    people: People
    local: bool
    now: int


class Reviewed(NamedTuple):
    hold: Hold
    view: ReviewView
    moved: bool  # whether the hold's state is another now


def review(connection: sa.Connection, hold: str, reviewer: Reviewer, said: Review, reviewing: Reviewing) -> Reviewed:
    """Write down what a reviewer said, and let it happen. A denial of a hold that is used takes back the rest of its run. Raises
    Refusal 404, 403, 409 or 400; nothing is changed then."""
    now = reviewing.now
    row = connection.execute(sa.select(holds.c.state, holds.c.expires).where(holds.c.id == hold).with_for_update()).first()
    asked = rows.asked_of(connection, hold)
    if row is None or asked is None:
        raise Refusal(404, "NotFound", "there is no such hold")
    counted = counts(asked, reviewer, said, reviewing.people, local=reviewing.local, now=now / SECOND)
    revokes = said.verdict == "deny" and row.state == "consumed" and rest_of_run.revoke(connection, hold, now)
    if said.verdict not in TABLE[row.state] and not revokes:
        raise Refusal(409, "Conflict", f"the hold is {row.state}")
    if row.expires <= now and not revokes:
        raise Refusal(409, "Conflict", f"the hold is over: {rows.why_expired(row.state)}")
    if said.rest_of_run and (why := "a denial is for all" if said.verdict == "deny" else rest_of_run.why_never(asked)):
        raise Refusal(400, "BadRequest", why)
    view = rows.review_view(
        reviewer,
        said.verdict,
        now,
        note=said.note,
        reason=said.reason if counted.forced else "",
        forced=counted.forced,
        rules=counted.rules,
        rest_of_run=said.rest_of_run,
    )
    write(connection, reviews.c.hold, reviewer, reviewing.people, view, hold, for_seconds=said.for_seconds)
    noted(connection, hold, now)  # watchers see an approval after which others are needed, too
    if revokes:
        return Reviewed(rows.one(connection, hold), view, moved=False)
    moved = _deny(connection, hold, view, now) if said.verdict == "deny" else _approve(connection, hold, asked, now)
    return Reviewed(rows.one(connection, hold), view, moved)


def write(
    connection: sa.Connection, about: sa.Column[str], reviewer: Reviewer, people: People, view: ReviewView, which: str, **more: int
) -> None:
    """Write down a review of the one whose id is `which`, in the column `about` of a table of reviews. `more` are further columns.
    Raises Refusal 409 where the same person has said so before, under whatever name."""
    table = about.table
    person = ROOT if reviewer.local else people.person(reviewer.principal.user)
    former = sa.select(table.c.view).where(about == which, table.c.verdict == view.verdict)
    for one in map(_view, connection.execute(former).scalars()):  # `people` may have changed since
        if person == (ROOT if one.local else people.person(one.user)):
            raise Refusal(409, "Conflict", TWICE)
    values = {about.name: which, "person": person, "verdict": view.verdict, "view": encode(view).decode(), **more}
    try:
        connection.execute(sa.insert(table).values(values))
    except sa.exc.IntegrityError as error:
        raise Refusal(409, "Conflict", TWICE) from error


def _deny(connection: sa.Connection, hold: str, view: ReviewView, now: int) -> bool:
    why = f"denied by {view.user}" + (f": {view.note}" if view.note else "")
    return _moved(move(connection, hold, "deny", now, why=why))


def _approve(connection: sa.Connection, hold: str, asked: Asked, now: int) -> bool:
    found = connection.execute(
        sa.select(reviews.c.view, reviews.c.for_seconds).where(reviews.c.hold == hold, reviews.c.verdict == "approve")
    )
    said = [(_view(view), seconds) for view, seconds in found]
    if not rows.satisfied(asked, [view for view, _ in said]):
        return False
    moved = _moved(move(connection, hold, "approve", now, expires=now + asked.terms.use_within * SECOND))
    rest_of_run.grant(connection, hold, asked, [(view.rest_of_run, seconds) for view, seconds in said], now)
    return moved


def _moved(moved: bool) -> bool:
    if not moved:
        raise Refusal(409, "Conflict", "the hold has changed meanwhile; look at it again")
    return True
