"""Which hold answers a call: limits, retries of an upgrade, and holds whose rules have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.approval.messages import Hold, Requester
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers
from tests.support.desks import NO, Seat, Waits, answer, asked, reviewer, run, terms

pytestmark = pytest.mark.usefixtures("each_database")

BACK = terms(wait="come-back")
EXEC = {"verb": "create", "subresource": "exec", "effects": ("execute",), "argv": ("sh",), "intent": "i-exec"}


def test_the_twenty_first_pending_hold_of_a_principal_is_429_whether_it_waits_or_comes_back(tmp_path: Path) -> None:
    async def flood(seat: Seat) -> None:
        held = [await seat.held(asked(f"{n}", terms=terms() if n % 2 else BACK), Waits()) for n in range(20)]
        for wait in (terms(), BACK):
            more = await seat.ask(asked("more", terms=wait), Waits())
            assert isinstance(more, Refusal) and (more.code, more.reason) == (429, "TooManyRequests")
            assert "20 of your calls wait for an approval" in more.message
        assert (await seat.held(asked("0", terms=BACK))).id == held[0].id  # it has its place already
        assert (await seat.held(asked("bob", who=Requester(user="bob")), Waits())).state == "pending"
        agent = Requester(user="ann", kind="agent", actor="bot")
        assert (await seat.held(asked("bot", who=agent), Waits())).state == "pending"
        seat.desk.cancel(held[1].id, "the client is gone")
        assert (await seat.held(asked("more"), Waits())).state == "pending"

    run(flood, tmp_path)


def test_who_asks_and_leaves_again_and_again_is_429_for_ten_minutes(tmp_path: Path) -> None:
    """Each such call is a question to the reviewers, and a guess of what a write would change (threats G5)."""

    async def leaving(seat: Seat) -> None:
        seat.desk.configure(most=2)
        for number in range(6):
            seat.desk.cancel((await seat.held(asked(f"{number}"), Waits())).id, "the client is gone")
            await seat.settled()
            seat.clock.advance(1)
        for wait in (terms(), BACK):
            more = await seat.ask(asked("more", terms=wait), Waits())
            assert isinstance(more, Refusal) and more.code == 429 and "6 of your calls were held and given up" in more.message
        assert (await seat.held(asked("bob", who=Requester(user="bob")), Waits())).state == "pending"
        seat.clock.advance(600 - 6 - 1)
        assert isinstance(await seat.ask(asked("more"), Waits()), Refusal)
        seat.clock.advance(2)
        assert (await seat.held(asked("more"), Waits())).state == "pending"

    run(leaving, tmp_path)


def test_a_person_has_no_second_share_under_another_name(tmp_path: Path) -> None:
    async def names(seat: Seat) -> None:
        seat.desk.configure(most=1)
        await seat.held(asked("a", who=Requester(user="aws:ann"), person="ann"), Waits())
        assert isinstance(await seat.ask(asked("b", who=Requester(user="cert:ann"), person="ann"), Waits()), Refusal)

    run(names, tmp_path)


def test_there_is_an_end_of_holds_in_all(tmp_path: Path) -> None:
    async def end(seat: Seat) -> None:
        seat.desk.configure(in_all=3)
        for n in range(3):
            await seat.held(asked(f"{n}", who=Requester(user=f"u{n}")), Waits())
        more = await seat.ask(asked("more"), Waits())
        assert isinstance(more, Refusal) and more.code == 429 and "3 calls wait for an approval already" in more.message

    run(end, tmp_path)


def test_the_spdy_retry_of_a_refused_websocket_exec_is_told_the_same_hold(tmp_path: Path) -> None:
    async def retried(seat: Seat) -> None:
        hold = await seat.held(asked("ws", **EXEC), Waits())
        await seat.review(hold, reviewer(), NO)
        again = await seat.held(asked("spdy", **EXEC), Waits())
        assert (again.id, again.state) == (hold.id, "denied")
        other = await seat.held(asked("spdy", **EXEC | {"session": "s2"}), Waits())
        assert other.state == "pending"
        seat.clock.advance(11)
        late = await seat.held(asked("spdy", **EXEC), Waits())
        assert late.state == "pending" and late.id not in (hold.id, other.id)

    run(retried, tmp_path)


def test_an_approval_under_rules_that_have_changed_is_void(tmp_path: Path) -> None:
    async def changed(seat: Seat) -> None:
        first = await seat.held(asked(terms=BACK))
        await seat.review(first, reviewer())
        stricter = terms(("writes", Reviewers(groups=("sre",), minimum=2)), wait="come-back")
        second = await seat.held(asked(terms=stricter))
        assert second.id != first.id and second.state == "pending"
        found = await seat.now(first)
        assert (found.state, found.why) == ("void", "the rules that hold this call have changed")
        assert not await seat.claim(first, "i-a")
        assert (await seat.held(asked(terms=terms(wait="come-back", ttl=60, message="other words")))).id != second.id

    run(changed, tmp_path)


def test_a_hold_that_is_over_and_not_yet_swept_answers_nobody(tmp_path: Path) -> None:
    async def over(seat: Seat) -> None:
        first = await seat.held(asked(terms=BACK))
        seat.clock.advance(600)
        second = await seat.held(asked(terms=BACK))
        assert second.id != first.id and (await seat.now(first)).state == "expired"
        assert [what for one, what in seat.record.events if one == first.id] == ["pending", "expired"]

    run(over, tmp_path)


def test_a_hold_that_is_over_cannot_be_replaced(tmp_path: Path) -> None:
    async def replaced(seat: Seat) -> None:
        hold = await seat.held(asked(), Waits())
        await seat.review(hold, reviewer(), NO)
        found: Hold | Refusal = await answer(lambda then: seat.desk.replace(hold.id, asked("b"), Waits(), then))
        assert isinstance(found, Refusal) and found.code == 409

    run(replaced, tmp_path)
