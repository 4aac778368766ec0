"""A pooler of transactions before a PostgreSQL server, as PgBouncer with `pool_mode = transaction` is one: each transaction of a
client goes to one of a few connections, and the next may go to another. Messages as in PostgreSQL's protocol 3.0 (chapter 55)."""

from __future__ import annotations

import queue
import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType

from tests.support.postgres import Postgres

NEGOTIATIONS = (80877103, 80877104)  # SSLRequest, GSSENCRequest: answered by N
VERSION = 196608  # 3.0


class TransactionPooler:
    """Serves on a free port until the block ends. It keeps `size` connections, and takes the one that was idle for the longest time, or
    with `newest_first` for the shortest."""

    def __init__(self, server: Postgres, size: int, *, newest_first: bool) -> None:
        self._idle: queue.Queue[socket.socket] = queue.LifoQueue() if newest_first else queue.Queue()
        self._greeting = b""
        for _ in range(size):
            backend, self._greeting = _backend(server)
            self._idle.put(backend)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> TransactionPooler:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()
        while not self._idle.empty():
            self._idle.get().close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError):
            while struct.unpack(">i", _startup(client)[:4])[0] in NEGOTIATIONS:
                client.sendall(b"N")
            client.sendall(self._greeting)
            backend: socket.socket | None = None
            while True:
                kind, message = _message(client)
                if kind == b"X":
                    return
                backend = backend or self._idle.get()
                backend.sendall(message)
                if kind in b"QS" and _relay(backend, client) == b"I":  # the transaction is over
                    self._idle.put(backend)
                    backend = None


def _backend(server: Postgres) -> tuple[socket.socket, bytes]:
    """A connection to the server, and what the server said at its beginning, without the key that cancels."""
    backend = socket.socket(socket.AF_UNIX)
    backend.connect(str(server.folder / f".s.PGSQL.{server.port}"))
    said = b"user\0l7gw\0database\0l7gw\0client_encoding\0UTF8\0\0"
    backend.sendall(struct.pack(">ii", len(said) + 8, VERSION) + said)
    greeting = b""
    while True:
        kind, message = _message(backend)
        greeting += message if kind != b"K" else b""
        if kind == b"Z":
            return backend, greeting


def _relay(backend: socket.socket, client: socket.socket) -> bytes:
    """Hand over the server's answer. Gives the state of the transaction behind it."""
    while True:
        kind, message = _message(backend)
        client.sendall(message)
        if kind == b"Z":
            return message[5:6]


def _startup(client: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _exactly(client, 4))
    return _exactly(client, length - 4)


def _message(peer: socket.socket) -> tuple[bytes, bytes]:
    """The kind of a message, and the whole of it."""
    head = _exactly(peer, 5)
    return head[:1], head + _exactly(peer, struct.unpack(">i", head[1:])[0] - 4)


def _exactly(peer: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = peer.recv(size - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found
