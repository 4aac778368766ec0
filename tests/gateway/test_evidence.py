"""A caller cannot change what is recorded of its calls. A token hides itself and nothing else. A verdict that was given is
recorded. Every end has its reason. A run has the command that its client named."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l7gw.demo.pki import Authority
from l7gw.gateway.exchange import Exchange
from l7gw.kube.requestinfo import describe
from l7gw.limits import Limits
from l7gw.policy.judge import Policy
from l7gw.recording import reader
from l7gw.recording.export import json_lines
from l7gw.recording.session_list import key_of, summaries
from l7gw.timeouts import Timeouts
from l7gw.wire.websocket_events import Close
from tests.recording.test_redact import AROUND, spelled
from tests.support.faults import CHUNKED, ask, exec_client, messages, until
from tests.support.http_callers import POD, Http2Caller
from tests.support.journals import ANN, session_events
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import KEPT, Visit, switched

PODS = "/api/v1/namespaces/default/pods"
MANY_ATTEMPTS = Limits(attempts_a_second=1_000_000)
CERTAINLY = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sessions(it: Scene) -> list[list[dict[str, Any]]]:
    """The events that `l7gw export` prints for each session, the newest session first."""
    state = it.gateway.state
    return [list(json_lines(one, session_events(state, key_of(one.id)))) for one in summaries(state)]


def events(it: Scene, kind: str) -> list[dict[str, Any]]:
    return [event for session in sessions(it) for event in session if event["type"] == kind]


def written(it: Scene) -> bytes:
    """Every byte of the journal's blocks, unpacked."""
    places = (place for path in reader.segments(it.gateway.state) for place in reader.places(path))
    return b"".join(reader.decompress(reader._payload(place), place.header.plain) for place in places)


class Line:
    """A connection, which is made again after the gateway has ended it."""

    def __init__(self, it: Scene) -> None:
        self._it = it
        self._client: RawClient | None = None

    def ask(self, data: bytes) -> tuple[int, bytes]:
        self._client = self._client or RawClient(self._it.gateway)
        self._client.send(data)
        status, headers, body = self._client.answer()
        if headers.get("connection") == "close":
            self.close()
        return status, body

    def close(self) -> None:
        if self._client is not None:
            self._client.socket.close()
            self._client = None


# ---------------------------------------------------------------------- tokens


PLACES: dict[str, Callable[[str], tuple[str, tuple[str, ...]]]] = {
    "a name": lambda token: (f"{PODS}/{token}", ()),
    "a namespace": lambda token: (f"/api/v1/namespaces/{token}/pods", ()),
    "a resource": lambda token: (f"/apis/{token}/v1/things", ()),
    "a path of its own": lambda token: (f"/{token}", ()),
    "a query's value": lambda token: (f"{POD}/exec?command=cat&command={token}&stdout=true", ()),
    "a query's key": lambda token: (f"{POD}?{token}", ()),
    "a selector": lambda token: (f"{PODS}?labelSelector=a%3D{token}", ()),
    "User-Agent": lambda token: (POD, (f"User-Agent: {token}",)),
    "Kubectl-Command": lambda token: (POD, (f"Kubectl-Command: kubectl {token}",)),
    "Kubectl-Session": lambda token: (POD, (f"Kubectl-Session: {token}",)),
    "Cookie": lambda token: (POD, (f"Cookie: session={token}",)),
    "a header of no meaning": lambda token: (POD, (f"X-Other: a {token} b",)),
    "Content-Type": lambda token: (POD, (f"Content-Type: {token}",)),
}


def test_a_proven_token_in_a_second_place_is_a_400_and_nowhere_on_the_disk_or_upstream(tmp_path: Path) -> None:
    with scene(tmp_path) as it:
        line, http2 = Line(it), Http2Caller(it)

        @CERTAINLY
        @given(
            st.sampled_from(sorted(PLACES)),
            spelled(it.token),
            AROUND.map(lambda text: re.sub("[^a-z0-9-]", "", text)),
            st.booleans(),
        )
        def refused(place: str, token: str, around: str, over_http2: bool) -> None:
            target, headers = PLACES[place](around + token + around)
            if over_http2 and not headers:
                status, body = http2.call(target)
            else:
                status, body = line.ask(it.request(f"GET {target}", *headers))
            assert status == 400 and b"send it in Authorization alone" in body, (place, body)

        refused()
        for place, make in PLACES.items():  # each place at least once
            target, headers = make(it.token)
            assert line.ask(it.request(f"GET {target}", *headers))[0] == 400, place
        line.close()
        http2.close()
        assert not it.upstream.received
        it.gateway.stop()
        on_disk = written(it).decode("latin-1")
        for text in (on_disk, unquote(on_disk, "latin-1"), unquote(unquote(on_disk, "latin-1"), "latin-1"), it.gateway.log):
            assert it.token not in text and it.token.lower() not in text
        requests = events(it, "request")
        assert f"{POD}/exec?command=cat&command=(credential)&stdout=true" in {request["target"] for request in requests}
        assert {event["outcome"] for event in events(it, "end")} == {"refused"}
        shown = it.gateway.l7gw("sessions", "show", summaries(it.gateway.state)[0].id).stdout
        assert it.token not in shown and "(credential)" in shown


WORD = st.text("abcdefghijklmnopqrstuvwxyz/=.-_0123456789ABCDEFGHIJK", min_size=1, max_size=40)


def test_an_unproven_bearer_word_leaves_the_rest_of_the_record_as_sent(tmp_path: Path) -> None:
    with scene(tmp_path / "scene", limits=MANY_ATTEMPTS) as it:
        line = Line(it)
        sent = []

        @CERTAINLY
        @given(WORD, AROUND)
        def attempt(word: str, around: str) -> None:
            target = f"/api/{word}/{around}?x={word}"
            assert line.ask(it.request(f"GET {target}", f"User-Agent: {word}", token=word))[0] == 401
            sent.append((target, word))

        attempt()
        line.close()
        it.gateway.stop()
        requests = events(it, "request")
        headers = [dict(request["headers"]) for request in requests]
        assert [(request["target"], named["user-agent"]) for request, named in zip(requests, headers, strict=True)] == sent
        assert {named["authorization"] for named in headers} == {"(credential)"}
        assert all(verdict["reason"].startswith("from 127.0.0.1: ") for verdict in events(it, "verdict"))  # the client's address


def test_any_word_beside_a_client_certificate_is_a_401_and_hides_nothing(tmp_path: Path) -> None:
    people = Authority(tmp_path / "people", "people")
    certificate, key = people.client("lea", "lea@example.com", ("engineers",))
    target = f"{POD}/exec?command=cat&command=/run/secrets/db&stdout=true"
    with scene(tmp_path / "scene", identity=[{"client-certificate": {"certificate-authority": str(people.certificate)}}]) as it:
        trusted = ssl.create_default_context(cafile=str(it.gateway.authority.certificate))
        trusted.load_cert_chain(certificate, key)
        for word, status in (("/run/secrets/db", 401), ("", 200)):
            said = f"Authorization: Bearer {word}\r\n" if word else ""
            with (
                socket.create_connection(("127.0.0.1", it.gateway.port), 10) as plain,
                trusted.wrap_socket(plain, server_hostname="localhost") as tls,
            ):
                tls.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{said}\r\n".encode())
                assert tls.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())
        it.gateway.stop()
        found = {session[0]["principal"]["user"]: session for session in sessions(it)}
        requests = {user: [e["target"] for e in session if e["type"] == "request"] for user, session in found.items()}
        assert requests == {"": [target], "lea@example.com": [target]}


# ---------------------------------------------------------------------- what a call was

RUN = "5b9f4b2e-3c0f-4a65-9d2e-0d1f0d0f0d0f"
SAID = [("kubectl get", "kubectl/v1"), ("kubectl delete", "kubectl/v1"), ("kubectl get", "curl"), ("kubectl get", "kubectl/v1")]
ASKED = {  # target -> argv, container, ports, label selector, field selector, stdin, tty
    f"{POD}/exec?command=sh&command=-c&command=echo%20%C3%A4&container=main&stdin=true&stdout=true": (
        ["sh", "-c", "echo ä"], "main", None, None, None, True, False,
    ),
    f"{POD}/attach?stdout=true&tty=1": (None, None, None, None, None, False, True),
    f"{POD}/portforward?ports=80,443": (None, None, [80, 443], None, None, None, None),
    f"{PODS}?labelSelector=app%3Dweb&fieldSelector=spec.nodeName%3Da": (None, None, None, "app=web", "spec.nodeName=a", None, None),
    f"{POD}/log?container=main": (None, "main", None, None, None, None, None),
    f"{POD}/proxy/page?container=x&labelSelector=y": (None,) * 7,
    "/version": (None,) * 7,
}  # fmt: skip


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A gateway that got all these requests, and was then stopped."""
    with scene(tmp_path_factory.mktemp("asked")) as it:
        for target in ASKED:
            ask(it, it.request(f"GET {target}"))
        for command, agent in SAID:
            ask(it, it.request(f"GET {POD}", f"Kubectl-Session: {RUN}", f"Kubectl-Command: {command}", f"User-Agent: {agent}"))
        ask(it, it.request(f"GET {POD}", "Kubectl-Session: checked-by-the-security-team-no-0001"))
        forged = it.token[:-8] + "AAAAAAAA"
        assert ask(it, it.request(f"GET {POD}?command=ls&x={forged}&y=z", token=forged))[0] == 401
        it.gateway.stop()
        yield it


def test_a_forged_token_in_an_attempt_is_hidden_and_the_text_around_it_stays(asked: Scene) -> None:
    """The token may be expired, or valid elsewhere. The text around it is recorded."""
    assert f"{POD}?command=ls&x=(credential)&y=z" in [request["target"] for request in events(asked, "request")]
    assert asked.token[:-8].encode() not in written(asked)


def test_the_record_says_what_an_exec_and_a_list_were(asked: Scene) -> None:
    keys = ("argv", "container", "ports", "label_selector", "field_selector", "stdin", "tty")
    found = {request["target"]: tuple(request[key] for key in keys) for request in events(asked, "request")}
    assert {target: found[target] for target in ASKED} == ASKED


def test_a_run_id_that_comes_back_with_another_command_is_another_run(asked: Scene) -> None:
    """Otherwise the record would say `kubectl get` for everything that a client does under this id."""
    requests = [request for request in events(asked, "request") if request["run"] == RUN]
    assert [(request["command"], request["client"]) for request in requests] == SAID
    runs = [run for session in sessions(asked) for run in session[0]["runs"]]
    assert [(run["command"], run["client"]) for run in runs if run["id"] == RUN] == SAID[2::-1]
    assert all(re.fullmatch("[0-9a-f-]{36}|", run["id"]) for run in runs)  # no text of the client's own


@pytest.mark.interpreted
@pytest.mark.parametrize("verdict", ["allow", "deny"])
def test_each_connection_of_a_port_forward_has_its_verdict_in_the_record(tmp_path: Path, verdict: str) -> None:
    """Each connection is an act of its own; the policy may have changed since the call began."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"rules: [{{name: tunnels, effects: [tunnel], verdict: {verdict}}}]")
    said: list[tuple[str, str, str]] = []  # verdict, rule, reason
    exchange = Exchange.__new__(Exchange)
    exchange.worker = SimpleNamespace(judge=Policy.load(policy).judge)  # type: ignore[assignment]
    exchange.principal, exchange.far = ANN, SimpleNamespace(name="prod")  # type: ignore[assignment]
    exchange.act = describe("GET", f"{POD}/portforward", "websocket")

    def record(verdict: str, *, rule: str, reason: str, of_port: bool) -> None:
        assert of_port  # so that it is not the verdict on the call
        said.append((verdict, rule, reason))

    exchange.call_record = SimpleNamespace(verdict=record)  # type: ignore[assignment]
    assert exchange.may_forward(8080) is (verdict == "allow")
    ((recorded, rule, reason),) = said
    assert (rule, recorded) == ("tunnels", verdict) and reason.startswith("port 8080: ")


# ---------------------------------------------------------------------- how calls end

GUARDED = """
guardrails:
  - {name: not this, names: [denied], verdict: deny, reason: "never that one"}
rules:
  - {name: all, effects: ["*"], verdict: allow}
"""
TIGHTER = GUARDED.replace("names: [denied]", "names: [denied, policy-*]")
PLAIN = CHUNKED.replace(b"application/json", b"text/plain")
# Long enough for what each call does before its end, on a machine that is busy.
SHORT_WAITS = Timeouts(drain_streams=0.5, linger=0.3, request_head=4.0, answer_unread=4.0, answer_begins=4.0)
STAYS = 60  # seconds that the cluster waits for the gateway, longer than all calls together take


def cluster(visit: Visit) -> None:
    """Do what the pod's name says, for each request of a connection."""
    before = 0
    visit.socket.settimeout(STAYS)
    while visit.head():
        head, before = bytes(visit.received[before : visit._read]), visit._read
        name = re.search(rb"(?:/pods/|name%3D)([a-z0-9-]+)", head)
        does = name[1].decode() if name else ""
        if b"websocket" in head.lower():
            switched(visit, head)
            visit.send(b"\x82\x06\x01ready")
            if does == "cluster-cuts-exec":
                return
            if does == "cluster-breaks-exec":
                visit.send(b"\xff" * 64)
            visit.drain(STAYS)
        elif does == "client-does-not-read":
            visit.send(CHUNKED + b"f42400\r\n" + b'{"a":"%s"}' % (b"x" * (16_000_000 - 8)) + b"\r\n0\r\n\r\n")
        elif does == "policy-watch":
            visit.send(CHUNKED + b"3\r\n{}\n\r\n")
        elif does == "cluster-cuts":
            visit.send(PLAIN + b"5\r\nhalf\n\r\n")
            return
        elif does == "cluster-cuts-object":
            visit.send(CHUNKED + b"1\r\n{\r\n")
            return
        elif does == "cluster-answers-nonsense":
            visit.send(b"HTTP/1.1 abc\r\n\r\n")
        elif does not in ("cluster-is-silent", "client-leaves"):
            visit.send(KEPT)


def send(it: Scene, data: bytes) -> RawClient:
    client = RawClient(it.gateway)
    client.send(data)
    return client


def post(it: Scene, name: str, *headers: str) -> bytes:
    return it.request(f"POST {PODS}/{name}", *headers)


def leave(it: Scene, data: bytes) -> None:
    """Send this, wait until the gateway asks for the body or the cluster has the request, and leave."""
    client = send(it, data)
    if b"100-continue" in data:
        assert client.socket.recv(100).startswith(b"HTTP/1.1 100")
    elif b"client-leaves" in data:
        until(lambda: b"/pods/client-leaves " in it.upstream.received)
    client.socket.close()


def bad_chunk(it: Scene) -> None:
    """Send a bad chunk after a head that was judged."""
    client = send(it, post(it, "bad-chunk", "Transfer-Encoding: chunked", "Expect: 100-continue"))
    assert client.socket.recv(100).startswith(b"HTTP/1.1 100")
    client.send(b"zz\r\n")
    assert client.answer("POST")[0] == 400


def leave_http2(it: Scene, name: str, last: str = "") -> None:
    """Call and leave. `last` is what the client does before it leaves: it resets the stream, or breaks the protocol."""
    client = Http2Caller(it)
    client._stream += 2
    frame = HeadersFrame(client._stream)
    frame.flags |= {"END_HEADERS"}
    frame.data = client._pack.encode(
        [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", f"{PODS}/{name}"), ("content-length", "5"),
         ("authorization", f"Bearer {it.token}")]
    )  # fmt: skip
    client.socket.sendall(frame.serialize())
    client.call(f"{PODS}/served")  # this call is answered, so all bytes before it were read
    if last == "reset":
        client.socket.sendall(RstStreamFrame(frame.stream_id, 8).serialize())  # CANCEL
        client.call(f"{PODS}/served")
    elif last == "break":
        client.socket.sendall(DataFrame(frame.stream_id + 100, b"x").serialize())
        assert isinstance(client._frame(), GoAwayFrame)
    client.close()


def run_exec(it: Scene, name: str) -> tuple[RawClient, Any]:
    client, leg = exec_client(it, f"{PODS}/{name}/exec?command=sh&stdin=true&stdout=true")
    return client, leg


def is_closed(found: list[Any]) -> bool:
    return any(isinstance(one, Close) for one in found)


def exec_until_the_end(it: Scene, name: str, data: bytes = b"") -> None:
    client, leg = run_exec(it, name)
    with client:
        if data:
            messages(client, leg, bool)
            client.send(data)
        messages(client, leg, is_closed)


def exec_and_leave(it: Scene) -> None:
    client, leg = run_exec(it, "client-leaves-exec")
    messages(client, leg, bool)
    client.socket.close()


def do_not_read(it: Scene) -> None:
    client = RawClient(it.gateway)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.send(it.request(f"GET {PODS}/client-does-not-read"))
    until(lambda: "an answer is not read" in it.gateway.log)
    client.socket.close()


# Pod's name -> what is done in the call about this pod, its outcome in the record, and the reason.
ENDS: dict[str, tuple[Callable[[Scene], object], str, str]] = {
    "served": (lambda it: ask(it, it.request(f"GET {PODS}/served")), "complete", ""),
    "denied": (lambda it: ask(it, it.request(f"GET {PODS}/denied")), "denied", "never that one"),
    "unknown": (lambda it: ask(it, it.request(f"GET {PODS}/unknown", token="x")), "refused", "malformed"),
    "two-readings": (lambda it: ask(it, it.request(f"GET {PODS}//two-readings")), "refused", "empty segment"),
    "token-in-it": (lambda it: ask(it, it.request(f"GET {PODS}/token-in-it?a={it.token}")), "refused", "its own token"),
    "too-large": (lambda it: ask(it, post(it, "too-large", "Content-Length: 4000000"), "POST"), "failed", "larger than 3 MiB"),
    "bad-chunk": (bad_chunk, "aborted", "chunk"),
    "too-slow": (lambda it: ask(it, post(it, "too-slow", "Content-Length: 5"), "POST"), "aborted", "too slowly"),
    "leaves-expect": (
        lambda it: leave(it, post(it, "leaves-expect", "Content-Length: 5", "Expect: 100-continue")), "aborted", "before its request"
    ),
    "leaves-length": (lambda it: leave(it, post(it, "leaves-length", "Content-Length: 5")), "aborted", "before its request was whole"),
    "leaves-chunks": (
        lambda it: leave(it, post(it, "leaves-chunks", "Transfer-Encoding: chunked") + b"1\r\na\r\n"), "aborted", "before its request"
    ),
    "leaves-h2-stream": (lambda it: leave_http2(it, "leaves-h2-stream", "reset"), "aborted", "cancelled the call, before its request"),
    "breaks-h2": (lambda it: leave_http2(it, "breaks-h2", "break"), "aborted", "broke HTTP/2: .*, before its request"),
    "leaves-h2": (lambda it: leave_http2(it, "leaves-h2"), "aborted", "left, before its request"),
    "client-leaves": (lambda it: leave(it, it.request(f"GET {PODS}/client-leaves")), "aborted", "left, before the answer"),
    "client-does-not-read": (do_not_read, "aborted", "did not read the answer"),
    "cluster-cuts": (lambda it: send(it, it.request(f"GET {PODS}/cluster-cuts/log")).rest(), "cut", "no whole answer"),
    "cluster-cuts-object": (lambda it: ask(it, it.request(f"GET {PODS}/cluster-cuts-object")), "failed", "no whole answer"),
    "cluster-answers-nonsense": (lambda it: ask(it, it.request(f"GET {PODS}/cluster-answers-nonsense")), "failed", "no whole answer"),
    "cluster-is-silent": (lambda it: ask(it, it.request(f"GET {PODS}/cluster-is-silent")), "failed", "does not answer"),
    "client-leaves-exec": (exec_and_leave, "aborted", "left, before the stream"),
    "cluster-cuts-exec": (lambda it: exec_until_the_end(it, "cluster-cuts-exec"), "cut", "the cluster ended the connection"),
    "cluster-breaks-exec": (lambda it: exec_until_the_end(it, "cluster-breaks-exec"), "cut", "not what its protocol allows"),
    "client-breaks-exec": (
        lambda it: exec_until_the_end(it, "client-breaks-exec", b"\xff" * 64), "cut", "not what its protocol allows"
    ),
    "policy-exec": (lambda it: None, "cut", "no longer allowed: denied by guardrail"),
    "policy-watch": (lambda it: None, "cut", "no longer allowed: denied by guardrail"),
    "shut-down-exec": (lambda it: None, "cut", "restarted"),
}  # fmt: skip


@pytest.fixture
def ended(tmp_path: Path) -> Iterator[Scene]:
    """A gateway that had each of the calls in ENDS, and was then stopped."""
    with scene(tmp_path / "scene", cluster, policy=GUARDED, timeouts=SHORT_WAITS, limits=MANY_ATTEMPTS) as it:
        policy_exec, leg = run_exec(it, "policy-exec")
        watch = send(it, it.request(f"GET {PODS}?watch=1&fieldSelector=metadata.name%3Dpolicy-watch"))
        shut_down, _ = run_exec(it, "shut-down-exec")
        with ThreadPoolExecutor(len(ENDS)) as together:
            for done in [together.submit(do, it) for do, _, _ in ENDS.values()]:
                done.result()
        it.gateway.policy.write_text(TIGHTER)
        messages(policy_exec, leg, is_closed)
        policy_exec.socket.close()
        assert b"no longer allowed" in watch.answer()[2]
        watch.socket.close()
        it.gateway.stop()
        shut_down.socket.close()
        yield it


def test_every_end_but_a_complete_one_says_why(ended: Scene) -> None:
    found = {}
    denials = 0
    for session in sessions(ended):
        calls: dict[int, list[dict[str, Any]]] = {}
        for event in session:
            if "exchange" in event:
                calls.setdefault(event["exchange"], []).append(event)
        for of_call in calls.values():
            request, end = of_call[0], of_call[-1]
            assert (request["type"], end["type"]) == ("request", "end")
            assert (end["outcome"] == "complete") is (end["reason"] == ""), of_call
            if not request["target"]:  # bytes that were no request, whose reason was checked above
                continue
            name = re.search("(?:/pods/+|name%3D)([a-z0-9-]+)", request["target"])
            assert name is not None, of_call
            found[name[1]] = end["outcome"], end["reason"]
            verdicts = [event["verdict"] for event in of_call if event["type"] == "verdict"]
            denials += verdicts.count("deny")
            assert verdicts[0] == ("allow" if end["outcome"] not in ("refused", "denied") else verdicts[0]), of_call
    assert found.keys() == ENDS.keys()
    for name, (_, outcome, reason) in ENDS.items():
        assert found[name][0] == outcome and re.search(reason, found[name][1]), (name, found[name])
    assert denials == 3  # the refused call, and each stream that was judged again
    shown = "".join(ended.gateway.l7gw("sessions", "show", one.id).stdout for one in summaries(ended.gateway.state))
    assert all(re.search(reason, shown) for _, _, reason in ENDS.values())
