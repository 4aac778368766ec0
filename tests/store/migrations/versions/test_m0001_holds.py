"""The first step, on an empty database."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from l7gw.store.migrate import run_steps
from l7gw.store.tables import metadata


def test_the_first_step_makes_every_table_and_index(tmp_path: Path) -> None:
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(tmp_path / "m.sqlite")))
    with engine.begin() as connection:
        run_steps(connection)
        found = sa.inspect(connection)
        assert {*metadata.tables} == {*found.get_table_names()} - {"alembic_version"}
        for name, table in metadata.tables.items():
            assert {index.name for index in table.indexes} == {index["name"] for index in found.get_indexes(name)}
