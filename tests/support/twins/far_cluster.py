"""A cluster that answers in process, over HTTP/1.1 and HTTP/2: what it answers depends on what came, and on what the traffic has
set. It reads requests by code of its own, and header blocks by hpack."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

import hpack

from l7gw.cluster.transport import SocketReading
from tests.support.twins.far_answers import AUDIT_ID, DATE, Answer, frame, of_http1, of_http2
from tests.support.twins.turned_clock import TurnedClock
from tests.support.twins.wire import Wire

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OK = Answer(
    headers=(("Audit-Id", AUDIT_ID), ("Cache-Control", "no-cache, private"), ("Content-Type", "application/json"), ("Date", DATE)),
    body=b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a-0","namespace":"shop"},"spec":{"containers":[]}}',
)
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
WHO_KNOWS = Answer(
    401, (("Content-Type", "application/json"),), b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}'
)  # fmt: skip
FORBIDS = Answer(
    403, (("Content-Type", "application/json"),),
    b'{"kind":"Status","apiVersion":"v1","status":"Failure","message":"users \\"l7gw\\" is forbidden: User \\"gw\\" cannot impersonate '
    b'resource \\"users\\" in API group \\"\\" at the cluster scope","reason":"Forbidden","details":{"name":"l7gw","kind":"users"},"code":403}',
)  # fmt: skip


class _Tls:
    """What the gateway asks of a connection's TLS."""

    def __init__(self, spoken: str) -> None:
        self._spoken = spoken

    def selected_alpn_protocol(self) -> str:
        return self._spoken


class FarCluster:
    """One cluster, over all its connections. `heard` is called with a connection's number and what came on it. `speaks_http2` is what
    it agrees on where HTTP/2 is offered."""

    def __init__(self, name: str, clock: TurnedClock, heard: Callable[[str, bytes | str], None], *, speaks_http2: bool) -> None:
        self.name = name
        self.clock = clock
        self.answers: dict[str, Answer] = {}  # by the target that comes
        self.token = ""  # the only one that counts; "" where all do
        self.reviews = True  # what it says to SubjectAccessReviews
        self.forbids = False  # whether it lets the gateway impersonate nobody
        self.down = False  # whether it refuses connections
        self.speaks_http2 = speaks_http2
        self.indexes = True  # whether it names fields by a dynamic table
        self._heard = heard
        self._count = 0
        self.waiting: dict[str, list[Callable[[], None]]] = {}  # by target: answers that stand still

    async def dial(self, make: Callable[[], Any], *, shared: bool) -> Any:
        """A connection, as `Endpoint.dial` makes it."""
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionRefusedError(111, "Connection refused")
        protocol = make()
        self._count += 1
        number = f"{self.name}{self._count}"
        speaks = shared and self.speaks_http2
        self._heard(number, "dialled h2" if speaks else "dialled")
        connection = _Http2(self, number) if speaks else _Http1(self, number)
        wire = Wire(connection.take, ssl_object=_Tls("h2" if speaks else "http/1.1"))
        connection.wire = wire
        protocol.below = SocketReading(wire)  # type: ignore[arg-type]  # it has what is asked of one
        wire.made(protocol)
        return protocol

    def heard(self, number: str, data: bytes | str) -> None:
        self._heard(number, data)

    def answer_to(self, target: str, fields: dict[str, str]) -> Answer:
        if self.token and fields.get("authorization") != f"Bearer {self.token}":
            return WHO_KNOWS
        if self.forbids and any(name.startswith("impersonate-") for name in fields):
            return FORBIDS
        if target == REVIEWS:
            said = b'{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":%s}}'
            return Answer(
                201, (("Content-Type", "application/json"),), said % (b"true" if self.reviews else b"false,\"denied\":true")
            )  # fmt: skip
        return self.answers.get(target, OK)

    def go_on(self, target: str) -> None:
        """Let an answer that stands still go on."""
        for one in self.waiting.pop(target, ()):
            one()


class _Http1:
    def __init__(self, cluster: FarCluster, number: str) -> None:
        self._cluster = cluster
        self._number = number
        self.wire: Wire
        self._came = b""
        self._reads: deque[bytes | str] = deque()
        self._paused = False
        self._raw = False
        self._waits: dict[int, str] = {}

    def take(self, data: bytes | str) -> None:
        self._cluster.heard(self._number, data)
        if isinstance(data, str) or self._raw:
            return
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            lines = self._came[:end].decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ")
            fields = {name.lower(): value for name, _, value in [line.partition(": ") for line in lines[1:]]}
            length = int(fields.get("content-length", "0"))
            if len(self._came) < end + 4 + length:
                return
            self._came = self._came[end + 4 + length :]
            answer = self._cluster.answer_to(target, fields)
            self._raw = answer.status == 101
            reads = of_http1(answer, self._cluster.clock.wall(), fields.get("audit-id", ""), method)
            if 0 <= answer.waits < len(reads):
                reads[answer.waits : answer.waits] = [f"wait {target}"]
            self._reads += reads
        if self._reads and not self._paused:
            self._paused = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._paused = False
        if not self._reads:
            return
        one = self._reads.popleft()
        self._paused = True
        if isinstance(one, bytes):
            self.wire.feed(one)
        elif one.startswith("wait "):
            self._cluster.waiting.setdefault(one[5:], []).append(self._next)
            return
        else:
            self.wire.leave(ConnectionResetError(104, "Connection reset by peer") if one == "abort" else None)
            return
        asyncio.get_running_loop().call_soon(self._next)


class _Http2:
    def __init__(self, cluster: FarCluster, number: str) -> None:
        self._cluster = cluster
        self._number = number
        self._came = b""
        self._greeted = False
        self._unpack = hpack.Decoder()
        self._packer = hpack.Encoder()
        self._room = {0: 65_535}
        self._first_room = 65_535
        self._bodies: dict[int, tuple[bytes, bytes]] = {}  # by stream: what is to be sent of a body, and behind it
        self.wire: Wire

    def take(self, data: bytes | str) -> None:
        self._cluster.heard(self._number, data)
        if isinstance(data, str):
            return
        self._came += data
        if not self._greeted:
            if len(self._came) < len(PREFACE):
                return
            assert self._came.startswith(PREFACE)
            self._came = self._came[len(PREFACE) :]
            self._greeted = True
            self._say(frame(4, 0, 0, struct.pack(">HI", 3, 100)))
        while len(self._came) >= 9:
            size = int.from_bytes(self._came[:3], "big")
            if len(self._came) < 9 + size:
                break
            kind, flags, stream = self._came[3], self._came[4], int.from_bytes(self._came[5:9], "big")
            payload, self._came = self._came[9 : 9 + size], self._came[9 + size :]
            self._frame(kind, flags, stream, payload)
        self._pump()

    def _say(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.wire.feed, data)

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == 4 and not flags & 1:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                if name == 4:
                    self._first_room = value
            self._say(frame(4, 1, 0))
        elif kind == 6 and not flags & 1:
            self._say(frame(6, 1, 0, payload))
        elif kind == 8:
            self._room[stream] = self._room.get(stream, self._first_room) + int.from_bytes(payload, "big")
        elif kind == 3:
            self._bodies.pop(stream, None)
        elif kind == 1:
            assert flags & 5 == 5, "what goes over HTTP/2 has neither body nor large head"
            self._room.setdefault(stream, self._first_room)
            self._asked(stream, {str(name): str(value) for name, value in self._unpack.decode(payload)})

    def _pack(self, fields: list[tuple[str, str]]) -> bytes:
        if self._cluster.indexes:
            return bytes(self._packer.encode(fields))
        return b"".join(b"\x00" + _text(name.encode("latin-1")) + _text(value.encode("latin-1")) for name, value in fields)

    def _asked(self, stream: int, said: dict[str, str]) -> None:
        target = said[":path"]
        answer = self._cluster.answer_to(target, said)
        if answer.raw:  # bytes of HTTP/1.1: over HTTP/2 the stream is reset instead
            self._say(frame(3, 0, stream, struct.pack(">I", 7 if len(answer.raw) % 2 else 2)))
            return
        heads, body, last = of_http2(
            answer, self._cluster.clock.wall(), said.get("audit-id", ""), said[":method"], stream, self._pack
        )
        self._say(heads)
        if not body and not last:
            return

        def begin() -> None:
            self._bodies[stream] = body, last
            self._pump()

        if answer.waits >= 0:
            self._cluster.waiting.setdefault(target, []).append(begin)
        else:
            begin()

    def _pump(self) -> None:
        for stream, (body, last) in list(self._bodies.items()):
            while body and (size := min(len(body), self._room[0], self._room[stream], 16_384)) > 0:
                part, body = body[:size], body[size:]
                self._room[0] -= size
                self._room[stream] -= size
                self._say(frame(0, 0 if body or last else 1, stream, part))
            if body:
                self._bodies[stream] = body, last
                continue
            del self._bodies[stream]
            if last:
                self._say(last)


def _text(data: bytes) -> bytes:
    """A string literal of HPACK without Huffman coding."""
    if len(data) < 127:
        return bytes((len(data),)) + data
    out, rest = [127], len(data) - 127
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    return bytes((*out, rest)) + data
