"""What other gateways change of holds: the bell says which, and they are read and told here."""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.messages import Hold
from l7gw.approval.parts import MOST_LISTED
from l7gw.approval.rows import SECOND
from l7gw.store.database import Store
from l7gw.store.tables import holds

log = logging.getLogger(__name__)

MOST_NOTED = 10_000  # ids that wait to be read; where more come, what is alive is read instead
LATELY = 600 * SECOND  # microseconds: of what ended while the bell was away, so much is told again


class Overheard:
    """Reads what the bell names, together what came meanwhile, and calls `tell` with each hold. `now` gives microseconds since 1970
    in the store's thread."""

    def __init__(self, store: Store, now: Callable[[], int], tell: Callable[[Hold], None]) -> None:
        self._store = store
        self._now = now
        self._tell = tell
        self._noted: dict[str, None] = {}
        self._missed = False
        self._reading = False

    def rang(self, hold: str) -> None:
        """This hold has changed, or any where it is ""."""
        if hold and len(self._noted) < MOST_NOTED:
            self._noted[hold] = None
        else:
            self._missed = True
        if not self._reading:
            self._read()

    def _read(self) -> None:
        self._reading = True
        missed, self._missed = self._missed, False
        ids = list(self._noted)[:MOST_LISTED]
        for one in ids:
            del self._noted[one]

        def work(connection: sa.Connection) -> list[Hold]:
            return rows.read(connection, [*ids, *_lately(connection, self._now())] if missed else ids)

        self._store.do(work, self._found)

    def _found(self, found: list[Hold] | Exception) -> None:
        self._reading = False
        if isinstance(found, list):
            for hold in reversed(found):
                self._tell(hold)
        else:
            log.warning("what other gateways changed cannot be read: %s", found)
        if self._noted or self._missed:
            self._read()


def _lately(connection: sa.Connection, now: int) -> list[str]:
    """The newest holds that are alive or ended a short while ago."""
    where = sa.or_(holds.c.ended.is_(None), holds.c.ended > now - LATELY)
    return list(connection.execute(sa.select(holds.c.id).where(where).order_by(holds.c.id.desc()).limit(MOST_LISTED)).scalars())
