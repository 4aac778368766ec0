"""Watches on shared connections of HTTP/2: no event is lost, no request is sent twice, and a silent cluster is noticed. The server
is made with h2."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamReset
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from l7gw.cluster.pool import Pool
from l7gw.cluster.upstream import ADAPTIVE, SHARED, SLOW_READER, Upstream
from l7gw.cluster.upstream_http2 import SharedConnection
from l7gw.config.settings import ClientCredential, Cluster
from l7gw.demo.pki import Authority, server_context
from l7gw.errors import Refusal
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from l7gw.wire.events import Body, End, HttpEvent, Request, Response
from l7gw.wire.http2 import ClientConnection
from tests.support.faults import until
from tests.support.manual_clock import ManualClock
from tests.support.pools import pool_for
from tests.support.raw_client import RawClient
from tests.support.scene import scene
from tests.support.scripted_upstream import KEPT

REFUSED_STREAM = 7
WITHIN = 100.0  # seconds for a test


class Visit:
    """One connection at the server."""

    def __init__(self, stage: Stage, writer: asyncio.StreamWriter) -> None:
        self.stage = stage
        self.writer = writer
        self.h2 = H2Connection(H2Configuration(client_side=False))
        self.resets: list[int] = []
        self.acknowledges = True  # whether anything is written, such as the answers to PINGs, which h2 makes by itself

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if self.acknowledges:
            self.writer.write(data)

    def answer(self, stream: int, data: bytes = b"event\n", *, end: bool = False) -> None:
        self.h2.send_headers(stream, [(":status", "200"), ("content-type", "application/json")])
        self.h2.send_data(stream, data, end_stream=end)
        self.flush()


class Watch:
    """A call that keeps what it was told, and how it ended."""

    def __init__(self, stage: Stage, name: str, kind: str = SHARED) -> None:
        self.stage = stage
        self.kind = kind
        self.name = name
        self.upstream: Upstream | None = None
        self.refusal: Refusal | None = None
        self.head: Response | None = None
        self.data = b""
        self.end = ""  # "complete", "lost"
        self.tries = 0
        self._heard = asyncio.Event()
        self._connect()

    def _connect(self) -> None:
        self.tries += 1
        self.stage.pool.connect(self._connected, self.kind)

    def _connected(self, upstream: Upstream | Refusal) -> None:
        if isinstance(upstream, Refusal):
            self.refusal, self.end = upstream, "refused"
            self._heard.set()
            return
        self.upstream = upstream
        upstream.begin(self)
        upstream.send(Request("GET", f"/watch/{self.name}", (("host", "x"),)))
        upstream.send(End())
        upstream.flush()

    def on_upstream(self, events: list[HttpEvent]) -> None:
        for event in events:
            if isinstance(event, Response):
                self.head = event
            elif isinstance(event, Body):
                self.data += event.data
            elif isinstance(event, End):
                self.end = "complete"
                assert self.upstream is not None
                self.upstream.release()
        self._heard.set()

    def on_upstream_lost(self, error: Exception | None) -> None:
        self.end = "lost"
        self._heard.set()

    def on_upstream_unprocessed(self) -> None:
        self._connect()

    def on_upstream_writable(self, *, writable: bool) -> None: ...

    async def until(self, said: Callable[[Watch], bool]) -> None:
        while not said(self):
            self._heard.clear()
            await self._heard.wait()


class Stage:
    """A pool in front of a server made with h2. The server calls `script` with each event, and keeps the requests."""

    def __init__(self, pool: Pool, clock: ManualClock) -> None:
        self.pool = pool
        self.clock = clock
        self.visits: list[Visit] = []
        self.asked: list[str] = []
        self.asked_http1: list[str] = []
        self.answers_http1 = asyncio.Event()
        self.script: Callable[[Visit, Event], None] = answering
        self.entry: dict[str, object] = {}  # the cluster's entry in l7gw.yaml

    def watch(self, name: str = "a") -> Watch:
        return Watch(self, name)

    def read(self, name: str) -> Watch:
        return Watch(self, name, ADAPTIVE)

    async def ticking(self, seconds: int) -> None:
        """Let so many seconds pass on the clock, with a tick in each and time for the network between them."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.pool.tick()
            await asyncio.sleep(0.01)


def answering(visit: Visit, event: Event) -> None:
    if isinstance(event, RequestReceived):
        visit.answer(event.stream_id)


async def answering_http1(stage: Stage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve HTTP/1.1. Requests are answered when the stage says so."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            stage.asked_http1.append(head.split(b" ")[1].decode().rpartition("/")[2])
            await stage.answers_http1.wait()
            writer.write(KEPT)
    writer.close()


def staged(folder: Path, play: Callable[[Stage], Awaitable[None]], *, most: int = 100) -> None:
    async def run() -> None:
        authority = Authority(folder)
        context = server_context(authority.server("server", "127.0.0.1"))
        context.set_alpn_protocols(["h2", "http/1.1"])

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
            if tls.selected_alpn_protocol() != "h2":
                await answering_http1(stage, reader, writer)
                return
            visit = Visit(stage, writer)
            visit.h2.local_settings = Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: most})
            visit.h2.initiate_connection()
            visit.flush()
            stage.visits.append(visit)
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65536):
                    for event in visit.h2.receive_data(data):
                        if isinstance(event, RequestReceived):
                            stage.asked.append(dict(event.headers)[b":path"].decode().rpartition("/")[2])
                        elif isinstance(event, StreamReset):
                            visit.resets.append(event.stream_id)
                        elif isinstance(event, DataReceived):
                            visit.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                        stage.script(visit, event)
                    visit.flush()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        certificate, key = authority.client("client", "gateway")
        port = server.sockets[0].getsockname()[1]
        clock = ManualClock()
        cluster = Cluster("test", "127.0.0.1", port, authority.certificate, ClientCredential(certificate, key))
        stage = Stage(pool_for(cluster, clock), clock)
        stage.entry = {
            "server": f"https://127.0.0.1:{port}",
            "certificate-authority": str(authority.certificate),
            "credential": {"client-certificate": str(certificate), "client-key": str(key)},
        }
        try:
            async with asyncio.timeout(WITHIN):
                await play(stage)
        finally:
            stage.pool.close()
            server.close()

    uvloop.run(run())


def test_two_thousand_watches_begun_at_once_share_twenty_connections_and_all_hear(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        watches = [stage.watch(str(number)) for number in range(2000)]
        for watch in watches:
            await watch.until(lambda w: w.data == b"event\n")
        assert sorted(stage.asked) == sorted(str(number) for number in range(2000)) and len(stage.visits) == 20

    staged(tmp_path, play)


def test_only_a_stream_that_was_refused_unread_is_sent_once_more(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        def script(visit: Visit, event: Event) -> None:
            if isinstance(event, RequestReceived):
                name = stage.asked[-1]
                if name == "refused" and stage.asked.count(name) == 1:
                    visit.h2.reset_stream(event.stream_id, REFUSED_STREAM)
                elif name == "reset":
                    visit.h2.reset_stream(event.stream_id, 2)
                else:
                    visit.answer(event.stream_id)

        stage.script = script
        refused, reset, fine = stage.watch("refused"), stage.watch("reset"), stage.watch("fine")
        await refused.until(lambda w: w.data != b"")
        await reset.until(lambda w: w.end == "lost")
        await fine.until(lambda w: w.data != b"")
        assert sorted(stage.asked) == ["fine", "refused", "refused", "reset"]

    staged(tmp_path, play)


def test_a_goaway_leaves_running_streams_and_sends_refused_ones_elsewhere(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        first = stage.watch("first")
        await first.until(lambda w: w.data != b"")
        (visit,) = stage.visits
        stage.script = lambda visit, event: None if visit is stage.visits[0] else answering(visit, event)
        second = stage.watch("second")
        while len(stage.asked) < 2:
            await asyncio.sleep(0.01)
        visit.writer.write(GoAwayFrame(0, last_stream_id=1, error_code=0).serialize())  # the second was not taken
        await second.until(lambda w: w.data != b"")
        assert stage.asked == ["first", "second", "second"] and len(stage.visits) == 2 and second.tries == 2
        visit.h2.send_data(1, b"last\n", end_stream=True)
        visit.flush()
        await first.until(lambda w: w.end == "complete")
        assert first.data == b"event\nlast\n" and first.tries == 1
        third = stage.watch("third")
        await third.until(lambda w: w.data != b"")
        assert len(stage.visits) == 2  # and no new stream is opened on a connection that sent a GOAWAY

    staged(tmp_path, play)


def test_a_connection_that_breaks_loses_its_watches_at_once_and_sends_none_again(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        watches = [stage.watch(str(number)) for number in range(50)]
        for watch in watches:
            await watch.until(lambda w: w.data != b"")
        stage.visits[0].writer.transport.abort()
        for watch in watches:
            await watch.until(lambda w: w.end == "lost")
        assert len(stage.asked) == 50
        again = stage.watch("again")
        await again.until(lambda w: w.data != b"")
        assert len(stage.visits) == 2

    staged(tmp_path, play)


def test_a_cluster_that_falls_silent_is_given_up_and_one_that_answers_pings_is_not(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        watch = stage.watch()
        await watch.until(lambda w: w.data != b"")
        await stage.ticking(int(3 * USUAL_TIMEOUTS.shared_quiet))
        assert watch.end == ""
        stage.visits[0].acknowledges = False
        await stage.ticking(45)
        await watch.until(lambda w: w.end == "lost")

    staged(tmp_path, play)


def test_a_watch_that_is_not_read_holds_back_its_own_stream_alone(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        slow, quick = stage.watch("slow"), stage.watch("quick")
        await slow.until(lambda w: w.data != b"")
        await quick.until(lambda w: w.data != b"")
        assert slow.upstream is not None
        slow.upstream.pause(SLOW_READER)
        (visit,) = stage.visits
        sent = 0
        while (room := min(visit.h2.local_flow_control_window(1), 16_384)) > 0:
            visit.h2.send_data(1, bytes(room))
            sent += room
            visit.flush()
            await asyncio.sleep(0.001)
        assert 200_000 < sent <= 256 * 1024
        for _ in range(40):
            while visit.h2.local_flow_control_window(3) < 16_384:
                await asyncio.sleep(0.001)
            visit.h2.send_data(3, bytes(16_384))
            visit.flush()
        await quick.until(lambda w: len(w.data) > 600_000)
        slow.upstream.resume(SLOW_READER)
        while visit.h2.local_flow_control_window(1) == 0:
            await asyncio.sleep(0.01)

    staged(tmp_path, play)


def test_a_watch_that_is_left_is_cancelled_and_an_idle_connection_is_closed(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        watch = stage.watch()
        await watch.until(lambda w: w.data != b"")
        assert watch.upstream is not None
        watch.upstream.abort()
        while not stage.visits[0].resets:
            await asyncio.sleep(0.01)
        await stage.ticking(int(USUAL_TIMEOUTS.upstream_idle) + 2)
        await (again := stage.watch("again")).until(lambda w: w.data != b"")
        assert len(stage.visits) == 2 and again.end == ""

    staged(tmp_path, play)


def test_a_cluster_that_allows_few_streams_gets_more_connections(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await (first := stage.watch("first")).until(lambda w: w.data != b"")
        watches = [stage.watch(str(number)) for number in range(9)]
        for watch in watches:
            await watch.until(lambda w: w.data != b"")
        assert len(stage.asked) == 10 and len(stage.visits) >= 2 and first.end == ""

    staged(tmp_path, play, most=5)


def test_a_connection_that_ended_is_freed_at_once(tmp_path: Path) -> None:
    """So is its codec, which would otherwise stay until Python's garbage collector runs (threats I4)."""

    async def play(stage: Stage) -> None:
        watch = stage.watch()
        await watch.until(lambda w: w.data != b"")
        assert in_memory() == [1, 1]
        stage.visits[0].writer.transport.abort()
        await watch.until(lambda w: w.end == "lost")
        watch.upstream = None
        stage.pool.tick()
        while in_memory() != [0, 0]:
            await asyncio.sleep(0.05)

    def in_memory() -> list[int]:
        kinds = [type(one) for one in gc.get_objects()]  # types only: a list of the objects would keep them alive
        return [kinds.count(SharedConnection), kinds.count(ClientConnection)]

    gc.collect()
    gc.disable()
    try:
        staged(tmp_path, play)
    finally:
        gc.enable()


def test_no_more_streams_are_opened_than_a_cluster_allows_from_the_first_on(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        watches = [stage.watch(str(number)) for number in range(60)]
        for watch in watches:
            await watch.until(lambda w: w.data != b"")
        assert {watch.tries for watch in watches} == {1} and len(stage.visits) <= 20

    staged(tmp_path, play, most=5)


def test_a_cluster_that_allows_no_stream_is_not_dialled_without_end(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        for watch in [stage.watch(str(number)) for number in range(3)]:
            await watch.until(lambda w: w.end == "refused")
            assert watch.refusal is not None and watch.refusal.code == 502
        assert len(stage.visits) == 1 and not stage.asked

    staged(tmp_path, play, most=0)


def test_a_connection_dialled_with_a_former_credential_carries_no_call(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        watch = stage.watch()
        await asyncio.sleep(0)
        stage.pool.retire()  # while it is being dialled
        await watch.until(lambda w: w.data != b"")
        assert len(stage.visits) == 2 and watch.tries == 1

    staged(tmp_path, play)


def test_a_single_read_uses_http1_and_reads_beside_it_share_a_connection_of_http2(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        alone = stage.read("alone")
        while not stage.asked_http1:
            await asyncio.sleep(0.01)
        beside = [stage.read(str(number)) for number in range(20)]
        for read in beside:
            await read.until(lambda w: w.data == b"event\n")
        assert len(stage.visits) == 1 and stage.asked_http1 == ["alone"]
        stage.answers_http1.set()
        await alone.until(lambda w: w.end == "complete")
        again = stage.read("again")
        await again.until(lambda w: w.end == "complete")
        assert stage.asked_http1 == ["alone", "again"]

    staged(tmp_path, play)


def test_a_silent_cluster_is_noticed_for_a_watch_that_outlives_a_reload(tmp_path: Path) -> None:
    quickly = Timeouts(shared_quiet=2.0, shared_answer=4.0)

    def a_pod(visit: Visit, event: Event) -> None:
        if isinstance(event, RequestReceived):
            visit.answer(event.stream_id, b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}}\n')

    async def play(stage: Stage) -> None:
        stage.script = a_pod

        def watched() -> bytes:
            with scene(tmp_path / "scene", cluster=stage.entry, timeouts=quickly) as it, RawClient(it.gateway) as client:
                client.send(it.request("GET /api/v1/pods?watch=true"))
                assert client.socket.recv(65536).startswith(b"HTTP/1.1 200 ")
                assert it.gateway.process is not None
                it.gateway.process.send_signal(signal.SIGHUP)
                until(lambda: "configuration read again" in it.gateway.log)
                stage.visits[0].acknowledges = False  # from now on the cluster is silent
                return client.rest()

        assert b"0\r\n\r\n" not in await asyncio.to_thread(watched)  # the silence was noticed, and the client saw a cut

    staged(tmp_path, play)
