"""People never share a connection to a cluster, their pools end when they are unused, and there are not too many of them. The server
is made with asyncio's streams."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from l7gw.cluster.credentials.brokered import BrokeredCredential
from l7gw.cluster.credentials.messages import TokenWanted
from l7gw.cluster.dials import Dials
from l7gw.cluster.endpoint import Endpoint
from l7gw.cluster.pool import Pool
from l7gw.cluster.pools import Key, OnePool, PoolOfEach
from l7gw.cluster.upstream import ADAPTIVE, FRESH, KEPT, Upstream, Wanted
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Cluster
from l7gw.demo.pki import Authority, server_context
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from l7gw.timeouts import USUAL_TIMEOUTS
from l7gw.wire.events import End, HttpEvent, Request
from tests.support.manual_clock import ManualClock
from tests.support.scripted_broker import ScriptedBroker
from tests.support.scripted_upstream import KEPT as ANSWER

IDLE = USUAL_TIMEOUTS.upstream_idle


class Caller:
    def __init__(self) -> None:
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def on_upstream(self, events: list[HttpEvent]) -> None:
        if any(isinstance(event, End) for event in events):
            self.done.set_result(True)

    def on_upstream_lost(self, error: Exception | None) -> None:
        self.done.set_result(False)


class Stage:
    """Pools of people in front of a server that notes the tokens of each of its connections."""

    def __init__(self, endpoint: Endpoint, most: int, seen: list[set[str]]) -> None:
        self.clock = ManualClock()
        self.broker = ScriptedBroker()
        self.seen = seen
        self._endpoint = endpoint
        self._dials = Dials(self.clock)
        self.made: list[Key] = []
        self.pools = PoolOfEach(self._make, cluster="prod", most=most)

    def _make(self, key: Key) -> Pool:
        self.made.append(key)
        credential = BrokeredCredential(self.broker, TokenWanted("prod", *key), self.clock, within=20.0)
        return Pool(self._endpoint, credential, self.clock, dials=self._dials)

    async def lent(self, who: Principal, kind: Wanted = KEPT) -> Upstream:
        found: asyncio.Future[Upstream | Refusal] = asyncio.get_running_loop().create_future()
        self.pools.of(who).connect(found.set_result, kind)
        connection = await found
        assert not isinstance(connection, Refusal), connection.message
        return connection

    async def call(self, who: Principal, kind: Wanted = KEPT) -> None:
        connection = await self.lent(who, kind)
        caller = Caller()
        connection.begin(caller)
        connection.send(Request("GET", "/", (("host", "x"), *self.pools.of(who).credential.authorization)))
        connection.send(End())
        connection.flush()
        assert await caller.done
        connection.release()


def people(*names: str, issuer: str = "https://issuer") -> list[Principal]:
    return [Principal(name, issuer=issuer) for name in names]


def staged(folder: Path, play: Callable[[Stage], Awaitable[None]], *, most: int = 100) -> None:
    async def run() -> None:
        authority = Authority(folder)
        seen: list[set[str]] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tokens = set[str]()
            seen.append(tokens)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    tokens |= {line.partition("Bearer ")[2] for line in head.decode().split("\r\n") if "Bearer " in line}
                    writer.write(ANSWER)
                    await writer.drain()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context(authority.server("server", "127.0.0.1")))
        port = server.sockets[0].getsockname()[1]
        stage = Stage(Endpoint(Cluster("prod", "127.0.0.1", port, authority.certificate, AwsRole("arn"))), most, seen)
        await play(stage)
        stage.pools.close()
        server.close()

    uvloop.run(run())


@pytest.mark.parametrize("seed", range(3))
def test_no_two_people_ever_share_a_connection_in_any_order_of_their_calls(tmp_path: Path, seed: int) -> None:
    """Names that are alike but for the issuer, letters or a NUL are different people too. Tokens end, pools end, connections rest."""
    chance = random.Random(seed)
    crowd = [
        *people("ann", "Ann", "ann ", "bob", "https://b\0ann", "l7gw", ""),
        *people("ann", "bob", issuer="https://other"),
        *people("ann", issuer="https://issuer\0"),
    ]

    async def play(stage: Stage) -> None:
        for _ in range(15):
            some = chance.sample(crowd, 5)  # fewer than there may be pools: nobody is turned away
            kinds = [chance.choice((KEPT, KEPT, FRESH, ADAPTIVE)) for _ in range(chance.randint(1, 12))]
            await asyncio.gather(*(stage.call(chance.choice(some), kind) for kind in kinds))
            if chance.random() < 0.2:
                stage.broker.expire()
            if chance.random() < 0.2:
                stage.clock.advance(chance.choice((1.0, IDLE)))
            stage.pools.tick()
        owners = [{stage.broker.made[token] for token in tokens} for tokens in stage.seen]
        assert all(len(of_one) <= 1 for of_one in owners), (
            "a connection carried the tokens of two"
        )  # none: dialled for calls to come
        assert {one for of_one in owners for one in of_one} == {TokenWanted("prod", *key) for key in stage.made}

    staged(tmp_path, play, most=6)


def test_a_pool_ends_when_nothing_is_left_in_it_and_not_before(tmp_path: Path) -> None:
    ann, bob = people("ann", "bob")

    async def play(stage: Stage) -> None:
        await stage.call(ann)
        at_work = await stage.lent(bob)
        stage.clock.advance(IDLE)
        for _ in range(3):
            stage.pools.tick()
            await asyncio.sleep(0.01)
        await stage.call(ann)
        await stage.call(bob)
        assert [user for _, user in stage.made] == ["ann", "bob", "ann"]
        at_work.abort()
        stage.pools.retire()
        for _ in range(3):
            await asyncio.sleep(0.01)
            stage.pools.tick()
        assert stage.pools.over

    staged(tmp_path, play)


def test_one_person_more_ends_the_pool_that_was_unused_longest(tmp_path: Path) -> None:
    ann, bob, cid, dan = people("ann", "bob", "cid", "dan")

    async def play(stage: Stage) -> None:
        at_work = await stage.lent(ann)
        for who in (bob, cid, bob, dan):  # dan is one too many: ann is at work, cid was here longest ago
            await stage.call(who)
        opened = len(stage.seen)
        await stage.call(bob)
        assert len(stage.seen) == opened, "his connection is still there"
        await stage.call(cid)
        assert len(stage.seen) == opened + 1
        at_work.abort()

    staged(tmp_path, play, most=3)


def test_where_all_are_at_work_one_person_more_is_told_so(tmp_path: Path) -> None:
    ann, bob, cid = people("ann", "bob", "cid")

    async def play(stage: Stage) -> None:
        at_work = [await stage.lent(who) for who in (ann, bob)]
        with pytest.raises(Refusal) as refused:
            stage.pools.of(cid)
        assert refused.value.code == 503 and "2 people are at work on cluster prod" in refused.value.message
        await stage.call(ann)  # those who are here go on
        at_work.pop().abort()
        await stage.call(cid)
        at_work.pop().abort()

    staged(tmp_path, play, most=2)


def test_a_call_that_waits_for_a_token_keeps_its_pool(tmp_path: Path) -> None:
    (ann,) = people("ann")

    async def play(stage: Stage) -> None:
        stage.broker.at_once = False
        waiting = asyncio.ensure_future(stage.call(ann))
        await asyncio.sleep(0)
        stage.pools.tick()
        assert not stage.pools.over and not stage.pools.of(ann).unused
        stage.broker.answer()
        await waiting
        assert len(stage.made) == 1

    staged(tmp_path, play)


def test_a_cluster_with_one_credential_has_one_pool_for_all(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        pool = stage.pools.of(Principal("", issuer=""))
        one = OnePool(pool)
        assert {one.of(who) for who in people("ann", "bob")} == {pool} and one.over

    staged(tmp_path, play)
