"""The thread: one transaction a piece of work, in order, answered on the loop; what fails leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.errors import Refusal
from l7gw.store.database import NAME, Store, StoreAway, of_state
from l7gw.store.tables import gateways
from tests.support.databases import engine_of, store_of
from tests.support.desks import answer

both = pytest.mark.usefixtures("each_database")


def with_store(state: Path, test: Callable[[Store], object]) -> None:
    async def run() -> None:
        store = store_of(state)
        try:
            await test(store)  # type: ignore[misc]
        finally:
            store.close()

    state.mkdir(mode=0o700, exist_ok=True)
    asyncio.run(run())


def add(name: str) -> Callable[[sa.Connection], int]:
    return lambda connection: connection.execute(gateways.insert().values(id=name, renewed=1)).rowcount


def names(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(gateways.c.id).order_by(gateways.c.id)).scalars())


@both
def test_work_is_done_in_its_order_elsewhere_and_answered_on_the_loop(tmp_path: Path) -> None:
    async def ordered(store: Store) -> None:
        here, seen = threading.get_ident(), []
        store.do(
            lambda _connection: threading.get_ident(), lambda there: seen.append((there != here, threading.get_ident() == here))
        )
        for name in ("a", "b"):
            store.do(add(name), lambda _count: seen.append("added"))
        assert await answer(lambda then: store.do(names, then)) == ["a", "b"]
        assert seen == [(True, True), "added", "added"]

    with_store(tmp_path / "state", ordered)


@both
def test_work_that_fails_leaves_nothing_behind_and_says_why(tmp_path: Path) -> None:
    def refused(connection: sa.Connection) -> None:
        add("a")(connection)
        raise Refusal(409, "Conflict", "no")

    def twice(connection: sa.Connection) -> None:
        add("a")(connection)
        add("a")(connection)

    async def fails(store: Store) -> None:
        assert isinstance(await answer(lambda then: store.do(refused, then)), Refusal)
        assert isinstance(await answer(lambda then: store.do(twice, then)), StoreAway)
        assert await answer(lambda then: store.do(names, then)) == []

    with_store(tmp_path / "state", fails)


@both
def test_what_is_answered_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    async def first(store: Store) -> None:
        await answer(lambda then: store.do(add("a"), then))

    async def second(store: Store) -> None:
        assert await answer(lambda then: store.do(names, then)) == ["a"]

    with_store(tmp_path / "state", first)
    with_store(tmp_path / "state", second)


def test_a_database_that_is_none_is_told_with_its_place_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / NAME).touch(mode=0o600)
    (tmp_path / NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(OSError, match=r"metadata.sqlite cannot be used: file is not a database\n  hint: move"):
        of_state(tmp_path)


def test_a_database_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    (tmp_path / NAME).chmod(0o644)
    with pytest.raises(OSError, match=r"can be looked into by others .*\n  hint: chmod 600"):
        of_state(tmp_path)
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        of_state(tmp_path)


def test_every_file_of_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    engine = of_state(tmp_path)
    with engine.begin() as connection:
        add("a")(connection)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert len([*tmp_path.iterdir()]) == 3  # the database, what was written since, and its index


def test_a_commit_is_synced_and_writers_take_turns(tmp_path: Path) -> None:
    engine = of_state(tmp_path)
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@both
def test_a_database_that_goes_away_is_told_and_comes_back(tmp_path: Path) -> None:
    state = tmp_path / "state"

    async def away(store: Store) -> None:
        other = engine_of(state)
        with other.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gateways RENAME TO away")
        assert isinstance(await answer(lambda then: store.do(names, then)), StoreAway)
        with other.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO gateways")
        assert await answer(lambda then: store.do(names, then)) == []

    with_store(state, away)
