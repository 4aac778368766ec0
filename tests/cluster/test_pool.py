"""Connections to a cluster are kept, closed in time, and never used in doubt. Where there is none, the caller gets a sentence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from l7gw.cluster import upstream
from l7gw.cluster.pool import Pool
from l7gw.cluster.upstream_http1 import UpstreamConnection
from l7gw.config.settings import ClientCredential, Cluster
from l7gw.demo.pki import Authority, server_context
from l7gw.errors import Refusal
from l7gw.timeouts import USUAL_TIMEOUTS
from l7gw.wire.events import End, HttpEvent, Request, Response
from tests.support.manual_clock import ManualClock
from tests.support.pools import pool_for
from tests.support.scripted_upstream import KEPT


class Caller:
    """A call that waits for one answer."""

    def __init__(self) -> None:
        self.done: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        self._head: Response | None = None

    def on_upstream(self, events: list[HttpEvent]) -> None:
        for event in events:
            if isinstance(event, Response):
                self._head = event
            elif isinstance(event, End):
                self.done.set_result(self._head)

    def on_upstream_lost(self, error: Exception | None) -> None:
        self.done.set_result(None)

    def on_upstream_writable(self, *, writable: bool) -> None: ...


class Stage:
    """A pool in front of a server that counts its connections and gives one answer to all requests."""

    def __init__(self, pool: Pool, clock: ManualClock, opened: list[int]) -> None:
        self.pool = pool
        self.clock = clock
        self.opened = opened

    async def connection(self, *, fresh: bool = False) -> UpstreamConnection | Refusal:
        found: asyncio.Future[UpstreamConnection | Refusal] = asyncio.get_running_loop().create_future()
        self.pool.connect(found.set_result, upstream.FRESH if fresh else upstream.KEPT)
        return await found

    async def call(self, *, fresh: bool = False) -> Response | None:
        connection = await self.connection(fresh=fresh)
        assert isinstance(connection, UpstreamConnection)
        caller = Caller()
        connection.begin(caller)
        connection.send(Request("GET", "/", (("host", "x"),)))
        connection.send(End())
        connection.flush()
        answer = await caller.done
        connection.release()
        return answer


def cluster(folder: Path, authority: Authority, port: int, host: str = "127.0.0.1") -> Cluster:
    certificate, key = authority.client("client", "gateway")
    return Cluster("test", host, port, authority.certificate, ClientCredential(certificate, key))


def staged(
    folder: Path, play: Callable[[Stage], Awaitable[None]], answer: bytes = KEPT, *, names: tuple[str, ...] = ("127.0.0.1",)
) -> None:
    async def run() -> None:
        authority = Authority(folder)
        opened: list[int] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            opened.append(len(opened))
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(answer)
                    await writer.drain()

        context = server_context(authority.server("server", *names), clients=authority.certificate)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        clock = ManualClock()
        pool = pool_for(cluster(folder, authority, server.sockets[0].getsockname()[1]), clock)
        await play(Stage(pool, clock, opened))
        pool.close()
        server.close()

    uvloop.run(run())


def test_calls_share_a_connection_one_after_the_other(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        for _ in range(5):
            assert (await stage.call()) is not None
        assert len(stage.opened) == 1
        await asyncio.gather(stage.call(), stage.call(), stage.call())
        assert len(stage.opened) == 3  # never two calls at once on one

    staged(tmp_path, play)


def test_an_upgrade_gets_a_connection_of_its_own(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.call()
        await stage.call(fresh=True)
        assert len(stage.opened) == 2

    staged(tmp_path, play)


IDLE = USUAL_TIMEOUTS.upstream_idle


@pytest.mark.parametrize(("idle", "opened"), [(IDLE - 1, 1), (IDLE, 2)])
@pytest.mark.parametrize("ticks", [True, False])
def test_a_connection_idle_for_a_minute_is_closed_not_used(tmp_path: Path, idle: float, opened: int, ticks: bool) -> None:
    async def play(stage: Stage) -> None:
        await stage.call()
        stage.clock.advance(idle)
        if ticks:
            stage.pool.tick()
        await stage.call()
        assert len(stage.opened) == opened

    staged(tmp_path, play)


@pytest.mark.parametrize(
    "answer", [KEPT + b"HTTP/1.1 200 OK\r\n", KEPT + b"x", KEPT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")]
)
def test_a_connection_in_doubt_is_never_used_again(tmp_path: Path, answer: bytes) -> None:
    async def play(stage: Stage) -> None:
        await stage.call()
        await stage.call()
        assert len(stage.opened) == 2

    staged(tmp_path, play, answer)


def test_a_certificate_for_another_name_is_a_502_that_says_so(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        refusal = await stage.connection()
        assert isinstance(refusal, Refusal) and refusal.code == 502 and "certificate" in refusal.message

    staged(tmp_path, play, names=("elsewhere.example",))


def test_a_cluster_of_another_authority_is_a_502(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        other = Authority(tmp_path / "other")
        endpoint = stage.pool.endpoint
        pool = pool_for(cluster(tmp_path / "other", other, endpoint.port), stage.clock)
        refusal = await Stage(pool, stage.clock, []).connection()
        assert isinstance(refusal, Refusal) and refusal.code == 502 and "not trusted" in refusal.message

    staged(tmp_path, play)


def test_a_port_where_nobody_listens_is_a_502_in_words(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        with contextlib.closing(__import__("socket").socket()) as unused:
            unused.bind(("127.0.0.1", 0))
            pool = pool_for(cluster(tmp_path, Authority(tmp_path), unused.getsockname()[1]), stage.clock)
            refusal = await Stage(pool, stage.clock, []).connection()
        assert isinstance(refusal, Refusal) and refusal.code == 502 and "refuses connections" in refusal.message

    staged(tmp_path, play)
