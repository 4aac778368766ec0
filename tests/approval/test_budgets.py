"""What budgets count in the store: as many calls as they say pass in a window that slides, whoever races, and across restarts."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.approval.budgets import AT_ONCE, forget, give_back, look, take
from l7gw.approval.messages import Exceeded, Spending, Spent
from l7gw.approval.rows import SECOND
from l7gw.budget_terms import BudgetKind, BudgetTerms, Limit
from l7gw.errors import Refusal
from l7gw.store.database import StoreAway, of_state
from l7gw.store.tables import budgets
from tests.support.databases import engine_of
from tests.support.desks import Seat, answer, run

NOW = 1_700_000_000_000_000
PER = 600
RACERS = 50
FIVE = (Limit("deletes", 5),)


def spending(
    person: str = "ann", rule: str = "r", kinds: tuple[BudgetKind, ...] = ("deletes",), limits: tuple[Limit, ...] = FIVE
) -> Spending:
    return Spending(person=person, budget=BudgetTerms(rule, limits, PER), kinds=kinds)


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return of_state(tmp_path)


def taken(engine: sa.Engine, now: int, one: Spending | None = None, *, approved: bool = False) -> Spent | Exceeded:
    with engine.begin() as connection:
        return take(connection, one or spending(), now, approved=approved)


def rows(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(budgets)).scalar_one()


def test_the_window_slides_so_that_no_edge_of_it_doubles_the_budget(engine: sa.Engine) -> None:
    for number in range(5):
        assert isinstance(taken(engine, NOW + number * 100 * SECOND), Spent)
    found = taken(engine, NOW + 599 * SECOND)
    assert found == Exceeded(limit=Limit("deletes", 5), goes_on=NOW + PER * SECOND)
    assert isinstance(taken(engine, NOW + PER * SECOND), Spent)
    assert taken(engine, NOW + PER * SECOND) == Exceeded(limit=Limit("deletes", 5), goes_on=NOW + (PER + 100) * SECOND)


def test_what_is_refused_is_not_counted_and_writes_nothing(engine: sa.Engine) -> None:
    for number in range(5):
        taken(engine, NOW + number)
    wrote: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *called: wrote.append(called[2]))
    for number in range(5, 20):
        taken(engine, NOW + number)
    assert {statement.split()[0] for statement in wrote} <= {"BEGIN", "SELECT"}
    assert taken(engine, NOW + 20) == Exceeded(limit=Limit("deletes", 5), goes_on=NOW + PER * SECOND)


def test_each_person_and_each_rule_has_a_budget_of_its_own(engine: sa.Engine) -> None:
    for _ in range(5):
        taken(engine, NOW)
    for one in (spending("bob"), spending(rule="s")):
        assert isinstance(taken(engine, NOW, one), Spent)
    assert isinstance(taken(engine, NOW), Exceeded)


def test_a_call_of_two_kinds_is_counted_in_both_or_in_none(engine: sa.Engine) -> None:
    limits = (Limit("calls", 3), Limit("deletes", 1))
    both, one = spending(kinds=("calls", "deletes"), limits=limits), spending(kinds=("calls",), limits=limits)
    assert isinstance(taken(engine, NOW, both), Spent)
    for _ in range(3):
        assert taken(engine, NOW + 1, both) == Exceeded(limit=Limit("deletes", 1), goes_on=NOW + PER * SECOND)
    assert isinstance(taken(engine, NOW + 2, one), Spent) and isinstance(taken(engine, NOW + 3, one), Spent)
    assert taken(engine, NOW + 4, one) == Exceeded(limit=Limit("calls", 3), goes_on=NOW + PER * SECOND)


def test_a_call_approved_beyond_its_budget_goes_on_counts_and_takes_no_more_room(engine: sa.Engine) -> None:
    for number in range(12):
        assert isinstance(taken(engine, NOW + number * SECOND, approved=True), Spent)
    assert taken(engine, NOW + 12 * SECOND) == Exceeded(limit=Limit("deletes", 5), goes_on=NOW + (PER + 7) * SECOND)
    with engine.connect() as connection:
        assert connection.execute(sa.select(budgets.c.times)).scalar_one().count(",") == 4


def test_a_look_counts_nothing_and_says_what_a_call_would_be_told(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert look(connection, spending(), NOW) is None
    assert rows(engine) == 0
    for _ in range(5):
        taken(engine, NOW)
    with engine.begin() as connection:
        assert look(connection, spending(), NOW + 1) == Exceeded(limit=Limit("deletes", 5), goes_on=NOW + PER * SECOND)
        assert look(connection, spending(), NOW + PER * SECOND) is None


def test_a_call_that_did_not_go_on_counts_no_more(engine: sa.Engine) -> None:
    found = [taken(engine, NOW) for _ in range(5)]
    assert isinstance(found[0], Spent)
    with engine.begin() as connection:
        give_back(connection, found[0])
    assert isinstance(taken(engine, NOW + 1), Spent) and isinstance(taken(engine, NOW + 1), Exceeded)
    with engine.begin() as connection:
        give_back(connection, Spent(key="unknown", rule="r", kinds=("deletes",), time=NOW))
        forget(connection, NOW + 2 * PER * SECOND)
        give_back(connection, found[0])


def test_a_clock_that_was_ahead_locks_nobody_out_for_longer_than_the_window(engine: sa.Engine) -> None:
    year = 365 * 86400 * SECOND
    for _ in range(5):
        taken(engine, NOW + year)
    assert taken(engine, NOW) == Exceeded(limit=Limit("deletes", 5), goes_on=NOW + PER * SECOND)
    assert isinstance(taken(engine, NOW + PER * SECOND), Spent)


def test_a_budget_that_was_made_smaller_counts_the_newest(engine: sa.Engine) -> None:
    for number in range(5):
        taken(engine, NOW + number * SECOND)
    found = taken(engine, NOW + 10 * SECOND, spending(limits=(Limit("deletes", 2),)))
    assert found == Exceeded(limit=Limit("deletes", 2), goes_on=NOW + (PER + 3) * SECOND)


def test_rows_go_when_nothing_in_them_counts_any_more(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for number in range(AT_ONCE + 3):
            take(connection, spending(f"p{number}"), NOW)
        take(connection, spending("late"), NOW + 10 * SECOND)
        forget(connection, NOW + (PER - 1) * SECOND)
        assert connection.execute(sa.select(sa.func.count()).select_from(budgets)).scalar_one() == AT_ONCE + 4
        forget(connection, NOW + PER * SECOND)
        forget(connection, NOW + PER * SECOND)
    assert rows(engine) == 1


@pytest.mark.usefixtures("each_database")
def test_of_fifty_that_race_on_connections_of_their_own_five_pass(tmp_path: Path) -> None:
    engine_of(tmp_path).dispose()
    barrier, passed = threading.Barrier(RACERS), []

    def race() -> None:
        own = engine_of(tmp_path)
        barrier.wait()
        if isinstance(taken(own, NOW), Spent):
            passed.append(1)
        own.dispose()

    racers = [threading.Thread(target=race) for _ in range(RACERS)]
    for one in racers:
        one.start()
    for one in racers:
        one.join()
    assert len(passed) == 5


@pytest.mark.usefixtures("each_database")
def test_the_desk_counts_across_a_restart_and_forgets_in_its_upkeep(tmp_path: Path) -> None:
    async def first(seat: Seat) -> None:
        for _ in range(5):
            assert isinstance(await answer(lambda then: seat.desk.budgets.take(spending(), then)), Spent)

    async def second(seat: Seat) -> None:
        found = await answer(lambda then: seat.desk.budgets.take(spending(), then))
        assert isinstance(found, Exceeded)
        spent = await answer(lambda then: seat.desk.budgets.take(spending(), then, approved=True))
        assert isinstance(spent, Spent)
        seat.desk.budgets.give_back(spent)
        await seat.tick(PER + 10)
        assert await answer(lambda then: seat.desk.budgets.look(spending(), then)) is None
        with engine_of(tmp_path / "state").connect() as connection:
            assert connection.execute(sa.select(budgets)).all() == []

    run(first, tmp_path)
    run(second, tmp_path)


def test_a_store_that_is_away_lets_no_counted_call_pass_and_says_why(tmp_path: Path) -> None:
    async def away(seat: Seat) -> None:
        real = seat.store.do

        def fails(work: object, then: object) -> None:
            asyncio.get_running_loop().call_soon(then, StoreAway("the disk is gone"))  # type: ignore[arg-type]

        seat.store.do = fails  # type: ignore[method-assign]
        try:
            found = await answer(lambda then: seat.desk.budgets.take(spending(), then))
        finally:
            seat.store.do = real  # type: ignore[method-assign]
        assert isinstance(found, Refusal) and found.code == 503
        assert found.message.endswith("this call has a budget, and nobody can count it now, so nothing was done: the disk is gone")

    run(away, tmp_path)
