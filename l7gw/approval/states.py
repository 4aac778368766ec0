"""The states of a hold, as one table: what may happen in which state, and which state follows. docs/approvals.md draws it.

A state without a row of events is an end. Nothing else moves a hold: `move` is the only writer of a hold's state, and its UPDATE
changes a row only in a state in which the event may happen. So of two events that race one finds the hold, the other finds it gone.
"""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa

from l7gw.approval.messages import State
from l7gw.store import outbox
from l7gw.store.bell import ring
from l7gw.store.tables import holds

TOPIC = "hold"  # of the bell and the outbox: a hold is new, was reviewed or has moved

Event = Literal[
    "approve",  # the last approval that was needed
    "deny",  # one denial, whatever the minimum
    "expire",  # nobody answered within `ttl`, or nobody used the approval within `use-within`
    "cancel",  # the client of a waiting call is gone
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
LIVE: tuple[State, ...] = tuple(state for state, events in TABLE.items() if events)
_FROM: dict[Event, dict[State, State]] = {}
for _state, _events in TABLE.items():
    for _event, _next in _events.items():
        _FROM.setdefault(_event, {})[_state] = _next


def move(connection: sa.Connection, hold: str, event: Event, now: int, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
    """Let an event happen to a hold at `now`, in microseconds. False where the hold is not in a state for it, or one of the
    further `conditions` is not met; nothing is changed then. `values` are further columns to set."""
    changed = False
    for state, following in _FROM[event].items():
        where = (holds.c.id == hold, holds.c.state == state, *conditions)
        if following not in LIVE:
            values["ended"] = now
        changed = connection.execute(holds.update().where(*where).values(state=following, **values)).rowcount == 1
        if changed:
            noted(connection, hold, now)
            break
    return changed


def noted(connection: sa.Connection, hold: str, now: int) -> None:
    """Let others hear, once this is committed, that a hold is new, was reviewed or has moved: other gateways, and the channels that
    are told outside. `now` is in microseconds."""
    ring(connection, TOPIC, hold)
    outbox.note(connection, TOPIC, hold, now)
