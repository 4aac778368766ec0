"""Brings a database to the newest tables. A new one is made as `tables` says. One of an earlier version is changed step by step:
each step is a file in `migrations/versions`, run by Alembic. Either is one transaction. A test holds the steps against the tables.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import sqlalchemy as sa

from l7gw.store.tables import holds, metadata
from l7gw.store.turns import take_turns

NEWEST = "0004"  # the revision of the newest step
LONGEST_STEP = "60s"  # for a step, and for another gateway's steps before it
STEPS = Path(__file__).parent / "migrations"
REVISION = re.compile("[0-9]{4}")
NOTED = sa.Table(  # Alembic's own table: the revision that the database has
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), nullable=False, primary_key=True)
)


def migrate(engine: sa.Engine) -> None:
    """Make the tables, or change those of an earlier version. Raises OSError for a database that a later version wrote, and for one
    that has no schema to make them in. Of several gateways that begin at once one does it, and the others wait."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            _wait_for_others(connection)
        found = _revision(connection)
        if found is None:
            metadata.create_all(connection)
            NOTED.create(connection)
            connection.execute(NOTED.insert().values(version_num=NEWEST))
        elif found > NEWEST:
            raise OSError(f"the database was written by a later version of l7gw (tables {found}, this one knows {NEWEST})")
        elif found < NEWEST:
            run_steps(connection)


def _wait_for_others(connection: sa.Connection) -> None:
    """Wait until no other gateway changes the tables. The lock ends with the transaction."""
    for setting in ("statement_timeout", "lock_timeout"):
        connection.execute(sa.select(sa.func.set_config(setting, LONGEST_STEP, sa.true())))
    take_turns(connection, "tables")
    if connection.execute(sa.select(sa.func.current_schema())).scalar() is None:
        hint = "CREATE SCHEMA it, owned by the gateway's role; or see that role's search_path, and `options` in `store`"
        raise OSError(f"the database has no schema of the gateway's search_path\n  hint: {hint}")


def _revision(connection: sa.Connection) -> str | None:
    """The revision of the tables; None for an empty database. Raises OSError where it is not ours, or tables are missing."""
    inspected = sa.inspect(connection)
    if not inspected.has_table(NOTED.name):
        return None
    noted = [str(one) for one in connection.execute(sa.select(NOTED.c.version_num)).scalars()]
    if len(noted) != 1 or not REVISION.fullmatch(noted[0]) or not inspected.has_table(holds.name):
        hint = "give the gateway a database or a schema of its own; of a copy that is not whole, drop that table"
        raise OSError(f"the table {NOTED.name} in the database is not l7gw's\n  hint: {hint}")
    return noted[0]


def run_steps(connection: sa.Connection) -> None:
    """Run the steps that the database lacks."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # before the import, which logs what it sets up
    from alembic import command  # takes 0.2 s to import, and only the first start of a new version needs it
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, NEWEST)
