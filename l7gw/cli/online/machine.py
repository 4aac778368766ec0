"""What the gateway needs of this machine, or near it: the disk of its state, and its database."""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from l7gw.cli.online.findings import Finding
from l7gw.cli.online.jobs import Job, Report
from l7gw.clock import SystemClock
from l7gw.config.document import sized
from l7gw.config.settings import PostgresServer, Settings

BUSY = 2.0  # seconds that a gateway may hold its database; a transaction of its takes a few milliseconds
LEAST_FILES = 10_000  # inodes that are free; a session's record takes a few
NAME = "metadata.sqlite"  # as `store.database.NAME`, whose module takes 0.4 s to load


def of_disk(settings: Settings) -> Finding:
    """Whether recordings can be written, and for how long."""
    state, check = settings.state, "disk"
    at = next((one for one in (state, *state.parents) if one.exists()), Path("/"))
    if not os.access(at, os.W_OK | os.X_OK):
        who = f"chown {os.getuid()} {at}" if at == state else f"install -d -m 0700 -o {os.getuid()} {state}, as root"
        return Finding(check, "red", f"{state} cannot be {'written' if at == state else 'made'} by this user", who)
    found = os.statvfs(at)
    free, reserve = found.f_bavail * found.f_frsize, settings.recording.reserve
    text = f"{_human(free)} free at {at}, of which {sized(reserve)} are the reserve (recording.reserve)"
    if free < reserve:
        return Finding(check, "red", f"{text}: no call passes", "free space, or set a smaller recording.reserve")
    if found.f_files and found.f_favail < LEAST_FILES:
        return Finding(check, "yellow", f"{found.f_favail} files can still be made at {at}", "df -i; remove old recordings")
    if free < 2 * reserve:
        return Finding(check, "yellow", text, "free space: calls stop when the reserve is reached")
    return Finding(check, "green", text)


def of_user(settings: Settings) -> Iterator[Finding]:
    """Whether the command runs as the gateway's user: root can read what that user cannot."""
    try:
        owner = settings.state.stat().st_uid
    except OSError:
        return  # it is not made yet, and nobody can say whose it will be
    mine = os.getuid()
    if owner == mine:
        yield Finding("user", "green", f"this user, {_name(mine)}, is the one whose {settings.state} is")
        return
    text = f"{settings.state} is {_name(owner)}'s and this is {_name(mine)}: what the gateway can read may differ"
    yield Finding("user", "yellow", text, f"run it as the gateway's user: sudo -u {_name(owner)} l7gw check --online")


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"


def _human(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 else f"{size // 1024**2} MiB"


def job_of_store(settings: Settings) -> Job:
    """The job that looks at the database of holds and grants."""
    store = settings.store
    if store is None:
        return Job("store", lambda report: report.tell(_of_file(settings.state / NAME)))
    return Job("store", lambda report: _ask(report, store))


def _of_file(path: Path) -> Finding:
    if not path.exists():
        return Finding("store", "green", f"{path} is made when it is needed first")
    try:
        with sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.close()
    except sqlite3.Error as error:
        return Finding("store", "red", f"{path}: {error}", f"is it this user's? ls -l {path}; a broken one is moved away")
    return Finding("store", "green", f"{path} can be read")


def _ask(report: Report, configured: PostgresServer) -> None:
    from l7gw.store.server import Server  # only where it is named: SQLAlchemy and the driver take 0.5 s to load

    report.begun("connection")
    server = Server(configured, SystemClock())
    try:
        server.look()
    except OSError as error:
        said, _, hint = str(error).partition("\n  hint: ")
        away = "can this machine reach the server, and is the password right? psql with the same URL says"
        report.tell(Finding("store", "red", f"{configured.place}: {said.removeprefix(f'{configured.place}: ')}", hint or away))
        return
    finally:
        server.engine.dispose()
    text = f"{configured.place} can be used"
    if configured.verified or configured.near:
        report.tell(Finding("store", "green", text))
    else:
        report.tell(
            Finding("store", "yellow", f"{text}, and its certificate is not verified", "sslmode=verify-full, and sslrootcert")
        )
