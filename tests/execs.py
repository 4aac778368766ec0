"""An exec over SPDY by a client that opens what a test tells it to, whatever its query asks for."""

from __future__ import annotations

import socket
import ssl

from l7gw.wire.spdy import Connection, Data, SynStream


class SpdyExec:
    """One upgraded connection. `streams` are opened in their order, 1, 3, 5 and so on."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext, target: str, *headers: str) -> None:
        plain = socket.create_connection(address, 10)
        self.socket = tls.wrap_socket(plain, server_hostname=address[0])
        lines = (f"POST {target} HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: SPDY/3.1",
                 "X-Stream-Protocol-Version: v4.channel.k8s.io", "Content-Length: 0", *headers)  # fmt: skip
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1) or b"\r\n\r\n"
        self.status = int(head.split()[1])
        self._codec = Connection("client")
        self._kinds: dict[int, str] = {}
        self.heard: dict[str, bytes] = {}

    def __enter__(self) -> SpdyExec:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def open(self, *kinds: str) -> None:
        for kind in kinds:
            stream = 2 * len(self._kinds) + 1
            self._kinds[stream] = kind
            self.heard[kind] = b""
            self._codec.send(SynStream(stream, (("streamtype", kind),)))
        self.socket.sendall(self._codec.take())

    def write(self, kind: str, data: bytes, *, final: bool = False) -> None:
        stream = next(number for number, one in self._kinds.items() if one == kind)
        if self._codec.may_send(stream):
            self._codec.send(Data(stream, data, final))
            self.socket.sendall(self._codec.take())

    def listen(self, kind: str, until: bytes) -> bytes:
        """What came on a stream by the time that it holds these bytes, or that the connection ends."""
        while until not in self.heard[kind]:
            data = self.socket.recv(65536)
            if not data:
                break
            for event in self._codec.receive(data):
                if isinstance(event, Data):
                    self.heard[self._kinds[event.stream]] += event.data
        return self.heard[kind]
