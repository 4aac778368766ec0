"""An upstream that does what its script says, and keeps every byte that reaches it. For what a real API server never does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from l7gw.demo.pki import Authority

KEPT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
OK = KEPT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")  # so that each test meets its own script
Script = Callable[["Visit"], None]


@dataclass
class Visit:
    """One connection of the gateway, for the script that handles it."""

    socket: ssl.SSLSocket
    received: bytearray = field(default_factory=bytearray)
    _read: int = 0  # bytes up to the end of the last head that was read

    def head(self) -> bytes:
        """Read to the end of a request's head, and whatever came with it."""
        while (end := self.received.find(b"\r\n\r\n", self._read)) < 0:
            if not self.more():
                return b""
        self._read = end + 4
        return bytes(self.received)

    def more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except (TimeoutError, OSError):
            return False
        self.received += data
        return bool(data)

    def drain(self, seconds: float = 1.0) -> None:
        """Read anything that still comes within so many seconds."""
        self.socket.settimeout(seconds)
        while self.more():
            pass

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)


def switched(visit: Visit, head: bytes, protocol: str = "v5.channel.k8s.io") -> None:
    """Accept the WebSocket upgrade that this head asks for."""
    key = re.search(rb"sec-websocket-key: ([^\r]+)", head, re.IGNORECASE)
    assert key is not None
    proof = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    visit.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
        + proof + b"\r\nSec-WebSocket-Protocol: " + protocol.encode() + b"\r\n\r\n"
    )  # fmt: skip


def answering(*answers: bytes) -> Script:
    """A script that answers each request head with the next answer, and then reads on."""

    def script(visit: Visit) -> None:
        for answer in answers:
            if not visit.head():
                return
            visit.send(answer)
        visit.drain()

    return script


ALWAYS_OK = answering(OK)


class ScriptedUpstream:
    """The upstream, which `with` starts. `visits` are the connections so far."""

    def __init__(self, folder: Path, script: Script) -> None:
        self.script = script
        self.away = False  # whether it ends each new connection before TLS
        self.visits: list[Visit] = []
        self.authority = Authority(folder, "upstream CA")
        certificate, key = self.authority.server("upstream", "127.0.0.1")
        self.client = self.authority.client("client", "l7gw-gateway")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def speaks(self, *protocols: str) -> None:
        """Offer these protocols by ALPN from now on."""
        self._context.set_alpn_protocols(protocols)

    def __enter__(self) -> ScriptedUpstream:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()
        for visit in self.visits:
            visit.socket.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        if self.away:
            plain.close()
            return
        try:
            plain.settimeout(10)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a second write waits 40 ms for the first's ACK
            tls = self._context.wrap_socket(plain, server_side=True)
        except OSError:
            return
        visit = Visit(tls)
        self.visits.append(visit)
        with tls, contextlib.suppress(OSError):
            self.script(visit)

    @property
    def received(self) -> bytes:
        """Every byte of every connection."""
        return b"".join(bytes(visit.received) for visit in self.visits)

    def cluster(self, **more: object) -> dict[str, object]:
        """The cluster's entry in l7gw.yaml."""
        return {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": str(self.authority.certificate),
            "credential": {"client-certificate": str(self.client[0]), "client-key": str(self.client[1])},
            **more,
        }
