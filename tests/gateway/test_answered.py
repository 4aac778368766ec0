"""A client that breaks HTTP/2 within a call hears why on its own stream, before, while and after the call travels; the others go
on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from l7gw.wire import http2_frames as frames
from tests.support.http2_reading import END_STREAM, GET, HELLO, POST, block, data, frames_of, head_of, window
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import KEPT, Visit

POD = "/api/v1/namespaces/default/pods/web-0"
asked, released = threading.Event(), threading.Event()


def slow(visit: Visit) -> None:
    """Answer each request; the one for `slow` only when the test says so."""
    while visit.head():
        if b"/slow " in bytes(visit.received):
            asked.set()
            released.wait(10)
        visit.send(KEPT)


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("answered"), slow) as running:
        yield running
        released.set()


def request(it: Scene, stream: int, path: str = POD, *more: tuple[str, str], end: bool = True, known: bool = True) -> bytes:
    """A HEADERS frame, with Ann's token or without one."""
    start = [pair for pair in (GET if end else POST) if pair[0] != ":path"]
    token = [("authorization", f"Bearer {it.token}")] if known else []
    return head_of(stream, block(*start, (":path", path), *token, *more), end=end)


def heard(client: RawClient, *streams: int, reset: int = 0) -> dict[int, list[tuple[int, int, bytes]]]:
    """Read frames until each of `streams` has ended by END_STREAM, and `reset` by a reset. Returns (type, flags, payload) of the
    frames of each stream."""
    found: dict[int, list[tuple[int, int, bytes]]] = {stream: [] for stream in (reset, *streams)}
    left = b""

    def missing() -> bool:
        unended = [s for s in streams if not any(kind <= 1 and flags & END_STREAM for kind, flags, _ in found[s])]
        return bool(unended) or not resets(found[reset])

    while missing():
        more = client.socket.recv(65536)
        assert more, f"the connection ended: {found}"
        left += more
        while len(left) >= 9 and len(left) >= (size := 9 + int.from_bytes(left[:3], "big")):
            ((kind, flags, stream, payload),) = frames_of(left[:size])
            left = left[size:]
            found.setdefault(stream, []).append((kind, flags, payload))
    return found


def message(came: list[tuple[int, int, bytes]]) -> str:
    text: str = json.loads(b"".join(payload for kind, _, payload in came if kind == frames.DATA))["message"]
    return text


def resets(came: list[tuple[int, int, bytes]]) -> list[int]:
    return [int.from_bytes(payload, "big") for kind, _, payload in came if kind == frames.RST_STREAM]


def refused(it: Scene) -> list[str]:
    """The reasons of refusals in the recordings."""
    events = [event for session in it.gateway.sessions() for event in it.gateway.events(session["id"])]
    return [event["reason"] for event in events if event["type"] == "verdict" and event["verdict"] == "refused"]


def test_a_malformed_request_is_told_so_and_the_next_is_served(it: Scene) -> None:
    with RawClient(it.gateway, protocols=["h2"]) as client:
        client.send(HELLO + request(it, 1, POD, ("te", "gzip")) + request(it, 3))
        came = heard(client, 1, 3, reset=1)
        assert message(came[1]) == "l7gw: a field's name that HTTP/2 does not allow" and resets(came[1]) == [1]
        assert not resets(came[3])
    assert any("a field's name that HTTP/2 does not allow" in reason for reason in refused(it))


def test_a_fault_within_a_body_is_refused_and_nothing_of_the_body_goes_up(it: Scene) -> None:
    with RawClient(it.gateway, protocols=["h2"]) as client:
        body = request(it, 1, "/api/v1/namespaces/default/pods?never", ("content-length", "1"), end=False) + data(1, b"xyz")
        client.send(HELLO + body + request(it, 3))
        came = heard(client, 1, 3, reset=1)
        assert message(came[1]) == "l7gw: more body than was announced" and resets(came[1]) == [1]
    assert b"never" not in it.upstream.received


def test_a_fault_in_the_same_read_as_a_refused_request_changes_no_answer(it: Scene) -> None:
    with RawClient(it.gateway, protocols=["h2"]) as client:
        body = request(it, 1, POD, ("content-length", "1"), end=False, known=False) + data(1, b"xyz")
        client.send(HELLO + body)
        came = heard(client, 1, reset=1)
        assert "more body" not in message(came[1]) and resets(came[1]) == [1]
    assert "failed at this call" not in it.gateway.log


def test_a_fault_while_the_cluster_works_says_that_it_may_have_been_done(it: Scene) -> None:
    with RawClient(it.gateway, protocols=["h2"]) as client:
        client.send(HELLO + request(it, 1, f"{POD}/slow"))
        assert asked.wait(10)
        client.send(window(1, 0))
        came = heard(client, 1, reset=1)
        assert message(came[1]) == "l7gw: a window update of nothing; the call may have been carried out" and resets(came[1]) == [1]
    released.set()
    assert any("a window update of nothing; the call may have been carried out" in reason for reason in refused(it))
