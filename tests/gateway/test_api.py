"""The API beside the clusters, at the gateway's listener: the same holds as at the socket, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.h2_client import connected
from tests.support.held import Held, held
from tests.support.http_callers import Http2Caller
from tests.support.raw_client import RawClient

LIST = "GET /l7gw/v1/holds"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    folder = tmp_path_factory.mktemp("api")
    with held(folder, cluster={"hosts": ["prod.gw.example.com"]}, reviews={"local": True}) as made:
        yield made


def http2(running: Held, method: str, path: str, token: str, said: object = None) -> tuple[int, Any]:
    authority = running.gateway.authority
    body = b"" if said is None else json.dumps(said).encode()

    async def ask() -> tuple[int, Any]:
        async with connected(running.gateway.port, authority, authority.client("nobody", "nobody")) as client:
            headers = {"authorization": f"Bearer {token}", "content_type": "application/json"}
            stream = await asyncio.wait_for(client.ask(method, path, body, **headers), 30)
            return stream.status, stream.json()

    return asyncio.run(ask())


def test_a_hold_of_a_real_call_is_listed_shown_approved_and_then_the_call_passes_once(running: Held) -> None:
    hold = running.ask("back-1")
    status, page = running.api(LIST, running.lea)
    assert status == 200 and hold in [one["id"] for one in page["holds"]]
    status, shown = running.api(f"{LIST}/{hold[:20]}", running.lea)
    assert (shown["command"], shown["principal"]["user"]) == ("kubectl get pods web-0 -n dev", "back-1")
    before = running.scene.upstream.received
    status, approved = running.api(f"POST /l7gw/v1/holds/{hold}/approve", running.lea, {"note": "ok"})
    assert (status, approved["state"], running.scene.upstream.received) == (200, "approved", before)
    with RawClient(running.gateway) as client:
        client.send(running.scene.request("GET /api/v1/namespaces/dev/pods/web-0", token=running.token("back-1")))
        assert client.answer()[0] == 200
    assert running.at_socket(f"{LIST}/{hold}")[1]["state"] == "consumed"
    assert running.ask("back-1") != hold


def test_a_call_that_waits_goes_on_with_the_last_approval_that_its_rule_needs(running: Held) -> None:
    with RawClient(running.gateway) as waiting:
        waiting.send(running.scene.request("GET /api/v1/namespaces/dev/pods/web-9", token=running.token("wait-1")))
        watch = running.scene.request(f"{LIST}?watch=1", token=running.lea)
        with RawClient(running.gateway) as client:
            client.send(watch)
            found = b""
            while (named := re.search(rb'"id":"([0-9a-f-]{36})"[^\n]*pods web-9 ', found)) is None:
                found += client.socket.recv(65536)
        hold = named[1].decode()
        before = running.scene.upstream.received
        assert running.api(f"POST /l7gw/v1/holds/{hold}/approve", running.lea, {})[1]["state"] == "pending"
        assert running.scene.upstream.received == before
        assert http2(running, "POST", f"/l7gw/v1/holds/{hold}/approve", running.rob, {})[1]["state"] == "approved"
        assert waiting.answer()[0] == 200


def test_the_api_is_the_same_over_http2(running: Held) -> None:
    hold = running.ask("back-2")
    assert http2(running, "GET", f"/l7gw/v1/holds/{hold}", running.lea)[1]["id"] == hold
    status, answer = http2(running, "POST", f"/l7gw/v1/holds/{hold}/deny", running.lea, {"note": "over HTTP/2"})
    assert (status, answer["state"], answer["reviews"][0]["note"]) == (200, "denied", "over HTTP/2")
    assert http2(running, "GET", "/l7gw/v1/holds", "rubbish")[0] == 401
    assert http2(running, "POST", f"/l7gw/v1/holds/{hold}/deny", running.lea, {"note": "x" * 70_000})[0] == 413


@pytest.mark.parametrize(
    "path", ["/l7gw", "/l7gw/", "/l7gw/v1/", "/l7gw/v2/holds", "/l7gw?x", "/l7gw/v1/../../api", "/l7gw/v1/holds/x"]
)
def test_nothing_under_its_path_reaches_a_cluster_whatever_host_is_named(running: Held, path: str) -> None:
    before = running.scene.upstream.received
    for server_name in ("localhost", "prod.gw.example.com"):
        with RawClient(running.gateway, server_name=server_name) as client:
            client.send(running.scene.request(f"GET {path}", token=running.lea))
            status, headers, body = client.answer()
        assert (status, headers["content-type"]) == (404, "application/json"), body
        assert json.loads(body)["error"]["reason"] == "NotFound"
    assert running.scene.upstream.received == before


def test_a_watch_tells_a_new_hold_and_ends_with_its_client(running: Held) -> None:
    with RawClient(running.gateway) as client:
        client.send(running.scene.request(f"{LIST}?watch=1", token=running.lea))
        found = b""
        while b"\r\n\r\n" not in found:
            found += client.socket.recv(65536)
        assert found.startswith(b"HTTP/1.1 200")
        hold = running.ask("back-3").encode()
        while hold not in found:
            found += client.socket.recv(65536)


def test_root_at_the_socket_approves_without_a_token_where_the_configuration_says_so(running: Held) -> None:
    hold = running.ask("back-4")
    status, found = running.at_socket(f"POST /l7gw/v1/holds/{hold}/approve", None, {})
    assert (status, found["state"], found["reviews"][0]["user"], found["reviews"][0]["local"]) == (
        200,
        "approved",
        "local:root",
        True,
    )
    assert running.api(f"POST /l7gw/v1/holds/{hold}/approve", None, {})[0] == 401  # over the network nobody is root


def test_a_review_stands_in_the_recording_of_the_requesters_session(running: Held) -> None:
    hold = running.ask("back-5")
    session = running.at_socket(f"{LIST}/{hold}")[1]["session"]
    running.api(f"POST /l7gw/v1/holds/{hold}/deny", running.lea, {"note": "not today"})
    reviews = [event for event in running.gateway.events(session) if event["type"] == "review"]
    assert [(one["hold"], one["user"], one["verdict"], one["note"]) for one in reviews] == [(hold, "lea", "deny", "not today")]


def test_calls_of_the_api_itself_are_in_no_session(running: Held) -> None:
    running.api(LIST, running.token("only-looks", "sre"))
    assert [one for one in running.gateway.sessions() if one["principal"]["user"] == "only-looks"] == []


@pytest.mark.long
def test_the_socket_is_where_the_configuration_says_for_its_owner_alone_and_gone_with_the_gateway(tmp_path: Path) -> None:
    place = tmp_path / "run"
    place.mkdir(mode=0o755)
    with held(tmp_path / "scene", socket={"path": str(place / "l7gw.sock")}) as made:
        assert (place / "l7gw.sock").stat().st_mode & 0o777 == 0o600
        assert not made.socket.exists()
        made.gateway.kill()
        assert (place / "l7gw.sock").exists()
        made.gateway.start()  # the file of the dead one is replaced
        assert made.l7gw("list").returncode == 0
        made.gateway.stop()
        assert not (place / "l7gw.sock").exists()


@pytest.mark.long
def test_where_there_can_be_no_socket_the_gateway_serves_without_one_and_says_so(tmp_path: Path) -> None:
    with held(tmp_path) as made:
        made.gateway.stop()
        made.socket.write_text("something else")
        made.socket.chmod(0o600)
        made.gateway.start()
        assert "there is no socket for `l7gw holds` on this machine, only --server" in made.gateway.log
        assert made.api(LIST, made.lea)[0] == 200
        made.gateway.stop()
        assert made.socket.read_text() == "something else"


@pytest.mark.long
def test_two_hundred_watches_over_http2_hear_each_of_a_new_hold(running: Held) -> None:
    """Four reviewers with a connection each, whose fifty streams are watches. A fifth caller is answered meanwhile."""
    answered = threading.Barrier(5)

    def watch(number: int) -> None:
        with closing(Http2Caller(running.scene, token=running.token(f"rev{number}", "sre"))) as caller:
            caller.hear_on_all("/l7gw/v1/holds?watch=1", 50, b"held-by-all", answered.wait)

    with ThreadPoolExecutor(4) as pool:
        watching = [pool.submit(watch, number) for number in range(4)]
        answered.wait(30)
        running.ask("back-all", "held-by-all")
        for one in watching:
            one.result(60)
    assert running.api(f"{LIST}?limit=1", running.lea)[0] == 200
