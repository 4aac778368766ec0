"""The table of states, row by row, in the store: what may happen happens once, and everything else changes nothing."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.messages import STATES, State
from l7gw.approval.states import LIVE, TABLE, Event, move
from l7gw.store.tables import holds
from tests.support.databases import engine_of
from tests.support.desks import asked

pytestmark = pytest.mark.usefixtures("each_database")

EVENTS: tuple[Event, ...] = get_args(Event)
NOW = 1_700_000_000_000_000

# The same table in another form: a row for each state, a column for each event, as docs/approvals.md draws it.
DRAWN = """
              approve   deny     expire   cancel     void   consume
pending       approved  denied   expired  cancelled  void   -
approved      -         denied   expired  cancelled  void   consumed
denied        -         -        -        -          -      -
expired       -         -        -        -          -      -
cancelled     -         -        -        -          -      -
consumed      -         -        -        -          -      -
void          -         -        -        -          -      -
"""
HEAD, *ROWS = [line.split() for line in DRAWN.strip().splitlines()]
MOVES = [(row[0], event, to) for row in ROWS for event, to in zip(HEAD, row[1:])]


OPENED: dict[str, sa.Engine] = {}  # one database of each kind for all tests of this file


@pytest.fixture
def engine(each_database: str, tmp_path_factory: pytest.TempPathFactory) -> sa.Engine:
    if each_database not in OPENED:
        OPENED[each_database] = engine_of(tmp_path_factory.mktemp("states"))
    return OPENED[each_database]


def in_state(connection: sa.Connection, state: str) -> str:
    """A new hold, put into a state past `move`."""
    hold = f"hold-{connection.execute(sa.select(sa.func.count()).select_from(holds)).scalar_one()}"
    rows.insert(connection, asked(hold), hold=hold, gateway="g", now=NOW)
    connection.execute(holds.update().where(holds.c.id == hold).values(state=state))
    return hold


@pytest.mark.parametrize(("state", "event", "to"), MOVES, ids=[f"{state}-{event}" for state, event, _ in MOVES])
def test_each_cell_of_the_table_is_what_happens_in_the_store(engine: sa.Engine, state: str, event: Event, to: str) -> None:
    with engine.begin() as connection:
        hold = in_state(connection, state)
        before = connection.execute(sa.select(holds).where(holds.c.id == hold)).one()
        assert move(connection, hold, event, NOW + 5, why="because") is (to != "-")
        after = connection.execute(sa.select(holds).where(holds.c.id == hold)).one()
        if to == "-":
            assert after == before
        else:
            assert (after.state, after.why, after.ended) == (to, "because", None if to in LIVE else NOW + 5)
            assert move(connection, hold, event, NOW + 6) is False


def test_the_table_is_the_drawn_one_and_says_of_every_state_what_may_happen() -> None:
    assert {(state, event): to for state, event, to in MOVES if to != "-"} == {
        (state, event): to for state, events in TABLE.items() for event, to in events.items()
    }
    assert tuple(TABLE) == STATES == get_args(State) and {*HEAD} == {*EVENTS}
    assert LIVE == ("pending", "approved")


def test_the_documents_draw_the_same_table() -> None:
    page = (Path(__file__).parents[2] / "docs/approvals.md").read_text().partition("## Grants")[0]
    drawn = {
        cells[0].strip("`* "): [cell.strip("`* ") for cell in cells[1:]]
        for cells in re.findall(r"^\|(.+)\|$", page, re.M)
        for cells in [[c.strip() for c in cells.split("|")]]
    }
    assert [drawn[row[0]] for row in ROWS] == [[to.replace("-", "") for to in row[1:]] for row in ROWS]


@pytest.mark.parametrize(("state", "event"), [*product(("pending", "approved"), EVENTS)])
def test_a_condition_that_is_not_met_leaves_the_hold_as_it_was(engine: sa.Engine, state: str, event: Event) -> None:
    with engine.begin() as connection:
        hold = in_state(connection, state)
        assert move(connection, hold, event, NOW, holds.c.bound == "another") is False
        assert rows.one(connection, hold).state == state


def test_the_database_holds_no_word_that_is_no_state(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        in_state(connection, "perhaps")


def test_a_hold_that_does_not_exist_does_not_move(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert not any(move(connection, "nobody's", event, NOW) for event in EVENTS)
