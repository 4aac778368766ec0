"""What channels must be told: one row for each thing, taken by one gateway at a time, and kept until it was told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.store import outbox
from l7gw.store.tables import notices
from tests.support.databases import engine_of

SECOND = 1_000_000


pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def connection(tmp_path: Path, each_database: str) -> Iterator[sa.Connection]:
    engine = engine_of(tmp_path)
    engine.update_execution_options(**{outbox.CHANNELS: ("slack", "webhook")})
    with engine.begin() as found:
        yield found
    engine.dispose()


def test_a_change_is_noted_for_each_channel_and_for_none_where_none_is_told(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    with engine.begin() as connection:
        outbox.note(connection, "hold", "h1", 1)
        assert connection.execute(sa.select(notices)).all() == []
    engine.update_execution_options(**{outbox.CHANNELS: ("slack", "webhook")})
    with engine.begin() as connection:
        outbox.note(connection, "hold", "h1", 1)
        assert {row.channel for row in connection.execute(sa.select(notices))} == {"slack", "webhook"}
    engine.dispose()


def test_a_thing_that_changes_often_is_one_row_and_is_told_once(connection: sa.Connection) -> None:
    for now in range(5):
        outbox.note(connection, "hold", "h1", now)
    notice = outbox.take(connection, "slack", "g1", 10)
    assert notice is not None and notice.changes == 5 and notice.place == ""
    outbox.told(connection, notice, "g1", 11, "C1/1.2")
    assert outbox.take(connection, "slack", "g1", 12) is None and outbox.next_due(connection, "slack") is None
    assert outbox.next_due(connection, "webhook") == 4


def test_what_changes_while_it_is_told_is_told_again_at_the_same_place(connection: sa.Connection) -> None:
    outbox.note(connection, "hold", "h1", 1)
    notice = outbox.take(connection, "slack", "g1", 1)
    assert notice is not None
    outbox.note(connection, "hold", "h1", 2)
    outbox.told(connection, notice, "g1", 3, "C1/1.2")
    again = outbox.take(connection, "slack", "g1", 3)
    assert again is not None and (again.changes, again.place) == (2, "C1/1.2")


def test_a_row_is_one_gateways_until_its_time_is_over_and_the_late_one_changes_nothing_any_more(connection: sa.Connection) -> None:
    outbox.note(connection, "hold", "h1", 1)
    first = outbox.take(connection, "slack", "g1", 1)
    assert first is not None and outbox.take(connection, "slack", "g2", 2) is None
    assert outbox.next_due(connection, "slack") == first.taken
    second = outbox.take(connection, "slack", "g2", first.taken)
    assert second is not None
    outbox.told(connection, first, "g1", first.taken, "C1/late")
    assert connection.execute(sa.select(notices.c.holder).where(notices.c.channel == "slack")).scalar() == "g2"
    outbox.told(connection, second, "g2", first.taken, "C1/2.0")
    assert connection.execute(sa.select(notices.c.place).where(notices.c.channel == "slack")).scalar() == "C1/2.0"


def test_what_could_not_be_told_is_due_again_later_and_a_change_makes_it_due_at_once(connection: sa.Connection) -> None:
    outbox.note(connection, "hold", "h1", 1)
    notice = outbox.take(connection, "slack", "g1", 1)
    assert notice is not None
    outbox.failed(connection, notice, "g1", 8 * SECOND)
    assert outbox.take(connection, "slack", "g1", 7 * SECOND) is None
    again = outbox.take(connection, "slack", "g1", 8 * SECOND)
    assert again is not None and again.tries == 1
    outbox.given_up(connection, again, "g1")
    assert outbox.next_due(connection, "slack") is None
    outbox.note(connection, "hold", "h1", 9 * SECOND)
    changed = outbox.take(connection, "slack", "g1", 9 * SECOND)
    assert changed is not None and changed.tries == 0


def test_the_one_that_waited_longest_is_first_and_what_is_forgotten_is_gone(connection: sa.Connection) -> None:
    for number, about in enumerate(("h1", "h2", "h3")):
        outbox.note(connection, "hold", about, number)
    outbox.forget(connection, "hold", ["h1"])
    outbox.forget(connection, "hold", [])
    notice = outbox.take(connection, "webhook", "g1", 5)
    assert notice is not None and notice.about == "h2"


def test_of_gateways_that_look_at_once_each_takes_another_row_or_none(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    engine.update_execution_options(**{outbox.CHANNELS: ("slack",)})
    with engine.begin() as connection:
        for number in range(3):
            outbox.note(connection, "hold", f"h{number}", 1)
    with ThreadPoolExecutor(8) as pool:

        def take(number: int) -> str:
            with engine.begin() as connection:
                found = outbox.take(connection, "slack", f"g{number}", 5)
                return found.about if found is not None else ""

        taken = [about for about in pool.map(take, range(8)) if about]
    assert len(taken) == len(set(taken)) >= 1
    engine.dispose()
