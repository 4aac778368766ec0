"""Grants in the store: how one is written, found and read. Each function runs within a transaction that its caller has begun."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from l7gw.approval import binding
from l7gw.approval.active_grants import ActiveGrant, Holder
from l7gw.approval.grant_messages import Grant, GrantAsked
from l7gw.approval.messages import ReviewView, encode
from l7gw.approval.parts import Parts
from l7gw.approval.rows import SECOND, reviewers_of, rules_of
from l7gw.clock import moment
from l7gw.store.tables import grant_reviews, grants

_asked = msgspec.json.Decoder(GrantAsked).decode
_view = msgspec.json.Decoder(ReviewView).decode

NOBODY_ANSWERED = "nobody answered in time"
TIME_OVER = "its time is over"


def insert(connection: sa.Connection, asked: GrantAsked, grant: str, now: int) -> Grant:
    """Write a new pending grant. Raises sqlalchemy's IntegrityError where the same is pending already."""
    connection.execute(
        grants.insert().values(
            id=grant,
            state="pending",
            asker=binding.asker(asked.principal, asked.cluster, asked.group),
            person=asked.person,
            actor=asked.principal.actor,
            created=now,
            expires=now + asked.ttl * SECOND,
            why="",
            asked=encode(asked).decode(),
        )
    )
    return one(connection, grant)


def one(connection: sa.Connection, grant: str) -> Grant:
    """The grant of this id. It must be there."""
    (found,) = read(connection, [grant])
    return found


def read(connection: sa.Connection, ids: Sequence[str]) -> list[Grant]:
    """The grants of these ids, newest first. What is not there is left out."""
    if not ids:
        return []
    rows = connection.execute(sa.select(grants).where(grants.c.id.in_(ids)).order_by(grants.c.id.desc())).all()
    said: dict[str, list[ReviewView]] = {row.id: [] for row in rows}
    of = grant_reviews.c.grant_id
    for grant, view in connection.execute(sa.select(of, grant_reviews.c.view).where(of.in_(ids)).order_by(grant_reviews.c.id)):
        said[grant].append(_view(view))
    return [_grant(row, _asked(row.asked), tuple(said[row.id])) for row in rows]


def asked_of(connection: sa.Connection, grant: str) -> GrantAsked | None:
    """What was asked for, None where there is no such grant."""
    text = connection.execute(sa.select(grants.c.asked).where(grants.c.id == grant)).scalar()
    return None if text is None else _asked(text)


def views_of(connection: sa.Connection, grant: str) -> list[ReviewView]:
    """What was said to a grant, in order."""
    found = sa.select(grant_reviews.c.view).where(grant_reviews.c.grant_id == grant).order_by(grant_reviews.c.id)
    return [_view(view) for view in connection.execute(found).scalars()]


def active(connection: sa.Connection, now: int) -> list[ActiveGrant]:
    """The grants in force: approved, recorded, and not over."""
    where = (grants.c.state == "approved", grants.c.recorded.is_not(None), grants.c.ends > now)
    found = connection.execute(sa.select(grants.c.id, grants.c.ends, grants.c.asked).where(*where).order_by(grants.c.id))
    return [_in_force(row.id, row.ends, _asked(row.asked)) for row in found]


def unrecorded(connection: sa.Connection, before: int) -> list[Grant]:
    """The grants that were approved before then, and whose approval never came to the record."""
    where = (grants.c.state == "approved", grants.c.recorded.is_(None), grants.c.starts <= before)
    return read(connection, list(connection.execute(sa.select(grants.c.id).where(*where).limit(100)).scalars()))


def why_over(connection: sa.Connection, ids: Sequence[str]) -> dict[str, str]:
    """Of each of these grants how it ended, in words behind its name: `was revoked by lea`."""
    found = connection.execute(sa.select(grants.c.id, grants.c.why, grants.c.state).where(grants.c.id.in_(ids))) if ids else ()
    return {row.id: f"was {row.why}" if row.state == "revoked" else "has ended" for row in found}


def holder_of(asked: GrantAsked) -> Holder:
    """To whom a grant belongs, and where."""
    who = asked.principal
    return (who.issuer, who.user, who.kind, who.actor, asked.cluster)


def _in_force(grant: str, ends: int, asked: GrantAsked) -> ActiveGrant:
    return ActiveGrant(grant, asked.group, holder_of(asked), ends, asked.seconds * SECOND)


def _grant(row: Any, asked: GrantAsked, said: tuple[ReviewView, ...]) -> Grant:
    """The grant of a row of the table `grants`."""
    (rule,) = rules_of(asked, said)
    return Grant(
        id=row.id,
        state=row.state,
        group=asked.group,
        cluster=asked.cluster,
        principal=asked.principal,
        reason=asked.reason,
        seconds=asked.seconds,
        created=moment(row.created),
        expires=moment(row.expires),
        starts=_moment(row.starts),
        ends=_moment(row.ends),
        ended=_moment(row.ended),
        why=row.why,
        needed=rule.reviewers.minimum,
        approvals=rule.approvals,
        reviewers=reviewers_of([asked.terms.reviewers]),
        reviews=said,
    )


def _moment(time: int | None) -> str | None:
    return None if time is None else moment(time)


PARTS = Parts(grants, read)
