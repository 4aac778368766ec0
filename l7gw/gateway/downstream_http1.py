"""A client's connection of HTTP/1.1. Its bytes become exchanges, one at a time. The connection also limits how long the client may
take for a head, a body and reading an answer."""

from __future__ import annotations

from l7gw.gateway.backpressure import INPUT_HELD
from l7gw.gateway.downstream import NOT_READ, RESTARTED, TOO_SLOW, ClientCall, ConnectionServices, Downstream, call_of
from l7gw.gateway.tunnel_sides import FromClient
from l7gw.wire.errors import PeerError
from l7gw.wire.events import END, Body, End, HttpEvent, Raw, Request, Response
from l7gw.wire.http1 import BODY, ServerConnection

LINGER_BYTES = 4 * 1024 * 1024  # bytes of a refused client that are read and dropped before its connection is cut


class Http1Downstream(Downstream):
    """One call after the other. After an upgrade all bytes go to the tunnel."""

    __slots__ = (
        "_asked", "_asked_at", "_buffered", "_closing_at", "_codec", "_exchange", "_pumping", "_received", "_tunnel",
        "_waiting", "_waiting_since", "websocket_key",
    )  # fmt: skip

    def __init__(self, worker: ConnectionServices) -> None:
        super().__init__(worker)
        self._codec = ServerConnection(worker.limits.remembered)
        self._exchange: ClientCall | None = None
        self._tunnel: FromClient | None = None
        self._pumping = False
        self._asked_at = worker.clock.monotonic()  # seconds: when the last request came, or the connection was let in
        self._asked = False  # whether a request has come on this connection
        self._buffered = 0  # bytes of the current request so far
        self._received = False  # whether a byte of the current request has come
        self._waiting = 0  # bytes that the client had not read at the last tick
        self._waiting_since = 0.0
        self._closing_at = 0.0  # monotonic seconds when the lingering ends; 0 where the connection is not closing
        self.websocket_key = ""

    takes_interim = True
    http = "1.1"

    # ------------------------------------------------------------------ what the loop calls

    def data_received(self, data: bytes) -> None:
        if self.below is not None:
            self.below.was_read(len(data))
        if self._tunnel is not None:
            self._tunnel.from_client(data)
            self.flush()
            return
        if self._closing_at:
            self._buffered += len(data)
            if self._buffered > LINGER_BYTES:
                self.abort()
            return
        self._buffered += len(data)
        if not self._received:
            self._received = True
            self._reading_since = self._worker.clock.monotonic()
        try:
            events = self._codec.receive(data)
        except PeerError as error:
            self._malformed(error)
            return
        self._take(events)

    def connection_lost(self, exc: Exception | None) -> None:
        self._worker.dismiss(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_gone(self._why_lost)
        self._transport = self._tunnel = None

    def pause_writing(self) -> None:
        self.writable = False
        if self._exchange is not None:
            self._exchange.on_client_writable(writable=False)

    def resume_writing(self) -> None:
        self.writable = True
        if self._exchange is not None:
            self._exchange.on_client_writable(writable=True)

    # ------------------------------------------------------------------ requests

    def _take(self, events: list[HttpEvent]) -> None:
        """Hand the events to their exchange. Where an exchange is answered meanwhile, the codec gives the next request's events,
        which this loop takes too, without recursion."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while events:
                for event in events:
                    self._dispatch(event)
                events = self._next()
        except PeerError as error:
            self._malformed(error)
            return
        finally:
            self._pumping = False
        self.flush()
        self.read(wanted=not self._codec.paused, why=INPUT_HELD)

    def _next(self) -> list[HttpEvent]:
        if self._exchange is not None or self._closing_at or self._tunnel is not None or self._transport is None:
            return []
        return self._codec.resume()

    def _dispatch(self, event: HttpEvent) -> None:
        if isinstance(event, Request):
            self._asked = True
            self._exchange = exchange = call_of(self._worker, self, event)
            self._asked_at = exchange.began
            self.websocket_key = ""
            if event.upgrade == "websocket":
                self.websocket_key = next((v for n, v in event.headers if n == "sec-websocket-key"), "")
            exchange.begin()
        elif self._exchange is not None:
            if isinstance(event, Body):
                self._exchange.on_body(event.data)
            elif isinstance(event, End) and self._exchange.waits_for_body:
                self._exchange.on_request_end()

    def finished(self, call: object) -> None:
        """The call is answered whole. The connection takes the next request, or ends."""
        if call is not self._exchange:
            return
        self._exchange = None
        self._buffered = 0
        self._received = False
        self._reading_since = self._worker.clock.monotonic()
        if self._codec.must_close or self._worker.draining:
            self.close()
        elif not self._pumping:
            self.flush()
            try:
                events = self._codec.resume()
            except PeerError as error:
                self._malformed(error)
                return
            if events:
                self._take(events)
            elif self._unread:
                self.read(wanted=not self._codec.paused, why=INPUT_HELD)

    def _malformed(self, error: PeerError) -> None:
        """Refuse what cannot be read, in a Status where an answer is still possible, and end the connection."""
        exchange, self._exchange = self._exchange, None
        answering = self._codec.writing == BODY
        self._refuse_unreadable(exchange, error, self._codec.send if self._codec.answerable and not answering else None)
        if answering:
            self.abort()  # the answer that has begun must not look whole
        else:
            self.close()

    # ------------------------------------------------------------------ what an exchange does

    def send(self, event: HttpEvent) -> None:
        if self._transport is not None:
            if self._worker.draining and type(event) is Response and event.status != 101:
                event = Response(event.status, event.headers, event.length, keep_alive=False)
            self._codec.send(event)

    def send_whole(self, head: Response, body: Body) -> None:
        if self._transport is not None:
            if self._worker.draining:
                self.send(head)
                self.send(body)
                self.send(END)
            else:
                self._codec.send_whole(head, body)

    def flush(self) -> None:
        """Write all that was sent since the last flush. While a read is being handled, wait for its end: then one write answers
        it."""
        if not self._pumping:
            self._write_out()

    def _write_out(self) -> None:
        if self._transport is not None and self._tunnel is None:
            if self._codec.apart:
                self._transport.writelines(self._codec.take_apart())
                return
            data = self._codec.take()
            if data:
                self._transport.write(data)

    def write(self, data: bytes) -> None:
        """Write bytes of the tunnel."""
        if data and self._transport is not None:
            self._transport.write(data)

    def switch_to_tunnel(self, tunnel: FromClient) -> None:
        """Hand all further bytes to the tunnel, first those that came before the 101 was written."""
        self._tunnel = tunnel
        for event in self._codec.resume():
            if type(event) is Raw:
                tunnel.from_client(event.data)
        self.read(wanted=True, why=INPUT_HELD)

    def close(self) -> None:
        """End the connection when what was written has gone out. A client that still sends is read for `linger` seconds more: bytes
        left unread would turn the end into a TCP reset, and the client would lose the answer."""
        self._write_out()
        if self._transport is None or self._closing_at:
            return
        if self._codec.must_close and not self._codec.request_complete:
            self._closing_at = self._worker.clock.monotonic() + self._worker.timeouts.linger
            self.read_on()
        else:
            self._transport.close()

    def linger(self) -> None:
        """A tunnel is over and its last bytes are written. Give the client `linger` seconds to end the connection itself: bytes of
        the client left unread would turn the end into a TCP reset, and the client would lose the last of the output."""
        self._tunnel = None
        self._exchange = None
        if self._transport is not None and not self._closing_at:
            self._closing_at = self._worker.clock.monotonic() + self._worker.timeouts.linger
            self._buffered = 0
            self.read_on()

    # ------------------------------------------------------------------ time

    def tick(self, now: float) -> None:
        """Once a second: check the client's time for a head or a body, and the cluster's time for an answer."""
        exchange, timeouts = self._exchange, self._worker.timeouts
        if self._closing_at:
            if now >= self._closing_at and self._transport is not None:
                self._transport.close()
        elif self._is_stalled(now):
            self._worker.of_peers.info(self.address, "an answer is not read")
            self.abort(NOT_READ)
        elif exchange is None:
            waited = now - self._reading_since
            if self._received and waited > timeouts.request_head:
                self._malformed(PeerError(408, "the request's head did not arrive in time"))
            elif not self._received and waited > (timeouts.between_requests if self._asked else timeouts.request_head):
                self.close()
        elif self._is_too_slow(exchange, now - self._reading_since, self._buffered):
            self._malformed(TOO_SLOW)
        else:
            exchange.tick(now)

    def _is_stalled(self, now: float) -> bool:
        """Whether the client has read nothing of a finite answer for too long (threats B9, I1)."""
        if self.writable or self._transport is None or (self._exchange is not None and self._exchange.is_stream):
            self._waiting = 0
            return False
        waiting = self._transport.get_write_buffer_size()
        if self.below is not None:
            waiting += self.below.unwritten
        if waiting != self._waiting:
            self._waiting, self._waiting_since = waiting, now
        return now - self._waiting_since > self._worker.timeouts.answer_unread

    def drain(self, waited: float) -> None:
        if self._exchange is None:
            self.close()
        elif self._had_its_time(self._exchange, waited):
            self._exchange.cut(RESTARTED)
            if self._exchange is None or not self._exchange.is_told_within:
                self.close()

    def expects_request(self, now: float) -> bool:
        return now - self._asked_at < self._worker.timeouts.drain_next_call

    @property
    def exchanges(self) -> tuple[ClientCall, ...]:
        return (self._exchange,) if self._exchange is not None else ()
