"""uvloop's TLS with one thing more: reading can be paused without losing the tail.

Pausing the TLS transport itself stops the decrypting, not the socket: what arrives meanwhile waits undecrypted, and when the
peer's end arrives with it uvloop drops it all (3 of 120 downloads of 20 MB by `kubectl cp` came out short). So the socket below is
paused: nothing is ever waiting in between, and the peer's end is read after its last byte.
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

ALERT_WITHIN = 1.0  # seconds for a peer to hear why its handshake failed
MOST_PARTING = 32  # connections of a listener that stay open for that: each has a descriptor that nobody counts
SHUTDOWN_WITHIN = 5.0  # seconds for close_notify; the loop's default of 30 lets silent peers linger


class OverTls(Protocol):
    """A protocol that runs over TLS: `socket_transport` is the transport below, for pausing and resuming."""

    socket_transport: asyncio.Transport | None


class Door(Protocol):
    """Whoever counts a listener's connections, each from its first packet: one in its handshake takes a descriptor too."""

    def opened(self) -> bool:
        """One more. False turns it away, and it is not counted."""

    def closed(self) -> None:
        """One less."""

    def failed(self, address: str, error: ssl.SSLError) -> None:
        """The handshake of one from this address. Whoever only knocks, or leaves in the midst of it, is not told of."""


class _Tls(SSLProtocol):  # type: ignore[misc]
    def __init__(self, over: OverTls, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._over = over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._over.socket_transport = cast(asyncio.Transport, transport)
        del self._over  # whoever holds the other would stay, with TLS's buffers, until the collector comes by
        super().connection_made(transport)


class _Handshake(ssl.SSLObject):
    """Tells when it fails, while the connection still stands."""

    failed: Callable[[ssl.SSLError], None]

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError as error:
            self.failed(error)
            raise


class _AlertingContext:
    """In place of a listener's context, for one connection: where its handshake fails, the peer hears the alert that says why.

    uvloop closes such a connection at once, without the alert; and a socket that is closed with bytes unread sends a reset, which
    may overtake it. kubectl then shows "connection reset by peer" instead of what was wrong.
    """

    def __init__(self, context: ssl.SSLContext, door: Door, parting: set[socket.socket]) -> None:
        context.sslobject_class = _Handshake
        self._context = context
        self._door = door
        self._parting = parting  # the listener's connections that are closed but for their alert
        self.transport: asyncio.BaseTransport | None = None

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **named: Any) -> ssl.SSLObject:
        tls = cast(_Handshake, self._context.wrap_bio(incoming, outgoing, **named))
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
                asyncio.get_running_loop().call_later(ALERT_WITHIN, self._part, own)
                own.send(outgoing.read())
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
        self._context.transport = None
        if self._counted:
            self._door.closed()
            super().connection_lost(exc)


class Arrival(asyncio.Protocol):
    """Stands in until the handshake has told which protocol is spoken (ALPN), then hands the connection over to what `choose`
    gives for it; `chosen` from then on."""

    def __init__(self, choose: Callable[[str], Any]) -> None:
        self._choose = choose
        self.socket_transport: asyncio.Transport | None = None
        self.chosen: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        self.chosen = self._choose(tls.selected_alpn_protocol() or "")
        self.chosen.socket_transport = self.socket_transport
        transport.set_protocol(self.chosen)
        self.chosen.connection_made(transport)


async def connect(make: Callable[[], OverTls], host: str, port: int, context: ssl.SSLContext) -> Any:
    """A connection whose TLS names and checks `host`; the protocol that `make` made. Raises OSError, ssl.SSLError too."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    over = make()

    def tls() -> asyncio.BaseProtocol:
        protocol = _Tls(over, loop, over, context, ready, False, host, ssl_shutdown_timeout=SHUTDOWN_WITHIN)
        return cast(asyncio.BaseProtocol, protocol)

    transport, _ = await loop.create_connection(tls, host, port)
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
    handshake_within: float,
) -> asyncio.Server:
    """A listener whose connections are protocols that `make` makes; each is served by what `context` gives at that moment."""
    loop = asyncio.get_running_loop()
    parting: set[socket.socket] = set()

    def tls() -> asyncio.BaseProtocol:
        over, alerting = make(), _AlertingContext(context(), door, parting)
        protocol = _Accepted(
            door, alerting, over, loop, over, alerting, None, True,
            ssl_handshake_timeout=handshake_within, ssl_shutdown_timeout=SHUTDOWN_WITHIN,
        )  # fmt: skip
        return cast(asyncio.BaseProtocol, protocol)

    return await loop.create_server(tls, host, port, backlog=backlog)
