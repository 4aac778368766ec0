"""Which gateways live: a lock tells at once within a state, an old row elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.approval.lease import DEAD_AFTER, FOLDER, Lease
from l7gw.store.tables import gateways
from tests.support.databases import engine_of

pytestmark = pytest.mark.usefixtures("each_database")

NOW = 1_700_000_000_000_000


def listed(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(gateways.c.id).order_by(gateways.c.id)).scalars())


def test_a_gateway_of_the_same_state_is_dead_as_soon_as_its_lock_is_gone(tmp_path: Path) -> None:
    one, two = Lease(tmp_path, "one"), Lease(tmp_path, "two")
    with engine_of(tmp_path).begin() as connection:
        one.renew(connection, NOW)
        two.renew(connection, NOW)
        assert two.bury(connection, NOW) == [] and listed(connection) == ["one", "two"]
        (tmp_path / FOLDER / "two").unlink()  # not the lock: its name alone says nothing about another's life
        assert one.bury(connection, NOW) == []
        one.close()
        Lease(tmp_path, "one").close()
        (tmp_path / FOLDER / "one").touch()  # as a killed process leaves it
        assert two.bury(connection, NOW) == ["one"] and listed(connection) == ["two"]
        assert not (tmp_path / FOLDER / "one").exists()


def test_a_gateway_elsewhere_is_dead_when_it_was_not_heard_of_for_half_a_minute(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here, there = Lease(tmp_path / "a", "here"), Lease(tmp_path / "b", "there")
    with engine_of(tmp_path).begin() as connection:
        there.renew(connection, NOW)
        assert here.bury(connection, NOW + DEAD_AFTER) == []
        assert here.bury(connection, NOW + DEAD_AFTER + 1) == ["there"]
        there.renew(connection, NOW + DEAD_AFTER + 2)  # it was only slow
        assert listed(connection) == ["there"]
        there.end(connection)
        assert listed(connection) == []


def test_nobody_takes_the_place_of_a_gateway(tmp_path: Path) -> None:
    lease = Lease(tmp_path, "one")
    with pytest.raises(FileExistsError):
        Lease(tmp_path, "one")
    lease.close()
    assert [*(tmp_path / FOLDER).iterdir()] == []
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700
