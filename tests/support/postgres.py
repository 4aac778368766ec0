"""A real PostgreSQL server for the tests: in a folder of its own, on a free port of this machine and on a socket.

initdb refuses root, so root runs it as `postgres`, else `nobody`. What is in it is gone at the end, so nothing is synced to the disk.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import psycopg

from l7gw.config.settings import PostgresServer

PLACES = ("/usr/lib/postgresql",)  # of Debian's packages: VERSION/bin below it
OWNER = "owner"  # who owns everything; trusted
PASSWORD = "tres-secret-canary"  # of the role `l7gw`, which must send it over TCP
QUICK = (
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "max_wal_size=64MB",
    "max_connections=90",
    "listen_addresses=127.0.0.1",
)
STARTS_WITHIN = 60.0  # seconds; it takes a third of one


class MissingPostgres(Exception):
    """The server's programs are not on this machine."""


def program(name: str) -> str:
    """The path of one of the server's programs. Raises MissingPostgres."""
    places = sorted((found for place in PLACES for found in Path(place).glob("*/bin")), key=lambda one: float(one.parent.name))
    found = next((str(place / name) for place in reversed(places) if (place / name).exists()), shutil.which(name))
    if not found:
        raise MissingPostgres(f"PostgreSQL needs {name}")
    return found


def _as_nobody() -> tuple[list[str], int, int]:
    """What stands before a command that must not be root's, and whose it is then. It ends with us, however we end."""
    ends = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return [*ends, "--"] if shutil.which("setpriv") else [], os.geteuid(), os.getegid()
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        words = [*ends, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
        return words, user.pw_uid, user.pw_gid
    raise MissingPostgres("PostgreSQL needs a user other than root")


class Postgres:
    """One server. `start` and `stop` may follow each other: what was stored stays."""

    def __init__(self) -> None:
        self._before, self._user, self._group = _as_nobody()
        initdb = program("initdb")
        self.folder = Path(tempfile.mkdtemp(prefix="l7gw-pg-"))
        os.chown(self.folder, self._user, self._group)
        self.port = _free_port()
        self._more: tuple[str, ...] = ()  # settings
        self._process: subprocess.Popen[bytes] | None = None
        command = [
            *self._before,
            initdb,
            "-D",
            str(self.folder / "data"),
            "-U",
            OWNER,
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)
        (self.folder / "data" / "pg_hba.conf").write_text(
            "local all all trust\nhost all owner 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        self.start()
        self.does(f"CREATE ROLE l7gw LOGIN PASSWORD '{PASSWORD}'", "CREATE DATABASE l7gw OWNER l7gw")

    def __enter__(self) -> Postgres:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop(signal.SIGQUIT)  # nobody reads it again
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        settings = [word for one in (*QUICK, *self._more) for word in ("-c", one)]
        command = [
            *self._before,
            program("postgres"),
            "-D",
            str(self.folder / "data"),
            "-k",
            str(self.folder),
            "-p",
            str(self.port),
            *settings,
        ]
        with (self.folder / "log").open("ab") as said:
            self._process = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd=self.folder)
        until = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None and time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.02)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop it: SIGINT ends every connection at once, in order. The server is another user's, so root's signal reaches it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self.folder), port=self.port, user=OWNER, dbname=database, autocommit=True)

    def does(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the owner of everything."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def use_certificate(self, certificate: Path, key: Path) -> None:
        """Serve TLS too, from now on."""
        for path in (certificate, key):
            copy = self.folder / path.name
            shutil.copy(path, copy)
            os.chown(copy, self._user, self._group)
            copy.chmod(0o600)
        self.stop()
        self._more = ("ssl=on", f"ssl_cert_file={self.folder / certificate.name}", f"ssl_key_file={self.folder / key.name}")
        self.start()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def url(self, more: str = "", password: str = PASSWORD, port: int = 0) -> str:
        """What `store:` says of the database `l7gw`."""
        said = f":{password}" if password else ""
        return f"postgresql://l7gw{said}@127.0.0.1:{port or self.port}/l7gw{'?' + more if more else ''}"

    def keywords(self, schema: str = "", port: int = 0) -> PostgresServer:
        """The same, as the configuration gives it; everything in a schema of this name."""
        found = {"user": "l7gw", "password": PASSWORD, "host": "127.0.0.1", "port": str(port or self.port), "dbname": "l7gw"}
        return PostgresServer(found | ({"options": f"-csearch_path={schema}"} if schema else {}))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
