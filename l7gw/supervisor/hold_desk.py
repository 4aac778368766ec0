"""The desk of the holds, with its database and its lease: opened where something is held, and ended with the gateway.

A gateway that holds nothing needs no database. What works on one is loaded with it: that takes 0.4 s and 20 MB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from l7gw.clock import Clock
from l7gw.config.settings import RecordMode
from l7gw.gateway.hold_evidence import HoldEvidence
from l7gw.identifiers import uuid7
from l7gw.recording.recorder import Recorder

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk
    from l7gw.store.database import Store

ENDS_WITHIN = 10.0  # seconds in which the end of what waits here is stored and recorded; the lease tells others otherwise


class HoldDesk:
    """The desk of this process. `records` says what is recorded of a cluster's calls."""

    def __init__(self, state: Path, clock: Clock, recorder: Recorder, records: Callable[[str], RecordMode]) -> None:
        self._state = state
        self._clock = clock
        self._evidence = HoldEvidence(recorder, records)
        self._store: Store | None = None
        self._desk: Desk | None = None

    def open(self) -> Desk:
        """The desk. Raises OSError, in words for people, where its database cannot be used."""
        from l7gw.approval.desk import Desk
        from l7gw.approval.lease import Lease
        from l7gw.store.database import Store, of_state

        if self._desk is None:
            engine = of_state(self._state)
            self._store = Store(engine, asyncio.get_running_loop())
            self._desk = Desk(self._store, Lease(self._state, uuid7()), self._clock, self._evidence)
        return self._desk

    async def close(self) -> None:
        """End: what waits here is void."""
        if self._desk is None or self._store is None:
            return
        done = asyncio.Event()
        self._desk.end(done.set)
        try:
            async with asyncio.timeout(ENDS_WITHIN):
                await done.wait()
        except TimeoutError:
            pass
        finally:
            self._store.close()
            self._desk = self._store = None
