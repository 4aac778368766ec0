"""No place of a request brings a secret into the log, not even at debug: not a credential, not a value that looks like one, not one
that the cluster keeps in a Secret."""

from __future__ import annotations

import base64
import json
import random
import socket
import string
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from tests.support.credential_samples import KINDS
from tests.support.faults import ask, until
from tests.support.http_callers import POD
from tests.support.planted import forms
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import OK, Visit

PODS = "/api/v1/namespaces/default/pods"
POLICY = """
guardrails:
  - {name: none of these, names: ["denied*"], verdict: deny}
rules:
  - {name: all, effects: ["*"], verdict: allow}
"""
Place = Callable[[str], tuple[str, tuple[str, ...], bytes]]
PLACES: dict[str, Place] = {
    "name": lambda secret: (f"GET {PODS}/{quote(secret, safe='')}", (), b""),
    "denied name": lambda secret: (f"GET {PODS}/denied-{quote(secret, safe='')}", (), b""),
    "namespace": lambda secret: (f"GET /api/v1/namespaces/{quote(secret, safe='')}/pods", (), b""),
    "path": lambda secret: (f"GET /{quote(secret, safe='')}/healthz", (), b""),
    "escaped path": lambda secret: ("GET /" + "".join(f"%{ord(letter):02X}" for letter in secret), (), b""),
    "proxied path": lambda secret: (f"GET {POD}/proxy/{quote(secret, safe='')}", (), b""),
    "query": lambda secret: (f"GET {PODS}?labelSelector=a%3D{quote(secret, safe='')}&{quote(secret, safe='')}=1", (), b""),
    "argv": lambda secret: (f"GET {POD}/exec?command=mysql&command=-p{quote(secret, safe='')}&stdout=true", WEBSOCKET, b""),
    "user agent": lambda secret: (f"GET {POD}", (f"User-Agent: {secret}",), b""),
    "command": lambda secret: (f"GET {POD}", (f"Kubectl-Command: kubectl {secret}", f"Kubectl-Session: {secret}"), b""),
    "header": lambda secret: (f"GET {POD}", (f"X-Other: {secret}", f"Cookie: a={secret}", f"Traceparent: {secret}"), b""),
    "header's name": lambda secret: (f"GET {POD}", (f"X-{secret}: 1",), b""),
    "accept": lambda secret: (f"GET {POD}", (f"Accept: {secret}",), b""),
    "as": lambda secret: (f"GET {POD}", (f"Impersonate-User: {secret}",), b""),
    "body": lambda secret: (
        f"POST {PODS}",
        ("Content-Type: application/json",),
        json.dumps({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "annotations": {"a": secret}}}).encode(),
    ),
    "body that is none": lambda secret: (f"POST {PODS}", ("Content-Type: application/json",), secret.encode()),
    "method": lambda secret: (f"{secret} {POD}", (), b""),
    "host": lambda secret: (f"GET {POD}", (f"Host: {secret}",), b""),
}


def _drawn(kind: str, size: int) -> str:
    return "".join(random.Random(f"{kind} {size}").choices(KINDS[kind], k=size))


def _unproven() -> str:
    """A token of nobody's, well formed."""
    head, payload = (
        {"alg": "ES256", "kid": "k", "typ": "JWT"},
        {"iss": "https://idp.example.com", "aud": "a", "sub": "s", "exp": 9, "iat": 1},
    )
    parts = (base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (head, payload))
    return f"{'.'.join(parts)}.{_drawn('url', 86)}"


ELSEWHERE = ("namespace", "path", "escaped path")  # beyond the namespace of a Secret, which alone knows its values
GITHUB = f"ghp_{_drawn('alnum', 36)}"
KEPT = _drawn("alnum", 24)  # in a Secret
UNPROVEN = _unproven()


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "default"}}
    body = json.dumps(secret | {"data": {"password": base64.b64encode(KEPT.encode()).decode()}}).encode()

    def script(visit: Visit) -> None:
        while head := visit.head():
            kept = b"/secrets/" in head
            answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            visit.send(answer if kept else OK)
            if not kept:
                return

    with scene(tmp_path_factory.mktemp("scene"), script, policy=POLICY, log={"level": "debug"}) as running:
        status, _, told = ask(running, running.request("GET /api/v1/namespaces/default/secrets/a"))
        assert status == 200 and KEPT.encode() not in told  # from here on the gateway knows the value
        yield running


def looked_through(it: Scene, since: int, *secrets: str) -> None:
    """Wait until the log has what came before, and look for the secrets in it, from a line on, in every form."""
    _, headers, _ = ask(it, it.request("GET /version"))
    until(lambda: headers["audit-id"] in it.gateway.log)
    log = "\n".join(it.gateway.log.splitlines()[since:]).encode()
    for secret in secrets:
        found = [form for form in forms(secret.encode()) if form in log]
        assert not found, [line for line in it.gateway.log.splitlines()[since:] if found[0].decode() in line]


@pytest.mark.parametrize("place", PLACES)
def test_a_value_of_a_secret_and_one_that_looks_like_a_credential_come_from_nowhere_into_the_log(it: Scene, place: str) -> None:
    since = len(it.gateway.log.splitlines())
    for secret in (GITHUB,) if place in ELSEWHERE else (GITHUB, KEPT):
        line, headers, body = PLACES[place](secret)
        with RawClient(it.gateway) as client:
            client.send(it.request(line, *headers, body=body))
            client.socket.recv(1000)
    looked_through(it, since, GITHUB, KEPT)


@pytest.mark.parametrize("place", PLACES)
def test_a_token_whoever_it_is_of_comes_from_nowhere_into_the_log(it: Scene, place: str) -> None:
    """The caller's own, in a second place; and one that proves nobody, alone and beside the caller's."""
    since = len(it.gateway.log.splitlines())
    for secret, bearer in ((it.token, it.token), (UNPROVEN, UNPROVEN), (it.token, UNPROVEN)):
        line, headers, body = PLACES[place](secret)
        with RawClient(it.gateway) as client:
            client.send(it.request(line, *headers, body=body, token=bearer))
            client.socket.recv(1000)
    looked_through(it, since, it.token.rpartition(".")[2], UNPROVEN.rpartition(".")[2])


@pytest.mark.parametrize("where", ["request line", "head", "TLS"])
def test_bytes_that_are_no_request_come_into_no_line(it: Scene, where: str) -> None:
    secret = f"s3cr3t{_drawn('lower', 20)}"
    since = len(it.gateway.log.splitlines())
    if where == "TLS":
        with socket.create_connection(("127.0.0.1", it.gateway.port), 10) as plain:
            plain.sendall(secret.encode() * 10)
            plain.recv(100)
    else:
        with RawClient(it.gateway) as client:
            junk = f"{secret}\r\n\r\n" if where == "request line" else f"GET / HTTP/1.1\r\nHost: a\r\n{secret}\x01: b\r\n\r\n"
            client.send(junk.encode())
            client.socket.recv(1000)
    looked_through(it, since, secret)


def test_the_search_finds_what_stands_in_the_log(it: Scene) -> None:
    """A name that is no secret stands there: the tests above look in the right place."""
    since = len(it.gateway.log.splitlines())
    ask(it, it.request(f"GET {PODS}/{string.ascii_lowercase}"))
    with pytest.raises(AssertionError):
        looked_through(it, since, string.ascii_lowercase)
