"""A database whose file is taken away, put back, or put in the place of another one."""

from __future__ import annotations

import shutil
from pathlib import Path

from l7gw.store.database import NAME, Store, StoreAway
from tests.store.test_database import add, names, with_store
from tests.support.desks import answer


def test_a_file_that_is_gone_takes_nothing_and_goes_on_once_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "state ?#%" / NAME

    async def gone(store: Store) -> None:
        assert await answer(lambda then: store.do(add("a"), then)) == 1
        for taken, where in ((path, path.with_name("aside")), (path.parent, tmp_path / "elsewhere")):
            taken.rename(where)
            for _ in range(2):
                said = await answer(lambda then: store.do(add("b"), then))
                assert isinstance(said, StoreAway) and f"{path} is out of reach: No such file or directory" in str(said)
            assert not path.exists(), "it is not made anew"
            where.rename(taken)
            assert await answer(lambda then: store.do(names, then)) == ["a"]

    with_store(path.parent, gone)


def test_another_file_in_its_place_is_the_one_that_counts(tmp_path: Path) -> None:
    path = tmp_path / "state" / NAME

    async def replaced(store: Store) -> None:
        await answer(lambda then: store.do(add("a"), then))
        await answer(lambda then: store.do(lambda connection: connection.exec_driver_sql("SELECT 1"), then))
        backup = tmp_path / "backup"
        backup.mkdir()
        for one in path.parent.glob(f"{NAME}*"):
            shutil.copy(one, backup)
        await answer(lambda then: store.do(add("b"), then))
        for one in path.parent.glob(f"{NAME}*"):
            one.unlink()
        for one in backup.iterdir():
            shutil.move(one, path.parent)
        assert await answer(lambda then: store.do(names, then)) == ["a"]
        assert await answer(lambda then: store.do(add("c"), then)) == 1

    with_store(path.parent, replaced)
