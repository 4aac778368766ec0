"""A held call as the gateway drives it: what goes up and when, interim answers, ends. Real clients are in `tests/real/test_holds.py`."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.faults import until
from tests.support.http_callers import Http2Caller
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.reviewing_hand import Hand
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit

CONFIG_MAP = "/api/v1/namespaces/shop/configmaps/db"
PATCH = b'{"data":{"a":"2"}}'
JSON = "Content-Type: application/merge-patch+json"
GO = "User-Agent: kubectl/v1.36.3 (linux/amd64) kubernetes/abcdef0"
POLICY = """
rules:
  - name: held
    users: [ann*]
    effects: [write, delete, execute, secrets]
    verdict: hold
    reviewers: {groups: [sre]}
    wait: wait
  - name: come back
    users: [back*]
    effects: [tunnel]
    verdict: hold
    reviewers: {groups: [sre]}
    wait: come-back
  - {name: all, effects: ["*"], verdict: allow}
"""


class Cluster:
    """Keeps one ConfigMap. `asked` are the requests that came, head and body. `slow` dry runs are not answered."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.slow = False
        self.ended = threading.Event()

    def __call__(self, visit: Visit) -> None:
        head, _, body = visit.head().partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        length = next((int(line.split(": ")[1]) for line in text.split("\r\n") if line.lower().startswith("content-length: ")), 0)
        while len(body) < length and visit.more():
            body = bytes(visit.received).partition(b"\r\n\r\n")[2]
        if not text:
            return
        self.asked.append((text, body))
        if self.slow and "dryRun" in text:
            self.ended.wait(20)
            return
        changed = not text.startswith("GET")
        data = json.dumps(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "db", "namespace": "shop", "uid": "u-1", "resourceVersion": "7"},
                "data": {"a": "2" if changed else "1"},
            }
        ).encode()
        visit.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(data)
            + data
        )
        visit.socket.close()

    def lines(self) -> list[str]:
        return [text.split(" HTTP/")[0] for text, _ in self.asked]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    quick = dataclasses.replace(USUAL_TIMEOUTS, processing_every=1.0, dry_run=1.5)
    with scene(tmp_path_factory.mktemp("held"), policy=POLICY, timeouts=quick) as it:
        yield it


@pytest.fixture
def cluster(held: Scene) -> Iterator[Cluster]:
    held.upstream.script = cluster = Cluster()
    yield cluster
    cluster.ended.set()


@pytest.fixture
def hand(held: Scene) -> Iterator[Hand]:
    hand = Hand(held.gateway.state)
    yield hand
    hand.close()


USER = "ann@example.com"


def patched(held: Scene, *headers: str) -> bytes:
    return held.request(f"PATCH {CONFIG_MAP}?fieldManager=x", JSON, *headers, body=PATCH)


def test_what_goes_up_after_an_approval_is_what_goes_up_without_a_hold(held: Scene, cluster: Cluster, hand: Hand) -> None:
    with RawClient(held.gateway) as client:
        client.send(patched(held, GO))
        hold = hand.pending(USER)
        assert cluster.lines() == [f"GET {CONFIG_MAP}", f"PATCH {CONFIG_MAP}?fieldManager=x&dryRun=All"]
        hand.approve(hold)
        status, headers, _ = client.answer("PATCH")
        assert status == 200 and headers["warning"].startswith("299 - \"l7gw: held by rule 'held', approved by lea after ")
    held_text, held_body = cluster.asked[-1]
    token = held.issuer.token("bob@example.com", ["engineers"])
    with RawClient(held.gateway) as client:
        client.send(held.request(f"PATCH {CONFIG_MAP}?fieldManager=x", JSON, GO, body=PATCH, token=token))
        assert client.answer("PATCH")[0] == 200
    text, body = cluster.asked[-1]

    def same(lines: str) -> list[str]:
        varying = ("audit-id:", "impersonate-extra-l7gw-", "impersonate-user")
        return [line for line in lines.split("\r\n") if not line.lower().startswith(varying)]

    assert body == held_body == PATCH and same(text) == same(held_text)


@pytest.mark.long
@pytest.mark.parametrize(("agent", "most"), [(GO, 5), ("User-Agent: OpenAPI-Generator/36.0.0/python", 0)])
def test_a_client_of_http1_that_bears_them_gets_five_interim_answers(
    held: Scene, cluster: Cluster, hand: Hand, agent: str, most: int
) -> None:
    with RawClient(held.gateway) as client:
        client.send(patched(held, agent))
        hold = hand.pending(USER)
        client.socket.settimeout(2.5)
        found = b""
        try:
            while True:
                found += client.socket.recv(4096)
        except TimeoutError:
            pass
        assert found == b"HTTP/1.1 102 Processing\r\n\r\n" * most
        hand.deny(hold)
        client.socket.settimeout(20)
        while b"\r\n\r\n" not in found.removeprefix(b"HTTP/1.1 102 Processing\r\n\r\n" * most):
            found += client.socket.recv(4096)
        assert b"HTTP/1.1 403 " in found


def test_a_call_made_while_another_is_looked_at_is_among_what_its_reviewer_is_shown(
    held: Scene, cluster: Cluster, hand: Hand
) -> None:
    cluster.slow = True
    user = "ann-busy@example.com"
    token = held.issuer.token(user, ["engineers"])
    with RawClient(held.gateway) as client, RawClient(held.gateway) as other:
        client.send(held.request(f"PATCH {CONFIG_MAP}", JSON, GO, body=PATCH, token=token))
        until(lambda: any("dryRun" in line for line in cluster.lines()))
        other.send(held.request("GET /api/v1/namespaces/shop/configmaps/meanwhile", token=token))
        assert other.answer("GET")[0] == 200
        hold = hand.pending(user)
        assert [one.partition(": ")[2] for one in hold.shown.recent] == ["kubectl get configmaps meanwhile -n shop"]
        hand.deny(hold)


def test_a_dry_run_that_takes_too_long_is_shown_as_such(held: Scene, cluster: Cluster, hand: Hand) -> None:
    cluster.slow = True
    with RawClient(held.gateway) as client:
        client.send(patched(held, GO))
        hold = hand.pending(USER)
        assert "the dry run failed: the cluster does not answer" in hold.shown.dry_run
        assert hold.shown.sent == 'data:\n  a: "2"'
        hand.deny(hold)
        assert client.answer("PATCH")[0] == 403
    assert not [line for line in cluster.lines() if line.startswith("PATCH") and "dryRun" not in line]


def test_a_client_that_leaves_cancels_its_hold_and_nothing_goes_up(held: Scene, cluster: Cluster, hand: Hand) -> None:
    with RawClient(held.gateway) as client:
        client.send(patched(held, GO))
        hold = hand.pending(USER)
        client.socket.shutdown(socket.SHUT_RDWR)
    assert hand.became(hold, "cancelled").why.startswith("the client left")  # before or after the call was told of its hold
    assert "dryRun" in cluster.lines()[-1]


def test_a_client_that_leaves_with_requests_behind_a_held_one_cancels_its_hold_too(
    held: Scene, cluster: Cluster, hand: Hand
) -> None:
    """Its connection is not read while requests wait in it, and its end must be noticed still (threats G6)."""
    with RawClient(held.gateway) as client:
        client.send(patched(held, GO) + held.request("GET /api/v1/namespaces/shop/pods") * 2000)
        hold = hand.pending(USER)
        client.socket.shutdown(socket.SHUT_RDWR)
    assert hand.became(hold, "cancelled").why.startswith("the client left")
    assert "dryRun" in cluster.lines()[-1]


def test_a_refused_exec_over_websocket_is_told_in_its_stream(held: Scene, cluster: Cluster, hand: Hand) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "uid": "u-2"}, "spec": {"containers": [{"name": "c"}]}}

    def answer(visit: Visit) -> None:
        visit.head()
        data = json.dumps(pod).encode()
        visit.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(data)
            + data
        )
        visit.socket.close()

    held.upstream.script = answer
    key = base64.b64encode(bytes(16)).decode()
    upgrade = (
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Protocol: v5.channel.k8s.io",
    )  # fmt: skip
    with RawClient(held.gateway) as client:
        client.send(held.request("GET /api/v1/namespaces/shop/pods/web-0/exec?command=ls&stdout=true", *upgrade))
        hold = hand.pending(USER)
        assert hold.shown.exec is not None and hold.uids == ("u-2",)
        hand.deny(hold)
        found = b""
        while part := client.socket.recv(4096):
            found += part
    head, _, frames = found.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"v5.channel.k8s.io" in head
    assert frames[0] == 0x82 and b"l7gw: denied by lea" in frames and frames.endswith(b"\x88\x02\x03\xe8")
    assert frames[frames.index(b"\x03") + 1 :].lstrip(b"\x03")[:1] == b"{"


@pytest.mark.long
def test_a_gateway_that_is_killed_leaves_its_waiting_holds_void_and_sends_nothing(tmp_path: Path) -> None:
    cluster = Cluster()
    with scene(tmp_path, cluster, policy=POLICY) as it, RawClient(it.gateway) as client:
        hand = Hand(it.gateway.state)
        client.send(patched(it, GO))
        hold = hand.pending(USER)
        hand.approve(hold)
        it.gateway.kill()
        it.gateway.start()
        gone = hand.became(hold, "void")
        assert "the gateway at which the call waited is gone" in gone.why
        hand.close()
    assert all("dryRun" in line or line.startswith("GET") for line in cluster.lines())


def test_a_gateway_that_ends_ends_what_waits_at_it_at_once_and_says_so(tmp_path: Path) -> None:
    """Of an approval nothing would come any more: the hold is void, the client is told, over either HTTP and within an exec."""
    cluster = Cluster()
    with (
        scene(tmp_path, cluster, policy=POLICY) as it,
        RawClient(it.gateway) as plain,
        RawClient(it.gateway) as shell,
        contextlib.closing(Http2Caller(it)) as shared,
        ThreadPoolExecutor(1) as pool,
    ):
        hand = Hand(it.gateway.state)
        plain.send(patched(it, GO))
        first = hand.pending(USER)
        shell.send(it.request("GET /api/v1/namespaces/shop/pods/web-0/exec?command=ls&stdout=true", *WEBSOCKET))
        second = hand.pending(USER, first)
        deleted = pool.submit(shared.call, CONFIG_MAP, "DELETE")
        third = hand.pending(USER, first, second)
        assert it.gateway.process is not None
        it.gateway.process.send_signal(signal.SIGTERM)
        status, _, body = plain.answer()
        assert (
            status == 503
            and f"the gateway is being restarted; run the command again; nothing was done, and hold {first.id}"
            in (json.loads(body)["message"])
        )
        assert deleted.result(20)[0] == 503
        said = b""
        while b"the gateway is being restarted" not in said:
            said += shell.socket.recv(4096)
        for client in (plain, shell, shared):  # as kubectl does
            client.socket.close()
        assert it.gateway.process.wait(10) == 0
        for hold in (first, second, third):
            assert hand.of(hold).state == "void" and "the gateway is being restarted" in hand.of(hold).why
        hand.close()
    assert all("dryRun" in line or line.startswith("GET") for line in cluster.lines())


def test_what_is_recorded_says_that_the_call_was_held_and_who_approved_it(held: Scene, cluster: Cluster, hand: Hand) -> None:
    with RawClient(held.gateway) as client:
        client.send(patched(held, GO, "Kubectl-Session: 00000000-0000-4000-8000-000000000001"))
        hold = hand.pending(USER)
        hand.approve(hold)
        assert client.answer("PATCH")[0] == 200

    def recorded() -> list[dict[str, Any]]:
        (session,) = [one for one in held.gateway.sessions() if one["principal"]["user"] == USER]
        return [event for event in held.gateway.events(session["id"]) if event.get("exchange") == hold.exchange]

    events = until(lambda: found if (found := recorded())[-1]["type"] == "end" else None)
    verdicts = [(event["verdict"], event["reason"]) for event in events if event["type"] == "verdict"]
    assert verdicts[0] == ("hold", "held by rule 'held'")
    assert [word for word, reason in verdicts if "reviewer's view" in reason] == ["allow"] * 4  # a reading and a dry run, twice
    assert verdicts[-1][0] == "allow" and "approved by lea" in verdicts[-1][1]
    states = [event["state"] for event in events if event["type"] == "hold"]
    assert states[0] == "pending" and states[-1] == "consumed"


def test_a_read_that_is_held_waits_and_is_answered(held: Scene, cluster: Cluster, hand: Hand) -> None:
    with RawClient(held.gateway) as client:
        client.send(held.request("GET /api/v1/namespaces/shop/secrets?limit=5"))
        hold = hand.pending(USER)
        assert hold.command == "kubectl get secrets -n shop" and hold.shown.diff is hold.shown.sent is None
        assert cluster.asked == []
        hand.approve(hold)
        assert client.answer()[0] == 200
    assert cluster.lines() == ["GET /api/v1/namespaces/shop/secrets?limit=5"]


def test_an_approval_of_one_path_behind_a_proxy_is_for_no_other(held: Scene, cluster: Cluster, hand: Hand) -> None:
    """Of the object alone two calls through its proxy are the same."""
    proxy = "/api/v1/namespaces/shop/pods/web-0/proxy"
    token = held.issuer.token("back@example.com", ["engineers"])

    def ask(path: str) -> int:
        with RawClient(held.gateway) as client:
            client.send(held.request(f"GET {proxy}/{path}", token=token))
            return client.answer()[0]

    assert ask("metrics") == 403
    hold = hand.pending("back@example.com")
    hand.approve(hold)
    assert ask("quit") == 403 and cluster.asked == []
    assert ask("metrics") == 200
    assert cluster.lines() == [f"GET {proxy}/metrics"]
