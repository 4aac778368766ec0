"""The states of a grant, as one table: what may happen in which state, and which state follows. docs/approvals.md draws it.

Nothing else moves a grant: `move` is the only writer of a grant's state.
"""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa

from l7gw.approval.grant_messages import GrantState
from l7gw.approval.moves import Moves
from l7gw.store.bell import ring
from l7gw.store.tables import grants

GRANT_TOPIC = "grant"  # of the bell

GrantEvent = Literal[
    "approve",  # the last approval that was needed: the time begins
    "deny",  # one denial, whatever the minimum
    "expire",  # nobody answered within `ttl`
    "revoke",  # a reviewer, the one who has it, or root at the socket takes it back; a request is withdrawn
    "end",  # its time is over
]

GRANT_TABLE: dict[GrantState, dict[GrantEvent, GrantState]] = {
    "pending": {"approve": "approved", "deny": "denied", "expire": "expired", "revoke": "revoked"},
    "approved": {"revoke": "revoked", "end": "ended"},
    "denied": {},
    "expired": {},
    "revoked": {},
    "ended": {},
}


def grant_noted(connection: sa.Connection, grant: str, now: int) -> None:
    """Let other gateways hear, once this is committed, that a grant has moved, or counts now."""
    ring(connection, GRANT_TOPIC, grant)


_MOVES = Moves(grants, GRANT_TABLE, grant_noted)
GRANT_LIVE = _MOVES.live
move_grant = _MOVES.move
