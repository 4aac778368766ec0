"""What the gateway asks the authorization API, and how an answer is read."""

from __future__ import annotations

import json

import pytest

from l7gw.kube.access_reviews import Attributes, answered, asked_of, review
from l7gw.kube.acting_as import ActsAs


def test_each_name_is_asked_for_in_the_resource_that_kube_apiserver_asks_for() -> None:
    assert asked_of(ActsAs("jane", ("a", "b"))) == (
        Attributes("impersonate", "users", "jane"),
        Attributes("impersonate", "groups", "a"),
        Attributes("impersonate", "groups", "b"),
    )
    assert asked_of(ActsAs("system:serviceaccount:dev:ci")) == (Attributes("impersonate", "serviceaccounts", "ci", "dev"),)


def test_the_question_is_about_the_callers_identity_as_the_api_server_knows_it() -> None:
    extra = {"l7gw-user": ["ann"]}
    assert json.loads(review("l7gw", ("l7gw:engineers",), extra, Attributes("impersonate", "users", "jane"))) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "l7gw",
            "groups": ["l7gw:engineers", "system:authenticated"],
            "extra": extra,
            "resourceAttributes": {"verb": "impersonate", "resource": "users", "name": "jane"},
        },
    }


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({"allowed": True, "reason": "RBAC: x", "more": 1}, (True, "RBAC: x")),
        ({"allowed": False}, (False, "")),
        ({"allowed": False, "denied": True, "reason": "r" * 999}, (False, "r" * 300)),
    ],
)
def test_an_answer_says_whether_and_why(status: dict[str, object], found: tuple[bool, str]) -> None:
    assert answered(json.dumps({"kind": "SubjectAccessReview", "status": status}).encode()) == found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 9999,
        b'{"kind":"SubjectAccessReview"}',
        b'{"kind":"SubjectAccessReview","status":{}}',
        b'{"kind":"SubjectAccessReview","status":{"allowed":"true"}}',
        b'{"kind":"SubjectAccessReview","status":{"allowed":1}}',
        b'{"kind":"SubjectAccessReview","status":{"allowed":false,"allowed":true}}',
        b'{"kind":"Status","status":{"allowed":true}}',
    ],
)
def test_what_says_neither_yes_nor_no_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError):
        answered(body)
