"""uvloop's TLS: how much it gives at once, which is what may still come when reading is paused; and what a failed handshake
tells."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock, call

import pytest
import uvloop
from uvloop.loop import SSLProtocol

from l7gw.cluster import transport as transports
from l7gw.cluster.transport import MUCH, PARTS_FIRST, PARTS_READ, PLAIN_HTTP, Arrival, SocketReading, listen
from l7gw.cluster.upstream_http1 import UpstreamConnection
from l7gw.cluster.upstream_http2 import SharedConnection
from l7gw.demo.pki import Authority, server_context
from l7gw.gateway.downstream_http1 import Http1Downstream
from l7gw.gateway.downstream_http2 import Http2Downstream
from l7gw.limits import USUAL_LIMITS
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from l7gw.wire.http1 import LARGEST_READ

RECORD = 16 * 1024  # bytes in a record of TLS, at most (RFC 8446 section 5.1)


def feed(server: SSLProtocol, data: bytes) -> None:
    """Feed bytes in reads of the socket, each as large as the buffer that the protocol gives."""
    while data:
        room = memoryview(server.get_buffer(len(data)))
        size = min(len(room), len(data))
        room[:size] = data[:size]
        server.buffer_updated(size)
        data = data[size:]


def test_one_read_brings_more_than_its_size_and_no_more_than_may_wait(tmp_path: Path) -> None:
    """A read of 256 KiB completes a record that was there but for a byte, and is filled up by the end of what the client wrote."""
    authority = Authority(tmp_path, "CA")
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(authority.certificate))
    client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    application = Mock(spec=asyncio.Protocol)
    transport = Mock(write=to_client.write, writelines=lambda parts: to_client.write(b"".join(parts)))

    async def play() -> None:
        pair = authority.server("server", "localhost")
        server = SSLProtocol(asyncio.get_running_loop(), application, server_context(pair), None, True)
        server.connection_made(transport)
        for _ in range(2):
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            feed(server, to_server.read())
        client.write(bytes(RECORD))
        first = to_server.read()
        client.write(bytes(15 * RECORD))
        client.write(bytes(RECORD - 400))
        feed(server, first[:-1])
        feed(server, first[-1:] + to_server.read())

    uvloop.run(play())
    given = [len(call.args[0]) for call in application.data_received.call_args_list]
    assert given == [17 * RECORD - 400]
    assert given[0] <= LARGEST_READ


class Porter:
    """A door that keeps what it was told."""

    def __init__(self) -> None:
        self.open = self.came = 0
        self.told: list[str] = []

    def opened(self) -> bool:
        self.open += 1
        self.came += 1
        return True

    def closed(self) -> None:
        self.open -= 1

    def failed(self, address: str, error: ssl.SSLError) -> None:
        assert address == "127.0.0.1"
        self.told.append(str(error.reason))


async def knock(port: int, said: bytes, read: bool = True) -> bytes:
    """Send these bytes to the listener. Returns what it answers until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    try:
        return await reader.read() if read else b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def hello(context: ssl.SSLContext) -> bytes:
    """The first bytes of a client with this context."""
    said = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said, server_hostname="localhost").do_handshake()
    return said.read()


def other_ciphers() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES256-GCM-SHA384")
    return context


ALERT = 0x15  # type of a record with an alert (RFC 8446 section 5.1); its last byte is the alert's description (section 6)
HANDSHAKE_FAILURE, PROTOCOL_VERSION = 40, 70
CASES: list[tuple[Callable[[], bytes], str, int | None]] = [
    (lambda: hello(other_ciphers()), "NO_SHARED_CIPHER", HANDSHAKE_FAILURE),
    (lambda: bytes.fromhex("16030100310100002d0301") + bytes(32) + bytes.fromhex("000006c013c0140035" "0100"), "UNSUPPORTED_PROTOCOL", PROTOCOL_VERSION),
    (lambda: b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP_REQUEST", None),
]  # fmt: skip


async def listening(tmp_path: Path, door: Porter, timeouts: Timeouts = USUAL_TIMEOUTS) -> asyncio.Server:
    context = server_context(Authority(tmp_path, "CA").server("server", "localhost"))
    context.set_ciphers("ECDHE+AESGCM")
    return await listen(lambda: Arrival(lambda _: Mock(spec=asyncio.Protocol)), "127.0.0.1", 0, lambda: context, door, backlog=64, timeouts=timeouts)  # fmt: skip


@pytest.mark.parametrize("said, reason, alert", CASES)
def test_a_failed_handshake_sends_its_alert_to_the_client_and_its_reason_to_the_door(
    tmp_path: Path, said: Callable[[], bytes], reason: str, alert: int | None
) -> None:
    async def play() -> None:
        door = Porter()
        server = await listening(tmp_path, door)
        heard = await knock(server.sockets[0].getsockname()[1], said())
        assert door.told == [reason]
        assert (heard[0], heard[-1]) == (ALERT, alert) if alert is not None else heard == PLAIN_HTTP
        server.close()

    uvloop.run(play())


def test_a_client_of_plain_http_is_told_to_write_https_in_what_it_can_read() -> None:
    head, _, body = PLAIN_HTTP.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    told = b"plain HTTP was sent, and this port speaks https alone; in the kubeconfig, `server:` must begin with https://"
    assert b'\r\nwarning: 299 - "l7gw: ' + told + b'"\r\n' in head and body == b"l7gw: " + told + b"\n"


def test_clients_that_leave_before_or_during_the_handshake_are_not_reported(tmp_path: Path) -> None:
    async def play() -> None:
        door = Porter()
        server = await listening(tmp_path, door)
        port = server.sockets[0].getsockname()[1]
        await knock(port, b"", read=False)
        await knock(port, hello(ssl.create_default_context())[:-1], read=False)
        while door.open or door.came < 2:
            await asyncio.sleep(0)
        assert door.told == []
        server.close()

    uvloop.run(play())


def test_a_flood_of_failed_handshakes_keeps_few_connections_open_for_their_alerts(tmp_path: Path) -> None:
    async def play() -> None:
        door = Porter()
        server = await listening(tmp_path, door, Timeouts(alert_read=60.0))  # longer than this takes
        bad = hello(other_ciphers())
        count = transports.MOST_PARTING + 8
        answers = await asyncio.gather(
            *(knock(server.sockets[0].getsockname()[1], bad) for _ in range(count)), return_exceptions=True
        )
        assert len(door.told) == count
        assert sum(isinstance(one, bytes) and one != b"" for one in answers) == transports.MOST_PARTING
        server.close()

    uvloop.run(play())


# ---------------------------------------------------------------------- turns (threats I10)

FLOOD = 48 * 1024 * 1024  # bytes


class Flooded(asyncio.Protocol):
    """Notes in which turn of the loop each read came, and does as much with it as TLS, masks and a record would."""

    def __init__(self, turns: list[int]) -> None:
        self.below: SocketReading | None = None
        self.turns = turns
        self.came = 0
        self.reads: list[int] = []  # the turns
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        assert self.below is not None
        self.below.was_read(len(data))
        self.came += len(data)
        if len(data) >= MUCH:
            self.reads.append(self.turns[0])
        hashlib.sha512(data).digest()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)


def test_a_connection_that_floods_is_read_once_in_a_turn_of_the_loop_and_whole(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "CA")
    turns = [0]

    def flood(port: int) -> None:
        context = ssl.create_default_context(cafile=str(authority.certificate))
        plain = socket.create_connection(("127.0.0.1", port), 10)
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(bytes(FLOOD))
            client.unwrap()  # a close with tickets of TLS unread would reset the connection, and lose bytes

    async def play() -> None:
        loop = asyncio.get_running_loop()
        context = server_context(authority.server("server", "localhost"))
        made: list[Flooded] = []

        def make() -> Arrival:
            return Arrival(lambda _: made.append(Flooded(turns)) or made[-1])  # type: ignore[func-returns-value]

        server = await listen(make, "127.0.0.1", 0, lambda: context, Porter(), backlog=8, timeouts=USUAL_TIMEOUTS)
        threads = [threading.Thread(target=flood, args=(server.sockets[0].getsockname()[1],)) for _ in range(2)]
        for thread in threads:
            thread.start()

        def turn() -> None:
            turns[0] += 1
            loop.call_soon(turn)

        turn()
        while len(made) < 2:
            await asyncio.sleep(0)
        for one in made:
            await one.lost
            assert one.came == FLOOD
            assert len(set(one.reads)) == len(one.reads)
        for thread in threads:
            thread.join()
        server.close()

    uvloop.run(play())


def test_a_socket_that_rests_is_read_again_only_where_that_is_wanted() -> None:
    async def play() -> None:
        turn, transport = asyncio.sleep, Mock(is_closing=Mock(return_value=False))
        reading = SocketReading(transport)

        def done() -> list[object]:
            calls, transport.mock_calls = [one for one in transport.mock_calls if one != call.is_closing()], []
            return calls

        reading.was_read(MUCH - 1)
        assert done() == []
        reading.was_read(MUCH)
        reading.was_read(MUCH)
        assert done() == [call.pause_reading()]
        await turn(0)
        assert done() == [call.resume_reading()]
        reading.was_read(MUCH)
        reading.pause()
        await turn(0)
        assert done() == [call.pause_reading()]
        reading.was_read(MUCH)
        reading.resume()
        assert done() == [call.resume_reading()]
        reading.was_read(MUCH)
        reading.pause()
        reading.resume()
        await turn(0)
        assert done() == [call.pause_reading(), call.resume_reading()]
        reading.was_read(MUCH)
        transport.is_closing.return_value = True
        await turn(0)
        assert done() == [call.pause_reading()]

    uvloop.run(play())


def test_a_closed_connection_is_read_ever_more_seldom_until_its_peer_ends() -> None:
    async def play() -> None:
        loop, transport = asyncio.get_running_loop(), Mock(is_closing=Mock(return_value=False))
        reading, began = SocketReading(transport), loop.time()
        reading.pause()
        reading.part()
        while transport.resume_reading.call_count < 5:
            await asyncio.sleep(0.001)
        assert loop.time() - began >= PARTS_FIRST * (1 + 1 + 2 + 4 + 8)
        said = [one for one in transport.mock_calls if one != call.is_closing()]
        assert said == [call.pause_reading(), call.resume_reading()] * 5
        transport.is_closing.return_value = True
        transport.reset_mock()
        await asyncio.sleep(PARTS_READ * 2)
        reading.part()
        transport.pause_reading.assert_not_called()
        transport.resume_reading.assert_not_called()

    uvloop.run(play())


@pytest.mark.interpreted
def test_a_connection_to_a_cluster_that_is_closed_waits_for_its_end_so() -> None:
    connection = UpstreamConnection(Mock())
    below = connection.below = Mock(spec=SocketReading)
    connection.connection_made(Mock(get_extra_info=Mock(return_value=None)))
    connection.close()
    below.part.assert_called_once_with()


@pytest.mark.interpreted
@pytest.mark.parametrize(
    "make",
    [
        lambda: Http1Downstream(Mock(clock=Mock(monotonic=Mock(return_value=0.0)), limits=USUAL_LIMITS)),
        lambda: Http2Downstream(Mock(clock=Mock(monotonic=Mock(return_value=0.0)), timeouts=USUAL_TIMEOUTS, limits=USUAL_LIMITS)),
        lambda: UpstreamConnection(Mock()),
        lambda: SharedConnection(Mock(monotonic=Mock(return_value=0.0)), USUAL_TIMEOUTS),
    ],
    ids=["a client's", "a client's of HTTP/2", "a cluster's", "a cluster's of HTTP/2"],
)
def test_each_kind_of_connection_tells_the_socket_below_what_a_read_brought(make: Callable[[], asyncio.Protocol]) -> None:
    async def play() -> None:
        connection = make()
        below = connection.below = Mock(spec=SocketReading)  # type: ignore[attr-defined]
        connection.data_received(b"P")
        below.was_read.assert_called_once_with(1)

    uvloop.run(play())
