"""Parts of a list, and what begins with a prefix, of holds and of grants: of those alone that the one who asks may see."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import sqlalchemy as sa

MOST_LISTED = 500  # of one answer, and that are looked at for it
MOST_UNSEEN = 100  # looked at for who may not see them: each takes 0.1 ms, and all work on the database waits
READ_AT_ONCE = 50


class Listed(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=Listed)
Read = Callable[[sa.Connection, Sequence[str]], list[T]]  # those of these ids, newest first


class Parts(Generic[T]):
    """What is in one table with the columns `id` and `state`. `seen` says whether who asks may see one; it is called in the store's
    thread."""

    def __init__(self, table: sa.Table, read: Read[T]) -> None:
        self._table = table
        self._read = read

    def of_prefix(self, connection: sa.Connection, prefix: str, seen: Callable[[T], bool]) -> list[T]:
        """Those whose ids begin so and that are `seen`, two at most: more need not be told apart. Of more than MOST_UNSEEN that
        begin so the newest are looked at."""
        ids = self._table.c.id
        found = sa.select(ids).where(ids.startswith(prefix, autoescape=True)).order_by(ids.desc()).limit(MOST_UNSEEN)
        newest = list(connection.execute(found).scalars())
        return list(itertools.islice(filter(seen, self._in_parts(connection, newest)), 2))

    def page(
        self, connection: sa.Connection, states: Sequence[str], seen: Callable[[T], bool], *, most: int, before: str
    ) -> tuple[list[T], str]:
        """The newest in these states that are `seen`, newest first; with `before`, of those whose ids are below it. It ends where
        MOST_LISTED were looked at, or MOST_UNSEEN that are not seen. Beside them where the list goes on: the id of one that was
        seen, or what tells nobody the id of another one; "" behind the last."""
        column = self._table.c.id
        where = [self._table.c.state.in_(states)] + ([column < before] if before else [])
        newest = sa.select(column).where(*where).order_by(column.desc()).limit(MOST_LISTED + 1)
        ids = list(connection.execute(newest).scalars())
        found: list[T] = []
        looked = unseen = 0
        for one in self._in_parts(connection, ids[:MOST_LISTED]):
            looked += 1
            if not seen(one):
                unseen += 1
            elif len(found) == most:
                return found, found[-1].id
            else:
                found.append(one)
            if unseen == MOST_UNSEEN:
                break
        return found, _between(ids[looked - 1], ids[looked]) if looked < len(ids) else ""

    def _in_parts(self, connection: sa.Connection, ids: Sequence[str]) -> Iterator[T]:
        """These, newest first. They are read a part at a time, as long as more are asked for."""
        for at in range(0, len(ids), READ_AT_ONCE):
            yield from self._read(connection, ids[at : at + READ_AT_ONCE])


def _between(newer: str, older: str) -> str:
    """What an id is below of which `older` is one, and `newer` is none: no more of it than tells the two apart."""
    same = next(at for at, (one, other) in enumerate(zip(newer, older)) if one != other)
    return newer[: same + 1]
