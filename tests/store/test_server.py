"""A PostgreSQL server as the metadata database: its clock counts, what is lost is tried again or told, and no word has the password."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from l7gw.clock import SystemClock
from l7gw.config.settings import PostgresServer
from l7gw.demo.pki import Authority
from l7gw.store.database import Store, StoreAway
from l7gw.store.server import Server
from l7gw.store.tables import gateways, holds
from tests.support.desks import answer
from tests.support.manual_clock import ManualClock
from tests.support.postgres import PASSWORD, Postgres


def server_of(postgres: Postgres, schema: str = "", **keywords: str) -> Server:
    if schema:
        postgres.does(f"CREATE SCHEMA {schema} AUTHORIZATION l7gw", database="l7gw")
    known = postgres.keywords(schema).keywords
    return Server(PostgresServer({name: value for name, value in (known | keywords).items() if value}), SystemClock())


def add(name: str) -> Callable[[sa.Connection], str]:
    def work(connection: sa.Connection) -> str:
        connection.execute(gateways.insert().values(id=name, renewed=1))
        return name

    return work


def names(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(gateways.c.id).order_by(gateways.c.id)).scalars())


async def done(store: Store, work: Callable[[sa.Connection], Any]) -> Any:
    return await answer(lambda then: store.do(work, then))


def test_a_session_bounds_its_statements_and_commits_to_the_disk(postgres: Postgres) -> None:
    postgres.does("ALTER ROLE l7gw SET synchronous_commit = off")
    server = server_of(postgres)
    with server.engine.begin() as connection:
        asked = (
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "synchronous_commit",
            "transaction_isolation",
        )
        found = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in asked]
    postgres.does("ALTER ROLE l7gw RESET synchronous_commit")
    assert found == ["5s", "3s", "10s", "on", "read committed"]


def test_the_time_is_the_servers_as_soon_as_a_transaction_has_begun(postgres: Postgres) -> None:
    clock = ManualClock()
    server = Server(postgres.keywords(), clock)
    behind = server.clock.wall()
    with server.engine.begin() as connection:
        real = float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())
        assert abs(server.clock.wall() - real) < 5 < abs(behind - real)
    clock.advance(7)
    assert abs(server.clock.wall() - real - 7) < 5


def test_a_nul_in_a_text_is_kept_as_its_picture_and_found_again(postgres: Postgres) -> None:
    server = server_of(postgres, "nul")
    server.prepare()
    with server.engine.begin() as connection:
        add("a\0b")(connection)
        assert names(connection) == ["a\u2400b"]
        assert connection.execute(sa.select(gateways.c.id).where(gateways.c.id == "a\0b")).all() == [("a\u2400b",)]
        assert connection.execute(sa.select(gateways.c.id).where(gateways.c.id.in_(["a\0b"]))).all() == [("a\u2400b",)]


def test_two_gateways_that_write_the_same_at_once_both_succeed_where_it_may_be_there(postgres: Postgres) -> None:
    """What must be there once is written by one of them; the other's work is run again, and finds it."""

    async def race() -> None:
        server = server_of(postgres, "twice")
        server.prepare()
        stores = [Store(Server(postgres.keywords("twice"), SystemClock()).engine, asyncio.get_running_loop()) for _ in range(2)]
        barrier, runs = threading.Barrier(2), []

        def once(connection: sa.Connection) -> list[str]:
            found = names(connection)
            runs.append(found)
            if not found:
                barrier.wait(30)  # both have seen that it is missing
                add("a")(connection)
            return names(connection)

        assert await asyncio.gather(*(done(store, once) for store in stores)) == [["a"], ["a"]]
        assert sorted(runs) == [[], [], ["a"]]
        for store in stores:
            store.close()

    asyncio.run(race())


def test_transactions_that_wait_for_each_other_are_run_again(postgres: Postgres) -> None:
    async def deadlock() -> None:
        server = server_of(postgres, "deadlock")
        server.prepare()
        with server.engine.begin() as connection:
            add("a")(connection)
            add("b")(connection)
        stores = [Store(Server(postgres.keywords("deadlock"), SystemClock()).engine, asyncio.get_running_loop()) for _ in range(2)]
        barrier, runs = threading.Barrier(2), []

        def both(first: str, second: str) -> Callable[[sa.Connection], None]:
            def work(connection: sa.Connection) -> None:
                runs.append(first)
                connection.execute(gateways.update().where(gateways.c.id == first).values(renewed=gateways.c.renewed + 1))
                if len(runs) <= 2:
                    barrier.wait(30)
                connection.execute(gateways.update().where(gateways.c.id == second).values(renewed=gateways.c.renewed + 1))

            return work

        assert await asyncio.gather(done(stores[0], both("a", "b")), done(stores[1], both("b", "a"))) == [None, None]
        assert len(runs) == 3
        found = await done(stores[0], lambda connection: connection.execute(sa.select(gateways.c.renewed)).scalars().all())
        assert found == [3, 3]
        for store in stores:
            store.close()

    asyncio.run(deadlock())


def test_a_connection_that_was_cut_is_made_anew_and_nobody_hears_of_it(postgres: Postgres) -> None:
    async def cut() -> None:
        server = server_of(postgres, "cut")
        store = Store(server.engine, asyncio.get_running_loop(), server.prepare)
        assert await done(store, add("a")) == "a"
        postgres.does(f"SELECT pg_terminate_backend({server.own_process})")
        assert await done(store, names) == ["a"]

        def cut_within(connection: sa.Connection) -> list[str]:
            if "b" not in seen:
                seen.append("b")
                add("b")(connection)
                postgres.does(f"SELECT pg_terminate_backend({server.own_process})")
            return names(connection)

        seen: list[str] = []
        assert await done(store, cut_within) == ["a"]  # what it wrote before is gone with its transaction
        store.close()

    asyncio.run(cut())


def test_a_commit_whose_answer_is_lost_is_told_so_and_not_tried_again(postgres: Postgres) -> None:
    async def lost() -> None:
        server = server_of(postgres, "lost")
        server.prepare()
        store = Store(server.engine, asyncio.get_running_loop())
        runs: list[str] = []

        def work(connection: sa.Connection) -> None:
            runs.append(add("a")(connection))
            sa.event.listen(
                server.engine, "commit", lambda _one: postgres.does(f"SELECT pg_terminate_backend({server.own_process})"), once=True
            )

        found = await done(store, work)
        assert isinstance(found, StoreAway) and "whether the change was stored is not known" in str(found)
        assert runs == ["a"]
        store.close()

    asyncio.run(lost())


@pytest.mark.long
def test_a_server_that_is_away_is_told_at_once_and_work_goes_on_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def away(postgres: Postgres) -> None:
        postgres.stop(signal.SIGQUIT)
        server = server_of(postgres)
        store = Store(server.engine, asyncio.get_running_loop(), server.prepare)
        with pytest.raises(ConnectionError):
            server.prepare()
        found = await asyncio.gather(*(done(store, names) for _ in range(200)))
        assert all(isinstance(one, StoreAway) for one in found)
        await asyncio.to_thread(postgres.start)
        while isinstance(back := await done(store, add("a")), StoreAway):
            await asyncio.sleep(0.05)
        assert back == "a" and await done(store, names) == ["a"]
        store.close()

    with Postgres() as postgres:
        asyncio.run(away(postgres))
    said = [record.getMessage() for record in caplog.records if "database of the holds" in record.getMessage()]
    assert len(said) == 2 and said[1] == "the database of the holds is back"


def test_a_server_that_stands_still_is_cut_told_and_not_waited_for_again(postgres: Postgres) -> None:
    """Its process is stopped: the system goes on to take what is sent to it."""

    async def still() -> None:
        server = server_of(postgres, "still")
        server.prepare()
        store = Store(server.engine, asyncio.get_running_loop(), cut=server.cut, longest=0.5)
        assert await done(store, names) == []
        stopped, runs = server.own_process, []
        os.kill(stopped, signal.SIGSTOP)
        try:
            found = await done(store, lambda connection: runs.append(names(connection)))
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert isinstance(found, StoreAway) and runs == []
        while isinstance(back := await done(store, names), StoreAway):
            await asyncio.sleep(0.05)
        assert back == [] and server.own_process != stopped
        store.close()

    asyncio.run(still())


def test_a_server_that_takes_no_writes_any_more_is_left_for_one_that_does(postgres: Postgres) -> None:
    async def standby() -> None:
        server = server_of(postgres, "standby")
        server.prepare()
        store = Store(server.engine, asyncio.get_running_loop())
        await done(store, lambda connection: connection.exec_driver_sql("SET default_transaction_read_only = on").rowcount)
        assert "read-only transaction" in str(await done(store, add("a")))
        assert await done(store, add("a")) == "a"
        store.close()

    asyncio.run(standby())


def test_a_database_without_rights_or_a_schema_is_told_with_what_to_do(postgres: Postgres) -> None:
    with pytest.raises(OSError, match=r"no schema of the gateway's search_path\n  hint: CREATE SCHEMA"):
        Server(postgres.keywords("nowhere"), SystemClock()).prepare()
    postgres.does("CREATE SCHEMA others", "GRANT USAGE ON SCHEMA others TO l7gw", database="l7gw")
    with pytest.raises(OSError, match=r"permission denied for schema others.*\n  hint: the gateway's role must own its tables"):
        Server(postgres.keywords("others"), SystemClock()).prepare()


@pytest.mark.parametrize(
    "keywords",
    [
        {"port": "1"},
        {"user": "nobody"},
        {"dbname": "none"},
        {"password": f"{PASSWORD}-wrong"},
        {"sslmode": "require"},
        {"host": "no-such-host.invalid"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_no_message_and_no_traceback_has_the_password(
    keywords: dict[str, str], postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = server_of(postgres, **keywords)

    async def refused() -> None:
        store = Store(server.engine, asyncio.get_running_loop(), server.prepare)
        found = await done(store, names)
        assert isinstance(found, StoreAway)
        said.append(str(found))
        store.close()

    said = [
        repr(server.engine),
        repr(server.engine.url),
        repr(server),
        repr(postgres.keywords()),
        str(postgres.keywords()),
        server.place,
    ]
    asyncio.run(refused())
    try:
        server.prepare()
    except OSError as error:
        said += traceback.format_exception(error)
    assert len(said) > 7 and PASSWORD not in "\n".join([*said, caplog.text])


def test_a_statement_that_fails_tells_neither_its_values_nor_its_text(postgres: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        server = server_of(postgres, "values")
        server.prepare()
        store = Store(server.engine, asyncio.get_running_loop())

        def work(connection: sa.Connection) -> None:
            connection.execute(
                holds.insert().values(dict.fromkeys(holds.c.keys(), "canary") | {"created": 1, "expires": 1, "ended": 1})
            )

        told = str(await done(store, work)) + caplog.text
        assert "violates check constraint" in told or "value too long" in told
        assert "canary" not in told and "INSERT" not in told
        assert await done(store, names) == []  # it is there all the same
        store.close()

    asyncio.run(fails())


@pytest.mark.long
def test_the_servers_certificate_is_verified_where_sslmode_says_so(tmp_path: Path) -> None:
    with Postgres() as postgres:
        certificate, key = Authority(tmp_path / "pki", "db CA").server("server", "127.0.0.1")
        other = Authority(tmp_path / "other", "other CA")
        postgres.use_certificate(certificate, key)
        trusted = {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "pki" / "ca.crt")}
        server_of(postgres, **trusted).prepare()
        with pytest.raises(ConnectionError, match="certificate verify failed"):
            server_of(postgres, **trusted | {"sslrootcert": str(other.certificate)}).prepare()
        with pytest.raises(ConnectionError, match="does not match host name"):
            server_of(postgres, **trusted, host="localhost", hostaddr="127.0.0.1").prepare()


def test_a_file_of_passwords_is_read_where_the_url_has_none(tmp_path: Path, postgres: Postgres) -> None:
    file = tmp_path / "pgpass"
    file.touch(mode=0o600)
    file.write_text(f"127.0.0.1:{postgres.port}:l7gw:l7gw:{PASSWORD}\n")
    server_of(postgres, "passfile", password="", passfile=str(file)).prepare()
    with pytest.raises(ConnectionError, match="no password supplied"):
        server_of(postgres, password="").prepare()


def test_a_gateway_without_a_server_does_not_load_its_driver() -> None:
    """It takes a tenth of a second, and some megabytes."""
    rooms = (
        "l7gw.approval.desk, l7gw.store.bell, l7gw.store.database, l7gw.supervisor.hold_desk, l7gw.supervisor.serve, l7gw.cli.check"
    )
    code = f"import sys, {rooms}; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
