"""A cluster behind a gateway that a test drives frame by frame over HTTP/2. Frames are made by hyperframe, fields by hpack."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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

from tests.support.faults import until
from tests.support.scripted_upstream import Visit, switched

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATUS = (":status", "200")
EVENT, MORE = b'{"type":"ADDED"}', b'{"type":"MODIFIED"}'  # of a watch
OK = (STATUS, ("content-type", "application/json"))

Field = tuple[str, str]


def raw(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame that hyperframe would not make."""
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def data(stream: int, payload: bytes = b"", *, end: bool = False) -> bytes:
    return bytes(DataFrame(stream, payload, flags=["END_STREAM"] if end else []).serialize())


def reset(stream: int, code: int) -> bytes:
    return bytes(RstStreamFrame(stream, code).serialize())


def goaway(last: int, code: int = 0) -> bytes:
    return bytes(GoAwayFrame(0, last, code).serialize())


def settings(**values: int) -> bytes:
    return bytes(SettingsFrame(0, {getattr(SettingsFrame, name): value for name, value in values.items()}).serialize())


@dataclass
class Asked:
    """A request that came to the cluster."""

    stream: int
    path: str
    fields: tuple[Field, ...]


class Far:
    """The cluster's side of one connection. Any thread may send; only one thread reads."""

    def __init__(self, visit: Visit, greeting: bytes) -> None:
        self.socket = visit.socket
        self.socket.settimeout(60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pack, self._unpack = hpack.Encoder(), hpack.Decoder()
        self.room = {0: 65_535}  # stream -> bytes that may be sent on it; 0 is the connection
        self._first_room = 65_535
        self.resets: dict[int, int] = {}  # stream -> code of the gateway's reset
        self.farewell: int | None = None  # the code of the gateway's GOAWAY
        self.over = False  # whether the connection is not served any more
        self.heard = False  # whether the gateway has answered the PING of `Cluster.leave`
        self.waiting: dict[int, memoryview] = {}  # stream -> what is still to be sent of its answer, as the windows allow
        self._received = bytearray()
        self._turn = threading.Lock()  # OpenSSL does not read and write at once
        self._fill(len(PREFACE))
        assert self._received[: len(PREFACE)] == PREFACE
        del self._received[: len(PREFACE)]
        self.send(greeting)

    def send(self, *parts: bytes) -> None:
        with self._turn:
            self.socket.sendall(b"".join(parts))

    def head(self, stream: int, *fields: Field, end: bool = False) -> bytes:
        """An answer's head. Heads must be sent in the order in which they were made, because of the compression of their fields."""
        frame = HeadersFrame(stream, self.pack.encode(list(fields)), flags=["END_HEADERS", *(["END_STREAM"] if end else [])])
        return bytes(frame.serialize())

    def _fill(self, size: int) -> bool:
        while len(self._received) < size:
            try:
                if not self.socket.pending():
                    select.select([self.socket], [], [])
                with self._turn:
                    part = self.socket.recv(65536)
            except (OSError, ValueError):
                return False
            if not part:
                return False
            self._received += part
        return True

    def take(self) -> Frame | None:
        """The gateway's next frame; None at the end of the connection. What a connection owes its peer is sent meanwhile."""
        if not self._fill(9):
            return None
        frame, length = Frame.parse_frame_header(memoryview(bytes(self._received[:9])))
        if not self._fill(9 + length):
            return None
        frame.parse_body(memoryview(bytes(self._received[9 : 9 + length])))
        del self._received[: 9 + length]
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self._first_room = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, self._first_room)
            self.send(SettingsFrame(0, flags=["ACK"]).serialize())
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self.send(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
        elif isinstance(frame, PingFrame):
            self.heard = True
        elif isinstance(frame, WindowUpdateFrame):
            self.room[frame.stream_id] = self.room.get(frame.stream_id, 0) + frame.window_increment
        elif isinstance(frame, RstStreamFrame):
            self.resets[frame.stream_id] = frame.error_code
        elif isinstance(frame, GoAwayFrame):
            self.farewell = frame.error_code
        return frame

    def end(self, how: str) -> None:
        """End the connection by an end of TCP, an end of TLS or a reset (`how`), and the thread that serves it."""
        if how == "tcp":
            self.socket.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while socket.socket.recv(self.socket, 65536):  # unread bytes would make the end a reset
                    pass
        elif how == "tls":
            self.socket.settimeout(1)
            with contextlib.suppress(OSError):
                self.socket.unwrap()
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        raise ConnectionAbortedError

    def pump(self) -> None:
        """Send what waits, as far as the gateway's windows allow, taking turns between the streams."""
        while ready := [
            stream for stream in self.waiting if stream not in self.resets and min(self.room[0], self.room[stream]) > 0
        ]:
            for stream in ready:
                size = min(len(self.waiting[stream]), self.room[0], self.room[stream], 16_384)
                part, self.waiting[stream] = bytes(self.waiting[stream][:size]), self.waiting[stream][size:]
                self.room[0] -= size
                self.room[stream] -= size
                self.send(data(stream, part, end=not self.waiting[stream]))
                if not self.waiting[stream]:
                    del self.waiting[stream]

    def requests(self) -> Iterator[Asked]:
        while frame := self.take():
            self.pump()
            if isinstance(frame, HeadersFrame):
                assert {"END_STREAM", "END_HEADERS"} <= set(frame.flags), "what goes over HTTP/2 has neither body nor large head"
                self.room[frame.stream_id] = self._first_room
                fields = tuple((str(name), str(value)) for name, value in self._unpack.decode(frame.data))
                yield Asked(frame.stream_id, dict(fields)[":path"], fields)


class Cluster:
    """A script for `ScriptedUpstream`. `answer` is called with each request over HTTP/2. A connection of HTTP/1.1 is an exec, which
    runs until the test is over."""

    def __init__(self) -> None:
        self.answer: Callable[[Far, Asked], None] = answering
        self.greeting = settings(MAX_CONCURRENT_STREAMS=100)
        self.fars: list[Far] = []
        self.asked: list[tuple[Far, Asked]] = []
        self.lock = threading.Lock()

    def __call__(self, visit: Visit) -> None:
        if visit.socket.selected_alpn_protocol() != "h2":
            switched(visit, visit.head())
            visit.send(b"\x82\x06\x01ready")
            visit.drain(120)
            return
        far = Far(visit, self.greeting)
        self.fars.append(far)
        try:
            for asked in far.requests():
                with self.lock:
                    self.asked.append((far, asked))
                    self.answer(far, asked)
                far.pump()
        finally:
            far.over = True

    def leave(self) -> None:
        """Send a GOAWAY on each open connection, and wait until the gateway has read it. Running calls go on."""
        told = []
        for far in self.fars:
            far.heard = False
            with contextlib.suppress(OSError):
                far.send(goaway(2**31 - 1), PingFrame(0, b"leaving.").serialize())
                told.append(far)
        until(lambda: all(far.heard or far.over for far in told))

    def came(self, path: str) -> list[tuple[Far, Asked]]:
        """Every request for this path, with its connection."""
        return [one for one in self.asked if one[1].path == path]


def answering(far: Far, asked: Asked) -> None:
    """Answer a watch with an event, and any other request with `{}`."""
    watch = "watch=true" in asked.path
    far.send(far.head(asked.stream, *OK), data(asked.stream, EVENT if watch else b"{}", end=not watch))
