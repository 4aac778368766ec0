"""Finds out whether the other end of a TCP connection is alive, by what its kernel acknowledges. For clients and clusters alike.

A silent peer is probed (keepalive), and bytes that were sent must be acknowledged in time. TCP_USER_TIMEOUT would check the latter
too, but it also ends a connection whose peer is alive and reads nothing for a while: `logs -f` behind a pager, a `sleep` that is
fed stdin.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

IDLE, INTERVAL, PROBES = 25, 5, 3  # seconds, seconds, a number: a dead silent peer is found within 45 seconds (threats I5)
LOOK_EVERY = 2.0  # seconds between two looks at the kernel's state

# Fields of Linux's struct tcp_info (uapi/linux/tcp.h): tcpi_probes; tcpi_unacked; tcpi_last_ack_recv, in milliseconds.
_PROBES, _UNACKED, _LAST_ACK = struct.Struct("=3xB"), struct.Struct("=24xI"), struct.Struct("=56xI")
_SIZE = 60

State = tuple[int, float]  # segments and probes without an acknowledgement; seconds since the last acknowledgement came


class Liveness:
    """Watches one connection. Its peer must acknowledge something every `within` seconds: bytes that were sent, or
    probes of its closed window. `read` gives the connection's state;
    without it the socket is asked, where the system has TCP_INFO."""

    __slots__ = ("_next", "_read", "_since", "_within")

    def __init__(self, transport: asyncio.Transport, within: float, read: Callable[[], State] | None = None) -> None:
        self._read = read or _reader(transport)
        self._within = within
        self._next = 0.0
        self._since = 0.0  # monotonic seconds since when an acknowledgement is missing; 0 where none is

    def is_lost(self, now: float) -> bool:
        """Whether the peer is dead. `now` is in seconds by the monotonic clock. Called once a second."""
        if now < self._next or self._read is None:
            return False
        self._next = now + LOOK_EVERY
        waiting, silent = self._read()
        if not waiting:
            self._since = 0.0
        elif not self._since:
            self._since = now  # the kernel does not tell since when it waits
        else:
            self._since = max(self._since, now - silent)
        return self._since != 0.0 and now - self._since >= self._within


def _reader(transport: asyncio.Transport) -> Callable[[], State] | None:
    """Turn on keepalive for a socket. Returns what reads its state; None where it is no TCP, or the system is not Linux."""
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
        except (OSError, ValueError):  # uvloop has closed the socket's descriptor
            return 0, 0.0
        waiting = _PROBES.unpack_from(info)[0] + _UNACKED.unpack_from(info)[0]
        return waiting, _LAST_ACK.unpack_from(info)[0] / 1000

    return read
