"""Clients and clusters that leave, hang or send too much. No other call notices, and no answer looks whole that is not."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator

import h11
import pytest

from l7gw.wire.websocket import Connection
from l7gw.wire.websocket_events import Close, Message
from tests.support.faults import (
    CHUNKED,
    EXEC,
    PIECE,
    PLAIN,
    accepted,
    alive,
    ask,
    exec_client,
    failure,
    long_list,
    messages,
    outcomes,
    stands_still,
    trouble,
    until,
)  # fmt: skip
from tests.support.http_callers import POD, WATCH
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.scene import Scene
from tests.support.scripted_upstream import OK, Visit

# ---------------------------------------------------------------------- bytes that wait


def test_a_client_that_reads_nothing_holds_back_the_answers_to_its_later_calls(own: Scene) -> None:
    """An answer that is not read fills the buffers. Later answers must not pile up behind it without a limit."""
    sent = [0]

    def script(visit: Visit) -> None:
        visit.head()
        visit.send(CHUNKED)
        for part in long_list(40 * PIECE):
            visit.send(b"%x\r\n%s\r\n" % (PIECE, part))
            sent[0] += PIECE
        visit.send(b"0\r\n\r\n")
        if b"/log" not in (asked := visit.head()):  # the list is whole, and its connection serves the next client
            visit.send(OK if asked else b"")
            return
        visit.send(PLAIN)
        while True:
            visit.socket.settimeout(2)
            visit.send(b"10000\r\n" + b"x" * PIECE + b"\r\n")
            sent[0] += PIECE

    own.upstream.script = script
    with RawClient(own.gateway) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(own.request("GET /api/v1/pods") + own.request(f"GET {POD}/log?follow=true"))
        until(lambda: stands_still(sent))
        assert sent[0] < 24 * 1024 * 1024
    assert alive(own)


def test_a_slow_reader_gets_everything_in_the_end(own: Scene) -> None:
    parts, sent = 600, [0]
    size = parts * PIECE

    def script(visit: Visit) -> None:
        visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size)
        for part in long_list(size):
            visit.send(part)
            sent[0] += 1
        visit.drain()

    own.upstream.script = script
    with RawClient(own.gateway) as client:
        client.send(own.request("GET /api/v1/pods", "Connection: close"))
        until(lambda: stands_still(sent))
        assert 0 < sent[0] < parts  # the rest is held back; the kernel's buffers on the way take some 20 MB
        got = bytearray()
        while data := client.socket.recv(65536):
            got += data
    assert _unchunked(bytes(got.partition(b"\r\n\r\n")[2])) == b"".join(long_list(size))


def _unchunked(data: bytes) -> bytes:
    parts, at = [], 0
    while (end := data.index(b"\r\n", at)) and (length := int(data[at:end], 16)):
        parts.append(data[end + 2 : end + 2 + length])
        at = end + 2 + length + 2
    return b"".join(parts)


def test_bytes_behind_an_upgrade_before_its_101_are_limited(it: Scene) -> None:
    """It depends on the packets whether the gateway refuses (400) because it read too many bytes, or stops reading and refuses
    (502) when the cluster ends."""
    go_on = threading.Event()

    def script(visit: Visit) -> None:
        visit.head()
        go_on.wait(1)

    it.upstream.script = script
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {EXEC}", *WEBSOCKET))
        until(lambda: it.upstream.visits and b"\r\n\r\n" in it.upstream.visits[0].received)
        client.send(b"\x82\x80" * 40_000)
        assert client.answer()[0] in (400, 502)
        client.rest()
    go_on.set()
    assert b"\x82\x80" not in it.upstream.received
    assert alive(it)


def test_frames_sent_before_the_101_arrive_behind_it(it: Scene) -> None:
    leg = Connection("client")
    leg.send(Message(b"\x00early", False))

    def script(visit: Visit) -> None:
        accepted(visit)
        side = Connection("server")
        (early,) = side.receive(bytes(visit.received).partition(b"\r\n\r\n")[2] or visit.socket.recv(65536))
        assert isinstance(early, Message)
        side.send(Message(b"\x01" + early.data[1:], False))
        side.send(Close(1000, ""))
        visit.send(side.take())
        visit.drain()

    it.upstream.script = script
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {EXEC}", *WEBSOCKET) + leg.take())
        data = b""
        while b"early" not in data:
            data += client.socket.recv(65536)


# ---------------------------------------------------------------------- slow clients, slow clusters


def test_a_head_or_a_body_that_does_not_come_ends_its_connection(impatient: Scene) -> None:
    head, body = RawClient(impatient.gateway), RawClient(impatient.gateway)
    silent = RawClient(impatient.gateway)
    with head, body, silent:
        head.send(b"GET /api/v1/pods HTTP/1.1\r\nHost: l\r\nX-")
        body.send(impatient.request("POST /api/v1/namespaces/default/pods", "Content-Length: 100000") + b"{")
        assert body.answer("POST")[0] == 408
        head.rest(5)
        body.rest(5)
        silent.rest(5)
    assert not impatient.upstream.received
    assert outcomes(impatient, "/api/v1/namespaces/default/pods") == ["aborted"]


def test_a_slow_but_steady_head_is_cut_all_the_same(impatient: Scene) -> None:
    with RawClient(impatient.gateway) as client, pytest.raises((OSError, AssertionError)):
        for letter in it_goes_on(b"GET / HTTP/1.1\r\nX: "):
            client.send(letter)
            client.socket.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                assert client.socket.recv(100)  # b"" where the gateway has ended the connection


def it_goes_on(start: bytes) -> Iterator[bytes]:
    for n in range(160):
        yield start[n : n + 1] or b"x"


def test_a_cluster_that_does_not_answer_is_a_504_and_the_connection_is_not_used_again(impatient: Scene) -> None:
    def hang(visit: Visit) -> None:
        visit.head()
        visit.drain(8)

    impatient.upstream.script = hang
    status, _, body = ask(impatient, impatient.request(f"DELETE {POD}"), "DELETE")
    assert status == 504
    assert "may have been carried out" in json.loads(body)["message"]
    assert alive(impatient)
    assert len(impatient.upstream.visits) == 2


# ---------------------------------------------------------------------- clients that leave


def test_a_client_that_leaves_within_its_upload_sends_nothing_up(it: Scene) -> None:
    with RawClient(it.gateway) as client:
        client.send(it.request("POST /api/v1/namespaces/left/pods", "Content-Length: 100000") + b"{" * 5000)
    assert alive(it)
    assert b"/left/" not in it.upstream.received


@pytest.mark.parametrize("kind", ["watch", "exec", "call"])
def test_the_cluster_hears_at_once_when_a_client_leaves(it: Scene, kind: str) -> None:
    gone = threading.Event()
    begun = threading.Event()

    def script(visit: Visit) -> None:
        if kind == "exec":
            accepted(visit)
        else:
            visit.head()
            if kind == "watch":
                visit.send(CHUNKED + b"2\r\n{}\r\n")
        begun.set()
        while visit.more():
            pass
        gone.set()

    it.upstream.script = script
    target = {"watch": WATCH, "exec": EXEC, "call": "/api/v1/nodes/left"}[kind]
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {target}", *(WEBSOCKET if kind == "exec" else ())))
        assert begun.wait(5)
        if kind != "call":
            client.socket.recv(100)
    assert gone.wait(5)
    assert until(lambda: "aborted" in outcomes(it, target))
    assert alive(it)


def test_a_client_that_leaves_without_a_word_in_the_midst_of_output_costs_nothing(it: Scene) -> None:
    def script(visit: Visit) -> None:
        accepted(visit)
        while True:
            visit.send(b"\x82\x7e\x80\x00\x01" + b"x" * 32767)

    it.upstream.script = script
    for _ in range(5):
        client, _leg = exec_client(it)
        client.socket.recv(65536)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        os.close(client.socket.detach())  # without an end of TLS
    assert alive(it)


# ---------------------------------------------------------------------- answers that are cut


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    "answer",
    [CHUNKED + b"4\r\nhalf\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", CHUNKED + b"4\r\nhalf\r\nzz\r\n"],
    ids=["chunks", "length", "garbage"],
)
def test_a_cut_answer_never_looks_whole(it: Scene, version: str, answer: bytes) -> None:
    """The client gets no last chunk, or fewer bytes than the length says. HTTP/1.0, whose bodies may end with the connection, gets
    no close_notify."""

    def script(visit: Visit) -> None:
        visit.head()
        visit.send(answer)

    it.upstream.script = script
    with RawClient(it.gateway) as client:
        client.socket.suppress_ragged_eofs = False
        client.send(it.request(f"GET {POD}", "Connection: close").replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1))
        got = b""
        try:
            while data := client.socket.recv(65536):
                got += data
            clean = True
        except (ssl.SSLEOFError, ConnectionResetError):
            clean = False
    if b" 200 " in got:
        assert not clean
        assert not got.endswith(b"0\r\n\r\n")
    else:
        assert b" 502 " in got


def test_an_exec_that_the_cluster_cuts_is_told_as_failed(it: Scene) -> None:
    def script(visit: Visit) -> None:
        accepted(visit)
        visit.send(b"\x82\x05\x01half")

    it.upstream.script = script
    client, leg = exec_client(it)
    with client:
        assert "ended the connection" in failure(messages(client, leg))


def test_the_gateways_log_has_no_bug_after_all_these_faults(it: Scene) -> None:
    assert alive(it)
    assert not trouble(it)
    with pytest.raises(h11.RemoteProtocolError), RawClient(it.gateway) as client:
        client.send(b"\x00" * 100)
        client.rest()
        client.answer()
