"""Whether a connection is a session at the server, as LISTEN and the settings of a session need it.

A pooler of transactions (PgBouncer's `pool_mode = transaction`) gives each transaction of a connection to whichever of the server's
processes is free. What one of them listens for then reaches nobody, or somebody else. A pooler of sessions is as good as none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

ARRIVES = 5.0  # seconds within which a notification between two connections must arrive; it takes milliseconds
PROBE = "l7gw_probe"  # the channel of the look
HINT = "give the server's own address, or a pool of sessions (PgBouncer: pool_mode = session)"
SHARED = f"a pooler of transactions stands before the database: a gateway could not hear of others' changes\n  hint: {HINT}"


def check_sessions(connect: Callable[[], psycopg.Connection[Any]]) -> None:
    """Raises OSError, in words for people, where two connections share the server's processes, or do not hear each other. `connect`
    gives one that commits each statement."""
    with connect() as one, connect() as other:
        ones, others = [_process(one), _process(one)], [_process(other)]
        if {*ones} & {*others}:
            raise OSError(SHARED)
        other.execute("BEGIN")  # whatever serves it is taken now, so that a pooler must give `one` another
        others.append(_process(other))
        ones += [_process(one), _process(one)]
        other.execute("COMMIT")
        others += [_process(other), _process(other)]
        ones.append(_process(one))
        if len({*ones}) > 1 or len({*others}) > 1 or {*ones} & {*others}:
            raise OSError(SHARED)
        one.execute(f"LISTEN {PROBE}")
        other.execute(f"NOTIFY {PROBE}")
        if not list(one.notifies(timeout=ARRIVES, stop_after=1)):
            raise OSError(
                f"a NOTIFY does not arrive at another connection, so a gateway could not hear of others' changes\n  hint: {HINT}"
            )


def _process(connection: psycopg.Connection[Any]) -> int:
    """The server's process that serves this connection just now."""
    found = connection.execute("SELECT pg_backend_pid()").fetchone()
    return int(found[0]) if found else 0
