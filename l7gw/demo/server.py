"""HTTP and WebSocket for the demo cluster, by h11 and wsproto: a connection is a task, a request a handler."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
from wsproto import ConnectionType
from wsproto.connection import Connection as WebSocketConnection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError, generate_accept_token

READ = 64 * 1024
# How a client leaves, or the demo ends: nothing to tell anybody
GONE = (ConnectionError, h11.ProtocolError, LocalProtocolError, RemoteProtocolError, ssl.SSLError, asyncio.CancelledError)
LARGEST_BODY = 3 * 1024 * 1024  # bytes, as the real API server's


@dataclass
class Call:
    """One request, read whole."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    header_lines: list[tuple[str, str]]
    body: bytes = b""

    def flag(self, name: str) -> bool:
        value = self.first(name)
        return value is not None and value.lower() not in ("0", "false")

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.query if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]

    def json(self) -> Any:
        return json.loads(self.body or b"{}")


@dataclass
class Answer:
    """A handler's answer: a body, or an iterator of pieces that are sent as they come, or a WebSocket conversation."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    pieces: AsyncIterator[bytes] | None = None
    websocket: tuple[str, Callable[[WebSocket], Awaitable[None]]] | None = None  # subprotocol, conversation
    headers: list[tuple[str, str]] = field(default_factory=list)


Handler = Callable[[Call], Awaitable[Answer]]


class WebSocket:
    """One WebSocket of a client, as messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = WebSocketConnection(ConnectionType.SERVER)
        self._sending = asyncio.Lock()
        if early:
            self._connection.receive_data(early)

    async def messages(self) -> AsyncIterator[bytes]:
        """Messages until the client closes or goes."""
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

    async def close(self, code: int = 1000) -> None:
        with contextlib.suppress(Exception):
            await self._send(CloseConnection(code=code))

    async def _send(self, event: Event | Pong) -> None:
        async with self._sending:
            self._writer.write(self._connection.send(event))
            await self._writer.drain()


async def listen(handler: Handler, context: ssl.SSLContext) -> tuple[asyncio.Server, int]:
    """Serve on a free loopback port; the server and its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*GONE):
            await _connection(handler, reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    return server, server.sockets[0].getsockname()[1]


async def _connection(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        call = await _read_call(connection, reader)
        if call is None:
            return
        answer = await handler(call)
        if answer.websocket is not None:
            await _converse(connection, answer, call, reader, writer)
            return
        await _write_answer(connection, answer, call, reader, writer)
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _read_call(connection: h11.Connection, reader: asyncio.StreamReader) -> Call | None:
    call: Call | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(READ))
        elif isinstance(event, h11.Request):
            target = urlsplit(event.target.decode())
            lines = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
            call = Call(
                event.method.decode(),
                unquote(target.path),
                parse_qsl(target.query, keep_blank_values=True),
                dict(lines),
                lines,
            )
        elif isinstance(event, h11.Data) and call is not None:
            call.body += bytes(event.data)
            if len(call.body) > LARGEST_BODY:
                return None
        elif isinstance(event, h11.EndOfMessage) or (event is h11.PAUSED and call is not None):
            return call
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            return None


async def _write_answer(
    connection: h11.Connection,
    answer: Answer,
    call: Call,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    headers = [("content-type", answer.content_type), ("cache-control", "no-cache, private"), *answer.headers]
    headers.append(("audit-id", call.headers.get("audit-id", "")))
    if answer.pieces is None:
        headers.append(("content-length", str(len(answer.body))))
    writer.write(connection.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
    if answer.pieces is None:
        if call.method != "HEAD":
            writer.write(connection.send(h11.Data(data=answer.body)) or b"")
    else:
        await writer.drain()  # a watch's head goes out before its first event
        gone = asyncio.ensure_future(reader.read(1))
        pieces = answer.pieces.__aiter__()
        while True:
            piece = asyncio.ensure_future(pieces.__anext__())
            await asyncio.wait((gone, piece), return_when=asyncio.FIRST_COMPLETED)
            if not piece.done():
                piece.cancel()
                raise ConnectionResetError("the client is gone")
            if isinstance(piece.exception(), StopAsyncIteration):
                break
            writer.write(connection.send(h11.Data(data=piece.result())) or b"")
            await writer.drain()
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()


async def _converse(
    connection: h11.Connection, answer: Answer, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    assert answer.websocket is not None
    subprotocol, conversation = answer.websocket
    accept = generate_accept_token(call.headers["sec-websocket-key"].encode())
    head = h11.InformationalResponse(
        status_code=101,
        headers=[
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", accept.decode()),
            ("sec-websocket-protocol", subprotocol),
        ],
    )
    writer.write(connection.send(head) or b"")
    await writer.drain()
    early, _ = connection.trailing_data
    socket = WebSocket(reader, writer, early)
    try:
        await conversation(socket)
    finally:
        await socket.close()
