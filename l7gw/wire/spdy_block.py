"""SPDY/3.1 header blocks (draft-mbelshe-httpbis-spdy-00 section 2.6.10).

count (32) | { length (32) | name | length (32) | value }*        several values of a name: joined by NUL
"""

from __future__ import annotations

import re
import zlib

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import Headers
from l7gw.wire.spdy_dictionary import DICTIONARY
from l7gw.wire.spdy_frames import FRAME_TOO_LARGE, PROTOCOL_ERROR

# The draft sets no limit. spdystream has none, and up to 0.5.0 it trusted the counts in a block (CVE-2026-35469). Kubernetes' own
# blocks have less than 100 bytes (kubernetes-wire 4.2); 16 KiB also hold the HTTP head that spdy-transport sends.
LARGEST_BLOCK = 16 * 1024  # bytes of an inflated block (threats C2)
MOST_HEADERS = 64  # pairs of name and value in one block; a name with two values counts twice (threats C2)

# "US-ASCII, all lower case, longer than zero"; we also want no blank and no control character in it.
_is_name = re.compile(r"[!-@\[-~]+").fullmatch


class Blocks:
    """The header blocks of one connection, in both directions."""

    __slots__ = ("_deflate", "_inflate")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, 0, DICTIONARY)

    def read(self, block: bytes) -> Headers:
        """The pairs of name and value in the peer's next block. Raises PeerError."""
        try:
            plain = self._inflate.decompress(block, LARGEST_BLOCK + 1)  # 65 KB can inflate to 64 MiB (threats C2)
        except zlib.error as error:
            raise PeerError(PROTOCOL_ERROR, "a header block that does not inflate") from error
        if len(plain) > LARGEST_BLOCK:
            raise PeerError(FRAME_TOO_LARGE, f"a header block larger than {LARGEST_BLOCK} bytes")
        if self._inflate.eof:
            raise PeerError(PROTOCOL_ERROR, "a header block that ends its zlib stream")
        return parse_block(plain)

    def write(self, headers: Headers) -> bytes:
        """The bytes of our next block. Raises OurError for headers that `read` would refuse."""
        plain = block_bytes(headers)
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def parse_block(plain: bytes) -> Headers:
    """The pairs of name and value in an inflated block; a name with several values has several pairs. Raises PeerError.

    In the draft most of these faults are errors of one stream. Here they end the connection, as a broken zlib context would.
    """
    if len(plain) < 4:
        raise PeerError(PROTOCOL_ERROR, "a header block without a count")
    count = int.from_bytes(plain[:4], "big")
    if count > MOST_HEADERS:  # checked before anything is allocated (threats C1)
        raise PeerError(PROTOCOL_ERROR, "a header block of too many pairs")
    found: list[tuple[str, str]] = []
    seen: set[str] = set()
    at = 4
    for _ in range(count):
        name, at = _string(plain, at)
        value, at = _string(plain, at)
        if not _is_name(name) or name in seen:
            raise PeerError(PROTOCOL_ERROR, "a header name that is empty, twice there, not in lower case or not printable")
        seen.add(name)
        values = value.split("\0", MOST_HEADERS)
        if len(values) > 1 and "" in values:  # the draft: a value "never starts nor ends with a NUL", and none of several is empty
            raise PeerError(PROTOCOL_ERROR, "a header of several values, one of them empty")
        found += [(name, one) for one in values]
        if len(found) > MOST_HEADERS:
            raise PeerError(PROTOCOL_ERROR, f"more than {MOST_HEADERS} header values")
    if at != len(plain):
        raise PeerError(PROTOCOL_ERROR, "a header block with bytes behind its pairs")
    return tuple(found)


def _string(plain: bytes, at: int) -> tuple[str, int]:
    start = at + 4
    end = start + int.from_bytes(plain[at:start], "big")
    if end > len(plain):  # also where the length is cut off, as `start` is then behind the end
        raise PeerError(PROTOCOL_ERROR, "a header string longer than its block")
    return plain[start:end].decode("latin-1"), end


def block_bytes(headers: Headers) -> bytes:
    """A block of these pairs, not deflated; values of one name are joined. Raises OurError for
    pairs that `parse_block` would refuse."""
    joined: dict[str, str] = {}
    for name, value in headers:
        if name in joined and not (value and joined[name]):
            raise OurError("a header of several values, one of them empty")
        if not _is_name(name) or "\0" in value:
            raise OurError("a header name that is empty, not in lower case or not printable, or a value with NUL")
        joined[name] = f"{joined[name]}\0{value}" if name in joined else value
    parts = [len(joined).to_bytes(4, "big")]
    try:
        for name, value in joined.items():
            for text in (name.encode("latin-1"), value.encode("latin-1")):
                parts += (len(text).to_bytes(4, "big"), text)
    except UnicodeEncodeError as error:
        raise OurError("a header value of more than a byte a character") from error
    plain = b"".join(parts)
    if len(headers) > MOST_HEADERS or len(plain) > LARGEST_BLOCK:
        raise OurError("a header block larger than we would take")
    return plain
