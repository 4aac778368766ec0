"""Connections to one cluster: dialled late, kept alive, never shared by two calls at once, never used again in doubt.

A call that was sent is never sent again: what may have been received may have been done (RFC 9110 section 9.2.2).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from l7gw.clock import Clock
from l7gw.cluster.endpoint import Endpoint, unreachable
from l7gw.cluster.transport import connect
from l7gw.errors import Refusal
from l7gw.wire.errors import PeerError
from l7gw.wire.events import HttpEvent
from l7gw.wire.http1 import ClientConnection

log = logging.getLogger(__name__)

IDLE_FOR = 60.0  # seconds; the API server ends an idle connection at 90, so that ours never races with it
DIAL_TIMEOUT = 10.0  # seconds for TCP and TLS together
DIALS_AT_ONCE = 64  # a flood of resets must not become a flood of handshakes (threats, "Peers" 6)
DIALS_WAITING = 1024  # beyond it the answer is 503: the cluster cannot keep up
MOST_IDLE = 64  # per cluster; more are closed when their call is over
KEEPALIVE = 30  # seconds until TCP asks a silent cluster whether it lives
DEAD_AFTER = 45_000  # milliseconds that sent bytes may stay unacknowledged (threats I5)
WRITE_LIMIT = 256 * 1024  # bytes that wait for the cluster before the client is read no further
SLOW_READER, SLOW_DISK, ANY = 1, 2, 3  # why a cluster is not read just now; it is read again when no reason is left


class Call(Protocol):
    """Who uses a connection: hears what the cluster says, and when it falls silent for good."""

    def on_upstream(self, events: list[HttpEvent]) -> None: ...

    def on_upstream_lost(self, error: Exception | None) -> None: ...

    def on_upstream_writable(self, writable: bool) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """One TLS connection to a cluster's API server."""

    __slots__ = ("codec", "_pool", "_transport", "_call", "idle_since", "_lost", "_unread", "socket_transport")

    def __init__(self, pool: Pool) -> None:
        self.codec = ClientConnection()
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self.socket_transport: asyncio.Transport | None = None
        self._call: Call | None = None
        self.idle_since = 0.0
        self._lost = False
        self._unread = 0  # the reasons not to read

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's is one, but not by inheritance
        transport.set_write_buffer_limits(high=WRITE_LIMIT)
        _keep_alive(transport)

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def eof_received(self) -> None:
        self._received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._pool.forget(self)
        call, self._call = self._call, None
        if call is not None:
            call.on_upstream_lost(exc)

    def pause_writing(self) -> None:
        if self._call is not None:
            self._call.on_upstream_writable(False)

    def resume_writing(self) -> None:
        if self._call is not None:
            self._call.on_upstream_writable(True)

    def _received(self, data: bytes) -> None:
        call = self._call
        try:
            events = self.codec.receive(data)
        except PeerError as error:
            self.close()
            if call is not None:
                call.on_upstream_lost(error)
            return
        if call is None:
            self.close()  # bytes that nobody asked for, or the end of an idle connection
        elif events:
            call.on_upstream(events)

    # -- what a call does

    def begin(self, call: Call) -> None:
        self._call = call

    def flush(self) -> None:
        """Write what the codec has ready."""
        data = self.codec.take()
        if data and self._transport is not None:
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        """Bytes of an upgraded connection."""
        if data and self._transport is not None:
            self._transport.write(data)

    def pause(self, why: int) -> None:
        before, self._unread = self._unread, self._unread | why
        if not before and self.socket_transport is not None and not self._lost:
            self.socket_transport.pause_reading()

    def resume(self, why: int) -> None:
        before, self._unread = self._unread, self._unread & ~why
        if before and not self._unread and self.socket_transport is not None and not self._lost:
            self.socket_transport.resume_reading()

    def release(self) -> None:
        """The call is over: keep the connection for the next one, or end it."""
        self._call = None
        self.resume(ANY)
        if self.codec.reusable and not self._lost:
            self._pool.keep(self)
        else:
            self.close()

    def close(self) -> None:
        """End the connection once what is written has gone out; no call hears of it any more."""
        self._call = None
        self._pool.forget(self)
        if self._transport is not None and not self._lost:
            self._transport.close()

    def abort(self) -> None:
        self._call = None
        self._pool.forget(self)
        if self._transport is not None and not self._lost:
            self._transport.abort()

    @property
    def usable(self) -> bool:
        return not self._lost and self._transport is not None and not self._transport.is_closing()


Connected = Callable[["UpstreamConnection | Refusal"], None]


class Pool:
    """Connections to one cluster under one credential. Never shared across either (threats A17)."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._idle: deque[UpstreamConnection] = deque()  # the longest idle first
        self._all: set[UpstreamConnection] = set()
        self._waiting: deque[Connected] = deque()
        self._dials: set[asyncio.Task[None]] = set()

    def connect(self, then: Connected, *, fresh: bool = False) -> None:
        """Give `then` a connection, at once where one is idle and `fresh` is false, or a Refusal that says why not."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.usable and self._clock.monotonic() - connection.idle_since < IDLE_FOR:
                then(connection)
                return
            connection.close()
        if len(self._dials) >= DIALS_AT_ONCE:
            if len(self._waiting) >= DIALS_WAITING:
                then(Refusal(503, "ServiceUnavailable", f"too many calls wait for cluster {self.endpoint.cluster.name}"))
            else:
                self._waiting.append(then)
            return
        self._start(then)

    def _start(self, then: Connected) -> None:
        task = asyncio.get_running_loop().create_task(self._dial(then))
        self._dials.add(task)
        task.add_done_callback(self._dialled)

    def _dialled(self, task: asyncio.Task[None]) -> None:
        self._dials.discard(task)
        if self._waiting and len(self._dials) < DIALS_AT_ONCE:
            self._start(self._waiting.popleft())

    async def _dial(self, then: Connected) -> None:
        endpoint = self.endpoint
        answer: UpstreamConnection | Refusal
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                connection = await connect(lambda: UpstreamConnection(self), endpoint.host, endpoint.port, endpoint.tls)
            self._all.add(connection)
            answer = connection
        except Exception as error:  # OSError, ssl.SSLError, TimeoutError, or what a name can make the resolver raise
            log.warning("cluster %s: %s", endpoint.cluster.name, error)
            answer = unreachable(endpoint.cluster.name, error)
        then(answer)

    def keep(self, connection: UpstreamConnection) -> None:
        if len(self._idle) >= MOST_IDLE or connection not in self._all:
            connection.close()
            return
        connection.idle_since = self._clock.monotonic()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def tick(self) -> None:
        """Once a second: end what was idle for too long, read again what changed on the disk."""
        now = self._clock.monotonic()
        while self._idle and now - self._idle[0].idle_since >= IDLE_FOR:
            self._idle.popleft().close()
        try:
            if self.endpoint.refresh():
                self.retire()
        except (OSError, ValueError) as error:
            log.error("cluster %s: the new files are not used: %s", self.endpoint.cluster.name, error)

    def retire(self) -> None:
        """Use no connection again that stands now: its credential or CA is a former one. Running calls go on."""
        while self._idle:
            self._idle.pop().close()
        self._all.clear()

    def close(self) -> None:
        for task in self._dials:
            task.cancel()
        for connection in list(self._all):
            connection.abort()


def _keep_alive(transport: asyncio.Transport) -> None:
    """Notice a dead cluster: probes while silent, a bound on unacknowledged bytes while not (threats I5, I17)."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", DEAD_AFTER),
    ):
        if hasattr(socket, option):  # Linux's; elsewhere the defaults stay
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
