"""The API at a socket of its own, in this process, and what a client gets for bytes that it sends there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from l7gw.api.unix_socket import ApiSocket
from tests.support.api_room import Room, room

LONGEST_LINE = 1024 * 1024  # bytes of a line of a watch, in these tests


class Served:
    """The room, and its socket."""

    def __init__(self, inside: Room, path: Path) -> None:
        self.room = inside
        self.path = path
        self.socket = ApiSocket(inside.api, path)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(str(self.path), limit=LONGEST_LINE)

    async def said(self, data: bytes, *, ends: bool = False) -> bytes:
        """All that the gateway answers to these bytes until it closes, also where it lingers. `ends`: the client then closes its own
        side."""
        reader, writer = await self.connect()
        writer.write(data)
        if ends:
            writer.write_eof()
        reading = asyncio.ensure_future(reader.read())
        while not reading.done():
            await asyncio.sleep(0)
            if any(one._closing_at for one in self.socket._open):
                self.tick(self.room.timeouts.linger)
        writer.close()
        return reading.result()

    def tick(self, seconds: float = 0.0) -> None:
        self.room.clock.advance(seconds)
        self.socket.tick(self.room.clock.monotonic())


def statuses(answers: bytes) -> list[int]:
    """The status of each answer, by their Content-Length."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        found.append(int(head[9:12]))
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        msgspec.json.decode(rest[:length])
        answers = rest[length:]
    return found


def at_socket(test: Callable[[Served], Coroutine[Any, Any, None]], folder: Path) -> None:
    async def run() -> None:
        async with served(folder) as made:
            await test(made)

    asyncio.run(run())


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    async with room(folder / "state") as inside:
        made = Served(inside, folder / "state" / "l7gw.sock")
        await made.socket.open()
        try:
            yield made
        finally:
            inside.api.drain("over")
            made.socket.close()
