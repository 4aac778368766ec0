"""The desk of the holds, with its database and its lease: opened where something is held, and ended with the gateway.

A gateway that holds nothing needs no database. What works on one is loaded with it: that takes 0.4 s and 20 MB. One whose
configuration names a PostgreSQL server opens it in any case: other gateways hold calls, which are answered here too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from l7gw.approval.active_grants import ActiveGrants
from l7gw.clock import Clock
from l7gw.config.settings import PostgresServer, RecordMode
from l7gw.gateway.grant_evidence import GrantEvidence
from l7gw.gateway.hold_evidence import HoldEvidence
from l7gw.identifiers import uuid7
from l7gw.recording.recorder import Recorder

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk
    from l7gw.approval.grant_desk import GrantDesk
    from l7gw.store.bell import Listener
    from l7gw.store.database import Store
    from l7gw.store.server import Server

log = logging.getLogger(__name__)

ENDS_WITHIN = 10.0  # seconds in which the end of what waits here is stored and recorded; the lease tells others otherwise


class HoldDesk:
    """The desk of this process. `records` says what is recorded of a cluster's calls; `server` is what `store:` names, None for
    SQLite."""

    def __init__(
        self,
        state: Path,
        clock: Clock,
        recorder: Recorder,
        records: Callable[[str], RecordMode],
        server: PostgresServer | None = None,
    ) -> None:
        self._state = state
        self._channels: Sequence[str] = ()
        self._clock = clock
        self._evidence = HoldEvidence(recorder, records)
        self._grant_evidence = GrantEvidence(recorder, records)
        self._server = server
        self._store: Store | None = None
        self._listener: Listener | None = None
        self._desk: Desk | None = None
        self._grants: GrantDesk | None = None

    def open(self, active: ActiveGrants) -> tuple[Desk, GrantDesk]:
        """The desks of the holds and of the grants. `active` is where the grants in force are kept: those of the database are there
        when this returns. Raises OSError, in words for people, where the database cannot be used. The gateway serves without a
        server that is away: what is held is refused until it is back, and no grant counts until then."""
        from l7gw.approval.desk import Desk
        from l7gw.approval.grant_desk import GrantDesk
        from l7gw.approval.grant_states import GRANT_TOPIC
        from l7gw.approval.lease import Lease
        from l7gw.approval.states import TOPIC
        from l7gw.store.bell import Bell, Listener
        from l7gw.store.database import Store, of_state

        if self._desk is None or self._grants is None:
            loop, bell, clock, engine = asyncio.get_running_loop(), Bell(), self._clock, None
            if self._server is None:
                engine = of_state(self._state)
                self._store = Store(engine, loop)
            else:
                from l7gw.store.server import Server

                server = Server(self._server, clock)
                ready = _is_ready(server)
                engine = server.engine if ready else None
                self._store = Store(server.engine, loop, None if ready else server.prepare, server.cut)
                self._listener = Listener(bell, loop, server.listening, lambda: server.own_process)
                clock = server.clock
            self._store.tell(self._channels)
            self._clock = clock
            self._grants = GrantDesk(self._store, clock, self._grant_evidence, active)
            if engine is not None:
                self._grants.begin(engine)
            self._desk = Desk(self._store, Lease(self._state, uuid7()), clock, self._evidence)
            bell.subscribe(TOPIC, self._desk.rang)
            bell.subscribe(GRANT_TOPIC, self._grants.rang)
        return self._desk, self._grants

    @property
    def opened(self) -> tuple[Desk, Store, Clock] | None:
        """The desk, its database and the clock of that; None as long as nothing was ever held."""
        return (self._desk, self._store, self._clock) if self._desk is not None and self._store is not None else None

    def configure(self, channels: Sequence[str]) -> None:
        """Name the channels that are told of changes from now on."""
        self._channels = channels
        if self._store is not None:
            self._store.tell(channels)

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
            if self._listener is not None:
                self._listener.close()
            self._store.close()
            self._desk = self._grants = self._store = self._listener = None


def _is_ready(server: Server) -> bool:
    """Make the server's tables. False where it is away. Raises OSError where somebody must do something about it."""
    try:
        server.prepare()
    except ConnectionError as error:
        log.error("%s is away; calls that need an approval are refused until it is back: %s", server.place, error)
        return False
    return True
