"""The desk of the grants against a plain model: whatever people and time do in whatever order, both say the same, and nobody has a group
that nobody else approved.

The model is another implementation: dictionaries of one process, without a store, without a table of states.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from l7gw.approval.grant_messages import Grant
from l7gw.approval.granting import Bounds
from l7gw.approval.messages import Requester, Review
from l7gw.approval.people import People
from l7gw.config.settings import Person
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers, RuleTerms
from l7gw.identity.principal import Principal
from tests.support.desks import Seat, answer, reviewer, wish
from tests.support.manual_clock import ManualClock

TTL, LASTS = 100, 50  # seconds
MEMORY = "/dev/shm"  # what the disk keeps is asked elsewhere (test_grant_desk.py)
ASKERS = ["ann", "cert:ann", "bob"]
REVIEWERS = ["bob", "cert:bob", "eve", "cert:eve", "cert:ann"]
NAMES = {name: name.rpartition(":")[2] for name in (*ASKERS, *REVIEWERS)}  # of each name the person
PEOPLE = People(tuple(Person(user, (f"cert:{user}",)) for user in ("ann", "bob", "eve")))
GROUPS = ["oncall", "dba"]
WHICH = st.integers(0, 7)


class Model:
    """What a grant must be: its state, who has said yes, and until when."""

    def __init__(self, *, asker: str, group: str, minimum: int, now: float) -> None:
        self.asker, self.group, self.minimum = asker, group, minimum
        self.state, self.until = "pending", now + TTL
        self.yes: set[str] = set()
        self.terms = RuleTerms(f"grant of {group}", Reviewers(groups=("sre",), minimum=minimum))

    @property
    def live(self) -> bool:
        return self.state in ("pending", "approved")

    def time(self, now: float) -> None:
        """Let time do what it does to it."""
        if self.live and self.until <= now:
            self.state = "expired" if self.state == "pending" else "ended"


class Grants(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        self.clock = ManualClock()
        self.known: dict[str, Model] = {}
        self.seat: Seat = self.do(self.sit())

    async def sit(self) -> Seat:
        seat = Seat(Path(self.folder.name) / "s", self.clock)
        seat.desk.configure(PEOPLE)
        seat.grants.configure(PEOPLE, bounds=Bounds(over=1000))
        return seat

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.seat.end())
        self.loop.close()
        self.folder.cleanup()

    def pick(self, which: int) -> str:
        """A grant: mostly one of the newest that are live, else any. "" where there is none."""
        live = [grant for grant, model in self.known.items() if model.live]
        some = live if live and which < 6 else [*self.known]
        return some[-1 - which % len(some)] if some else ""

    def of(self, grant: str) -> Grant:
        found: Grant = self.do(answer(lambda then: self.seat.grants.get(grant, then)))
        return found

    # ------------------------------------------------------------------ what may happen

    @rule(name=st.sampled_from(ASKERS), group=st.sampled_from(GROUPS), minimum=st.sampled_from((1, 1, 2)))
    def ask(self, name: str, group: str, minimum: int) -> None:
        now = self.clock.wall()
        model = Model(asker=name, group=group, minimum=minimum, now=now)
        asked = wish(group, who=Requester(user=name), person=NAMES[name], seconds=LASTS, ttl=TTL, terms=model.terms)
        found = self.do(self.seat.grant(asked))
        for one in self.known.values():
            if one.state == "pending":
                one.time(now)
        if any(one.state == "pending" and (one.asker, one.group) == (name, group) for one in self.known.values()):
            assert isinstance(found, Refusal) and found.code == 409
            self.undone(now)
            return
        assert isinstance(found, Grant) and found.state == "pending"
        self.known[found.id] = model

    def undone(self, now: float) -> None:
        """A refused question changes nothing: what it found to be over is over at the next look."""
        for grant, model in self.known.items():
            model.state = self.of(grant).state

    @rule(which=WHICH, name=st.sampled_from(REVIEWERS))
    def approve(self, which: int, name: str) -> None:
        grant = self.pick(which)
        if not grant:
            return
        model, person, now = self.known[grant], NAMES[name], self.clock.wall()
        found = self.do(self.seat.say(self.of(grant), reviewer(name, "sre"), Review(verdict="approve"), model.terms))
        if person == NAMES[model.asker]:
            assert isinstance(found, Refusal) and found.code == 403
        elif model.state != "pending" or model.until <= now or person in model.yes:
            assert isinstance(found, Refusal) and found.code == 409
        else:
            model.yes.add(person)
            if len(model.yes) == model.minimum:
                model.state, model.until = "approved", now + LASTS
                self.looked(now)
            assert isinstance(found, Grant) and found.state == model.state

    @rule(which=WHICH, name=st.sampled_from(REVIEWERS))
    def deny(self, which: int, name: str) -> None:
        grant = self.pick(which)
        if not grant:
            return
        model = self.known[grant]
        found = self.do(self.seat.say(self.of(grant), reviewer(name, "sre"), Review(verdict="deny"), None))
        if model.state != "pending" or model.until <= self.clock.wall():
            assert isinstance(found, Refusal) and found.code == 409
        else:
            model.state = "denied"
            assert isinstance(found, Grant) and found.state == "denied"

    @rule(which=WHICH, name=st.sampled_from((*REVIEWERS, "ann")), group=st.sampled_from(("sre", "dev")))
    def revoke(self, which: int, name: str, group: str) -> None:
        grant = self.pick(which)
        if not grant:
            return
        model = self.known[grant]
        found = self.do(self.seat.revoke(self.of(grant), reviewer(name, group)))
        if group != "sre" and NAMES[name] != NAMES[model.asker]:
            assert isinstance(found, Refusal) and found.code == 403
        elif not model.live:
            assert isinstance(found, Refusal) and found.code == 409
        else:
            model.state = "revoked"
            assert isinstance(found, Grant) and found.state == "revoked"

    @rule(which=WHICH)
    def everybody_approves(self, which: int) -> None:
        for name in ("eve", "cert:bob", "cert:ann"):
            self.approve(which, name)

    @rule(seconds=st.sampled_from([1, 30, 60]))
    def time_passes(self, seconds: int) -> None:
        self.do(self.seat.tick(seconds))
        self.looked(self.clock.wall())

    def looked(self, now: float) -> None:
        """The gateway has looked at what time has done."""
        for model in self.known.values():
            model.time(now)

    @rule(seconds=st.sampled_from([1, 40]))
    def time_passes_unseen(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def the_gateway_starts_again(self) -> None:
        self.do(self.seat.end())
        self.seat = self.do(self.sit())

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def both_say_the_same(self) -> None:
        found = self.do(answer(lambda then: self.seat.grants.page((), lambda _grant: True, then, most=500, before="")))
        assert {grant.id: grant.state for grant in found[0]} == {grant: model.state for grant, model in self.known.items()}

    @invariant()
    def a_group_counts_for_who_asked_as_long_as_it_lasts_and_for_nobody_else(self) -> None:
        now = self.clock.wall()
        for name in {*ASKERS, *REVIEWERS}:
            has = {one.group for one in self.seat.active.of(Principal(name), "prod")}
            assert has == {
                model.group
                for model in self.known.values()
                if model.asker == name and model.state == "approved" and now < model.until
            }
            assert self.seat.active.of(Principal(name), "dev") == ()


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )


def test_the_desk_of_the_grants_and_a_plain_model_say_the_same() -> None:
    run_state_machine_as_test(Grants, settings=_settings(5))


@pytest.mark.long
def test_the_desk_of_the_grants_and_a_plain_model_say_the_same_for_long() -> None:
    run_state_machine_as_test(Grants, settings=_settings(20))
