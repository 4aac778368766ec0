"""What a review does to a hold: minimum, once a person, forced, told in the hold."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from l7gw.approval.messages import Hold, Review, local_root
from l7gw.approval.people import People
from l7gw.config.settings import Person
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers
from tests.support.desks import NO, YES, Seat, Waits, asked, reviewer, run, terms

pytestmark = pytest.mark.usefixtures("each_database")

TWO = terms(("writes", Reviewers(groups=("sre",), minimum=2)))


def state(found: Hold | Refusal) -> str:
    assert isinstance(found, Hold), found
    return found.state


def code(found: Hold | Refusal) -> int:
    assert isinstance(found, Refusal), found
    return found.code


def test_one_person_with_three_identities_is_one_approval_of_two(tmp_path: Path) -> None:
    async def three(seat: Seat) -> None:
        seat.desk.configure(People((Person("rob", ("aws:rob", "cert:rob")),)))
        waiter = Waits()
        hold = await seat.held(asked(terms=TWO), waiter)
        assert hold.needed == 2
        first = await seat.review(hold, reviewer("rob"))
        assert isinstance(first, Hold) and (first.state, first.rules[0].approvals) == ("pending", 1)
        for name in ("rob", "aws:rob", "cert:rob"):
            again = await seat.review(hold, reviewer(name))
            assert code(again) == 409 and "a person counts once" in again.message  # type: ignore[union-attr]
        assert waiter.told == [] and [view.user for view in (await seat.now(hold)).reviews] == ["rob"]
        assert state(await seat.review(hold, reviewer("eve"))) == "approved"
        assert waiter.told == ["approved"]

    run(three, tmp_path)


def test_each_rule_needs_its_own_minimum_and_a_reviewer_counts_for_each_that_he_fits(tmp_path: Path) -> None:
    async def each(seat: Seat) -> None:
        both = terms(("a", Reviewers(groups=("sre",), minimum=2)), ("b", Reviewers(groups=("security",))))
        hold = await seat.held(asked(terms=both), Waits())
        assert state(await seat.review(hold, reviewer("rob", "sre"))) == "pending"
        assert state(await seat.review(hold, reviewer("sam", "sre"))) == "pending"
        done = await seat.review(hold, reviewer("eve", "sre", "security"))
        assert isinstance(done, Hold) and done.state == "approved"
        assert [(rule.rule, rule.approvals) for rule in done.rules] == [("a", 3), ("b", 1)]
        assert (done.reviewers.groups, done.needed) == (("sre", "security"), 2)

    run(each, tmp_path)


def test_one_denial_ends_a_hold_that_needs_two_approvals_and_has_one(tmp_path: Path) -> None:
    async def ended(seat: Seat) -> None:
        hold = await seat.held(asked(terms=TWO), Waits())
        await seat.review(hold, reviewer("rob"))
        assert state(await seat.review(hold, reviewer("rob"), NO)) == "denied"  # he has thought again
        assert code(await seat.review(hold, reviewer("eve"))) == 409

    run(ended, tmp_path)


def test_an_approval_that_is_not_used_yet_can_be_taken_back_by_a_denial(tmp_path: Path) -> None:
    async def back(seat: Seat) -> None:
        waiter = Waits()
        hold = await seat.held(asked(), waiter)
        await seat.review(hold, reviewer("rob"))
        assert code(await seat.review(hold, reviewer("eve"))) == 409
        assert state(await seat.review(hold, reviewer("eve"), NO)) == "denied"
        assert waiter.told == ["approved", "denied"] and not await seat.claim(hold, "b-a")

    run(back, tmp_path)


def test_a_forced_approval_needs_no_other_and_alarms(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def forced(seat: Seat) -> None:
        call = asked(terms=terms(("writes", Reviewers(groups=("sre",), minimum=2, emergency=("oncall",)))))
        hold = await seat.held(call, Waits())
        said = Review(verdict="approve", force=True, reason="the site\x1b[2J is down")
        done = await seat.review(hold, reviewer("rob", "oncall"), said)
        assert (
            isinstance(done, Hold) and done.state == "approved" and done.reviews[0].forced == ("writes",) and done.rules[0].forced
        )

    with caplog.at_level(logging.ERROR):
        run(forced, tmp_path)
    (alarm,) = [one.getMessage() for one in caplog.records if "ALARM" in one.getMessage()]
    assert "'rob' forced hold" in alarm and "'the site\\x1b[2J is down'" in alarm


def test_local_root_is_one_approval_and_marked(tmp_path: Path) -> None:
    async def root(seat: Seat) -> None:
        hold = await seat.held(asked(terms=TWO), Waits())
        assert code(await seat.review(hold, local_root)) == 403
        seat.desk.configure(local=True)
        first = await seat.review(hold, local_root)
        assert (
            isinstance(first, Hold)
            and first.state == "pending"
            and first.reviews[0].local
            and first.reviews[0].user == "local:root"
        )
        assert code(await seat.review(hold, local_root)) == 409
        assert state(await seat.review(hold, reviewer("local:root"))) == "approved"  # a user of that name is somebody else

    run(root, tmp_path)


def test_a_review_of_what_is_over_or_never_was_says_so(tmp_path: Path) -> None:
    async def over(seat: Seat) -> None:
        hold = await seat.held(asked(), Waits())
        seat.clock.advance(600)
        late = await seat.review(hold, reviewer())
        assert code(late) == 409 and late.message == "the hold is over: nobody answered in time"  # type: ignore[union-attr]
        assert (await seat.now(hold)).reviews == ()
        assert code(await seat.review(msgspec.structs.replace(hold, id="0" * 36), reviewer())) == 404

    run(over, tmp_path)


@pytest.mark.parametrize(
    "fields", [{"effects": ("execute",)}, {"verb": "deletecollection"}, {"effects": ("delete", "escalate")}], ids=str
)
def test_no_rest_of_a_run_is_approved_of_what_starts_something_unseen(fields: dict[str, object], tmp_path: Path) -> None:
    async def never(seat: Seat) -> None:
        hold = await seat.held(asked(**fields), Waits())
        assert code(await seat.review(hold, reviewer(), Review(verdict="approve", rest_of_run=5))) == 400
        assert code(await seat.review(hold, reviewer(), Review(verdict="deny", rest_of_run=5))) == 400
        assert state(await seat.review(hold, reviewer(), YES)) == "approved"

    run(never, tmp_path)


def test_a_person_whose_names_are_told_after_his_first_approval_counts_once(tmp_path: Path) -> None:
    async def told(seat: Seat) -> None:
        hold = await seat.held(asked(terms=TWO), Waits())
        await seat.review(hold, reviewer("cert:rob"))
        seat.desk.configure(People((Person("rob", ("cert:rob",)),)))
        assert code(await seat.review(hold, reviewer("rob"))) == 409

    run(told, tmp_path)


def test_a_note_with_a_nul_denies_as_any_other_does(tmp_path: Path) -> None:
    async def strange(seat: Seat) -> None:
        hold = await seat.held(asked(), Waits())
        found = await seat.review(hold, reviewer(), Review(verdict="deny", note="a\0b\u202e"))
        assert isinstance(found, Hold) and found.state == "denied" and found.reviews[0].note == "a\0b\u202e"
        assert (await seat.held(asked("b"), Waits())).state == "pending"

    run(strange, tmp_path)
