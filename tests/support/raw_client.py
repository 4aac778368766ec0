"""A client that sends exactly the bytes that a test gives it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from types import TracebackType

import h11

from tests.support.gateway_process import Gateway


def upgrade(protocols: str) -> tuple[str, ...]:
    """The header lines that ask for WebSocket and offer these subprotocols. For "" there is no line of subprotocols."""
    return (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *([f"Sec-WebSocket-Protocol: {protocols}"] if protocols else []),
    )


WEBSOCKET = upgrade("v5.channel.k8s.io")  # the upgrade of an exec


class RawClient:
    """One TLS connection to a gateway."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        server_name: str = "localhost",
        timeout: float = 30.0,
        protocols: Sequence[str] = (),
        source: str = "",
    ) -> None:
        """`source` is the address of loopback that the client has, "" for the usual one."""
        context = ssl.create_default_context(cafile=str(gateway.authority.certificate))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        plain = socket.create_connection(("127.0.0.1", gateway.port), timeout, (source, 0) if source else None)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else the first request waits 40 ms for the handshake's ACK
        self._left = b""  # bytes that came behind the answer that was read
        self.socket = context.wrap_socket(plain, server_hostname=server_name)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Read the next answer, by h11. Returns status, headers and body. Raises h11.RemoteProtocolError where it is cut."""
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        reader.send(h11.EndOfMessage())
        if self._left:
            reader.receive_data(self._left)
        status, headers, body = 0, {}, b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                try:
                    reader.receive_data(self.socket.recv(65536))
                except ConnectionResetError:
                    reader.receive_data(b"")
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                self._left = reader.trailing_data[0]
                return status, headers, body

    def upgraded(self) -> None:
        """Read the head of a 101, and no byte behind it."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, head
            head += byte
        assert head.startswith(b"HTTP/1.1 101 "), head

    def rest(self, seconds: float = 30.0) -> bytes:
        """The bytes that come until the gateway ends the connection. Raises TimeoutError where it does not end within `seconds`."""
        self.socket.settimeout(seconds)
        found = b""
        while True:
            try:
                data = self.socket.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError):
                return found
            if not data:
                return found
            found += data
