"""Which gateways live: a lock tells at once within a state, an old row elsewhere."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.approval.lease import DEAD_AFTER, FOLDER, Lease
from l7gw.approval.rows import SECOND
from l7gw.store.tables import gateways
from tests.support.databases import engine_of
from tests.support.faults import until

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
    here, there = elsewhere(tmp_path)
    with engine_of(tmp_path).begin() as connection:
        there.renew(connection, NOW)
        for seconds in (0, 10, 20, 30):
            assert here.bury(connection, NOW + seconds * SECOND) == []
        assert here.bury(connection, NOW + DEAD_AFTER + 1) == ["there"]
        there.renew(connection, NOW + DEAD_AFTER + 2)  # it was only slow
        assert listed(connection) == ["there"]
        there.end(connection)
        assert listed(connection) == []


def test_after_a_database_that_was_away_the_living_have_time_to_say_so(tmp_path: Path) -> None:
    here, there = elsewhere(tmp_path)
    back = NOW + 600 * SECOND
    with engine_of(tmp_path).begin() as connection:
        there.renew(connection, NOW)
        for seconds in (0, 10, 20, 30):
            here.bury(connection, NOW + seconds * SECOND)
        there.renew(connection, NOW + 30 * SECOND)
        assert here.bury(connection, back) == []
        there.renew(connection, back + 9 * SECOND)
        for seconds in (10, 20, 30, 39):
            assert here.bury(connection, back + seconds * SECOND) == []
        assert here.bury(connection, back + 39 * SECOND + 1) == ["there"]


def test_a_lease_that_is_renewed_while_it_is_buried_stays(tmp_path: Path, each_database: str) -> None:
    if each_database == "sqlite":
        return  # it has one writer at a time
    here, there = elsewhere(tmp_path)
    engine = engine_of(tmp_path)
    with engine.begin() as connection:
        there.renew(connection, NOW)
        for seconds in (0, 10, 20, 30):
            here.bury(connection, NOW + seconds * SECOND)
    found: list[list[str]] = []

    def bury() -> None:
        with engine.begin() as connection:
            found.append(here.bury(connection, NOW + 31 * SECOND))

    with engine.begin() as connection:
        there.renew(connection, NOW + 31 * SECOND)
        burying = threading.Thread(target=bury)
        burying.start()
        until(lambda: waits_for_a_row(engine))
    burying.join()
    assert found == [[]]


def waits_for_a_row(engine: sa.Engine) -> bool:
    """Whether a transaction waits for another one's row."""
    with engine.connect() as connection:
        return bool(connection.exec_driver_sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'transactionid'").all())


def elsewhere(folder: Path) -> tuple[Lease, Lease]:
    """The leases of two gateways on two machines."""
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    return Lease(folder / "a", "here"), Lease(folder / "b", "there")


def test_nobody_takes_the_place_of_a_gateway(tmp_path: Path) -> None:
    lease = Lease(tmp_path, "one")
    with pytest.raises(FileExistsError):
        Lease(tmp_path, "one")
    lease.close()
    assert [*(tmp_path / FOLDER).iterdir()] == []
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700
