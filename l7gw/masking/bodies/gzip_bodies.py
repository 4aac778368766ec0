"""gzip (RFC 1952) as it comes and goes: unpacked with a bound, of several members too; packed again in both views.

kube-apiserver packs at level 1 what is over 128 KiB, and only where the client asked for it (kubernetes-wire 3.1). A watch that
begins with a list may be packed too: there each flush ends a member.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

from zlib_ng import zlib_ng

from l7gw.kube.objects.node import Unreadable
from l7gw.steps import spent

_GZIP = 16 + zlib.MAX_WBITS
LEVEL = 1  # as kube-apiserver's: 3 times as fast as the default, a tenth larger
SLICE = 1024 * 1024  # bytes that are unpacked at once, whatever a bomb would unpack to
# Real lists unpack to 10 to 30 times their size. An object of 1.5 MiB of equal bytes, the most that etcd takes, unpacks to 1,000.
LARGEST_FREE = 16 * 1024 * 1024  # bytes that any body may unpack to; only beyond them the ratio counts
HIGHEST_RATIO = 200
# Packed bytes of a member behind the first that are given to zlib at once, twice as many each time: zlib copies what it was given
# behind a member's end, and 256 KiB may hold 13,000 empty ones. They took the loop 0.3 to 0.4 s; so 0.1 to 0.2, in steps
FIRST_OF_MEMBER = 1024


class _Unpacking(Protocol):
    """What `zlib_ng.decompressobj` gives."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, _most: int = ..., /) -> bytes: ...


class _Packing(Protocol):
    """What `zlib.compressobj` gives."""

    def compress(self, data: bytes | memoryview, /) -> bytes: ...
    def flush(self, mode: int = ..., /) -> bytes: ...
    def copy(self) -> _Packing: ...


class Unpacker:
    """Unpacks a body part by part: by zlib-ng, which takes a third of zlib's time, and is asked as zlib is."""

    __slots__ = ("_at_once", "_packed", "_stream", "_unpacked")

    def __init__(self) -> None:
        self._stream: _Unpacking | None = None  # the member that is being read; None between members
        self._at_once = 0  # packed bytes that it is given at once; 0: all
        self._packed = self._unpacked = 0  # bytes so far

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes unpack to, in slices of at most SLICE bytes. Raises Unreadable where they are no gzip, or a bomb."""
        self._packed += len(data)
        rest: bytes | memoryview = data
        while rest:
            if self._stream is None:
                self._stream = zlib_ng.decompressobj(_GZIP)
            stream = self._stream
            given = memoryview(rest)[: self._at_once] if self._at_once else rest
            try:
                part = stream.decompress(given, SLICE)
            except zlib_ng.error:  # type: ignore[misc]  # its stub says that this is an exception, not a class of them
                raise Unreadable("it says that it is gzip, and is none") from None
            self._unpacked += len(part)
            if self._unpacked > LARGEST_FREE and self._unpacked > HIGHEST_RATIO * self._packed:
                raise Unreadable(f"it unpacks to more than {HIGHEST_RATIO} times its size")
            if part:
                yield part
            left = len(stream.unused_data if stream.eof else stream.unconsumed_tail)
            rest = memoryview(rest)[len(given) - left :]
            self._at_once *= 2
            if stream.eof:
                self._stream, self._at_once = None, FIRST_OF_MEMBER
                spent()

    def end(self) -> None:
        """The body is over. Raises Unreadable where a member lacks its end."""
        if self._stream is not None:
            raise Unreadable("its gzip ends before its end")


class Packer:
    """Packs what is shown and what is recorded. As long as they are one, they are packed once."""

    __slots__ = ("_recorded", "_shown")

    def __init__(self) -> None:
        self._shown: _Packing = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
        self._recorded: _Packing | None = None  # None as long as both views are one

    def pack(self, shown: bytes | memoryview, recorded: bytes | memoryview, *, flush: bool) -> tuple[bytes, bytes]:
        """Both, packed. With `flush` the reader can unpack all that was given so far: an event of a watch must not wait."""
        if self._recorded is None and shown != recorded:
            self._recorded = self._shown.copy()
        packed = _packed(self._shown, shown, flush=flush)
        return packed, packed if self._recorded is None else _packed(self._recorded, recorded, flush=flush)

    def end(self) -> tuple[bytes, bytes]:
        """What ends both."""
        packed = self._shown.flush()
        return packed, packed if self._recorded is None else self._recorded.flush()


def _packed(stream: _Packing, data: bytes | memoryview, *, flush: bool) -> bytes:
    packed = stream.compress(data)
    return packed + stream.flush(zlib.Z_SYNC_FLUSH) if flush else packed
