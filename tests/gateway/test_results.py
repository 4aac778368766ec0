"""`result` of a condition: what a dry run gives, or why there is none; and what is asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from l7gw.errors import Refusal
from l7gw.gateway.hold_deletes import look_at_delete
from l7gw.gateway.hold_views import Subject, look_at_write
from l7gw.gateway.results import UNTOLD, Result, reading_of, result_of, untold
from l7gw.gateway.sent_object import TOO_LARGE
from l7gw.gateway.side_calls import Asked, SideAnswer
from l7gw.kube.act import acting
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.requestinfo import describe
from l7gw.policy.looked import LARGEST_OBJECT, MOST_ITEMS, NO_RESULT
from tests.support.looks import failed, found, said, seen, subject

PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
POD = "/api/v1/namespaces/shop/pods/web-0"
MERGE = "application/merge-patch+json"
BODY = b'{"spec":{"replicas":9}}'
WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "uid": "u-1"}, "spec": {"replicas": 9}}
DONE = {"apiVersion": "v1", "kind": "Status", "status": "Success", "details": {"name": "web", "uid": "u-1"}}


def result(line: str, answers: Any, body: bytes = b"", content_type: str = MERGE, **more: Any) -> tuple[Result, list[Asked]]:
    return found(result_of(subject(line, body, content_type, **more)), answers)


def test_it_is_what_one_dry_run_of_the_call_gives() -> None:
    given, asked = result(f"PATCH {PATH}?fieldManager=x", {f"PATCH {PATH}": said(WEB)}, BODY)
    assert given == Result(value=WEB)
    assert [(one.method, one.target, one.body, one.content_type, one.within) for one in asked] == [
        ("PATCH", f"{PATH}?fieldManager=x&dryRun=All", BODY, MERGE, 10.0)
    ]


def test_placeholders_are_restored_before_the_dry_run() -> None:
    reading = Asked(method="GET", target=PATH, why="w", largest=9, within=1.0)
    restore: Callable[[Any], bytes] = lambda read: read.body + b" restored"  # noqa: E731
    given, asked = result(
        f"PATCH {PATH}", {f"GET {PATH}": said("stored"), f"PATCH {PATH}": said(WEB)}, BODY, restoring=reading, restore=restore
    )
    assert given.value == WEB and asked[-1].body == b'"stored" restored'


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (f"DELETE {PATH}", ["DELETE", "GET"]),
        (f"POST {POD}/eviction", ["POST", "GET"]),
    ],
)
def test_of_a_delete_it_is_the_object_as_it_stands_where_the_dry_run_gives_a_status(line: str, asked: list[str]) -> None:
    method, path = line.split(" ")
    body = b'{"apiVersion":"policy/v1","kind":"Eviction"}' if method == "POST" else b""
    answers = {line: said(DONE, 201), f"GET {path.removesuffix('/eviction')}": said(WEB)}
    given, made = result(line, answers, body, "application/json")
    assert given == Result(value=WEB) and [one.method for one in made] == asked
    assert b'"dryRun":["All"]' in made[0].body
    other = said({**WEB, "metadata": {"uid": "u-2"}})
    answers[f"GET {path.removesuffix('/eviction')}"] = other
    assert result(line, answers, body, "application/json")[0] == Result(fault="another object stands there by now")
    answers[f"GET {path.removesuffix('/eviction')}"] = failed(403, "you may not")
    assert result(line, answers, body, "application/json")[0].fault == "what stands there cannot be read: you may not"


def test_of_a_delete_it_is_the_object_that_the_dry_run_gives_where_it_gives_one() -> None:
    given, asked = result(f"DELETE {POD}", {f"DELETE {POD}": said(WEB)})
    assert given.value == WEB and len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (failed(403, "denied by the webhook, hunter2"), "its dry run failed: denied by the webhook, masked"),
        (failed(500), "its dry run failed: no"),
        (Refusal(504, "Timeout", "the cluster does not answer; nothing was changed"), "its dry run failed: the cluster does not"),
        (said(DONE), "the dry run gives no object"),
        (said([1]), "the dry run gives no object"),
        (SideAnswer(200, (("content-type", "application/json"),), b"{"), "the object cannot be read"),
        (SideAnswer(200, (("content-type", "text/plain"),), b"{}"), "the dry run gives no object"),
        (
            SideAnswer(200, (("content-type", "application/json"), ("content-encoding", "gzip")), b"{}"),
            "the dry run gives no object",
        ),
        (said({"a": "x" * LARGEST_OBJECT}), TOO_LARGE),
        (said({"a": [0] * (MOST_ITEMS + 1)}), "a list of the object has more than 1000 items"),
    ],
)
def test_a_dry_run_that_gives_no_object_is_a_fault_in_words(answer: Any, fault: str) -> None:
    given = result(f"PATCH {PATH}", {f"PATCH {PATH}": answer}, BODY)[0]
    assert given.value is None and given.fault.startswith(fault) and given.refused is None


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        (409, "Conflict", True),
        (409, "AlreadyExists", True),
        (404, "NotFound", True),
        (403, "Forbidden", False),
        (422, "Invalid", False),
        (409, "Chosen", False),
    ],
)
def test_a_conflict_and_an_object_that_is_gone_or_there_is_kept_for_the_client(status: int, reason: str, told: bool) -> None:
    answer = said({"kind": "Status", "message": "hunter2 changed", "reason": reason, "code": status}, status)
    given = result(f"PATCH {PATH}", {f"PATCH {PATH}": answer}, BODY)[0]
    assert given.fault == "its dry run failed: masked changed"
    refused = given.refused
    assert (refused is not None) is told
    if refused is not None:
        assert (refused.code, refused.reason, refused.message) == (status, reason, "masked changed")


@pytest.mark.parametrize(
    ("line", "apiservice"),
    [
        ("PATCH /apis/example.com/v1/widgets/a", said({"kind": "APIService", "spec": {"service": {"name": "x"}}})),
        ("PATCH /apis/example.com/v1/widgets/a", failed(403)),
        ("POST /api/v1/namespaces/shop/serviceaccounts/a/token", failed(404)),
    ],
)
def test_of_what_a_service_serves_or_what_mints_no_dry_run_is_made(line: str, apiservice: SideAnswer) -> None:
    given, asked = result(line, {"GET /apis/apiregistration.k8s.io/v1/apiservices/v1.example.com": apiservice}, BODY)
    assert given == Result(fault=NO_RESULT) and all("dryRun" not in one.target for one in asked)


def test_protobuf_is_read() -> None:
    meta, spec = b"\x0a\x03web", b"\x12\x02\x08\x05"  # ObjectMeta.name, Scale.spec.replicas
    unknown = b"\x0a\x17\x0a\x0eautoscaling/v1\x12\x05Scale"
    raw = b"\x0a" + bytes([len(meta)]) + meta + spec
    body = b"k8s\0" + unknown + b"\x12" + bytes([len(raw)]) + raw
    answer = SideAnswer(200, (("content-type", "application/vnd.kubernetes.protobuf"),), body)
    assert result(f"PATCH {PATH}/scale", {f"PATCH {PATH}/scale": answer}, BODY)[0].value["spec"]["replicas"] == 5


@pytest.mark.parametrize(("line", "look"), [(f"PATCH {PATH}", look_at_write), (f"DELETE {PATH}", look_at_delete)])
def test_a_reviewers_view_asks_for_the_same_dry_run(line: str, look: Callable[[Subject], Any]) -> None:
    answers = {line: said(WEB if look is look_at_write else DONE), f"GET {PATH}": said(WEB)}
    body = BODY if look is look_at_write else b""
    made = result(line, answers, body)[1]
    shown = seen(look(subject(line, body, MERGE)), answers)[1]
    assert set(made) <= set(shown)


@pytest.mark.parametrize(
    ("line", "reading"),
    [
        (f"PATCH {PATH}", PATH),
        (f"PUT {PATH}/scale", PATH),
        (f"POST {POD}/eviction", POD),
        (f"DELETE {POD}", POD),
        ("POST /api/v1/namespaces/shop/pods", None),
    ],
)
def test_what_the_cluster_says_of_an_invalid_object_is_for_those_who_may_read_it(line: str, reading: str | None) -> None:
    method, _, path = line.partition(" ")
    act = acting(describe(method, path), ActsAs("jane"))
    read = reading_of(act)
    assert (read.path if read is not None else None) == reading and (read is None or read.acts_as == ActsAs("jane"))
    given = result(f"PATCH {PATH}", {f"PATCH {PATH}": failed(422, "stored: 7")}, BODY)[0]
    assert given.quotes and "stored" in given.fault and untold(given).fault == UNTOLD
    other = Result(fault="x")
    assert untold(other) is other
