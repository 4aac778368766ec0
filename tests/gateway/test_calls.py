"""Calls on one connection keep in step, whatever is asked and answered. No call gets another's answer."""

from __future__ import annotations

import signal
import threading

import yaml

from tests.support.faults import alive, ask, until
from tests.support.gateway_process import EVERYTHING
from tests.support.http_callers import POD
from tests.support.raw_client import RawClient
from tests.support.scene import Scene
from tests.support.scripted_upstream import KEPT, Visit, answering

# ---------------------------------------------------------------------- identities and connections never mix


def test_a_call_refused_after_dialling_gives_its_connection_back_once(own: Scene) -> None:
    """A connection that is given back twice would serve two callers at once, and one would get the other's answer."""
    slow, go_on = threading.Event(), threading.Event()

    def script(visit: Visit) -> None:
        while head := visit.head():
            last = head.rpartition(b" HTTP/1.1")[0].rpartition(b" ")[2]
            if last.endswith(b"/a"):
                slow.set()
                go_on.wait(5)
            body = b'{"of":"' + last + b'"}'
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    own.upstream.script = script
    pods = "/api/v1/namespaces/default/pods"
    assert ask(own, own.request(f"GET {pods}/first"))[0] == 200  # now one connection is idle
    for name in ("a,b", "system:admin"):
        assert ask(own, own.request(f"GET {pods}/x", token=own.issuer.token(name, [])))[0] in (401, 403)
    with RawClient(own.gateway) as one, RawClient(own.gateway) as two:
        one.send(own.request(f"GET {pods}/a"))
        assert slow.wait(5)
        two.send(own.request(f"GET {pods}/b"))
        assert two.answer()[2] == f'{{"of":"{pods}/b"}}'.encode()
        go_on.set()
        assert one.answer()[2] == f'{{"of":"{pods}/a"}}'.encode()


def test_two_principals_on_one_connection_have_sessions_of_their_own(own: Scene) -> None:
    bob = own.issuer.token("bob@example.com", ["engineers"])
    own.upstream.script = answering(*[KEPT] * 20)
    with RawClient(own.gateway) as client:
        sessions = []
        for n in range(10):
            client.send(own.request(f"GET {POD}", token=bob if n % 2 else None))
            sessions.append(client.answer()[1]["l7gw-session"])
    assert set(sessions[::2]) & set(sessions[1::2]) == set()
    assert len(set(sessions)) == 2


# ---------------------------------------------------------------------- the policy in force


def test_a_call_whose_body_comes_after_policy_changed_is_judged_by_the_new_one(own: Scene) -> None:
    """A body may take an hour. A caller who began one in time would otherwise keep a right that was taken away."""
    pods = "/api/v1/namespaces/default/pods"
    with RawClient(own.gateway) as late, RawClient(own.gateway) as still:
        late.send(own.request(f"POST {pods}", "Content-Length: 2") + b"{")
        still.send(own.request("POST /api/v1/namespaces/default/configmaps", "Content-Length: 2") + b"{")
        assert ask(own, own.request(f"GET {pods}"))[0] == 200  # the calls before this one were judged by the former policy
        own.gateway.policy.write_text(EVERYTHING + "guardrails:\n  - {name: frozen, effects: [workload], verdict: deny}\n")
        until(lambda: "policy read again" in own.gateway.log)
        for client in (late, still):
            client.send(b"}")
        status, _, body = late.answer()
        assert status == 403 and b"frozen" in body
        assert still.answer()[0] == 200
    assert [visit for visit in own.upstream.visits if b"POST" in visit.received and b"pods" in visit.received] == []
    (session,) = own.gateway.sessions()
    events = own.gateway.events(session["id"])
    number = next(
        event["exchange"]
        for event in events
        if event["type"] == "request" and event["target"] == pods and event["method"] == "POST"
    )
    said = [(event["verdict"], event["rule"]) for event in events if event["type"] == "verdict" and event["exchange"] == number]
    assert said == [("allow", "all"), ("deny", "frozen")]


def test_a_call_whose_body_comes_after_its_caller_is_known_no_more_is_a_401(own: Scene) -> None:
    """As after the end of a token, or of its key."""
    pods = "/api/v1/namespaces/default/pods"
    with RawClient(own.gateway) as late:
        late.send(own.request(f"POST {pods}", "Content-Length: 2") + b"{")
        assert ask(own, own.request(f"GET {pods}"))[0] == 200
        settings = yaml.safe_load(own.gateway.config.read_text())
        settings["identity"][0]["oidc"]["audience"] = "another"
        own.gateway.config.write_text(yaml.safe_dump(settings))
        assert own.gateway.process is not None
        own.gateway.process.send_signal(signal.SIGHUP)
        until(lambda: ask(own, own.request(f"GET {pods}"))[0] == 401)
        late.send(b"}")
        status, _, body = late.answer()
        assert status == 401 and b"another audience" in body
    assert not any(b"POST" in visit.received for visit in own.upstream.visits)
    anns = next(session for session in own.gateway.sessions() if session["principal"]["user"])
    events = own.gateway.events(anns["id"])
    number = next(event["exchange"] for event in events if event["type"] == "request" and event["method"] == "POST")
    said = [event["verdict"] for event in events if event["type"] == "verdict" and event["exchange"] == number]
    assert said == ["allow", "refused"]


# ---------------------------------------------------------------------- one after the other


def test_a_flood_of_pipelined_requests_is_answered_in_order_without_recursion(own: Scene) -> None:
    def script(visit: Visit) -> None:
        while head := visit.head():
            name = head.rpartition(b" HTTP/1.1")[0].rpartition(b"/")[2]
            body = b'{"of":%s}' % name
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    own.upstream.script = script
    requests = [own.request(f"GET /api/v1/pods/{n}") for n in range(1500)]
    ahead = 400  # more than the gateway holds, and few enough to fit into the client's send buffer
    with RawClient(own.gateway) as client:
        client.send(b"".join(requests[:ahead]))
        for n in range(len(requests)):
            client.send(b"".join(requests[n + ahead : n + ahead + 1]))
            assert client.answer()[2] == b'{"of":%d}' % n


def test_a_flood_of_refused_requests_is_answered_without_recursion(it: Scene) -> None:
    one = b"GET /api/v1/pods HTTP/1.1\r\nHost: l\r\n\r\n"
    count = 1500
    with RawClient(it.gateway) as client:
        client.send(one * count)
        assert [client.answer()[0] for _ in range(count)] == [401] * count
    assert alive(it)


# ---------------------------------------------------------------------- answers of every kind


def test_answers_without_a_body_keep_the_connection_in_step(own: Scene) -> None:
    own.upstream.script = answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        KEPT,
    )
    with RawClient(own.gateway) as client:
        client.send(own.request(f"HEAD {POD}"))
        assert client.answer("HEAD")[::2] == (200, b"")
        for code in (204, 304):
            client.send(own.request(f"GET {POD}"))
            assert client.answer()[::2] == (code, b"")
        client.send(own.request(f"HEAD {POD}"))
        assert client.answer("HEAD")[::2] == (200, b"")
        client.send(own.request(f"GET {POD}"))
        assert client.answer()[::2] == (200, b"{}")
    assert len(own.upstream.visits) == 1


def test_a_refused_head_request_has_no_body(it: Scene) -> None:
    with RawClient(it.gateway) as client:
        client.send(b"HEAD /api/v1/pods HTTP/1.1\r\nHost: l\r\n\r\n")
        assert client.answer("HEAD")[::2] == (401, b"")
        client.send(it.request(f"GET {POD}"))
        assert client.answer()[::2] == (200, b"{}")


def test_expect_100_continue_is_answered_when_the_body_is_wanted_and_only_then(it: Scene) -> None:
    with RawClient(it.gateway) as client:
        client.send(it.request("POST /api/v1/namespaces/default/pods", "Expect: 100-continue", "Content-Length: 2"))
        assert client.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert not it.upstream.received
        client.send(b"{}")
        assert client.answer("POST")[0] == 200
    assert b"expect" not in it.upstream.received.lower()
    with RawClient(it.gateway) as client:
        client.send(b"POST /api/v1/pods HTTP/1.1\r\nHost: l\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n")
        status, headers, _ = client.answer("POST")
        assert (status, headers["connection"]) == (401, "close")
        client.send(it.request("GET /api/v1/secrets"))
        client.rest()
    assert b"secrets" not in it.upstream.received
