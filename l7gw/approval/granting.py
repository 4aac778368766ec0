"""The transactions of grants: one is asked for, reviewed, revoked, and what time does to all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from l7gw.approval import grant_rows, reviewing, rows
from l7gw.approval.active_grants import ActiveGrant
from l7gw.approval.grant_messages import Grant, GrantAsked, GrantDone
from l7gw.approval.grant_states import GRANT_LIVE, GRANT_TABLE, GRANT_TOPIC, grant_noted, move_grant
from l7gw.approval.messages import Review, Reviewer
from l7gw.approval.people import People
from l7gw.approval.reviewers import counts
from l7gw.approval.reviewing import Reviewing
from l7gw.approval.rows import SECOND
from l7gw.approval.upkeep import AT_ONCE, KEPT
from l7gw.errors import Refusal
from l7gw.hold_terms import RuleTerms
from l7gw.store.tables import grant_reviews, grants
from l7gw.store.turns import take_turns

HOUR = 3600 * SECOND
SETTLES = 5 * SECOND  # microseconds in which an approval is recorded; what takes longer was interrupted, and is recorded anew


class Bounds(NamedTuple):
    """How many grants there may be."""

    pending: int = 10  # that one principal has asked for; an incident needs one or two
    in_all: int = 500  # pending ones; nobody reads more
    over: int = 30  # of one principal that were over within the last hour: who asks in a loop fills the database
    active: int = 1000  # in force: every gateway keeps them in memory, about 1 KiB each


class Granted(NamedTuple):
    """A grant, and what was done to it."""

    grant: Grant
    done: GrantDone


class Swept(NamedTuple):
    """What time did: the grants that it moved, those whose approval is to be recorded anew, and those in force, with words for the
    ones that are over. `due` is when the next one will be moved, in microseconds; None for nothing."""

    changed: list[Grant]
    unrecorded: list[Grant]
    active: list[ActiveGrant]
    over: dict[str, str]
    due: int | None


def ask(connection: sa.Connection, asked: GrantAsked, grant: str, now: int, bounds: Bounds) -> tuple[Grant, list[Grant]]:
    """A new pending grant, and those that expired meanwhile. Raises Refusal 409 where the same is pending, and 429 where it would
    be one too many."""
    take_turns(connection, GRANT_TOPIC)
    expired = _expired(connection, now)
    own = sa.case((sa.and_(grants.c.person == asked.person, grants.c.actor == asked.principal.actor), 1), else_=0)
    pending = sa.select(sa.func.coalesce(sa.func.sum(own), 0), sa.func.count()).where(grants.c.state == "pending")
    of_principal, in_all = connection.execute(pending).one()
    if of_principal >= bounds.pending or in_all >= bounds.in_all:
        whose = f"{bounds.pending} grants that you" if of_principal >= bounds.pending else f"{bounds.in_all} grants that people"
        raise Refusal(429, "TooManyRequests", f"{whose} asked for are pending already")
    over = sa.select(sa.func.count()).where(
        grants.c.ended > now - HOUR, grants.c.person == asked.person, grants.c.actor == asked.principal.actor
    )
    if connection.execute(over).scalar_one() >= bounds.over:
        raise Refusal(429, "TooManyRequests", f"{bounds.over} grants that you asked for were over within the last hour")
    try:
        with connection.begin_nested():
            return grant_rows.insert(connection, asked, grant, now), grant_rows.read(connection, expired)
    except sa.exc.IntegrityError as error:
        why = f"you asked for {asked.group} on {asked.cluster} already, and that is pending: l7gw grants list --state pending"
        raise Refusal(409, "Conflict", why) from error


def review(
    connection: sa.Connection,
    grant: str,
    reviewer: Reviewer,
    said: Review,
    reviewing_: Reviewing,
    terms: RuleTerms | None,
    bounds: Bounds,
) -> Granted:
    """Write down what a reviewer said, and let it happen. `terms` are those of the policy in force; None where it does not list the
    grant any more. Raises Refusal 404, 403, 409, 429 or 400; nothing is changed then."""
    now = reviewing_.now
    row = connection.execute(sa.select(grants.c.state, grants.c.expires).where(grants.c.id == grant).with_for_update()).first()
    asked = grant_rows.asked_of(connection, grant)
    if row is None or asked is None:
        raise Refusal(404, "NotFound", "there is no such grant")
    counted = counts(asked, reviewer, said, reviewing_.people, local=reviewing_.local, now=now / SECOND)
    if said.verdict not in GRANT_TABLE[row.state]:
        hint = "; take it back with l7gw grants revoke" if row.state == "approved" and said.verdict == "deny" else ""
        raise Refusal(409, "Conflict", f"the grant is {row.state}{hint}")
    if row.expires <= now:
        raise Refusal(409, "Conflict", f"the grant is over: {grant_rows.NOBODY_ANSWERED}")
    if said.verdict == "approve" and terms != asked.terms:
        raise Refusal(409, "Conflict", "the policy says something else of this grant now; it has to be asked for again")
    reason = said.reason if counted.forced else ""
    view = rows.review_view(reviewer, said.verdict, now, note=said.note, reason=reason, forced=counted.forced, rules=counted.rules)
    reviewing.write(connection, grant_reviews.c.grant_id, reviewer, reviewing_.people, view, grant)
    if said.verdict == "deny":
        _move(move_grant(connection, grant, "deny", now, why=_by("denied", reviewer, said.note)))
    elif rows.satisfied(asked, grant_rows.views_of(connection, grant)):
        _within(connection, now, bounds)
        _move(move_grant(connection, grant, "approve", now, starts=now, ends=now + asked.seconds * SECOND))
    done = GrantDone(
        did=said.verdict, user=view.user, note=said.note, local=reviewer.local, forced=bool(counted.forced), reason=reason
    )
    return Granted(grant_rows.one(connection, grant), done)


def revoke(connection: sa.Connection, grant: str, by: Reviewer, note: str, reviewing_: Reviewing) -> Granted:
    """Take a grant back, or withdraw a request. Its reviewers may, the one who asked, under any name, and root at the socket.
    Raises Refusal 404, 403 or 409."""
    row = connection.execute(sa.select(grants.c.state).where(grants.c.id == grant).with_for_update()).first()
    asked = grant_rows.asked_of(connection, grant)
    if row is None or asked is None:
        raise Refusal(404, "NotFound", "there is no such grant")
    if not by.local and not _has(asked, by, reviewing_.people):
        counts(asked, by, Review(verdict="deny"), reviewing_.people, local=True, now=reviewing_.now / SECOND)
    if "revoke" not in GRANT_TABLE[row.state]:
        raise Refusal(409, "Conflict", f"the grant is {row.state}")
    _move(move_grant(connection, grant, "revoke", reviewing_.now, why=_by("revoked", by, note)))
    done = GrantDone(did="revoke", user=by.principal.user, note=note, local=by.local)
    return Granted(grant_rows.one(connection, grant), done)


def record(connection: sa.Connection, grant: str, now: int) -> None:
    """The approval is on the disk of the recordings: the grant counts from now on."""
    grant_noted(connection, grant, now)
    connection.execute(grants.update().where(grants.c.id == grant, grants.c.recorded.is_(None)).values(recorded=now))


def sweep(connection: sa.Connection, now: int, known: tuple[str, ...], over: Sequence[str]) -> Swept:
    """Let time do what it does, and look at what is in force. `known` are the grants that the gateway has in force, `over` those of
    them whose time is over by its monotonic clock."""
    changed = _expired(connection, now) + _ended(connection, now, over)
    old = sa.select(grants.c.id).where(grants.c.ended < now - KEPT).limit(AT_ONCE)
    connection.execute(grants.delete().where(grants.c.id.in_(list(connection.execute(old).scalars()))))
    active = grant_rows.active(connection, now)
    left = {one.id for one in active}
    due = sa.select(sa.func.min(sa.case((grants.c.state == "pending", grants.c.expires), else_=grants.c.ends))).where(
        grants.c.state.in_(GRANT_LIVE)
    )
    return Swept(
        changed=grant_rows.read(connection, changed),
        unrecorded=grant_rows.unrecorded(connection, now - SETTLES),
        active=active,
        over=grant_rows.why_over(connection, [one for one in known if one not in left]),
        due=connection.execute(due).scalar(),
    )


def _expired(connection: sa.Connection, now: int) -> list[str]:
    where = (grants.c.state == "pending", grants.c.expires <= now)
    found = list(connection.execute(sa.select(grants.c.id).where(*where).limit(AT_ONCE)).scalars())
    return [one for one in found if move_grant(connection, one, "expire", now, why=grant_rows.NOBODY_ANSWERED)]


def _ended(connection: sa.Connection, now: int, over: Sequence[str]) -> list[str]:
    late = sa.or_(grants.c.ends <= now, grants.c.id.in_(over))
    found = list(connection.execute(sa.select(grants.c.id).where(grants.c.state == "approved", late).limit(AT_ONCE)).scalars())
    return [one for one in found if move_grant(connection, one, "end", now, why=grant_rows.TIME_OVER)]


def _within(connection: sa.Connection, now: int, bounds: Bounds) -> None:
    """Raises Refusal 429 where one more grant in force would be one too many. Gateways that count at once may pass it by a few."""
    count = sa.select(sa.func.count()).where(grants.c.state == "approved", grants.c.ends > now)
    if connection.execute(count).scalar_one() >= bounds.active:
        raise Refusal(429, "TooManyRequests", f"{bounds.active} grants are in force already; revoke some that nobody needs")


def _has(asked: GrantAsked, by: Reviewer, people: People) -> bool:
    """Whether it is the grant of the one who revokes. An agent has its own alone; a person also those of his agents."""
    who, owner = by.principal, asked.principal
    if who.actor or who.kind != "human":
        return (who.issuer, who.user, who.kind, who.actor) == (owner.issuer, owner.user, owner.kind, owner.actor)
    return people.person(who.user) in people.behind(owner) | {asked.person}


def _by(did: str, who: Reviewer, note: str) -> str:
    return f"{did} by {who.principal.user}" + (f": {note}" if note else "")


def _move(moved: bool) -> None:
    if not moved:
        raise Refusal(409, "Conflict", "the grant has changed meanwhile; look at it again")
