"""WebSocket for the demo cluster, by wsproto."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError

READ = 64 * 1024


class WebSocket:
    """One client's WebSocket, read and written in messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = Connection(ConnectionType.SERVER)
        self._sending = asyncio.Lock()
        if early:
            self._connection.receive_data(early)

    async def messages(self) -> AsyncIterator[bytes]:
        """The client's messages, until it closes the WebSocket or leaves."""
        whole = b""
        while True:
            for event in self._connection.events():
                if isinstance(event, BytesMessage | TextMessage):
                    whole += event.data.encode() if isinstance(event.data, str) else bytes(event.data)
                    if event.message_finished:
                        yield whole
                        whole = b""
                elif isinstance(event, Ping):
                    await self._send(event.response())
                elif isinstance(event, CloseConnection):
                    with contextlib.suppress(ConnectionError):
                        await self._send(event.response())
                    return
            data = await self._reader.read(READ)
            if not data:
                return
            self._connection.receive_data(data)

    async def send(self, data: bytes) -> None:
        await self._send(BytesMessage(data=bytearray(data)))

    def close(self, code: int = 1000) -> None:
        """Send a Close, unless one was sent. It does not wait for the client: the demo's end must not hang."""
        with contextlib.suppress(LocalProtocolError):
            self._writer.write(self._connection.send(CloseConnection(code=code)))

    async def _send(self, event: Event | Pong) -> None:
        async with self._sending:
            self._writer.write(self._connection.send(event))
            await self._writer.drain()
