"""The Warning of an answer: beside every Status of the gateway's own, beside few answers that succeed, and beside none of those where
the configuration says so."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from l7gw.kube.warning_header import LONGEST_WARNING, warning_field
from tests.support.faults import ask, until
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.reviewing_hand import Hand
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit, answering

POLICY = """
guardrails:
- {name: stays, namespaces: [prod], effects: [delete], verdict: deny, reason: "ask the platform team"}
rules:
- {name: held, users: [hal*], effects: [write], verdict: hold, reviewers: {groups: [sre]}, wait: wait}
- {name: work, users: [ann*, hal*], effects: [read, write, delete, secrets, execute, escalate], verdict: allow}
"""
POD = "/api/v1/namespaces/prod/pods/web-0"
TOKENS = "/api/v1/namespaces/d/serviceaccounts/default/token"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("warnings"), policy=POLICY) as running:
        yield running


def answered(body: dict[str, object], status: str = "200 OK") -> bytes:
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def refused(it: Scene, request: bytes, method: str = "GET") -> tuple[int, str]:
    """The status and the Warning, which says what the Status says."""
    with RawClient(it.gateway) as client:
        client.send(request)
        status, fields, body = client.answer(method)
    message = json.loads(body)["message"] if "json" in fields["content-type"] else body.decode().strip()
    assert fields["warning"] == warning_field(message.removeprefix("l7gw: "))[1]
    return status, fields["warning"]


def test_every_refusal_and_failure_of_the_gateways_own_warns_in_the_words_of_its_status(it: Scene) -> None:
    it.upstream.script = answering(REDIRECT)
    bob = it.issuer.token("bob@example.com", [])
    aggregated = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    for expected, request, method in (
        (401, it.request("GET /api/v1/pods", token="no.token"), "GET"),
        (401, it.request("GET /apis", aggregated, token="no.token"), "GET"),
        (403, it.request(f"DELETE {POD}"), "DELETE"),
        (403, it.request("GET /api/v1/pods", token=bob), "GET"),
        (403, it.request(f"GET {POD}/exec?command=sh", *WEBSOCKET, token=bob), "GET"),
        (502, it.request("GET /api/v1/pods"), "GET"),
        (502, it.request("GET /apis", aggregated), "GET"),
        (502, it.request(f"GET {POD}/exec?command=sh&stdout=true", *WEBSOCKET), "GET"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET"),
        (413, it.request("PUT /api/v1/namespaces/d/configmaps/c", "Content-Length: 9999999"), "PUT"),
    ):
        status, warning = refused(it, request, method)
        assert status == expected and warning.startswith('299 - "l7gw: ') and len(warning) <= LONGEST_WARNING, request


def test_what_a_caller_names_reaches_the_warning_as_plain_ascii(it: Scene) -> None:
    bob = it.issuer.token("bob@example.com", [])
    status, warning = refused(it, it.request("GET /api/v1/namespaces/d/pods/b%C3%BCro%20%22x%22%5B31m", token=bob))
    assert status == 403 and warning.isascii() and '\\"x\\"' in warning and "b\\\\xfcro" in warning


def keeps_a_config_map(visit: Visit) -> None:
    """Its value is 2 in the answers to a PATCH, and 1 in all others."""
    head = visit.head()
    value = "2" if head.startswith(b"PATCH") else "1"
    metadata = {"name": "c", "namespace": "d", "uid": "u", "resourceVersion": "7"}
    if head:
        visit.send(answered({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": {"a": value}}))
    visit.socket.close()


def warned(it: Scene) -> list[str]:
    """The Warnings of ours on three answers that succeed, and on one that fails because the cluster's message was masked."""
    it.upstream.script = answering(
        answered(
            {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "status": {"token": "ey.a.token"}}, "201 Created"
        )
    )
    found = [ask(it, it.request(f"POST {TOKENS}"), "POST")[1].get("warning", "")]
    release = {"kind": "Secret", "apiVersion": "v1", "type": "helm.sh/release.v1", "data": {"release": "SDRzSUFBQUFBQUFB"}}
    it.upstream.script = answering(answered({**release, "metadata": {"name": "sh.helm.release.v1.a.v1", "namespace": "d"}}))
    found.append(ask(it, it.request("GET /api/v1/namespaces/d/secrets/sh.helm.release.v1.a.v1"))[1].get("warning", ""))
    it.upstream.script = keeps_a_config_map
    hand, hal = Hand(it.gateway.state), it.issuer.token("hal@example.com", [])
    with ThreadPoolExecutor(1) as pool:
        request = it.request(
            "PATCH /api/v1/namespaces/d/configmaps/c",
            "Content-Type: application/merge-patch+json",
            body=b'{"data":{"a":"2"}}',
            token=hal,
        )
        answer = pool.submit(ask, it, request, "PATCH")
        hand.approve(hand.pending("hal@example.com"))
        status, fields, _ = answer.result(20)
    assert status == 200
    hand.close()
    return [*found, fields.get("warning", "")]


def test_of_the_answers_that_succeed_three_kinds_warn_and_none_after_a_reload_that_says_refusals(it: Scene) -> None:
    token, helm, held = warned(it)
    assert "reveal: [token-request]" in token and "a Helm release was masked" in helm and "held by rule 'held'" in held
    settings = yaml.safe_load(it.gateway.config.read_text())
    it.gateway.config.write_text(yaml.safe_dump(settings | {"warnings": "refusals"}))
    assert it.gateway.process is not None
    it.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration read again" in it.gateway.log)
    assert warned(it) == ["", "", ""]
    assert refused(it, it.request(f"DELETE {POD}"), "DELETE")[0] == 403
