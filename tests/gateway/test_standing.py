"""What the cluster says about the gateway itself reaches the caller in a sentence, and the log once. The same words of a pod do not
count."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.faults import EXEC, ask, until
from tests.support.gateway_process import Gateway
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.scene import Scene
from tests.support.scripted_upstream import OK, Visit, answering

POD = "/api/v1/namespaces/default/pods/web-0"
PROXY = f"{POD}/proxy/page"
REFUSED = 'groups "l7gw:engineers" is forbidden: User "l7gw-gateway" cannot impersonate resource "groups" in API group "" at the cluster scope'
MISSING = "l7gw: cluster test does not let the gateway impersonate groups l7gw:engineers: RBAC there lacks this permission; tell whoever runs l7gw: l7gw rbac render test"
OWN = 'pods "web-0" is forbidden: User "l7gw" cannot get resource "pods" in API group "" in the namespace "default"'


def body(message: str = REFUSED, kind: str = "groups", name: str = "l7gw:engineers") -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return json.dumps(status | {"reason": "Forbidden", "details": {"name": name, "kind": kind}, "code": 403}).encode()


def forbidden(data: bytes, *headers: str, then: str = "close") -> bytes:
    """A 403 that closes the connection, so that each test gets its own script."""
    lines = ["HTTP/1.1 403 Forbidden", "Content-Type: application/json", f"Connection: {then}"]
    lines += [*(headers or (f"Content-Length: {len(data)}",)), "", ""]
    return "\r\n".join(lines).encode() + data


def chunked(data: bytes) -> bytes:
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in data)
    return forbidden(b"", "Transfer-Encoding: chunked") + pieces + b"0\r\n\r\n"


UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def told(gateway: Gateway, words: str) -> int:
    """How many lines of the log say this, beside those that tell of one call."""
    return sum(bool(re.search(words, line)) for line in gateway.log.splitlines() if '"event"' not in line)


@pytest.mark.parametrize("whole", [forbidden(body()), chunked(body())], ids=["with its length", "byte by byte"])
def test_a_cluster_that_does_not_let_the_gateway_impersonate_is_a_502_that_names_the_permission(it: Scene, whole: bytes) -> None:
    it.upstream.script = answering(whole)
    status, _, answer = ask(it, it.request(f"GET {POD}"))
    assert (status, json.loads(answer)["message"]) == (502, MISSING)


def test_a_403_that_is_no_refused_impersonation_is_passed_on_byte_for_byte(it: Scene) -> None:
    for data in (body(OWN, "pods", "web-0"), b"", b"{}" + b" " * 20_000):
        for whole in (forbidden(data), chunked(data)):
            it.upstream.script = answering(whole)
            status, headers, answer = ask(it, it.request(f"GET {POD}"))
            assert (status, headers["content-type"], answer) == (403, "application/json", data)


def test_a_403_that_is_no_object_does_not_pass(it: Scene) -> None:
    """It cannot be masked."""
    for data in (b"{", b"x" * 20_000):
        for whole in (forbidden(data), chunked(data)):
            it.upstream.script = answering(whole)
            status, _, answer = ask(it, it.request(f"GET {POD}"))
            assert status == 502 and b"cannot be masked, so it does not pass" in answer


def test_a_403_or_401_of_a_pod_is_not_taken_for_the_clusters(it: Scene) -> None:
    """A pod behind a proxy subresource may say anything, also the cluster's own words."""
    for said, status in ((forbidden(body()), 403), (UNAUTHORIZED, 401)):
        it.upstream.script = answering(said)
        assert ask(it, it.request(f"GET {PROXY}"))[::2] == (status, said.partition(b"\r\n\r\n")[2])


def test_a_refused_impersonation_is_told_to_an_upgrade_and_not_to_a_head_request(it: Scene) -> None:
    it.upstream.script = answering(forbidden(body()))
    status, _, answer = ask(it, it.request(f"GET {EXEC}", *WEBSOCKET))
    assert (status, json.loads(answer)["message"]) == (502, MISSING)
    it.upstream.script = answering(forbidden(b"", f"Content-Length: {len(body())}"))
    assert ask(it, it.request(f"HEAD {POD}"), "HEAD")[0] == 403, "a HEAD has no body to tell by"


def test_an_answer_that_is_cut_while_it_is_held_back_is_a_502(it: Scene) -> None:
    def script(visit: Visit) -> None:
        visit.head()
        visit.send(forbidden(body())[:-5])

    it.upstream.script = script
    status, _, answer = ask(it, it.request(f"GET {POD}"))
    assert status == 502 and "no whole answer from the cluster" in json.loads(answer)["message"]


def test_a_connection_goes_on_after_a_refused_impersonation(own: Scene) -> None:
    """Both the client's and the cluster's connection go on, because the answer was whole."""
    own.upstream.script = answering(forbidden(body(), then="keep-alive"), OK)
    with RawClient(own.gateway) as client:
        for status in (502, 200):
            client.send(own.request(f"GET {POD}"))
            assert client.answer()[0] == status
    assert len(own.upstream.visits) == 1


def test_each_outage_is_two_lines_of_the_log(own: Scene) -> None:
    def answers(answer: bytes, status: int, times: int = 3, target: str = POD) -> None:
        own.upstream.script = answering(answer)
        for _ in range(times):
            assert ask(own, own.request(f"GET {target}"))[0] == status

    answers(forbidden(body()), 502)
    answers(OK, 200, target=PROXY)  # a pod's answer does not end the outage
    bob = own.issuer.token("bob@example.com", ["others"])
    own.upstream.script = answering(OK)
    assert ask(own, own.request(f"GET {POD}", token=bob))[0] == 200  # a call that names another group
    assert (
        told(
            own.gateway,
            "impersonate groups l7gw:engineers: RBAC there lacks this permission: calls are answered with 502; apply there what it needs: "
            r"l7gw rbac render test \| kubectl apply -f -",
        )
        == 1
    )
    assert told(own.gateway, "lets the gateway impersonate") == 0
    answers(OK, 200)
    until(lambda: told(own.gateway, "cluster test lets the gateway impersonate groups l7gw:engineers now; calls refused: 3") == 1)
    answers(UNAUTHORIZED, 502)
    until(lambda: told(own.gateway, "cluster test does not accept the gateway's own credential") == 1)
    answers(OK, 200)
    until(lambda: told(own.gateway, "cluster test accepts the gateway's credential again; calls refused: 3") == 1)
    answers(forbidden(body()), 502, 1)
    until(lambda: told(own.gateway, "impersonate groups l7gw:engineers: RBAC there lacks this permission: calls are") == 2)
    assert told(own.gateway, "gateway's own credential") == 1
