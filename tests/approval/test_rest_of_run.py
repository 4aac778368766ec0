"""The rest of a run: so many calls, so long, of this run alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.approval.messages import Asked, Hold, Review
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers
from tests.support.desks import NO, Seat, Waits, answer, asked, reviewer, run, terms

pytestmark = pytest.mark.usefixtures("each_database")


def rest(calls: int, seconds: int = 600) -> Review:
    return Review(verdict="approve", rest_of_run=calls, for_seconds=seconds)


async def approved(seat: Seat, call: Asked, *said: Review) -> Hold:
    hold = await seat.held(call, Waits())
    for number, one in enumerate(said):
        await seat.review(hold, reviewer(f"rob{number}"), one)
    return hold


def test_so_many_further_calls_of_the_run_pass_and_are_recorded(tmp_path: Path) -> None:
    async def counted(seat: Seat) -> None:
        assert await seat.covered(asked()) is None
        hold = await approved(seat, asked(), rest(2))
        assert await seat.covered(asked("b", name="web-1")) == hold.id
        assert await seat.claim(hold, "b-a")
        assert await seat.covered(asked("c", name="web-2")) == hold.id
        assert await seat.covered(asked("d", name="web-3")) is None
        assert [what for _, what in seat.record.events] == ["pending", "rob0: approve", "covered", "consumed", "covered"]

    run(counted, tmp_path)


def test_a_denial_of_a_used_hold_takes_the_rest_back_once(tmp_path: Path) -> None:
    async def taken_back(seat: Seat) -> None:
        hold = await approved(seat, asked(), rest(3, seconds=60))
        assert await seat.claim(hold, "b-a") and await seat.covered(asked()) == hold.id
        refused = await seat.review(hold, reviewer("eve", "nobody"), NO)
        assert isinstance(refused, Refusal) and refused.code == 403
        found = await seat.review(hold, reviewer("rob0"), NO)
        assert isinstance(found, Hold) and (found.state, found.rest) == ("consumed", None)
        assert await seat.covered(asked()) is None
        late = await seat.review(hold, reviewer("rob1"), NO)
        assert isinstance(late, Refusal) and late.code == 409
        assert seat.record.events[-1][1] == "rob0: deny"
        other = await approved(seat, asked("b", run="r2"), rest(3, seconds=60))
        assert await seat.claim(other, "b-b")
        seat.clock.advance(60)
        late = await seat.review(other, reviewer("rob1"), NO)
        assert isinstance(late, Refusal) and late.code == 409, "nothing is left of it"

    run(taken_back, tmp_path)


def test_another_run_cluster_namespace_or_caller_is_not_covered(tmp_path: Path) -> None:
    async def bound(seat: Seat) -> None:
        hold = await approved(seat, asked(), rest(5))
        for other in (
            {"run": "r2"},
            {"cluster": "dev"},
            {"namespace": "prod"},
            {"verb": "patch"},
            {"effects": ("delete", "execute")},
        ):
            assert await seat.covered(asked(**other)) is None
        assert await seat.covered(asked(effects=("delete", "secrets"))) == hold.id

    run(bound, tmp_path)


def test_the_rest_is_over_after_its_time_and_where_the_approval_was_taken_back(tmp_path: Path) -> None:
    async def over(seat: Seat) -> None:
        await approved(seat, asked(), rest(5, seconds=60))
        seat.clock.advance(59)
        assert await seat.covered(asked()) is not None
        seat.clock.advance(1)
        assert await seat.covered(asked()) is None
        hold = await approved(seat, asked("b", run="r2"), rest(5))
        assert await seat.covered(asked(run="r2")) == hold.id
        await seat.review(hold, reviewer("eve"), NO)
        assert await seat.covered(asked(run="r2")) is None

    run(over, tmp_path)


def test_of_several_approvals_the_least_counts(tmp_path: Path) -> None:
    two = terms(("writes", Reviewers(groups=("sre",), minimum=2)))

    async def least(seat: Seat) -> None:
        hold = await approved(seat, asked(terms=two), rest(5), rest(1))
        assert (await seat.now(hold)).state == "approved"
        assert await seat.covered(asked(terms=two)) == hold.id
        assert await seat.covered(asked(terms=two)) is None
        await approved(seat, asked(terms=two, run="r2"), rest(5), rest(0))
        assert await seat.covered(asked(terms=two, run="r2")) is None

    run(least, tmp_path)


def test_a_call_that_comes_back_in_another_run_takes_the_rest_with_it(tmp_path: Path) -> None:
    """kubectl is another process then, with another Kubectl-Session."""
    back = terms(wait="come-back")

    async def follows(seat: Seat) -> None:
        hold = await approved(seat, asked(terms=back), rest(3))
        again = await answer(lambda then: seat.desk.ask(asked(terms=back, run="r2"), None, then))
        assert isinstance(again, Hold) and (again.id, again.state) == (hold.id, "approved")
        assert await seat.claim(again, "i-a")
        assert await seat.covered(asked("b", terms=back, run="r2")) == hold.id
        assert await seat.covered(asked("b", terms=back)) is None

    run(follows, tmp_path)


def test_a_call_whose_record_fails_is_not_covered(tmp_path: Path) -> None:
    async def fails(seat: Seat) -> None:
        await approved(seat, asked(), rest(3))
        seat.record.failure = OSError("no space")
        assert await seat.covered(asked()) is None

    run(fails, tmp_path)


EXEC = {"verb": "create", "subresource": "exec", "effects": ("execute",), "argv": ("sh",), "intent": "i-exec"}


def test_the_spdy_retry_of_an_exec_whose_upgrade_the_cluster_refused_needs_no_second_approval(tmp_path: Path) -> None:
    async def retried(seat: Seat) -> None:
        for number, wait in enumerate((terms(), terms(wait="come-back"))):
            call = asked("ws", terms=wait, **EXEC | {"intent": f"i-{number}"})
            again = asked("spdy", terms=wait, **EXEC | {"intent": f"i-{number}"})
            hold = await approved(seat, call, Review(verdict="approve"))
            assert await seat.covered(again) is None
            seat.desk.upgrade_refused(hold.id)  # it is not used: nothing was asked of the cluster
            assert await seat.covered(again) is None
            assert await seat.claim(hold, call.bound)
            seat.desk.upgrade_refused(hold.id)
            for other in ({"intent": "i-other"}, {"session": "s2"}, {"terms": terms(("stricter", Reviewers()))}):
                assert await seat.covered(asked("spdy", **{"terms": wait} | EXEC | {"intent": f"i-{number}"} | other)) is None
            assert await seat.covered(again) == hold.id
            assert await seat.covered(again) is None

    run(retried, tmp_path)


def test_the_retry_of_a_refused_upgrade_comes_at_once_or_not_at_all(tmp_path: Path) -> None:
    async def late(seat: Seat) -> None:
        hold = await approved(seat, asked("ws", **EXEC), Review(verdict="approve"))
        assert await seat.claim(hold, "b-ws")
        seat.desk.upgrade_refused(hold.id)
        await seat.settled()
        seat.clock.advance(10)
        assert await seat.covered(asked("spdy", **EXEC)) is None

    run(late, tmp_path)


def test_no_other_call_is_made_twice(tmp_path: Path) -> None:
    async def once(seat: Seat) -> None:
        back = terms(wait="come-back")
        hold = await approved(seat, asked(terms=back), Review(verdict="approve"))
        assert await seat.claim(hold, "i-a")
        seat.desk.upgrade_refused(hold.id)
        assert await seat.covered(asked(terms=back)) is None

    run(once, tmp_path)
