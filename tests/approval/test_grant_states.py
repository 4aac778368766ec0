"""The table of a grant's states, row by row, in the store: what may happen happens once, and everything else changes nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import sqlalchemy as sa

from l7gw.approval import grant_rows
from l7gw.approval.grant_messages import GRANT_STATES, GrantState
from l7gw.approval.grant_states import GRANT_LIVE, GRANT_TABLE, GrantEvent, move_grant
from l7gw.store.tables import grants
from tests.support.databases import engine_of
from tests.support.desks import wish

EVENTS: tuple[GrantEvent, ...] = get_args(GrantEvent)
NOW = 1_700_000_000_000_000

# The same table in another form: a row for each state, a column for each event, as docs/approvals.md draws it.
DRAWN = """
              approve   deny     expire   revoke   end
pending       approved  denied   expired  revoked  -
approved      -         -        -        revoked  ended
denied        -         -        -        -        -
expired       -         -        -        -        -
revoked       -         -        -        -        -
ended         -         -        -        -        -
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
    """A new grant, put into a state past `move_grant`."""
    grant = f"grant-{connection.execute(sa.select(sa.func.count()).select_from(grants)).scalar_one()}"
    grant_rows.insert(connection, wish(grant), grant, NOW)
    connection.execute(grants.update().where(grants.c.id == grant).values(state=state))
    return grant


@pytest.mark.parametrize(("state", "event", "to"), MOVES, ids=[f"{state}-{event}" for state, event, _ in MOVES])
def test_each_cell_of_the_table_is_what_happens_in_the_store(engine: sa.Engine, state: str, event: GrantEvent, to: str) -> None:
    with engine.begin() as connection:
        grant = in_state(connection, state)
        before = connection.execute(sa.select(grants).where(grants.c.id == grant)).one()
        assert move_grant(connection, grant, event, NOW + 5, why="because") is (to != "-")
        after = connection.execute(sa.select(grants).where(grants.c.id == grant)).one()
        if to == "-":
            assert after == before
        else:
            assert (after.state, after.why, after.ended) == (to, "because", None if to in GRANT_LIVE else NOW + 5)
            assert move_grant(connection, grant, event, NOW + 6) is False


def test_the_table_is_the_drawn_one_and_says_of_every_state_what_may_happen() -> None:
    assert {(state, event): to for state, event, to in MOVES if to != "-"} == {
        (state, event): to for state, events in GRANT_TABLE.items() for event, to in events.items()
    }
    assert tuple(GRANT_TABLE) == GRANT_STATES == get_args(GrantState) and {*HEAD} == {*EVENTS}
    assert GRANT_LIVE == ("pending", "approved")


def test_the_documents_draw_the_same_table() -> None:
    page = (Path(__file__).parents[2] / "docs/approvals.md").read_text()
    _, _, section = page.partition("## Grants")
    drawn = {
        cells[0].strip("`* "): [cell.strip("`* ") for cell in cells[1:]]
        for cells in ([c.strip() for c in row.split("|")] for row in re.findall(r"^\|(.+)\|$", section, re.M))
    }
    assert [drawn[row[0]] for row in ROWS] == [[to.replace("-", "") for to in row[1:]] for row in ROWS]


def test_the_database_holds_no_word_that_is_no_state(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        in_state(connection, "perhaps")
