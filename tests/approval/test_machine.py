"""The desk against a plain model: whatever people, clients and time do in whatever order, both say the same.

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

from l7gw.approval.messages import Asked, Hold, Requester, Review
from l7gw.approval.people import People
from l7gw.config.settings import Person
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers
from tests.support.databases import VARIABLE, at_server
from tests.support.desks import Seat, Waits, answer, asked, reviewer, terms
from tests.support.manual_clock import ManualClock
from tests.support.postgres import Postgres

TTL, USE, REST = 100, 50, 600  # seconds
MEMORY = "/dev/shm"  # what the disk keeps is asked elsewhere (test_races.py)
MOST = 4  # pending holds of one person, so that the limit is met
ASKERS = ["ann", "cert:ann", "bob"]
REVIEWERS = ["bob", "cert:bob", "eve", "cert:eve", "cert:ann"]
NAMES = {
    "ann": "ann",
    "cert:ann": "ann",
    "bob": "bob",
    "cert:bob": "bob",
    "eve": "eve",
    "cert:eve": "eve",
}  # of each name the person
PEOPLE = People(tuple(Person(user, (f"cert:{user}",)) for user in ("ann", "bob", "eve")))


WHICH = st.integers(0, 7)


class Model:
    """What a hold must be: its state, who has said yes, and until when."""

    def __init__(self, *, asker: str, key: str, back: bool, minimum: int, now: float, run: str) -> None:
        self.asker, self.key, self.back, self.minimum, self.run = asker, key, back, minimum, run
        self.state, self.until = "pending", now + TTL
        self.yes: dict[str, int] = {}  # of each person how much of the run he lets pass
        self.no: set[str] = set()
        self.rest, self.rest_until = 0, 0.0  # further calls of the run, and until when they pass
        self.told: list[str] = []

    @property
    def live(self) -> bool:
        return self.state in ("pending", "approved")

    def becomes(self, state: str, *, told: bool = True) -> None:
        self.state = state
        if told and not self.back:
            self.told.append(state)


class Desks(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        self.clock = ManualClock()
        self.known: dict[str, tuple[Model, Waits]] = {}

        async def sit() -> Seat:
            seat = Seat(Path(self.folder.name) / "s", self.clock)
            seat.desk.configure(PEOPLE, most=MOST)
            return seat

        self.seat: Seat = self.do(sit())

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.seat.end())
        self.loop.close()
        self.folder.cleanup()

    def call(self, name: str, key: str, *, back: bool, minimum: int, run: str = "r") -> Asked:
        who = Requester(user=name)
        held_by = terms(
            ("writes", Reviewers(groups=("sre",), minimum=minimum)), wait="come-back" if back else "wait", ttl=TTL, use_within=USE
        )
        return asked(f"{name}-{key}", who=who, person=NAMES[name], terms=held_by, run=run)

    def pick(self, which: int) -> str:
        """A hold: mostly one of the newest that are live, else any. "" where there is none."""
        live = [hold for hold, (model, _) in self.known.items() if model.live]
        some = live if live and which < 6 else [*self.known]
        return some[-1 - which % len(some)] if some else ""

    # ------------------------------------------------------------------ what may happen

    @rule(
        name=st.sampled_from(ASKERS),
        key=st.sampled_from("xy"),
        back=st.booleans(),
        minimum=st.sampled_from((1, 1, 2)),
    )
    def ask(self, name: str, key: str, back: bool, minimum: int) -> None:
        waits = Waits()
        found = self.do(self.seat.ask(self.call(name, key, back=back, minimum=minimum), None if back else waits))
        now = self.clock.wall()
        if back:
            for hold, (model, _) in self.known.items():
                if not (model.back and model.live and (model.asker, model.key) == (name, key)):
                    continue
                if model.until <= now:
                    model.becomes("expired")
                elif model.minimum != minimum:
                    model.becomes("void")
                else:
                    assert isinstance(found, Hold) and (found.id, found.state) == (hold, model.state)
                    return
        person = NAMES[name]
        if sum(model.state == "pending" and NAMES[model.asker] == person for model, _ in self.known.values()) >= MOST:
            assert isinstance(found, Refusal) and found.code == 429
            self.undo_of_a_refusal(name, key, back=back)
            return
        assert isinstance(found, Hold) and found.state == "pending" and found.id not in self.known
        self.known[found.id] = Model(asker=name, key=key, back=back, minimum=minimum, now=now, run="r"), waits

    def undo_of_a_refusal(self, name: str, key: str, *, back: bool) -> None:
        """A refused question changes nothing: what it found to be over is over at the next look."""
        for hold, (model, _) in self.known.items():
            if back and model.back and (model.asker, model.key) == (name, key):
                model.state = self.do(self.state_of(hold))

    @rule(which=WHICH, name=st.sampled_from(REVIEWERS), rest=st.integers(0, 2))
    def approve(self, which: int, name: str, rest: int) -> None:
        hold = self.pick(which)
        if not hold:
            return
        model, _ = self.known[hold]
        found = self.do(self.said(hold, name, Review(verdict="approve", rest_of_run=rest)))
        person = NAMES[name]
        if person == NAMES[model.asker]:
            assert isinstance(found, Refusal) and found.code == 403
        elif model.state != "pending" or model.until <= self.clock.wall() or person in model.yes:
            assert isinstance(found, Refusal) and found.code == 409
        else:
            model.yes[person] = rest
            if len(model.yes) == model.minimum:
                model.becomes("approved")
                model.until = self.clock.wall() + USE
                model.rest = min(model.yes.values())
                model.rest_until = self.clock.wall() + REST
            assert isinstance(found, Hold) and found.state == model.state

    @rule(which=WHICH, name=st.sampled_from(REVIEWERS))
    def deny(self, which: int, name: str) -> None:
        hold = self.pick(which)
        if not hold:
            return
        model, _ = self.known[hold]
        found = self.do(self.said(hold, name, Review(verdict="deny")))
        if model.state == "consumed" and model.rest and self.clock.wall() < model.rest_until:
            model.rest = 0  # what is used is used: a denial takes back the rest of the run
            assert isinstance(found, Hold) and found.state == "consumed"
        elif not model.live or model.until <= self.clock.wall():
            assert isinstance(found, Refusal) and found.code == 409
        else:
            model.becomes("denied")
            assert isinstance(found, Hold) and found.state == "denied"

    @rule(which=WHICH, right=st.sampled_from((True, True, True, False)))
    def claim(self, which: int, right: bool) -> None:
        hold = self.pick(which)
        if not hold:
            return
        model, _ = self.known[hold]
        bound = ("i-" if model.back else "b-") + f"{model.asker}-{model.key if right else 'z'}"
        went = self.do(answer(lambda then: self.seat.desk.claim(hold, bound, then)))
        may = right and model.state == "approved" and self.clock.wall() < model.until
        assert went is may
        if may:
            model.becomes("consumed", told=False)

    @rule(which=WHICH, right=st.booleans(), seconds=st.sampled_from((0, USE - 1, USE)))
    def everybody_approves_and_it_is_claimed(self, which: int, right: bool, seconds: int) -> None:
        for name in ("eve", "cert:bob", "cert:ann"):
            self.approve(which, name, 0)
        self.time_passes_unseen(seconds)
        self.claim(which, right)
        self.deny(which, "eve")

    @rule(which=WHICH)
    def client_leaves(self, which: int) -> None:
        hold = self.pick(which)
        if not hold or self.known[hold][0].back:
            return
        model, _ = self.known[hold]
        self.seat.desk.cancel(hold, "gone")
        self.do(self.seat.settled())
        if model.live:
            model.becomes("cancelled", told=False)

    @rule(seconds=st.sampled_from([1, 30, 60]))
    def time_passes(self, seconds: int) -> None:
        self.do(self.seat.tick(seconds))
        for model, _ in self.known.values():
            if model.live and model.until <= self.clock.wall():
                model.becomes("expired")

    @rule(seconds=st.sampled_from([1, 40]))
    def time_passes_unseen(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def the_gateway_starts_again(self) -> None:
        self.do(self.seat.end())
        for model, _ in self.known.values():
            if model.live and not model.back:
                model.becomes("void")

        async def sit() -> Seat:
            seat = Seat(Path(self.folder.name) / "s", self.clock)
            seat.desk.configure(PEOPLE, most=MOST)
            return seat

        self.seat = self.do(sit())

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def both_say_the_same(self) -> None:
        found = self.do(answer(lambda then: self.seat.desk.list((), then)))
        assert {hold.id: hold.state for hold in found} == {hold: model.state for hold, (model, _) in self.known.items()}
        for model, waits in self.known.values():
            assert waits.told == model.told

    async def said(self, hold: str, name: str, review: Review) -> Hold | Refusal:
        return await answer(lambda then: self.seat.desk.review(hold, reviewer(name, "sre"), review, then))

    async def state_of(self, hold: str) -> str:
        found = await answer(lambda then: self.seat.desk.get(hold, then))
        assert isinstance(found, Hold)
        return found.state


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )


def test_the_desk_and_a_plain_model_say_the_same() -> None:
    run_state_machine_as_test(Desks, settings=_settings(15))


@pytest.mark.timeout(300)  # a busy machine; and what a time limit stops Hypothesis would begin again
@pytest.mark.long
def test_the_desk_and_a_plain_model_say_the_same_for_long() -> None:
    run_state_machine_as_test(Desks, settings=_settings(40))


@pytest.mark.timeout(300)  # a busy machine; and what a time limit stops Hypothesis would begin again
@pytest.mark.long
def test_the_desk_at_a_server_and_a_plain_model_say_the_same(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, at_server(postgres))
    run_state_machine_as_test(Desks, settings=_settings(10))
