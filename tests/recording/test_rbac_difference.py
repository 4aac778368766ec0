"""A suggestion is put beside what is there: new, wider than what was used, and needed but not given."""

from __future__ import annotations

from typing import Any

from l7gw.kube.existing_rbac import Existing
from l7gw.kube.rbac import Rule, Subject, binding, role
from l7gw.recording.rbac_difference import Difference
from l7gw.recording.rbac_suggestion import Suggestion
from l7gw.recording.used_rights import UsedRights
from tests.support.needy_calls import past, reading

ENGINEERS = Subject("Group", "l7gw:engineers")
DEV = "/api/v1/namespaces/dev"


def suggestion() -> Suggestion:
    used = UsedRights(reading())
    for line in (f"GET {DEV}/pods", f"GET {DEV}/pods/web-0", "GET /api/v1/nodes", "GET /apis/apps/v1"):
        used.take(past(line))
    return Suggestion(used)


def beside(*objects: dict[str, Any]) -> Difference:
    return Difference(suggestion(), Existing(objects))


def test_what_is_suggested_is_new_or_the_same_or_would_change_by_its_rules() -> None:
    made = [one for each in suggestion().suggested() for one in each.objects]
    assert [*beside().objects()] == [
        "new: ClusterRole suggested:group:l7gw:engineers",
        "new: ClusterRoleBinding suggested:group:l7gw:engineers",
        "new: Role dev/suggested:group:l7gw:engineers",
        "new: RoleBinding dev/suggested:group:l7gw:engineers",
    ]
    assert {line.partition(":")[0] for line in beside(*made).objects()} == {"the same"}
    made[2]["rules"] = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["a", "b"], "verbs": ["get"]},
    ]
    made[3]["subjects"] = []
    assert [*beside(*made).objects()][2:] == [
        "would change: Role dev/suggested:group:l7gw:engineers",
        "  - get a.apps, b.apps",
        "  + get pods [web-0]",
        "would change: RoleBinding dev/suggested:group:l7gw:engineers",
    ]


def test_what_is_given_and_was_not_used_is_told_by_rule() -> None:
    wide = role("edit", [Rule(("get", "list", "delete"), ("",), ("pods",)), Rule(("*",), ("apps",), ("*",))])
    found = beside(wide, binding("edit", [ENGINEERS], "dev", of_cluster=True), binding("edit", [Subject("User", "eve")]))
    assert [*found.unused()] == [
        "RoleBinding dev/edit gives ClusterRole edit to Group l7gw:engineers: 1 of its 2 rules were not used",
        "  get, list, delete pods: used get, list",
        "  * *.apps: used nothing",
    ]
    many = role("edit", [Rule(("get",), ("g",), (f"r{n}",)) for n in range(20)])
    lines = [*beside(many, binding("edit", [ENGINEERS])).unused()]
    assert len(lines) == 14 and lines[-1] == "  and 8 rules more that are wider than what was used"
    assert [*beside(binding("gone", [ENGINEERS])).unused()] == [
        "ClusterRoleBinding gone gives ClusterRole gone to Group l7gw:engineers: the role is not there, or has no rules"
    ]


def test_what_was_needed_and_is_not_given_now_is_named() -> None:
    by_name = role("r", [Rule(("get", "list"), ("",), ("pods",), ("web-0",))], "dev")
    nodes = role("everybody", [Rule(("list",), ("",), ("nodes",))])
    found = beside(
        by_name, binding("r", [ENGINEERS], "dev"), nodes, binding("everybody", [Subject("Group", "system:authenticated")])
    )
    assert [*found.missing()] == ["list pods -n dev, of Group l7gw:engineers"], "a list of all has no name to compare"
    assert len([*beside().missing()]) == 3
