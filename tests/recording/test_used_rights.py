"""What calls needed of RBAC is counted; what says nothing about that is left out and named."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.kube.acting_as import ActsAs
from l7gw.kube.rbac import Right, Subject
from l7gw.recording.events import VerdictRecorded
from l7gw.recording.used_rights import UsedRights
from tests.support.needy_calls import past, reading


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"verdict": "deny"}, "denied"),
        ({"verdict": "hold", "outcome": "denied", "status": 403}, "not-approved"),
        ({"outcome": "failed", "status": 502}, "not-sent"),
        ({"status": 403}, "refused-there"),
        ({"status": 0, "outcome": "aborted"}, "unanswered"),
        ({"groups": ("private",)}, "nobody"),
    ],
)  # fmt: skip
def test_what_did_not_pass_is_left_out_and_named(more: dict[str, Any], why: str) -> None:
    used = UsedRights(reading())
    used.take(past("DELETE /api/v1/namespaces/dev/pods/a", **more))
    ((one, counted),) = used.left_out.items()
    assert (one.why, one.what, counted.example) == (why, "kubectl delete pods -n dev", "s/1") and not [*used.needs()]


def test_a_masked_name_and_what_no_rule_can_say_are_left_out() -> None:
    used = UsedRights(reading())
    used.take(past("GET /api/v1/namespaces/dev/secrets/l7gw-masked-token-01234567"))
    used.take(past("GET /metrics/*"))
    used.take(past("GET /api/v1/namespaces/dev/*"))
    assert [(one.why, counted.count) for one, counted in used.left_out.items()] == [
        ("masked", 1),
        ("inexpressible", 1),
        ("inexpressible", 1),
    ]


def test_what_the_gateway_read_to_do_its_part_is_counted_and_what_it_showed_is_named() -> None:
    path = "/api/v1/namespaces/dev/configmaps/a"
    used = UsedRights(reading())
    used.take(past(f"PUT {path}", own=(VerdictRecorded(1, 1, "r", "allow", "to restore: rule r allows it", own=True),)))
    looked = tuple(
        VerdictRecorded(1, 1, "", "allow", f"for the view: GET {one}", own=True) for one in (path, "/api/v1/namespaces/dev/pods")
    )
    used.take(past(f"DELETE {path}", own=looked))
    assert {need.right.verb for need, _ in used.needs()} == {"update", "get", "delete"}
    assert used.views == {"list pods -n dev"}


def test_who_acts_as_another_needs_to_and_the_other_needs_the_rest() -> None:
    used = UsedRights(reading())
    used.take(past("GET /api/v1/namespaces/dev/pods", acts_as=ActsAs("jane", ("devs",))))
    used.take(past("GET /api/v1/namespaces/dev/pods", acts_as=ActsAs("system:serviceaccount:ci:bot")))
    engineers = (Subject("Group", "l7gw:engineers"),)
    assert {(need.subjects, need.right) for need, _ in used.needs()} == {
        (engineers, Right("impersonate", "", "users", "", "jane")),
        (engineers, Right("impersonate", "", "groups", "", "devs")),
        (engineers, Right("impersonate", "", "serviceaccounts", "ci", "bot")),
        ((Subject("User", "jane"),), Right("list", "", "pods", "dev")),
        ((Subject("ServiceAccount", "bot", "ci"),), Right("list", "", "pods", "dev")),
    }


def test_what_everybody_may_is_counted_alone_unless_it_is_asked_for() -> None:
    for everything, count in ((False, 0), (True, 1)):
        used = UsedRights(reading(everything=everything))
        used.take(past("GET /apis/apps/v1"))
        assert (len([*used.needs()]), used.everybodys, used.calls) == (count, 1 - count, 1)


def test_rights_and_calls_that_are_left_out_are_bounded() -> None:
    used = UsedRights(reading())
    for number in range(250):
        used.take(past(f"GET /api/v1/namespaces/n{number}/pods", verdict="deny"))
    assert (len(used.left_out), used.more_left_out) == (200, 50)
