"""Autobahn's cases against the WebSocket codec: our side is an echo, as the suite wants it, around the sans-IO connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from l7gw.wire.errors import PeerError
from l7gw.wire.websocket import ABNORMAL, Close, Connection, Message, accept_key
from tests.autobahn.install import wstest

# 12 and 13 are compression, an extension that is never negotiated.
SECTIONS = [f"{number}.*" for number in (1, 2, 3, 4, 5, 6, 7, 10)]
LIMITS = ["9.*"]  # large messages, and many: the longer half of the time
LARGEST = 16 * 1024 * 1024  # bytes of a message in section 9; the gateway itself takes 1 MiB
SECONDS = 600.0  # for the whole suite

MESSAGE_AND_FAULT = "a read that ends in a fault gives none of its messages: what comes with broken bytes is not forwarded"
WHOLE_TEXT = "text is looked at when its message is whole; Kubernetes sends base64 in it, or nothing"
FRAGMENTS = "a message of more than 4,096 fragments is refused (1008): small ones cost us and not the peer"
# Case -> why it may be other than OK. Where bytes are read together by chance, it may be OK as well.
MEANT = {
    **dict.fromkeys(["3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15"], MESSAGE_AND_FAULT),
    **dict.fromkeys(["6.4.1", "6.4.2", "6.4.3", "6.4.4"], WHOLE_TEXT),
    **dict.fromkeys(["9.3.1", "9.3.2", "9.3.3", "9.4.1", "9.4.2", "9.4.3"], FRAGMENTS),
}


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


def cases(folder: Path, sections: list[str]) -> list[Case]:
    """Every case of the sections, in their order. Raises MissingPython2."""
    command = wstest()
    with echoing() as port:
        spec = folder / "spec.json"
        servers = [{"agent": "l7gw", "url": f"ws://127.0.0.1:{port}", "options": {"version": 18}}]
        reports = folder / "reports"
        spec.write_text(json.dumps({"outdir": str(reports), "servers": servers, "cases": sections, "exclude-cases": []}))
        done = subprocess.run([*command, "-m", "fuzzingclient", "-s", spec], capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, f"wstest failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    found = json.loads((reports / "index.json").read_text())["l7gw"]
    told = [Case(name, one["behavior"], one["behaviorClose"], one["duration"] / 1000) for name, one in found.items()]
    return sorted(told, key=lambda case: [int(number) for number in case.case.split(".")])


# ---------------------------------------------------------------------- the echo


class Echo(asyncio.Protocol):
    """A server: each message comes back."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.head: bytes | None = b""
        self.connection = Connection("server", limit=LARGEST)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.head is not None:
            self.head, end, data = (self.head + data).partition(b"\r\n\r\n")
            if not end:
                return
            key = re.search(rb"(?i)sec-websocket-key: *(\S+)", self.head)
            assert key is not None
            self.head = None
            answer = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key[1].decode())}\r\n\r\n"
            self.transport.write(answer.encode())
        if data:  # empty would say that the peer ended
            self.frames(data)

    def frames(self, data: bytes) -> None:
        connection = self.connection
        try:
            for event in connection.receive(data):
                if isinstance(event, Message | Close):
                    connection.send(event)
        except PeerError as error:
            if error.code != ABNORMAL:
                connection.send(Close(error.code))
        self.transport.write(connection.take())
        if connection.close_sent:
            self.transport.close()

    def eof_received(self) -> None:
        self.frames(b"")


@contextlib.contextmanager
def echoing() -> Iterator[int]:
    """An echo on a loop and thread of its own; its port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(Echo, "127.0.0.1", 0))
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
