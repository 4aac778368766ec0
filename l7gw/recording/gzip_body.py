"""Unpacks recorded bodies whose content encoding is gzip."""

from __future__ import annotations

import zlib

LARGEST_DECODED = 64 * 1024 * 1024  # bytes of one gzip body, unpacked; beyond it the packed bytes are shown (threats H9)


class Gzip:
    """Unpacks one gzip body part by part, up to LARGEST_DECODED bytes. The body may have several gzip members (RFC 1952)."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._left = LARGEST_DECODED
        self._given_up = False

    def feed(self, data: bytes) -> bytes | None:
        """What these bytes unpack to. None where the body is no gzip, or too large: then these bytes and all that follow are shown
        packed."""
        found: list[bytes] = []
        try:
            while data and not self._given_up:
                part = self._stream.decompress(data, self._left + 1)
                found.append(part)
                self._left -= len(part)
                self._given_up = self._left < 0
                data = self._stream.unconsumed_tail or self._stream.unused_data
                if self._stream.eof:
                    self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        except zlib.error:
            self._given_up = True
        return None if self._given_up else b"".join(found)
