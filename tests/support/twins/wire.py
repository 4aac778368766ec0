"""One connection without a socket: what a protocol of the gateway writes is kept, and bytes are given to it while it reads.

It behaves as uvloop's transports do where the gateway looks: a read is at most READ bytes, nothing is given while reading is
paused, `close` ends after what was written is taken, `abort` at once, and the protocol hears of both in a later turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

READ = 256 * 1024  # bytes in one read


class Wire:
    """The transport of one protocol. `heard` is called with what the protocol writes, and with "close" or "abort" at its end.
    `info` is what `get_extra_info` knows."""

    def __init__(self, heard: Callable[[bytes | str], None], **info: Any) -> None:
        self._heard = heard
        self._info = info
        self._protocol: Any = None
        self._loop = asyncio.get_running_loop()
        self._coming: deque[bytes] = deque()
        self._reads = True
        self._pumps = False
        self._closing = False
        self._lost = False
        self._full = False
        self._high = 64 * 1024
        self.taken = True  # whether the peer reads
        self._untaken: list[bytes] = []
        self._size = 0

    # -- what the protocol does

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._info.get(name, default)

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else 64 * 1024

    def get_write_buffer_size(self) -> int:
        return self._size

    def write(self, data: Any) -> None:
        assert not isinstance(data, str)
        if self._lost or not data:
            return
        if self.taken:
            self._heard(bytes(data))
            return
        self._untaken.append(bytes(data))
        self._size += len(data)
        if self._size > self._high and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True
        self._pump_soon()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self._untaken:
                self._end("close", None)

    def abort(self) -> None:
        self._closing = True
        self._untaken.clear()
        self._size = 0
        self._end("abort", None)

    # -- what the peer does

    def made(self, protocol: Any) -> None:
        """The handshake is done."""
        self._protocol = protocol
        protocol.connection_made(self)

    def feed(self, data: bytes) -> None:
        """Bytes come."""
        if data and not self._closing:
            self._coming += (data,) if len(data) <= READ else (data[at : at + READ] for at in range(0, len(data), READ))
            self._pump()

    def take(self, *, taken: bool) -> None:
        """The peer begins or ceases to read."""
        self.taken = taken
        if not taken:
            return
        waiting, self._untaken, self._size = self._untaken, [], 0
        if waiting:
            self._heard(b"".join(waiting))
        if self._closing:
            self._end("close", None)
        elif self._full:
            self._full = False
            self._protocol.resume_writing()

    def leave(self, error: Exception | None = None) -> None:
        """The peer ends the connection: behind its last byte, or at once with an error."""
        if error is not None:
            self._coming.clear()
        elif self._coming:
            self._loop.call_soon(self.leave)
            self._reads = True
            self._pump()
            return
        if not self._lost and error is None and not self._closing:
            self._protocol.eof_received()
        self._closing = True
        self._end("", error)

    @property
    def over(self) -> bool:
        return self._closing

    # -- inside

    def _pump_soon(self) -> None:
        if self._coming and not self._pumps:
            self._pumps = True
            self._loop.call_soon(self._pump_later)

    def _pump_later(self) -> None:
        self._pumps = False
        self._pump()

    def _pump(self) -> None:
        if self._reads and self._coming and not self._closing:
            _give(self._protocol, self._coming.popleft())
            self._pump_soon()

    def _end(self, how: str, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        if how:
            self._heard(how)
        self._loop.call_soon(self._tell_lost, error)

    def _tell_lost(self, error: Exception | None) -> None:
        protocol, self._coming = self._protocol, deque()
        protocol.connection_lost(error)


def _give(protocol: Any, data: bytes) -> None:
    if not isinstance(protocol, asyncio.BufferedProtocol):
        protocol.data_received(data)
        return
    while data:
        room = memoryview(protocol.get_buffer(len(data)))
        size = min(len(room), len(data))
        room[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
