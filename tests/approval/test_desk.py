"""The desk: which hold answers a call, who hears of its changes and when, and what happens where store or recording fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.approval.messages import Hold
from l7gw.errors import Refusal
from tests.support.databases import engine_of
from tests.support.desks import NO, Seat, Waits, answer, asked, reviewer, run, terms

pytestmark = pytest.mark.usefixtures("each_database")

COMES_BACK = terms(wait="come-back")


def test_a_waiting_call_hears_of_its_approval_and_goes_on_once(tmp_path: Path) -> None:
    async def told(seat: Seat) -> None:
        waiter = Waits()
        hold = await seat.held(asked(), waiter)
        assert (hold.state, hold.rule, hold.needed, hold.ended) == ("pending", "writes", 1, None)
        assert hold.created < hold.expires and hold.created.endswith("Z")
        found = await seat.review(hold, reviewer())
        assert isinstance(found, Hold) and found.state == "approved" and found.reviews[0].user == "rob"
        assert waiter.told == ["approved"]
        assert await seat.claim(hold, "b-a") is True
        assert await seat.claim(hold, "b-a") is False
        assert (await seat.now(hold)).state == "consumed"
        assert [what for _, what in seat.record.events] == ["pending", "rob: approve", "consumed"]

    run(told, tmp_path)


def test_a_call_with_another_binding_is_not_the_approved_one(tmp_path: Path) -> None:
    async def bound(seat: Seat) -> None:
        hold = await seat.held(asked(), Waits())
        await seat.review(hold, reviewer())
        assert await seat.claim(hold, "b-other") is False
        assert await seat.claim(hold, "") is False
        assert (await seat.now(hold)).state == "approved"

    run(bound, tmp_path)


def test_a_call_that_comes_back_finds_its_hold_until_the_approval_is_used(tmp_path: Path) -> None:
    async def back(seat: Seat) -> None:
        call = asked(terms=COMES_BACK)
        first = await seat.held(call)
        assert (await seat.held(call)).id == first.id
        await seat.review(first, reviewer())
        again = await seat.held(call)
        assert (again.id, again.state) == (first.id, "approved")
        assert await seat.claim(again, "i-a")
        third = await seat.held(call)
        assert third.state == "pending" and third.id != first.id

    run(back, tmp_path)


def test_two_calls_that_wait_are_two_holds(tmp_path: Path) -> None:
    async def two(seat: Seat) -> None:
        assert (await seat.held(asked(), Waits())).id != (await seat.held(asked(), Waits())).id

    run(two, tmp_path)


def test_one_denial_ends_a_hold_and_its_call_hears_why(tmp_path: Path) -> None:
    async def denied(seat: Seat) -> None:
        waiter = Waits()
        hold = await seat.held(asked(), waiter)
        found = await seat.review(hold, reviewer(), NO)
        assert isinstance(found, Hold) and (found.state, found.why) == ("denied", "denied by rob: not today")
        assert waiter.told == ["denied"]
        late = await seat.review(hold, reviewer("eve"))
        assert isinstance(late, Refusal) and (late.code, late.message) == (409, "the hold is denied")

    run(denied, tmp_path)


def test_a_hold_expires_and_so_does_an_approval_that_nobody_uses(tmp_path: Path) -> None:
    async def expires(seat: Seat) -> None:
        waiter, other = Waits(), Waits()
        hold, used = await seat.held(asked(), waiter), await seat.held(asked("b"), other)
        await seat.review(used, reviewer())
        await seat.tick(299)
        assert (await seat.now(used)).state == "approved"
        await seat.tick(1)
        found = await seat.now(used)
        assert (found.state, found.why) == ("expired", "the approval was not used in time") and found.ended is not None
        assert not await seat.claim(used, "b-b")
        await seat.tick(300)
        assert (await seat.now(hold)).why == "nobody answered in time"
        assert waiter.told == ["expired"] and other.told == ["approved", "expired"]

    run(expires, tmp_path)


def test_a_client_that_is_gone_cancels_its_hold(tmp_path: Path) -> None:
    async def cancelled(seat: Seat) -> None:
        waiter = Waits()
        hold = await seat.held(asked(), waiter)
        seat.desk.cancel(hold.id, "the client is gone")
        await seat.settled()
        found = await seat.now(hold)
        assert (found.state, found.why, waiter.told) == ("cancelled", "the client is gone", [])

    run(cancelled, tmp_path)


def test_an_object_that_changed_meanwhile_makes_a_new_hold_in_the_place_of_the_old(tmp_path: Path) -> None:
    async def replaced(seat: Seat) -> None:
        waiter = Waits()
        hold = await seat.held(asked(), waiter)
        await seat.review(hold, reviewer())
        waiter.told.clear()
        new = await answer(lambda then: seat.desk.replace(hold.id, asked("b"), waiter, then))
        assert isinstance(new, Hold) and new.state == "pending" and new.replaces == hold.id and new.reviews == ()
        assert (await seat.now(hold)).state == "void" and waiter.told == []
        await seat.review(new, reviewer())
        assert waiter.told == ["approved"] and await seat.claim(new, "b-b")

    run(replaced, tmp_path)


def test_a_policy_that_denies_a_waiting_call_makes_its_hold_void(tmp_path: Path) -> None:
    async def denied(seat: Seat) -> None:
        hold = await seat.held(asked(), Waits())
        await seat.review(hold, reviewer())
        seat.desk.void(hold.id, "the policy denies it now")
        await seat.settled()
        assert not await seat.claim(hold, "b-a")
        assert ((await seat.now(hold)).state, (await seat.now(hold)).why) == ("void", "the policy denies it now")

    run(denied, tmp_path)


def test_a_hold_that_cannot_be_recorded_is_void_and_its_call_refused(tmp_path: Path) -> None:
    async def unrecorded(seat: Seat) -> None:
        seat.record.failure = OSError("no space left")
        for call in (asked(), asked("b", terms=COMES_BACK)):
            found = await seat.ask(call, Waits())
            assert isinstance(found, Refusal) and found.code == 503 and "no space left" in found.message
        await seat.settled()
        assert [hold.state for hold in await listed(seat)] == ["void", "void"]

    run(unrecorded, tmp_path)


def test_an_approval_whose_use_cannot_be_recorded_lets_nothing_go_on(tmp_path: Path) -> None:
    async def unrecorded(seat: Seat) -> None:
        hold = await seat.held(asked(), Waits())
        await seat.review(hold, reviewer())
        seat.record.failure = OSError("no space left")
        assert not await seat.claim(hold, "b-a")
        seat.record.failure = None
        assert not await seat.claim(hold, "b-a")  # it is used, and the call was not sent

    run(unrecorded, tmp_path)


def test_with_the_database_away_calls_are_refused_in_words_and_waiting_ones_wait(tmp_path: Path) -> None:
    async def away(seat: Seat) -> None:
        waiter = Waits()
        hold = await seat.held(asked(), waiter)
        other = engine_of(tmp_path / "state")
        with other.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE holds RENAME TO away")
        for found in (await seat.ask(asked("b"), Waits()), await seat.review(hold, reviewer())):
            assert isinstance(found, Refusal) and found.code == 503
            assert found.message.startswith(
                "this call needs an approval, which cannot be asked for or given: the database of the holds"
            )
        assert not await seat.claim(hold, "b-a") and await seat.covered(asked()) is None
        seat.desk.cancel("another", "gone")
        await seat.tick(700)
        assert waiter.told == []
        with other.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO holds")
        await seat.tick(1)
        assert waiter.told == ["expired"]

    run(away, tmp_path)


def test_what_happened_while_the_database_was_away_is_stored_when_it_is_back(tmp_path: Path) -> None:
    """A client leaves, and of an approval it is not known whether it was used: nobody shall answer or use either hold any more."""

    async def away(seat: Seat) -> None:
        left, claimed = await seat.held(asked(), Waits()), await seat.held(asked("b"), Waits())
        await seat.review(claimed, reviewer())
        other = engine_of(tmp_path / "state")
        with other.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE holds RENAME TO away")
        seat.desk.cancel(left.id, "the client is gone")
        assert not await seat.claim(claimed, "b-b")
        await seat.settled()
        with other.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO holds")
        await seat.tick(1)
        await seat.settled()
        assert [(await seat.now(one)).state for one in (left, claimed)] == ["cancelled", "void"]
        assert [what for one, what in seat.record.events if one == claimed.id][-1] == "void"

    run(away, tmp_path)


def test_a_bug_in_the_desk_refuses_the_call_and_nothing_else(tmp_path: Path) -> None:
    async def bug(seat: Seat) -> None:
        found = await seat.ask(None)  # type: ignore[arg-type]
        assert isinstance(found, Refusal) and found.code == 500
        assert (await seat.held(asked(), Waits())).state == "pending"

    run(bug, tmp_path)


def test_a_watcher_hears_of_every_change_until_it_ends_and_one_that_fails_keeps_nothing_from_others(tmp_path: Path) -> None:
    async def watched(seat: Seat) -> None:
        seen: list[str] = []

        def fails(_hold: Hold) -> None:
            raise ValueError("a bug")

        seat.desk.watch(fails)
        end = seat.desk.watch(lambda hold: seen.append(hold.state))
        waiter = Waits()
        hold = await seat.held(asked(), waiter)
        await seat.review(hold, reviewer())
        await seat.claim(hold, "b-a")
        assert seen == ["pending", "approved", "consumed"] and waiter.told == ["approved"]
        end()
        await seat.held(asked("b"), Waits())
        assert seen == ["pending", "approved", "consumed"]

    run(watched, tmp_path)


def test_a_desk_with_nothing_held_looks_at_the_database_every_ten_seconds(tmp_path: Path) -> None:
    async def rests(seat: Seat) -> None:
        await seat.tick()
        asks = 0

        def counted(*_args: object) -> None:
            nonlocal asks
            asks += 1

        seat.store.do, do = counted, seat.store.do  # type: ignore[method-assign]
        for _ in range(9):
            seat.clock.advance(1)
            seat.desk.tick(seat.clock.monotonic())
        assert asks == 0
        seat.clock.advance(1)
        seat.desk.tick(seat.clock.monotonic())
        assert asks == 1
        seat.store.do = do  # type: ignore[method-assign]

    run(rests, tmp_path)


async def listed(seat: Seat) -> list[Hold]:
    found = await answer(lambda then: seat.desk.list((), then))
    assert isinstance(found, list)
    return found
