"""The fourth step keeps what the third version has written."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from l7gw.store.migrate import STEPS, migrate


def test_a_database_of_the_third_version_gets_grants_and_keeps_its_gateways(tmp_path: Path) -> None:
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(tmp_path / "m.sqlite")))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(STEPS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.execute(sa.text("INSERT INTO gateways VALUES ('g', 1)"))
        assert not sa.inspect(connection).has_table("grants")
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM grants, grant_reviews")).scalar_one() == 0
        assert connection.execute(sa.text("SELECT id FROM gateways")).scalars().all() == ["g"]
