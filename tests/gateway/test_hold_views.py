"""What a reviewer is shown of a write: the difference, or the body and why there is no difference."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.errors import Refusal
from l7gw.gateway.hold_views import LARGEST_SHOWN, View, look_at_write
from l7gw.gateway.side_calls import Asked
from l7gw.name_rules import visible
from tests.support.looks import failed, said, seen, subject

PATH = "/api/v1/namespaces/shop/configmaps/db"
LINE = f"PATCH {PATH}"
BODY = b'{"data":{"a":"2"}}'
MERGE = "application/merge-patch+json"


def config_map(a: str = "1", **more: Any) -> dict[str, Any]:
    about = {"name": "db", "uid": "u-1", "resourceVersion": "7", "managedFields": [{"time": a}]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"a": a}, **more}


def view_of(before: Any, after: Any, line: str = LINE, body: bytes = BODY, **more: Any) -> View:
    return seen(look_at_write(subject(line, body, MERGE, **more)), {f"GET {PATH}": before, f"PATCH {PATH}": after})[0]


def test_the_difference_is_shown_masked_and_compared_unmasked() -> None:
    view = view_of(said(config_map("hunter2")), said(config_map("hunter2-new")))
    assert (
        view.shown.diff == "@@\n apiVersion: v1\n data:\n-  a: masked\n+  a: masked-new\n kind: ConfigMap\n metadata:\n   name: db"
    )
    assert view.uids == ("u-1",) and b"hunter2" in view.changes and not view.free and not view.refused


def test_what_differs_in_nothing_that_is_shown_is_told_in_words() -> None:
    masked = view_of(said(config_map("hunter2")), said(config_map("hunter2") | {"data": {"a": "masked"}}))
    assert masked.shown.diff == "@@ only values that are masked differ @@"
    alike = view_of(said(config_map("\x1b")), said(config_map("\\x1b")))
    assert alike.shown.diff is not None and "@@ values differ that are written alike here" in alike.shown.diff


def test_a_change_behind_the_beginning_of_a_long_value_is_shown() -> None:
    shown = view_of(said(config_map("x" * 600 + "echo done")), said(config_map("x" * 600 + "rm -rf /db"))).shown.diff
    assert shown is not None and "xecho done (609 characters)" in shown and "xrm -rf /db (610 characters)" in shown


def test_of_a_body_that_nobody_can_read_everything_is_shown() -> None:
    """It may choose the name that is else made anew, in a way that is not found in its bytes."""
    volume = {"name": "kube-api-access-abcde", "hostPath": {"path": "/"}}
    pod = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [], "volumes": [volume]}}
    path = "/api/v1/namespaces/shop/pods"
    sent = subject(f"POST {path}", b"volumes: [{name: kube-api-access-abcde, hostPath: {path: /}}]", "application/yaml", node=None)
    shown = seen(look_at_write(sent), {f"POST {path}": said(pod)})[0].shown.diff
    assert shown is not None and "hostPath" in shown


def test_the_dry_run_has_the_body_as_it_was_sent_and_the_seconds_that_it_may_take() -> None:
    _, asked = seen(
        look_at_write(subject(LINE, BODY, MERGE)), {f"GET {PATH}": said(config_map()), f"PATCH {PATH}": said(config_map("2"))}
    )
    assert [(one.method, one.target, one.body, one.content_type) for one in asked] == [
        ("GET", PATH, b"", "application/json"), ("PATCH", f"{PATH}?dryRun=All", BODY, MERGE),
    ]  # fmt: skip
    assert all(one.within == 10.0 for one in asked)


def test_a_write_that_changes_nothing_is_free() -> None:
    assert view_of(said(config_map()), said(config_map())).free == "its dry run changes nothing"


def test_the_same_change_of_an_object_that_others_change_too_is_the_same() -> None:
    one = view_of(said(config_map(b="1")), said(config_map("2", b="1")))
    other = view_of(said(config_map(b="5")), said(config_map("2", b="5")))
    assert one.is_as(other) and one.changes == other.changes
    assert not one.is_as(view_of(said(config_map()), said(config_map("3"))))
    assert not one.is_as(view_of(said(config_map("0")), said(config_map("2"))))


@pytest.mark.parametrize(
    ("before", "after", "words", "refused"),
    [
        (failed(403, "you may not get it"), None, "what stands there cannot be read: you may not get it", False),
        (said(config_map()), failed(422, "password hunter2 is bad\x1b"), "the dry run failed: password masked is bad\\x1b", True),
        (said(config_map()), failed(400, "x" * 900), "the dry run failed: " + "x" * 299 + "…", True),
        (
            said(config_map()),
            Refusal(504, "Timeout", "the cluster does not answer"),
            "the dry run failed: the cluster does not answer",
            True,
        ),
        (said(config_map()), said([1]), "what the dry run gave cannot be compared with what stands there", False),
    ],
)
def test_a_call_without_a_difference_is_shown_as_it_was_sent(before: Any, after: Any, words: str, refused: bool) -> None:
    view = view_of(before, after)
    assert view.shown.dry_run.startswith(words) and view.shown.sent == 'data:\n  a: "2"' and view.shown.diff is None
    assert view.changes == BODY and view.refused is refused and visible(view.shown.dry_run) == view.shown.dry_run


def test_an_object_that_is_gone_is_a_404() -> None:
    with pytest.raises(Refusal) as caught:
        view_of(failed(404, 'configmaps "db" not found'), failed(404, 'configmaps "db" not found'))
    assert caught.value.code == 404 and 'configmaps "db" not found' in caught.value.message


def test_an_apply_that_makes_the_object_shows_all_of_it() -> None:
    view = view_of(failed(404), said(config_map(), 201))
    assert view.shown.diff is not None and '+  a: "1"' in view.shown.diff and view.uids == ()


def test_a_large_object_is_compared_and_not_shown() -> None:
    view = view_of(said(config_map("x" * LARGEST_SHOWN)), said(config_map("y" * LARGEST_SHOWN)))
    assert "too many to be shown" in view.shown.dry_run and view.shown.sent == 'data:\n  a: "2"' and view.changes != BODY


THING = "/apis/example.com/v1/namespaces/shop/things/a"
SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com"


@pytest.mark.parametrize(
    ("answer", "rehearsed"),
    [
        (said({"kind": "APIService", "spec": {"group": "example.com"}}), True),
        (said({"kind": "APIService", "spec": {"service": {"name": "x"}}}), False),
        (failed(403), False),
        (Refusal(504, "Timeout", "late"), False),
    ],
)
def test_a_group_that_a_service_may_serve_is_never_rehearsed(answer: Any, rehearsed: bool) -> None:
    def answers(asked: Asked) -> Any:
        return (
            answer
            if asked.target == SERVICE
            else said({"metadata": {"uid": "u"}, "spec": {"a": 1 if asked.method == "GET" else 2}})
        )

    view, asked = seen(look_at_write(subject(f"PATCH {THING}", BODY, MERGE)), answers)
    assert any("dryRun" in one.target for one in asked) is rehearsed
    assert (view.shown.diff is not None) is rehearsed and view.shown.dry_run.startswith(
        "" if rehearsed else "no dry run can be made"
    )


def test_a_token_request_is_never_rehearsed() -> None:
    view, asked = seen(look_at_write(subject("POST /api/v1/namespaces/shop/serviceaccounts/a/token", b"{}")), {})
    assert asked == [] and view.shown.dry_run.startswith("no dry run") and view.changes == b"{}"


def test_placeholders_are_restored_for_the_dry_run_alone() -> None:
    restoring = Asked(method="GET", target="/restoring", why="", largest=1, within=1.0)
    view, asked = seen(
        look_at_write(subject(LINE, BODY, MERGE, restoring=restoring, restore=lambda _said: b"restored")),
        {"GET /restoring": said({}), f"GET {PATH}": said(config_map()), f"PATCH {PATH}": said(config_map("2"))},
    )
    assert [one.body for one in asked] == [b"", b"", b"restored"] and b"restored" not in view.changes
