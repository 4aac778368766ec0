"""uvloop's TLS: how much it gives at once, which is what may still come when reading is paused."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from unittest.mock import Mock

import uvloop
from uvloop.loop import SSLProtocol

from l7gw.demo.pki import Authority, server_context
from l7gw.wire.http1 import LARGEST_READ

RECORD = 16 * 1024  # bytes in a record of TLS, at most (RFC 8446 section 5.1)


def feed(server: SSLProtocol, data: bytes) -> None:
    """Reads of the socket, each as large as the room that is given for it."""
    while data:
        room = memoryview(server.get_buffer(len(data)))
        size = min(len(room), len(data))
        room[:size] = data[:size]
        server.buffer_updated(size)
        data = data[size:]


def test_one_read_brings_more_than_its_size_and_no_more_than_may_wait(tmp_path: Path) -> None:
    """A read of 256 KiB completes a record that was there but for a byte, and is filled up by the end of what the client wrote."""
    authority = Authority(tmp_path, "CA")
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(authority.certificate))
    client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    application = Mock(spec=asyncio.Protocol)
    transport = Mock(write=to_client.write, writelines=lambda parts: to_client.write(b"".join(parts)))

    async def play() -> None:
        pair = authority.server("server", "localhost")
        server = SSLProtocol(asyncio.get_running_loop(), application, server_context(pair), None, True)
        server.connection_made(transport)
        for _ in range(2):
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            feed(server, to_server.read())
        client.write(bytes(RECORD))
        first = to_server.read()
        client.write(bytes(15 * RECORD))
        client.write(bytes(RECORD - 400))
        feed(server, first[:-1])
        feed(server, first[-1:] + to_server.read())

    uvloop.run(play())
    given = [len(call.args[0]) for call in application.data_received.call_args_list]
    assert given == [17 * RECORD - 400]
    assert given[0] <= LARGEST_READ
