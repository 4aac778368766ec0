"""Clients of HTTP/1.1 and HTTP/2 that tell a whole answer from a cut one. Tests of faults choose one by `protocol`."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Protocol

import h11
import hpack
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.support.raw_client import RawClient
from tests.support.scene import Scene

POD = "/api/v1/namespaces/default/pods/web-0"
WATCH = "/api/v1/pods?watch=true"


class Cut(Exception):
    """An answer did not come whole, and the client can tell."""


class TurnedAway(OSError):
    """The gateway did not take the call, and the client knows: it may call again on another connection."""


class Caller(Protocol):
    """A client with one connection of one protocol. Making it raises OSError where the connection fails."""

    open: bool  # whether another call may follow on this connection
    socket: ssl.SSLSocket

    def __init__(self, it: Scene) -> None: ...

    def call(self, target: str = POD, method: str = "GET") -> tuple[int, bytes]:
        """Make a call. Returns status and body. Raises Cut or TurnedAway."""

    def ask(self, target: str, method: str = "GET") -> None:
        """Send a request, and read nothing."""

    def leave(self) -> None:
        """Give up the last request in the way of the protocol: end the connection, or reset the stream."""

    def hear(self, event: bytes) -> None:
        """Wait for these bytes of a watch. Where none runs on this connection, begin one. Raises Cut."""

    def close(self) -> None: ...


class Http1Caller:
    def __init__(self, it: Scene) -> None:
        self.open = True
        self._it = it
        self._watching = False
        self._client = RawClient(it.gateway)
        self.socket = self._client.socket
        self.socket.suppress_ragged_eofs = False

    def call(self, target: str = POD, method: str = "GET") -> tuple[int, bytes]:
        try:
            self.ask(target, method)
            status, headers, body = self._client.answer(method)
        except (OSError, h11.RemoteProtocolError) as error:
            self.open = False
            raise Cut from error
        self.open = headers.get("connection") != "close"
        return status, body

    def ask(self, target: str, method: str = "GET") -> None:
        self._client.send(self._it.request(f"{method} {target}"))

    def hear(self, event: bytes) -> None:
        try:
            if not self._watching:
                self.ask(WATCH)
                self._watching = True
            found = b""
            while event not in found:
                data = self.socket.recv(65536)
                if not data:
                    raise Cut
                found += data
        except OSError as error:
            raise Cut from error

    def leave(self) -> None:
        self.open = False
        self.close()

    def close(self) -> None:
        self.socket.close()


class Http2Caller:
    """A client of HTTP/2 with frames by hyperframe and fields by hpack. The h2 library does not serve: it accepts no answer after a
    GOAWAY."""

    def __init__(self, it: Scene, window: int = 65_535, token: str = "") -> None:
        """Connect. `window` is the initial window of each stream, in bytes; `token` is Ann's where none is given."""
        self.open = True
        self._token = token or it.token
        self._pack, self._unpack = hpack.Encoder(), hpack.Decoder()
        self._received = bytearray()
        self._stream = -1
        self._watched = 0
        context = ssl.create_default_context(cafile=str(it.gateway.authority.certificate))
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", it.gateway.port), 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a second write waits 40 ms for the first's ACK
        self.socket = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
        assert self.socket.selected_alpn_protocol() == "h2"
        try:
            self.socket.sendall(
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: window}).serialize()
            )
        except OSError:
            self.close()
            raise

    def ask(self, target: str, method: str = "GET") -> None:
        self._stream += 2
        frame = HeadersFrame(self._stream)
        frame.flags |= {"END_STREAM", "END_HEADERS"}
        fields = ((":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", target))
        frame.data = self._pack.encode([*fields, ("authorization", f"Bearer {self._token}")])
        self.socket.sendall(frame.serialize())

    def _frame(self) -> Frame:
        """The next frame. What a client owes its connection (acknowledgements, windows) is sent meanwhile."""
        while True:
            while len(self._received) < 9 or len(self._received) < 9 + int.from_bytes(self._received[:3], "big"):
                data = self.socket.recv(65536)
                if not data:
                    raise Cut
                self._received += data
            frame, length = Frame.parse_frame_header(memoryview(bytes(self._received[:9])))
            frame.parse_body(memoryview(bytes(self._received[9 : 9 + length])))
            del self._received[: 9 + length]
            if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                self.socket.sendall(SettingsFrame(0, flags=["ACK"]).serialize())
            elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
                self.socket.sendall(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
            elif isinstance(frame, GoAwayFrame):
                self.open = False
                return frame
            elif frame.stream_id:
                if isinstance(frame, DataFrame) and length:
                    self.socket.sendall(b"".join(WindowUpdateFrame(to, length).serialize() for to in (0, frame.stream_id)))
                return frame

    def call(self, target: str = POD, method: str = "GET") -> tuple[int, bytes]:
        status, body = 0, b""
        try:
            self.ask(target, method)
            stream = self._stream
            while True:
                frame = self._frame()
                if isinstance(frame, GoAwayFrame) and frame.last_stream_id < stream:
                    raise TurnedAway
                if frame.stream_id != stream:
                    continue
                if isinstance(frame, RstStreamFrame):
                    raise TurnedAway if frame.error_code == 7 else Cut  # REFUSED_STREAM
                if isinstance(frame, HeadersFrame):
                    status = int(dict(self._unpack.decode(frame.data))[":status"])
                elif isinstance(frame, DataFrame):
                    body += frame.data
                if "END_STREAM" in frame.flags:
                    return status, body
        except TurnedAway:
            self.open = False
            raise
        except OSError as error:
            self.open = False
            raise Cut from error

    def hear(self, event: bytes) -> None:
        try:
            if not self._watched:
                self.ask(WATCH)
                self._watched = self._stream
            found = b""
            while event not in found:
                frame = self._frame()
                if isinstance(frame, RstStreamFrame | GoAwayFrame) or "END_STREAM" in frame.flags:
                    raise Cut
                if isinstance(frame, DataFrame) and frame.stream_id == self._watched:
                    found += frame.data
                elif isinstance(frame, HeadersFrame):
                    self._unpack.decode(frame.data)
        except OSError as error:
            raise Cut from error

    def hear_on_all(self, target: str, count: int, event: bytes, then: Callable[[], None]) -> None:
        """Watch `count` times, call `then` once all are answered, and wait until each has brought these bytes. Raises Cut."""
        heard: dict[int, bytes] = {}
        for _ in range(count):
            self.ask(target)
            heard[self._stream] = b""
        answered: set[int] = set()
        while not all(event in found for found in heard.values()):
            frame = self._frame()
            if isinstance(frame, RstStreamFrame | GoAwayFrame) or "END_STREAM" in frame.flags:
                raise Cut
            if isinstance(frame, DataFrame):
                heard[frame.stream_id] += frame.data
            elif isinstance(frame, HeadersFrame):
                self._unpack.decode(frame.data)
                answered.add(frame.stream_id)
                if len(answered) == count:
                    then()

    def leave(self) -> None:
        self.socket.sendall(RstStreamFrame(self._stream, 8).serialize())  # CANCEL

    def close(self) -> None:
        self.socket.close()


CALLERS: dict[str, type[Caller]] = {"http/1.1": Http1Caller, "h2": Http2Caller}
