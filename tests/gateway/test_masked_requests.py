"""What callers send: recorded masked, sent up as it came, and read strictly before."""

from __future__ import annotations

import json
import select
from typing import Any

import pytest

from tests.gateway.test_masked_answers import CANARY, SECRETS, TOKEN, answer, call, nothing_of, secret
from tests.support.faults import ask, outcomes, serve_for_ever, trouble, until
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import answering

POD = "/api/v1/namespaces/d/pods/web-0"
CREATED = answer(b'{"kind":"Status","apiVersion":"v1","status":"Success"}', status="201 Created")


def send(it: Scene, method: str, path: str, body: bytes, kind: str = "application/json", *headers: str) -> tuple[int, bytes]:
    it.upstream.script = answering(CREATED)
    status, _, told = ask(it, it.request(f"{method} {path}", f"Content-Type: {kind}", *headers, body=body), method)
    return status, told


def recording(it: Scene) -> list[dict[str, Any]]:
    return [event for session in it.gateway.sessions() for event in it.gateway.events(session["id"])]


def test_a_secret_goes_up_as_it_came_and_is_nowhere_on_the_disk(own: Scene) -> None:
    body = json.dumps(secret(), indent=1).encode()
    assert send(own, "POST", SECRETS, body)[0] == 201
    assert body in own.upstream.received
    events = recording(own)
    assert nothing_of(CANARY, json.dumps(events).encode())
    (find,) = (event for event in events if event["type"] == "mask")
    assert (find["detector"], find["where"], find["direction"]) == ("secret-data", "data.password", "up")
    own.gateway.stop()
    assert all(nothing_of(CANARY, path.read_bytes()) for path in own.gateway.state.rglob("*") if path.is_file())


def test_a_denied_command_is_recorded_masked_too(tmp_path: Any) -> None:
    policy = "rules:\n- {name: reads, effects: [read], verdict: allow}\n"
    with scene(tmp_path / "scene", policy=policy) as it:
        target = f"{POD}/exec?command=login&command={TOKEN.decode()}&stdout=true"
        assert (
            ask(
                it,
                it.request(
                    f"POST {target}",
                    "Connection: Upgrade",
                    "Upgrade: SPDY/3.1",
                    "X-Stream-Protocol-Version: v5.channel.k8s.io",
                    "Kubectl-Command: kubectl " + TOKEN.decode(),
                ),
                "POST",
            )[0]
            == 403
        )
        events = recording(it)
        assert TOKEN.decode() not in json.dumps(events)
        (request,) = (event for event in events if event["type"] == "request")
        assert request["argv"][0] == "login" and request["argv"][1].startswith("l7gw-masked-")
        assert {event["where"].partition(":")[0] for event in events if event["type"] == "mask"} == {"target", "kubectl-command"}


@pytest.mark.parametrize(
    ("body", "kind", "code", "words"),
    [
        (b'{"kind":"Secret","kind":"List"}', "application/json", 400, "cannot be read"),
        (b'{"a":NaN}', "application/json", 400, "cannot be read"),
        (b"kind: Secret", "application/yaml", 415, "cannot be masked"),
        (b"kind: Secret", "application/apply-patch+yaml", 415, "YAML is not taken"),
    ],
)
def test_what_has_two_readings_never_reaches_the_cluster(it: Scene, body: bytes, kind: str, code: int, words: str) -> None:
    status, told = send(it, "PATCH" if "patch" in kind else "POST", SECRETS + ("/db" if "patch" in kind else ""), body, kind)
    assert status == code and words in json.loads(told)["message"]
    assert body not in it.upstream.received


def test_a_value_that_a_caller_wrote_is_masked_in_what_others_read(own: Scene) -> None:
    value = b"Corr3ct!horse#battery~staple%paperclip"  # long enough for a whole placeholder, as a log keeps its length
    assert send(own, "POST", SECRETS, json.dumps(secret(value)).encode())[0] == 201
    log = answer(b"starting with " + value + b"\n", kind="text/plain")
    status, _, shown = call(own, f"{POD}/log", log)
    assert status == 200 and value not in shown and b"l7gw-masked-registry-" in shown


def test_a_refused_body_that_can_be_read_is_recorded_masked(own: Scene) -> None:
    body = json.dumps({**secret(), "note": "kept"}).encode()
    status, told = send(own, "POST", "/api/v1/namespaces/d/pods", body)
    assert (status, b"which this URL does not take" in told) == (400, True)
    events = recording(own)
    (recorded,) = (event for event in events if event["type"] == "request-body")
    assert '"note": "kept"' in json.dumps(recorded).replace('\\"', '"') and nothing_of(CANARY, json.dumps(events).encode())
    assert [event["where"] for event in events if event["type"] == "mask"] == ["data.password"]
    own.gateway.stop()
    assert all(nothing_of(CANARY, path.read_bytes()) for path in own.gateway.state.rglob("*") if path.is_file())


YAML = b"kind: Secret\nstringData: {any: " + CANARY + b"}\n"
TWICE = b'{"kind":"Secret","stringData":{"any":"' + CANARY + b'"},"kind":"Secret"}'


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "code"),
    [
        ("POST", SECRETS, YAML, "application/yaml-or-so", 415),
        ("PATCH", f"{SECRETS}/db", YAML, "application/apply-patch+yaml", 415),
        ("POST", SECRETS, TWICE, "application/json", 400),
    ],
)
def test_of_a_refused_body_that_cannot_be_read_the_record_has_the_length_and_no_byte(
    it: Scene, method: str, path: str, body: bytes, kind: str, code: int
) -> None:
    before = len(recording(it))
    assert send(it, method, path, body, kind)[0] == code
    events = recording(it)[before:]
    assert not [event for event in events if event["type"] == "request-body"]
    assert nothing_of(CANARY, json.dumps(events).encode())
    (refused,) = (event for event in events if event["type"] == "verdict" and event["verdict"] == "refused")
    words = f"; its body of {len(body)} bytes is not recorded: nobody can say what in it is a secret"
    assert refused["reason"].endswith(words)


def pod_with_passwords(variables: int) -> bytes:
    """A pod in whose environment each variable is a password. To mask 15,000 takes a second."""
    env = [{"name": f"PASSWORD_{number}", "value": f"hunter2{number}"} for number in range(variables)]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "env": env}]}}
    return json.dumps(pod).encode()


def test_while_a_large_body_is_masked_neighbours_are_answered(own: Scene) -> None:
    own.upstream.script = serve_for_ever
    ask(own, own.request(f"GET {POD}"))  # what is compiled once is ready
    body, answered = pod_with_passwords(15_000), 0
    with RawClient(own.gateway) as client, RawClient(own.gateway) as neighbour:
        client.send(own.request("POST /api/v1/namespaces/d/pods", "Content-Type: application/json", body=body))
        while not select.select([client.socket], [], [], 0)[0]:
            neighbour.send(own.request(f"GET {POD}"))
            assert neighbour.answer()[0] == 200
            answered += 1
        assert client.answer("POST")[0] == 200
    assert answered >= 5
    until(lambda: body in own.upstream.received)
    assert sum(event["type"] == "mask" for event in recording(own)) == 15_000
    assert not trouble(own)


def test_a_client_that_leaves_while_its_body_is_masked_is_recorded_as_one_that_left(own: Scene) -> None:
    own.upstream.script = serve_for_ever
    ask(own, own.request(f"GET {POD}"))  # who asks is known
    with RawClient(own.gateway) as client:
        body = pod_with_passwords(15_000)
        client.send(own.request("POST /api/v1/namespaces/d/pods", "Content-Type: application/json", body=body))
        client.socket.unwrap()  # the end of what it says comes behind the body
    until(lambda: outcomes(own, "/api/v1/namespaces/d/pods") == ["aborted"])
    assert b"POST" not in own.upstream.received
    assert not trouble(own)
