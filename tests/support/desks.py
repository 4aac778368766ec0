"""A desk over a database of its own, with a clock that the test turns, and a recording that is a list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.active_grants import ActiveGrants
from l7gw.approval.desk import Desk
from l7gw.approval.grant_desk import GrantDesk
from l7gw.approval.grant_messages import Grant, GrantAsked, GrantDone
from l7gw.approval.lease import Lease
from l7gw.approval.messages import Asked, Hold, Requester, Review, Reviewer, ReviewView
from l7gw.errors import Refusal
from l7gw.hold_terms import HoldTerms, Reviewers, RuleTerms, Wait
from l7gw.identifiers import uuid7
from l7gw.identity.principal import Principal
from l7gw.store.tables import metadata
from tests.support.databases import store_of
from tests.support.manual_clock import ManualClock

T = TypeVar("T")
SRE = Reviewers(groups=("sre",))
ANN = Requester(user="ann", groups=("dev",))
GRANT_TERMS = RuleTerms("grant of oncall", SRE)
YES, NO = Review(verdict="approve"), Review(verdict="deny", note="not today")


def terms(
    *rules: tuple[str, Reviewers], wait: Wait = "wait", ttl: int = 600, use_within: int = 300, message: str = ""
) -> HoldTerms:
    found = tuple(RuleTerms(name, who) for name, who in rules or (("writes", SRE),))
    return HoldTerms(rules=found, wait=wait, ttl=ttl, use_within=use_within, message=message)


def asked(of: str = "a", *, who: Requester = ANN, **fields: Any) -> Asked:
    """A call that is bound to `of`, the delete of a pod unless `fields` say something else."""
    about: dict[str, Any] = {
        "principal": who, "person": who.user, "session": "s1", "run": "r1", "exchange": 1, "cluster": "prod",
        "command": "kubectl delete pod web-0 -n dev", "verb": "delete", "resource": "pods", "namespace": "dev", "name": "web-0",
        "effects": ("delete",), "binding": f"b-{of}", "intent": f"i-{of}", "terms": terms(),
    }  # fmt: skip
    about.update(fields)
    if about["terms"].wait == "wait" and "intent" not in fields:
        about["intent"] = ""
    return Asked(**about)


def wish(group: str = "oncall", *, who: Requester = ANN, **fields: Any) -> GrantAsked:
    """A grant that is asked for: half an hour of oncall on prod, unless `fields` say something else."""
    about: dict[str, Any] = {
        "principal": who, "person": who.user, "group": group, "cluster": "prod", "seconds": 1800, "reason": "INC-1",
        "terms": GRANT_TERMS, "ttl": 600,
    }  # fmt: skip
    return GrantAsked(**about | fields)


def reviewer(user: str = "rob", *groups: str, **fields: Any) -> Reviewer:
    about = {"kind": fields.pop("kind", "human"), "actor": fields.pop("actor", ""), "issuer": fields.pop("issuer", "https://idp")}
    return Reviewer(
        principal=Principal(user, groups or ("sre",), **about), **{"proven": "oidc", "token_digest": "t-" + user} | fields
    )


async def answer(ask: Callable[[Callable[[T], None]], object]) -> T:
    """What a function that takes a callback calls it with. It may be called once."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    ask(future.set_result)
    return await future


class Record:
    """Evidence: what was recorded, in order. `failure` lets the disk fail."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.failure: Exception | None = None

    def changed(self, hold: Hold, review: ReviewView | None, then: Callable[[Exception | None], None]) -> None:
        self._add((hold.id, f"{review.user}: {review.verdict}" if review else hold.state), then)

    def covered(self, hold: str, asked: Asked, then: Callable[[Exception | None], None]) -> None:
        self._add((hold, "covered"), then)

    def _add(self, event: tuple[str, str], then: Callable[[Exception | None], None]) -> None:
        self.events.append(event)
        asyncio.get_running_loop().call_soon(then, self.failure)


class GrantRecord:
    """The grants' evidence: what was recorded, in order. `failure` lets the disk fail."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, str]] = []  # the grant, its state, what was done and by whom
        self.failure: Exception | None = None

    def changed(self, grant: Grant, done: GrantDone, then: Callable[[Exception | None], None]) -> None:
        self.events.append((grant.id, grant.state, done.did, done.user))
        asyncio.get_running_loop().call_soon(then, self.failure)


class Waits:
    """A waiter: the states that it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def hold_changed(self, hold: Hold) -> None:
        self.told.append(hold.state)


class Seat:
    """A desk with its clock, and its questions as coroutines. `database` is the folder of its database, its state if there is none."""

    def __init__(self, state: Path, clock: ManualClock, database: Path | None = None) -> None:
        state.mkdir(mode=0o700, exist_ok=True)
        self.clock = clock
        self.record = Record()
        self.store = store_of(database or state)
        self.desk = Desk(self.store, Lease(state, uuid7()), clock, self.record)
        self.granted = GrantRecord()
        self.active = ActiveGrants(clock)
        self.grants = GrantDesk(self.store, clock, self.granted, self.active)
        self.grants.begin(self.store._engine)

    async def ask(self, call: Asked, waiter: Any = None) -> Hold | Refusal:
        return await answer(lambda then: self.desk.ask(call, waiter, then))

    async def held(self, call: Asked, waiter: Any = None) -> Hold:
        found = await self.ask(call, waiter)
        assert isinstance(found, Hold), found
        return found

    async def review(self, hold: Hold, who: Reviewer, said: Review = YES) -> Hold | Refusal:
        return await answer(lambda then: self.desk.review(hold.id, who, said, then))

    async def claim(self, hold: Hold, bound: str) -> bool:
        return await answer(lambda then: self.desk.claim(hold.id, bound, then))

    async def covered(self, call: Asked) -> str | None:
        return await answer(lambda then: self.desk.covered(call, then))

    async def grant(self, wish: GrantAsked) -> Grant | Refusal:
        return await answer(lambda then: self.grants.ask(wish, then))

    async def granted_to(self, wish: GrantAsked, who: Reviewer | None = None) -> Grant:
        """A grant that was asked for and approved."""
        found = await self.grant(wish)
        assert isinstance(found, Grant), found
        approved = await self.say(found, who or reviewer(), YES, wish.terms)
        assert isinstance(approved, Grant) and approved.state == "approved", approved
        return approved

    async def say(self, grant: Grant, who: Reviewer, said: Review, now: RuleTerms | None = GRANT_TERMS) -> Grant | Refusal:
        return await answer(lambda then: self.grants.review(grant.id, who, said, now, then))

    async def revoke(self, grant: Grant, by: Reviewer, note: str = "") -> Grant | Refusal:
        return await answer(lambda then: self.grants.revoke(grant.id, by, note, then))

    async def grant_now(self, grant: Grant) -> Grant:
        found = await answer(lambda then: self.grants.get(grant.id, then))
        assert isinstance(found, Grant), found
        return found

    async def now(self, hold: Hold) -> Hold:
        found = await answer(lambda then: self.desk.get(hold.id, then))
        assert isinstance(found, Hold), found
        return found

    async def tick(self, seconds: float = 0.0) -> None:
        """Let so many seconds pass, and a tick after them."""
        self.clock.advance(seconds)
        self.desk.tick(self.clock.monotonic())
        self.grants.tick(self.clock.monotonic())
        await self.settled()

    async def settled(self) -> None:
        """Everything that was asked of the store so far is done, and told."""
        await answer(lambda then: self.store.do(lambda _connection: None, then))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def end(self) -> None:
        await answer(lambda then: self.desk.end(lambda: then(None)))
        self.store.close()


@asynccontextmanager
async def seat(state: Path, clock: ManualClock | None = None, database: Path | None = None) -> AsyncIterator[Seat]:
    one = Seat(state, clock or ManualClock(), database)
    try:
        yield one
    finally:
        await one.end()


def run(test: Callable[[Seat], Coroutine[Any, Any, None]], state: Path) -> None:
    """Run a test with a desk in `state`."""

    async def with_seat() -> None:
        async with seat(state / "state") as one:
            await test(one)

    asyncio.run(with_seat())


def hold_of(call: Asked, **changes: Any) -> Hold:
    """The pending hold of a call, without a desk; `changes` are fields that it has instead."""
    with _memory().connect() as connection:  # rolled back
        found = rows.insert(connection, call, hold=uuid7(), gateway="g1", now=1_700_000_000_000_000)
    return msgspec.structs.replace(found, **changes)


@lru_cache(maxsize=1)
def _memory() -> sa.Engine:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    return engine
