"""uvloop's TLS, with a way to pause reading that loses no bytes, turns in which connections are read, and alerts for clients whose
handshake fails.

Pausing uvloop's TLS transport stops the decrypting but not the socket. Bytes that arrive meanwhile wait undecrypted, and uvloop
drops them when the peer closes (3 of 120 downloads of 20 MB by `kubectl cp` came out short). So the socket below is paused instead:
no bytes wait between the two, and the peer's end is read after its last byte.

libuv reads a socket up to 32 times before it looks at another one, as long as each read fills uvloop's buffer of 256 KiB
(src/unix/stream.c: uv__read). Between two reads of a flood stands our own work on it, so that a neighbour waited 50 ms and more for
each read of its own. So a connection that brought much is read again in the next turn of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol, cast

from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]  # its stubs leave it out

from l7gw.kube.warning_header import MESSAGE, warning_field
from l7gw.timeouts import Timeouts

# Without an answer kubectl asks ten times more, a second apart, for each call that its command consists of (CG rest/with_retry.go)
_WORDS = "plain HTTP was sent, and this port speaks https alone; in the kubeconfig, `server:` must begin with https://"
PLAIN_HTTP = "\r\n".join(
    (
        "HTTP/1.0 400 Bad Request",
        "Content-Type: text/plain; charset=utf-8",
        "{}: {}".format(*warning_field(_WORDS)),
        "Connection: close",
        "",
        f"{MESSAGE}{_WORDS}\n",
    )
).encode()

MUCH = 8 * 1024  # bytes in one read, behind which more may wait: 256 KiB of the smallest records of TLS hold 11 KiB
PARTS_FIRST = 0.01  # seconds that a closed connection is read as before; most peers have answered its end by then
PARTS_READ = 0.001  # seconds that it is read each time from then on
MOST_PARTING = 32  # connections of a listener that stay open for that; their descriptors are not counted elsewhere


class SocketReading:
    """The socket below a connection's TLS. It is read while the connection wants that, and no more than once in a turn of the loop
    where each read brings much."""

    __slots__ = ("_resting", "_transport", "_wanted")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._wanted = True
        self._resting = False  # whether it was read in this turn of the loop, so that others come first

    def was_read(self, size: int) -> None:
        """A read brought so many bytes. It costs 3 us where they are many."""
        if size >= MUCH and self._wanted and not self._resting:
            self._resting = True
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._resting = False
        if self._wanted and not self._transport.is_closing():
            self._transport.resume_reading()

    def pause(self) -> None:
        """Read no more until `resume` is called."""
        self._wanted = False
        if not self._resting:
            self._transport.pause_reading()

    def resume(self) -> None:
        self._wanted = True
        if not self._resting:
            self._transport.resume_reading()

    def part(self) -> None:
        """The connection is closed, and waits for the peer's end. What the peer sends until then is read into nothing, at growing
        intervals: a flood that was read on as before took 0.18 of a core, and the peer one, for all of `close_notify`."""
        if not self._transport.is_closing():
            self.resume()
            asyncio.get_running_loop().call_later(PARTS_FIRST, self._rest, PARTS_FIRST)

    def _rest(self, seconds: float) -> None:
        self._wanted = False
        if not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(seconds, self._read_again, seconds)

    def _read_again(self, rested: float) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()
            asyncio.get_running_loop().call_later(PARTS_READ, self._rest, rested * 2)

    @property
    def unwritten(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._transport.get_write_buffer_size()


class OverTls(Protocol):
    """A protocol that runs over TLS. `below` is the socket, which is there from the handshake on."""

    below: SocketReading | None


class Door(Protocol):
    """Counts a listener's connections from their first packet, because a connection in its handshake takes a descriptor too."""

    def opened(self) -> bool:
        """A connection is opened: count it. False turns it away uncounted."""

    def closed(self) -> None:
        """A connection that was counted is closed."""

    def failed(self, address: str, error: ssl.SSLError) -> None:
        """The handshake with a client at this address failed."""

    def left(self, address: str, *, in_time: bool) -> None:
        """A client began a handshake and left, or (not `in_time`) did not finish it in its time. Not called where the client sent
        nothing and left, as the health checks of balancers do."""


class _Tls(SSLProtocol):  # type: ignore[misc]
    def __init__(self, over: OverTls, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._over = over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._over.below = SocketReading(cast(asyncio.Transport, transport))
        del self._over  # the circle would keep both, with the buffers of TLS, until the garbage collector runs
        super().connection_made(transport)


class _Handshake(ssl.SSLObject):
    """Tells the context of its connection how the handshake goes, while the connection is still open."""

    context_of: _AlertingContext
    failed: Callable[[ssl.SSLError], None]

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLWantReadError:
            self.context_of.tries += 1
            raise
        except ssl.SSLError as error:
            self.context_of.over = True
            self.failed(error)
            raise
        self.context_of.over = True


class _AlertingContext:
    """Stands in for a listener's context, for one connection. Where the handshake fails, it sends the peer the alert that says why,
    and a client of plain HTTP an answer in that.

    uvloop would close the connection at once, without the alert. And a socket that is closed with bytes unread sends a reset, which
    may overtake the alert: kubectl would show "connection reset by peer" instead of what was wrong.
    """

    def __init__(self, context: ssl.SSLContext, door: Door, parting: set[socket.socket], alert_read: float) -> None:
        context.sslobject_class = _Handshake
        self._context = context
        self._door = door
        self._parting = parting  # the listener's sockets that stay open only for their alert
        self._alert_read = alert_read  # seconds that the peer has to read the alert
        self.transport: asyncio.BaseTransport | None = None
        self.tries = 0  # how often the handshake waited for the client; once before its first byte
        self.over = False  # whether the handshake is done, or has failed

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **named: Any) -> ssl.SSLObject:
        tls = cast(_Handshake, self._context.wrap_bio(incoming, outgoing, **named))
        tls.context_of = self
        tls.failed = lambda error: self._failed(error, outgoing)
        return tls

    def _failed(self, error: ssl.SSLError, outgoing: ssl.MemoryBIO) -> None:
        transport = self.transport
        if transport is None:
            return
        peer = transport.get_extra_info("peername")
        self._door.failed(peer[0] if peer else "", error)
        if len(self._parting) < MOST_PARTING and not cast(asyncio.Transport, transport).get_write_buffer_size():
            with contextlib.suppress(OSError):  # no descriptor is left, or the peer has gone
                own = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
                self._parting.add(own)
                asyncio.get_running_loop().call_later(self._alert_read, self._part, own)
                own.send(PLAIN_HTTP if error.reason == "HTTP_REQUEST" else outgoing.read())
                own.shutdown(socket.SHUT_WR)

    def _part(self, own: socket.socket) -> None:
        self._parting.discard(own)
        own.close()


class _Accepted(_Tls):
    def __init__(self, door: Door, context: _AlertingContext, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._door = door
        self._context = context
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._counted = self._door.opened()
        if self._counted:
            self._context.transport = transport
            super().connection_made(transport)
        else:
            cast(asyncio.Transport, transport).abort()

    def connection_lost(self, exc: Exception | None) -> None:
        context, transport = self._context, self._context.transport
        context.transport = None
        if self._counted:
            self._door.closed()
            late = isinstance(exc, ConnectionAbortedError)
            if transport is not None and not context.over and (late or context.tries > 1):
                peer = transport.get_extra_info("peername")
                self._door.left(peer[0] if peer else "", in_time=not late)
            super().connection_lost(exc)


class Arrival(asyncio.Protocol):
    """The protocol of a connection until the handshake has agreed on HTTP/1.1 or HTTP/2 (ALPN). Then it calls `choose` with the
    name agreed ("" for none) and hands the connection to the protocol that it returns, which is `chosen`."""

    def __init__(self, choose: Callable[[str], Any]) -> None:
        self._choose = choose
        self.below: SocketReading | None = None
        self.chosen: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        self.chosen = self._choose(tls.selected_alpn_protocol() or "")
        self.chosen.below = self.below
        transport.set_protocol(self.chosen)
        self.chosen.connection_made(transport)


async def connect(
    make: Callable[[], OverTls], host: str, port: int, context: ssl.SSLContext, close_notify: float, *, address: str = ""
) -> Any:
    """Connect to `port` at `address`, "" for where `host` leads, with TLS that checks the certificate for `host`. The peer has
    `close_notify` seconds to answer our end. Returns the protocol that `make` made. Raises OSError; ssl.SSLError is one."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    over = make()

    def tls() -> asyncio.BaseProtocol:
        protocol = _Tls(
            over, loop, over, context, ready, server_side=False, server_hostname=host, ssl_shutdown_timeout=close_notify
        )
        return cast(asyncio.BaseProtocol, protocol)

    transport, _ = await loop.create_connection(tls, address or host, port)
    try:
        await ready
    except BaseException:
        transport.abort()
        raise
    return over


async def listen(
    make: Callable[[], OverTls],
    host: str,
    port: int,
    context: Callable[[], ssl.SSLContext],
    door: Door,
    *,
    backlog: int,
    timeouts: Timeouts,
) -> asyncio.Server:
    """Listen on `host` and `port`. `make` makes a protocol for each connection. `context` is called for each connection, so that
    new certificates serve new connections. `handshake_within` is in seconds. Raises OSError."""
    loop = asyncio.get_running_loop()
    parting: set[socket.socket] = set()

    def tls() -> asyncio.BaseProtocol:
        over, alerting = make(), _AlertingContext(context(), door, parting, timeouts.alert_read)
        protocol = _Accepted(
            door, alerting, over, loop, over, alerting, waiter=None, server_side=True,
            ssl_handshake_timeout=timeouts.handshake, ssl_shutdown_timeout=timeouts.close_notify,
        )  # fmt: skip
        return cast(asyncio.BaseProtocol, protocol)

    return await loop.create_server(tls, host, port, backlog=backlog)
