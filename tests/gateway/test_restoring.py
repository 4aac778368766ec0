"""A write whose body holds placeholders goes up with the stored values, after the gateway has read the object as the caller."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHORT_WAITS
from tests.support.faults import ask, until
from tests.support.gateway_process import EVERYTHING
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit

SECRETS = "/api/v1/namespaces/shop/secrets"
DB = f"{SECRETS}/db"
PASSWORD = "hunter2-of-the-shop"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


STORED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "db", "namespace": "shop", "uid": "u-1", "resourceVersion": "7"},
    "data": {"password": b64(PASSWORD)},
    "type": "Opaque",
}


@dataclass
class Asked:
    """A request that reached the cluster."""

    line: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, body: Any = None) -> bytes:
    data = json.dumps(body if body is not None else STORED).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data


@dataclass
class Cluster:
    """Answers reads with `read`, and what changes something with `written`. b"" closes the connection."""

    read: bytes = field(default_factory=lambda: answer(200))
    written: bytes = field(default_factory=lambda: answer(200))
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, visit: Visit) -> None:
        head, _, body = visit.head().partition(b"\r\n\r\n")
        if not head:
            return
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
        while len(body) < int(headers.get("content-length", 0)) and visit.more():
            body = bytes(visit.received).partition(b"\r\n\r\n")[2]
        self.asked.append(Asked(line.removesuffix(" HTTP/1.1"), headers, body))
        told = self.read if line.startswith("GET") else self.written
        if told:
            visit.send(told.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))  # so that each test meets its own cluster
        visit.socket.close()


@pytest.fixture
def cluster(it: Scene) -> Cluster:
    it.upstream.script = cluster = Cluster()
    return cluster


def placeholder(it: Scene) -> str:
    """What the gateway shows of the stored password."""
    status, _, body = ask(it, it.request(f"GET {DB}"))
    assert status == 200
    text = base64.b64decode(json.loads(body)["data"]["password"]).decode()
    assert re.fullmatch("l7gw-masked-secret-data-[0-9a-f]{8}", text)
    return text


def write(it: Scene, method: str, body: Any, kind: str = "application/json", path: str = DB) -> tuple[int, str]:
    """The status and the message, or the body, of a write."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, _, told = ask(it, it.request(f"{method} {path}", f"Content-Type: {kind}", body=data))
    return status, json.loads(told).get("message", told.decode())


def shown(it: Scene, cluster: Cluster) -> dict[str, Any]:
    body = {**STORED, "data": {"password": b64(placeholder(it))}}
    cluster.asked.clear()
    return body


def test_the_object_is_read_as_the_caller_and_the_value_goes_up(it: Scene, cluster: Cluster) -> None:
    body = shown(it, cluster)
    assert write(it, "PUT", body)[0] == 200
    reading, writing = cluster.asked
    assert (reading.line, writing.line) == (f"GET {DB}", f"PUT {DB}")
    assert json.loads(writing.body) == STORED
    assert reading.headers["accept"] == "application/json"
    for name in ("impersonate-user", "impersonate-group", "impersonate-extra-l7gw-user", "audit-id"):
        assert reading.headers[name] == writing.headers[name]


def test_the_recording_has_the_body_as_it_was_sent_and_why_the_object_was_read(own: Scene) -> None:
    own.upstream.script = cluster = Cluster()
    body = shown(own, cluster)
    assert write(own, "PUT", body)[0] == 200
    (session,) = until(lambda: own.gateway.sessions())
    events = own.gateway.events(session["id"])
    sent = next(one for one in events if one["type"] == "request-body")
    assert json.loads(sent["text"]) == body
    verdicts = [one["reason"] for one in events if one["type"] == "verdict" and one["exchange"] == sent["exchange"]]
    assert any("to restore masked values, the gateway reads the object as you" in reason for reason in verdicts)
    assert b64(PASSWORD) not in json.dumps(events)


def test_a_body_without_placeholders_goes_up_as_it_came(it: Scene, cluster: Cluster) -> None:
    body = json.dumps(STORED, indent=3).encode()
    assert write(it, "PUT", body)[0] == 200
    assert [one.line for one in cluster.asked] == [f"PUT {DB}"]
    assert cluster.asked[0].body == body


def test_a_restored_json_patch_is_led_by_a_test_and_its_failure_is_a_conflict(it: Scene, cluster: Cluster) -> None:
    hidden = shown(it, cluster)["data"]["password"]
    patch = [{"op": "replace", "path": "/data/password", "value": hidden}]
    assert write(it, "PATCH", patch, "application/json-patch+json")[0] == 200
    assert json.loads(cluster.asked[-1].body) == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "replace", "path": "/data/password", "value": b64(PASSWORD)},
    ]
    cluster.written = answer(422, {"message": "the server rejected our request due to an error in our request", "code": 422})
    status, message = write(it, "PATCH", patch, "application/json-patch+json")
    assert (status, message.partition(",")[0]) == (409, "l7gw: the object was changed since it was read to restore masked values")
    cluster.written = answer(422, {"message": 'Secret "db" is invalid: type: Invalid value', "code": 422})
    assert write(it, "PATCH", patch, "application/json-patch+json")[0] == 422
    plain = [{"op": "add", "path": "/data/x", "value": "eA=="}]
    cluster.written = answer(422, {"message": "the server rejected our request due to an error in our request", "code": 422})
    assert write(it, "PATCH", plain, "application/json-patch+json")[0] == 422  # it was not the gateway's test


@pytest.mark.parametrize(
    ("read", "status", "words"),
    [
        (
            answer(403, {"message": 'secrets "db" is forbidden: nobody', "reason": "Forbidden"}),
            403,
            'says: secrets "db" is forbidden',
        ),
        (answer(404, {"message": 'secrets "db" not found'}), 404, 'says: secrets "db" not found'),
        (answer(500, {"message": "quotes hunter2"}), 502, "says: status 500"),
        (answer(503, {"message": "quotes hunter2"}), 503, "says: status 503"),
        (answer(429, {"message": "too many"}), 429, "says: status 429"),
        (answer(301), 502, "a redirect"),
        (answer(401), 502, "does not accept the gateway's own credential"),
        (b"HTTP/1.1 200 X\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 502, "is no JSON"),
        (b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{:", 502, "cannot be read"),
        (b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{:", 502, "no whole answer"),
        (b"", 502, "nothing was changed"),
    ],
    ids=["403", "404", "500", "503", "429", "301", "401", "text", "no JSON", "cut", "closed"],
)
def test_what_the_cluster_says_to_the_reading_is_told_and_nothing_goes_up(
    it: Scene, cluster: Cluster, read: bytes, status: int, words: str
) -> None:
    body = shown(it, cluster)
    cluster.read = read
    found, message = write(it, "PUT", body)
    assert (found, words in message) == (status, True), message
    assert "hunter2" not in message
    assert all(one.line.startswith("GET") for one in cluster.asked)


def test_to_apply_what_does_not_exist_is_to_create_it(it: Scene, cluster: Cluster) -> None:
    body = shown(it, cluster)
    cluster.read = answer(404, {"message": "not found"})
    status, message = write(it, "PATCH", body, "application/apply-patch+yaml")
    assert (status, "there is no stored value that could take its place" in message) == (422, True)


def test_where_there_is_no_object_nothing_is_read(it: Scene, cluster: Cluster) -> None:
    body = shown(it, cluster)
    for method, path in (("POST", SECRETS), ("PUT", f"{DB}/proxy"), ("POST", "/apis/x")):
        status, message = write(it, method, body, path=path)
        assert (status, "placeholder" in message) == (422, True), (path, message)
    assert write(it, "DELETE", b'{"kind":"DeleteOptions","dryRun":["%s"]}' % placeholder(it).encode(), path=DB)[0] == 422
    assert write(it, "PUT", placeholder(it).encode(), "text/plain")[0] in (415, 422)
    assert all(one.line == f"GET {DB}" for one in cluster.asked)


def test_a_value_that_changed_is_refused(it: Scene, cluster: Cluster) -> None:
    body = shown(it, cluster)
    cluster.read = answer(200, {**STORED, "data": {"password": b64("newer")}})
    status, message = write(it, "PUT", body)
    assert (status, message.partition(" ")[2].startswith("data.password holds the placeholder")) == (422, True)
    assert [one.line for one in cluster.asked] == [f"GET {DB}"]


def test_a_placeholder_in_url_or_header_is_refused(it: Scene, cluster: Cluster) -> None:
    name = placeholder(it)
    cluster.asked.clear()
    for data in (
        it.request(f"GET {SECRETS}/{name}"),
        it.request(f"GET {SECRETS}?labelSelector=a%3D{name.replace('-', '%2D')}"),
        it.request(f"GET {SECRETS}", f"User-Agent: {name}"),
    ):
        status, _, body = ask(it, data)
        assert (status, "holds the placeholder of a masked value" in json.loads(body)["message"]) == (422, True)
    target = f"/api/v1/namespaces/shop/pods/web-0/exec?command=mysql&command=-p{name}&stdin=true"
    status, _, body = ask(it, it.request(f"GET {target}", *WEBSOCKET))
    assert (status, "the URL holds the placeholder" in json.loads(body)["message"]) == (403, True)
    assert not cluster.asked


DENYING = """
guardrails:
  - {name: no reading, resources: [secrets], verbs: [get], users: [bob@example.com], verdict: deny}
rules:
  - {name: all, effects: ["*"], verdict: allow}
"""


@contextlib.contextmanager
def running(folder: Path, policy: str = EVERYTHING) -> Iterator[tuple[Scene, Cluster]]:
    cluster = Cluster()
    with scene(folder, cluster, policy=policy, timeouts=SHORT_WAITS) as it:
        yield it, cluster


def test_who_may_not_read_the_object_has_nothing_restored(tmp_path: Path) -> None:
    with running(tmp_path, DENYING) as (it, cluster):
        body = shown(it, cluster)
        it.token = it.issuer.token("bob@example.com", ["engineers"])
        status, message = write(it, "PUT", body)
        assert (status, "to restore masked values" in message) == (403, True)
        assert not cluster.asked


def test_a_cluster_that_does_not_answer_the_reading_is_a_504(tmp_path: Path) -> None:
    with running(tmp_path) as (it, cluster):
        body = shown(it, cluster)
        it.upstream.script = lambda visit: visit.drain(20)
        status, message = write(it, "PUT", body)
        assert (status, message) == (504, "l7gw: the cluster does not answer; nothing was changed")


def test_a_client_that_leaves_while_the_object_is_read_changes_nothing(it: Scene, cluster: Cluster) -> None:
    body = json.dumps(shown(it, cluster)).encode()
    visits = len(it.upstream.visits)
    it.upstream.script = lambda visit: (visit.head(), visit.drain(20))  # type: ignore[assignment, func-returns-value]
    with RawClient(it.gateway) as client:
        client.send(it.request(f"PUT {DB}", "Content-Type: application/json", body=body))
        until(lambda: len(it.upstream.visits) > visits and it.upstream.visits[-1].received)
    it.upstream.script = cluster
    assert write(it, "PUT", STORED)[0] == 200
    assert all(b"PUT" not in visit.received for visit in it.upstream.visits[visits:-1])


PINS = """
from l7gw.hooks import Mask

class Pins:
    def object(self, view):
        if view.kind == "Door":
            yield Mask("spec.pin")
"""


def test_what_a_users_hook_masked_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "hooks"
    folder.mkdir(mode=0o755)
    (folder / "acme.py").write_text(PINS)
    (folder / "acme.py").chmod(0o644)
    door = {
        "apiVersion": "example.com/v1",
        "kind": "Door",
        "metadata": {"name": "a", "resourceVersion": "7"},
        "spec": {"pin": "4711-x"},
    }
    cluster = Cluster(read=answer(200, door))
    path = "/apis/example.com/v1/namespaces/shop/doors/a"
    hooks = [{"name": "pins", "object": "acme:Pins", "path": str(folder)}]
    with scene(tmp_path / "scene", cluster, hooks=hooks) as it:
        _, _, body = ask(it, it.request(f"GET {path}"))
        assert "l7gw-masked-hook-pins-" in json.loads(body)["spec"]["pin"]
        assert write(it, "PUT", body, path=path)[0] == 200
        assert json.loads(cluster.asked[-1].body) == door
