"""What the gateway asks the cluster within a call: as the requester, bounded, and once answered. `tests/gateway/test_restoring.py`
drives side calls in the running gateway."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from l7gw.cluster.standing import Standing
from l7gw.cluster.upstream import Upstream
from l7gw.errors import Refusal
from l7gw.gateway.anew import MOST_TRIES
from l7gw.gateway.guard import Step
from l7gw.gateway.side_calls import Asked, SideAnswer, SideCall
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.policy.verdict import Verdict
from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Body, End, HttpEvent, Request, Response
from tests.support.manual_clock import ManualClock

JSON = (("content-type", "application/json"),)


class Connection:
    """A connection that keeps what it is told."""

    def __init__(self) -> None:
        self.sent: list[HttpEvent] = []
        self.end = ""

    def begin(self, call: Any) -> None:
        self.call = call

    def send(self, event: HttpEvent) -> None:
        self.sent.append(event)

    def flush(self) -> None: ...

    def pause(self, why: int) -> None: ...

    def resume(self, why: int) -> None: ...

    def release(self) -> None:
        self.end = "released"

    def abort(self) -> None:
        self.end = "aborted"


class TokenOfTest:
    """The credential of the pool: a token that can be made anew as often as `left` says."""

    def __init__(self) -> None:
        self.left = 0
        self.refused_values: list[str] = []

    def refused(self, sent: str) -> bool:
        self.refused_values.append(sent)
        self.left -= 1
        return self.left >= 0


class CallOfTest:
    """A call that makes side calls, and the pool that gives it connections."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.request = Request("PUT", "/", (("user-agent", "kubectl"), ("cookie", "x"), ("content-type", "application/yaml")))
        self.far: Any = SimpleNamespace(name="prod", standing=Standing("prod"), pool_of=lambda principal: self)
        self.principal = Principal("lea")
        self.act = describe("PUT", "/api/v1/namespaces/shop/pods/web")
        self.call_record = None
        self.credential = TokenOfTest()
        self.side: SideCall | None = None
        self.waiting: list[Callable[[Upstream | Refusal], None]] = []
        self.said: list[SideAnswer | Refusal] = []

    @property
    def worker(self) -> CallOfTest:
        return self

    def judge(self, principal: Principal, cluster: str, act: Act) -> Verdict:
        raise AssertionError("a side call judges nothing by itself")

    def connect(self, then: Callable[[Upstream | Refusal], None], kind: str) -> None:
        self.waiting.append(then)

    def as_caller(self, request: Request, act: Act, body: int) -> Request:
        token = ("authorization", f"Bearer {len(self.credential.refused_values)}")
        return Request(request.method, act.target, (*request.headers, token, ("impersonate-user", "lea")), body)

    def as_gateway(self, request: Request, act: Act, body: int) -> Request:
        return Request(request.method, act.target, request.headers, body)

    def enter(self, inside: Step) -> None:
        step: Step | None = inside
        while step is not None:
            step = step()  # type: ignore[assignment]

    def ask(self, **asked: Any) -> None:
        usual = {"method": "GET", "target": "/api/v1/pods", "why": "to know", "largest": 1 << 20, "within": 10.0}
        SideCall(self, Asked(**usual | asked), self._then).begin()

    def _then(self, said: SideAnswer | Refusal) -> None:
        self.said.append(said)

    def connected(self) -> Connection:
        connection = Connection()
        self.waiting.pop()(connection)
        return connection

    @property
    def refusal(self) -> Refusal:
        (said,) = self.said
        assert isinstance(said, Refusal)
        return said


@pytest.fixture
def call() -> CallOfTest:
    return CallOfTest()


def test_the_answer_is_handed_over_whole_and_the_connection_serves_others(call: CallOfTest) -> None:
    call.ask()
    connection = call.connected()
    assert isinstance(connection.sent[0], Request)
    names = [name for name, _ in connection.sent[0].headers]
    assert names == ["user-agent", "accept", "authorization", "impersonate-user"]
    assert connection.sent[0].length == NO_BODY
    connection.call.on_upstream([Response(200, JSON, CHUNKED), Body(b'{"a":')])
    assert not call.said
    assert call.side is not None
    connection.call.on_upstream([Body(b"1}"), End()])
    assert call.said == [SideAnswer(200, JSON, b'{"a":1}')]
    assert connection.end == "released"
    assert call.side is None


def test_what_the_gateway_asks_for_itself_names_nobody(call: CallOfTest) -> None:
    call.ask(method="POST", body=b"{}", own=True)
    sent = call.connected().sent[0]
    assert isinstance(sent, Request) and [name for name, _ in sent.headers] == ["user-agent", "accept", "content-type"]


@pytest.mark.parametrize("kind", ["application/json", "application/merge-patch+json"])
def test_a_body_goes_up_with_its_type(call: CallOfTest, kind: str) -> None:
    more = {} if kind == "application/json" else {"content_type": kind}
    call.ask(method="POST", body=b'{"kind":"Pod"}', target="/api/v1/namespaces/shop/pods?dryRun=All", **more)
    sent = call.connected().sent
    assert isinstance(sent[0], Request)
    assert (sent[0].target, sent[0].length) == ("/api/v1/namespaces/shop/pods?dryRun=All", 14)
    assert [value for name, value in sent[0].headers if name == "content-type"] == [kind]
    assert sent[1:] == [Body(b'{"kind":"Pod"}'), End()]


def test_the_largest_answer_is_taken_and_a_byte_more_ends_the_side_call(call: CallOfTest) -> None:
    call.ask()
    call.connected().call.on_upstream([Response(200, JSON, CHUNKED), Body(b"x" * (1 << 20)), End()])
    call.ask()
    connection = call.connected()
    connection.call.on_upstream([Response(200, JSON, CHUNKED), Body(b"x" * (1 << 20)), Body(b"x")])
    assert isinstance(call.said.pop(0), SideAnswer)
    assert call.refusal.message == "to know, and it is larger than 1 MiB"
    assert connection.end == "aborted"


def test_an_answer_that_is_not_whole_in_time_is_a_504(call: CallOfTest) -> None:
    call.ask(within=10.0)
    connection = call.connected()
    side = call.side
    assert side is not None
    side.tick(call.clock.monotonic() + 10.0)
    assert not call.said
    side.tick(call.clock.monotonic() + 10.1)
    side.tick(call.clock.monotonic() + 11.0)
    assert call.refusal.code == 504
    assert connection.end == "aborted"
    connection.call.on_upstream([Response(200, JSON, CHUNKED), End()])
    assert len(call.said) == 1


@pytest.mark.parametrize("status", [301, 401])
def test_an_answer_about_the_gateway_is_a_refusal(call: CallOfTest, status: int) -> None:
    call.ask()
    call.connected().call.on_upstream([Response(status, JSON, CHUNKED), End()])
    assert call.refusal.code == 502


def test_a_cluster_without_a_connection_is_told(call: CallOfTest) -> None:
    call.ask()
    call.waiting.pop()(Refusal(503, "ServiceUnavailable", "away"))
    assert call.refusal.message == "away"


def test_a_connection_that_ends_within_the_answer_is_a_502(call: CallOfTest) -> None:
    call.ask()
    call.connected().call.on_upstream_lost(PeerError(502, "it lied"))
    assert call.refusal.code == 502
    assert "it lied" in call.refusal.message


def test_what_the_cluster_did_not_look_at_is_sent_again_so_often_and_no_more(call: CallOfTest) -> None:
    call.ask()
    for _ in range(MOST_TRIES + 1):
        assert not call.said
        call.connected().call.on_upstream_unprocessed()
    assert call.refusal.code == 503
    assert not call.waiting


def test_a_call_that_ends_first_is_told_nothing(call: CallOfTest) -> None:
    call.ask()
    side = call.side
    assert side is not None
    side.abort()
    assert call.connected().end == "released"
    assert not call.said


def test_a_call_that_ends_within_the_answer_aborts_it(call: CallOfTest) -> None:
    call.ask()
    connection = call.connected()
    assert call.side is not None
    call.side.abort()
    connection.call.on_upstream([Response(200, JSON, CHUNKED), End()])
    connection.call.on_upstream_lost(None)
    connection.call.on_upstream_unprocessed()
    assert connection.end == "aborted"
    assert not call.said
    assert not call.waiting


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (404, b'{"message":"pods \\"a\\" not found"}', 404, 'to know, and the cluster says: pods "a" not found'),
        (403, b"no JSON", 403, "to know, and the cluster says: status 403"),
        (422, b'{"message":"it holds hunter2"}', 502, "to know, and the cluster says: status 422"),
        (503, b"{}", 503, "to know, and the cluster says: status 503"),
    ],
)
def test_a_failure_is_told_by_the_words_that_quote_no_object(status: int, body: bytes, code: int, told: str) -> None:
    refusal = SideAnswer(status, JSON, body).refusal("to know")
    assert (refusal.code, refusal.message) == (code, told)


@pytest.mark.parametrize(
    ("headers", "is_json"),
    [
        (JSON, True),
        ((("content-type", "Application/JSON; charset=utf-8"),), True),
        ((*JSON, ("content-encoding", "identity")), True),
        ((*JSON, ("content-encoding", "gzip")), False),
        ((("content-type", "text/plain"),), False),
        ((), False),
    ],
)
def test_json_is_what_says_so_and_is_not_packed(headers: tuple[tuple[str, str], ...], is_json: bool) -> None:
    assert SideAnswer(200, headers, b"{}").is_json is is_json


def test_a_refused_token_is_made_anew_once_and_the_question_asked_again_with_it(call: CallOfTest) -> None:
    call.credential.left = 5
    call.ask(method="POST", body=b"{}")
    first = call.connected()
    first.call.on_upstream([Response(401, JSON, CHUNKED)])
    assert first.end == "aborted", "its answer was not read to the end"
    second = call.connected()
    tokens = [dict(one.sent[0].headers)["authorization"] for one in (first, second) if isinstance(one.sent[0], Request)]
    assert tokens == ["Bearer 0", "Bearer 1"] and [type(event) for event in second.sent] == [Request, Body, End]
    second.call.on_upstream([Response(200, JSON, CHUNKED), Body(b"{}"), End()])
    (said,) = call.said
    assert isinstance(said, SideAnswer) and said.status == 200 and not call.far.standing.troubled


def test_a_new_token_that_is_refused_too_is_an_outage(call: CallOfTest) -> None:
    call.credential.left = 5
    call.ask()
    for _ in range(2):
        call.connected().call.on_upstream([Response(401, JSON, CHUNKED), End()])
    assert call.refusal.code == 502 and call.far.standing.troubled and len(call.credential.refused_values) == 1
