"""Holds in the store: how one is written, found and read. Each function runs within a transaction that its caller has begun."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from l7gw.approval.messages import (
    Asked,
    Hold,
    Rest,
    Reviewable,
    Reviewer,
    ReviewersView,
    ReviewVerdict,
    ReviewView,
    RuleView,
    State,
    encode,
)
from l7gw.approval.parts import MOST_LISTED as MOST_LISTED
from l7gw.approval.parts import Parts
from l7gw.approval.states import noted
from l7gw.clock import moment
from l7gw.hold_terms import Reviewers
from l7gw.store.tables import holds, rests_of_runs, reviews

SECOND = 1_000_000  # microseconds

Seen = Callable[[Hold], bool]  # whether who asks may see a hold; called in the store's thread


class Page(NamedTuple):
    """A part of a list. `before` is where it goes on: the id of a hold that was seen, or what tells nobody the id of another one.
    It is "" on the last."""

    holds: list[Hold]
    before: str


_asked = msgspec.json.Decoder(Asked).decode
_view = msgspec.json.Decoder(ReviewView).decode


def insert(connection: sa.Connection, asked: Asked, *, hold: str, gateway: str, now: int, replaces: str = "") -> Hold:
    """Write a new pending hold. Raises sqlalchemy's IntegrityError where one of the same intent is pending and comes back."""
    row = {
        "id": hold,
        "state": "pending",
        "wait": asked.terms.wait,
        "bound": asked.bound,
        "intent": asked.intent,
        "person": asked.person,
        "actor": asked.principal.actor,
        "session": asked.session,
        "gateway": gateway,
        "created": now,
        "expires": now + asked.terms.ttl * SECOND,
        "ended": None,
        "why": "",
        "replaces": replaces,
        "asked": encode(asked).decode(),
    }
    connection.execute(holds.insert(), row)
    noted(connection, hold, now)
    return _hold(SimpleNamespace(**row), asked, ())


def one(connection: sa.Connection, hold: str) -> Hold:
    """The hold of this id. It must be there."""
    (found,) = read(connection, [hold])
    return found


def read(connection: sa.Connection, ids: Sequence[str]) -> list[Hold]:
    """The holds of these ids, newest first. What is not there is left out."""
    rows = connection.execute(sa.select(holds).where(holds.c.id.in_(ids)).order_by(holds.c.id.desc())).all()
    said: dict[str, list[ReviewView]] = {row.id: [] for row in rows}
    found = connection.execute(sa.select(reviews.c.hold, reviews.c.view).where(reviews.c.hold.in_(ids)).order_by(reviews.c.id))
    for hold, view in found:
        said[hold].append(_view(view))
    left = sa.select(rests_of_runs).where(rests_of_runs.c.hold.in_(ids), rests_of_runs.c.remaining > 0)
    rests = {row.hold: Rest(calls=row.remaining, until=moment(row.ends)) for row in connection.execute(left)}
    return [_hold(row, _asked(row.asked), tuple(said[row.id]), rests.get(row.id)) for row in rows]


def asked_of(connection: sa.Connection, hold: str) -> Asked | None:
    """The call of a hold, as it was asked about. None where there is no such hold."""
    text = connection.execute(sa.select(holds.c.asked).where(holds.c.id == hold)).scalar()
    return None if text is None else _asked(text)


def of_prefix(connection: sa.Connection, prefix: str, seen: Seen) -> list[Hold]:
    """The holds whose ids begin so and that are `seen`, two at most."""
    return _PARTS.of_prefix(connection, prefix, seen)


def listed(connection: sa.Connection, states: Sequence[State], *, most: int, before: str) -> list[Hold]:
    """The newest holds in these states, newest first; with `before`, those older than that hold."""
    where = [holds.c.state.in_(states)] + ([holds.c.id < before] if before else [])
    ids = connection.execute(sa.select(holds.c.id).where(*where).order_by(holds.c.id.desc()).limit(min(most, MOST_LISTED)))
    return read(connection, list(ids.scalars()))


def page(connection: sa.Connection, states: Sequence[State], seen: Seen, *, most: int, before: str) -> Page:
    """A page of the newest holds in these states that are `seen`, newest first; with `before`, of those whose ids are below it.
    It ends where MOST_LISTED were looked at, or MOST_UNSEEN that are not seen."""
    return Page(*_PARTS.page(connection, states, seen, most=most, before=before))


def why_expired(state: str) -> str:
    """Why a hold that was in this state expired, in words."""
    return "nobody answered in time" if state == "pending" else "the approval was not used in time"


def review_view(reviewer: Reviewer, verdict: ReviewVerdict, now: int, **said: Any) -> ReviewView:
    """What is kept of a review. `said` are the fields of `ReviewView` that are the reviewer's own words."""
    principal = reviewer.principal
    return ReviewView(
        user=principal.user,
        verdict=verdict,
        time=moment(now),
        groups=principal.groups,
        issuer=principal.issuer,
        address=principal.address,
        local=reviewer.local,
        **said,
    )


def satisfied(asked: Reviewable, said: Sequence[ReviewView]) -> bool:
    """Whether each rule has the approvals that it asks for, or was forced."""
    return all(view.forced or view.approvals >= view.reviewers.minimum for view in rules_of(asked, said))


def rules_of(asked: Reviewable, said: Sequence[ReviewView]) -> tuple[RuleView, ...]:
    """The rules that were asked about, with the approvals that each has."""
    approvals = [view for view in said if view.verdict == "approve"]
    return tuple(
        RuleView(
            rule=terms.rule,
            reviewers=reviewers_of([terms.reviewers]),
            approvals=sum(terms.rule in view.rules for view in approvals),
            forced=any(terms.rule in view.forced for view in approvals),
        )
        for terms in asked.rules
    )


def reviewers_of(several: Sequence[Reviewers]) -> ReviewersView:
    """The reviewers of several rules by name, all together."""

    def names(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for one in lists for name in one))

    return ReviewersView(
        users=names([one.users for one in several]),
        groups=names([one.groups for one in several]),
        owner=any(one.owner for one in several),
        minimum=max(one.minimum for one in several),
        emergency=names([one.emergency for one in several]),
    )


def _hold(row: Any, asked: Asked, said: tuple[ReviewView, ...], rest: Rest | None = None) -> Hold:
    """The hold of a row of the table `holds`. `rest` is of its run; the retry of a refused upgrade is none."""
    reviewers = reviewers_of([terms.reviewers for terms in asked.terms.rules])
    return Hold(
        id=row.id,
        state=row.state,
        session=asked.session,
        run=asked.run,
        exchange=asked.exchange,
        principal=asked.principal,
        cluster=asked.cluster,
        command=asked.command,
        claimed=asked.claimed,
        verb=asked.verb,
        group=asked.group,
        resource=asked.resource,
        subresource=asked.subresource,
        namespace=asked.namespace,
        name=asked.name,
        argv=asked.argv,
        effects=asked.effects,
        rule=asked.terms.rules[0].rule,
        rules=rules_of(asked, said),
        message=asked.terms.message,
        wait=asked.terms.wait,
        created=moment(row.created),
        expires=moment(row.expires),
        ended=None if row.ended is None else moment(row.ended),
        why=row.why,
        needed=reviewers.minimum,
        reviewers=reviewers,
        reviews=said,
        shown=asked.shown,
        record=asked.record,
        uids=asked.uids,
        rest=rest if any(view.rest_of_run for view in said) else None,
        acts_as=asked.acts_as,
        replaces=row.replaces,
    )


_PARTS = Parts(holds, read)
