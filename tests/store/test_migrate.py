"""A new database and one that was changed step by step have the same tables, and nobody touches one of a later version."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from l7gw.store.database import of_state
from l7gw.store.migrate import NEWEST, STEPS, migrate, run_steps
from l7gw.store.tables import metadata
from tests.support.databases import server_of

pytestmark = pytest.mark.usefixtures("each_database")
OF_POSTGRES = """
SELECT table_name || '.' || column_name, concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default)
FROM information_schema.columns WHERE table_schema = current_schema()
UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
"""


def engine(path: Path) -> sa.Engine:
    """A database without tables."""
    path.mkdir(exist_ok=True)
    server = server_of(path)
    return sa.create_engine(sa.URL.create("sqlite", database=str(path / "m.sqlite"))) if server is None else server.engine


def opened(path: Path) -> sa.Engine:
    """The same as the gateway opens it."""
    server = server_of(path)
    if server is None:
        return of_state(path)
    return server.engine


def written_tables(engine: sa.Engine) -> dict[str, str]:
    """The statements that made tables and indexes, without what spaces and line breaks say nothing; at a server, what it says of
    columns, indexes and constraints, without the schema's name."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
        else:
            schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
            found = [(name, said.replace(schema, "")) for name, said in connection.exec_driver_sql(OF_POSTGRES)]
        return {
            name: " ".join(said.split()).replace("( ", "(").replace(" )", ")")
            for name, said in found
            if not name.startswith("alembic_version")
        }


def test_the_steps_lead_to_the_tables_that_a_new_database_has(tmp_path: Path) -> None:
    new, stepped = engine(tmp_path / "new"), engine(tmp_path / "stepped")
    migrate(new)
    with stepped.begin() as connection:
        run_steps(connection)
    with stepped.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert written_tables(stepped) == written_tables(new) != {}


def test_the_newest_step_is_the_one_that_a_new_database_notes(tmp_path: Path) -> None:
    assert ScriptDirectory(str(STEPS)).get_current_head() == NEWEST
    database = engine(tmp_path)
    migrate(database)
    with database.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == NEWEST


def test_a_database_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    database = engine(tmp_path)
    migrate(database)
    with database.begin() as connection:
        connection.execute(metadata.tables["gateways"].insert().values(id="g", renewed=1))
    migrate(database)
    with database.connect() as connection:
        assert connection.execute(sa.select(metadata.tables["gateways"])).all() == [("g", 1)]


def test_a_database_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    database = engine(tmp_path)
    migrate(database)
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OSError, match=r"later version of l7gw \(tables 9999"):
        migrate(database)


@pytest.mark.parametrize("noted", [(), ("ae1027a6acf4",), ("0001", "0002"), ("",), ("0001",), (NEWEST,)])
def test_the_tables_of_another_program_are_not_touched(tmp_path: Path, noted: tuple[str, ...]) -> None:
    """Its steps are Alembic's too, or the table is left of a database that was copied in part."""
    database = engine(tmp_path)
    with database.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        for one in noted:
            connection.execute(sa.text("INSERT INTO alembic_version VALUES (:one)"), {"one": one})
    with pytest.raises(OSError, match="alembic_version in the database is not l7gw's\n  hint: "):
        migrate(database)
    assert sa.inspect(database).get_table_names() == ["alembic_version"]


def test_of_gateways_that_begin_at_once_one_makes_the_tables(tmp_path: Path) -> None:
    barrier, failed = threading.Barrier(4), []

    def begin() -> None:
        barrier.wait()
        try:
            migrate(opened(tmp_path))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []


def test_a_database_without_a_step_that_alembic_knows_is_brought_there(tmp_path: Path) -> None:
    database = engine(tmp_path)
    with database.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('0000')"))
        connection.execute(sa.text("DELETE FROM alembic_version"))
    with database.begin() as connection:
        run_steps(connection)
    assert sa.inspect(database).has_table("holds")
