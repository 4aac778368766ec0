"""Bytes that must never reach a cluster, and bytes that must never come back from one. The upstream keeps all that it gets."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.support.faults import ask, until
from tests.support.raw_client import WEBSOCKET, RawClient, upgrade
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import KEPT, OK, Visit, answering

POD = "/api/v1/namespaces/default/pods/web-0"
EXEC = f"{POD}/exec?command=ls&stdout=true"
SPDY = ("Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io", "Content-Length: 0")


def message(body: bytes) -> str:
    status = json.loads(body)
    assert status["kind"] == "Status" and status["status"] == "Failure"
    text: str = status["message"]
    assert text.startswith("l7gw: ")
    return text


def heads(it: Scene) -> list[bytes]:
    return re.findall(rb"(?:^|(?<=\n))(?:GET|POST|PUT|PATCH|DELETE|HEAD) [^ \r]+", it.upstream.received)


# ---------------------------------------------------------------------- what goes up


def test_a_request_goes_up_written_anew_from_the_allow_list(it: Scene) -> None:
    headers = (
        "Accept: application/json",
        "User-Agent: kubectl/v1.33",
        "Cookie: a=b",
        "X-Remote-User: root",
        "X-Remote-Group: system:masters",
        "X-Forwarded-For: 10.9.8.7",
        "Audit-ID: chosen-by-the-client",
        "X-HTTP-Method-Override: DELETE",
        "Impersonate_User: admin",
        "Kubectl-Session: 5b9f4b2e-3c0f-4a65-9d2e-0d1f0d0f0d0f",
        "Range: bytes=0-1",
        "Proxy-Authorization: Basic eA==",
    )
    status, answered, _ = ask(it, it.request(f"GET {POD}", *headers))
    assert status == 200
    lines = bytes(it.upstream.visits[0].received).decode().split("\r\n")
    sent = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    assert lines[0] == f"GET {POD} HTTP/1.1"
    assert set(sent) == {
        "host", "accept", "user-agent", "x-forwarded-for", "audit-id",
        "impersonate-user", "impersonate-group", "impersonate-extra-l7gw-user", "impersonate-extra-l7gw-session",
    }  # fmt: skip
    assert sent["impersonate-user"] == "l7gw"
    assert sent["impersonate-group"] == "l7gw:engineers"
    assert sent["impersonate-extra-l7gw-user"] == "ann@example.com"
    assert sent["impersonate-extra-l7gw-session"] == answered["l7gw-session"]
    assert sent["x-forwarded-for"] == "127.0.0.1"
    assert sent["audit-id"] == answered["audit-id"] != "chosen-by-the-client"
    assert it.token not in it.upstream.received.decode()


@pytest.mark.parametrize(
    "name", ["User", "Group", "Uid", "Extra-Scopes", "Extra-l7gw-user"], ids=lambda name: f"Impersonate-{name}"
)
def test_acting_as_somebody_else_is_refused_in_words(it: Scene, name: str) -> None:
    status, _, body = ask(it, it.request(f"GET {POD}", f"Impersonate-{name}: admin"))
    assert status == (400 if name == "Group" else 403)
    assert ("as admin" if name == "User" else "--as") in message(body)
    assert not heads(it)


@pytest.mark.parametrize("name", ["Impersonate-User", "Authorization", "X-Forwarded-For", "Audit-ID", "Host", "Accept"])
def test_a_connection_header_that_names_another_header_is_refused(it: Scene, name: str) -> None:
    status, _, _ = ask(it, it.request(f"GET {POD}", f"Connection: {name}"))
    assert status == 400
    assert not it.upstream.received


def test_each_request_of_a_connection_is_identified_by_itself(it: Scene) -> None:
    it.upstream.script = answering(OK, OK)
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {POD}"))
        assert client.answer()[0] == 200
        client.send(f"GET {POD} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.answer()[0] == 401
    assert len(heads(it)) == 1


def test_pipelined_requests_are_answered_one_by_one(it: Scene) -> None:
    it.upstream.script = answering(OK, OK)
    bob = it.issuer.token("bob@example.com", ["engineers"])
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {POD}") + it.request("GET /api/v1/nodes", token=bob))
        assert client.answer()[0] == 200
        assert client.answer()[0] == 200
    assert sorted(heads(it)) == [b"GET /api/v1/namespaces/default/pods/web-0", b"GET /api/v1/nodes"]
    assert it.upstream.received.count(b"bob@example.com") == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("GET /api/v1/namespaces/a%2Fsecrets", 400),
        ("GET //api/v1/secrets", 400),
        ("GET /api/v1/../v1/secrets", 400),
        ("GET /api/v1/namespaces/default/pods;x=1", 400),
        ("GET /api/v1/namespaces/default/pods?a;b", 400),
        ("GET /api/v1/namespaces/default/pods?x=%zz", 400),
        ("GET /api/v1/watch/pods", 403),
        ("GET /api/v1/proxy/namespaces/default/pods/web-0", 403),
        ("GET http://evil/api/v1/secrets", 400),
        ("CONNECT localhost:443", 405),
        ("TRACE /", 405),
    ],
)  # fmt: skip
def test_a_target_with_two_readings_never_goes_up(it: Scene, line: str, code: int) -> None:
    status, _, body = ask(it, it.request(line))
    assert status == code
    assert message(body)
    assert not it.upstream.received


# ---------------------------------------------------------------------- upgrades (threats A11, A12, A13, C8, C9)

NOT_A_TUNNEL = {
    "200": OK,
    "403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    "302": b"HTTP/1.1 302 Found\r\nLocation: https://evil/\r\nContent-Length: 0\r\n\r\n",
    "bare 101": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "101 to h2c": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "101 with a wrong accept key": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
    ),
}


@pytest.mark.parametrize("answer", NOT_A_TUNNEL.values(), ids=NOT_A_TUNNEL)
def test_no_second_request_passes_behind_an_upgrade_that_failed(it: Scene, answer: bytes) -> None:
    it.upstream.script = answering(answer)
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {EXEC}", *WEBSOCKET))
        client.send(it.request("GET /api/v1/secrets"))
        status, headers, _ = client.answer()
        assert status != 101
        assert headers.get("connection", "").lower() == "close"
        client.rest()
    assert b"secrets" not in it.upstream.received
    assert len(heads(it)) == 1


def test_bytes_behind_a_refused_upgrade_are_no_request(it: Scene) -> None:
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {POD}?watch=1", *WEBSOCKET) + it.request("GET /api/v1/secrets"))
        status, headers, body = client.answer()
        assert status == 400
        assert headers["connection"] == "close"
        assert len(body) <= 900
        client.rest()
    assert not it.upstream.received


@pytest.mark.parametrize(
    "headers",
    [
        ("Connection: Upgrade", "Upgrade: h2c"),
        ("Connection: Upgrade", "Upgrade: websocket, h2c"),
        ("Connection: Upgrade", "Upgrade: WebSocket-x"),
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    ],
)  # fmt: skip
def test_foreign_upgrades_are_refused(it: Scene, headers: tuple[str, ...]) -> None:
    assert ask(it, it.request(f"GET {EXEC}", *headers))[0] == 400
    assert not it.upstream.received


@pytest.mark.parametrize(
    "target", ["/api/v1/namespaces/default/secrets?watch=1", f"{POD}/log?follow=1", f"{POD}/proxy/", "/version"]
)
def test_only_the_three_streaming_subresources_upgrade(it: Scene, target: str) -> None:
    status, _, _ = ask(it, it.request(f"GET {target}", *WEBSOCKET))
    assert status in (400, 403)
    assert not it.upstream.received


@pytest.mark.parametrize("offer", ["", *(f"{name}channel.k8s.io" for name in ("", "v1.", "v2.", "v3.", "base64.", "v4.base64."))])
def test_a_subprotocol_that_hides_bytes_from_the_recorder_is_not_offered_upstream(it: Scene, offer: str) -> None:
    assert ask(it, it.request(f"GET {EXEC}", *upgrade(offer)))[0] == 400
    assert not it.upstream.received


def test_only_known_ones_of_several_subprotocols_go_up(it: Scene) -> None:
    ask(it, it.request(f"GET {EXEC}", *upgrade("base64.channel.k8s.io, v5.channel.k8s.io, channel.k8s.io")))
    assert b"sec-websocket-protocol: v5.channel.k8s.io\r\n" in it.upstream.received.lower()
    assert b"base64" not in it.upstream.received


def test_a_bearer_subprotocol_is_the_credential_and_never_travels(it: Scene) -> None:
    low = it.token
    packed = base64.urlsafe_b64encode(it.issuer.token("root@example.com", ["admins"]).encode()).decode().rstrip("=")
    headers = upgrade(f"base64url.bearer.authorization.k8s.io.{packed}, v5.channel.k8s.io")
    status, _, _ = ask(it, it.request(f"GET {EXEC}", *headers, token=low))
    assert status == 401
    assert not it.upstream.received
    alone = "\r\n".join([f"GET {EXEC} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()
    ask(it, alone)
    assert b"root@example.com" in it.upstream.received
    assert packed.encode() not in it.upstream.received
    assert b"bearer" not in it.upstream.received.lower()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost", "https://localhost.evil.example"])
def test_a_websocket_with_a_foreign_origin_is_refused(it: Scene, origin: str) -> None:
    assert ask(it, it.request(f"GET {EXEC}", *WEBSOCKET, f"Origin: {origin}"))[0] == 403
    assert not it.upstream.received


def test_a_websocket_of_the_servers_own_origin_passes_without_it(it: Scene) -> None:
    ask(it, it.request(f"GET {EXEC}", *WEBSOCKET, "Origin: https://localhost"))
    assert heads(it)
    assert b"origin" not in it.upstream.received.lower()


# ---------------------------------------------------------------------- what comes back (threats A14, A15, A17)

BAD_ANSWERS = {
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/3.7": b"HTTP/3.7 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status abc": b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}",
    "no length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
    "an unasked 101": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "interims without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_hostile_answer_becomes_a_502(it: Scene, answer: bytes) -> None:
    it.upstream.script = answering(answer)
    status, _, body = ask(it, it.request(f"GET {POD}"))
    assert status == 502
    assert message(body)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_neither_followed_nor_shown(it: Scene, code: int) -> None:
    it.upstream.script = answering(f"HTTP/1.1 {code} X\r\nLocation: https://evil/\r\nContent-Length: 0\r\n\r\n".encode())
    status, headers, _ = ask(it, it.request(f"GET {POD}"))
    assert status == 502
    assert "location" not in headers


def test_a_surplus_answer_never_reaches_the_next_caller(it: Scene) -> None:
    secret = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfor-me"
    it.upstream.script = answering(KEPT + secret, OK)
    assert ask(it, it.request(f"GET {POD}"))[2] == b"{}"
    bob = it.issuer.token("bob@example.com", ["engineers"])
    status, _, body = ask(it, it.request(f"GET {POD}", token=bob))
    assert (status, body) == (200, b"{}")


def test_a_body_cut_short_is_never_a_clean_end(it: Scene) -> None:
    import h11

    def cut(visit: Visit) -> None:
        visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf\n\r\n")

    it.upstream.script = cut
    with RawClient(it.gateway) as client, pytest.raises(h11.RemoteProtocolError):
        client.send(it.request(f"GET {POD}/log"))
        client.answer()


def test_an_object_cut_short_is_a_502(it: Scene) -> None:
    """An object waits until it is whole, because it is masked. So its client can still be told."""

    def cut(visit: Visit) -> None:
        visit.head()
        visit.send(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n')

    it.upstream.script = cut
    status, _, body = ask(it, it.request(f"GET {POD}"))
    assert status == 502 and b"no whole answer from the cluster" in body


def test_a_call_that_the_cluster_may_have_received_is_not_sent_again(it: Scene) -> None:
    def gone(visit: Visit) -> None:
        visit.head()

    it.upstream.script = gone
    status, _, body = ask(it, it.request(f"DELETE {POD}"), "DELETE")
    assert status == 502
    assert "may have been carried out" in message(body)
    assert len(heads(it)) == 1


def test_the_gateways_own_rejected_credential_is_not_the_clients_401(it: Scene) -> None:
    it.upstream.script = answering(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}")
    assert ask(it, it.request(f"GET {POD}"))[0] == 502


def test_a_fault_that_a_peer_repeats_is_logged_once_and_counted(tmp_path: Path) -> None:
    """Go's client, which was reset again and again, left 179,254 lines in ten minutes."""
    with scene(tmp_path) as it:
        for _ in range(40):
            with RawClient(it.gateway) as client:
                client.send(b"GET / HTTP/1.1\n")
                assert client.answer()[0] == 400
        it.gateway.stop()
        until(lambda: "ending" in it.gateway.log)
        assert it.gateway.log.count("malformed request") == 1
