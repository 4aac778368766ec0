"""The two ends of ten thousand idle watches, each in a process of its own: `python -m tests.support.idle_watches cluster|clients
...`.

Both print one number a line, and do the next step when a line comes on stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
import ssl
import sys
from collections.abc import Callable

import uvloop

from l7gw.wire.websocket_handshake import accept_key
from tests.support.scripted_upstream import KEPT

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n"
    b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n\x82\x06\x01ready"
)
FIRST = b'13\r\n{"type":"BOOKMARK"}\r\n'
SECOND = b'10\r\n{"type":"ADDED"}\r\n'
AT_ONCE = 32  # connections that are opened at the same time


class _Cluster(asyncio.Protocol):
    watches: list[asyncio.Transport] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            if key := re.search(rb"(?i)sec-websocket-key: (\S+)", head):
                self._transport.write(ACCEPTED % accept_key(key[1].decode()).encode())  # type: ignore[attr-defined]
            elif b"watch=true" in head.partition(b"\r\n")[0]:
                self._transport.write(HEAD + FIRST)  # type: ignore[attr-defined]
                self.watches.append(self._transport)  # type: ignore[arg-type]
            else:
                self._transport.write(KEPT)  # type: ignore[attr-defined]


class _Client(asyncio.Protocol):
    heard: dict[bytes, int] = {FIRST: 0, SECOND: 0}
    ended = 0

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self.standing = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._received += data
        for event in self.heard:
            if event in self._received:
                self._received = b""
                self.heard[event] += 1
        if self.heard[FIRST] and not self.standing.done() and b"HTTP" not in self._received:
            self.standing.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        _Client.ended += 1
        if not self.standing.done():
            self.standing.set_result(None)


async def _line() -> bool:
    return bool(await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline))


async def cluster(address: str, certificate: str, key: str) -> None:
    """Serve a cluster. At each line of stdin, all its watches get an event."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.get_running_loop().create_server(_Cluster, address, 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await _line():
        for transport in _Cluster.watches:
            transport.write(SECOND)


async def clients(port: str, authority: str, token: str) -> None:
    """Open watches. A line with a number opens so many more; the line `hear` prints how many got the second event."""
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(cafile=authority)
    request = f"GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    places = asyncio.Semaphore(AT_ONCE)
    kept: list[asyncio.BaseTransport] = []

    async def one() -> None:
        async with places:
            with contextlib.suppress(OSError):
                transport, client = await loop.create_connection(
                    lambda: _Client(request), "127.0.0.1", int(port), ssl=context, server_hostname="localhost"
                )
                kept.append(transport)
                await client.standing

    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "hear":
            before = -1
            while before != _Client.heard[SECOND]:
                before = _Client.heard[SECOND]
                await asyncio.sleep(3)
            print(before, flush=True)
        else:
            await asyncio.gather(*(one() for _ in range(int(line))))
            print(_Client.heard[FIRST] - _Client.ended, flush=True)


def main() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    role: Callable[..., object] = {"cluster": cluster, "clients": clients}[sys.argv[1]]
    uvloop.run(role(*sys.argv[2:]))


if __name__ == "__main__":
    main()
