"""The transactions that make holds: a call is asked about, and the hold that answers it is found or made."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from l7gw.approval import rest_of_run, rows
from l7gw.approval.messages import Asked, Hold, Shown, encode
from l7gw.approval.rows import SECOND
from l7gw.approval.states import LIVE, move
from l7gw.errors import Refusal
from l7gw.store.tables import holds
from l7gw.store.turns import take_turns

# microseconds after its end in which a refused upgrade's hold answers the same call again: kubectl falls back to SPDY at once
RETRY = 10 * SECOND
LARGEST_ASKED = 512 * 1024  # bytes of a call's message; its views have at most 64 KiB each
GIVEN_UP_IN = 600 * SECOND  # microseconds in which a cancelled hold still counts: about as long as a hold is pending
MOST_GIVEN_UP = 3  # times `limits.holds` that a principal may give up in that time; a client that tries again each minute is below


class Found(NamedTuple):
    """The hold that answers a call, whether it is new, and the holds that ended on the way."""

    hold: Hold
    new: bool
    ended: list[Hold]


class Asking(NamedTuple):
    """What all transactions here need: the gateway at which the call waits, the time in microseconds since 1970, and how many
    pending holds a principal may have, and all together."""

    gateway: str
    new_id: Callable[[], str]
    now: int
    most: int
    most_in_all: int


def bounded(asked: Asked) -> Asked:
    """The call, without its views where they are too large to keep. Raises nothing: a head alone is bounded by the codecs."""
    if len(encode(asked)) <= LARGEST_ASKED:
        return asked
    return msgspec.structs.replace(asked, shown=Shown(dry_run="what it would change is too large to be shown"))


def find_or_make(connection: sa.Connection, asked: Asked, asking: Asking) -> Found:
    """The hold for this call. Raises Refusal 429 where it would be one too many."""
    ended: list[Hold] = []
    take_turns(connection, "holds")  # of two equal calls that come back at once the second finds the first's hold; and both count
    if asked.terms.wait == "come-back":
        known = _come_back(connection, asked, asking.now, ended)
    else:
        known = _refused_upgrade(connection, asked, asking.now)
    if known is not None:
        return Found(rows.one(connection, known), new=False, ended=ended)
    _within_limits(connection, asked, asking)
    hold = rows.insert(connection, asked, hold=asking.new_id(), gateway=asking.gateway, now=asking.now)
    return Found(hold, new=True, ended=ended)


def replace(connection: sa.Connection, former: str, asked: Asked, asking: Asking, why: str) -> Found:
    """A new pending hold in the place of a live one, which is void then. Raises Refusal 409 where the former is over."""
    if not move(connection, former, "void", asking.now, why=why):
        raise Refusal(409, "Conflict", f"hold {former} is over")
    hold = rows.insert(connection, asked, hold=asking.new_id(), gateway=asking.gateway, now=asking.now, replaces=former)
    return Found(hold, new=True, ended=[rows.one(connection, former)])


def _come_back(connection: sa.Connection, asked: Asked, now: int, ended: list[Hold]) -> str | None:
    """The live hold of the same intent, an approved one first. It is void where the rules ask for something else now."""
    live = sa.select(holds.c.id, holds.c.state, holds.c.expires).where(
        holds.c.intent == asked.intent, holds.c.wait == "come-back", holds.c.state.in_(LIVE)
    )
    for hold, state, expires in connection.execute(live.order_by(holds.c.state, holds.c.id).with_for_update()).all():
        former = rows.asked_of(connection, hold)
        if expires <= now:
            move(connection, hold, "expire", now, why=rows.why_expired(state))
        elif former is None or former.terms.rules != asked.terms.rules:
            move(connection, hold, "void", now, why="the rules that hold this call have changed")
        else:
            if state == "approved":
                rest_of_run.follow(connection, hold, asked)
            return str(hold)
        ended.append(rows.one(connection, hold))
    return None


def _refused_upgrade(connection: sa.Connection, asked: Asked, now: int) -> str | None:
    """The hold of the same exec over WebSocket, which was refused just now: its retry over SPDY is the same call (threats G2)."""
    if not asked.intent:
        return None
    over = sa.select(holds.c.id).where(
        holds.c.intent == asked.intent,
        holds.c.session == asked.session,
        holds.c.wait == "wait",
        holds.c.state.in_(("denied", "expired")),
        holds.c.ended > now - RETRY,
    )
    found = connection.execute(over.order_by(holds.c.id.desc()).limit(1)).scalar()
    return None if found is None else str(found)


def _within_limits(connection: sa.Connection, asked: Asked, asking: Asking) -> None:
    """Raise Refusal 429 where it would be one too many. Holds that their clients gave up count too: who asks and leaves, again and
    again, floods the reviewers, and learns from each write that came back at once (docs/approvals.md, "What remains")."""
    principal = (holds.c.person == asked.person, holds.c.actor == asked.principal.actor)
    own = sa.case((sa.and_(*principal), 1), else_=0)
    counts = sa.select(sa.func.coalesce(sa.func.sum(own), 0), sa.func.count()).where(holds.c.state == "pending")
    of_principal, in_all = connection.execute(counts).one()
    if of_principal >= asking.most:
        why = f"{asking.most} of your calls wait for an approval already; hint: have them answered, or wait until they expire"
        raise Refusal(429, "TooManyRequests", why)
    left = sa.case(
        (sa.and_(*principal, holds.c.state == "cancelled"), 1), else_=0
    )  # no condition: the index of `ended` is the short one
    lately = sa.select(sa.func.coalesce(sa.func.sum(left), 0)).where(holds.c.ended > asking.now - GIVEN_UP_IN)
    given_up = connection.execute(lately).scalar() or 0
    if given_up >= asking.most * MOST_GIVEN_UP:
        minutes = GIVEN_UP_IN // SECOND // 60
        why = f"{given_up} of your calls were held and given up within the last {minutes} minutes; hint: wait for the answers"
        raise Refusal(429, "TooManyRequests", why)
    if in_all >= asking.most_in_all:
        raise Refusal(
            429, "TooManyRequests", f"{asking.most_in_all} calls wait for an approval already, more than anybody would read"
        )
