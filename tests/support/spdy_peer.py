"""Peers for tests that speak more of SPDY/3.1 than the gateway does: headers after a stream's first, and flow control."""

from __future__ import annotations

import struct
from collections import Counter, deque
from typing import Literal

from l7gw.wire.errors import OurError
from l7gw.wire.spdy import Connection
from l7gw.wire.spdy_events import Data, HeadersFrame, Settings, SpdyEvent, SpdyFrame, SynStream, WindowUpdate
from l7gw.wire.spdy_frames import FLAG_FIN, HEADERS, control_bytes
from l7gw.wire.spdy_streams import OURS, OWED
from tests.support.spdy_frames import window

INITIAL_WINDOW = 64 * 1024  # bytes (section 2.6.8)
SETTINGS_INITIAL_WINDOW = 7  # section 2.6.4


class TalkingConnection(Connection):
    """The codec, extended to send HEADERS."""

    def send(self, found: SpdyFrame | HeadersFrame) -> None:
        if not isinstance(found, HeadersFrame):
            super().send(found)
            return
        if not self.streams.open.get(found.stream, 0) & OURS:
            raise OurError("headers on a stream that is not open for them")
        if self.streams.open[found.stream] & OWED:
            self._reply_first(found.stream)
        payload = struct.pack(">I", found.stream) + self._blocks.write(found.headers)
        self._out.append(control_bytes(HEADERS, FLAG_FIN if found.final else 0, payload))
        if found.final:
            self.streams.close(found.stream, OURS)


class WindowedConnection:
    """The codec, extended to obey windows. Data waits for the peer's windows; data that came is credited by half windows."""

    def __init__(self, role: Literal["client", "server"]) -> None:
        self.codec = Connection(role)
        self._initial = INITIAL_WINDOW  # bytes of a new stream's window, as the peer's latest SETTINGS say
        self._room = {0: INITIAL_WINDOW}  # bytes that the peer's windows allow; 0 is the connection
        self._waiting: dict[int, deque[Data]] = {}
        self._came: Counter[int] = Counter()  # stream -> bytes of data that are not credited yet
        # Data on streams that were reset is not reported, so it cannot be credited. The connection's window is large from the
        # start.
        self._credit = [window(0, 2**30)]

    @property
    def queued(self) -> int:
        """Bytes of data that wait for the peer's windows."""
        return sum(len(piece.data) for pieces in self._waiting.values() for piece in pieces)

    def may_send(self, stream: int) -> bool:
        """Whether the stream takes more data of ours. The peer may have reset it, or an end of ours may wait."""
        ends = any(piece.final for piece in self._waiting.get(stream, ()))
        return bool(self.codec.streams.open.get(stream, 0) & OURS) and not ends

    def receive(self, data: bytes) -> list[SpdyEvent]:
        events = self.codec.receive(data)
        for event in events:
            match event:
                case WindowUpdate(stream, delta):
                    self._room[stream] = self._room.get(stream, self._initial) + delta
                case Settings(entries):
                    self._resize(dict(entries).get(SETTINGS_INITIAL_WINDOW, self._initial))
                case Data(stream, piece, _) if piece:
                    self._count(stream, len(piece))
        self._write()
        return events

    def send(self, event: SpdyFrame) -> None:
        match event:
            case Data(stream):
                self._waiting.setdefault(stream, deque()).append(event)
                self._write()
            case SynStream(stream):
                self._room[stream] = self._initial
                self.codec.send(event)
            case _:
                self.codec.send(event)

    def take(self) -> bytes:
        credit, self._credit = self._credit, []
        return self.codec.take() + b"".join(credit)

    def _count(self, stream: int, came: int) -> None:
        """Count data that came, and give credit seldom: spdy-transport answers credit for a stream that has just ended with a
        reset."""
        self._came[stream] += came
        if self._came[stream] > INITIAL_WINDOW // 2:
            self._credit.append(window(stream, self._came.pop(stream)))

    def _resize(self, initial: int) -> None:
        """The peer's SETTINGS change the windows of all its streams, perhaps below zero. The connection's window stays."""
        difference, self._initial = initial - self._initial, initial
        for stream in self._room:
            self._room[stream] += difference if stream else 0

    def _write(self) -> None:
        """Send what the windows allow. Data that waits for a stream that is gone is dropped."""
        for stream, pieces in list(self._waiting.items()):
            while pieces and self.codec.streams.open.get(stream, 0) & OURS:
                data, final = pieces[0].data, pieces[0].final
                room = min(self._room[0], self._room.setdefault(stream, self._initial))
                if data and room <= 0:
                    break
                fits = len(data) <= room
                self.codec.send(Data(stream, data[:room], final and fits))
                self._room[0] -= len(data[:room])
                self._room[stream] -= len(data[:room])
                if fits:
                    pieces.popleft()
                else:
                    pieces[0] = Data(stream, data[room:], final)
            if not pieces or not self.codec.streams.open.get(stream, 0) & OURS:
                del self._waiting[stream]
