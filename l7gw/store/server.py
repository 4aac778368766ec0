"""The metadata database at a PostgreSQL server: how this process connects to it, and what must be so there.

What libpq reads (`sslmode`, files of passwords, several hosts) is libpq's business. The driver is loaded with this module. Nothing
that it says has a password: libpq gets the URL in parts, and quotes none in a message.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.abc import Buffer
from psycopg.types.string import StrDumper

from l7gw.clock import Clock, SteadyClock
from l7gw.config.settings import PostgresServer
from l7gw.store.database import in_words
from l7gw.store.migrate import migrate
from l7gw.store.poolers import check_sessions
from l7gw.store.schemas import ALONE, check_alone
from l7gw.store.tables import metadata

log = logging.getLogger(__name__)

CONNECT = 5  # seconds for a connection, at each host; near servers answer in milliseconds
LOOKS_WITHIN = 15.0  # seconds for the look at a pooler, with two connections
MEASURE = 10.0  # seconds between two looks at the server's clock; it and ours drift apart by less than a millisecond meanwhile
OURS = {  # the transport: a server that went away without a word is noticed after some ten seconds
    "connect_timeout": CONNECT,
    "application_name": "l7gw",
    "client_encoding": "UTF8",
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
SESSION = (
    ALONE,  # first: names are looked for in one schema from here on
    # the server's side of the same: no statement of ours takes a tenth of this
    "SET statement_timeout = '5s'",
    "SET lock_timeout = '3s'",
    "SET idle_in_transaction_session_timeout = '10s'",
    # a commit is on the server's disk before it is told; stricter settings of the server stay
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)
MAY = "the gateway's role must own its tables, and may make new ones: CREATE DATABASE l7gw OWNER l7gw"
NOW = sa.text("SELECT extract(epoch FROM clock_timestamp())")


class _Text(StrDumper):
    """PostgreSQL keeps no NUL in a text, which a note or a name may have: it is kept as the picture of one."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\N{SYMBOL FOR NULL}"))


class Server:
    """The database, as this process uses it.

    `clock` is the server's, which all gateways share: what one writes of times the others compare. It is measured at the first
    transaction and every ten seconds, and runs evenly in between; before, it is the machine's.
    """

    def __init__(self, configured: PostgresServer, clock: Clock) -> None:
        self._keywords: dict[str, Any] = {"target_session_attrs": "read-write", **configured.keywords, **OURS}
        self.place = configured.place
        self.clock = SteadyClock(clock)
        self.own_process = 0  # the server's process that serves the store's newest connection
        self._measured = -MEASURE
        self._lock = threading.Lock()  # of what follows: the store's thread and the bell's connect, and the loop cuts
        self._open: list[tuple[psycopg.Connection[Any], socket.socket]] = []
        self.engine = sa.create_engine(
            "postgresql+psycopg://", creator=self.connect, isolation_level="READ COMMITTED", hide_parameters=True, pool_timeout=5
        )
        sa.event.listen(self.engine, "connect", self._connected)
        sa.event.listen(self.engine, "begin", self._begun)

    def connect(self) -> psycopg.Connection[Any]:
        """A new connection. Raises psycopg.Error. Statements are not prepared: a plan does not outlive a change of the tables."""
        return self._kept(psycopg.connect(**self._keywords, prepare_threshold=None))

    def listening(self) -> psycopg.Connection[Any]:
        """A new connection that commits each statement. Raises psycopg.Error."""
        return self._kept(psycopg.connect(**self._keywords, prepare_threshold=None, autocommit=True))

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Cut what takes longer: a pooler may let a connection wait for minutes."""
        timer = threading.Timer(seconds, self.cut)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cut(self) -> None:
        """End every connection, so that whoever waits at one fails. The server's machine may live, and its process stand still:
        neither the transport nor the server notices that. Called from any thread."""
        log.error("%s says nothing: the connections to it are ended", self.place)
        with self._lock:
            for _, handle in self._open:
                with suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)

    def _kept(self, connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
        """Remember a connection, by a descriptor of its own: that of a closed one may belong to anything by then."""
        connection.adapters.register_dumper(str, _Text)
        with self._lock:
            for former, handle in self._open:
                if former.closed:
                    handle.close()
            self._open = [one for one in self._open if not one[0].closed]
            self._open.append((connection, socket.socket(fileno=os.dup(connection.fileno()))))
        return connection

    def prepare(self) -> None:
        """See that the server can be used, and bring the tables to their newest form. Raises OSError, in words for people: a
        ConnectionError where the server cannot be reached just now, any other for what only a person can mend."""
        self.look()
        with self._in_words():
            migrate(self.engine)

    def look(self) -> None:
        """See that the server can be used, and change nothing there. Raises OSError as `prepare` does."""
        with self._in_words(), self._within(LOOKS_WITHIN):
            check_sessions(self.listening)
            with self.listening() as connection:
                check_alone(connection, list(metadata.tables))

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.OperationalError, sa.exc.OperationalError, sa.exc.TimeoutError) as error:
            raise ConnectionError(in_words(error)) from error
        except (psycopg.Error, sa.exc.DBAPIError) as error:
            raise OSError(f"{self.place}: {in_words(error)}\n  hint: {MAY}") from error

    def _connected(self, connection: psycopg.Connection[Any], _record: object) -> None:
        connection.set_autocommit(True)
        for statement in SESSION:
            connection.execute(statement)
        connection.set_autocommit(False)
        self.own_process = connection.info.backend_pid
        self._measured = -MEASURE  # it may be another server, with another clock

    def _begun(self, connection: sa.Connection) -> None:
        now = self.clock.monotonic()
        if now - self._measured >= MEASURE:
            found = float(connection.execute(NOW).scalar_one())
            self.clock.follow(found - self.clock.wall())
            self._measured = now
