"""Faults on the way: whoever leaves, hangs, floods or dies, nobody else notices, nothing looks whole that is not, all of it recorded."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import h11
import pytest

from l7gw.wire.websocket import Close, Connection, Message
from tests.callers import POD, WATCH
from tests.client import WEBSOCKET, RawClient
from tests.faults import (
    CHUNKED,
    EXEC,
    Load,
    accepted,
    alive,
    ask,
    exec_client,
    failure,
    messages,
    outcomes,
    program,
    running,
    serve_for_ever,
    stands_still,
    trouble,
    until,
)
from tests.harness import Scene, scene
from tests.upstream import KEPT, OK, Visit, answering

SHORT_WAITS = (
    "import l7gw.gateway.exchange, l7gw.gateway.patience",
    "l7gw.gateway.patience.SHORT_CALLS = 2.0",
    "l7gw.gateway.patience.STREAMS = 1.5",
    "l7gw.gateway.patience.HEAD_WITHIN = 1.0",
    "l7gw.gateway.exchange.ANSWER_WITHIN = 2.0",
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest.fixture
def it(shared: Scene) -> Scene:
    shared.upstream.script = answering(OK)
    shared.upstream.visits.clear()
    return shared


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A gateway of its own that waits for seconds where others wait for a minute."""
    program(tmp_path, monkeypatch, *SHORT_WAITS)
    with scene(tmp_path / "scene") as running:
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path / "scene") as running:
        yield running


# ---------------------------------------------------------------------- identities and connections never mix


def test_a_call_refused_after_dialling_gives_its_connection_back_once(own: Scene) -> None:
    """Given back twice it would be two callers' at once, and one would get the other's answer."""
    slow, go_on = threading.Event(), threading.Event()

    def script(visit: Visit) -> None:
        while head := visit.head():
            last = head.rpartition(b" HTTP/1.1")[0].rpartition(b" ")[2]
            if last.endswith(b"/a"):
                slow.set()
                go_on.wait(5)
            body = b'"' + last + b'"'
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    own.upstream.script = script
    pods = "/api/v1/namespaces/default/pods"
    assert ask(own, own.request(f"GET {pods}/first"))[0] == 200  # one connection is idle now
    for name in ("a,b", "system:admin"):
        assert ask(own, own.request(f"GET {pods}/x", token=own.issuer.token(name, [])))[0] in (401, 403)
    with RawClient(own.gateway) as one, RawClient(own.gateway) as two:
        one.send(own.request(f"GET {pods}/a"))
        assert slow.wait(5)
        two.send(own.request(f"GET {pods}/b"))
        assert two.answer()[2] == f'"{pods}/b"'.encode()
        go_on.set()
        assert one.answer()[2] == f'"{pods}/a"'.encode()


def test_two_principals_on_one_connection_have_sessions_of_their_own(own: Scene) -> None:
    bob = own.issuer.token("bob@example.com", ["engineers"])
    own.upstream.script = answering(*[KEPT] * 20)
    with RawClient(own.gateway) as client:
        sessions = []
        for n in range(10):
            client.send(own.request(f"GET {POD}", token=bob if n % 2 else None))
            sessions.append(client.answer()[1]["l7gw-session"])
    assert set(sessions[::2]) & set(sessions[1::2]) == set()
    assert len(set(sessions)) == 2


# ---------------------------------------------------------------------- floods


def test_a_flood_of_pipelined_requests_is_answered_in_order_without_recursion(own: Scene) -> None:
    def script(visit: Visit) -> None:
        while head := visit.head():
            name = head.rpartition(b" HTTP/1.1")[0].rpartition(b"/")[2]
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(name) + name)

    own.upstream.script = script
    one = f"GET /api/v1/pods/{{}} HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer {own.token}\r\n\r\n"
    count = 1500
    with RawClient(own.gateway) as client:
        threading.Thread(target=client.send, args=("".join(one.format(n) for n in range(count)).encode(),), daemon=True).start()
        for n in range(count):
            assert client.answer()[2] == str(n).encode()


def test_a_flood_of_refused_requests_is_answered_without_recursion(it: Scene) -> None:
    one = b"GET /api/v1/pods HTTP/1.1\r\nHost: l\r\n\r\n"
    count = 1500
    with RawClient(it.gateway) as client:
        client.send(one * count)
        assert [client.answer()[0] for _ in range(count)] == [401] * count
    assert alive(it)


def test_a_client_that_reads_nothing_holds_back_the_answers_to_its_later_calls(own: Scene) -> None:
    """An answer that is not read fills what may wait; the next must not pile up behind it without bound."""
    sent = [0]

    def script(visit: Visit) -> None:
        part = b"x" * 65536
        while visit.head():
            visit.send(CHUNKED)
            while True:
                visit.socket.settimeout(2)
                visit.send(b"10000\r\n" + part + b"\r\n")
                sent[0] += len(part)
                if b"/log" not in bytes(visit.received) and sent[0] > 40 * 65536:
                    visit.send(b"0\r\n\r\n")
                    break

    own.upstream.script = script
    with RawClient(own.gateway) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(own.request("GET /api/v1/pods") + own.request(f"GET {POD}/log?follow=true"))
        until(lambda: stands_still(sent))
        assert sent[0] < 24 * 1024 * 1024
    assert alive(own)


def test_a_slow_reader_gets_everything_in_the_end(own: Scene) -> None:
    part, parts, sent = os.urandom(65536), 600, [0]

    def script(visit: Visit) -> None:
        visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(part) * parts))
        for _ in range(parts):
            visit.send(part)
            sent[0] += 1
        visit.drain()

    own.upstream.script = script
    with RawClient(own.gateway) as client:
        client.send(own.request("GET /api/v1/pods", "Connection: close"))
        until(lambda: stands_still(sent))
        assert 0 < sent[0] < parts  # held back: the kernel's buffers on the way take some 20 MB
        got = bytearray()
        while data := client.socket.recv(65536):
            got += data
    assert got.partition(b"\r\n\r\n")[2] == part * parts


def test_what_comes_behind_an_upgrade_before_its_101_is_bounded(it: Scene) -> None:
    """Refused when more than may wait was read, or read no further and refused with the cluster's end: as the packets fall."""
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
        frames = side.receive(bytes(visit.received).partition(b"\r\n\r\n")[2] or visit.socket.recv(65536))
        side.send(Message(b"\x01" + frames[0].data[1:], False))
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


# ---------------------------------------------------------------------- answers of every kind


def test_answers_without_a_body_keep_the_connection_in_step(own: Scene) -> None:
    own.upstream.script = answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        KEPT,
    )
    with RawClient(own.gateway) as client:
        client.send(own.request(f"HEAD {POD}"))
        assert client.answer("HEAD")[::2] == (200, b"")
        for code in (204, 304):
            client.send(own.request(f"GET {POD}"))
            assert client.answer()[::2] == (code, b"")
        client.send(own.request(f"HEAD {POD}"))
        assert client.answer("HEAD")[::2] == (200, b"")
        client.send(own.request(f"GET {POD}"))
        assert client.answer()[::2] == (200, b"{}")
    assert len(own.upstream.visits) == 1


def test_a_refused_head_request_has_no_body(it: Scene) -> None:
    with RawClient(it.gateway) as client:
        client.send(b"HEAD /api/v1/pods HTTP/1.1\r\nHost: l\r\n\r\n")
        assert client.answer("HEAD")[::2] == (401, b"")
        client.send(it.request(f"GET {POD}"))
        assert client.answer()[::2] == (200, b"{}")


def test_expect_100_continue_is_answered_when_the_body_is_wanted_and_only_then(it: Scene) -> None:
    with RawClient(it.gateway) as client:
        client.send(it.request("POST /api/v1/namespaces/default/pods", "Expect: 100-continue", "Content-Length: 2"))
        assert client.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert not it.upstream.received
        client.send(b"{}")
        assert client.answer("POST")[0] == 200
    assert b"expect" not in it.upstream.received.lower()
    with RawClient(it.gateway) as client:
        client.send(b"POST /api/v1/pods HTTP/1.1\r\nHost: l\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n")
        status, headers, _ = client.answer("POST")
        assert (status, headers["connection"]) == (401, "close")
        client.send(it.request("GET /api/v1/secrets"))
        client.rest()
    assert b"secrets" not in it.upstream.received


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    "answer",
    [CHUNKED + b"4\r\nhalf\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", CHUNKED + b"4\r\nhalf\r\nzz\r\n"],
    ids=["chunks", "length", "garbage"],
)
def test_a_cut_answer_never_looks_whole(it: Scene, version: str, answer: bytes) -> None:
    """No last chunk, not all of the length; and to HTTP/1.0, whose bodies may end with the connection, no close_notify."""

    def script(visit: Visit) -> None:
        visit.head()
        visit.send(answer)

    it.upstream.script = script
    import ssl

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
        os.close(client.socket.detach())  # not even a TLS end
    assert alive(it)


def test_an_exec_that_the_cluster_cuts_is_told_as_failed(it: Scene) -> None:
    def script(visit: Visit) -> None:
        accepted(visit)
        visit.send(b"\x82\x05\x01half")

    it.upstream.script = script
    client, leg = exec_client(it)
    with client:
        assert "ended the connection" in failure(messages(client, leg))


# ---------------------------------------------------------------------- ending, reloading


def test_the_drain_completes_calls_and_tells_streams_that_they_failed(impatient: Scene) -> None:
    it = impatient
    answered = threading.Event()

    def script(visit: Visit) -> None:
        head = visit.head()
        if b"/exec" in head:
            visit._read = 0
            running(visit)
        elif b"watch" in head:
            visit.send(CHUNKED + b"2\r\n{}\r\n")
            visit.drain(10)
        else:
            answered.wait(10)
            visit.send(OK)

    it.upstream.script = script
    shell, leg = exec_client(it)
    call, watch, idle = RawClient(it.gateway), RawClient(it.gateway), RawClient(it.gateway)
    with shell, call, watch, idle:
        call.send(it.request(f"GET {POD}"))
        watch.send(it.request(f"GET {WATCH}"))
        until(lambda: len(it.upstream.visits) == 3)
        watch.socket.recv(1000)
        process = it.gateway.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        idle.rest(5)
        idle.socket.close()
        with pytest.raises(OSError):
            until(lambda: RawClient(it.gateway).socket.close(), 3)
        answered.set()
        status, headers, _ = call.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert "restarted" in failure(messages(shell, leg, lambda found: bool(found) and isinstance(found[-1], Close)))
        assert not watch.rest(5).endswith(b"0\r\n\r\n")
        for client in (shell, call):  # as Go's clients do
            client.socket.close()
        assert process.wait(10) == 0
    assert outcomes(it, EXEC) == ["cut"]
    assert outcomes(it, POD) == ["complete"]
    assert {session["state"] for session in it.gateway.sessions()} == {"closed"}
    assert not trouble(it)


def test_a_second_sigterm_ends_at_once_and_the_journal_is_sound(own: Scene) -> None:
    own.upstream.script = running
    client, _leg = exec_client(own)
    process = own.gateway.process
    assert process is not None
    with client:
        process.send_signal(signal.SIGTERM)
        until(lambda: "no more connections" in own.gateway.log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 1
    own.gateway.l7gw("verify")


def test_reloading_under_load_loses_no_call_and_a_broken_file_changes_nothing(own: Scene) -> None:
    own.upstream.script = serve_for_ever
    process = own.gateway.process
    assert process is not None
    config = own.gateway.config.read_text()
    with Load(own) as load:
        load.more(50)
        for n in range(5):
            process.send_signal(signal.SIGHUP)
            until(lambda n=n: own.gateway.log.count("configuration read again") > n)  # type: ignore[misc]
            load.more(20)
        for broken in ("rules: [", "{}", config.replace("impersonate: groups", "impersonate: nonsense"), "\x00\xff"):
            own.gateway.config.write_text(broken)
            before = own.gateway.log.count("the former stays in force")
            process.send_signal(signal.SIGHUP)
            until(lambda before=before: own.gateway.log.count("the former stays in force") > before)  # type: ignore[misc]
            load.more(20)
        own.gateway.config.unlink()
        process.send_signal(signal.SIGHUP)
        load.more(50)
    assert not load.faults
    assert set(load.statuses) == {200}


def test_a_policy_changes_under_load_for_all_and_a_broken_one_for_none(own: Scene) -> None:
    own.upstream.script = serve_for_ever
    allowing = own.gateway.policy.read_text()

    def put(text: str) -> None:
        new = own.gateway.policy.with_name("new.yaml")
        new.write_text(text)
        new.rename(own.gateway.policy)

    with Load(own) as load:
        load.more(20)
        put("rules: [{name: x")
        until(lambda: "the changed policy is not used" in own.gateway.log)
        load.more(20)
        own.gateway.policy.unlink()
        until(lambda: own.gateway.log.count("the changed policy is not used") == 2)
        load.more(20)
        assert set(load.statuses) == {200}
        put("rules:\n  - {name: none, effects: ['*'], verdict: deny}\n")
        until(lambda: load.statuses[-1] == 403)
        put(allowing)
        until(lambda: load.statuses[-1] == 200)
    assert not load.faults
    assert set(load.statuses) == {200, 403}
    assert not trouble(own)


# ---------------------------------------------------------------------- kill -9


def test_after_kill_9_in_a_flood_the_journal_is_whole_up_to_a_second_before(own: Scene) -> None:
    sent: list[tuple[float, int]] = []

    def flood(visit: Visit) -> None:
        accepted(visit)
        n = 0
        while True:
            line = b"%08d\n" % n
            visit.send(b"\x82" + bytes((len(line) + 1,)) + b"\x01" + line)
            n += 1
            if n % 50 == 0:
                sent.append((time.monotonic(), n))
                time.sleep(0.001)

    own.upstream.script = flood
    client, _leg = exec_client(own)
    received = bytearray()

    def read() -> None:
        try:
            while data := client.socket.recv(65536):
                received.extend(data)
        except OSError:
            pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    until(lambda: sent and sent[-1][0] - sent[0][0] > 2.5)
    killed = time.monotonic()
    own.gateway.kill()
    reader.join(5)
    client.socket.close()
    own.gateway.l7gw("verify")
    (session,) = own.gateway.sessions()
    assert session["state"] == "torn"
    frames = [e for e in own.gateway.events(session["id"]) if e["type"] == "frame" and e["channel"] == "stdout"]
    output = "".join(frame["text"] for frame in frames).encode()
    lines = output.split()
    assert lines == [b"%08d" % n for n in range(len(lines))]
    arrived = [int(n) for n in re.findall(rb"(\d{8})\n", bytes(received))]
    old = max(n for at, n in sent if at < killed - 1.0)
    assert len(lines) >= min(old, arrived[-1] if arrived else 0) - 50
    own.gateway.start()
    assert alive(own)
    own.gateway.l7gw("verify")


# ---------------------------------------------------------------------- nothing unrecorded


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    import subprocess

    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "l7gw-test", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("reserve", ["1MiB", "8MiB"])
def test_nothing_passes_when_the_disk_is_full_and_all_does_when_it_is_not(tmp_path: Path, small_disk: Path, reserve: str) -> None:
    def script(visit: Visit) -> None:
        if b"/exec" in visit.head():
            visit._read = 0
            running(visit)
        else:
            visit._read = 0
            serve_for_ever(visit)

    with scene(tmp_path / "scene", script, state=str(small_disk / "state"), recording={"reserve": reserve}) as it:
        shell, leg = exec_client(it)
        with shell:
            messages(shell, leg, bool)
            filler = small_disk / "filler"
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(65536)):
                    pass
            refused = until(lambda: (answer := ask(it, it.request(f"GET {POD}")))[0] == 503 and answer)
            assert "cannot be recorded" in json.loads(refused[2])["message"]
            assert "retry-after" not in refused[1]
            before = it.upstream.received.count(b"GET ")
            assert {ask(it, it.request(f"DELETE {POD}"), "DELETE")[0] for _ in range(5)} == {503}
            assert it.upstream.received.count(b"GET ") == before and b"DELETE" not in it.upstream.received
            leg.send(Message(b"\x00" + os.urandom(8000), False))
            shell.send(leg.take())
            assert "recorded" in failure(messages(shell, leg))
        filler.unlink()
        until(lambda: ask(it, it.request(f"DELETE {POD}"), "DELETE")[0] == 200)
        it.gateway.stop()
        it.gateway.l7gw("verify")
        assert not trouble(it)


def test_no_byte_of_any_token_is_on_the_disk_or_in_the_log(own: Scene) -> None:
    from urllib.parse import quote

    other = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.CANARYCANARYCANARY"
    for token in (own.token, other):
        encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
        everywhere = "".join(f"%{byte:02X}" for byte in token.encode())
        for data in (
            own.request(f"GET {POD}?fieldManager={token}", token=token),
            own.request(f"GET {POD}?fieldManager={quote(token)}", f"Cookie: a={token}", f"User-Agent: {token}", token=token),
            own.request(f"GET {POD}?fieldManager={everywhere}", f"Kubectl-Command: {token}", token=token),
            own.request(f"GET {EXEC}", *WEBSOCKET[:-1], f"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.{encoded}"),
            own.request(f"GET {POD}", f"Kubectl-Session: {token}", f"Content-Type: {token}", token=token),
            f"GET {POD} HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer {token} x\r\n\r\n".encode(),
            f"GET {POD} HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer {token}\r\n X: y\r\n\r\n".encode(),
        ):
            with RawClient(own.gateway) as client:
                client.send(data)
                client.socket.recv(65536)
    own.gateway.stop()
    written = json.dumps([own.gateway.events(s["id"]) for s in own.gateway.sessions()]) + own.gateway.log
    assert "request" in written
    for token in (own.token, other):
        for part in token.split(".")[1:]:
            assert part[:20] not in written
            assert base64.urlsafe_b64encode(token.encode()).decode()[40:80] not in written
            assert "".join(f"%{byte:02X}" for byte in part[:20].encode()) not in written


def test_everything_that_reached_the_cluster_is_in_the_record(own: Scene) -> None:
    """Reads too, though nobody waits for them: what was up when the gateway ended is there."""
    own.upstream.script = serve_for_ever
    with Load(own, 3) as load:
        load.more(200)
    own.gateway.stop()
    reached = own.upstream.received.count(b" HTTP/1.1\r\n")
    recorded = outcomes(own, POD)
    assert len(recorded) == reached
    own.gateway.l7gw("verify")


def test_files_of_the_state_are_the_gateways_alone(it: Scene) -> None:
    for path in [it.gateway.state, *it.gateway.state.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_the_gateway_made_no_mistake_in_all_of_this(it: Scene) -> None:
    assert alive(it)
    assert not trouble(it)
    with pytest.raises(h11.RemoteProtocolError), RawClient(it.gateway) as client:
        client.send(b"\x00" * 100)
        client.rest()
        client.answer()
