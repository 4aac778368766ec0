"""What the tests of faults share: clients and clusters that do one thing, and a way to wait for a condition."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.support.gateway_process
from l7gw.wire.websocket import Connection
from l7gw.wire.websocket_events import Close, Message
from tests.support.http_callers import CALLERS, POD, Caller, TurnedAway
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.scene import Scene
from tests.support.scripted_upstream import KEPT, OK, Visit, answering, switched

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
PLAIN = CHUNKED.replace(b"application/json", b"text/plain")
EXEC = f"{POD}/exec?command=sh&stdin=true&stdout=true"


PIECE = 65_536  # bytes


def long_list(size: int) -> Iterator[bytes]:
    """A list in JSON of so many bytes, a multiple of PIECE, in pieces of PIECE."""
    pieces = size // PIECE
    for number in range(pieces):
        before = b'{"kind":"ConfigMapList","apiVersion":"v1","metadata":{},"items":[' if not number else b","
        behind = b"]}" if number == pieces - 1 else b""
        item = b'{"metadata":{"name":"a"},"data":{"text":"%s"}}'
        yield before + item % (b"x" * (PIECE - len(before) - len(behind) - len(item) + 2)) + behind


def until(condition: Callable[[], Any], within: float = 30.0) -> Any:
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
    return value


def accepted(visit: Visit) -> None:
    """Read the head of a WebSocket upgrade and accept it."""
    switched(visit, visit.head())


def running(visit: Visit) -> None:
    """An exec that never ends by itself."""
    accepted(visit)
    visit.send(b"\x82\x06\x01ready")
    visit.drain(10)


def exec_client(it: Scene, target: str = EXEC) -> tuple[RawClient, Connection]:
    client = RawClient(it.gateway)
    client.send(it.request(f"GET {target}", *WEBSOCKET))
    client.upgraded()
    return client, Connection("client")


def messages(client: RawClient, leg: Connection, enough: Callable[[list[Any]], bool] = lambda found: False) -> list[Any]:
    """The events that come until `enough` says so, or until the gateway ends the connection."""
    found: list[Any] = []
    while not enough(found):
        data = client.socket.recv(65536)
        if not data:
            return found
        found += leg.receive(data)
    return found


def failure(found: list[Any]) -> str:
    """The message of the Status that tells a client that its exec failed; kubectl then exits with 1."""
    error = [one.data[1:] for one in found if isinstance(one, Message) and one.data[:1] == b"\x03"]
    assert len(error) == 1, found
    status = json.loads(error[0])
    assert status["status"] == "Failure"
    assert isinstance(found[-1], Close)
    text: str = status["message"]
    return text


def ask(it: Scene, data: bytes, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    with RawClient(it.gateway) as client:
        client.send(data)
        return client.answer(method)


def alive(it: Scene) -> bool:
    """Whether the gateway still answers a call."""
    before, it.upstream.script = it.upstream.script, answering(OK)
    try:
        return ask(it, it.request(f"GET {POD}"))[0] == 200
    finally:
        it.upstream.script = before


def outcomes(it: Scene, target: str) -> list[str]:
    """The outcomes of all exchanges with this target, over all sessions."""
    found = []
    for session in it.gateway.sessions():
        events = it.gateway.events(session["id"])
        numbers = {e["exchange"] for e in events if e["type"] == "request" and e["target"] == target}
        found += [e["outcome"] for e in events if e["type"] == "end" and e["exchange"] in numbers]
    return found


def trouble(it: Scene) -> list[str]:
    """The lines of the gateway's log that tell of a bug."""
    return [line for line in it.gateway.log.splitlines() if re.search("Traceback|Error|exception|never retrieved", line)]


def stands_still(count: list[int]) -> bool:
    before = count[0]
    time.sleep(0.3)
    return before == count[0] > 0


class Load:
    """Clients that call all the time. Each has one connection or, with `fresh`, a new one for each call."""

    def __init__(self, it: Scene, clients: int = 4, *, fresh: bool = False, pause: float = 0.0, protocol: str = "http/1.1") -> None:
        self.it = it
        self.statuses: list[int] = []
        self.seconds: list[float] = []  # how long each call took
        self.faults: list[Exception] = []
        self.turned_away = 0  # connections that were refused before a call was sent
        self._caller = CALLERS[protocol]
        self._fresh = fresh
        self._pause = pause
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(5)

    def _ask(self) -> None:
        try:
            while not self._over.is_set():
                try:
                    caller = self._caller(self.it)
                except OSError:
                    self.turned_away += 1
                    return
                with contextlib.closing(caller), contextlib.suppress(TurnedAway):
                    self._call(caller)
                    while caller.open and not self._fresh and not self._over.is_set():
                        self._call(caller)
        except Exception as error:
            self.faults.append(error)

    def _call(self, caller: Caller) -> None:
        began = time.monotonic()
        self.statuses.append(caller.call()[0])
        self.seconds.append(time.monotonic() - began)
        time.sleep(self._pause)

    def more(self, count: int) -> None:
        goal = len(self.statuses) + count
        until(lambda: len(self.statuses) >= goal or self.faults)

    def p99(self, seconds: float) -> float:
        """The 99th percentile, in seconds, of the times of the calls within the next so many seconds."""
        before = len(self.seconds)
        time.sleep(seconds)
        taken = sorted(self.seconds[before:])
        assert taken, "no call was answered"
        return taken[len(taken) * 99 // 100]


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Make the gateways of this test run these lines of Python before they begin."""
    path = folder / "l7gw"
    path.write_text("\n".join([f"#!{sys.executable}", *lines, "from l7gw.cli.main import main", "main()", ""]))
    path.chmod(0o700)
    monkeypatch.setattr(tests.support.gateway_process, "L7GW", path)


def resident(it: Scene) -> int:
    """Bytes of memory that the gateway's process has (VmRSS, proc(5))."""
    assert it.gateway.process is not None
    status = Path(f"/proc/{it.gateway.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def serve_for_ever(visit: Visit) -> None:
    while visit.head():
        visit.send(KEPT)
