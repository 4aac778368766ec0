"""Large answers, which are handed on in the parts in which they were read: each byte of them comes to the client and to the record
in its place, over both HTTPs, and what is a secret in the midst of them comes to neither."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator

import pytest

from l7gw.recording import events as e
from l7gw.recording.session_list import key_of, summaries
from tests.support.faults import ask
from tests.support.h2_client import connected
from tests.support.journals import session_events
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import answering

PODS = "/api/v1/namespaces/d/pods"
TOKEN = b"ghp_16C7e42F292c6912E7710c838347Ae178B4a"


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Iterator[int]]]:
    """A gateway, and the numbers of the calls of its one session."""
    with scene(tmp_path_factory.mktemp("large")) as running:
        yield running, itertools.count(1)


def lines(size: int) -> bytes:
    """A log, no two lines of which are the same."""
    return b"".join(b"2026-11-01T09:00:00Z INFO request %09d took 12 ms\n" % n for n in range(size // 54))


def pods(size: int) -> bytes:
    items = [{"metadata": {"name": f"web-{n}", "namespace": "d"}, "spec": {"nodeName": f"node-{n % 7}"}} for n in range(size // 85)]
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}).encode()


def chunked(body: bytes, kind: str) -> bytes:
    """An answer in chunks of many sizes."""
    dice = random.Random(len(body))
    parts, at = [f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()], 0
    while at < len(body):
        size = dice.choice((7, 3_000, 32_768, 65_536, 200_000))
        parts.append(b"%x\r\n%b\r\n" % (len(body[at : at + size]), body[at : at + size]))
        at += size
    return b"".join((*parts, b"0\r\n\r\n"))


def with_length(body: bytes, kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


BODIES = {
    "log": (f"{PODS}/web-0/log", "text/plain", lines(3_000_000)),
    "log with a token": (f"{PODS}/web-0/log", "text/plain", lines(900_000) + b"token " + TOKEN + b"\n" + lines(900_000)),
    "list": (PODS, "application/json", pods(1_500_000)),
    "longer list": (PODS, "application/json", pods(3_500_000)),
}


async def over_http2(it: Scene, path: str) -> bytes:
    async with connected(it.gateway.port, it.gateway.authority, it.upstream.client) as client:
        stream = await client.ask("GET", path, authorization=f"Bearer {it.token}")
        assert stream.status == 200
        return bytes(stream.body)


def recorded(it: Scene, call: int) -> bytes:
    """The body of the answer to a call, once all of it is on the disk."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        events = [event for one in summaries(it.gateway.state) for event in session_events(it.gateway.state, key_of(one.id))]
        if any(isinstance(event, e.ExchangeEnded) and event.exchange == call for event in events):
            return b"".join(event.data for event in events if isinstance(event, e.ResponseBody) and event.exchange == call)
    raise AssertionError("it is not recorded")


@pytest.mark.parametrize("framed", [chunked, with_length])
@pytest.mark.parametrize(("path", "kind", "body"), BODIES.values(), ids=BODIES)
def test_a_large_answer_comes_whole_to_the_client_and_to_the_record(
    calls: tuple[Scene, Iterator[int]], path: str, kind: str, body: bytes, framed: Callable[[bytes, str], bytes]
) -> None:
    it, numbers = calls
    expected = body if TOKEN not in body else None
    it.upstream.script = answering(framed(body, kind))
    for over in ("1.1", "2"):
        call = next(numbers)
        shown = ask(it, it.request(f"GET {path}"))[2] if over == "1.1" else asyncio.run(over_http2(it, path))
        kept = recorded(it, call)
        if expected is not None:
            assert shown == expected == kept
        else:
            at = body.index(TOKEN)
            assert shown == kept and len(shown) == len(body) and TOKEN not in shown
            assert shown[:at] == body[:at] and shown[at + len(TOKEN) :] == body[at + len(TOKEN) :]
