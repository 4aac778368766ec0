"""Slow peers. A peer that sends or reads too slowly is ended in the promised time, or costs a limited amount of memory. No
neighbour notices."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from l7gw.timeouts import Timeouts
from l7gw.wire.websocket_events import Message
from tests.support.faults import (
    PIECE,
    PLAIN,
    Load,
    accepted,
    alive,
    exec_client,
    long_list,
    outcomes,
    resident,
    serve_for_ever,
    trouble,
    until,
)
from tests.support.figures import figure
from tests.support.http_callers import CALLERS, POD, Http2Caller
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import KEPT, Visit, switched

PODS = "/api/v1/namespaces/default/pods"
OF_EACH = 15  # slow clients of each kind
PROMISED = 10.0  # seconds for a handshake and for a head, and for the first ten KiB of a body
SLACK = 8.0  # seconds more: for the tick, for the time in which a refusal is read, and for a busy machine
MiB = 1024 * 1024


def unnoticed(before: float, during: float) -> bool:
    """Whether a neighbour's p99 (seconds) at most doubled. The floor allows for what a busy machine adds to calls of a millisecond
    or two."""
    return during < 2 * before + 0.05


# ---------------------------------------------------------------------- clients that send too slowly (threats I1)


def _plain(it: Scene) -> socket.socket:
    return socket.create_connection(("127.0.0.1", it.gateway.port), 10)


def _hello() -> bytes:
    """A ClientHello."""
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def _tls(it: Scene, first: bytes = b"") -> socket.socket:
    client = RawClient(it.gateway)
    if first:
        client.send(first)
    return client.socket


def _http2(it: Scene, first: bytes) -> socket.socket:
    caller = Http2Caller(it)
    caller.socket.sendall(first)
    return caller.socket


# Name -> how the connection is opened, and the bytes that then come one by one, five in a second.
SLOW: dict[str, tuple[Callable[[Scene], socket.socket], bytes]] = {
    "no handshake": (_plain, b""),
    "a handshake in drops": (_plain, _hello()),
    "no head": (_tls, b""),
    "a head in drops": (lambda it: _tls(it, b"GET /api HTTP/1.1\r\nX: "), b"x" * 1000),
    "no body": (lambda it: _tls(it, it.request(f"POST {PODS}", "Content-Length: 100000")), b""),
    "a body in drops": (lambda it: _tls(it, it.request(f"POST {PODS}", "Content-Length: 100000")), b"x" * 1000),
    "HTTP/2, no request": (lambda it: _http2(it, b""), b""),
    "HTTP/2, a frame in drops": (lambda it: _http2(it, b"\0\4\0\1\4\0\0\0\1"), b"\x82" * 1000),
    "HTTP/2, a header block in drops": (lambda it: _http2(it, b"\0\0\1\1\1\0\0\0\1\x82"), b"\0\0\0\x09\0\0\0\0\1" * 100),
}


def _lifetimes(opened: list[tuple[socket.socket, bytes, float]], within: float) -> list[float]:
    """Seconds until the gateway ended each connection. Connections that it did not end within the time are missing."""
    for sock, _, _ in opened:
        sock.setblocking(False)
    left, lived, n, end = list(opened), [], 0, time.monotonic() + within
    while left and time.monotonic() < end:
        for one in list(left):
            sock, drops, began = one
            try:
                sock.send(drops[n : n + 1])
                while sock.recv(65536):
                    pass
                over = True
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                over = False
            except OSError:
                over = True
            if over:
                left.remove(one)
                lived.append(time.monotonic() - began)
                sock.close()
        n += 1
        time.sleep(0.2)
    for sock, _, _ in left:
        sock.close()
    return lived


def test_a_client_that_sends_too_slowly_is_ended_in_time_and_no_neighbour_notices(own: Scene) -> None:
    own.upstream.script = serve_for_ever
    with Load(own, 1, pause=0.002) as neighbour:
        neighbour.more(20)  # the first call waits for what is compiled once
        before = neighbour.p99(1.5)
        opened: dict[str, list[tuple[socket.socket, bytes, float]]] = {kind: [] for kind in SLOW}
        for kind, (start, drops) in SLOW.items():
            opened[kind] = [(start(own), drops, time.monotonic()) for _ in range(OF_EACH)]
        lived: dict[str, list[float]] = {}
        threads = [
            threading.Thread(target=lambda kind=kind: lived.update({kind: _lifetimes(opened[kind], PROMISED + SLACK)}))  # type: ignore[misc]
            for kind in SLOW
        ]
        for thread in threads:
            thread.start()
        during = neighbour.p99(PROMISED - 1)
        for thread in threads:
            thread.join()
    for kind, times in lived.items():
        figure(
            "I1", kind, f"ended at {PROMISED:.0f} s, once a second is looked",
            f"{len(times)} of {OF_EACH} ended after {min(times, default=0):.1f} to {max(times, default=0):.1f} s",
        )  # fmt: skip
        assert len(times) == OF_EACH, f"{kind}: {OF_EACH - len(times)} were never ended"
        assert min(times) > PROMISED / 3, f"{kind}: ended after {min(times):.1f} s, which a slow network may need"
    assert not neighbour.faults
    neighbours = f"{before * 1000:.1f} and {during * 1000:.1f} ms"
    figure("I1", "a neighbour of all these: p99 before and during", "under twice, or 50 ms", neighbours)
    assert unnoticed(before, during), (before, during)
    assert PODS.encode() + b" " not in own.upstream.received
    assert outcomes(own, PODS) == ["aborted"] * (2 * OF_EACH)
    assert not trouble(own)


# ---------------------------------------------------------------------- clients that read too slowly (threats I1, I10, B9)


class Endless:
    """A cluster whose logs and execs never end, and whose other calls are answered. `offered` counts the bytes sent to the
    gateway."""

    def __init__(self) -> None:
        self.offered = 0

    def __call__(self, visit: Visit) -> None:
        at = 0
        while head := visit.head()[at:]:
            at += len(head)
            line = head.partition(b"\r\n")[0]
            if b"/log" in line or b"/exec" in line:
                break
            visit.send(KEPT)
        else:
            return
        part = b"y\n" * 16_000
        if b"/exec" in line:
            switched(visit, head)
            framed = b"\x82\x7e" + (len(part) + 1).to_bytes(2, "big") + b"\x01" + part
        else:
            visit.send(PLAIN)
            framed = b"%x\r\n" % len(part) + part + b"\r\n"
        visit.socket.settimeout(120)
        while True:
            visit.send(framed)
            self.offered += len(part)


def _reader(it: Scene, upgrade: bool) -> RawClient:
    if upgrade:
        return exec_client(it)[0]
    client = RawClient(it.gateway)
    client.send(it.request(f"GET {POD}/log?follow=true"))
    return client


@pytest.mark.parametrize("upgrade", [False, True], ids=["log", "exec"])
def test_a_slow_reader_of_endless_output_costs_no_memory_and_no_neighbour(own: Scene, upgrade: bool) -> None:
    """Some hundred megabytes go to a client that always lags behind. The bytes that wait for it stay limited all the while."""
    endless = Endless()
    own.upstream.script = endless
    with Load(own, 1, pause=0.002) as neighbour:
        neighbour.more(20)  # the first call waits for what is compiled once
        before = neighbour.p99(1.5)
        with _reader(own, upgrade) as client:
            taken, highest, settled = 0, 0, 0
            first = len(neighbour.seconds)
            while taken < 400 * MiB:
                for _ in range(64):
                    taken += len(client.socket.recv(65536))
                time.sleep(0.005)
                if taken > 200 * MiB:  # the allocator takes so long to reach its size
                    settled = settled or resident(own)
                    highest = max(highest, resident(own))
            calls = sorted(neighbour.seconds[first:])
            during = calls[len(calls) * 99 // 100]
            grown = f"grew by {(highest - settled) / MiB:.1f} MiB while 200 MiB passed"
            figure("I10", f"a slow reader of an endless {'exec' if upgrade else 'log'}", "memory flat", grown)
    assert highest - settled < 32 * MiB
    assert unnoticed(before, during), (before, during)
    assert not neighbour.faults
    assert not trouble(own)


@pytest.mark.parametrize("upgrade", [False, True], ids=["log", "exec"])
def test_a_client_that_stopped_reading_costs_a_limited_amount_of_memory(own: Scene, upgrade: bool) -> None:
    """The cluster is not read once the buffers of both TLS connections are full. They hold some hundred KiB each, beside what
    malloc keeps."""
    readers = 12
    endless = Endless()
    own.upstream.script = endless
    standing = [0, 0.0]

    def still() -> bool:
        if endless.offered != standing[0]:
            standing[:] = [endless.offered, time.monotonic()]
        return time.monotonic() - standing[1] > 1.0

    with contextlib.ExitStack() as stack:
        memory = []
        for _ in range(2):  # the first round allocates memory that all clients share
            for _ in range(readers):
                stack.enter_context(_reader(own, upgrade)).socket.recv(1)
            until(still, 30)
            memory.append(resident(own))
        each = (memory[1] - memory[0]) / readers / 1024
        figure("I10", f"a reader of an endless {'exec' if upgrade else 'log'} that stopped", "bounded", f"{each:.0f} KiB each")
        assert each < 6 * 1024
        assert alive(own)
    assert alive(own)
    assert not trouble(own)


def test_lists_of_100_mb_for_a_window_of_nothing_cost_little_memory(own: Scene) -> None:
    """Only so many bytes of each list wait; then its cluster is not read. Other calls of the connection go on (threats B9)."""
    lists, size = 20, 100 * MiB
    offered = [0] * lists

    def script(visit: Visit) -> None:
        while head := visit.head():
            if b"/list-" not in head.partition(b"\r\n")[0]:
                visit.send(KEPT)
                continue
            number = int(head.partition(b"/list-")[2].partition(b" ")[0])
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size)
            visit.socket.settimeout(None)
            with contextlib.suppress(OSError):
                for part in long_list(size):
                    visit.send(part)
                    offered[number] += len(part)
            return

    own.upstream.script = script
    for _ in range(200):
        assert alive(own)
    before = resident(own)
    with contextlib.closing(Http2Caller(own, window=0)) as caller:
        for number in range(lists):
            caller.ask(f"/api/v1/namespaces/default/configmaps/list-{number}")
        standing = [[0], 0.0]

        def still() -> bool:
            if offered != standing[0]:
                standing[:] = [list(offered), time.monotonic()]
            return all(offered) and time.monotonic() - float(standing[1]) > 1.0  # type: ignore[arg-type]

        until(still, 30)
        each = (resident(own) - before) / lists / 1024
        figure("B9", "lists of 100 MB for a window of nothing", "memory flat", f"{each:.0f} KiB for each of {lists}")
        assert max(offered) < size / 4  # the rest includes what both kernels and TLS hold
        assert each < 6 * 1024
        assert alive(own)
    assert not trouble(own)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_a_finite_answer_that_its_client_does_not_read_is_given_up(tmp_path: Path, protocol: str) -> None:
    given_up = threading.Event()

    def script(visit: Visit) -> None:
        visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (1600 * PIECE))
        try:
            for part in long_list(1600 * PIECE):
                visit.send(part)
        except OSError:
            given_up.set()

    with (
        scene(tmp_path / "scene", script, timeouts=Timeouts(answer_unread=2.0)) as it,
        contextlib.closing(CALLERS[protocol](it)) as caller,
    ):
        caller.ask(POD)
        assert given_up.wait(8)


def _keepalive(port: int) -> list[str]:
    """The timers of the established connections that were accepted on a port (ss(8))."""
    shown = subprocess.run(["ss", "-tnoH", "state", "established", "sport", "=", str(port)], capture_output=True, text=True)
    return [match[1] if (match := re.search(r"timer:\((\w+)", line)) else "" for line in shown.stdout.splitlines()]


@pytest.mark.skipif(shutil.which("ss") is None, reason="ss tells which timers a connection has")
def test_a_quiet_connection_of_a_client_is_kept_alive(own: Scene) -> None:
    """Otherwise a load balancer forgets a quiet exec after a minute (threats I17)."""
    with RawClient(own.gateway):
        until(lambda: _keepalive(own.gateway.port) == ["keepalive"])


# ---------------------------------------------------------------------- one direction ends before the other (threats I15)


def test_bytes_that_the_cluster_sent_before_its_end_arrive_whole_at_a_slow_client(own: Scene) -> None:
    """The cluster sends an exec's output, its Status and its Close, and ends its connection at once."""
    part, parts = os.urandom(30_000), 700
    sent = threading.Event()

    def script(visit: Visit) -> None:
        accepted(visit)
        for _ in range(parts):
            visit.send(b"\x82\x7e" + (len(part) + 1).to_bytes(2, "big") + b"\x01" + part)
        status = b'\x03{"status":"Success"}'
        visit.send(b"\x82" + bytes((len(status),)) + status + b"\x88\x02\x03\xe8")
        sent.set()

    own.upstream.script = script
    client, leg = exec_client(own)
    with client:
        output, last = bytearray(), b""
        while data := client.socket.recv(65536):
            for one in leg.receive(data):
                if isinstance(one, Message):
                    last = one.data
                    output += one.data[1:] if one.data[:1] == b"\x01" else b""
            if not sent.is_set():
                time.sleep(0.001)
    assert bytes(output) == part * parts
    assert last == b'\x03{"status":"Success"}'


def test_the_end_of_stdin_leaves_the_output_open(own: Scene) -> None:
    """v5's close signal goes up unchanged, and the output that follows it comes back, as in `cat file | kubectl exec -i ... wc`."""
    heard: list[Message] = []

    def script(visit: Visit) -> None:
        from l7gw.wire.websocket import Connection
        from l7gw.wire.websocket_events import Close

        accepted(visit)
        side = Connection("server")
        early = bytes(visit.received).partition(b"\r\n\r\n")[2]
        while not any(message.data == b"\xff\x00" for message in heard):
            heard.extend(one for one in side.receive(early or visit.socket.recv(65536)) if isinstance(one, Message))
            early = b""
        count = sum(len(message.data) - 1 for message in heard if message.data[:1] == b"\x00")
        time.sleep(0.3)
        side.send(Message(b"\x01%d\n" % count, False))
        side.send(Message(b'\x03{"status":"Success"}', False))
        side.send(Close(1000, ""))
        visit.send(side.take())
        visit.drain()

    own.upstream.script = script
    client, leg = exec_client(own)
    with client:
        for _ in range(50):
            leg.send(Message(b"\x00" + b"x" * 10_000, False))
        leg.send(Message(b"\xff\x00", False))
        client.send(leg.take())
        found: list[object] = []
        while data := client.socket.recv(65536):
            found += leg.receive(data)
    assert [one.data for one in found if isinstance(one, Message)] == [b"\x01500000\n", b'\x03{"status":"Success"}']
