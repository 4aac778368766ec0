"""What a cluster's `record` keeps, from the client's bytes to the export: everything, heads and verdicts alone, or nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from l7gw.config.settings import Durable
from l7gw.gateway.worker import Worker
from l7gw.kube.requestinfo import describe
from l7gw.obligations import Handling
from l7gw.recording.reader import segments
from l7gw.wire.websocket import Connection
from l7gw.wire.websocket_events import Close, Frame, Message
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit, switched

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
EXEC = "/api/v1/namespaces/default/pods/web-0/exec?command=cat&stdin=true&stdout=true"
ASKED = json.dumps({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "asked-for"}}).encode()
ANSWERED = b'{"kind":"ConfigMap","apiVersion":"v1","data":{"k":"answered"}}'
TYPED, PRINTED = b"typed-in", b"printed-out"
STATUS = b'{"metadata":{},"status":"Success"}'
CONTENT = (b"asked-for", b"answered", TYPED, PRINTED)


def cluster(visit: Visit) -> None:
    """Answer a create of a config map, or run a command that prints and succeeds after some input."""
    head = visit.head()
    if b"websocket" not in head.lower():
        while ASKED not in visit.received and visit.more():
            pass
        visit.send(
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWERED) + ANSWERED
        )
        return
    switched(visit, head)
    leg = Connection("server")
    read = len(head.partition(b"\r\n\r\n")[0]) + 4
    heard: list[Frame] = []
    while not heard:
        if len(visit.received) == read and not visit.more():
            return
        heard += leg.receive(bytes(visit.received[read:]))
        read = len(visit.received)
    assert heard[0] == Message(b"\x00" + TYPED)
    for frame in (Message(b"\x01" + PRINTED), Message(b"\x03" + STATUS), Close(1000)):
        leg.send(frame)
    visit.send(leg.take())


def create(it: Scene) -> None:
    with RawClient(it.gateway) as client:
        client.send(it.request(f"POST {CONFIG_MAPS}", "Content-Type: application/json", body=ASKED))
        status, _, body = client.answer("POST")
    assert (status, body) == (201, ANSWERED)


def execute(it: Scene) -> None:
    with RawClient(it.gateway) as client:
        client.send(it.request(f"GET {EXEC}", *WEBSOCKET))
        client.upgraded()
        leg = Connection("client")
        leg.send(Message(b"\x00" + TYPED))
        client.send(leg.take())
        heard: list[Frame] = []
        while not leg.close_received:
            heard += leg.receive(client.socket.recv(65536))
    assert heard == [Message(b"\x01" + PRINTED), Message(b"\x03" + STATUS), Close(1000)]


def recorded(folder: Path, keep: str) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]], str]:
    """Make one create and one exec on a cluster with this `record`. Returns the sessions, their events, and a replay of the
    exec."""
    with scene(folder, cluster, cluster={"record": keep}) as it:
        create(it)
        execute(it)
        it.gateway.stop()
        sessions = it.gateway.sessions()
        events = [it.gateway.events(session["id"]) for session in sessions]
        exported = [it.gateway.l7gw("export", session["id"], "--format", "asciicast", check=False) for session in sessions]
        assert all(it.gateway.l7gw("verify", path).returncode == 0 for path in segments(it.gateway.state))
    return sessions, events, "".join(one.stdout for one in exported)


def of_type(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def test_record_all_keeps_every_byte(tmp_path: Path) -> None:
    """The other two tests would also pass for a gateway that records nothing at all."""
    sessions, (events,), replay = recorded(tmp_path, "all")
    text = json.dumps(events).encode()
    assert len(sessions) == 1 and all(content in text for content in CONTENT)
    assert PRINTED.decode() in replay


def test_record_metadata_keeps_heads_and_verdicts_and_no_byte_of_a_body_or_frame(tmp_path: Path) -> None:
    sessions, (events,), replay = recorded(tmp_path, "metadata")
    assert [event["target"] for event in of_type(events, "request")] == [CONFIG_MAPS, EXEC]
    assert [event["method"] for event in of_type(events, "request")] == ["POST", "GET"]
    assert [(event["rule"], event["verdict"]) for event in of_type(events, "verdict")] == [("all", "allow")] * 2
    assert [event["status"] for event in of_type(events, "response")] == [201, 101]
    assert [event["outcome"] for event in of_type(events, "end")] == ["complete"] * 2
    assert not of_type(events, "request-body") and not of_type(events, "response-body")
    frames = of_type(events, "frame")
    assert [frame["channel"] for frame in frames] == ["stdin", "stdout", "error"]
    assert all(not frame.get("text") and not frame.get("base64") for frame in frames)
    text = json.dumps(events).encode() + replay.encode()
    assert not any(content in text or base64.b64encode(content) in text for content in CONTENT)
    assert sessions[0]["exchanges"] == 2


def test_record_none_keeps_only_that_there_was_a_session(tmp_path: Path) -> None:
    sessions, (events,), replay = recorded(tmp_path, "none")
    (session,) = sessions
    assert session["principal"]["user"] == "ann@example.com" and session["runs"] == []
    assert (session["exchanges"], session["denied"], session["bytes"]) == (0, 0, 0)
    assert [event["type"] for event in events] == ["session", "ended"]
    assert not any(word in json.dumps(events) + replay for word in ("configmaps", "exec", *(one.decode() for one in CONTENT)))


BY_RULE = """
rules:
  - {name: creates, resources: [configmaps], verbs: [create], record: metadata, verdict: allow}
  - {name: looks, effects: [read], record: none, verdict: allow}
  - {name: secrets, resources: [secrets], verdict: deny}
  - {name: all, effects: ["*"], record: all, verdict: allow}
"""


@pytest.mark.parametrize("keep", ["all", pytest.param("none", marks=pytest.mark.long)])
def test_a_rule_says_what_is_recorded_of_its_calls_and_a_denial_is_recorded_as_its_cluster_is(tmp_path: Path, keep: str) -> None:
    with scene(tmp_path, cluster, BY_RULE, cluster={"record": keep}) as it:
        create(it)
        execute(it)
        for resource in ("pods", "secrets"):
            with RawClient(it.gateway) as client:
                client.send(it.request(f"GET /api/v1/namespaces/default/{resource}/x"))
                client.answer()
        it.gateway.stop()
        (session,) = it.gateway.sessions()
        events = it.gateway.events(session["id"])
    denied = ["/api/v1/namespaces/default/secrets/x"] if keep == "all" else []
    assert [event["target"] for event in of_type(events, "request")] == [CONFIG_MAPS, EXEC, *denied]
    assert not of_type(events, "request-body") and [one["status"] for one in of_type(events, "response")][:2] == [201, 101]
    frames = [frame for frame in of_type(events, "frame") if frame["channel"] == "stdout"]
    assert [frame["text"] for frame in frames] == [PRINTED.decode()]


@pytest.mark.parametrize(
    ("rule", "settings", "waits"),
    [
        (None, "writes", [False, True]),
        (None, "all", [True, True]),
        ("none", "all", [False, False]),
        ("writes", "none", [False, True]),
        ("all", "writes", [True, True]),
    ],
)
def test_a_rule_says_which_calls_wait_for_the_disk_before_the_configuration_does(
    rule: Durable | None, settings: Durable, waits: list[bool]
) -> None:
    worker: Any = SimpleNamespace(_durable=settings)
    acts = [describe("GET", CONFIG_MAPS), describe("POST", CONFIG_MAPS)]
    assert [Worker.waits_for_disk(worker, act, Handling(durable=rule)) for act in acts] == waits
