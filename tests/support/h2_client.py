"""A small HTTP/2 client by h2, for servers that must not be tested with l7gw's own codec."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame

from l7gw.demo.pki import Authority


class H2Stream:
    """One stream and its answer so far. `ended` is set by the end or reset of the stream, or by the end of the connection."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.reset: int | None = None  # the server's error code
        self.answered = asyncio.Event()  # set when the answer's head has come
        self.more = asyncio.Event()
        self.ended = asyncio.Event()

    @property
    def status(self) -> int:
        return int(self.headers[":status"])

    def json(self) -> Any:
        return json.loads(self.body)

    async def until(self, size: int) -> bytes:
        """Wait until the body has `size` bytes, and return it. Raises ConnectionError where it ends before."""
        while len(self.body) < size:
            if self.ended.is_set():
                raise ConnectionError(f"{len(self.body)} of {size} bytes, reset: {self.reset}")
            self.more.clear()
            await self.more.wait()
        return bytes(self.body)


class H2Client:
    """A client's connection, opened by `connected`. With `reading = False` it takes data but does not open its windows again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._room = asyncio.Event()
        self._streams: dict[int, H2Stream] = {}
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.reading = True
        self.terminated: ConnectionTerminated | None = None  # the server's GOAWAY
        self.closed = asyncio.Event()

    def flush(self) -> None:
        self._writer.write(self.h2.data_to_send())

    async def read(self) -> None:
        try:
            while data := await self._reader.read(65536):
                for event in self.h2.receive_data(data):
                    self._take(event)
                self._room.set()
                self.flush()
        finally:
            for exchange in self._streams.values():
                exchange.ended.set()
                exchange.more.set()
            self.closed.set()

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.terminated = event
            return
        exchange = self._streams.get(getattr(event, "stream_id", None) or 0)
        if exchange is None:
            return
        if isinstance(event, ResponseReceived):
            exchange.headers = {str(name): str(value) for name, value in event.headers}
            exchange.answered.set()
        elif isinstance(event, DataReceived):
            exchange.body += event.data
            if self.reading:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamReset):
            exchange.reset = int(event.error_code)
            exchange.ended.set()
        elif isinstance(event, StreamEnded):
            exchange.ended.set()
        exchange.more.set()

    async def open(self, method: str, path: str, body: bytes = b"", **headers: str | list[str]) -> tuple[int, H2Stream]:
        """Start a request, and send its body as the server's windows allow. Returns the stream's number and the stream, whose
        answer may still be coming.

        An answer that ends before the body has gone out ends the sending.
        """
        stream, exchange = self.h2.get_next_available_stream_id(), H2Stream()
        self._streams[stream] = exchange
        fields = [(":method", method), (":authority", "demo")]
        if method != "CONNECT":
            fields += [(":path", path), (":scheme", "https")]
        for name, values in headers.items():
            fields += [(name.replace("_", "-"), value) for value in ([values] if isinstance(values, str) else values)]
        self.h2.send_headers(stream, fields, end_stream=not body)
        while body and not exchange.ended.is_set():
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room == 0:
                self.flush()
                self._room.clear()
                await self._room.wait()
                continue
            self.h2.send_data(stream, body[:room], end_stream=len(body) <= room)
            body = body[room:]
        self.flush()
        return stream, exchange

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str | list[str]) -> H2Stream:
        """Send a request and wait for its whole answer."""
        _, exchange = await self.open(method, path, body, **headers)
        await exchange.ended.wait()
        return exchange

    def reset(self, stream: int) -> None:
        self.h2.reset_stream(stream, ErrorCodes.CANCEL)
        self.flush()

    def write(self, frame: Frame) -> None:
        """Write a frame without h2: one that h2 would not send, or after which it would accept no more."""
        self._writer.write(frame.serialize())


@contextlib.asynccontextmanager
async def connected(
    port: int, authority: Authority, client: tuple[Path, Path], *, window: int | None = None
) -> AsyncIterator[H2Client]:
    """A connection whose TLS agreed on h2. `window` is the initial window of its streams in bytes; 65,535 without it."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(*client)
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    talker = H2Client(reader, writer)
    if window is not None:
        talker.h2.local_settings = Settings(client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window})
    talker.h2.initiate_connection()
    talker.flush()
    reading = asyncio.create_task(talker.read())
    try:
        yield talker
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        writer.close()
