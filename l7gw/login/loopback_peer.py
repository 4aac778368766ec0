"""Whose connection came to a port of loopback: each user of a machine can connect there, and see the port and what browsers are
started with (`ps`), a login's `state` among it (threats F5).

Source: Linux, `net/ipv4/tcp_ipv4.c` (get_tcp4_sock): a line has the local and remote address, the state and the socket's user.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))  # a socket of IPv6 that leads to 127.0.0.1 stands in the second one alone
ESTABLISHED, LISTENS = "01", "0A"
_LOCAL, _REMOTE, _STATE, _USER = 1, 2, 3, 7  # columns
Address = tuple[str, int]


def own_users() -> frozenset[int]:
    """Whose browser may answer a login of this process: this user's, that of who called sudo, and root's, who may do all."""
    called = os.environ.get("SUDO_UID", "")
    return frozenset((0, os.geteuid(), *((int(called),) if called.isascii() and called.isdigit() else ())))


def read_tables(paths: Iterable[Path] = TABLES) -> Iterator[str]:
    """The lines of Linux's tables of sockets; none on other systems."""
    for path in paths:
        with suppress(OSError), path.open(encoding="ascii", errors="replace") as table:
            yield from table


def is_own(ours: Address, theirs: Address, users: frozenset[int], tables: Callable[[], Iterable[str]] = read_tables) -> bool:
    """Whether a connection that was accepted at `ours` is one of these users, as far as this machine tells. It is taken where no
    table says so: on other systems, and where the peer's end is no socket here, as behind the host of a virtual machine."""
    here, there = _written(ours), _written(theirs)
    listens, state, peer = False, "", None
    for line in tables():
        column = line.split(None, _USER + 1)
        if len(column) <= _USER:
            continue
        if column[_LOCAL].endswith(here):
            listens = listens or column[_STATE] == LISTENS
            if column[_REMOTE].endswith(there):
                state = column[_STATE]
        elif column[_LOCAL].endswith(there) and column[_REMOTE].endswith(here):
            peer = column
    if not listens:
        return True
    # The kernel forgets whose a socket was that its process has closed.
    if state != ESTABLISHED:
        return False
    return peer is None or (peer[_STATE] == ESTABLISHED and int(peer[_USER]) in users)


def _written(address: Address) -> str:
    """The end of an address in the tables, also of one of IPv4 in IPv6."""
    return f"{int.from_bytes(socket.inet_aton(address[0]), sys.byteorder):08X}:{address[1]:04X}"
