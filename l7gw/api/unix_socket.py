"""The gateway's socket on this machine, `STATE/l7gw.sock`: who may connect, and whose file it is.

The file is made under another name with its rights, and then renamed, so that nobody ever finds it with others. A file that a dead
gateway left is replaced; that of a running one is not, and is tried again until the other has ended. The folder's path may be
longer than a socket's address can be (unix(7)): the address goes by the folder's descriptor.
"""

from __future__ import annotations

import asyncio
import errno
import grp
import logging
import os
import resource
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from l7gw.api.call import Api, ApiCall
from l7gw.api.call_sides import Services
from l7gw.api.callers import ROOT_USER, Peer
from l7gw.api.connection import Connection
from l7gw.api.messages import OTHERS_WRITE
from l7gw.wire.events import Request

log = logging.getLogger(__name__)

BACKLOG = 128
MOST_CONNECTIONS = 256  # a few consoles, and reviewers who look
FOR_ROOT = 8  # of them, so that root gets in whatever others do
SHARE = 5  # a fifth of the process's descriptors at most; the listeners' clients have two fifths, the clusters as many
CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7)
AGAIN = 5.0  # seconds between two looks at a socket that another gateway has


class Occupied(OSError):
    """Another gateway answers at this socket."""


class ApiSocket:
    """The socket. `path` is where it is; `group` the name of the group whose members may connect too, "" for none."""

    def __init__(self, api: Api, path: Path, group: str = "") -> None:
        self.api = api
        self._path = path
        self._group = group
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._open: dict[Connection, Peer] = {}
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = max(FOR_ROOT * 2, min(MOST_CONNECTIONS, soft // SHARE))
        self._next_try = 0.0
        self._ended = False

    async def open(self) -> None:
        """Listen. Raises OSError, in words for people, where the socket cannot be made. Where another gateway has it, the log says
        so, and `tick` tries again."""
        try:
            sock = _bound(self._path, self._group)
        except Occupied as error:
            log.warning("%s; this gateway takes it over once the other has ended", error)
            return
        if self._group and not self._path.parent.stat().st_mode & stat.S_IXOTH:
            log.warning(
                "`socket`: the members of %s may have no way into %s; put the socket elsewhere", self._group, self._path.parent
            )
        self._inode = self._path.stat().st_ino
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: Connection(self), sock=sock, backlog=BACKLOG)

    def tick(self, now: float) -> None:
        """Once a second."""
        for one in list(self._open):
            one.tick(now)
        if self._server is None and not self._ended and now >= self._next_try:
            self._next_try = now + AGAIN
            try:
                sock = _bound(self._path, self._group)
            except OSError:
                return
            self._inode = self._path.stat().st_ino
            asyncio.get_running_loop().create_task(self._serve(sock))

    async def _serve(self, sock: socket.socket) -> None:
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: Connection(self), sock=sock, backlog=BACKLOG)
        log.info("the socket %s is this gateway's now", self._path)

    def close(self) -> None:
        """Accept no more, and take the file away where it is still ours. Calls that are under way are answered."""
        self._ended = True
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        for one in list(self._open):
            one.end()

    # ------------------------------------------------------------------ for connections

    @property
    def services(self) -> Services:
        return self.api.services

    def call(self, one: Connection, request: Request) -> ApiCall:
        return ApiCall(self.api, one, request, self._open[one])

    def admit(self, one: Connection, transport: asyncio.BaseTransport) -> bool:
        """Count a connection, with who is at its other end. False where there are too many."""
        sock: socket.socket = transport.get_extra_info("socket")
        peer = Peer(*CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)))
        return self._count(one, peer)

    def _count(self, one: Connection, peer: Peer) -> bool:
        own = peer.uid in (ROOT_USER, os.geteuid())
        if len(self._open) >= self._most - (0 if own else FOR_ROOT):
            self.api.services.of_peers.warning("the socket", "%d connections are open, one more is refused", len(self._open))
            return False
        self._open[one] = peer
        return True

    def dismiss(self, one: Connection) -> None:
        self._open.pop(one, None)


@contextmanager
def by_descriptor(path: Path) -> Iterator[str]:
    """An address for the socket at this path, however long that is. Raises OSError where its folder cannot be opened."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _bound(path: Path, group: str) -> socket.socket:
    """A socket that listens at the path, with its rights. Raises Occupied, and OSError in words for people."""
    try:
        about = path.parent.stat()
    except OSError as error:
        raise OSError(
            f"the socket {path} cannot be made: {error.strerror}\n  hint: make its folder, which root or the gateway owns"
        ) from error
    if about.st_mode & OTHERS_WRITE:
        hint = f"chmod go-w {path.parent}; whoever writes there could put a socket of his own in its place, and be sent tokens"
        raise OSError(f"the socket {path} is not made: others can write to its folder\n  hint: {hint}")
    gid = _gid(group)
    _check_free(path)
    temporary = path.with_name(f".{path.name[:64]}.{os.getpid()}")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        temporary.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with by_descriptor(temporary) as address:
                sock.bind(address)
        finally:
            os.umask(before)
        if gid is not None:
            os.chown(temporary, -1, gid)
            temporary.chmod(0o660)
        sock.listen(BACKLOG)
        temporary.rename(path)
    except OSError as error:
        sock.close()
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OSError(f"the socket {path} cannot be made: {error.strerror or error}") from error
    return sock


def _gid(group: str) -> int | None:
    if not group:
        return None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise OSError(f"`socket`: there is no group {group!r} on this machine\n  hint: groupadd {group}") from error


def _check_free(path: Path) -> None:
    """Raises Occupied where a gateway answers there, and OSError where the file is no socket."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(f"the socket {path} is not made: a file that is no socket stands there\n  hint: move it away")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe, by_descriptor(path) as address:
        found = probe.connect_ex(address)
    if found in (errno.ECONNREFUSED, errno.ENOENT):
        return
    if found in (0, errno.EAGAIN, errno.EINPROGRESS):
        raise Occupied(f"another gateway answers at the socket {path}")
    raise OSError(f"the socket {path} is not made: {os.strerror(found)}")
