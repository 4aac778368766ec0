"""Which gateways live, so that what waited at a dead one is void.

Each gateway has a row that it renews, and a locked file in its state. The lock ends with the process, however that ends, so whoever
starts on the same state sees at once that a former one is dead. Others see it when the row is old.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import sqlalchemy as sa

from l7gw.approval.rows import SECOND
from l7gw.store.tables import gateways

FOLDER = "gateways"  # in the state
RENEW = 10.0  # seconds between two renewals
GAP = 20 * SECOND  # microseconds between two looks after which this gateway was away itself; it looks every ten seconds
DEAD_AFTER = 30 * SECOND  # microseconds without a renewal; two that are late are forgiven


class Lease:
    """This process's lease. `gateway` is its id, a new UUID. Raises OSError where the file cannot be made."""

    def __init__(self, state: Path, gateway: str) -> None:
        self.id = gateway
        self._looked = -GAP  # the time of the last look at others' leases, in microseconds since 1970
        self._since = 0  # since when it has looked without a gap
        self._folder = state / FOLDER
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._path = self._folder / gateway
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def renew(self, connection: sa.Connection, now: int) -> None:
        """Say that this gateway lives. Where others took it for dead, it is listed anew."""
        if not connection.execute(gateways.update().where(gateways.c.id == self.id).values(renewed=now)).rowcount:
            connection.execute(gateways.insert().values(id=self.id, renewed=now))

    def bury(self, connection: sa.Connection, now: int) -> list[str]:
        """Take the dead gateways off the list. Gives their ids.

        After a database that was away every lease is old: the first look is no reason to take the living for dead. So this gateway
        must have looked for as long as another one must have been silent.
        """
        if now - self._looked > GAP:
            self._since = now
        self._looked = now
        patient = now - self._since >= DEAD_AFTER
        found = connection.execute(sa.select(gateways).where(gateways.c.id != self.id)).all()
        silent = gateways.c.renewed < now - DEAD_AFTER  # asked again as its row is taken: it may renew its lease this moment
        dead = []
        for row in found:
            gone = self._is_gone(row.id)
            if gone or (patient and row.renewed < now - DEAD_AFTER):
                here = gateways.delete().where(gateways.c.id == row.id, sa.true() if gone else silent)
                dead += [row.id] * connection.execute(here).rowcount
        return dead

    def end(self, connection: sa.Connection) -> None:
        """Take this gateway off the list. The caller voids what waits at it in the same transaction."""
        connection.execute(gateways.delete().where(gateways.c.id == self.id))

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _is_gone(self, gateway: str) -> bool:
        """Whether the process that made this file of our state is gone. Its file is removed then. False where there is no such
        file: the gateway has a state of its own."""
        path = self._folder / gateway
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            path.unlink(missing_ok=True)
            return True
        finally:
            os.close(file)
