"""A connection of HTTP/1.1 by our own codec, one call at a time: at the gateway's socket, and where Slack's answers come in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from l7gw.clock import Clock
from l7gw.errors import Refusal, StatusReason
from l7gw.timeouts import Timeouts
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Body, End, HttpEvent, Request
from l7gw.wire.http1 import BODY, ServerConnection

LINGER_BYTES = 4 * 1024 * 1024  # bytes of a refused client that are read and dropped before its connection is cut
UNREAD = 256 * 1024  # bytes that wait for a client that reads slowly, until a watch writes no more

_REASONS: dict[int, StatusReason] = {405: "MethodNotAllowed", 408: "Timeout", 413: "RequestEntityTooLarge"}


class Times(Protocol):
    clock: Clock
    timeouts: Timeouts


class Call(Protocol):
    """What a connection brings. `api.call.ApiCall` says what each entry means."""

    @property
    def is_stream(self) -> bool: ...

    @property
    def waits_for_body(self) -> bool: ...

    def begin(self) -> None: ...

    def on_body(self, data: bytes) -> None: ...

    def on_request_end(self) -> None: ...

    def malformed(self, refusal: Refusal, *, answerable: bool) -> None: ...

    def client_gone(self, why: str) -> None: ...

    def on_client_writable(self, *, writable: bool) -> None: ...

    def tick(self, now: float) -> None: ...


class Connections(Protocol):
    """Who keeps the connections of a socket."""

    @property
    def services(self) -> Times: ...

    def call(self, one: Connection, request: Request) -> Call:
        """What a request becomes."""

    def admit(self, one: Connection, transport: asyncio.BaseTransport) -> bool:
        """Count a connection. False where there are too many."""

    def dismiss(self, one: Connection) -> None:
        """A connection is closed."""


class Connection(asyncio.Protocol):
    """One client."""

    address = ""  # none at a socket of this machine
    certificates: tuple[bytes, ...] = ()
    http = "1.1"

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._codec = ServerConnection()
        self._transport: asyncio.Transport | None = None
        self._call: Call | None = None
        self._pumping = False
        self._since = connections.services.clock.monotonic()  # when the client's time for what it must send next began
        self._asking = False  # whether bytes of a request have come
        self._unread = 0  # bytes of an answer that waited at the last tick
        self._unread_since = 0.0
        self._closing_at = 0.0  # monotonic seconds when the lingering ends; 0 where the connection is not closing
        self._dropped = 0  # bytes that were dropped since then
        self.writable = True

    # ------------------------------------------------------------------ what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNREAD)
        if not self._connections.admit(self, transport):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.dismiss(self)
        call, self._call = self._call, None
        if call is not None:
            call.client_gone("the client left")

    def data_received(self, data: bytes) -> None:
        if self._closing_at:
            self._dropped += len(data)
            if self._dropped > LINGER_BYTES:
                self.abort()
            return
        if not self._asking and self._call is None:
            self._asking = True
            self._since = self._connections.services.clock.monotonic()
        self._pump(lambda: self._codec.receive(data))

    def eof_received(self) -> bool:
        """The client sends no more. A call that is not answered yet is answered; who watches is gone."""
        if self._closing_at or self._call is None or self._call.is_stream:
            return False
        self._pump(lambda: self._codec.receive(b""))
        return True

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        if self._call is not None:
            self._call.on_client_writable(writable=True)

    # ------------------------------------------------------------------ requests

    def _pump(self, read: Callable[[], list[HttpEvent]]) -> None:
        """Hand events to their call. Where a call is answered meanwhile, go on with what was sent behind it."""
        if self._pumping:
            return
        self._pumping = True
        try:
            events = read()
            while events:
                for event in events:
                    self._dispatch(event)
                events = self._codec.resume() if self._call is None and self._transport is not None else []
        except PeerError as error:
            self._malformed(error)
        finally:
            self._pumping = False
        self.flush()
        if self._transport is not None and not self._closing_at and self._codec.paused:
            self._transport.pause_reading()

    def _dispatch(self, event: HttpEvent) -> None:
        if isinstance(event, Request):
            self._call = self._connections.call(self, event)
            self._call.begin()
        elif self._call is not None:
            if isinstance(event, Body):
                self._call.on_body(event.data)
            elif isinstance(event, End):
                self._call.on_request_end()

    def _malformed(self, error: PeerError) -> None:
        call, self._call = self._call, None
        answerable = self._codec.answerable
        refusal = Refusal(error.code, _REASONS.get(error.code, "BadRequest"), error.reason)
        if call is not None and self._codec.writing == BODY:
            call.client_gone(error.reason)
            self.abort()
            return
        (call or self._connections.call(self, NO_REQUEST)).malformed(refusal, answerable=answerable)
        self._close()

    # ------------------------------------------------------------------ what a call does

    def send(self, event: HttpEvent) -> None:
        if self._transport is not None:
            self._codec.send(event)

    def flush(self) -> None:
        if self._transport is not None and not self._pumping and (data := self._codec.take()):
            self._transport.write(data)

    def finished(self, call: object) -> None:
        if call is not self._call:
            return
        self._call = None
        self._asking = False
        self._since = self._connections.services.clock.monotonic()
        if self._codec.must_close:
            self._close()
        elif not self._pumping:
            self.flush()
            if self._transport is not None:
                self._transport.resume_reading()
            self._pump(self._codec.resume)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        """End the connection when what was written has gone out. A client that still sends is read for `linger` seconds more: bytes
        left unread would turn the end into a reset (unix_release_sock of Linux), and the client would lose the answer."""
        if self._transport is None or self._closing_at:
            return
        if data := self._codec.take():
            self._transport.write(data)
        if self._codec.must_close and not self._codec.request_complete:
            services = self._connections.services
            self._closing_at = services.clock.monotonic() + services.timeouts.linger
            self._transport.resume_reading()
        else:
            self._transport.close()

    def end(self) -> None:
        """The socket is closed. A call that is under way is answered first; `drain` has ended the watches."""
        if self._call is None:
            self._close()

    # ------------------------------------------------------------------ time

    def tick(self, now: float) -> None:
        """Once a second."""
        if self._transport is None:
            return
        call, timeouts = self._call, self._connections.services.timeouts
        waited = now - self._since
        waiting = self._transport.get_write_buffer_size()
        if waiting != self._unread:
            self._unread, self._unread_since = waiting, now
        if self._closing_at:
            if now >= self._closing_at:
                self._transport.close()
        elif waiting and now - self._unread_since > timeouts.answer_unread:
            self.abort()
        elif call is not None and call.waits_for_body and waited > timeouts.request_head:
            self._malformed(PeerError(408, "the request did not arrive in time"))
        elif call is not None:
            call.tick(now)
        elif self._asking and waited > timeouts.request_head:
            self._malformed(PeerError(408, "the request's head did not arrive in time"))
        elif waited > timeouts.between_requests:
            self._close()


NO_REQUEST = Request("GET", "/", ())  # stands for bytes that were no request
