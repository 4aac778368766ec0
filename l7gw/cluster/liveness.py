"""Whether the other end of a TCP connection still lives, as its kernel shows: for both sides of the gateway.

A quiet peer is probed (keepalive), and what was sent must be acknowledged in time. TCP_USER_TIMEOUT would ask for the latter, but
it also ends a connection whose peer lives and reads nothing for a while: `logs -f` behind a pager, a `sleep` that is fed stdin.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

IDLE, INTERVAL, PROBES = 25, 5, 3  # seconds, seconds: a silent peer is known to be dead before 45 are over (threats I5)
# Seconds in which a peer's kernel acknowledges something, of what was sent or of the probes of a closed window. A cluster is near,
# and pings of ours every 25 s make a dead one known within 45 in all; a client may be a laptop that changes its network.
CLUSTER_WITHIN, CLIENT_WITHIN = 14.0, 40.0
LOOK_EVERY = 2.0  # seconds

# Of Linux's struct tcp_info (uapi/linux/tcp.h): tcpi_probes; tcpi_unacked; tcpi_last_ack_recv, in milliseconds
_PROBES, _UNACKED, _LAST_ACK = struct.Struct("=3xB"), struct.Struct("=24xI"), struct.Struct("=56xI")
_SIZE = 60

State = tuple[int, float]  # segments and probes that wait for an acknowledgement; seconds since the last one came


class Liveness:
    """Of one connection. `read` gives its state; without it the socket is asked, where the system can tell."""

    __slots__ = ("_next", "_read", "_since", "_within")

    def __init__(self, transport: asyncio.Transport, within: float, read: Callable[[], State] | None = None) -> None:
        self._read = read or _reader(transport)
        self._within = within
        self._next = 0.0
        self._since = 0.0  # since when nothing was acknowledged that should have been; 0: all is well

    def is_lost(self, now: float) -> bool:
        """`now` by the monotonic clock; asked once a second."""
        if now < self._next or self._read is None:
            return False
        self._next = now + LOOK_EVERY
        waiting, silent = self._read()
        if not waiting:
            self._since = 0.0
        elif not self._since:
            self._since = now  # how long it has waited already, nobody tells
        else:
            self._since = max(self._since, now - silent)
        return self._since != 0.0 and now - self._since >= self._within


def _reader(transport: asyncio.Transport) -> Callable[[], State] | None:
    """Sets the probes; None where there is no TCP, or no Linux."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", IDLE), ("TCP_KEEPINTVL", INTERVAL), ("TCP_KEEPCNT", PROBES)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    if not hasattr(socket, "TCP_INFO"):
        return None

    def read() -> State:
        try:
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
        except (OSError, ValueError):  # uvloop's socket has no descriptor any more
            return 0, 0.0
        waiting = _PROBES.unpack_from(info)[0] + _UNACKED.unpack_from(info)[0]
        return waiting, _LAST_ACK.unpack_from(info)[0] / 1000

    return read
