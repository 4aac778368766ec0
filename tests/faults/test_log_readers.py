"""Whoever reads the log, or reads it no more, costs no call anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from tests.support.gateway_process import L7GW
from tests.support.http_callers import POD
from tests.support.raw_client import RawClient
from tests.support.scene import Scene
from tests.support.scripted_upstream import OK, Visit

MANY = 240  # calls; a pipe takes the lines of a hundred


def _served(visit: Visit) -> None:
    while visit.head():
        visit.send(OK.replace(b"Connection: close\r\n", b""))


def _started_again(it: Scene) -> subprocess.Popen[str]:
    """The gateway with another log, which nobody reads. It listens elsewhere."""
    it.gateway.stop()
    process = subprocess.Popen(
        [L7GW, "serve", "--config", it.gateway.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    it.gateway.process = process
    it.gateway.address = process.stdout.readline().removeprefix("l7gw: ready on ").strip()
    return process


def _calls(it: Scene, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        with RawClient(it.gateway) as client:
            for _ in range(20):
                client.send(it.request(f"GET {POD}"))
                found.append(client.answer()[0])
    return found


def test_calls_go_on_while_nobody_reads_the_log_and_a_reader_who_comes_gets_every_line(own: Scene) -> None:
    own.upstream.script = _served
    process = _started_again(own)
    assert _calls(own, MANY) == [200] * MANY
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)  # reads it now
    lines = [json.loads(line) for line in log.splitlines()]
    assert len([line for line in lines if line["room"] == "access"]) == MANY
    assert not any("dropped" in line.get("message", "") for line in lines)
    assert process.returncode == 0


def test_a_gateway_whose_log_nobody_reads_ends_in_its_time(own: Scene) -> None:
    own.upstream.script = _served
    process = _started_again(own)
    _calls(own, MANY)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_calls_go_on_when_the_readers_of_log_and_stdout_are_gone(own: Scene) -> None:
    own.upstream.script = _served
    process = _started_again(own)
    assert process.stderr is not None and process.stdout is not None
    process.stderr.close()
    process.stdout.close()
    assert _calls(own, 40) == [200] * 40
    os.kill(process.pid, signal.SIGHUP)
    assert _calls(own, 20) == [200] * 20
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
