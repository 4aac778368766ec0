"""Autobahn's cases against the WebSocket codec in both roles: our side is an echo, as the suite wants it, around the sans-IO
connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from l7gw.wire.errors import PeerError
from l7gw.wire.websocket import ABNORMAL, Connection
from l7gw.wire.websocket_events import Close, Message
from l7gw.wire.websocket_handshake import accept_key, new_key
from tests.autobahn.install import wstest

Role = Literal["server", "client"]
ROLES: tuple[Role, ...] = get_args(Role)

# 12 and 13 are compression, an extension that is never negotiated.
SECTIONS = [f"{number}.*" for number in (1, 2, 3, 4, 5, 6, 7, 10)]
LIMITS = ["9.*"]  # large messages, and many: the longer half of the time
LARGEST = 16 * 1024 * 1024  # bytes of a message in section 9; the gateway itself takes 1 MiB
SECONDS = 600.0  # for the whole suite
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"


@dataclass
class Case:
    """What came of one case. Autobahn's words: OK, NON-STRICT, INFORMATIONAL, UNIMPLEMENTED, FAILED, and so for the closing."""

    case: str  # for example 9.3.1
    behavior: str
    closing: str
    seconds: float

    @property
    def good(self) -> bool:
        """INFORMATIONAL cases tell how we behave where RFC 6455 leaves it open."""
        return {self.behavior, self.closing} <= {"OK", "INFORMATIONAL"}

    def __str__(self) -> str:
        return f"{self.case} {self.behavior}, closing {self.closing}"


def cases(folder: Path, sections: list[str], role: Role) -> list[Case]:
    """Every case of the sections against the codec in that role, in their order. Raises MissingPython2."""
    folder.mkdir(exist_ok=True)
    reports = folder / "reports"
    spec = {"outdir": str(reports), "cases": sections, "exclude-cases": []}
    (_against_server if role == "server" else _against_client)(folder / "spec.json", spec)
    found = json.loads((reports / "index.json").read_text())["l7gw"]
    told = [Case(name, one["behavior"], one["behaviorClose"], one["duration"] / 1000) for name, one in found.items()]
    return sorted(told, key=lambda case: [int(number) for number in case.case.split(".")])


def _against_server(file: Path, spec: dict[str, object]) -> None:
    with echoing() as port:
        servers = [{"agent": "l7gw", "url": f"ws://127.0.0.1:{port}", "options": {"version": 18}}]
        file.write_text(json.dumps({**spec, "servers": servers}))
        with running("fuzzingclient", file):
            pass


def _against_client(file: Path, spec: dict[str, object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    file.write_text(json.dumps({**spec, "url": f"ws://127.0.0.1:{port}"}))
    with running("fuzzingserver", file, "--webport", "0"):
        asyncio.run(asyncio.wait_for(_every_case(port), SECONDS))


@contextlib.contextmanager
def running(mode: str, file: Path, *options: str) -> Iterator[None]:
    """Autobahn beside what is done meanwhile; waits for its end, which is to be a good one."""
    command = [*wstest(), "-m", mode, "-s", file, *options]
    with (file.parent / "wstest.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        assert process.returncode == 0, f"wstest failed:\n{log.read()[-2000:]}"


# ---------------------------------------------------------------------- the echo


class Echo(asyncio.Protocol):
    """Each message comes back. What follows a handshake is the same in both roles, but for who closes the connection."""

    role: Role
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.head: bytes | None = b""
        self.connection = Connection(self.role, limit=LARGEST)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.head is not None:
            self.head, end, data = (self.head + data).partition(b"\r\n\r\n")
            if not end:
                return
            self.shake_hands(self.head.decode())
            self.head = None
        if data:  # empty would say that the peer ended
            self.frames(data)

    def frames(self, data: bytes) -> None:
        connection = self.connection
        try:
            for event in connection.receive(data):
                if isinstance(event, Message):
                    self.message(event)
                elif isinstance(event, Close) and not connection.close_sent:
                    connection.send(event)
        except PeerError as error:
            if error.code != ABNORMAL and not connection.close_sent:
                connection.send(Close(error.code))
        if data := connection.take():
            self.transport.write(data)
        if connection.close_sent and self.role == "server":  # RFC 6455 section 7.1.1
            self.transport.write_eof()  # not a close: bytes that come meanwhile would make it a reset, which eats what we wrote last

    def message(self, message: Message) -> None:
        self.connection.send(message)

    def eof_received(self) -> None:
        self.frames(b"")

    def shake_hands(self, head: str) -> None:
        raise NotImplementedError


def value(head: str, field: str) -> str:
    found = re.search(rf"(?im)^{field}: *(\S+)", head)
    assert found is not None, f"no {field}"
    return found[1]


class Server(Echo):
    role = "server"

    def shake_hands(self, head: str) -> None:
        accept = accept_key(value(head, "sec-websocket-key"))
        self.transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{UPGRADE}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())


@contextlib.contextmanager
def echoing() -> Iterator[int]:
    """An echo on a loop and thread of its own; its port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(Server, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        port: int = server.sockets[0].getsockname()[1]
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()


class Client(Echo):
    """Asks a path of Autobahn's server. A case is echoed; of what else it says, the last message is kept."""

    role = "client"

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.key = new_key()
        self.said = b""
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        host = "{}:{}".format(*transport.get_extra_info("peername"))
        key = f"Sec-WebSocket-Key: {self.key}\r\nSec-WebSocket-Version: 13\r\n"
        self.transport.write(f"GET {self.path} HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}{key}\r\n".encode())

    def shake_hands(self, head: str) -> None:
        assert head.startswith("HTTP/1.1 101 ") and value(head, "sec-websocket-accept") == accept_key(self.key), head

    def message(self, message: Message) -> None:
        self.said = message.data
        if self.path.startswith("/runCase"):
            super().message(message)

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set_result(None)


async def _every_case(port: int) -> None:
    loop = asyncio.get_running_loop()

    async def ask(path: str) -> bytes:
        while True:
            try:
                _, client = await loop.create_connection(lambda: Client(path), "127.0.0.1", port)
            except ConnectionRefusedError:  # it is starting still
                await asyncio.sleep(0.05)
            else:
                await client.over
                return client.said

    for case in range(int(await ask("/getCaseCount"))):
        await ask(f"/runCase?case={case + 1}&agent=l7gw")
    await ask("/updateReports?agent=l7gw&shutdownOnComplete=true")
