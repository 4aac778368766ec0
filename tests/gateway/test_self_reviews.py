"""The answer to `auth can-i` before a scripted cluster: combined with the policy's, bounded, and refused where it cannot be read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from l7gw.gateway.self_reviews import combined
from l7gw.kube.self_reviews import LARGEST, Said
from l7gw.policy.can_i import Can
from tests.support.faults import ask
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import answering

ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
POLICY = """
rules:
  - {name: deletes wait, effects: [delete], verdict: hold, reviewers: {groups: [sre]}}
  - {name: reads, effects: [read], verdict: allow}
"""


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("asking"), policy=POLICY) as running:
        yield running


def review(kind: str = "SelfSubjectAccessReview", *, verb: str = "get", **status: Any) -> bytes:
    spec = {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "dev"}}
    return json.dumps({"kind": kind, "apiVersion": "authorization.k8s.io/v1", "spec": spec, "status": status}).encode()


def told(it: Scene, said: bytes, *headers: str, status: int = 201, path: str = ACCESS) -> tuple[int, dict[str, str], Any]:
    """What a client gets where the cluster says this."""
    lines = (
        f"HTTP/1.1 {status} X",
        "Content-Type: application/json",
        "Connection: close",
        f"Content-Length: {len(said)}",
        *headers,
    )
    it.upstream.script = answering("\r\n".join((*lines, "", "")).encode() + said)
    code, fields, body = ask(
        it,
        it.request(
            f"POST {path}",
            "Content-Type: application/json",
            body=review("SelfSubjectRulesReview" if path == RULES else "SelfSubjectAccessReview"),
        ),
    )
    return code, fields, json.loads(body)


def test_the_policys_answer_is_put_to_the_clusters(asking: Scene) -> None:
    for verb, status, expected in (
        ("get", {"allowed": True, "reason": "R"}, {"allowed": True, "reason": "R"}),
        (
            "delete",
            {"allowed": True, "reason": "R"},
            {"allowed": True, "reason": "l7gw: held for approval by rule 'deletes wait'; R"},
        ),
        ("create", {"allowed": True, "reason": "R"}, {"allowed": False, "reason": "l7gw: no rule allows it"}),
        ("get", {"allowed": False, "denied": True}, {"allowed": False, "denied": True}),
        ("bind", {"allowed": True}, {"allowed": True}),
    ):
        code, fields, body = told(asking, review(verb=verb, **status))
        assert code == 201 and body["status"] | expected == body["status"], body
    assert fields["content-length"] == str(len(json.dumps(body, separators=(",", ":"))))


def test_a_rules_review_says_that_it_is_incomplete(asking: Scene) -> None:
    said = review("SelfSubjectRulesReview", resourceRules=[], nonResourceRules=[], incomplete=False, evaluationError="webhook")
    status = told(asking, said, path=RULES)[2]["status"]
    assert status["incomplete"] is True and status["evaluationError"].startswith(
        "webhook; l7gw: these are the rights in the cluster"
    )


def test_a_packed_answer_is_unpacked(asking: Scene) -> None:
    code, fields, body = told(asking, gzip.compress(review(verb="create", allowed=True)), "Content-Encoding: gzip")
    assert (code, body["status"]["allowed"]) == (201, False) and "content-encoding" not in fields


def test_a_refusal_of_the_cluster_passes_as_it_came(asking: Scene) -> None:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "spec: invalid",
        "reason": "Invalid",
        "code": 422,
    }
    assert told(asking, json.dumps(status).encode(), status=422)[::2] == (422, status)


@pytest.mark.parametrize(
    "said",
    [b"{", b"{}", review("SubjectAccessReview", allowed=True), review(allowed="yes"), review(allowed=True) + b" " * LARGEST],
    ids=["cut", "another", "another kind", "no answer", "large"],
)
def test_an_answer_that_cannot_be_read_is_a_502(asking: Scene, said: bytes) -> None:
    code, _, body = told(asking, said)
    assert code == 502 and body["message"].startswith("l7gw: the cluster's answer to the review cannot be read")


def test_what_is_recorded_is_what_the_client_was_told(asking: Scene) -> None:
    _, fields, body = told(asking, review(verb="create", allowed=True))
    events = asking.gateway.events(fields["l7gw-session"])
    assert json.loads([event for event in events if event["type"] == "response-body"][-1]["text"]) == body


@pytest.mark.parametrize(
    ("can", "said", "found"),
    [
        (None, Said(allowed=True, reason="R"), (True, "l7gw: no call has this verb, so that the cluster alone decides; R")),
        (None, Said(), (False, "l7gw: no call has this verb, so that the cluster alone decides")),
        (Can(allowed=True, reason=""), Said(allowed=True), (True, "")),
        (Can(allowed=True, reason=""), Said(reason="R"), (False, "R")),
        (Can(allowed=True, reason=""), Said(), (False, "l7gw: a rule allows it, and the cluster's RBAC does not")),
        (Can(allowed=False, reason="no"), Said(allowed=True, reason="R"), (False, "l7gw: no")),
    ],
)
def test_allowed_is_what_both_allow(can: Can | None, said: Said, found: tuple[bool, str]) -> None:
    assert combined(can, said) == found
