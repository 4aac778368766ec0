"""Brings a database to the newest tables. A new one is made as `tables` says. One of an earlier version is changed step by step:
each step is a file in `migrations/versions`, run by Alembic. Either is one transaction. A test holds the steps against the tables.
"""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa

from l7gw.store.tables import metadata

NEWEST = "0002"  # the revision of the newest step
STEPS = Path(__file__).parent / "migrations"
NOTED = sa.Table(  # Alembic's own table: the revision that the database has
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), nullable=False, primary_key=True)
)


def migrate(engine: sa.Engine) -> None:
    """Make the tables, or change those of an earlier version. Raises OSError for a database that a later version wrote."""
    with engine.begin() as connection:
        found = _revision(connection)
        if found is None:
            metadata.create_all(connection)
            NOTED.create(connection)
            connection.execute(NOTED.insert().values(version_num=NEWEST))
        elif found > NEWEST:
            raise OSError(f"the database was written by a later version of l7gw (tables {found}, this one knows {NEWEST})")
        elif found < NEWEST:
            run_steps(connection)


def _revision(connection: sa.Connection) -> str | None:
    """The revision of the tables; None for an empty database."""
    if not sa.inspect(connection).has_table(NOTED.name):
        return None
    return str(connection.execute(sa.select(NOTED.c.version_num)).scalar_one())


def run_steps(connection: sa.Connection) -> None:
    """Run the steps that the database lacks."""
    from alembic import command  # takes 0.2 s to import, and only the first start of a new version needs it
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, NEWEST)
