"""A cluster of HTTP/2 that a test drives frame by frame, behind a gateway: frames by hyperframe, fields by hpack."""

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
    """A request as it came."""

    stream: int
    path: str
    fields: tuple[Field, ...]


class Far:
    """One connection at the cluster's side. What it sends may come from any thread, what it reads from one."""

    def __init__(self, visit: Visit, greeting: bytes) -> None:
        self.socket = visit.socket
        self.socket.settimeout(60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pack, self._unpack = hpack.Encoder(), hpack.Decoder()
        self.room = {0: 65_535}  # bytes that may be sent on the connection, and on each stream
        self._first_room = 65_535
        self.resets: dict[int, int] = {}  # by the gateway: stream, code
        self.farewell: int | None = None  # the code of the gateway's GOAWAY
        self.over = False  # nobody serves it any more
        self.heard = False  # the gateway has answered a PING of `Cluster.leave`
        self.waiting: dict[int, int] = {}  # stream, bytes of an answer that are sent as the windows allow; then it ends
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
        """An answer's head; its fields are packed, so that it has to be sent in its turn."""
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
        """The gateway's next frame, None at its end; what a connection owes its peer is done."""
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
        """End the connection, by TCP's end, TLS's or a reset, and what serves it."""
        if how == "tcp":
            self.socket.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while socket.socket.recv(self.socket, 65536):  # what would stay unread makes the end a reset
                    pass
        elif how == "tls":
            self.socket.settimeout(1)
            with contextlib.suppress(OSError):
                self.socket.unwrap()
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        raise ConnectionAbortedError

    def pump(self) -> None:
        """Send what waits, as far as the gateway lets it, streams in turns."""
        while ready := [
            stream for stream in self.waiting if stream not in self.resets and min(self.room[0], self.room[stream]) > 0
        ]:
            for stream in ready:
                size = min(self.waiting[stream], self.room[0], self.room[stream], 16_384)
                self.waiting[stream] -= size
                self.room[0] -= size
                self.room[stream] -= size
                self.send(data(stream, bytes(size), end=not self.waiting[stream]))
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
    """A script for `ScriptedUpstream`: `answer` is done with each request over HTTP/2; what comes over HTTP/1.1 is an exec,
    which runs until the test is over."""

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
        """No connection that stands takes a call any more, and the gateway knows; what runs on them goes on."""
        told = []
        for far in self.fars:
            far.heard = False
            with contextlib.suppress(OSError):
                far.send(goaway(2**31 - 1), PingFrame(0, b"leaving.").serialize())
                told.append(far)
        until(lambda: all(far.heard or far.over for far in told))

    def came(self, path: str) -> list[tuple[Far, Asked]]:
        """Every time that this was asked."""
        return [one for one in self.asked if one[1].path == path]


def answering(far: Far, asked: Asked) -> None:
    """A watch gets an event, and whatever else is asked `{}`."""
    watch = "watch=true" in asked.path
    far.send(far.head(asked.stream, *OK), data(asked.stream, b"{event}" if watch else b"{}", end=not watch))
