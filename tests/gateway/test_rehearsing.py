"""A call that is judged by what it would do: one dry run before the verdict, and what the client hears of it. The real API server is
in `tests/real/test_results.py`."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from l7gw.gateway.exchange import Exchange
from l7gw.policy.verdict import Verdict
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.faults import until
from tests.support.raw_client import RawClient
from tests.support.reviewing_hand import Hand
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit

CONFIG_MAP = "/api/v1/namespaces/shop/configmaps/db"
MERGE = "Content-Type: application/merge-patch+json"
POLICY = """
guardrails:
  - {name: few, users: [guarded*], verbs: [patch], verdict: deny, reason: two are enough, when: 'int(result.data.a) > 2'}
  - {name: looked at, users: [held*], verbs: [patch], verdict: hold, reviewers: {groups: [sre]}, when: 'int(result.data.a) > 2'}
rules:
  - {name: small, users: [only*], effects: [write], verdict: allow, when: 'int(result.data.a) <= 2'}
  - {name: all, users: [guarded*, held*], effects: ["*"], verdict: allow, reveal: [config-map]}
"""


class Cluster:
    """Keeps one ConfigMap, whose dry runs give what the request's body says of `a`. `says` is another answer to a dry run. A
    `slow` dry run is not answered."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.says: tuple[int, dict[str, Any]] | None = None
        self.gives: dict[str, str] = {}
        self.slow = False
        self.ended = threading.Event()

    def __call__(self, visit: Visit) -> None:
        head, _, body = visit.head().partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        length = next((int(line.split(": ")[1]) for line in text.split("\r\n") if line.lower().startswith("content-length: ")), 0)
        while len(body) < length and visit.more():
            body = bytes(visit.received).partition(b"\r\n\r\n")[2]
        if not text:
            return
        self.asked.append((text, body))
        if self.slow and "dryRun" in text:
            self.ended.wait(20)
            return
        status, answer = 200, self.config_map({"a": "1"} if text.startswith("GET") else json.loads(body)["data"])
        if self.says is not None and not text.startswith("GET"):
            status, answer = self.says
        elif self.gives and "dryRun" in text:
            answer = self.config_map(self.gives)
        data = json.dumps(answer).encode()
        head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        visit.send(head % (status, len(data)) + data)
        visit.socket.close()

    def config_map(self, data: dict[str, str]) -> dict[str, Any]:
        about = {"name": "db", "namespace": "shop", "uid": "u-1", "resourceVersion": "7"}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": data}

    def lines(self) -> list[str]:
        return [text.split(" HTTP/")[0] for text, _ in self.asked]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    quick = dataclasses.replace(USUAL_TIMEOUTS, dry_run=1.5)
    with scene(tmp_path_factory.mktemp("judged"), policy=POLICY, timeouts=quick) as it:
        yield it


@pytest.fixture
def cluster(judged: Scene) -> Iterator[Cluster]:
    judged.upstream.script = cluster = Cluster()
    yield cluster
    cluster.ended.set()


@pytest.fixture
def hand(judged: Scene) -> Iterator[Hand]:
    hand = Hand(judged.gateway.state)
    yield hand
    hand.close()


DRY, REAL = f"PATCH {CONFIG_MAP}?dryRun=All", f"PATCH {CONFIG_MAP}"


def patch(judged: Scene, user: str, a: str) -> bytes:
    token = judged.issuer.token(f"{user}@example.com", [])
    return judged.request(REAL, MERGE, body=json.dumps({"data": {"a": a}}).encode(), token=token)


def answered(judged: Scene, user: str, a: str) -> tuple[int, dict[str, Any]]:
    with RawClient(judged.gateway) as client:
        client.send(patch(judged, user, a))
        status, _, body = client.answer("PATCH")
        return status, json.loads(body)


def events(judged: Scene, user: str) -> list[dict[str, Any]]:
    sessions = [one for one in judged.gateway.sessions() if one["principal"]["user"] == f"{user}@example.com"]
    return [event for session in sessions for event in judged.gateway.events(session["id"])]


def verdicts(judged: Scene, user: str) -> list[tuple[str, str]]:
    return [(event["verdict"], event["reason"]) for event in events(judged, user) if event["type"] == "verdict"]


def test_one_dry_run_decides_and_an_allowed_call_goes_up_after_it(judged: Scene, cluster: Cluster) -> None:
    assert answered(judged, "guarded-1", "2")[0] == 200
    assert cluster.lines() == [DRY, REAL] and cluster.asked[0][1] == cluster.asked[1][1]
    own = f"the gateway's own call for a condition of the policy, as the requester and not counted as an act: PATCH {CONFIG_MAP}"
    until(lambda: verdicts(judged, "guarded-1") == [("allow", own), ("allow", "allowed by rule 'all'")])


def test_a_denied_call_never_goes_up_and_hears_no_value(judged: Scene, cluster: Cluster) -> None:
    cluster.gives = {"a": "987654"}
    status, answer = answered(judged, "guarded-2", "1")
    assert status == 403 and answer["message"].startswith("l7gw: denied by guardrail 'few': two are enough; the call is patch")
    assert "987654" not in json.dumps(answer) and cluster.lines() == [DRY]
    until(lambda: [verdict for verdict, _ in verdicts(judged, "guarded-2")] == ["allow", "deny"])
    cluster.gives = {"a": "no number"}
    assert "no number" not in json.dumps(answered(judged, "guarded-2", "1"))


@pytest.mark.parametrize(
    ("says", "guarded", "only"),
    [
        ((403, {"reason": "Forbidden", "message": "exceeded quota: pods"}), "exceeded quota: pods", (403, "exceeded quota: pods")),
        ((409, {"reason": "Conflict", "message": "it was changed"}), "it was changed", (409, "l7gw: it was changed")),
        ((404, {"reason": "NotFound", "message": "no db"}), "no db", (404, "l7gw: no db")),
        ((500, {"message": "webhook: hunter2"}), "webhook", (403, "no rule allows it")),
        (
            (422, {"reason": "Invalid", "message": "spec: {a: x}"}),
            "spec: {a: x}",
            (403, "why is for those who may read the object"),
        ),
    ],
)
def test_a_dry_run_that_the_cluster_refuses_is_an_error_and_told_in_words(
    judged: Scene, cluster: Cluster, says: tuple[int, dict[str, Any]], guarded: str, only: tuple[int, str]
) -> None:
    cluster.says = (says[0], {"apiVersion": "v1", "kind": "Status", "code": says[0], **says[1]})
    status, answer = answered(judged, "guarded-3", "1")
    assert status == 403 and f"two are enough; its dry run failed: {guarded}" in answer["message"]
    status, answer = answered(judged, "only-3", "1")
    assert status == only[0] and only[1] in answer["message"] and "{a: x}" not in json.dumps(answer)
    if status != 403:
        assert answer["reason"] == says[1]["reason"]
    assert cluster.lines() == [DRY, DRY]


def test_a_dry_run_that_takes_too_long_is_an_error(judged: Scene, cluster: Cluster) -> None:
    cluster.slow = True
    status, answer = answered(judged, "guarded-4", "1")
    assert status == 403 and "its dry run failed: the cluster does not answer" in answer["message"] and cluster.lines() == [DRY]


def test_a_held_call_shows_the_dry_run_that_it_was_judged_by_and_is_judged_again_at_its_release(
    judged: Scene, cluster: Cluster, hand: Hand
) -> None:
    with RawClient(judged.gateway) as client:
        client.send(patch(judged, "held-5", "3"))
        hold = hand.pending("held-5@example.com")
        assert cluster.lines() == [DRY, f"GET {CONFIG_MAP}"]
        assert hold.shown.diff is not None and '+  a: "3"' in hold.shown.diff
        hand.approve(hold)
        assert client.answer("PATCH")[0] == 200
    assert cluster.lines() == [DRY, f"GET {CONFIG_MAP}", DRY, f"GET {CONFIG_MAP}", REAL]
    assert hand.of(hold).state == "consumed"


def test_a_held_call_that_the_policy_allows_by_its_second_result_passes_without_its_hold(
    judged: Scene, cluster: Cluster, hand: Hand
) -> None:
    with RawClient(judged.gateway) as client:
        client.send(patch(judged, "held-6", "3"))
        hold = hand.pending("held-6@example.com")
        cluster.gives = {"a": "2"}
        hand.approve(hold)
        assert client.answer("PATCH")[0] == 200
    assert cluster.lines()[2:] == [DRY, REAL]
    until(lambda: hand.of(hold).state == "cancelled")


def test_a_held_call_whose_dry_run_is_refused_is_shown_as_sent(judged: Scene, cluster: Cluster, hand: Hand) -> None:
    cluster.says = (422, {"apiVersion": "v1", "kind": "Status", "code": 422, "message": "the webhook says no"})
    with RawClient(judged.gateway) as client:
        client.send(patch(judged, "held-7", "1"))
        hold = hand.pending("held-7@example.com")
        assert hold.shown.dry_run == "the dry run failed: the webhook says no" and cluster.lines() == [DRY, f"GET {CONFIG_MAP}"]
        cluster.says = None
    until(lambda: hand.of(hold).state == "cancelled")


@pytest.mark.interpreted
def test_a_verdict_that_waits_for_a_result_never_goes_past_the_hold() -> None:
    """Another policy may come while a budget is counted, and its verdict be without a result still."""
    waiting = Verdict(allowed=False, rule="r", reason="", needs="result")
    call: Any = SimpleNamespace(verdict=waiting, rehearse=object(), far=object(), principal=object(), act=object())
    assert Exchange.hold(call) is call.rehearse and Exchange.budget(call) is call.rehearse
    assert Exchange.forward(call) is call.rehearse  # type: ignore[call-arg]


def test_a_client_that_leaves_ends_the_dry_run(judged: Scene, cluster: Cluster) -> None:
    cluster.slow = True
    with RawClient(judged.gateway) as client:
        client.send(patch(judged, "guarded-8", "1"))
        until(lambda: cluster.lines() == [DRY])
    until(lambda: [event["outcome"] for event in events(judged, "guarded-8") if event["type"] == "end"] == ["aborted"])
    assert cluster.lines() == [DRY]
