"""What a large answer costs in copies, between the read that brings it and the two places where its bytes go: the journal and the
client. Of a log one copy is made, for the search of what may have to be masked; of a list none while it comes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from typing import cast

import pytest

from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.masking.bodies.answers import Choice
from l7gw.masking.bodies.bodies import BodyMask
from l7gw.masking.configured import ordinary
from l7gw.masking.masking import Masking
from l7gw.obligations import NO_OBLIGATIONS
from l7gw.recording.call_record import CallRecord, OfCalls
from l7gw.wire.events import CHUNKED, BodyParts, End, Request, Response
from l7gw.wire.http1 import ServerConnection
from l7gw.wire.http1_client import ClientConnection

READ = 256 * 1024  # bytes of one read, as uvloop's TLS brings them
LINE = b"2026-11-01T09:00:00Z INFO the quick brown fox jumps over the lazy dog\n"
CHUNK = (LINE * 1000)[: 64 * 1024 - 20]


class Kept:
    """Stands in for a session whose blocks are written at once."""

    def __init__(self) -> None:
        self.size = self.content = 0

    def now(self) -> int:
        return 0

    def append_parts(self, parts: Sequence[bytes | memoryview], *, events: int) -> None:
        self.size += sum(map(len, parts))


def upstream() -> ClientConnection:
    connection = ClientConnection()
    connection.send(Request("GET", "/log", (("host", "a"),)))
    connection.send(End())
    connection.take()
    connection.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.in_parts()
    return connection


def client() -> ServerConnection:
    connection = ServerConnection()
    connection.receive(b"GET /log HTTP/1.1\r\nHost: gw\r\n\r\n")
    connection.send(Response(200, (), CHUNKED))
    connection.take()
    return connection


def a_pass(mask: BodyMask, reads: int) -> tuple[int, int]:
    """Bytes that were written to the client, and the largest number of bytes allocated while one read was handled, less the read
    itself."""
    cluster, reader, record = upstream(), client(), CallRecord(cast(OfCalls, Kept()), number=1, run=0, run_id="", content=True)
    chunks = (b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK)) * (READ // len(CHUNK))
    written = most = 0
    for _ in range(reads):
        data = b"".join((chunks,))  # a read is new bytes
        gc.collect(0)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for event in cluster.receive(data):
            assert isinstance(event, BodyParts)
            pieces = mask.glance(event.parts)
            assert pieces is not None
            for piece in pieces:
                record.response_body(piece.recorded)
                reader.send(BodyParts((piece.shown,), len(piece.shown)))
        written += sum(map(len, reader.take_apart() if reader.apart else [reader.take()]))
        most = max(most, tracemalloc.get_traced_memory()[1] - before)
    assert record.down in (0, reads * (READ // len(CHUNK)) * len(CHUNK))
    return written, most


@pytest.mark.parametrize(("path", "sort", "copies"), [("pods/a/log", "log", 1), ("pods", "object", 0)])
def test_a_read_of_a_large_answer_is_copied_at_most_once(path: str, sort: str, copies: int) -> None:
    act = describe("GET", f"/api/v1/namespaces/d/{path}")
    masks = Masking(bytes(32), ordinary()).of_call("prod", act, Principal("ann"), NO_OBLIGATIONS)
    mask: BodyMask | None = masks.log(lambda: 0.0, packed=False) if sort == "log" else masks.answer(Choice(sort="object"))
    assert mask is not None
    if sort == "object":
        mask.feed(b'{"kind":"PodList","items":[')
    reads = 40 if sort == "log" else 6  # a longer list is split
    a_pass(mask, 1)  # what is made once for all reads
    tracemalloc.start()
    try:
        written, most = a_pass(mask, reads)
    finally:
        tracemalloc.stop()
    assert (written > reads * 200_000) is (sort == "log")
    assert most < (copies + 0.2) * READ  # and the end of a log, which is looked at once more
