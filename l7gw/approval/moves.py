"""Moves of what people decide about, from state to state: a table of states, and the one writer of a state's column.

The UPDATE changes a row only in a state in which the event may happen. So of two events that race one finds the row, the other
finds it gone. A state without a row of events is an end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

S = TypeVar("S", bound=str)  # a state
E = TypeVar("E", bound=str)  # an event


class Moves(Generic[S, E]):
    """The moves of one kind of thing. `where` is its table, with the columns `id`, `state` and `ended`; `table` says which state
    follows in which state on which event; `noted` is called with the id of what has moved, and when, in microseconds."""

    def __init__(self, where: sa.Table, table: Mapping[S, Mapping[E, S]], noted: Callable[[sa.Connection, str, int], None]) -> None:
        self._where = where
        self._noted = noted
        self.live: tuple[S, ...] = tuple(state for state, events in table.items() if events)
        self._from: dict[E, dict[S, S]] = {}
        for state, events in table.items():
            for event, following in events.items():
                self._from.setdefault(event, {})[state] = following

    def move(
        self, connection: sa.Connection, one: str, event: E, now: int, *conditions: sa.ColumnElement[bool], **values: Any
    ) -> bool:
        """Let an event happen to the one of this id at `now`, in microseconds. False where it is not in a state for it, or one
        of the further `conditions` is not met; nothing is changed then. `values` are further columns to set."""
        columns = self._where.c
        changed = False
        for state, following in self._from[event].items():
            if following not in self.live:
                values["ended"] = now
            where = (columns.id == one, columns.state == state, *conditions)
            changed = connection.execute(self._where.update().where(*where).values(state=following, **values)).rowcount == 1
            if changed:
                self._noted(connection, one, now)
                break
        return changed
