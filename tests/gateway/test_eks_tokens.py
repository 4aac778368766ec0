"""Calls to a cluster of EKS that says what a script says: each person's token is his own, one that is refused is made anew once and the
call answered, and a cluster that is not described yet, or has moved, is waited for."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from l7gw.timeouts import Timeouts
from tests.support.aws.bodies import UNAVAILABLE, Refused
from tests.support.aws.stand_in import Aws
from tests.support.eks_scene import EksScene, eks_scene
from tests.support.faults import EXEC, ask, until
from tests.support.gateway_process import EVERYTHING
from tests.support.http_callers import POD, WATCH
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.scripted_upstream import ALWAYS_OK, KEPT, OK, Visit, answering, switched

BODY = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0"}}'
UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
EVENT = b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}}\n'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EksScene]:
    folder = tmp_path_factory.mktemp("eks")
    with Aws(folder) as aws, pytest.MonkeyPatch.context() as patch, eks_scene(folder, aws, patch) as scene:
        yield scene


@pytest.fixture
def it(shared: EksScene, request: pytest.FixtureRequest) -> EksScene:
    """One scene for all tests, with a person for each: Ann is another one in each."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[-40:]
    shared.token = shared.person(name)
    shared.me = f"{name}@example.com"
    shared.before = len(shared.shown())
    shared.upstream.script = ALWAYS_OK
    return shared


class Refusing:
    """A cluster that says 401 to the tokens of `bad`, and to new ones while `most` are not there yet. Else it answers."""

    def __init__(self, most: int, answer: bytes = KEPT) -> None:
        self.bad: set[str] = set()
        self.most = most
        self.answer = answer
        self.requests: list[tuple[bytes, bytes]] = []  # head and body
        self._lock = threading.Lock()

    def __call__(self, visit: Visit) -> None:
        done = 0
        while visit.head():
            data = bytes(visit.received)[done:]
            head, _, body = data.partition(b"\r\n\r\n")
            length = int((re.search(rb"(?i)content-length: (\d+)", head) or [b"", b"0"])[1])
            while len(body) < length and visit.more():
                body = bytes(visit.received)[done:].partition(b"\r\n\r\n")[2]
            done = len(visit.received)
            token = (re.search(rb"(?i)authorization: bearer (\S+)", head) or [b"", b""])[1].decode()
            with self._lock:
                self.requests.append((head, body[:length]))
                if len(self.bad) < self.most:
                    self.bad.add(token)
                refused = token in self.bad
            if refused:
                visit.send(UNAUTHORIZED)
            elif b"upgrade: websocket" in head.lower():
                switched(visit, head + b"\r\n\r\n")
                visit.send(b"\x82\x06\x01ready")
                visit.drain(10)
                return
            else:
                visit.send(self.answer)


def message(answer: bytes) -> str:
    return str(json.loads(answer)["message"])


def test_each_persons_calls_go_up_with_tokens_of_his_own_role_session_over_connections_of_his_own(it: EksScene) -> None:
    it.upstream.script = answering(*[KEPT] * 1000)
    visits = list(it.upstream.visits)
    people = [it.person(name) for name in ("ann", "bob", "cid")]

    def calls(token: str) -> None:
        with RawClient(it.gateway) as client:
            for _ in range(8):
                client.send(it.request(f"GET {POD}", token=token))
                assert client.answer()[0] == 200

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(calls, people * 3))
    sessions = []
    for visit in it.upstream.visits[len(visits) :]:
        head = visit.received.decode("latin-1")
        named = re.findall(r"(?i)impersonate-extra-l7gw-user: (\S+)", head)
        shown = {it.session_of(token) for token in re.findall(r"(?i)authorization: bearer (\S+)", head)}
        assert shown == set(named) and len(shown) == 1, "a connection carried the calls of two people"
        sessions += shown
    assert sorted(set(sessions)) == ["ann@example.com", "bob@example.com", "cid@example.com"]
    assert len(it.shown()[it.before :]) == 72
    assert [it.aws.sts.sessions(it.role).count(one) for one in sorted(set(sessions))] == [1, 1, 1]


@pytest.mark.long
def test_with_one_session_for_the_gateway_all_share_it(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with eks_scene(tmp_path, aws, monkeypatch, per="gateway") as it:
        for token in (it.token, it.person("bob")):
            assert ask(it, it.request(f"GET {POD}", token=token))[0] == 200
        assert {it.session_of(token) for token in it.shown()} == {"l7gw"} and len(aws.sts.assumed) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "exec", "watch"])
def test_a_refused_token_is_made_anew_and_the_call_answered(it: EksScene, method: str) -> None:
    cluster = it.upstream.script = Refusing(1)
    if method == "exec":
        with RawClient(it.gateway) as client:
            client.send(it.request(f"GET {EXEC}", *WEBSOCKET))
            client.upgraded()
    elif method == "PUT":
        status, _, answer = ask(it, it.request(f"PUT {POD}", "Content-Type: application/json", body=BODY))
        assert (status, answer) == (200, b"{}")
    else:
        cluster.answer = (
            KEPT if method == "GET" else OK.replace(b"Content-Length: 2", b"Content-Length: %d" % len(EVENT))[:-2] + EVENT
        )
        status, _, answer = ask(it, it.request(f"GET {POD if method == 'GET' else WATCH}"))
        assert status == 200 and answer
    (head, body), (again, as_before) = cluster.requests
    assert body == as_before == (BODY if method == "PUT" else b"")
    first, second = it.shown()[it.before :]
    assert first != second and it.session_of(first) == it.session_of(second) == it.me
    assert re.search(rb"(?i)audit-id: (\S+)", head)[1] == re.search(rb"(?i)audit-id: (\S+)", again)[1]  # type: ignore[index]


def test_a_new_token_that_is_refused_too_is_an_outage_told_once_and_no_flood_of_new_ones(it: EksScene) -> None:
    it.upstream.script = Refusing(1000)
    outage = "does not accept the gateway's own credential (401)"
    before = it.gateway.log.count(outage)
    for _ in range(10):
        status, _, answer = ask(it, it.request(f"GET {POD}"))
        assert status == 502 and "does not accept the gateway's own credential" in message(answer)
    assert it.gateway.log.count(outage) == before + 1 and f"has {it.role.arn} an access entry there?" in it.gateway.log
    assert it.aws.sts.sessions(it.role).count(it.me) <= 2 + 10 // 5, "made anew once while his connections are there"
    it.upstream.script = answering(OK)
    assert ask(it, it.request(f"GET {POD}"))[0] == 200
    until(lambda: "accepts the gateway's credential again; calls refused: 10" in it.gateway.log)


def test_many_calls_that_meet_one_refused_token_share_the_new_one(it: EksScene) -> None:
    assert ask(it, it.request(f"GET {POD}"))[0] == 200
    cluster = it.upstream.script = Refusing(0)
    cluster.bad = set(it.shown())  # those of tests before too

    def call(_: int) -> int:
        return ask(it, it.request(f"PUT {POD}", "Content-Type: application/json", body=BODY))[0]

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(call, range(48))) == {200}
    assert len(set(it.shown()[it.before :])) == 2


def test_a_call_waits_for_the_answer_of_aws(it: EksScene) -> None:
    with it.aws.slow("AssumeRole") as fault, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, it, it.request(f"GET {POD}"))
        assert fault.came.wait(20) and not waiting.done()
        assert fault.until is not None
        fault.until.set()
        assert waiting.result()[0] == 200


def test_a_policy_that_changes_while_a_call_waits_for_its_token_counts_for_that_call(it: EksScene) -> None:
    with it.aws.slow("AssumeRole") as fault, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, it, it.request(f"GET {POD}"))
        assert fault.came.wait(20) and fault.until is not None
        read = it.gateway.log.count("policy read again")
        it.gateway.policy.write_text("rules: []")
        try:
            until(lambda: it.gateway.log.count("policy read again") > read)
            fault.until.set()
            assert waiting.result()[0] == 403
        finally:
            it.gateway.policy.write_text(EVERYTHING)
    until(lambda: it.gateway.log.count("policy read again") > read + 1)
    assert it.shown()[it.before :] == []


def test_while_sts_is_down_calls_are_told_the_step_and_who_has_a_token_notices_nothing(it: EksScene) -> None:
    assert ask(it, it.request(f"GET {POD}"))[0] == 200
    with it.aws.failing(UNAVAILABLE):
        for _ in range(3):
            assert ask(it, it.request(f"GET {POD}"))[0] == 200
        status, _, answer = ask(it, it.request(f"GET {POD}", token=it.person("eve")))
        assert status == 503 and "AssumeRole" in message(answer)


@pytest.mark.long
def test_a_cluster_that_eks_does_not_describe_is_told_in_the_words_of_that_step(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.denied["eks:DescribeCluster"] = ""
    with eks_scene(tmp_path, aws, monkeypatch) as it:
        status, _, answer = ask(it, it.request(f"GET {POD}"))
        assert status == 503 and "DescribeCluster" in message(answer) and "eks:DescribeCluster" in message(answer)
        del aws.denied["eks:DescribeCluster"]
        until(lambda: ask(it, it.request(f"GET {POD}"))[0] == 200)


@pytest.mark.long
def test_another_ca_at_eks_ends_the_connections_of_before_and_a_stranger_is_refused_until_the_right_one_is_back(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with eks_scene(tmp_path, aws, monkeypatch, timeouts=Timeouts(described_again=1.0)) as it:
        it.upstream.script = answering(*[KEPT] * 100)
        assert ask(it, it.request(f"GET {POD}"))[0] == 200
        right = it.described.described | {}
        it.described.move(str(right["endpoint"]), it.gateway.authority.certificate.read_text())
        until(lambda: ask(it, it.request(f"GET {POD}"))[0] == 503)
        assert "another CA or name than EKS describes" in message(ask(it, it.request(f"GET {POD}"))[2])
        it.described.described |= right
        until(lambda: ask(it, it.request(f"GET {POD}"))[0] == 200)
        assert it.gateway.log.count("cluster test has another CA now") == 2


def test_no_byte_of_a_credential_of_aws_is_in_log_recording_or_answer(it: EksScene) -> None:
    it.upstream.script = Refusing(1)
    assert ask(it, it.request(f"GET {POD}"))[0] == 200
    with it.aws.failing(Refused(403, "AccessDenied", "no"), "AssumeRole"):
        answer = ask(it, it.request(f"GET {POD}", token=it.person("fay")))[2]
    texts = [path.read_bytes() for path in it.gateway.state.rglob("*") if path.is_file()]
    texts += [answer, it.gateway.log.encode()]
    mine = next(one["id"] for one in it.gateway.sessions() if it.me in str(one))
    texts.append(json.dumps(it.gateway.events(mine)).encode())
    kept = b"".join(texts)
    for canary in (*it.aws.canaries, *it.shown(), *(token[-60:] for token in it.shown())):
        assert canary.encode() not in kept
