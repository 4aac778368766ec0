"""A head that came before is not read again. What its call does, and what is recorded of it, is as on the long way."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from l7gw.limits import Limits
from tests.support.faults import ask, until
from tests.support.gateway_process import EVERYTHING
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit

PODS = "/api/v1/namespaces/default/pods"
POD = '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"default"},"spec":{"nodeName":"%s"}}'
NOTED = '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"default","annotations":{"note":"%s"}}}'
DATE = "Sat, 28 Nov 2026 12:00:0%d GMT"
AUDIT = re.compile(rb"audit-id: ([0-9a-f-]{36})")
CALLS = 6  # the first two leave what is known behind; the others use it


def pod_server(visit: Visit) -> None:
    """Answers as kube-apiserver does: the Audit-Id of the request, and a Date that changes."""
    calls = 0
    while head := visit.head():
        asked = AUDIT.findall(head)[-1].decode()
        calls += 1
        body = POD % ("n" * calls)
        visit.send(
            f"HTTP/1.1 200 OK\r\nAudit-Id: {asked}\r\nCache-Control: no-cache, private\r\nContent-Type: application/json\r\n"
            f"Date: {DATE % (calls % 3)}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )


@pytest.fixture(scope="module")
def remembering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("remembering"), pod_server) as one:
        yield one


def told(one: Scene, calls: int = CALLS, line: str = f"GET {PODS}/web") -> list[tuple[int, dict[str, str], bytes]]:
    with RawClient(one.gateway) as client:
        answers = []
        for _ in range(calls):
            client.send(one.request(line))
            answers.append(client.answer())
        return answers


def plain(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events of calls without what differs from call to call and gateway to gateway."""
    kept = [event for event in events if "exchange" in event]
    text = [{name: value for name, value in event.items() if name not in ("time", "audit_id", "seq", "run")} for event in kept]
    for event in text:
        event["headers"] = [pair for pair in event.get("headers", []) if pair[0] not in ("audit-id", "l7gw-session")]
    return text


def test_calls_with_a_known_head_are_answered_sent_up_and_recorded_as_where_nothing_is_remembered(
    remembering: Scene, tmp_path: Path
) -> None:
    with scene(tmp_path, pod_server, limits=Limits(remembered=0)) as forgetful:
        both = []
        for one in (remembering, forgetful):
            begun = len(one.upstream.visits)
            answers = told(one)
            (session,) = {headers["l7gw-session"] for _, headers, _ in answers}
            shown = [
                (status, {name: value for name, value in headers.items() if name not in ("audit-id", "l7gw-session")}, body)
                for status, headers, body in answers
            ]
            (visit,) = one.upstream.visits[begun:]
            up = re.sub(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", b"ID", bytes(visit.received))
            up = re.sub(rb"host: [^\r]+", b"host: HOST", up)
            both.append((shown, up, plain(one.gateway.events(session))))
        assert both[0] == both[1]


def test_each_call_with_a_known_head_has_an_audit_id_of_its_own_at_the_client_the_cluster_and_in_the_record(
    remembering: Scene,
) -> None:
    answers = told(remembering)
    ids = [headers["audit-id"] for _, headers, _ in answers]
    assert len(set(ids)) == CALLS
    received = bytes(remembering.upstream.visits[-1].received)  # an earlier test may have used the connection too
    assert [found.decode() for found in AUDIT.findall(received)][-CALLS:] == ids
    events = remembering.gateway.events(answers[0][1]["l7gw-session"])
    recorded = [event["audit_id"] for event in events if event["type"] == "request"]
    assert recorded[-CALLS:] == ids


def test_a_call_with_a_known_head_is_judged_by_the_policy_of_now(tmp_path: Path) -> None:
    with scene(tmp_path, pod_server) as own, RawClient(own.gateway) as client:
        request = own.request(f"GET {PODS}/web")
        for _ in range(3):
            client.send(request)
            assert client.answer()[0] == 200
        own.gateway.policy.write_text(EVERYTHING + "guardrails:\n  - {name: frozen, resources: [pods], verdict: deny}\n")
        until(lambda: "policy read again" in own.gateway.log)
        client.send(request)
        status, _, body = client.answer()
        assert status == 403 and b"frozen" in body


def test_a_caller_who_is_known_no_more_is_a_401_though_his_head_is_known(tmp_path: Path) -> None:
    with scene(tmp_path, pod_server) as own, RawClient(own.gateway) as client:
        request = own.request(f"GET {PODS}/web")
        for _ in range(3):
            client.send(request)
            assert client.answer()[0] == 200
        settings = yaml.safe_load(own.gateway.config.read_text())
        settings["identity"][0]["oidc"]["audience"] = "another"
        own.gateway.config.write_text(yaml.safe_dump(settings))
        assert own.gateway.process is not None
        own.gateway.process.send_signal(signal.SIGHUP)
        until(lambda: ask(own, request)[0] == 401)
        client.send(request)
        assert client.answer()[0] == 401


def test_a_secret_in_the_answer_to_a_call_with_a_known_head_is_masked(tmp_path: Path) -> None:
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"[:36]
    asked = 0

    def script(visit: Visit) -> None:
        nonlocal asked
        while visit.head():
            asked += 1
            body = NOTED % (secret if asked in (1, 4) else "plain")
            visit.send(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    with scene(tmp_path, script) as own:
        bodies = [body for _, _, body in told(own)]
        assert [secret.encode() in body for body in bodies] == [False] * CALLS
        assert [b"plain" in body for body in bodies] == [False, True, True, False, True, True]


def test_calls_in_the_same_words_about_one_object_after_the_other_are_each_judged_sent_up_and_recorded_as_their_own(
    remembering: Scene,
) -> None:
    with RawClient(remembering.gateway) as client:
        answers = []
        for number in range(CALLS):
            client.send(remembering.request(f"GET {PODS}/one-{number}"))
            answers.append(client.answer())
    assert [status for status, _, _ in answers] == [200] * CALLS
    received = bytes(remembering.upstream.visits[-1].received)
    assert re.findall(rb"GET \S+/one-(\d) ", received) == [b"%d" % number for number in range(CALLS)]
    events = [event for event in remembering.gateway.events(answers[0][1]["l7gw-session"]) if event["type"] == "request"]
    asked = [(event["name"], event["audit_id"]) for event in events if event["name"].startswith("one-")]
    assert asked == [(f"one-{number}", headers["audit-id"]) for number, (_, headers, _) in enumerate(answers)]
