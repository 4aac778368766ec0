"""The gateway is ended, reloaded or killed under load. No call is lost, and no file is torn."""

from __future__ import annotations

import re
import signal
import threading
import time

import pytest

from l7gw.wire.websocket_events import Close
from tests.support.faults import (
    CHUNKED,
    EXEC,
    Load,
    accepted,
    alive,
    exec_client,
    failure,
    messages,
    outcomes,
    running,
    serve_for_ever,
    trouble,
    until,
)  # fmt: skip
from tests.support.http_callers import POD, WATCH
from tests.support.raw_client import RawClient
from tests.support.scene import Scene
from tests.support.scripted_upstream import OK, Visit

# ---------------------------------------------------------------------- ending


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
        for client in (shell, call):  # Go's clients do so too
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


# ---------------------------------------------------------------------- reading again


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
