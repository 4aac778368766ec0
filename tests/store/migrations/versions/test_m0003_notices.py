"""The third step keeps what the second has written."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from l7gw.store import once, outbox
from l7gw.store.migrate import STEPS, migrate


def test_a_database_of_the_second_step_can_note_and_remember_and_keeps_its_gateways(tmp_path: Path) -> None:
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(tmp_path / "m.sqlite")))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(STEPS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(sa.text("INSERT INTO gateways VALUES ('g', 1)"))
        assert not sa.inspect(connection).has_table("notices")
    migrate(engine)
    engine.update_execution_options(**{outbox.CHANNELS: ("slack",)})
    with engine.begin() as connection:
        outbox.note(connection, "hold", "h1", 1)
        assert outbox.take(connection, "slack", "g", 1) is not None
        assert [once.take(connection, "m", 1, 2) for _ in range(2)] == [True, False]
        assert connection.execute(sa.text("SELECT id FROM gateways")).scalars().all() == ["g"]
