"""Who counts before it adds takes turns with others who do, at a server too."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.store.tables import gateways
from l7gw.store.turns import take_turns
from tests.support.databases import engine_of

MOST, RACERS = 5, 12


@pytest.mark.usefixtures("each_database")
def test_of_many_that_count_at_once_no_more_are_added_than_may_be(tmp_path: Path) -> None:
    barrier, added = threading.Barrier(RACERS), []

    def race(number: int, engine: sa.Engine) -> None:
        barrier.wait()
        with engine.begin() as connection:
            take_turns(connection, "things")
            if connection.execute(sa.select(sa.func.count()).select_from(gateways)).scalar_one() < MOST:
                connection.execute(gateways.insert().values(id=f"{number}", renewed=1))
                added.append(number)

    racers = [threading.Thread(target=race, args=(number, engine_of(tmp_path))) for number in range(RACERS)]
    for one in racers:
        one.start()
    for one in racers:
        one.join()
    assert len(added) == MOST
