"""What time does to holds: they expire, they are void where their gateway is dead, and ended ones are forgotten. So are budgets in
which nothing counts any more."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from l7gw.approval import budgets, rows
from l7gw.approval.lease import Lease
from l7gw.approval.messages import Hold, State
from l7gw.approval.rows import SECOND
from l7gw.approval.states import LIVE, TOPIC, move
from l7gw.store import outbox
from l7gw.store.tables import gateways, holds

KEPT = 30 * 86400 * SECOND  # microseconds that an ended hold is listed; the recordings keep what was said of it
AT_ONCE = 200  # holds that one transaction moves or forgets, so that no other waits long for it

GONE = "the gateway at which the call waited is gone; nothing was sent"
STOPPED = "the gateway at which the call waited was stopped; nothing was sent"


class Kept(NamedTuple):
    changed: list[Hold]  # what happened to holds now, by this transaction
    others: list[Hold]  # holds of own waiting calls that somebody else has changed
    live: bool  # whether there are pending or approved holds


def upkeep(connection: sa.Connection, lease: Lease, waiting: dict[str, State], now: int, *, renew: bool) -> Kept:
    """`waiting` are the holds of the calls that wait here, and the states that they were told."""
    if waiting and renew:
        lease.renew(connection, now)
    others = sa.select(holds.c.id, holds.c.state).where(holds.c.id.in_(list(waiting)))
    changed_elsewhere = [hold for hold, state in connection.execute(others) if state != waiting[hold]] if waiting else []
    lease.bury(connection, now)
    at_the_dead = holds.c.gateway.not_in(sa.select(gateways.c.id))
    changed = _void(connection, now, GONE, at_the_dead) + _expire(connection, now)
    old = list(connection.execute(sa.select(holds.c.id).where(holds.c.ended < now - KEPT).limit(AT_ONCE)).scalars())
    connection.execute(holds.delete().where(holds.c.id.in_(old)))
    outbox.forget(connection, TOPIC, old)
    budgets.forget(connection, now)
    live = connection.execute(sa.select(holds.c.id).where(holds.c.state.in_(LIVE)).limit(1)).first() is not None
    return Kept(rows.read(connection, changed), rows.read(connection, _without(changed_elsewhere, changed)), live)


def stop(connection: sa.Connection, lease: Lease, now: int) -> list[Hold]:
    """The gateway ends: what waits at it is void, and it is no longer listed."""
    changed = _void(connection, now, STOPPED, holds.c.gateway == lease.id)
    lease.end(connection)
    return rows.read(connection, changed)


# Both take the rows in the order of their ids, since another gateway may do the same this moment.


def _void(connection: sa.Connection, now: int, why: str, where: sa.ColumnElement[bool]) -> list[str]:
    live = sa.select(holds.c.id).where(holds.c.wait == "wait", holds.c.state.in_(LIVE), where).order_by(holds.c.id)
    return [hold for hold in list(connection.execute(live).scalars()) if move(connection, hold, "void", now, why=why)]


def _expire(connection: sa.Connection, now: int) -> list[str]:
    due = sa.select(holds.c.id, holds.c.state).where(holds.c.state.in_(LIVE), holds.c.expires <= now)
    return [
        hold
        for hold, state in connection.execute(due.order_by(holds.c.id).limit(AT_ONCE)).all()
        if move(connection, hold, "expire", now, holds.c.expires <= now, why=rows.why_expired(state))
    ]


def _without(ids: list[str], others: Collection[str]) -> list[str]:
    return [one for one in ids if one not in others]
