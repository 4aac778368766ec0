"""Hooks in a running gateway: what they deny, what they end, and that one that fails lets nothing pass."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import until
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit, answering

ACTS = """
import json
from dataclasses import asdict
from pathlib import Path

class Acts:
    def act(self, act):
        Path(__file__).with_name("seen").open("a").write(json.dumps(asdict(act), default=sorted) + "\\n")
        if act.name == "denied":
            return "nobody reads this"
        if act.name == "broken":
            raise ValueError("hunter2")
"""
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def write(folder: Path, source: str) -> dict[str, Any]:
    """A folder with one module, and the hook's entry without a name."""
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "acme.py").write_text(source)
    (folder / "acme.py").chmod(0o644)
    return {"path": str(folder)}


@pytest.fixture
def acts(tmp_path: Path) -> Iterator[Scene]:
    entry = write(tmp_path / "hooks", ACTS)
    with scene(tmp_path, hooks=[{"name": "acts", "object": "acme:Acts", **entry}]) as it:
        yield it


def get(it: Scene, name: str) -> tuple[int, Any]:
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {CONFIG_MAPS}/{name}"))
        status, _, body = client.answer()
    return status, json.loads(body) if status >= 400 else body


def test_a_self_review_is_answered_by_hooks_too(acts: Scene) -> None:
    for name, allowed in (("fine", True), ("denied", False), ("broken", False)):
        spec = {"resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": "default", "name": name}}
        review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec}
        said = json.dumps(review | {"status": {"allowed": True}}).encode()
        head = b"HTTP/1.1 201 X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        acts.upstream.script = answering(head % len(said) + said)
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        with RawClient(acts.gateway) as client:
            client.send(acts.request(f"POST {path}", "Content-Type: application/json", body=json.dumps(review).encode()))
            status = json.loads(client.answer()[2])["status"]
        assert status["allowed"] is allowed
        assert name != "denied" or status["reason"] == "l7gw: denied by hook 'acts': nobody reads this"


def test_a_call_is_denied_by_a_hook_with_its_reason_and_the_hook_is_the_rule(acts: Scene) -> None:
    assert get(acts, "fine")[0] == 200
    status, body = get(acts, "denied")
    assert (status, body["reason"]) == (403, "Forbidden")
    assert body["message"].startswith(
        "l7gw: denied by hook 'acts': nobody reads this; the call is get configmaps denied in namespace "
    )
    assert {"reason": "L7GWRule", "message": "hook-acts"} in body["details"]["causes"]
    (session,) = acts.gateway.sessions()
    assert session["denied"] == 1
    verdicts = [event for event in acts.gateway.events(session["id"]) if event["type"] == "verdict"]
    assert [(event["verdict"], event["rule"]) for event in verdicts] == [("allow", "all"), ("deny", "hook-acts")]
    assert b"denied" not in acts.upstream.received


def test_a_hook_is_not_asked_about_what_the_policy_denies(tmp_path: Path) -> None:
    entry = write(tmp_path / "hooks", ACTS)
    policy = "rules: [{name: pods, resources: [pods], verdict: allow}]"
    with scene(tmp_path, policy=policy, hooks=[{"name": "acts", "object": "acme:Acts", **entry}]) as it:
        assert "no rule allows it" in get(it, "denied")[1]["message"]
        assert not (tmp_path / "hooks" / "seen").exists()


def test_a_hook_that_fails_denies_the_call_and_the_log_says_where(acts: Scene) -> None:
    status, body = get(acts, "broken")
    assert status == 403
    assert body["message"].startswith(
        "l7gw: the hook acts failed, and nothing passes without it; tell whoever runs l7gw; the call is "
    )
    until(lambda: "hook acts: failed at one act: ValueError at acme.py:12: 'hunter2'" in acts.gateway.log)
    assert get(acts, "fine")[0] == 200


def test_a_hook_is_given_who_asks_and_what_but_no_credential(acts: Scene, tmp_path: Path) -> None:
    get(acts, "fine")
    written = (tmp_path / "hooks" / "seen").read_text()
    seen = json.loads(written)
    assert (seen["caller"]["user"], seen["caller"]["groups"], seen["cluster"]) == ("ann@example.com", ["engineers"], "test")
    assert (seen["verb"], seen["resource"], seen["namespace"], seen["name"]) == ("get", "configmaps", "default", "fine")
    assert seen["effects"] == ["read"]
    assert acts.token not in written and acts.token.split(".")[2] not in written


def test_a_reload_takes_the_changed_hook_and_keeps_the_former_where_it_cannot_be_used(acts: Scene, tmp_path: Path) -> None:
    assert get(acts, "new")[0] == 200
    write(tmp_path / "hooks", ACTS.replace('"denied"', '"new"'))
    _reload(acts, "configuration read again")
    assert get(acts, "new")[0] == 403 and get(acts, "denied")[0] == 200
    write(tmp_path / "hooks", "def broken(:\n")
    _reload(acts, "the changed configuration is not used, the former stays in force")
    until(lambda: "hook acts: acme cannot be imported: SyntaxError at acme.py:1" in acts.gateway.log)
    assert get(acts, "new")[0] == 403 and get(acts, "denied")[0] == 200


def _reload(it: Scene, said: str) -> None:
    """Send SIGHUP, and wait until the log says the words."""
    before = it.gateway.log.count(said)
    assert it.gateway.process is not None
    it.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: it.gateway.log.count(said) > before)


def test_a_gateway_does_not_start_with_a_hook_that_cannot_be_used(tmp_path: Path) -> None:
    entry = write(tmp_path / "hooks", "class Acts: pass\n")
    with (
        pytest.raises(AssertionError, match=r"hook acts: Acts has none of the methods act, object, frames"),
        scene(tmp_path, hooks=[{"name": "acts", "object": "acme:Acts", **entry}]),
    ):
        pass


# ---------------------------------------------------------------------- objects

OBJECTS = """
from l7gw.hooks import Mask, texts

class Objects:
    def object(self, view):
        if view.name == "broken":
            raise ValueError(view.value["data"]["owner"])
        return [Mask(path) for path, text in texts(view.value) if text.startswith("EMP-")]
"""


NEXT_EVENT = threading.Semaphore(0)  # released where the client has the event


def objects(visit: Visit) -> None:
    """Answer each request with a ConfigMap, a list of two or a watch, by its target."""
    while head := visit.head():
        target = head[head.rindex(b"GET ") :].split(b" ")[1].decode()
        name = target.partition("?")[0].rpartition("/")[2]
        one = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"owner": "EMP-1", "b": "x"}}
        if "watch=1" in target:
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            for name in ("fine", "broken"):
                event = json.dumps({"type": "ADDED", "object": {**one, "metadata": {"name": name}}}).encode() + b"\n"
                visit.send(b"%x\r\n%s\r\n" % (len(event), event))
                NEXT_EVENT.acquire()
            return
        elif name == "configmaps":
            body = json.dumps(
                {"kind": "ConfigMapList", "apiVersion": "v1", "items": [{**one, "metadata": {"name": "a"}}] * 2}
            ).encode()
        else:
            body = json.dumps(one).encode()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.fixture
def masking(tmp_path: Path) -> Iterator[Scene]:
    entry = write(tmp_path / "hooks", OBJECTS)
    with scene(tmp_path, objects, hooks=[{"name": "objects", "object": "acme:Objects", "raw": True, **entry}]) as it:
        yield it


def test_a_value_that_a_hook_names_is_masked_for_the_client_and_the_recording(masking: Scene) -> None:
    status, body = get(masking, "fine")
    owner = json.loads(body)["data"]["owner"]
    assert status == 200 and owner.startswith("l7gw-masked-hook-objects-")
    (session,) = masking.gateway.sessions()
    events = masking.gateway.events(session["id"])
    (mask,) = [event for event in events if event["type"] == "mask"]
    assert (mask["detector"], mask["where"], mask["length"]) == ("hook-objects", "data.owner", 5)
    assert owner.endswith(mask["tag"])
    assert "EMP-1" not in json.dumps(events)


def test_each_item_of_a_list_is_masked_by_a_hook(masking: Scene) -> None:
    with RawClient(masking.gateway) as client:
        client.send(masking.request(f"GET {CONFIG_MAPS}"))
        _, _, body = client.answer()
    assert all(item["data"]["owner"].startswith("l7gw-masked-hook-objects-") for item in json.loads(body)["items"])


def test_an_object_is_a_502_where_a_hook_fails_and_the_log_does_not_quote_it(masking: Scene) -> None:
    status, body = get(masking, "broken")
    assert (status, body["reason"]) == (502, "BadGateway")
    assert body["message"] == "l7gw: the hook objects failed, and nothing passes without it; tell whoever runs l7gw"
    until(lambda: "hook objects: failed at one object: ValueError at acme.py:7" in masking.gateway.log)
    assert "EMP-1" not in masking.gateway.log
    assert get(masking, "fine")[0] == 200


def test_a_watch_ends_with_words_at_the_event_at_which_a_hook_fails(masking: Scene) -> None:
    with RawClient(masking.gateway) as client:
        client.send(masking.request(f"GET {CONFIG_MAPS}?watch=1"))
        data = b""
        while b"ADDED" not in data:
            data += client.socket.recv(65536)
        NEXT_EVENT.release()
        while not data.endswith(b"\r\n0\r\n\r\n"):
            more = client.socket.recv(65536)
            assert more, data
            data += more
        NEXT_EVENT.release()
    assert b"l7gw-masked-hook-objects-" in data and data.count(b"ADDED") == 1 and b"EMP-1" not in data
    assert data.count(b'"type":"ERROR"') == 1 and b"l7gw: the hook objects failed, and nothing passes without it" in data


# ---------------------------------------------------------------------- what a caller sends


def send(it: Scene, method: str, target: str, content: str, value: Any) -> int:
    with RawClient(it.gateway) as client:
        client.send(it.request(f"{method} {target}", f"Content-Type: {content}", body=json.dumps(value).encode()))
        return client.answer(method)[0]


@pytest.mark.parametrize(
    ("method", "content", "value"),
    [
        (
            "PUT",
            "application/json",
            {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "fine"}, "data": {"owner": "EMP-1"}},
        ),
        ("PATCH", "application/merge-patch+json", {"data": {"owner": "EMP-1"}}),
        ("PATCH", "application/json-patch+json", [{"op": "add", "path": "/data/owner", "value": "EMP-1"}]),
    ],
)
def test_what_a_caller_sends_goes_up_as_it_came_and_is_recorded_as_hooks_mask_it(
    tmp_path: Path, method: str, content: str, value: Any
) -> None:
    entry = write(tmp_path / "hooks", OBJECTS)
    with scene(tmp_path, hooks=[{"name": "objects", "object": "acme:Objects", **entry}]) as it:
        assert send(it, method, f"{CONFIG_MAPS}/fine", content, value) == 200
        assert b"EMP-1" in it.upstream.received
        (session,) = it.gateway.sessions()
        events = it.gateway.events(session["id"])
    assert "EMP-1" not in json.dumps(events)
    (mask,) = [event for event in events if event["type"] == "mask"]
    assert mask["detector"] == "hook-objects"


def test_what_a_caller_sends_goes_nowhere_where_a_hook_fails(tmp_path: Path) -> None:
    entry = write(tmp_path / "hooks", OBJECTS)
    with scene(tmp_path, hooks=[{"name": "objects", "object": "acme:Objects", **entry}]) as it:
        value = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "broken"}, "data": {"owner": "EMP-1"}}
        assert send(it, "PUT", f"{CONFIG_MAPS}/broken", "application/json", value) == 502
        assert b"EMP-1" not in it.upstream.received
