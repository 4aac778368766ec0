"""The bare relay of the bench: TLS on both sides, bytes copied, nothing read. What it costs is what uvloop's TLS costs.

`relay.py CERT KEY HOST:PORT` serves on a free loopback port and prints it. Each connection of a client has one of its own to the
upstream, with the protocol that ALPN found for it. With `H2=1` in the environment that is HTTP/2, where the client offers it.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys

import uvloop

HIGH = 1 << 20  # bytes that wait to be sent before the other side is no longer read; 64 KiB costs a fifth of the throughput


class _Upstream(asyncio.Protocol):
    def __init__(self, client: _Client) -> None:
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.set_write_buffer_limits(HIGH)  # type: ignore[attr-defined]
        self._client.joined(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        self._client.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.transport.close()

    def pause_writing(self) -> None:
        self._client.transport.pause_reading()  # type: ignore[attr-defined]

    def resume_writing(self) -> None:
        self._client.transport.resume_reading()  # type: ignore[attr-defined]


class _Client(asyncio.Protocol):
    transport: asyncio.WriteTransport

    def __init__(self, host: str, port: int, contexts: dict[str, ssl.SSLContext]) -> None:
        self._host, self._port, self._contexts = host, port, contexts
        self._upstream: asyncio.WriteTransport | None = None
        self._early: list[bytes] = []  # what came before the upstream was there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.transport.set_write_buffer_limits(HIGH)
        spoken = transport.get_extra_info("ssl_object").selected_alpn_protocol() or "http/1.1"
        loop = asyncio.get_running_loop()
        self._dialling = loop.create_task(
            loop.create_connection(
                lambda: _Upstream(self), self._host, self._port, ssl=self._contexts[spoken], server_hostname="127.0.0.1"
            )
        )
        self._dialling.add_done_callback(self._dialled)

    def _dialled(self, task: asyncio.Task[object]) -> None:
        if task.cancelled() or task.exception() is not None:
            self.transport.close()

    def joined(self, upstream: asyncio.WriteTransport) -> None:
        self._upstream = upstream
        if self._early:
            upstream.write(b"".join(self._early))
            self._early.clear()

    def data_received(self, data: bytes) -> None:
        if self._upstream is None:
            self._early.append(data)
        else:
            self._upstream.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._upstream is not None:
            self._upstream.abort()  # close() would go on reading what a flood brings, for up to half a minute
        else:
            self._dialling.cancel()

    def pause_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.pause_reading()  # type: ignore[attr-defined]

    def resume_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.resume_reading()  # type: ignore[attr-defined]


async def _serve(certificate: str, key: str, host: str, port: int) -> None:
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(certificate, key)
    listening.set_alpn_protocols(["h2", "http/1.1"] if os.environ.get("H2") else ["http/1.1"])
    contexts = {}
    for protocol in ("h2", "http/1.1"):
        contexts[protocol] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the bench only measures
        context.set_alpn_protocols([protocol])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(host, port, contexts), "127.0.0.1", 0, ssl=listening, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    host, _, port = sys.argv[3].rpartition(":")
    uvloop.run(_serve(sys.argv[1], sys.argv[2], host, int(port)))
