"""A new database and one that was changed step by step have the same tables, and nobody touches one of a later version."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from l7gw.store.migrate import NEWEST, STEPS, migrate, run_steps
from l7gw.store.tables import metadata


def engine(path: Path) -> sa.Engine:
    return sa.create_engine(sa.URL.create("sqlite", database=str(path / "m.sqlite")))


def written_tables(engine: sa.Engine) -> dict[str, str]:
    """The statements that made tables and indexes, without what spaces and line breaks say nothing."""
    with engine.connect() as connection:
        found = connection.execute(
            sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
        )
        return {name: " ".join(sql.split()).replace("( ", "(").replace(" )", ")") for name, sql in found}


def test_the_steps_lead_to_the_tables_that_a_new_database_has(tmp_path: Path) -> None:
    new, stepped = engine(tmp_path), engine(tmp_path)
    migrate(new)
    (tmp_path / "m.sqlite").rename(tmp_path / "new.sqlite")
    new = sa.create_engine(sa.URL.create("sqlite", database=str(tmp_path / "new.sqlite")))
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


def test_a_database_without_a_step_that_alembic_knows_is_brought_there(tmp_path: Path) -> None:
    database = engine(tmp_path)
    with database.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('0000')"))
        connection.execute(sa.text("DELETE FROM alembic_version"))
    with database.begin() as connection:
        run_steps(connection)
    assert "holds" in written_tables(database)
