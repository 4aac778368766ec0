"""The demo cluster's port. TLS agrees on HTTP/2 or HTTP/1.1; this file has HTTP/1.1, by h11, with its upgrade to WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import h11
from wsproto.utilities import LocalProtocolError, RemoteProtocolError, generate_accept_token

from l7gw.demo.calls import LARGEST_BODY, Answer, Call, Handler
from l7gw.demo.server_http2 import Http2Connection
from l7gw.demo.websocket import READ, WebSocket

# Raised where a client leaves or the demo ends. These are no failures.
GONE = (ConnectionError, h11.ProtocolError, LocalProtocolError, RemoteProtocolError, ssl.SSLError, asyncio.CancelledError)


class Server:
    """Serves on a free loopback port from `start` to `stop`. Each connection has a task."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, context: ssl.SSLContext) -> None:
        context.set_alpn_protocols(["h2", "http/1.1"])
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self._listening.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Take no more connections. The open ones end in the next turns of the loop, those of HTTP/2 with a GOAWAY."""
        if self._listening is not None:
            self._listening.close()
        for connection in self._connections:
            connection.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(*GONE):
                if writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
                    await Http2Connection(self._handler, reader, writer).run()
                else:
                    await _http1(self._handler, reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()


async def _http1(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
            lines = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
            call = Call.of("http/1.1", event.method.decode(), event.target.decode(), lines)
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
    writer.write(connection.send(h11.Response(status_code=answer.status, headers=answer.head(call))) or b"")
    if answer.pieces is None:
        if call.method != "HEAD":
            writer.write(connection.send(h11.Data(data=answer.body)) or b"")
    else:
        await writer.drain()  # a watch's head goes out before its first event
        gone = asyncio.ensure_future(reader.read(1))
        piece: asyncio.Future[bytes] | None = None
        try:
            while True:
                piece = asyncio.ensure_future(answer.pieces.__anext__())
                await asyncio.wait((gone, piece), return_when=asyncio.FIRST_COMPLETED)
                if not piece.done():
                    raise ConnectionResetError("the client is gone")
                if isinstance(piece.exception(), StopAsyncIteration):
                    break
                writer.write(connection.send(h11.Data(data=piece.result())) or b"")
                await writer.drain()
        finally:  # also where this task is cancelled
            gone.cancel()
            if piece is not None:
                piece.cancel()
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
    code = 1001  # the conversation was cut, which must not look like its end
    try:
        await conversation(socket)
        code = 1000
    finally:
        socket.close(code)
