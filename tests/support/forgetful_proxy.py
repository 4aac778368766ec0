"""A TCP proxy that forgets quiet connections, as NATs and load balancers do (threats I17)."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from types import TracebackType

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, by a reset


class Forgetful:
    """Passes bytes both ways to a port of this machine. From `begin(after)` on, a connection on which no byte passes in either
    direction for `after` seconds is reset at both ends."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._after = float("inf")
        self._since = 0.0
        self._over = False
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Forgetful:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over = True
        self._listener.close()

    def begin(self, after: float) -> None:
        self._since, self._after = time.monotonic(), after

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as server:
            last = time.monotonic()
            while not self._over:
                ready, _, _ = select.select([client, server], [], [], 0.1)
                now = time.monotonic()
                if ready:
                    last = now
                elif now - max(last, self._since) > self._after:
                    for end in (client, server):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    return
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    (server if end is client else client).sendall(data)
