"""The metadata database of a test: SQLite in a folder, or a schema of a PostgreSQL server that is named after the folder.

Which of them is said by the environment, so that processes which a test starts take the same (`tests/conftest.py: each_database`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import sqlalchemy as sa

from l7gw.clock import SystemClock
from l7gw.config.settings import PostgresServer
from l7gw.store.database import Store, of_state
from l7gw.store.migrate import migrate
from l7gw.store.server import Server
from tests.support.postgres import Postgres

VARIABLE = "L7GW_TEST_SERVER"  # libpq's keywords of the server, as JSON; empty for SQLite


def at_server(postgres: Postgres) -> str:
    """The value of that variable for a server."""
    return json.dumps(postgres.keywords().keywords)


def _schema(folder: Path) -> str:
    return "t_" + hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:24]


def server_of(folder: Path) -> Server | None:
    """The database of a folder at the server, which may have no tables yet; None where the test is about SQLite."""
    said = os.environ.get(VARIABLE)
    if not said:
        return None
    keywords, schema = json.loads(said), _schema(folder)
    with (
        suppress(psycopg.errors.UniqueViolation),
        psycopg.connect(**keywords, autocommit=True) as connection,
    ):  # another made it just now
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
    return Server(PostgresServer(keywords | {"options": f"-csearch_path={schema}"}), SystemClock())


def engine_of(folder: Path) -> sa.Engine:
    """The database of a folder, with its tables."""
    server = server_of(folder)
    if server is None:
        return of_state(folder)
    migrate(server.engine)
    return server.engine


def store_of(folder: Path, prepare: Callable[[], None] | None = None) -> Store:
    return Store(engine_of(folder), asyncio.get_running_loop(), prepare)
