"""SPDY/3.1 frames written by hand, also wrong ones, with a zlib context of their own: a peer that shares no code with the codec.
There are also connections of ours that have streams open."""

from __future__ import annotations

import itertools
import struct
import zlib

from l7gw.wire.spdy import Connection
from l7gw.wire.spdy_dictionary import DICTIONARY
from l7gw.wire.spdy_events import SynStream
from l7gw.wire.spdy_streams import OURS

Pairs = tuple[tuple[bytes, bytes], ...]


def control(kind: int, payload: bytes, flags: int = 0, version: int = 3) -> bytes:
    return struct.pack(">HHI", 0x8000 | version, kind, flags << 24 | len(payload)) + payload


def data(stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">II", stream, flags << 24 | len(payload)) + payload


def reset(stream: int, status: int = 5) -> bytes:
    return control(3, struct.pack(">II", stream, status))


def goaway(last: int = 0, status: int = 0) -> bytes:
    return control(7, struct.pack(">II", last, status))


def window(stream: int, delta: int) -> bytes:
    return control(9, struct.pack(">II", stream, delta))


def plain(pairs: Pairs) -> bytes:
    """A block before compression."""
    texts = (struct.pack(">I", len(text)) + text for pair in pairs for text in pair)
    return struct.pack(">I", len(pairs)) + b"".join(texts)


def pieces(whole: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes, cut at these offsets."""
    marks = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    return [whole[a:b] for a, b in itertools.pairwise(marks)]


class Peer:
    """One direction of one connection. All header blocks that it writes share one zlib stream."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, 0, DICTIONARY)

    def deflated(self, block: bytes, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
        return self._deflate.compress(block) + self._deflate.flush(flush)

    def syn(self, stream: int, pairs: Pairs = (), flags: int = 0, block: bytes | None = None) -> bytes:
        """A SYN_STREAM frame. `block`, where given, is compressed in place of the pairs."""
        head = struct.pack(">IIBB", stream, 0, 0, 0)
        return control(1, head + self.deflated(plain(pairs) if block is None else block), flags)

    def reply(self, stream: int, pairs: Pairs = (), flags: int = 0) -> bytes:
        return control(2, struct.pack(">I", stream) + self.deflated(plain(pairs)), flags)

    def headers(self, stream: int, pairs: Pairs = (), flags: int = 0) -> bytes:
        return control(8, struct.pack(">I", stream) + self.deflated(plain(pairs)), flags)


def client_of(*streams: int) -> Connection:
    """A client's connection that has opened these streams."""
    client = Connection("client")
    for stream in streams:
        client.send(SynStream(stream, ()))
    client.take()
    return client


def server_of(*streams: int) -> tuple[Connection, Peer]:
    """A server's connection whose client has opened these streams, and the `Peer` that writes the client's frames."""
    server, peer = Connection("server"), Peer()
    for stream in streams:
        server.receive(peer.syn(stream))
    return server, peer


def may_send(connection: Connection, stream: int) -> bool:
    """Whether a stream takes data of ours. The peer may have reset it meanwhile."""
    return bool(connection.streams.open.get(stream, 0) & OURS)
