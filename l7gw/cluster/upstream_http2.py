"""A connection of HTTP/2 to a cluster's API server, shared by many calls: by watches and followed logs, which last long and say
little, and by reads that come at the same time.

Where a slow reader does not empty its stream, the window of that stream alone is held back. A call that the cluster certainly did
not act upon is told so (`on_upstream_unprocessed`). Any other call that fails may have been acted upon, and is not sent again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from l7gw.clock import Clock, Pulse, Turn
from l7gw.cluster.liveness import Liveness
from l7gw.cluster.transport import SocketReading
from l7gw.cluster.upstream import ANY, UpstreamListener
from l7gw.timeouts import Timeouts
from l7gw.wire.answer_shapes import AnswerShapes
from l7gw.wire.errors import PeerError
from l7gw.wire.events import END, HttpEvent, Request, Reset
from l7gw.wire.http2 import ClientConnection

log = logging.getLogger(__name__)


class SharedConnection(asyncio.Protocol):
    """A shared connection. `ready` is done when the cluster has said how many streams it allows. From then on `open` lends a stream
    while one is `free`."""

    __slots__ = (
        "below", "ready",
        "_clock", "_codec", "_idle_since", "_liveness", "_pulse", "_pumping", "_retired", "_streams", "_timeouts", "_transport",
        "_turn",
    )  # fmt: skip

    def __init__(self, clock: Clock, timeouts: Timeouts, shapes: AnswerShapes | None = None) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._codec = ClientConnection(shapes)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self.below: SocketReading | None = None
        self._streams: dict[int, UpstreamStream] = {}
        self._pulse = Pulse(clock.monotonic(), timeouts.shared_quiet, timeouts.shared_answer)
        self._turn = Turn(self.flush)
        self._idle_since = clock.monotonic()
        self._pumping = False
        self._retired = False

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transport is one, but does not inherit from it
        self._liveness = Liveness(self._transport, self._timeouts.cluster_acknowledges)
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.below is not None:
            self.below.was_read(len(data))
        self._pulse.heard(self._clock.monotonic())
        try:
            events = self._codec.receive(data)
        except PeerError as error:
            self._lose(error)
            return
        if self._codec.settled and not self.ready.done():
            self.ready.set_result(None)
        self._pumping = True
        try:
            self._hand_out(events)
        finally:
            self._pumping = False
        self.flush()
        self._close_if_done()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lose(exc)
        self._turn.end()
        self._codec.lost()

    # -- what the cluster says

    def _hand_out(self, events: list[tuple[int, HttpEvent]]) -> None:
        """Hand each stream's events to its call, all at once."""
        parts: dict[int, list[HttpEvent]] = {}
        for number, event in events:
            if type(event) is Reset:
                self._deliver(number, parts.pop(number, []))
                self._was_reset(number, event)
            else:
                parts.setdefault(number, []).append(event)
        for number, part in parts.items():
            self._deliver(number, part)

    def _deliver(self, number: int, events: list[HttpEvent]) -> None:
        stream = self._streams.get(number)
        if events and stream is not None and stream.call is not None:
            stream.call.on_upstream(events)

    def _was_reset(self, number: int, event: Reset) -> None:
        stream = self._streams.pop(number, None)
        call = stream.call if stream is not None else None
        if call is None:
            return
        if event.unread:
            call.on_upstream_unprocessed()
        else:
            call.on_upstream_lost(PeerError(502, event.reason or f"it reset the stream ({event.code})"))

    def _lose(self, error: Exception | None) -> None:
        """Tell every call that the connection is lost."""
        streams, self._streams = self._streams, {}
        self._retired = True
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionResetError("it closed the connection"))
        if self._transport is not None:
            self._transport.write(self._codec.take())
            self._transport.close()
        for stream in streams.values():
            if stream.call is not None:
                stream.call.on_upstream_lost(error)

    # -- what the pool asks

    @property
    def free(self) -> bool:
        """Whether a stream may be opened."""
        return self._codec.free and not self._retired and self._transport is not None and not self._transport.is_closing()

    @property
    def allowed(self) -> int:
        """How many streams at once the cluster allows."""
        return self._codec.allowed

    @property
    def over(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def unused(self) -> bool:
        """Whether no call has a stream."""
        return not self._streams

    def open(self) -> UpstreamStream:
        """A stream for one call."""
        number = self._codec.open()
        stream = self._streams[number] = UpstreamStream(self, number)
        return stream

    def retire(self) -> None:
        """The credential or CA has changed: lend no new stream. The connection ends with its last stream."""
        self._retired = True
        self._close_if_done()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def tick(self, now: float) -> None:
        """Once a second: end the connection where it was idle for too long or the cluster is dead."""
        self._codec.refill()
        if not self._streams:
            if now - self._idle_since >= self._timeouts.upstream_idle:
                self.retire()
        elif self._pulse.is_dead(now) or self._liveness.is_lost(now):
            log.error("a connection to the cluster answers no more; %d streams end", len(self._streams))
            self.abort()
        elif self._pulse.should_ask(now):
            self._codec.ping()
            self.flush()

    # -- what streams do

    def flush(self) -> None:
        if self._pumping or self._transport is None:
            return
        data = self._codec.take()
        if data:
            self._transport.write(data)

    def flush_stream(self) -> None:
        """Write what the stream sent. Where there are other streams, wait for what they send in this turn of the loop: then all of
        it is one write and one TLS record."""
        if len(self._streams) > 1:
            self._turn.ask()
        else:
            self.flush()

    def send(self, number: int, event: HttpEvent) -> None:
        self._codec.send(number, event)

    def hold(self, number: int, *, held: bool) -> None:
        self._codec.hold(number, held=held)
        self.flush()

    def leave(self, number: int) -> None:
        """The call is over. Where its answer is not whole, the stream is reset with CANCEL (RFC 9113 section 7)."""
        self._streams.pop(number, None)
        self._codec.reset(number)
        self._idle_since = self._clock.monotonic()
        self.flush()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._transport is not None and not self._streams and (self._retired or self._codec.going_away):
            self._transport.close()


class UpstreamStream:
    """One stream, lent to one call."""

    __slots__ = ("call", "_connection", "_number", "_unread")

    def __init__(self, connection: SharedConnection, number: int) -> None:
        self.call: UpstreamListener | None = None
        self._connection = connection
        self._number = number
        self._unread = 0  # bits of `upstream`: why the answer is not read; 0 where it is read

    def begin(self, call: UpstreamListener) -> None:
        self.call = call

    def send(self, event: HttpEvent) -> None:
        self._connection.send(self._number, event)

    def send_whole(self, request: Request) -> None:
        connection = self._connection
        connection.send(self._number, request)
        connection.send(self._number, END)
        connection.flush_stream()

    def flush(self) -> None:
        self._connection.flush_stream()

    def in_parts(self, *, kept: bool) -> None:
        """A stream's frames come as they are."""

    def pause(self, why: int) -> None:
        before, self._unread = self._unread, self._unread | why
        if not before:
            self._connection.hold(self._number, held=True)

    def resume(self, why: int) -> None:
        before, self._unread = self._unread, self._unread & ~why
        if before and not self._unread:
            self._connection.hold(self._number, held=False)

    def release(self) -> None:
        self.call = None
        self.resume(ANY)
        self._connection.leave(self._number)

    def abort(self) -> None:
        self.release()
