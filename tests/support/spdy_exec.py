"""Execs over SPDY and over WebSocket by a client that opens and writes what a test says, whatever its query asked for."""

from __future__ import annotations

import socket
import ssl
from typing import Protocol

from l7gw.wire import spdy, spdy_events, websocket, websocket_events
from tests.support.raw_client import upgrade

CHANNELS = ("stdin", "stdout", "stderr", "error", "resize")  # at the index of their channel byte


class Exec(Protocol):
    """One upgraded connection."""

    heard: dict[str, bytes]  # stream -> the bytes that came on it

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext, target: str, *headers: str) -> None: ...

    def open(self, *kinds: str) -> None:
        """Open these streams, in this order."""

    def write(self, kind: str, data: bytes, *, final: bool = False) -> None: ...

    def listen(self, kind: str, until: bytes) -> bytes:
        """Wait until these bytes came on a stream, or the connection ended. Returns all that came on the stream."""

    def close(self) -> None: ...


def _upgraded(address: tuple[str, int], tls: ssl.SSLContext, line: str, *headers: str) -> ssl.SSLSocket:
    """A connection whose 101 was read."""
    found = tls.wrap_socket(socket.create_connection(address, 10), server_hostname=address[0])
    found.sendall("\r\n".join((f"{line} HTTP/1.1", "Host: localhost", *headers, "", "")).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = found.recv(1)
        assert byte, head
        head += byte
    assert head.startswith(b"HTTP/1.1 101 "), head
    return found


class SpdyExec:
    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext, target: str, *headers: str) -> None:
        asked = ("Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io", "Content-Length: 0")
        self._socket = _upgraded(address, tls, f"POST {target}", *asked, *headers)
        self._codec = spdy.Connection("client")
        self._kinds: dict[int, str] = {}
        self.heard: dict[str, bytes] = {}

    def open(self, *kinds: str) -> None:
        for kind in kinds:
            stream = 2 * len(self._kinds) + 1
            self._kinds[stream] = kind
            self.heard[kind] = b""
            self._codec.send(spdy_events.SynStream(stream, (("streamtype", kind),)))
        self._socket.sendall(self._codec.take())

    def write(self, kind: str, data: bytes, *, final: bool = False) -> None:
        stream = next(number for number, one in self._kinds.items() if one == kind)
        self._codec.send(spdy_events.Data(stream, data, final))
        self._socket.sendall(self._codec.take())

    def listen(self, kind: str, until: bytes) -> bytes:
        while until not in self.heard[kind] and (data := self._socket.recv(65536)):
            for event in self._codec.receive(data):
                if isinstance(event, spdy_events.Data):
                    self.heard[self._kinds[event.stream]] += event.data
        return self.heard[kind]

    def close(self) -> None:
        self._socket.close()


class WebSocketExec:
    """An exec by v5.channel.k8s.io. All its channels exist from the beginning, so `open` does nothing."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext, target: str, *headers: str) -> None:
        self._socket = _upgraded(address, tls, f"GET {target}", *upgrade("v5.channel.k8s.io"), *headers)
        self._codec = websocket.Connection("client")
        self.heard = dict.fromkeys(CHANNELS, b"")

    def open(self, *kinds: str) -> None:
        pass

    def write(self, kind: str, data: bytes, *, final: bool = False) -> None:
        channel = bytes((CHANNELS.index(kind),))
        if data or not final:
            self._codec.send(websocket_events.Message(channel + data))
        if final:
            self._codec.send(websocket_events.Message(b"\xff" + channel))
        self._socket.sendall(self._codec.take())

    def listen(self, kind: str, until: bytes) -> bytes:
        while until not in self.heard[kind] and (data := self._socket.recv(65536)):
            for event in self._codec.receive(data):
                if isinstance(event, websocket_events.Message):
                    self.heard[CHANNELS[event.data[0]]] += event.data[1:]
        return self.heard[kind]

    def close(self) -> None:
        self._socket.close()


EXECS: dict[str, type[Exec]] = {"spdy": SpdyExec, "websocket": WebSocketExec}
