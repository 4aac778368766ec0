"""A call as somebody else before a scripted cluster: what is asked first, what goes up, and what is refused (threats D15)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.faults import ask
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit

POD = "/api/v1/namespaces/default/pods/web-0"
REVIEWS = "POST /apis/authorization.k8s.io/v1/subjectaccessreviews"
POLICY = """
rules:
  - {name: r, effects: ["*"], as: {users: ["*"], groups: ["*"], service-accounts: ["*/*"]}, verdict: allow}
"""
JANE = "Impersonate-User: jane"


def answer(body: Any, status: int = 201) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data


def said(*, allowed: bool, reason: str = "") -> bytes:
    return answer({"kind": "SubjectAccessReview", "status": {"allowed": allowed, "reason": reason}})


@dataclass
class Cluster:
    """Answers reviews as it is told, in their order, and everything else with an empty object."""

    reviews: list[bytes] = field(default_factory=lambda: [said(allowed=True)] * 9)
    asked: list[tuple[str, list[tuple[str, str]], bytes]] = field(default_factory=list)  # request line, headers, body

    def __call__(self, visit: Visit) -> None:
        head, _, body = visit.head().partition(b"\r\n\r\n")
        if not head:
            return
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value) for name, _, value in (one.partition(": ") for one in rest)]
        while len(body) < int(dict(headers).get("content-length", 0)) and visit.more():
            body = bytes(visit.received).partition(b"\r\n\r\n")[2]
        self.asked.append((line.removesuffix(" HTTP/1.1"), headers, body))
        told = self.reviews.pop(0) if line.startswith(REVIEWS) else answer(b"{}", 200)
        visit.send(told.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))  # so that each test meets its own cluster
        visit.socket.close()


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("acting"), policy=POLICY) as running:
        yield running


@pytest.fixture
def cluster(acting: Scene) -> Cluster:
    acting.upstream.script = found = Cluster()
    return found


def impersonated(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.removeprefix("impersonate-"), value) for name, value in headers if name.startswith("impersonate-")]


def test_the_cluster_is_asked_about_each_name_and_then_the_call_goes_up_as_them(acting: Scene, cluster: Cluster) -> None:
    status, headers, _ = ask(acting, acting.request(f"GET {POD}", JANE, "Impersonate-Group: a", "impersonate-group: b"))
    assert status == 200
    *reviews, (line, sent, _) = cluster.asked
    assert [line for line, _, _ in reviews] == [REVIEWS] * 3
    assert all(not impersonated(headers) for _, headers, _ in reviews), "the gateway asks as itself"
    specs = [json.loads(body)["spec"] for _, _, body in reviews]
    assert [(spec["resourceAttributes"]["resource"], spec["resourceAttributes"]["name"]) for spec in specs] == [
        ("users", "jane"), ("groups", "a"), ("groups", "b")
    ]  # fmt: skip
    session = headers["l7gw-session"]
    for spec in specs:
        assert (spec["user"], spec["groups"]) == ("l7gw", ["l7gw:engineers", "system:authenticated"])
        assert spec["extra"] == {"l7gw-user": ["ann@example.com"], "l7gw-session": [session]}
    assert line == f"GET {POD}"
    assert impersonated(sent) == [
        ("user", "jane"), ("group", "a"), ("group", "b"), ("extra-l7gw-user", "ann@example.com"), ("extra-l7gw-session", session)
    ]  # fmt: skip
    assert {dict(headers)["audit-id"] for _, headers, _ in cluster.asked} == {headers["audit-id"]}


def test_nothing_is_remembered_and_a_no_ends_the_call(acting: Scene, cluster: Cluster) -> None:
    cluster.reviews = [said(allowed=True), said(allowed=False, reason="not \x1b[2Jhim")]
    assert ask(acting, acting.request(f"DELETE {POD}", JANE))[0] == 200
    status, headers, body = ask(acting, acting.request(f"DELETE {POD}", JANE))
    assert status == 403 and not cluster.reviews
    words = 'the cluster\'s RBAC does not let l7gw (group l7gw:engineers), as which you are known there, impersonate users "jane"'
    assert json.loads(body)["message"] == f"l7gw: {words}: not \\x1b[2Jhim"
    assert [line for line, _, _ in cluster.asked] == [REVIEWS, f"DELETE {POD}", REVIEWS]
    events = acting.gateway.events(headers["l7gw-session"])
    last = max(event["exchange"] for event in events if "exchange" in event)
    mine = [event for event in events if event.get("exchange") == last]
    assert [(event["verdict"], event["rule"]) for event in mine if event["type"] == "verdict"] == [("allow", "r"), ("deny", "")]
    (request,) = (event for event in mine if event["type"] == "request")
    assert (request["as_user"], request["as_groups"]) == ("jane", [])


@pytest.mark.parametrize(
    "told",
    [
        answer(b"{"),
        answer({"kind": "SubjectAccessReview", "status": {}}),
        answer({"kind": "Status", "status": {"allowed": True}}, 500),
        answer({"kind": "SubjectAccessReview", "status": {"allowed": True}, "more": "x" * 70_000}),
        answer({"kind": "SubjectAccessReview", "status": {"allowed": True}}).replace(b"application/json", b"text/plain"),
        answer({"kind": "SubjectAccessReview", "status": {"allowed": True}}, 401),
        answer({"kind": "Status", "reason": "Forbidden", "message": "no"}, 403),
    ],
    ids=["cut", "neither", "500", "large", "another type", "401", "403"],
)  # fmt: skip
def test_an_answer_that_is_no_yes_is_a_502_and_nothing_goes_up(acting: Scene, cluster: Cluster, told: bytes) -> None:
    cluster.reviews = [told]
    status, _, body = ask(acting, acting.request(f"GET {POD}", JANE))
    assert status == 502 and json.loads(body)["message"].startswith("l7gw: ")
    assert [line for line, _, _ in cluster.asked] == [REVIEWS]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ((JANE, JANE), 400),
        ((JANE, "iMPERSONATE-uSER: joe"), 400),
        ((JANE, "Impersonate-Group: system:masters"), 403),
        ((JANE, "Impersonate-Group: \tsystem:masters "), 403),
        (("Impersonate-User: system:serviceaccount:kube-system:x", "Impersonate-Group: system:masters"), 403),
        ((JANE, "Impersonate-Extra-L7gw-User: lea"), 403),
        ((JANE, "Impersonate-Extra-%6c7gw-user: lea"), 403),
        ((JANE, "Impersonate-Uid: 0"), 403),
        (("Impersonate-User:",), 400),
        (("Impersonate-Group: a",), 400),
        (("Impersonate-User: ja\xa0ne",), 400),
        (("Impersonate-User: jane, joe",), 400),
        ((JANE, "Connection: Impersonate-User"), 400),
    ],
)
def test_what_has_two_readings_or_may_never_be_asked_for_reaches_no_cluster(
    acting: Scene, cluster: Cluster, headers: tuple[str, ...], code: int
) -> None:
    status, _, _ = ask(acting, acting.request(f"GET {POD}", *headers))
    assert status == code and not cluster.asked


def test_names_that_only_look_like_those_of_the_system_go_up_as_they_are(acting: Scene, cluster: Cluster) -> None:
    assert (
        ask(acting, acting.request(f"GET {POD}", "Impersonate-User: system%3Amasters", "Impersonate_Group: system:masters"))[0]
        == 200
    )
    assert impersonated(cluster.asked[-1][1])[0] == ("user", "system%3Amasters")
    assert "impersonate_group" not in dict(cluster.asked[-1][1])


def test_nobody_reviews_as_somebody_else(acting: Scene, cluster: Cluster) -> None:
    status, _, body = ask(acting, acting.request("GET /l7gw/v1/holds", JANE))
    assert status == 403 and b"one's own credential" in body
