"""A CONNECT proxy that leads the hosts of STS to the stand-in for AWS, and nobody anywhere else: who asks something other than STS is
found out."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from types import TracebackType

from tests.support.aws.sts_hosts import sts_hosts

MOST_HEAD = 16384  # bytes
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
WAITS = 30.0  # seconds that a silent client is kept


class ConnectProxy:
    """A proxy (`with`). `url` is for HTTPS_PROXY; `asked` are all the HOST:PORT that clients asked for, in order, and `refused`
    those that were no STS."""

    def __init__(self, port: int) -> None:
        self._to = port  # where the stand-in listens
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked: list[str] = []
        self.refused: list[str] = []

    def __enter__(self) -> ConnectProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(WAITS)
            head = b""
            while b"\r\n\r\n" not in head and len(head) < MOST_HEAD:
                more = client.recv(4096)
                if not more:
                    return
                head += more
            found = re.match(rb"CONNECT (\S+) HTTP/1\.[01]\r\n", head)
            target = found[1].decode("latin-1") if found else head.partition(b"\r\n")[0].decode("latin-1")
            self.asked.append(target)
            host, _, port = target.rpartition(":")
            if not found or port != "443" or host not in sts_hosts():
                self.refused.append(target)
                client.sendall(REFUSED)
                return
            with socket.create_connection(("127.0.0.1", self._to)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                client.settimeout(None)
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join(WAITS)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
