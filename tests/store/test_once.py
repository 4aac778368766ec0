"""A signed message is taken once."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from l7gw.store import once
from l7gw.store.database import of_state
from l7gw.store.tables import taken_once


def test_a_message_is_taken_once_also_by_the_next_process(tmp_path: Path) -> None:
    for expected in ([True, False, True], [False, False, False]):
        engine = of_state(tmp_path)
        with engine.begin() as connection:
            assert [once.take(connection, text, 1, 300) for text in ("a", "a", "b")] == expected
        engine.dispose()


def test_what_would_be_too_old_anyhow_is_forgotten(tmp_path: Path) -> None:
    engine = of_state(tmp_path)
    with engine.begin() as connection:
        connection.execute(taken_once.insert(), [{"mark": f"m{number}", "until": 300} for number in range(500)])
        assert once.take(connection, "late", 301, 299)
        assert once.take(connection, "later", 302, 298)
        assert once.take(connection, "last", 303, 297)
        assert connection.execute(sa.select(sa.func.count()).select_from(taken_once)).scalar() == 3
    engine.dispose()
