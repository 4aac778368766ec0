"""Clients on HTTP/2: many calls share a connection, and none waits for another. A hostile client costs its neighbours nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
import statistics
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from l7gw.timeouts import Timeouts
from tests.support.figures import figure
from tests.support.h2_client import H2Client, H2Stream, connected
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import KEPT, Visit

POD = "/api/v1/namespaces/default/pods/web-0"
LOG = f"{POD}/log"
WATCH = "/api/v1/pods?watch=true"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
PLAIN = CHUNKED.replace(b"application/json", b"text/plain")
ENHANCE_YOUR_CALM = 11


def serving(visit: Visit) -> None:
    """Answer each request by its path: a log with 20 MB, a watch with one event and then silence, `slow` only later, the log of
    `cut` with its half, any other with {}."""
    while (at := len(visit.received)) >= 0 and visit.head():
        head, _, _ = bytes(visit.received[at:]).partition(b"\r\n\r\n")
        line, *_ = head.split(b"\r\n", 1)
        length = re.search(rb"(?im)^content-length: (\d+)", head)
        whole = at + len(head) + 4 + (int(length[1]) if length else 0)
        while len(visit.received) < whole and visit.more():
            pass
        if b"/cut/log" in line:
            visit.send(PLAIN + b"5\r\nhalf\n\r\n")
            return
        elif b"/log" in line:
            visit.send(PLAIN)
            for _ in range(320):
                visit.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            visit.send(b"0\r\n\r\n")
        elif b"watch" in line:
            visit.send(CHUNKED + b"3\r\n{}\n\r\n")
            visit.drain(30)
            return
        elif b"slow" in line:
            time.sleep(2)
            visit.send(KEPT)
        else:
            visit.send(KEPT)


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("http2"), serving) as running:
        yield running


@contextlib.asynccontextmanager
async def client(it: Scene, *, window: int | None = None) -> AsyncIterator[H2Client]:
    """A client that has a certificate for which the gateway does not ask."""
    async with connected(it.gateway.port, it.gateway.authority, it.upstream.client, window=window) as talker:
        yield talker


def play(script: Awaitable[None]) -> None:
    async def timed() -> None:
        async with asyncio.timeout(40):
            await script

    asyncio.run(timed())


async def ask(it: Scene, talker: H2Client, path: str = POD, method: str = "GET", body: bytes = b"") -> H2Stream:
    return await talker.ask(method, path, body, authorization=f"Bearer {it.token}")


async def start(it: Scene, talker: H2Client, path: str, method: str = "GET") -> tuple[int, H2Stream]:
    return await talker.open(method, path, authorization=f"Bearer {it.token}")


# ---------------------------------------------------------------------- calls


def test_calls_on_one_connection_do_not_wait_for_each_other(it: Scene) -> None:
    async def script() -> None:
        async with client(it) as talker:
            _, slow = await start(it, talker, "/api/v1/namespaces/default/pods/slow")
            began = time.monotonic()
            for _ in range(20):
                assert (await ask(it, talker)).status == 200
            assert not slow.ended.is_set() and time.monotonic() - began < 2
            await slow.ended.wait()
            assert slow.status == 200 and slow.json() == {}

    play(script())


def test_a_stream_that_is_not_read_stalls_itself_alone(it: Scene) -> None:
    async def script() -> None:
        async with client(it) as talker:
            talker.h2.increment_flow_control_window(2**20)  # the connection's window; that of the stream runs out
            talker.reading = False
            _, stalled = await start(it, talker, LOG)
            await stalled.until(60_000)
            for _ in range(20):
                assert (await ask(it, talker)).status == 200
            assert len(stalled.body) <= 65_535 and not stalled.ended.is_set()

    play(script())


def test_two_downloads_share_the_connection_by_turns(it: Scene) -> None:
    async def script() -> None:
        async with client(it, window=2**20) as talker:
            talker.h2.increment_flow_control_window(2**24)
            talker.flush()
            _, first = await start(it, talker, LOG)
            await first.until(2_000_000)
            _, second = await start(it, talker, LOG)
            await second.until(4_000_000)
            assert not first.ended.is_set() or len(first.body) == 320 * 65536
            for exchange in (first, second):
                await exchange.ended.wait()
                assert exchange.reset is None and len(exchange.body) == 320 * 65536

    play(script())


def test_pings_are_answered_while_calls_wait(it: Scene) -> None:
    async def script() -> None:
        async with client(it) as talker:
            await start(it, talker, "/api/v1/namespaces/default/pods/slow")
            answers: list[object] = []
            talker._take, before = (lambda event: (answers.append(event), before(event))[1]), talker._take  # type: ignore[method-assign]
            talker.h2.ping(b"12345678")
            talker.flush()
            while not any(type(event).__name__ == "PingAckReceived" for event in answers):
                await asyncio.sleep(0.01)

    play(script())


def test_a_cancelled_watch_is_cancelled_at_the_cluster(it: Scene) -> None:
    async def script() -> None:
        async with client(it) as talker:
            stream, watch = await start(it, talker, WATCH)
            await watch.until(3)
            visit = [visit for visit in it.upstream.visits if b"watch" in visit.received][-1]
            talker.reset(stream)
            began = time.monotonic()
            while visit.socket.fileno() != -1:  # the script ends when the gateway hangs up
                assert time.monotonic() - began < 5
                await asyncio.sleep(0.01)
            assert (await ask(it, talker)).status == 200

    play(script())


def test_an_answer_that_the_cluster_cuts_is_reset_and_its_neighbours_live(it: Scene) -> None:
    async def script() -> None:
        async with client(it) as talker:
            _, watch = await start(it, talker, WATCH)
            await watch.until(3)
            cut = await ask(it, talker, "/api/v1/namespaces/default/pods/cut/log")
            assert cut.status == 200 and cut.reset == 2  # INTERNAL_ERROR, never a clean end
            assert (await ask(it, talker)).status == 200 and not watch.ended.is_set()

    play(script())


def test_a_write_goes_up_whole_and_refusals_come_back_on_their_stream(it: Scene) -> None:
    async def script() -> None:
        async with client(it) as talker:
            body = json.dumps({"data": {"a": "b" * 300_000}}).encode()
            assert (await ask(it, talker, "/api/v1/namespaces/default/configmaps", "POST", body)).status == 200
            assert body in it.upstream.received
            before = len(it.upstream.received)
            for path, status in (
                ("/api/v1/namespaces/a%2Fb/pods", 400),
                ("/api/v1/watch/pods", 403),
                ("/api/v1/pods?watch=%zz", 400),
            ):
                refused = await ask(it, talker, path)
                assert refused.status == status and refused.json()["kind"] == "Status", path
                assert refused.json()["message"].startswith("l7gw: ")
            too_large = await ask(it, talker, "/api/v1/namespaces/default/configmaps", "POST", b"x" * (3 * 1024 * 1024 + 1))
            assert too_large.status == 413
            assert len(it.upstream.received) == before
            assert (await ask(it, talker)).status == 200

    play(script())


def test_after_a_401_the_connection_is_given_up(it: Scene) -> None:
    async def script() -> None:
        async with client(it) as talker:
            refused = await talker.ask("GET", POD, authorization="Bearer x")
            assert refused.status == 401
            await talker.closed.wait()
            assert talker.terminated is not None and talker.terminated.error_code == 0

    play(script())


def test_streams_beyond_the_limit_are_refused_so_that_the_client_asks_elsewhere(it: Scene) -> None:
    async def script() -> None:
        async with client(it) as talker:
            await ask(it, talker)
            talker.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
            talker.h2.remote_settings.acknowledge()
            watches = [(await start(it, talker, WATCH))[1] for _ in range(110)]
            for watch in watches[100:]:
                await watch.ended.wait()
                assert watch.reset == 7  # REFUSED_STREAM: certainly not acted upon
            for watch in watches[:100]:
                await watch.until(3)

    play(script())


def test_the_drain_lets_calls_end_and_loses_no_request_under_way(tmp_path: Path) -> None:
    with scene(tmp_path, serving) as it:
        raw = Raw(it)
        raw.client.send(raw.request(path="/api/v1/namespaces/default/pods/slow"))
        time.sleep(0.3)
        assert it.gateway.process is not None
        it.gateway.process.terminate()
        seen: list[Frame] = []
        for frame in raw.frames():
            seen.append(frame)
            if isinstance(frame, GoAwayFrame) and frame.last_stream_id == 2**31 - 1:
                raw.client.send(raw.request())  # this request was under way when the gateway sent its GOAWAY
            elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
                raw.client.send(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
                raw.client.send(raw.request())  # this one comes too late
        goaways = [(frame.last_stream_id, frame.error_code) for frame in seen if isinstance(frame, GoAwayFrame)]
        assert goaways == [(2**31 - 1, 0), (3, 0)]
        ended = [frame.stream_id for frame in seen if "END_STREAM" in frame.flags]
        assert ended == [3, 1]  # the first two were answered
        assert [(frame.stream_id, frame.error_code) for frame in seen if isinstance(frame, RstStreamFrame)] == [(5, 7)]


def test_a_steady_upload_may_take_longer_than_a_head_however_its_frames_are_cut(tmp_path: Path) -> None:
    with scene(tmp_path / "scene", serving, timeouts=Timeouts(request_head=1.0)) as it:
        raw = Raw(it)
        raw.client.send(raw.request(end=False, path="/api/v1/namespaces/default/configmaps", method="POST"))
        body = b'{"a":"%s"}' % (b"x" * (48_000 - 8))
        pieces = b"".join(DataFrame(1, body[at : at + 4000]).serialize() for at in range(0, len(body), 4000))
        upload = pieces + DataFrame(1, b"", flags=["END_STREAM"]).serialize()
        for at in range(0, len(upload), 4000):  # each write ends within a frame
            raw.client.send(upload[at : at + 4000])
            time.sleep(0.3)
        assert any(isinstance(frame, HeadersFrame) and frame.stream_id == 1 for frame in until_answered(raw))
        assert body in it.upstream.received


def test_a_body_in_drops_is_refused_on_its_own_stream(it: Scene) -> None:
    """A body has ten seconds for its first ten KiB, as on HTTP/1.1 (threats I1). The connection goes on."""

    raw, received = Raw(it), b""
    raw.client.socket.settimeout(0.2)
    began = time.monotonic()
    raw.client.send(raw.request(end=False, path="/api/v1/namespaces/default/configmaps", method="POST"))
    while b'"code":' not in received and time.monotonic() - began < 20:
        raw.client.send(DataFrame(1, b"x").serialize())
        with contextlib.suppress(TimeoutError):
            received += raw.client.socket.recv(65536)
    took = time.monotonic() - began
    figure("I1", "HTTP/2, a body in drops", "ended at 10 s, once a second is looked", f"408 after {took:.1f} s")
    assert b'"code":408' in received and 9 < took < 18
    raw.client.socket.settimeout(10)
    raw.client.send(raw.request())
    assert any(isinstance(frame, HeadersFrame) and frame.stream_id == 3 for frame in until_answered(raw))


def until_answered(raw: Raw) -> Iterator[Frame]:
    for frame in raw.frames():
        yield frame
        if isinstance(frame, GoAwayFrame) or "END_STREAM" in frame.flags:
            return


# ---------------------------------------------------------------------- abuse (threats B)


class Raw:
    """A client that writes any frames, on a connection whose beginning was correct."""

    def __init__(self, it: Scene) -> None:
        self.it = it
        self.client = RawClient(it.gateway, protocols=["h2"])
        self.encoder = Encoder()
        self.encoder.header_table_size = 0
        self.stream = -1
        self.client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize())

    def request(self, *, end: bool = True, path: str = POD, method: str = "GET") -> bytes:
        """HEADERS of a good request on the next stream."""
        self.stream += 2
        frame = HeadersFrame(self.stream, self.block(path, method))
        frame.flags |= {"END_HEADERS", "END_STREAM"} if end else {"END_HEADERS"}
        return frame.serialize()

    def block(self, path: str = POD, method: str = "GET") -> bytes:
        fields = [(":method", method), (":scheme", "https"), (":authority", "x"), (":path", path)]
        fields.append(("authorization", f"Bearer {self.it.token}"))
        return self.encoder.encode(fields)

    def send_all(self, frames: Iterator[bytes]) -> None:
        """Send frames from a thread of its own, until the gateway ends the connection."""

        def run() -> None:
            with contextlib.suppress(OSError):
                for frame in frames:
                    self.client.send(frame)

        threading.Thread(target=run, daemon=True).start()

    def frames(self) -> Iterator[Frame]:
        """What the gateway sends until it ends the connection."""
        data = b""
        while True:
            while len(data) >= 9:
                frame, length = Frame.parse_frame_header(memoryview(data[:9]))
                if len(data) < 9 + length:
                    break
                frame.parse_body(memoryview(data[9 : 9 + length]))
                data = data[9 + length :]
                yield frame
            try:
                more = self.client.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                return
            if not more:
                return
            data += more

    def goaway(self) -> tuple[int, int]:
        """The code of the GOAWAY that ends the connection, and how many streams were acted upon before it."""
        found = [(frame.error_code, (frame.last_stream_id + 1) // 2) for frame in self.frames() if isinstance(frame, GoAwayFrame)]
        assert len(found) == 1
        return found[0]


def reset(stream: int) -> bytes:
    return RstStreamFrame(stream, error_code=8).serialize()


def rapid_reset(raw: Raw) -> Iterator[bytes]:
    for _ in range(10_000):
        yield raw.request() + reset(raw.stream)


def made_you_reset_by_window(raw: Raw) -> Iterator[bytes]:
    for _ in range(10_000):
        yield raw.request() + WindowUpdateFrame(raw.stream, window_increment=2**31 - 1).serialize()


def made_you_reset_by_data(raw: Raw) -> Iterator[bytes]:
    for _ in range(10_000):
        yield raw.request() + DataFrame(raw.stream, b"x").serialize()


def made_you_reset_by_headers(raw: Raw) -> Iterator[bytes]:
    for _ in range(10_000):
        first = raw.request()
        raw.stream -= 2
        yield first + raw.request()


def neighbours(it: Scene, stop: threading.Event, found: list[float]) -> None:
    """Make well-behaved calls on a connection of HTTP/1.1, and note the seconds that each took."""
    with RawClient(it.gateway) as friend:
        while not stop.is_set():
            began = time.monotonic()
            friend.send(it.request(f"GET {POD}"))
            assert friend.answer()[0] == 200
            found.append(time.monotonic() - began)


@contextlib.contextmanager
def watched_neighbours(it: Scene) -> Iterator[list[float]]:
    found: list[float] = []
    stop = threading.Event()
    thread = threading.Thread(target=neighbours, args=(it, stop, found))
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(20)


@pytest.mark.parametrize(
    "attack", [rapid_reset, made_you_reset_by_window, made_you_reset_by_data, made_you_reset_by_headers], ids=lambda a: a.__name__
)
def test_resets_are_cut_within_200_and_neighbours_do_not_notice(it: Scene, attack: Callable[[Raw], Iterator[bytes]]) -> None:
    with watched_neighbours(it) as calm:
        time.sleep(1.5)
    before = len(it.upstream.visits)
    raw = Raw(it)
    with watched_neighbours(it) as stormy:
        time.sleep(0.3)
        raw.send_all(attack(raw))
        code, taken = raw.goaway()
        time.sleep(1.0)
    began, p99, p99_before = len(it.upstream.visits) - before, _p99(stormy), _p99(calm)
    figure(
        "B1" if attack is rapid_reset else "B2", attack.__name__.replace("_", " "),
        "GOAWAY(11) within 200 resets, at most 200 calls to the cluster, neighbours' p99 under twice or 50 ms",
        f"GOAWAY({code}) after {taken}, {began} connections to the cluster, p99 {p99_before * 1000:.1f} and {p99 * 1000:.1f} ms",
    )  # fmt: skip
    assert code == ENHANCE_YOUR_CALM and 50 < taken <= 200
    assert began <= 200
    assert len(stormy) > 50
    assert p99 < max(2 * p99_before, 0.05)


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


def flood(frame: bytes, count: int = 100_000) -> Iterator[bytes]:
    for _ in range(count // 50):
        yield frame * 50


def continuations(raw: Raw, piece: bytes, count: int = 1000) -> Iterator[bytes]:
    raw.stream += 2
    yield HeadersFrame(raw.stream, raw.block()).serialize()
    for _ in range(count):
        yield ContinuationFrame(raw.stream, piece).serialize()


FLOODS: dict[str, tuple[Callable[[Raw], Iterator[bytes]], int]] = {
    "pings": (lambda raw: flood(PingFrame(0, b"12345678").serialize()), ENHANCE_YOUR_CALM),
    "settings": (lambda raw: flood(SettingsFrame(0).serialize()), ENHANCE_YOUR_CALM),
    "priorities": (lambda raw: flood(PriorityFrame(1, depends_on=3, stream_weight=1).serialize()), ENHANCE_YOUR_CALM),
    "window updates": (lambda raw: flood(WindowUpdateFrame(0, window_increment=1).serialize()), ENHANCE_YOUR_CALM),
    "unknown frames": (lambda raw: flood(b"\0\0\0\x42\0\0\0\0\0"), ENHANCE_YOUR_CALM),
    "empty DATA": (lambda raw: iter([raw.request(end=False, method="POST"), *flood(DataFrame(1).serialize())]), ENHANCE_YOUR_CALM),
    "DATA for a refused stream": (lambda raw: iter([raw.request(end=False), *flood(DataFrame(1).serialize())]), ENHANCE_YOUR_CALM),
    "empty CONTINUATION": (lambda raw: continuations(raw, b""), ENHANCE_YOUR_CALM),
    "full CONTINUATION": (lambda raw: continuations(raw, b"\x00\x01a\x7f\x81\x7e" + b"x" * 16_378), ENHANCE_YOUR_CALM),
    "indexed bomb": (lambda raw: iter([HeadersFrame(1, b"\x82" * 16_000, flags=["END_HEADERS"]).serialize()]), ENHANCE_YOUR_CALM),
    "table size updates": (lambda raw: iter([HeadersFrame(1, b"\x20" * 10_000, flags=["END_HEADERS"]).serialize()]), 9),
    "announcement of 16 MiB": (lambda raw: iter([b"\xff\xff\xff\0\0\0\0\0\1"]), 6),
}  # fmt: skip


THREATS = {
    "empty DATA": "B8", "DATA for a refused stream": "B8", "empty CONTINUATION": "B3", "full CONTINUATION": "B3",
    "indexed bomb": "B4", "table size updates": "B4", "announcement of 16 MiB": "B6",
}  # fmt: skip


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_ended_with_a_reason(it: Scene, name: str) -> None:
    attack, code = FLOODS[name]
    raw = Raw(it)
    began = time.monotonic()
    raw.send_all(attack(raw))
    came = raw.goaway()[0]
    figure(THREATS.get(name, "B7"), name, f"GOAWAY({code})", f"GOAWAY({came}) within {time.monotonic() - began:.2f} s")
    assert came == code
    with RawClient(it.gateway) as friend:
        friend.send(it.request(f"GET {POD}"))
        assert friend.answer()[0] == 200


def test_no_flood_reached_the_cluster_and_the_log_has_no_bug(it: Scene) -> None:
    assert "failed at this call" not in it.gateway.log and "Traceback" not in it.gateway.log
