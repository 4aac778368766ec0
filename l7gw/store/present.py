"""Whether the file of the database is still the one that was opened.

SQLite goes on with a file that was deleted or moved away: what is approved there would be lost with the process, and another
gateway on the same state would know nothing of it. So the file is looked at before each transaction.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

_FILE = "l7gw file"  # in a connection's `info`: device and inode of what it has open


def url_of(path: Path) -> sa.URL:
    """The address of a database whose file is there: nothing makes it anew where it is gone."""
    return sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})


def keep_present(engine: sa.Engine, path: Path) -> None:
    """Let a transaction begin only on the file that is at `path` now: where that is another one it is opened, and where there is
    none an OSError is raised."""

    def connected(_connection: sqlite3.Connection, record: Any) -> None:
        record.info[_FILE] = _file(path)

    def taken(_connection: sqlite3.Connection, record: Any, _proxy: Any) -> None:
        if record.info[_FILE] != _file(path):
            raise sa.exc.DisconnectionError("another file is in its place")  # SQLAlchemy connects anew

    def connects(*_about: Any) -> None:
        _file(path)  # SQLite's own words name no file

    sa.event.listen(engine, "do_connect", connects)
    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "checkout", taken)


def _file(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise OSError(f"{path} is out of reach: {error.strerror}") from error
    return found.st_dev, found.st_ino
