"""Port-forward inside WebSocket messages (SPDY/3.1+portforward.k8s.io), with a small SPDY parser of its own."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import zlib

from l7gw.demo.websocket import WebSocket
from l7gw.wire.spdy_dictionary import DICTIONARY

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 1
CHUNK = 32 * 1024


class PortForward:
    """One tunnel of a client. Each pair of an error stream and a data stream is a connection to a loopback port."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, 0, DICTIONARY)
        self._errors: dict[str, int] = {}  # request id -> its error stream
        self._connections: dict[int, tuple[asyncio.StreamWriter, asyncio.Task[None]]] = {}
        self._early: dict[int, list[tuple[bytes, bool]]] = {}
        self._dials: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        buffer = b""
        try:
            async for message in self._socket.messages():
                buffer += message
                while len(buffer) >= 8:
                    length = int.from_bytes(buffer[5:8], "big")
                    if len(buffer) < 8 + length:
                        break
                    frame, buffer = buffer[: 8 + length], buffer[8 + length :]
                    if await self._frame(frame):
                        return
        finally:
            for writer, task in self._connections.values():
                task.cancel()
                writer.close()
            for dial in self._dials:
                dial.cancel()

    async def _frame(self, frame: bytes) -> bool:
        flags, payload = frame[4], frame[8:]
        if not frame[0] & 0x80:
            await self._data(int.from_bytes(frame[:4], "big"), payload, bool(flags & FIN))
            return False
        kind = int.from_bytes(frame[2:4], "big")
        if kind == SYN_STREAM:
            await self._open(int.from_bytes(payload[:4], "big"), self._headers(payload[10:]))
        elif kind == PING:
            await self._socket.send(frame)
        elif kind == RST_STREAM:
            self._drop(int.from_bytes(payload[:4], "big"))
        return kind == GOAWAY

    def _headers(self, block: bytes) -> dict[str, str]:
        plain = self._inflate.decompress(block)
        found, at = {}, 4
        for _ in range(int.from_bytes(plain[:4], "big")):
            pair = []
            for _ in range(2):
                length = int.from_bytes(plain[at : at + 4], "big")
                pair.append(plain[at + 4 : at + 4 + length].decode())
                at += 4 + length
            found[pair[0]] = pair[1]
        return found

    async def _open(self, stream: int, headers: dict[str, str]) -> None:
        block = self._deflate.compress(bytes(4)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        await self._socket.send(struct.pack(">HHII", 0x8003, SYN_REPLY, 4 + len(block), stream) + block)
        if headers["streamtype"] == "error":
            self._errors[headers["requestid"]] = stream
            return
        self._early[stream] = []
        dial = asyncio.create_task(self._dial(stream, self._errors.pop(headers["requestid"]), int(headers["port"])))
        self._dials.add(dial)
        dial.add_done_callback(self._dials.discard)

    async def _dial(self, stream: int, error: int, port: int) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            del self._early[stream]
            await self._send(error, f"nothing listens on port {port} of this pod".encode(), fin=True)
            await self._send(stream, b"", fin=True)
            return
        self._connections[stream] = (writer, asyncio.create_task(self._pump(stream, error, reader)))
        for data, fin in self._early.pop(stream):
            await self._data(stream, data, fin)

    async def _pump(self, stream: int, error: int, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                await self._send(stream, data)
        await self._send(stream, b"", fin=True)
        await self._send(error, b"", fin=True)

    async def _data(self, stream: int, data: bytes, fin: bool) -> None:
        if stream in self._early:
            self._early[stream].append((data, fin))
        elif stream in self._connections:
            writer, _ = self._connections[stream]
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
                if fin:
                    writer.write_eof()

    def _drop(self, stream: int) -> None:
        if stream in self._connections:
            writer, task = self._connections.pop(stream)
            task.cancel()
            writer.close()

    async def _send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        await self._socket.send(struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data)


async def forward_ports(socket: WebSocket, ports: list[int]) -> None:
    """The older protocol, which the Python client speaks. Channel 2i carries the bytes of port i, channel 2i+1 its errors. The
    first message of each channel is the port's number, little-endian (kubernetes-wire 5.3)."""
    writers: dict[int, asyncio.StreamWriter] = {}
    pumps: list[asyncio.Task[None]] = []

    async def pump(channel: int, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(CHUNK):
            await socket.send(bytes((channel,)) + data)
        socket.close()

    try:
        for index, port in enumerate(ports):
            for channel in (2 * index, 2 * index + 1):
                await socket.send(bytes((channel,)) + struct.pack("<H", port))
            try:
                reader, writers[2 * index] = await asyncio.open_connection("127.0.0.1", port)
                pumps.append(asyncio.create_task(pump(2 * index, reader)))
            except OSError:
                await socket.send(bytes((2 * index + 1,)) + f"nothing listens on port {port} of this pod".encode())
        async for message in socket.messages():
            if message and message[0] in writers:
                writers[message[0]].write(message[1:])
                await writers[message[0]].drain()
    finally:
        for task in pumps:
            task.cancel()
        for writer in writers.values():
            writer.close()
