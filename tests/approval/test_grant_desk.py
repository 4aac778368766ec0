"""The desk of the grants: who may have what, who may say so, and that nothing counts before it is stored and recorded."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from l7gw.approval.grant_messages import Grant
from l7gw.approval.granting import Bounds
from l7gw.approval.messages import Requester, Review, Reviewer, local_root
from l7gw.approval.people import People
from l7gw.config.settings import Person
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers, RuleTerms
from l7gw.identity.principal import Principal
from l7gw.store.database import StoreAway
from tests.support.databases import VARIABLE
from tests.support.desks import ANN, GRANT_TERMS, NO, YES, Seat, answer, reviewer, run, seat, wish

pytestmark = pytest.mark.usefixtures("each_database")

ROOT = Path(__file__).parents[2]
WHO = Principal("ann")  # as `ANN`, whose issuer is ""
PEOPLE = People((Person("ann", ("aws:ann", "cert:ann")),))


def groups(one: Seat, who: Principal = WHO, cluster: str = "prod") -> list[str]:
    """The groups that are granted to somebody now."""
    return [grant.group for grant in one.active.of(who, cluster)]


def refused(found: object, code: int, words: str = "") -> None:
    assert isinstance(found, Refusal) and found.code == code and words in found.message, found


async def asked(one: Seat, **fields: Any) -> Grant:
    found = await one.grant(wish(**fields))
    assert isinstance(found, Grant), found
    return found


def test_a_grant_begins_with_its_approval_and_ends_in_its_time(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        grant = await asked(one)
        assert (grant.state, grant.starts, grant.ends, grant.ended, grant.needed) == ("pending", None, None, None, 1)
        one.clock.advance(60)
        approved = await one.say(grant, reviewer(), Review(verdict="approve", note="seen"))
        assert isinstance(approved, Grant) and approved.state == "approved" and approved.reviews[0].note == "seen"
        assert groups(one) == ["oncall"] and groups(one, cluster="dev") == groups(one, Principal("eve")) == []
        await one.tick(1799)
        assert groups(one) == ["oncall"]
        one.clock.advance(1)
        assert groups(one) == []
        await one.tick()
        over = await one.grant_now(grant)
        assert (over.state, over.ended, over.why) == ("ended", over.ends, "its time is over")
        assert [event[1:] for event in one.granted.events] == [
            ("pending", "request", "ann"),
            ("approved", "approve", "rob"),
            ("ended", "time", ""),
        ]

    run(test, tmp_path)


def test_a_request_that_nobody_answers_expires_and_may_be_made_again(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        grant = await asked(one, ttl=600)
        refused(await one.grant(wish()), 409, "asked for oncall on prod already")
        one.clock.advance(600)
        refused(await one.say(grant, reviewer(), YES), 409, "nobody answered in time")
        again = await asked(one)  # before any tick
        assert again.id != grant.id and (await one.grant_now(grant)).state == "expired"
        await one.tick(600)
        assert (await one.grant_now(again)).state == "expired"
        assert [event[2] for event in one.granted.events] == ["request", "time", "request", "time"]

    run(test, tmp_path)


@pytest.mark.parametrize("name", ["ann", "aws:ann", "cert:ann"])
def test_nobody_approves_his_own_request_under_any_name(tmp_path: Path, name: str) -> None:
    async def test(one: Seat) -> None:
        one.grants.configure(PEOPLE)
        grant = await asked(one)
        refused(await one.say(grant, reviewer(name), YES), 403, "nobody approves his own request")
        assert groups(one) == []
        assert isinstance(await one.revoke(grant, reviewer(name, "none")), Grant)  # but he may withdraw it

    run(test, tmp_path)


@pytest.mark.parametrize(
    "who",
    [
        reviewer("bot", kind="agent"),
        reviewer("job", kind="workload"),
        reviewer("rob", actor="bot", kind="agent"),
        reviewer("rob", proven="aws"),
        reviewer("eve", "dev"),
        local_root,
    ],
)
def test_who_is_no_reviewer_says_nothing(tmp_path: Path, who: Reviewer) -> None:
    async def test(one: Seat) -> None:
        grant = await asked(one)
        for said in (YES, NO):
            refused(await one.say(grant, who, said), 403)
        if who is not local_root:  # who takes the machine away takes rights away
            refused(await one.revoke(grant, who), 403)
        assert (await one.grant_now(grant)).state == "pending"

    run(test, tmp_path)


def test_root_at_the_socket_is_one_approval_where_the_configuration_says_so_and_may_always_revoke(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        first = await one.granted_to(wish())
        assert isinstance(await one.revoke(first, local_root, "over"), Grant) and groups(one) == []
        one.grants.configure(local=True)
        grant = await asked(one)
        approved = await one.say(grant, local_root, YES)
        assert isinstance(approved, Grant) and approved.reviews[0].local and groups(one) == ["oncall"]

    run(test, tmp_path)


def test_two_must_approve_where_the_entry_says_so_and_a_person_counts_once(tmp_path: Path) -> None:
    terms = RuleTerms("grant of oncall", Reviewers(groups=("sre",), minimum=2, emergency=("night",)))

    async def test(one: Seat) -> None:
        one.grants.configure(People((Person("rob", ("cert:rob",)),)))
        grant = await asked(one, terms=terms)
        first = await one.say(grant, reviewer("rob"), YES, terms)
        assert isinstance(first, Grant) and (first.state, first.approvals, first.needed) == ("pending", 1, 2)
        refused(await one.say(grant, reviewer("cert:rob"), YES, terms), 409, "a person counts once")
        second = await one.say(grant, reviewer("lea"), YES, terms)
        assert isinstance(second, Grant) and second.state == "approved"
        other = await asked(one, terms=terms, cluster="dev")
        force = Review(verdict="approve", force=True, reason="the shop is down")
        refused(await one.say(other, reviewer("eve", "dev"), force, terms), 403, "not behind the request")
        forced = await one.say(other, reviewer("max", "night"), force, terms)
        assert isinstance(forced, Grant) and forced.state == "approved" and forced.reviews[0].forced

    run(test, tmp_path)


def test_a_denial_ends_a_request_and_what_is_approved_is_taken_back_by_a_revocation(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        grant = await asked(one)
        denied = await one.say(grant, reviewer(), NO)
        assert isinstance(denied, Grant) and (denied.state, denied.why) == ("denied", "denied by rob: not today")
        refused(await one.say(grant, reviewer("lea"), YES), 409, "the grant is denied")
        refused(await one.revoke(grant, reviewer()), 409, "the grant is denied")
        given = await one.granted_to(wish())
        refused(await one.say(given, reviewer("lea"), NO), 409, "l7gw grants revoke")
        revoked = await one.revoke(given, reviewer("lea"), "done")
        assert isinstance(revoked, Grant) and (revoked.state, revoked.why) == ("revoked", "revoked by lea: done")
        assert groups(one) == [] and one.active.why_over(given.id) == "was revoked by lea: done"

    run(test, tmp_path)


def test_an_agent_gives_up_its_own_grant_and_its_owner_that_of_his_agent(tmp_path: Path) -> None:
    agent = Requester(user="ann", actor="bot", kind="agent")

    async def test(one: Seat) -> None:
        for by in (reviewer("ann", "dev", actor="bot", kind="agent", issuer=""), reviewer("ann", "dev")):
            grant = await one.granted_to(wish(who=agent))
            refused(await one.revoke(grant, reviewer("ann", "dev", actor="other", kind="agent", issuer="")), 403)
            assert groups(one, Principal("ann", kind="agent", actor="bot")) == ["oncall"] and groups(one) == []
            assert isinstance(await one.revoke(grant, by), Grant)

    run(test, tmp_path)


def test_what_the_policy_says_otherwise_by_now_is_not_approved(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        grant = await asked(one)
        stricter = RuleTerms("grant of oncall", Reviewers(groups=("sre",), minimum=2))
        for now in (None, stricter):
            refused(await one.say(grant, reviewer(), YES, now), 409, "asked for again")
        assert isinstance(await one.say(grant, reviewer(), NO, None), Grant)

    run(test, tmp_path)


def test_how_much_may_be_asked_for_is_bounded(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        for number in range(Bounds().pending):
            await asked(one, group=f"g{number}")
        refused(await one.grant(wish("one more")), 429, "10 grants that you asked for")
        await asked(one, who=Requester(user="ann", actor="bot", kind="agent"))  # an agent's are counted for itself
        one.grants.configure(bounds=Bounds(in_all=11))
        refused(await one.grant(wish(who=Requester(user="eve"))), 429, "11 grants that people")

    run(test, tmp_path)


def test_who_asks_and_withdraws_in_a_loop_is_refused_for_a_while(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        one.grants.configure(bounds=Bounds(over=3))
        for _ in range(3):
            await one.revoke(await asked(one), reviewer("ann", "dev"))
        refused(await one.grant(wish()), 429, "3 grants that you asked for were over within the last hour")
        await asked(one, who=Requester(user="eve"))
        one.clock.advance(3601)
        await asked(one)

    run(test, tmp_path)


def test_how_many_may_be_in_force_is_bounded(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        one.grants.configure(bounds=Bounds(active=1))
        await one.granted_to(wish())
        grant = await asked(one, cluster="dev")
        refused(await one.say(grant, reviewer(), YES), 429, "revoke some")
        assert (await one.grant_now(grant)).state == "pending"

    run(test, tmp_path)


# ---------------------------------------------------------------------- the store, the record, crashes


def test_an_approval_counts_once_it_is_recorded_and_not_before(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        grant = await asked(one)
        one.granted.failure = OSError("disk full")
        refused(await one.say(grant, reviewer(), YES), 503, "cannot be recorded, and counts only once it is: disk full")
        assert groups(one) == []
        await one.tick(10)
        assert groups(one) == []
        one.granted.failure = None
        await one.tick(10)
        await one.settled()
        assert groups(one) == ["oncall"]
        assert one.granted.events[-1][1:] == ("approved", "time", "")

    run(test, tmp_path)


def test_with_the_database_away_what_is_in_force_goes_on_until_its_end_and_nothing_else_does(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        given, pending = await one.granted_to(wish()), await asked(one, cluster="dev")
        do = one.store.do

        def away(_work: Any, then: Any) -> None:
            asyncio.get_running_loop().call_soon(then, StoreAway("the disk is gone"))

        one.store.do = away  # type: ignore[method-assign]
        refused(await one.grant(wish("more")), 503, "nothing was changed: the disk is gone")
        refused(await one.say(pending, reviewer(), YES), 503, "nothing was changed")
        refused(await one.revoke(given, reviewer()), 503, "taken back just now")
        one.clock.advance(1799)
        one.grants.tick(one.clock.monotonic())
        await asyncio.sleep(0)
        assert groups(one) == ["oncall"]
        one.clock.advance(1)
        one.grants.tick(one.clock.monotonic())
        assert groups(one) == []
        one.store.do = do  # type: ignore[method-assign]

    run(test, tmp_path)


def test_what_another_gateway_does_is_read_within_ten_seconds_or_at_once_by_its_bell(tmp_path: Path) -> None:
    async def test() -> None:
        async with seat(tmp_path / "s") as here, seat(tmp_path / "s", here.clock) as there:
            grant = await there.granted_to(wish())
            assert groups(here) == []
            await here.tick(10)
            assert groups(here) == ["oncall"]
            await there.revoke(grant, reviewer("lea"), "done")
            here.grants.reload()
            await here.settled()
            assert groups(here) == [] and here.active.why_over(grant.id) == "was revoked by lea: done"

    asyncio.run(test())


# What the killed process does: it has one grant in each state, and one whose approval never comes to the record.
KILLED = """
import asyncio, sys
from pathlib import Path
from tests.support.desks import NO, Seat, reviewer, wish
from tests.support.manual_clock import ManualClock

async def main(state):
    seat = Seat(Path(state), ManualClock())
    await seat.granted_to(wish("approved"))
    await seat.grant(wish("pending"))
    await seat.revoke(await seat.granted_to(wish("revoked")), reviewer())
    await seat.say(await seat.grant(wish("denied")), reviewer(), NO)
    unrecorded = await seat.grant(wish("unrecorded"))
    seat.granted.changed = lambda grant, done, then: print("there", flush=True)
    await seat.say(unrecorded, reviewer(), __import__("tests.support.desks").support.desks.YES)

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_killed_gateway_keeps_what_was_granted_and_records_what_it_could_not(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "s")],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT), VARIABLE: os.environ[VARIABLE]},
    )  # fmt: skip
    with process:
        assert process.stdout is not None and process.stdout.readline() == "there\n"
        process.kill()

    async def reopened() -> None:
        async with seat(tmp_path / "s") as one:
            assert groups(one) == ["approved"]  # before the first look
            await one.tick(6)
            await one.settled()
            assert groups(one) == ["approved", "unrecorded"]
            assert [event[1:] for event in one.granted.events] == [("approved", "time", "")]

    asyncio.run(reopened())


def test_a_grant_is_found_by_the_beginning_of_its_id_and_lists_are_in_parts(tmp_path: Path) -> None:
    async def test(one: Seat) -> None:
        made = [(await asked(one, group=f"g{number}")).id for number in range(3)]
        assert (await one.grant_now(await asked(one, group="x"))).group == "x"
        refused(await answer(lambda then: one.grants.get("0", then)), 409, "several grants begin with '0'")
        refused(await answer(lambda then: one.grants.get("%", then)), 404, "no grant '%'")
        first = await answer(lambda then: one.grants.page((), lambda _grant: True, then, most=2, before=""))
        assert isinstance(first, tuple)
        rest = await answer(lambda then: one.grants.page(("pending",), lambda g: g.group != "g1", then, most=2, before=first[1]))
        assert isinstance(rest, tuple) and rest[1] == ""
        assert [grant.group for grant in (*first[0], *rest[0])] == ["x", "g2", "g0"] and made[0] == rest[0][-1].id

    run(test, tmp_path)


def test_terms_of_an_agents_owner(tmp_path: Path) -> None:
    """`owner: true`: the person for whom the agent acts approves, freshly logged in, by another credential."""
    agent = Requester(user="ann", actor="bot", kind="agent")
    terms = RuleTerms("grant of oncall", Reviewers(owner=True))

    async def test(one: Seat) -> None:
        grant = await asked(one, who=agent, terms=terms, tokens=("t-agent",))
        now = one.clock.wall()
        refused(await one.say(grant, reviewer("ann", token_digest="t-agent", auth_time=now), YES, terms), 403, "another credential")
        refused(await one.say(grant, reviewer("ann"), YES, terms), 403, "auth_time")
        refused(await one.say(grant, reviewer("eve", auth_time=now), YES, terms), 403)
        found = await one.say(grant, reviewer("ann", auth_time=now), YES, terms)
        assert isinstance(found, Grant) and found.state == "approved"

    run(test, tmp_path)


def test_ann_is_the_requester_of_these_tests() -> None:
    assert (ANN.user, ANN.issuer, GRANT_TERMS.reviewers.groups) == (WHO.user, WHO.issuer, ("sre",))
