"""The schema of the tables: whoever else may make things in it is told, and nothing of another schema is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from l7gw.clock import SystemClock
from l7gw.config.settings import PostgresServer
from l7gw.store.bell import ring
from l7gw.store.server import Server
from tests.support.postgres import Postgres

TAKES_OVER = """CREATE FUNCTION {}.pg_notify(varchar, varchar) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'run as %', current_user; END $$"""


@pytest.fixture(scope="module", autouse=True)
def _mallory(postgres: Postgres) -> None:
    postgres.does("CREATE ROLE mallory LOGIN")


def made(postgres: Postgres, name: str) -> Server:
    postgres.does(f"CREATE SCHEMA {name} AUTHORIZATION l7gw", database="l7gw")
    return Server(postgres.keywords(name), SystemClock())


@contextmanager
def open_to_all(postgres: Postgres) -> Iterator[None]:
    """`public` as each new database has it before PostgreSQL 15."""
    postgres.does("GRANT CREATE ON SCHEMA public TO PUBLIC", database="l7gw")
    try:
        yield
    finally:
        postgres.does("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database="l7gw")


def as_mallory(postgres: Postgres, *statements: str) -> None:
    with psycopg.connect(host=str(postgres.folder), port=postgres.port, user="mallory", dbname="l7gw", autocommit=True) as one:
        for statement in statements:
            one.execute(statement.encode())


def test_a_schema_in_which_everybody_may_make_things_is_refused_with_what_to_do(postgres: Postgres) -> None:
    with open_to_all(postgres), pytest.raises(OSError) as refused:
        Server(postgres.keywords(), SystemClock()).prepare()
    assert "the schema public is not the gateway's alone: everybody may make things in it" in str(refused.value)
    assert "\n  hint: in that database: CREATE SCHEMA l7gw AUTHORIZATION l7gw" in str(refused.value)
    assert not isinstance(refused.value, ConnectionError)
    Server(postgres.keywords(), SystemClock()).prepare()


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (("GRANT CREATE ON SCHEMA {0} TO mallory",), "mallory may make things in it"),
        (("ALTER SCHEMA {0} OWNER TO mallory", "GRANT ALL ON SCHEMA {0} TO l7gw"), "mallory may make things in it"),
        (("CREATE TABLE {0}.holds (id text)", "ALTER TABLE {0}.holds OWNER TO mallory"), "mallory owns holds in it"),
        ((TAKES_OVER, "ALTER FUNCTION {0}.pg_notify OWNER TO mallory"), "mallory owns a function in it"),
    ],
)
def test_whoever_else_rules_over_the_schema_is_named(postgres: Postgres, statements: tuple[str, ...], why: str) -> None:
    server = made(postgres, "ruled")
    postgres.does(*(one.format("ruled") for one in statements), database="l7gw")
    try:
        with pytest.raises(OSError, match=why):
            server.prepare()
    finally:
        postgres.does("DROP SCHEMA ruled CASCADE", database="l7gw")


def test_superusers_and_roles_of_which_the_gateways_is_a_member_may_rule(postgres: Postgres) -> None:
    server = made(postgres, "shared")
    postgres.does("CREATE ROLE l7gw_all NOLOGIN", "GRANT l7gw_all TO l7gw")
    postgres.does("ALTER SCHEMA shared OWNER TO l7gw_all", "GRANT CREATE ON SCHEMA shared TO owner", database="l7gw")
    server.prepare()


def test_what_others_make_in_public_is_not_run_by_a_gateway_that_has_a_schema_of_its_own(postgres: Postgres) -> None:
    """By `options`, or by the usual search_path "$user", public."""
    with open_to_all(postgres):
        as_mallory(postgres, TAKES_OVER.format("public"))
    try:
        postgres.does("CREATE SCHEMA l7gw AUTHORIZATION l7gw", database="l7gw")
        server = Server(postgres.keywords(), SystemClock())
        server.prepare()
        with server.engine.begin() as connection:
            ring(connection, "hold", "x")
            assert connection.execute(sa.text("SHOW search_path")).scalar() == "l7gw"
    finally:
        postgres.does("DROP FUNCTION public.pg_notify", "DROP SCHEMA l7gw CASCADE", database="l7gw")


def test_a_database_that_does_not_keep_every_character_is_refused(postgres: Postgres) -> None:
    """A call that holds one of the others could not be held later on."""
    postgres.does("CREATE DATABASE latin OWNER l7gw ENCODING 'LATIN1' TEMPLATE template0")
    found = PostgresServer(postgres.keywords().keywords | {"dbname": "latin"})
    with pytest.raises(OSError, match=r"keeps texts as LATIN1, .*\n  hint: CREATE DATABASE l7gw OWNER l7gw ENCODING 'UTF8'"):
        Server(found, SystemClock()).prepare()
