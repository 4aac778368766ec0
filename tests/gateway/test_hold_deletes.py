"""What a reviewer is shown of a delete. `tests/real/test_held_deletes.py` has the same beside a real cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.errors import Refusal
from l7gw.gateway.hold_deletes import MOST_DELETED, PAGE, look_at_collection, look_at_delete
from l7gw.gateway.looking import look
from l7gw.gateway.side_calls import Asked, SideAnswer
from tests.support.looks import failed, said, seen, subject

PODS = "/api/v1/namespaces/dev/pods"
POD = f"{PODS}/web-0"
BUDGETS = "/apis/policy/v1/namespaces/dev/poddisruptionbudgets"
STANDING = {"kind": "Pod", "metadata": {"name": "web-0", "namespace": "dev", "uid": "u-1", "labels": {"app": "web"}}}


def test_what_cannot_be_read_is_named_and_the_delete_is_still_shown() -> None:
    view, _ = seen(look_at_delete(subject(f"DELETE {POD}")), {f"GET {POD}": failed(403, "no get"), f"DELETE {POD}": said(STANDING)})
    assert view.shown.inventory is not None
    assert view.shown.inventory.warnings == ("the object cannot be read as the requester: no get",)
    assert view.uids == () and not view.refused


def test_a_budget_is_named_where_its_selector_fits_and_it_allows_nothing() -> None:
    def budget(name: str, app: str, left: int) -> dict[str, Any]:
        return {
            "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {"disruptionsAllowed": left},
        }

    budgets = {"items": [budget("mine", "web", 0), budget("free", "web", 1), budget("other", "db", 0)]}
    answers = {f"GET {POD}": said(STANDING), f"DELETE {POD}": said(STANDING), f"GET {BUDGETS}": said(budgets)}
    view, asked = seen(look_at_delete(subject(f"DELETE {POD}", b'{"gracePeriodSeconds":0}')), answers)
    assert view.shown.inventory is not None and view.uids == ("u-1",)
    assert view.shown.inventory.warnings == (
        "it asks for gracePeriodSeconds: 0",
        "it breaks the PodDisruptionBudget mine, which allows no disruption now",
    )
    assert [one.body for one in asked if one.method == "DELETE"] == [
        b'{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0,"dryRun":["All"]}'
    ]


def test_a_delete_with_other_options_is_another_view() -> None:
    answers = {f"GET {POD}": said(STANDING), f"DELETE {POD}": said(STANDING)}
    one, same, other = (
        seen(look_at_delete(subject(f"DELETE {POD}", body)), answers)[0]
        for body in (b'{"a":1,"gracePeriodSeconds":0}', b'{"gracePeriodSeconds":0,"a":1}', b'{"gracePeriodSeconds":9}')
    )
    assert one.is_as(same) and not one.is_as(other)


def test_a_refused_dry_run_is_shown_and_is_another_view() -> None:
    answers = {f"GET {POD}": said(STANDING), f"DELETE {POD}": failed(403, "a webhook says no")}
    view, _ = seen(look_at_delete(subject(f"DELETE {POD}")), answers)
    assert view.shown.dry_run == "the dry run failed: a webhook says no" and view.refused
    assert not view.is_as(seen(look_at_delete(subject(f"DELETE {POD}")), {**answers, f"DELETE {POD}": said(STANDING)})[0])


def test_an_object_that_is_gone_is_a_404() -> None:
    with pytest.raises(Refusal) as caught:
        seen(look_at_delete(subject(f"DELETE {POD}")), {f"GET {POD}": failed(404, 'pods "web-0" not found')})
    assert caught.value.code == 404


def test_owned_objects_stay_where_they_are_orphaned() -> None:
    path = "/apis/apps/v1/namespaces/dev/replicasets/web"
    owned = {
        "items": [{"metadata": {"name": "web-0", "uid": "p", "ownerReferences": [{"uid": "u-1"}]}}, {"metadata": {"name": "x"}}]
    }
    standing = {"kind": "ReplicaSet", "metadata": {"name": "web", "uid": "u-1"}}
    answers = {f"GET {path}": said(standing), f"DELETE {path}": said(standing), f"GET {PODS}": said(owned)}
    view, _ = seen(look_at_delete(subject(f"DELETE {path}", b'{"propagationPolicy":"Orphan"}')), answers)
    assert view.shown.inventory is not None
    assert [(one.name, one.fate) for one in view.shown.inventory.items] == [
        ("web", "deleted"),
        ("web-0", "stays without its owner"),
    ]


def test_a_claim_says_what_becomes_of_its_data() -> None:
    path = "/api/v1/namespaces/dev/persistentvolumeclaims/data"
    standing = {"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "uid": "u"}, "spec": {"volumeName": "pv-1"}}
    answers = {f"GET {path}": said(standing), f"DELETE {path}": said(standing)}
    volume = {"metadata": {"name": "pv-1"}, "spec": {"persistentVolumeReclaimPolicy": "Delete"}}
    view, _ = seen(look_at_delete(subject(f"DELETE {path}")), {**answers, "GET /api/v1/persistentvolumes/pv-1": said(volume)})
    assert view.shown.inventory is not None and view.shown.inventory.items[1].fate == "its data are lost (reclaim policy Delete)"
    view, _ = seen(look_at_delete(subject(f"DELETE {path}")), answers)
    assert view.shown.inventory is not None and view.shown.inventory.warnings[0].startswith(
        "what becomes of the volume pv-1 cannot be read"
    )


def test_a_claim_that_names_no_volume_asks_for_nothing_else() -> None:
    """Whoever makes a claim could else keep others from deleting its namespace, as of such a path nothing is asked."""
    path = "/api/v1/namespaces/dev/persistentvolumeclaims/data"
    standing = {"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "uid": "u"}, "spec": {"volumeName": "../secrets"}}
    view, asked = seen(look_at_delete(subject(f"DELETE {path}")), {f"GET {path}": said(standing), f"DELETE {path}": said(standing)})
    assert view.shown.inventory is not None and not [one for one in asked if "persistentvolumes/" in one.target]
    assert view.shown.inventory.warnings == ("a claim names a volume as no volume can be named: '../secrets'",)


def test_where_not_everything_that_is_owned_was_read_the_reviewer_is_told() -> None:
    path = "/apis/apps/v1/namespaces/dev/replicasets/web"
    standing = {"kind": "ReplicaSet", "metadata": {"name": "web", "uid": "u"}}
    answers = {f"GET {path}": said(standing), f"DELETE {path}": said(standing)}
    more = {"metadata": {"continue": "x"}, "items": []}
    view, _ = seen(look_at_delete(subject(f"DELETE {path}")), {**answers, "GET /api/v1/namespaces/dev/pods": said(more)})
    assert view.shown.inventory is not None and view.shown.inventory.warnings == (
        "there are more than 500 pods; the first are listed",
    )


def test_a_collection_is_listed_in_pages_and_never_beyond_what_anybody_reads() -> None:
    def pages(asked: Asked) -> Any:
        number = int(dict(pair.split("=") for pair in asked.target.partition("?")[2].split("&")).get("continue", 0))
        items = [{"metadata": {"name": f"p{number}-{one}", "uid": f"{number}-{one}"}} for one in range(PAGE)]
        more = {"continue": str(number + 1)} if number < last else {}
        return said({"metadata": more, "items": items})

    last = 1
    view, asked = seen(look_at_collection(subject(f"DELETE {PODS}?labelSelector=a%3Db&gracePeriodSeconds=0")), pages)
    assert len(view.uids) == 2 * PAGE and view.shown.inventory is not None and view.shown.inventory.counts == {"pods": 2 * PAGE}
    assert len(view.shown.inventory.items) == 200
    assert asked[0].target == f"{PODS}?limit={PAGE}&labelSelector=a%3Db" and "PartialObjectMetadataList" in asked[0].accept
    last = MOST_DELETED
    with pytest.raises(Refusal, match="more than anybody would look at"):
        seen(look_at_collection(subject(f"DELETE {PODS}")), pages)


@pytest.mark.parametrize(("status", "code"), [(403, 403), (404, 404), (410, 502), (500, 502)])
def test_a_collection_that_cannot_be_listed_whole_is_refused(status: int, code: int) -> None:
    """Bound to no uids an approval would let anything be deleted that stands there later."""

    def pages(asked: Asked) -> Any:
        if "continue" in asked.target:
            return failed(status, "pods is forbidden")
        return said({"metadata": {"continue": "2"}, "items": [{"metadata": {"name": "a", "uid": "u"}}]})

    with pytest.raises(Refusal) as caught:
        seen(look_at_collection(subject(f"DELETE {PODS}")), pages)
    assert caught.value.code == code
    assert code != 403 or "delete each by its name (pods is forbidden)" in caught.value.message


def test_options_that_nobody_knows_are_shown_and_stand_in_the_dry_run() -> None:
    answers = {f"GET {POD}": said(STANDING), f"DELETE {POD}": said(STANDING)}
    body = json.dumps({"propagationPolicy": "Background", "andMore": {"x": 1}, **{f"o{number}": "y" * 999 for number in range(20)}})
    view, asked = seen(look_at_delete(subject(f"DELETE {POD}", body.encode())), answers)
    assert view.shown.inventory is not None
    warnings = [one for one in view.shown.inventory.warnings if one.startswith("it asks for")]
    assert warnings[0] == 'it asks for andMore, which this version does not know: {"x":1}' and len(warnings) == 10
    assert warnings[-1] == "it asks for 12 more things, which are not shown" and max(map(len, warnings)) < 300
    sent = next(json.loads(one.body) for one in asked if one.method == "DELETE")
    assert sent == {**json.loads(body), "apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]}


@pytest.mark.parametrize("what", ["pods/web-0", "services/web", "nodes/n1"])
def test_nothing_is_asked_through_a_proxy_before_the_approval(what: str) -> None:
    """A reading there reaches the server behind it, which does as it likes, and is an act of its own for the policy."""
    place = "/api/v1" if what.startswith("nodes") else "/api/v1/namespaces/dev"
    target = f"DELETE {place}/{what}/proxy/quit"
    view, asked = seen(look(one := subject(target), one.act), {})
    assert asked == [] and not view.free


@pytest.mark.parametrize(
    ("query", "body", "stays"),
    [
        ("?propagationPolicy=Orphan", b"", True),
        ("?propagationPolicy=Orphan", b"{}", False),  # with a body the API server does not read the query
        ("", b'{"propagationPolicy":"Orphan"}', True),
        ("", b'{"orphanDependents":true}', True),
        ("", b'{"preconditions":{"resourceVersion":"Orphan"}}', False),
    ],
)
def test_owned_objects_stay_only_where_the_options_that_count_say_so(query: str, body: bytes, stays: bool) -> None:
    line = "DELETE /apis/apps/v1/namespaces/dev/replicasets/web"
    path = line.removeprefix("DELETE ")
    owned = {"items": [{"metadata": {"name": "web-1", "uid": "u-2", "ownerReferences": [{"uid": "u-1"}]}}]}
    standing = {"kind": "ReplicaSet", "metadata": {"name": "web", "uid": "u-1"}}
    answers: dict[str, SideAnswer | Refusal] = {f"GET {path}": said(standing), line: said(standing), f"GET {PODS}": said(owned)}
    view, _ = seen(look_at_delete(subject(line + query, body)), answers)
    assert view.shown.inventory is not None
    assert view.shown.inventory.items[-1].fate == ("stays without its owner" if stays else "deleted with its owner")


def test_what_a_delete_asks_for_beside_the_object_is_shown() -> None:
    body = b'{"gracePeriodSeconds":0,"propagationPolicy":"Background"}'
    view, _ = seen(look_at_delete(subject(f"DELETE {POD}", body)), lambda _: said(STANDING))
    assert view.shown.inventory is not None and "it asks for gracePeriodSeconds: 0" in view.shown.inventory.warnings
    assert not any("Background" in one for one in view.shown.inventory.warnings)
