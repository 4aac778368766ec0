"""A container's log on its way to the client: what a Secret holds is masked, nothing waits for bytes that may never come, and a rule
may end a log in which something was masked."""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path

import h11
import pytest

from tests.support.faults import ask
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit, answering

VALUE = b"correct horse battery 7"
LOG = "/api/v1/namespaces/d/pods/web-0/log"
ENDING = """
rules:
  - {name: all, effects: ["*"], verdict: allow, on-mask: end}
"""


def _answer(body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _read_secret(it: Scene) -> None:
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "d"},
        "data": {"password": base64.b64encode(VALUE).decode()},
    }  # fmt: skip
    it.upstream.script = answering(_answer(json.dumps(secret).encode(), "application/json"))
    assert ask(it, it.request("GET /api/v1/namespaces/d/secrets/db"))[0] == 200


def test_a_log_is_masked_at_the_clients_socket_and_on_the_disk(it: Scene) -> None:
    _read_secret(it)
    it.upstream.script = answering(_answer(b"is " + VALUE + b"\nand " + VALUE[:9], "text/plain"))
    status, _, body = ask(it, it.request(f"GET {LOG}"))
    assert status == 200
    assert body.startswith(b"is ****")
    assert len(body) == len(b"is " + VALUE + b"\nand " + VALUE[:9]) and body.endswith(b"\nand *********")
    (session,) = it.gateway.sessions()
    events = it.gateway.events(session["id"])
    assert VALUE.decode() not in json.dumps(events)
    assert [event["where"] for event in events if event["type"] == "mask" and event["where"].startswith("log:")] == [
        "log:3",
        "log:31",
    ]


def test_a_followed_log_gives_what_may_begin_a_value_though_nothing_follows(it: Scene) -> None:
    _read_secret(it)
    seen = threading.Event()

    def script(visit: Visit) -> None:
        visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        visit.send(b"9\r\n> correct\r\n")
        seen.wait(10)

    it.upstream.script = script
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {LOG}?follow=true"))
        shown = b""
        while b"correct" not in shown:
            data = client.socket.recv(65536)
            assert data
            shown += data
        seen.set()


def test_a_rule_may_end_a_log_at_its_first_masked_value(tmp_path: Path) -> None:
    with scene(tmp_path, policy=ENDING) as it:
        _read_secret(it)
        it.upstream.script = answering(_answer(b"is " + VALUE + b"\n" + b"more\n" * 100, "text/plain"))
        with pytest.raises(h11.RemoteProtocolError):
            ask(it, it.request(f"GET {LOG}"))
        (session,) = it.gateway.sessions()
        end = it.gateway.events(session["id"])[-1]
        ends = [event for event in it.gateway.events(session["id"]) if event["type"] == "end"]
        assert ends[-1]["outcome"] == "cut", end
        assert "a value was masked (registry)" in ends[-1]["reason"]
