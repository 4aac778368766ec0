"""Transactions that must not run beside each other, although they write different rows: what counts rows before it adds one.

SQLite has one writer at a time. At PostgreSQL two transactions that count do not see each other's new row; there they take turns.
"""

from __future__ import annotations

import zlib

import sqlalchemy as sa

OURS = 0x6C376777  # "l7gw": of the advisory locks of a PostgreSQL database, those that are ours


def take_turns(connection: sa.Connection, what: str) -> None:
    """Wait until no other transaction has the turn of this name. The turn ends with the transaction. Take it before anything is
    written, so that no two wait for each other."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(OURS, zlib.crc32(what.encode()) & 0x7FFFFFFF)))
