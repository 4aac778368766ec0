"""Large reads of a connection, decrypted into one buffer that is used again.

uvloop gives a protocol what one read of the socket brings as the join of some twenty strings, each made with room for 256 KiB. A
protocol that has a buffer gets the same bytes decrypted into that.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

LARGE_READ = 64 * 1024  # bytes of a read, behind which a connection is read into a buffer
BUFFER = 272 * 1024  # bytes: uvloop reads 256 KiB of a socket, and may hold a record that was not whole before


class Reader(Protocol):
    """A connection that is read."""

    def data_received(self, data: bytes | memoryview) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class LargeReads(asyncio.BufferedProtocol):
    """Stands in for the protocol of a connection. Each read is a view of the buffer. While a view of it is kept, the buffer is not
    written to: the next read gets another one."""

    __slots__ = ("_buffer", "_reader")

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._buffer = bytearray(BUFFER)

    def get_buffer(self, _sizehint: int) -> bytearray:
        try:
            self._buffer.append(0)  # raises where there is a view
            self._buffer.pop()
        except BufferError:
            self._buffer = bytearray(BUFFER)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.data_received(memoryview(self._buffer)[:nbytes])

    def eof_received(self) -> bool | None:
        return self._reader.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.connection_lost(exc)

    def pause_writing(self) -> None:
        self._reader.pause_writing()

    def resume_writing(self) -> None:
        self._reader.resume_writing()
