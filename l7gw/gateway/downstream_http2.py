"""A client's connection of HTTP/2: each stream is a call of its own, and no call waits for another.

The bytes of an answer wait in their stream for the client's window. Where more than UNREAD_BY_CLIENT wait, that call's cluster is
not read, while the other calls go on. Where the connection itself takes no more, the client is not read either, so that no more
answers pile up.
"""

from __future__ import annotations

import asyncio

from l7gw.clock import Turn
from l7gw.errors import Refusal
from l7gw.gateway.backpressure import ENDING, WRITE_BLOCKED
from l7gw.gateway.downstream import (
    NOT_READ,
    RESTARTED,
    TOO_SLOW,
    UNREAD_BY_CLIENT,
    ClientCall,
    ConnectionServices,
    Downstream,
    call_of,
)
from l7gw.gateway.header_fields import HeaderFields
from l7gw.gateway.pace import Silence
from l7gw.kube.act import Act
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Body, End, HttpEvent, Refused, Request, Reset, Response
from l7gw.wire.http2 import ServerConnection
from l7gw.wire.http2_frames import CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR

GATHERED = 16 * 1024 * 1024  # bytes of request bodies, not yet whole, that one connection may have; each body is 3 MiB at most


class Http2Stream:
    """One stream: the client's side of one exchange."""

    __slots__ = ("_connection", "exchange", "full", "number", "received", "since", "waiting")

    websocket_key = ""  # no upgrade comes over HTTP/2
    takes_interim = False
    http = "2"

    def __init__(self, connection: Http2Downstream, number: int, now: float) -> None:
        self._connection = connection
        self.number = number
        self.exchange: ClientCall | None = None
        self.full = False  # whether more than UNREAD_BY_CLIENT bytes wait for the client
        self.received = 0  # bytes of the request's body
        self.since = now  # monotonic seconds when the request began, or the answer last made progress
        self.waiting = 0  # bytes of the answer that waited at the last tick

    @property
    def address(self) -> str:
        return self._connection.address

    @property
    def certificates(self) -> tuple[bytes, ...]:
        return self._connection.certificates

    @property
    def server_name(self) -> str:
        return self._connection.server_name

    @property
    def run_id(self) -> str:
        return self._connection.run_id

    @property
    def writable(self) -> bool:
        return not self.full

    def describe(self, request: Request, target: str) -> Act:
        return self._connection.describe(request, target)

    def said(self, request: Request) -> HeaderFields:
        return self._connection.said(request)

    def send(self, event: HttpEvent) -> None:
        self._connection.send(self, event)

    def send_whole(self, head: Response, body: Body) -> None:
        self._connection.send_whole(self.number, head, body)

    def flush(self) -> None:
        self._connection.flush_stream(self)

    def finished(self, call: object) -> None:
        self.exchange = None
        self._connection.finished(self)

    def abort(self) -> None:
        """Cut the answer by a RST_STREAM, which says that it is no end (threats I8)."""
        self._connection.reset(self, INTERNAL_ERROR)


class Http2Downstream(Downstream):
    """A connection with many calls at once."""

    __slots__ = (
        "_closing", "_closing_since", "_codec", "_gathered", "_pumping", "_silence", "_streams", "_strings", "_turn", "_unwelcome",
        "send_whole",
    )  # fmt: skip

    http = "2"

    def __init__(self, worker: ConnectionServices) -> None:
        super().__init__(worker)
        self._strings = worker.familiar.strings
        self._codec = ServerConnection(worker.limits.remembered, worker.familiar.strings)
        self.send_whole = self._codec.send_whole  # of answers that are a success: no 401 is among them, which `send` looks for
        self._streams: dict[int, Http2Stream] = {}
        self._silence = Silence(worker.clock.monotonic(), worker.timeouts.client_ping_after)
        self._turn = Turn(self.flush)
        self._pumping = False
        self._closing = False  # whether the connection ends with its last stream
        self._closing_since = 0.0
        self._unwelcome = False  # whether a credential was refused on this connection
        self._gathered = 0  # bytes of request bodies that are not yet whole

    # ------------------------------------------------------------------ what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.below is not None:
            self.below.was_read(len(data))
        now = self._worker.clock.monotonic()
        owed, progress = self._codec.unfinished, self._codec.progress
        try:
            events = self._codec.receive(data)
        except PeerError as error:
            self._broken(error)
            return
        if not owed or self._codec.progress != progress:
            self._reading_since = now
        self._pumping = True
        try:
            for number, event in events:
                self._dispatch(number, event)
        finally:
            self._pumping = False
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._worker.dismiss(self)
        self._transport = None
        self._leave(self._why_lost)
        self._turn.end()
        self._codec.lost()

    def pause_writing(self) -> None:
        self.writable = False
        self.read(wanted=False, why=WRITE_BLOCKED)

    def resume_writing(self) -> None:
        self.writable = True
        self.read(wanted=True, why=WRITE_BLOCKED)
        self.flush()

    # ------------------------------------------------------------------ requests

    def said(self, request: Request) -> HeaderFields:
        said = super().said(request)
        if said.known and self._strings is not None:
            self._strings.keep(request.headers)  # their caller was proven, on this connection or another
        return said

    def _dispatch(self, number: int, event: HttpEvent) -> None:
        stream = self._streams.get(number)
        if isinstance(event, Request):
            self._streams[number] = stream = Http2Stream(self, number, self._worker.clock.monotonic())
            stream.exchange = exchange = call_of(self._worker, stream, event)
            exchange.begin()
        elif isinstance(event, Reset):
            self._was_reset(number, stream, event)
        elif isinstance(event, Refused):
            self._faulty(number, stream, event)
        elif stream is None or stream.exchange is None:
            pass  # the rest of a request that was answered before its end
        elif isinstance(event, Body):
            self._body(stream, event.data)
        elif isinstance(event, End):
            self._gathered -= stream.received
            stream.received = 0
            stream.exchange.on_request_end()

    def _body(self, stream: Http2Stream, data: bytes) -> None:
        assert stream.exchange is not None
        stream.received += len(data)
        self._gathered += len(data)
        if self._gathered > GATHERED:
            self._refuse(stream, PeerError(429, "too many request bodies are under way on one connection"))
        else:
            stream.exchange.on_body(data)

    def _faulty(self, number: int, stream: Http2Stream | None, event: Refused) -> None:
        """A stream brought what is no request, or broke the protocol within one: refuse it."""
        if not self._codec.answerable(number):
            return  # the request was already refused for another reason, in the same read
        if stream is None:
            self._streams[number] = stream = Http2Stream(self, number, self._worker.clock.monotonic())
        reason = event.reason
        if stream.exchange is not None and stream.exchange.upstream is not None:
            reason += "; the call may have been carried out"
        self._refuse(stream, PeerError(event.status, reason))

    def _was_reset(self, number: int, stream: Http2Stream | None, event: Reset) -> None:
        """The client cancelled a call, or broke the protocol within its answer. The call's side to the cluster ends at once."""
        if event.reason:
            self._worker.of_peers.info(self.address, "stream %d is reset: %s", number, event.reason)
        if stream is None:
            return
        self._forget(stream)
        exchange, stream.exchange = stream.exchange, None
        if exchange is None:
            return
        if event.reason:
            exchange.malformed(Refusal(400, "BadRequest", event.reason), answerable=False)
        else:
            exchange.client_gone("the client cancelled the call")

    def _refuse(self, stream: Http2Stream, error: PeerError) -> None:
        """Refuse, on its own stream, a request that cannot be read or is too slow."""
        exchange, stream.exchange = stream.exchange, None
        self._refuse_unreadable(exchange, error, stream.send)
        self.finished(stream)

    def _broken(self, error: PeerError) -> None:
        """The client broke HTTP/2, or cost more than it may: end the connection with a GOAWAY that says why."""
        self._worker.of_peers.info(self.address, "the connection is ended: %s", error.reason)
        self._record_attempt(Refusal(400, "BadRequest", error.reason))
        self._leave(f"the client broke HTTP/2: {error.reason}")
        if self._transport is not None:
            self._transport.write(self._codec.take())
            # The connection is cut after a moment. A close would read on until the peer closes too; a cut at once would lose the
            # GOAWAY.
            self.read(wanted=False, why=ENDING)
            asyncio.get_running_loop().call_later(self._worker.timeouts.goaway_read, self.abort)

    # ------------------------------------------------------------------ what an exchange does

    def send(self, stream: Http2Stream, event: HttpEvent) -> None:
        self._codec.send(stream.number, event)
        if type(event) is Response and event.status == 401:
            self._unwelcome = True  # kube-apiserver does so too: each guess at a credential costs a handshake (threats B1)

    def flush(self) -> None:
        """Write all that was sent since the last flush, as far as the client takes it."""
        if self._pumping or self._transport is None:
            return
        while self.writable:
            data = self._codec.take()
            if not data:
                break
            self._silence.wrote = True
            self._transport.write(data)
        if self._unwelcome and not self._closing:
            self._closing = True  # only after the answer: some clients read nothing behind a GOAWAY
            self._codec.go_away(at_once=True)
            self._transport.write(self._codec.take())
        for number in self._codec.drained():
            stream = self._streams.get(number)
            if stream is None:
                continue
            if stream.exchange is None:
                self._forget(stream)
            elif stream.full:
                stream.full = False
                stream.exchange.on_client_writable(writable=True)
        if self._closing and self._codec.left and not self._codec.streams:
            self._end()

    def flush_stream(self, stream: Http2Stream) -> None:
        """Write what the stream sent. Where there are other streams, wait for what they send in this turn of the loop: then all of
        it is one write and one TLS record."""
        if len(self._streams) > 1:
            self._turn.ask()
        else:
            self.flush()
        if not stream.full and stream.exchange is not None and self._codec.waiting(stream.number) > UNREAD_BY_CLIENT:
            stream.full = True
            stream.exchange.on_client_writable(writable=False)

    def finished(self, stream: Http2Stream) -> None:
        """The answer is whole. The tick checks that bytes of it that still wait go out in time."""
        self.flush_stream(stream)
        if not self._codec.waiting(stream.number):
            self._forget(stream)

    def reset(self, stream: Http2Stream, code: int) -> None:
        self._codec.reset(stream.number, code)
        self._forget(stream)
        stream.exchange = None
        self.flush()

    def _forget(self, stream: Http2Stream) -> None:
        self._streams.pop(stream.number, None)
        self._gathered -= stream.received
        stream.received = 0

    # ------------------------------------------------------------------ ends

    def _leave(self, why: str) -> None:
        """End all calls: the client is gone. `why` is the reason in their records."""
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            exchange, stream.exchange = stream.exchange, None
            if exchange is not None:
                exchange.client_gone(why)

    def _end(self) -> None:
        """End the connection once what is written has gone out."""
        if self._transport is not None:
            self._transport.write(self._codec.take())
            self._transport.close()

    def _end_with_last(self) -> None:
        """Take no new calls, by a GOAWAY. The connection ends with its last running call."""
        self._codec.go_away()
        self._closing = True
        self._closing_since = self._worker.clock.monotonic()
        self.flush()

    # ------------------------------------------------------------------ time

    def expects_request(self, now: float) -> bool:
        return False  # a GOAWAY tells the client of a drain

    @property
    def exchanges(self) -> list[ClientCall]:
        return [stream.exchange for stream in self._streams.values() if stream.exchange is not None]

    def tick(self, now: float) -> None:
        """Once a second: check the client's time for frames, bodies and windows, and the cluster's time for answers."""
        if self._codec.over:
            return
        self._codec.refill()
        owed, timeouts = self._codec.unfinished, self._worker.timeouts
        if owed and now - self._reading_since > timeouts.request_head + owed / timeouts.slowest_body:
            self._broken(PeerError(ENHANCE_YOUR_CALM, "a frame that does not arrive in time"))
            return
        if self._closing and now - self._closing_since > timeouts.linger:
            self._codec.go_away(at_once=True)  # the client had its time to answer our PING
        for stream in list(self._streams.values()):
            self._tick_stream(stream, now)
        if not self._streams:
            may_wait = timeouts.between_requests if self._codec.asked else timeouts.request_head
            if not self._closing and now - self._reading_since > may_wait:
                self._end_with_last()
        elif self.writable and self._silence.is_due(now):
            self._codec.ping()
        self.flush()

    def _tick_stream(self, stream: Http2Stream, now: float) -> None:
        exchange = stream.exchange
        waiting = self._codec.waiting(stream.number)
        if exchange is not None and self._is_too_slow(exchange, now - stream.since, stream.received):
            self._refuse(stream, TOO_SLOW)
        elif waiting and waiting == stream.waiting and (exchange is None or not exchange.is_stream):
            if now - stream.since > self._worker.timeouts.answer_unread:
                self._worker.of_peers.info(self.address, "an answer is not read")
                self.reset(stream, CANCEL)
                if exchange is not None:
                    exchange.client_gone(NOT_READ)
        else:
            if waiting or stream.waiting:
                stream.since, stream.waiting = now, waiting
            if exchange is not None:
                exchange.tick(now)

    def drain(self, waited: float) -> None:
        if not self._closing:
            self._end_with_last()
        for stream in list(self._streams.values()):
            if stream.exchange is not None and self._had_its_time(stream.exchange, waited):
                stream.exchange.cut(RESTARTED)
        self.flush()
