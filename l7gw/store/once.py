"""Signed messages that were taken. Each is taken once, also over restarts and by several gateways (threats G7)."""

from __future__ import annotations

from hashlib import sha256

import sqlalchemy as sa

from l7gw.store.tables import taken_once

AT_ONCE = 200  # old rows that one message removes, so that none waits long


def take(connection: sa.Connection, message: str, now: int, lasts: int) -> bool:
    """Take a message, by what tells it from all others, such as its signature. False where it was taken before. `now` is in
    microseconds since 1970; the message is remembered for `lasts` more, after which it is too old anyhow."""
    mark = sha256(message.encode()).hexdigest()
    old = sa.select(taken_once.c.mark).where(taken_once.c.until < now).limit(AT_ONCE)
    connection.execute(taken_once.delete().where(taken_once.c.mark.in_(list(connection.execute(old).scalars()))))
    if connection.execute(sa.select(taken_once.c.mark).where(taken_once.c.mark == mark)).first() is not None:
        return False
    try:
        with connection.begin_nested():  # of two gateways that insert it at once one fails, and its transaction goes on
            connection.execute(taken_once.insert().values(mark=mark, until=now + lasts))
    except sa.exc.IntegrityError:
        return False
    return True
