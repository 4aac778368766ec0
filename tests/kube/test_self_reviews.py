"""Self reviews: the question is read out of the cluster's answer, and the status alone is written anew, in both encodings."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from l7gw.kube.objects.node import Unreadable
from l7gw.kube.requestinfo import describe
from l7gw.kube.self_reviews import LARGEST, Answer, Kind, Question, Said, asks, unpacked

JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
PODS = {"namespace": "dev", "verb": "get", "resource": "pods", "subresource": "log", "name": "a", "group": "", "version": "*"}
ASKED = Question(namespace="dev", verb="get", resource="pods", subresource="log", name="a", version="*")


def document(kind: str = "SelfSubjectAccessReview", **more: Any) -> dict[str, Any]:
    spec = {"resourceAttributes": PODS}
    status = {"allowed": True, "reason": "RBAC: allowed", "evaluationError": "e", "denied": False}
    return {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": spec, "status": status, **more}


def field(number: int, data: bytes | str | int) -> bytes:
    if isinstance(data, int):
        return bytes((number << 3, data))
    octets = data.encode() if isinstance(data, str) else data
    length = len(octets)
    return bytes((number << 3 | 2,)) + (bytes((length,)) if length < 128 else bytes((length & 127 | 128, length >> 7))) + octets


def enveloped(raw: bytes, kind: str = "SelfSubjectAccessReview", version: str = "authorization.k8s.io/v1") -> bytes:
    return b"k8s\0" + field(1, field(1, version) + field(2, kind)) + field(2, raw) + field(3, "") + field(4, "")


ATTRIBUTES = b"".join(field(n, t) for n, t in enumerate(("dev", "get", "", "*", "pods", "log", "a"), start=1))
STATUS = field(1, 1) + field(2, "RBAC: allowed") + field(3, "e") + field(4, 0)
RAW = field(1, field(1, "")) + field(2, field(1, ATTRIBUTES)) + field(3, STATUS)


def test_both_encodings_are_read_and_answered_alike() -> None:
    for answer in (Answer("access", JSON, json.dumps(document()).encode()), Answer("access", PROTOBUF, enveloped(RAW))):
        assert answer.question == ASKED
        assert answer.said == Said(allowed=True, reason="RBAC: allowed", error="e")
    long = "no " * 100
    told = json.loads(
        Answer("access", f"{JSON}; charset=utf-8", json.dumps(document()).encode()).answering(allowed=False, reason=long)
    )
    assert told == document(status={**document()["status"], "allowed": False, "reason": long})
    body = Answer("access", PROTOBUF, enveloped(RAW)).answering(allowed=False, reason=long)
    status = field(3, "e") + field(4, 0) + field(1, 0) + field(2, long)
    assert body == enveloped(field(1, field(1, "")) + field(2, field(1, ATTRIBUTES)) + field(3, status))
    assert Answer("access", PROTOBUF, body).said == Said(allowed=False, reason=long, error="e")


def test_a_no_that_says_nothing_is_answered_too() -> None:
    empty = json.dumps(document(status={"allowed": False})).encode()
    assert json.loads(Answer("access", JSON, empty).answering(allowed=False, reason="r"))["status"] == {
        "allowed": False,
        "reason": "r",
    }
    for raw in (field(2, field(1, ATTRIBUTES)), field(2, field(1, ATTRIBUTES)) + field(3, b"")):
        answer = Answer("access", PROTOBUF, enveloped(raw))
        assert answer.said == Said()
        assert Answer("access", PROTOBUF, answer.answering(allowed=True, reason="r")).said == Said(allowed=True, reason="r")


def test_a_path_is_asked_about() -> None:
    spec = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
    assert Answer("access", JSON, json.dumps(document(spec=spec)).encode()).question == Question(path="/metrics", verb="get")
    raw = field(2, field(2, field(1, "/metrics") + field(2, "get")))
    assert Answer("access", PROTOBUF, enveloped(raw)).question == Question(path="/metrics", verb="get")


def test_a_rules_review_is_incomplete_and_keeps_its_rules() -> None:
    rules = {"resourceRules": [{"verbs": ["get"]}], "nonResourceRules": [], "incomplete": False}
    answer = Answer("rules", JSON, json.dumps(document("SelfSubjectRulesReview", spec={"namespace": "dev"}, status=rules)).encode())
    assert answer.question is None
    assert json.loads(answer.incomplete("why"))["status"] == {**rules, "incomplete": True, "evaluationError": "why"}
    rule = field(1, field(1, "get"))
    body = enveloped(field(2, field(1, "dev")) + field(3, rule + field(3, 0)), "SelfSubjectRulesReview")
    told = Answer("rules", PROTOBUF, body).incomplete("why")
    assert told == enveloped(field(2, field(1, "dev")) + field(3, rule + field(3, 1) + field(4, "why")), "SelfSubjectRulesReview")


@pytest.mark.parametrize(
    ("kind", "content_type", "body"),
    [
        ("access", JSON, b""),
        ("access", JSON, b"[]"),
        ("access", JSON, b"{"),
        ("access", JSON, json.dumps(document("SelfSubjectRulesReview")).encode()),
        ("rules", JSON, json.dumps(document()).encode()),
        ("access", JSON, json.dumps(document(apiVersion="v1")).encode()),
        ("access", JSON, json.dumps(document(spec={})).encode()),
        ("access", JSON, json.dumps(document(spec={"resourceAttributes": {}, "nonResourceAttributes": {}})).encode()),
        ("access", JSON, json.dumps(document(spec={"resourceAttributes": {"verb": 1}})).encode()),
        ("access", JSON, json.dumps(document(spec={"resourceAttributes": "pods"})).encode()),
        ("access", JSON, json.dumps(document(spec=[])).encode()),
        ("access", JSON, json.dumps(document(status={"allowed": "true"})).encode()),
        ("access", JSON, json.dumps(document()).replace('"allowed": true', '"allowed": false, "allowed": true').encode()),
        ("access", "text/plain", json.dumps(document()).encode()),
        ("access", PROTOBUF, json.dumps(document()).encode()),
        ("access", PROTOBUF, b"k8s\0"),
        ("access", PROTOBUF, enveloped(RAW)[:-40]),
        ("access", PROTOBUF, enveloped(RAW, "Pod", "v1")),
    ],
)
def test_what_is_no_such_answer_is_unreadable(kind: Kind, content_type: str, body: bytes) -> None:
    with pytest.raises(Unreadable):
        Answer(kind, content_type, body)


def test_what_is_packed_is_unpacked_within_a_bound() -> None:
    assert unpacked(gzip.compress(b"{}")) == b"{}"
    for bad in (b"{}", gzip.compress(b"{}")[:-1], gzip.compress(b"{}") + b"x", gzip.compress(bytes(LARGEST + 1))):
        with pytest.raises(Unreadable):
            unpacked(bad)
    assert len(unpacked(gzip.compress(bytes(LARGEST)))) == LARGEST


def test_only_creating_a_self_review_is_one() -> None:
    base = "/apis/authorization.k8s.io/v1"
    assert asks(describe("POST", f"{base}/selfsubjectaccessreviews")) == "access"
    assert asks(describe("POST", f"{base}/selfsubjectrulesreviews")) == "rules"
    for method, path in (
        ("POST", f"{base}/subjectaccessreviews"),
        ("POST", f"{base}/namespaces/dev/localsubjectaccessreviews"),
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews"),
        ("GET", f"{base}/selfsubjectaccessreviews"),
        ("POST", "/apis/example.com/v1/selfsubjectaccessreviews"),
    ):
        assert asks(describe(method, path)) is None
