"""The states of a hold, as one table: what may happen in which state, and which state follows. docs/approvals.md draws it.

Nothing else moves a hold: `move` is the only writer of a hold's state.
"""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa

from l7gw.approval.messages import State
from l7gw.approval.moves import Moves
from l7gw.store import outbox
from l7gw.store.bell import ring
from l7gw.store.tables import holds

TOPIC = "hold"  # of the bell and the outbox: a hold is new, was reviewed or has moved

Event = Literal[
    "approve",  # the last approval that was needed
    "deny",  # one denial, whatever the minimum
    "expire",  # nobody answered within `ttl`, or nobody used the approval within `use-within`
    "cancel",  # the waiting call is over: its client is gone, the policy denies it by now, or somebody ended it
    "void",  # the gateway of a waiting call is gone, the object or the rules changed, or the hold could not be recorded
    "consume",  # the call goes on
]

TABLE: dict[State, dict[Event, State]] = {
    "pending": {"approve": "approved", "deny": "denied", "expire": "expired", "cancel": "cancelled", "void": "void"},
    "approved": {"consume": "consumed", "deny": "denied", "expire": "expired", "cancel": "cancelled", "void": "void"},
    "denied": {},
    "expired": {},
    "cancelled": {},
    "consumed": {},
    "void": {},
}


def noted(connection: sa.Connection, hold: str, now: int) -> None:
    """Let others hear, once this is committed, that a hold is new, was reviewed or has moved: other gateways, and the channels that
    are told outside. `now` is in microseconds."""
    ring(connection, TOPIC, hold)
    outbox.note(connection, TOPIC, hold, now)


_MOVES = Moves(holds, TABLE, noted)
LIVE = _MOVES.live
move = _MOVES.move
