"""A signed message is taken once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.store import once
from l7gw.store.tables import taken_once
from tests.support.databases import engine_of

pytestmark = pytest.mark.usefixtures("each_database")


def test_a_message_is_taken_once_also_by_the_next_process(tmp_path: Path) -> None:
    for expected in ([True, False, True], [False, False, False]):
        engine = engine_of(tmp_path)
        with engine.begin() as connection:
            assert [once.take(connection, text, 1, 300) for text in ("a", "a", "b")] == expected
        engine.dispose()


def test_what_would_be_too_old_anyhow_is_forgotten(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    with engine.begin() as connection:
        connection.execute(taken_once.insert(), [{"mark": f"m{number}", "until": 300} for number in range(500)])
        assert once.take(connection, "late", 301, 299)
        assert once.take(connection, "later", 302, 298)
        assert once.take(connection, "last", 303, 297)
        assert connection.execute(sa.select(sa.func.count()).select_from(taken_once)).scalar() == 3
    engine.dispose()


def test_of_two_gateways_that_take_one_message_at_once_one_takes_it(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    with ThreadPoolExecutor(8) as pool:

        def take(number: int) -> bool:
            with engine.begin() as connection:
                return once.take(connection, "m", 1, 300)

        assert sorted(pool.map(take, range(16))) == [False] * 15 + [True]
    engine.dispose()
