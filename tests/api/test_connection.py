"""Bytes at the socket: good ones, hostile ones, slow ones, and many at once (threats I1)."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from l7gw.api.callers import Peer
from l7gw.api.connection import Connection
from l7gw.api.messages import LARGEST_SAID
from l7gw.api.unix_socket import MOST_CONNECTIONS
from l7gw.wire.semantics import LARGEST_HEAD
from tests.support.api_at_socket import Served, at_socket, statuses

LIST = b"GET /l7gw/v1/holds HTTP/1.1\r\nHost: l7gw\r\n\r\n"
LAST = b"GET /l7gw/v1/holds HTTP/1.1\r\nHost: l7gw\r\nConnection: close\r\n\r\n"
DENY = b"POST /l7gw/v1/holds/01/deny HTTP/1.1\r\nHost: l7gw\r\nContent-Type: application/json\r\n"

HOSTILE = {
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "HTTP/2 in clear": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "no Host": (b"GET /l7gw/v1/holds HTTP/1.1\r\n\r\n", 400),
    "an endless head": (b"GET /l7gw/v1/holds HTTP/1.1\r\nHost: l7gw\r\nX: " + b"a" * LARGEST_HEAD + b"\r\n\r\n", 431),
    "a line that is folded": (b"GET /l7gw/v1/holds HTTP/1.1\r\nHost: l7gw\r\nX: a\r\n b\r\n\r\n", 400),
    "both framings": (DENY + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    "two lengths": (DENY + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "a length with a sign": (DENY + b"Content-Length: +2\r\n\r\n{}", 400),
    "a chunk of no number": (DENY + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
    "a body beyond the limit": (DENY + b"Content-Length: %d\r\n\r\n" % (LARGEST_SAID + 1), 413),
    "chunks beyond the limit": (
        DENY + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + b" " * 0x10000 + b"\r\n0\r\n\r\n",
        413,
    ),
    "an absolute target": (b"GET http://elsewhere/l7gw/v1/holds HTTP/1.1\r\nHost: l7gw\r\nConnection: close\r\n\r\n", 400),
    "another path": (b"GET /api/v1/pods HTTP/1.1\r\nHost: l7gw\r\nConnection: close\r\n\r\n", 404),
    "an upgrade": (b"GET /l7gw/v1/holds HTTP/1.1\r\nHost: l7gw\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n", 400),
    "a CONNECT": (b"CONNECT l7gw:443 HTTP/1.1\r\nHost: l7gw\r\nConnection: close\r\n\r\n", 405),
}


def test_bytes_that_are_no_call_of_the_api_are_refused_in_json_and_the_connection_ends(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        for what, (sent, status) in HOSTILE.items():
            answered = await served.said(sent)
            assert (what, statuses(answered)) == (what, [status])
        assert statuses(await served.said(LAST)) == [200]

    at_socket(test, tmp_path)


def test_calls_behind_each_other_are_answered_in_their_order(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        deny = DENY + b"Content-Length: 2\r\n\r\n{}"
        assert statuses(await served.said(LIST + deny + LIST + deny + LAST)) == [200, 404, 200, 404, 200]

    at_socket(test, tmp_path)


def test_a_call_that_comes_byte_by_byte_is_the_same_call(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        hold = await served.room.hold()
        said = b'{"note": "no"}'
        head = b"POST /l7gw/v1/holds/%s/deny HTTP/1.1\r\nHost: l7gw\r\nConnection: close\r\n" % hold.id.encode()
        head += b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n" % served.room.token().encode()
        reader, writer = await served.connect()
        for byte in head + b"Content-Length: %d\r\n\r\n" % len(said) + said:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert statuses(await reader.read()) == [200]
        writer.close()

    at_socket(test, tmp_path)


def test_a_client_that_sends_no_more_is_still_answered(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        assert statuses(await served.said(LIST, ends=True)) == [200]

    at_socket(test, tmp_path)


def test_a_slow_body_is_a_408_and_a_slow_head_or_no_call_at_all_is_closed(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        timeouts = served.room.timeouts
        for sent, seconds, expected in (
            (b"GET /l7gw", timeouts.request_head, []),
            (DENY + b"Content-Length: 2\r\n\r\n{", timeouts.request_head, [408]),
            (LIST, timeouts.between_requests, [200]),
            (b"", timeouts.between_requests, []),
        ):
            reader, writer = await served.connect()
            writer.write(sent)
            answered = await reader.read(1) if expected == [200] else b""
            while not _has_read(served, sent):
                await asyncio.sleep(0)
            served.tick(seconds - 1)
            assert len(served.socket._open) == 1
            served.tick(2)
            served.tick(timeouts.linger)
            answered += await reader.read()
            assert statuses(answered) == expected
            writer.close()
            while served.socket._open:
                await asyncio.sleep(0)

    at_socket(test, tmp_path)


def _has_read(served: Served, sent: bytes) -> bool:
    """Whether the gateway has the connection, and read what was sent on it."""
    return any(not sent or one._asking or one._call is not None or sent == LIST for one in served.socket._open)


def test_200_watchers_are_told_each_change(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        watch = b"GET /l7gw/v1/holds?watch=1 HTTP/1.1\r\nHost: l7gw\r\nAuthorization: Bearer %s\r\n\r\n"
        streams = [await served.connect() for _ in range(200)]
        for number, (reader, writer) in enumerate(streams):
            writer.write(watch % served.room.token(f"user-{number}").encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await served.room.chair.settled()
        hold = await served.room.hold()
        for reader, writer in streams:
            assert hold.id.encode() in await reader.readuntil(b"\n\r\n")
            writer.close()
        while served.socket._open:
            await asyncio.sleep(0)
        assert not served.room.api.watches._watchers

    at_socket(test, tmp_path)


def test_a_watcher_that_reads_nothing_holds_up_no_other_and_is_cut(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        watch = b"GET /l7gw/v1/holds?watch=1 HTTP/1.1\r\nHost: l7gw\r\nAuthorization: Bearer %s\r\n\r\n"
        slow = socket.socket(socket.AF_UNIX)
        slow.connect(str(served.path))
        slow.sendall(watch % served.room.token().encode())
        reader, quick = await served.connect()
        quick.write(watch % served.room.token("rob").encode())
        await reader.readuntil(b"\r\n\r\n")
        await served.room.chair.settled()
        held = [await served.room.hold(str(number), command="x" * 200_000, principal=_somebody(number)) for number in range(12)]
        for hold in held:
            assert hold.id.encode() in await reader.readuntil(b"\n\r\n")
        served.tick(served.room.timeouts.answer_unread - 1)
        assert len(served.socket._open) == 2
        served.tick(2)
        while len(served.socket._open) != 1:
            await asyncio.sleep(0)
        slow.close()
        quick.close()

    at_socket(test, tmp_path)


def _somebody(number: int) -> object:
    from l7gw.approval.messages import Requester

    return Requester(user=f"user-{number}")


def test_there_is_room_for_root_when_others_have_taken_all(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        somebody, root = Peer(1, os.geteuid() + 12345, 1), Peer(1, 0, 0)
        taken = [served.socket._count(Connection(served.socket), somebody) for _ in range(MOST_CONNECTIONS)]
        assert taken.count(True) < MOST_CONNECTIONS and not taken[-1]
        assert served.socket._count(Connection(served.socket), root)

    at_socket(test, tmp_path)


def test_a_connection_knows_its_peer_from_the_kernel(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        _, writer = await served.connect()
        while not served.socket._open:
            await asyncio.sleep(0)
        (peer,) = served.socket._open.values()
        assert peer == (os.getpid(), os.getuid(), os.getgid())
        writer.close()

    at_socket(test, tmp_path)
