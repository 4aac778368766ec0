"""Connections, calls and recorded bytes are freed as soon as they end. Objects that refer to each other would stay until Python's
garbage collector looks at the oldest generation. Under load that is minutes later; the buffers of TLS and recorded bytes would stay
with them (threats I4)."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from l7gw.clock import SystemClock
from l7gw.gateway.downstream_http1 import Http1Downstream
from l7gw.kube.known_lines import LONGEST, MOST_REMEMBERED, KnownLines
from l7gw.limits import USUAL_LIMITS
from l7gw.wire.events import Request
from tests.support.faults import exec_client, program, running, serve_for_ever, until
from tests.support.http_callers import CALLERS, WATCH, Http2Caller
from tests.support.scene import Scene, scene
from tests.support.scripted_cluster_http2 import EVENT, Cluster
from tests.support.scripted_upstream import Visit

if TYPE_CHECKING:
    from l7gw.gateway.worker import Worker

CONNECTIONS = 20
WEIGH = "sum(map(sys.getsizeof, gc.get_objects()))"  # bytes of all objects that refer to others; buffers and texts are none
IDLE_WATCH = 2_600  # such bytes of a watch that waits for its next event, over HTTP/2 on both sides; measured: 2,290, and 5,700 with four empty deques


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A gateway whose garbage collector runs only at SIGUSR1, and then logs how many objects it found."""
    program(
        tmp_path, monkeypatch, "import gc, signal, sys", "gc.disable()",
        "signal.signal(signal.SIGUSR1, lambda *_: sys.stderr.write(f'collected {gc.collect()}\\n'))",
    )  # fmt: skip
    with scene(tmp_path / "scene", serve_for_ever) as running:
        yield running


def collected(it: Scene) -> int:
    """The number of objects that only the collector could free, since it ran last."""
    return told(it, r"collected (\d+)\n")


def told(it: Scene, pattern: str) -> int:
    """The number in the line of this pattern that SIGUSR1 has the gateway write."""
    assert it.gateway.process is not None
    line = re.compile(pattern)
    before = len(line.findall(it.gateway.log))
    it.gateway.process.send_signal(signal.SIGUSR1)
    until(lambda: len(line.findall(it.gateway.log)) > before)
    return int(line.findall(it.gateway.log)[-1])


@pytest.mark.parametrize("protocol", CALLERS)
def test_a_connection_a_call_and_what_is_recorded_of_it_are_freed_when_they_end(own: Scene, protocol: str) -> None:
    def load() -> int:
        for _ in range(CONNECTIONS):
            with contextlib.closing(CALLERS[protocol](own)) as caller:
                assert caller.call()[0] == 200
        time.sleep(0.5)  # most of it is written
        return collected(own)

    load()  # the first calls fetch keys; objects of that client refer to each other
    assert load() < CONNECTIONS


@pytest.mark.parametrize("protocol", CALLERS)
def test_a_client_that_leaves_before_the_answer_leaves_nothing_in_memory(own: Scene, protocol: str) -> None:
    """The connection to the cluster and its TLS end with the call."""

    def load() -> int:
        heard: list[Visit] = []
        left: list[Visit] = []

        def script(visit: Visit) -> None:
            visit.head()
            heard.append(visit)
            visit.drain(10)
            left.append(visit)

        own.upstream.script = script
        for number in range(1, CONNECTIONS + 1):
            with contextlib.closing(CALLERS[protocol](own)) as caller:
                caller.ask("/api/v1/namespaces/default/pods/web-0")
                until(lambda number=number: len(heard) == number)  # type: ignore[misc]
        until(lambda: len(left) == CONNECTIONS)
        return collected(own)

    load()
    assert load() < CONNECTIONS


def test_an_exec_that_ended_leaves_nothing_in_memory(own: Scene) -> None:
    """Both connections of the exec end with it."""

    def load() -> int:
        left: list[Visit] = []

        def script(visit: Visit) -> None:
            running(visit)
            left.append(visit)

        own.upstream.script = script
        for number in range(1, CONNECTIONS + 1):
            client, _ = exec_client(own)
            with client:
                client.socket.recv(100)
            until(lambda number=number: len(left) == number)  # type: ignore[misc]
        return collected(own)

    load()
    assert load() < CONNECTIONS


def test_an_idle_watch_holds_no_more_than_it_needs_for_its_next_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of its head is kept, and no buffers for bytes that seldom wait: ten thousand watches are usual (threats I2)."""
    program(
        tmp_path, monkeypatch, "import gc, signal, sys",
        f"signal.signal(signal.SIGUSR1, lambda *_: sys.stderr.write(f'collected {{gc.collect()}}; {{{WEIGH}}} bytes\\n'))",
    )  # fmt: skip
    cluster = Cluster()
    with scene(tmp_path / "scene", cluster) as it, contextlib.closing(Http2Caller(it)) as caller:
        it.upstream.speaks("h2")
        caller.hear_on_all(WATCH, 20, EVENT, lambda: None)  # these bring what is made once
        before = told(it, r"; (\d+) bytes\n")
        caller.hear_on_all(WATCH, 60, EVENT, lambda: None)
        assert (told(it, r"; (\d+) bytes\n") - before) / 60 < IDLE_WATCH


def test_request_lines_that_are_remembered_are_limited_over_all_connections() -> None:
    lines = KnownLines()
    worker = cast("Worker", SimpleNamespace(clock=SystemClock(), limits=USUAL_LIMITS, lines=lines))
    for number in range(4 * MOST_REMEMBERED // (3 * LONGEST)):
        target = f"/healthz/{number}?x="
        target += "a" * (LONGEST - len(target) + number % 2)  # every second target is one character too long
        downstream = Http1Downstream(worker)
        assert downstream.describe(Request("GET", target, ()), target).verb == "get"
    held = [target for known in (lines._known._newer, lines._known._older) for _, target in known]
    assert {len(target) for target in held} == {LONGEST} and 3 * sum(map(len, held)) <= 2 * MOST_REMEMBERED
