"""One connection of HTTP/1.1 to a cluster's API server. It serves one call at a time, and is not used again in doubt."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, cast

from l7gw.cluster.large_reads import LARGE_READ, LargeReads
from l7gw.cluster.liveness import Liveness
from l7gw.cluster.transport import SocketReading
from l7gw.cluster.upstream import ANY, UNREAD_BY_CLUSTER, UpstreamListener
from l7gw.timeouts import Timeouts
from l7gw.wire.answer_shapes import AnswerShapes
from l7gw.wire.errors import PeerError
from l7gw.wire.events import HttpEvent, Request
from l7gw.wire.http1_client import ClientConnection

log = logging.getLogger(__name__)


class Keeper(Protocol):
    """What a connection asks of the pool, which keeps it for the next call."""

    timeouts: Timeouts
    shapes: AnswerShapes

    def keep(self, connection: UpstreamConnection) -> None: ...

    def forget(self, connection: UpstreamConnection) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """One TLS connection to a cluster's API server."""

    __slots__ = (
        "_codec",
        "_keeper",
        "_transport",
        "_call",
        "idle_since",
        "_into_buffer",
        "_large",
        "_liveness",
        "_lost",
        "_unread",
        "below",
    )

    def __init__(self, keeper: Keeper) -> None:
        self._codec = ClientConnection(keeper.shapes)
        self._keeper = keeper
        self._transport: asyncio.Transport | None = None
        self.below: SocketReading | None = None
        self._call: UpstreamListener | None = None
        self.idle_since = 0.0
        self._lost = False
        self._into_buffer = False  # whether large reads of this answer go into a buffer
        self._large: LargeReads | None = None  # reads in the place of this protocol, while a large answer comes
        self._unread = 0  # bits of `upstream`: why the cluster is not read; 0 where it is read

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's transport is one, but does not inherit from it
        transport.set_write_buffer_limits(high=UNREAD_BY_CLUSTER)
        self._liveness = Liveness(transport, self._keeper.timeouts.cluster_acknowledges)

    def data_received(self, data: bytes | memoryview) -> None:
        size = len(data)
        if self.below is not None:
            self.below.was_read(size)
        self._received(data)
        if size >= LARGE_READ and self._into_buffer and self._large is None and self._transport is not None:
            self._large = LargeReads(self)
            self._transport.set_protocol(self._large)

    def eof_received(self) -> None:
        self._received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._large = None
        self._keeper.forget(self)
        call, self._call = self._call, None
        if call is not None:
            call.on_upstream_lost(exc)

    def pause_writing(self) -> None:
        if self._call is not None:
            self._call.on_upstream_writable(writable=False)

    def resume_writing(self) -> None:
        if self._call is not None:
            self._call.on_upstream_writable(writable=True)

    def _received(self, data: bytes | memoryview) -> None:
        call = self._call
        try:
            events = self._codec.receive(data)
        except PeerError as error:
            self.close()
            if call is not None:
                call.on_upstream_lost(error)
            return
        if call is None:
            self.close()  # no call waits for these bytes, or the cluster ended an idle connection
        elif events:
            call.on_upstream(events)

    # -- what a call does

    def begin(self, call: UpstreamListener) -> None:
        self._call = call

    def send(self, event: HttpEvent) -> None:
        self._codec.send(event)

    def send_whole(self, request: Request) -> None:
        data = self._codec.send_whole(request)
        if self._transport is not None:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what the codec has ready."""
        data = self._codec.take()
        if data and self._transport is not None:
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        """Write bytes of an upgraded connection."""
        if data and self._transport is not None:
            self._transport.write(data)

    def in_parts(self, *, kept: bool) -> None:
        self._codec.in_parts()
        self._into_buffer = not kept

    def pause(self, why: int) -> None:
        before, self._unread = self._unread, self._unread | why
        if not before and self.below is not None and not self._lost:
            self.below.pause()

    def resume(self, why: int) -> None:
        before, self._unread = self._unread, self._unread & ~why
        if before and not self._unread and self.below is not None and not self._lost:
            self.below.resume()

    def release(self) -> None:
        """The call is over. Keep the connection for the next one, or end it."""
        self._call = None
        self._into_buffer = False
        if self._large is not None and self._transport is not None:
            self._large = None
            self._transport.set_protocol(self)
        self.resume(ANY)
        if self._codec.reusable and not self._lost:
            self._keeper.keep(self)
        else:
            self.close()

    def close(self) -> None:
        """End the connection once what is written has gone out. No call is told of it."""
        self._call = None
        self._keeper.forget(self)
        if self._transport is not None and not self._lost:
            self._transport.close()
            if self.below is not None:
                self.below.part()

    def abort(self) -> None:
        self._call = None
        self._keeper.forget(self)
        if self._transport is not None and not self._lost:
            self._transport.abort()

    def tick(self, now: float) -> None:
        """Once a second: end the connection where the cluster is dead."""
        if self._transport is not None and not self._lost and self._liveness.is_lost(now):
            log.error("a connection to the cluster is acknowledged no more; its call ends")
            self._transport.abort()

    @property
    def usable(self) -> bool:
        return not self._lost and self._transport is not None and not self._transport.is_closing()
