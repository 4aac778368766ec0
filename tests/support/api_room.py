"""The API over a real desk with its database, without a gateway around it: identity of an issuer of the test, and a clock that it turns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from l7gw.api.call import Api, ApiCall
from l7gw.api.call_sides import Told
from l7gw.api.callers import Peer
from l7gw.api.replies import Webhook
from l7gw.api.running import Endable
from l7gw.approval.desk import Desk
from l7gw.approval.grant_desk import GrantDesk
from l7gw.approval.messages import Hold
from l7gw.approval.people import People
from l7gw.config.settings import KindRule
from l7gw.hold_terms import Reviewers
from l7gw.identity.chain import IdentityChain
from l7gw.log import CountedLog
from l7gw.policy.grants import GrantEntry
from l7gw.policy.judge import Policy
from l7gw.policy.patterns import Globs
from l7gw.timeouts import Timeouts
from l7gw.wire.events import NO_BODY, Body, End, HttpEvent, Request, Response
from tests.support.desks import Seat, asked, seat, terms
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import Issuer, entry, settled

KINDS = KindRule(fixed=None, claim="kind", values={"human": ("human",), "workload": ("workload",)})
SRE = Reviewers(groups=("sre",))
GRANTS = (
    GrantEntry("oncall", SRE, groups=Globs(("dev",)), clusters=Globs(("prod*", "far")), most=7200),
    GrantEntry("agents-plus", Reviewers(owner=True), kinds=frozenset(("agent",))),
    GrantEntry("two", Reviewers(groups=("sre",), minimum=2, emergency=("night",))),
)


class Room:
    """The services that the API asks of its gateway."""

    def __init__(self, chair: Seat, issuer: Issuer) -> None:
        self.chair = chair
        self.issuer = issuer
        self.clock = issuer.clock
        self.timeouts = Timeouts(request_head=10.0, between_requests=120.0, answer_unread=60.0)
        self.of_peers = CountedLog(logging.getLogger("test"), issuer.clock.monotonic)
        self.identity = IdentityChain([entry(kind=KINDS)], issuer.clock, issuer.fetch)
        self.desk_if_any: Desk | None = chair.desk
        self.grants_if_any: GrantDesk | None = chair.grants
        self.policy = Policy((), (), grants=GRANTS)
        self.webhook: Webhook | None = None
        self.people = People()
        self.running: list[Endable] = []
        self.told: list[Told] = []
        self.api = Api(self)
        self.api.tick()

    def token(self, user: str = "lea", *groups: str, **claims: Any) -> str:
        return self.issuer.token(sub=user, groups=list(groups or ("sre",)), **{"kind": "human", **claims})

    def api_called(self, told: Told) -> None:
        self.told.append(told)

    def has_cluster(self, name: str) -> bool:
        return name.startswith("prod")

    async def hold(self, of: str = "a", **fields: Any) -> Hold:
        """A pending hold that comes back, of ann unless `fields` say something else."""
        return await self.chair.held(asked(of, **{"terms": terms(wait="come-back"), **fields}))

    async def ask(self, line: str, token: str | None = None, said: object = None, **more: Any) -> tuple[int, Any]:
        """One call: the status, and the JSON of the answer."""
        client = Caller()
        await client.call(self.api, line, token, said, **more)
        await client.done.wait()
        return client.status, client.document


class Caller:
    """The client's side of one call, which keeps what it is sent."""

    address = "192.0.2.7"
    http = "1.1"

    def __init__(self, certificates: tuple[bytes, ...] = ()) -> None:
        self.certificates = certificates
        self.writable = True
        self.events: list[HttpEvent] = []
        self.done = asyncio.Event()
        self.aborted = False
        self.one: ApiCall

    async def call(
        self, api: Api, line: str, token: str | None = None, said: object = None, *,
        peer: Peer | None = None, headers: tuple[tuple[str, str], ...] = (), kind: str = "application/json",
    ) -> ApiCall:  # fmt: skip
        method, target = line.split(" ")
        body = said if isinstance(said, bytes) else msgspec.json.encode(said) if said is not None else b""
        sent = [*headers]
        if token is not None:
            sent.append(("authorization", f"Bearer {token}"))
        if said is not None:
            sent.append(("content-type", kind))
        self.one = ApiCall(api, self, Request(method, target, tuple(sent), len(body) if said is not None else NO_BODY), peer)
        self.one.begin()
        if body:
            self.one.on_body(body)
        self.one.on_request_end()
        return self.one

    def send(self, event: HttpEvent) -> None:
        self.events.append(event)

    def flush(self) -> None:
        """Nothing is kept back."""

    def finished(self, call: object) -> None:
        self.done.set()

    def abort(self) -> None:
        self.aborted = True
        self.done.set()

    @property
    def status(self) -> int:
        return next(event.status for event in self.events if isinstance(event, Response))

    @property
    def body(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, Body))

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def lines(self) -> list[Any]:
        return [msgspec.json.decode(line) for line in self.body.splitlines() if line]

    @property
    def whole(self) -> bool:
        return any(isinstance(event, End) for event in self.events)


@asynccontextmanager
async def room(state: Path) -> AsyncIterator[Room]:
    clock = ManualClock()
    async with seat(state, clock) as chair:
        made = Room(chair, Issuer(clock))
        made.identity.prefetch()
        await settled(made.identity)
        yield made


def in_room(test: Callable[[Room], Coroutine[Any, Any, None]], folder: Path) -> None:
    async def run() -> None:
        async with room(folder / "state") as made:
            await test(made)

    asyncio.run(run())
