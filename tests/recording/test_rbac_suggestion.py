"""What is suggested lets every recorded call pass again, by another implementation of RBAC's matching, and none of its rules can go."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.kube.acting_as import ActsAs
from l7gw.kube.rbac import Right, Subject
from l7gw.recording.past_calls import PastCall
from l7gw.recording.past_grants import Granted
from l7gw.recording.rbac_suggestion import Suggested, Suggestion
from l7gw.recording.used_rights import Reading, UsedRights
from tests.support.needy_calls import GATEWAY, past, reading

Objects = list[dict[str, Any]]
Asked = dict[str, str]


def suggestion(*calls: PastCall, how: Reading | None = None, preferred: tuple[str, ...] = ()) -> Suggestion:
    used = UsedRights(how or reading())
    for call in calls:
        used.take(call)
    return Suggestion(used, preferred)


def objects_of(found: Suggestion) -> Objects:
    return [made for one in found.suggested() for made in one.objects]


# ---------------------------------------------------------------------- RBAC once more, as rbac.go and rule.go have it


def matches(rule: dict[str, Any], asked: Asked) -> bool:
    if "*" not in rule["verbs"] and asked["verb"] not in rule["verbs"]:
        return False
    if "path" in asked:
        urls = rule.get("nonResourceURLs", [])
        return any(u in ("*", asked["path"]) or (u.endswith("*") and asked["path"].startswith(u.rstrip("*"))) for u in urls)
    resources, wanted = rule.get("resources", []), asked["resource"]
    if not {"*", asked["group"]} & set(rule.get("apiGroups", [])):
        return False
    if not ({"*", wanted} & set(resources) or ("/" in wanted and "*/" + wanted.split("/", 1)[1] in resources)):
        return False
    return not rule.get("resourceNames") or asked["name"] in rule["resourceNames"]


def is_subject(subject: dict[str, str], user: str, groups: tuple[str, ...]) -> bool:
    match subject["kind"]:
        case "User":
            return subject["name"] == user
        case "Group":
            return subject["name"] in groups
        case _:
            return user == f"system:serviceaccount:{subject['namespace']}:{subject['name']}"


def authorized(objects: Objects, user: str, groups: tuple[str, ...], asked: Asked) -> bool:
    for one in objects:
        if not one["kind"].endswith("Binding") or not any(is_subject(s, user, groups) for s in one["subjects"]):
            continue
        space = one["metadata"].get("namespace")
        if one["kind"] == "RoleBinding" and (space != asked.get("namespace") or not space):
            continue
        ref = one["roleRef"]
        of_role = space if ref["kind"] == "Role" else None
        for made in objects:
            named = (made["kind"], made["metadata"]["name"], made["metadata"].get("namespace"))
            if named == (ref["kind"], ref["name"], of_role) and any(matches(rule, asked) for rule in made["rules"]):
                return True
    return False


DEFAULTS: Objects = [  # what `kubectl get clusterrole system:basic-user system:discovery -o yaml` shows of 1.36, bound to everybody
    {
        "kind": "ClusterRole",
        "metadata": {"name": "system:defaults"},
        "rules": [
            {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
            {
                "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"],
                "verbs": ["get"],
            },
        ],
    },
    {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:defaults"},
        "roleRef": {"kind": "ClusterRole", "name": "system:defaults"},
        "subjects": [{"kind": "Group", "name": "system:authenticated"}],
    },
]  # fmt: skip


def asked_of(call: PastCall, mode: str) -> Iterator[tuple[str, tuple[str, ...], Asked]]:
    """What a kube-apiserver of 1.36 asks RBAC for a call, and about whom."""
    act, who = call.act, call.principal
    up = tuple(f"l7gw:{group}" for group in who.groups if group != "private")
    caller = (f"l7gw:{who.user}" if mode == "user" else "l7gw", (*up, "system:authenticated"))
    if act.acts_as is not None:
        about = {"group": "", "namespace": "", "verb": "impersonate"}
        yield *caller, {**about, "resource": "users", "name": act.acts_as.user}
        for group in act.acts_as.groups:
            yield *caller, {**about, "resource": "groups", "name": group}
        caller = act.acts_as.user, (*act.acts_as.groups, "system:authenticated")
    if not act.is_resource:
        yield *caller, {"verb": act.verb, "path": unquote(act.path)}
        return
    resource = f"{act.resource}/{act.subresource}" if act.subresource else act.resource
    asked = {"verb": act.verb, "group": act.group, "resource": resource, "namespace": act.namespace, "name": act.name}
    yield *caller, asked
    if (resource in ("pods/exec", "pods/attach", "pods/portforward") and act.verb == "get") or (
        call.status == 201 and act.verb in ("patch", "update")
    ):
        yield *caller, {**asked, "verb": "create"}


def passes(objects: Objects, call: PastCall, mode: str) -> bool:
    return all(authorized([*objects, *DEFAULTS], user, groups, asked) for user, groups, asked in asked_of(call, mode))


def without_each_rule(objects: Objects) -> Iterator[Objects]:
    for number, one in enumerate(objects):
        for at in range(len(one.get("rules", []))):
            fewer = copy.deepcopy(objects)
            del fewer[number]["rules"][at]
            yield fewer


NAMES = st.sampled_from(["a", "b", "c", "web-7d9f8b6c5-x2x4z"])
SPACES = st.sampled_from(["dev", "qa"])
KINDS = st.sampled_from(
    ["api/v1/{ns}pods", "api/v1/{ns}secrets", "apis/apps/v1/{ns}deployments", "api/v1/nodes", "api/v1/namespaces"]
)
GROUPS = st.lists(st.sampled_from(["engineers", "sre", "private", "bots"]), unique=True, max_size=3).map(tuple)


@st.composite
def calls(draw: st.DrawFn) -> PastCall:
    kind = draw(KINDS)
    space = draw(st.one_of(st.just(""), SPACES))
    place = "/" + kind.format(ns=f"namespaces/{space}/" if space else "")
    name = draw(NAMES)
    # Of what lies in a namespace no single object is there without one
    single = f"{place}/{name}" if space or "{ns}" not in kind else f"/api/v1/namespaces/dev/pods/{name}"
    line = draw(
        st.sampled_from(
            [
                f"GET {place}", f"GET {place}?watch=true", f"GET {place}?fieldSelector=metadata.name%3D{name}", f"POST {place}",
                f"DELETE {place}", f"GET {single}", f"DELETE {single}", f"PATCH {single}", f"PUT {single}", f"PATCH {single}/status",
                f"GET /api/v1/namespaces/dev/pods/{name}/exec?command=ls&stdout=1",
                f"POST /api/v1/namespaces/dev/pods/{name}/attach?stdout=1", f"GET /api/v1/namespaces/dev/services/https:{name}:1/proxy/x",
                "GET /metrics", "GET /logs/a%20b", "GET /apis/apps/v1", "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            ]
        )
    )  # fmt: skip
    return past(
        line, draw(st.sampled_from(["ann", "bob"])), draw(GROUPS), status=draw(st.sampled_from([200, 201, 404])),
        acts_as=draw(st.sampled_from([None, None, None, ActsAs("jane", ("devs",))])),
    )  # fmt: skip


SEVERAL = st.lists(calls(), max_size=12), st.sampled_from(["groups", "user"]), st.sampled_from(["user", "group"]), st.integers(0, 3)


def check(made: list[PastCall], mode: str, by: Any, names: int) -> None:
    """Every call passes again, and no rule can be taken away."""
    used = UsedRights(reading(mode, by=by, names=names))
    counted = []
    for call in made:
        before = used.calls
        used.take(call)
        if used.calls > before:
            counted.append(call)
        else:
            told = {one.why for one in used.left_out}
            assert told == {"nobody"} and not set(call.principal.groups) - {"private"} and (mode, by) != ("user", "user")
    objects = objects_of(Suggestion(used))
    assert all(passes(objects, call, mode) for call in counted)
    for fewer in without_each_rule(objects):
        assert not all(passes(fewer, call, mode) for call in counted)
    names_of = [(one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")) for one in objects]
    assert len(set(names_of)) == len(names_of)


@settings(max_examples=40)
@given(*SEVERAL)
def test_every_call_passes_again_and_no_rule_can_be_taken_away(made: list[PastCall], mode: str, by: Any, names: int) -> None:
    check(made, mode, by, names)


@pytest.mark.long
@settings(max_examples=300)
@given(*SEVERAL)
def test_every_call_passes_again_and_no_rule_can_be_taken_away_of_many(
    made: list[PastCall], mode: str, by: Any, names: int
) -> None:
    check(made, mode, by, names)


# ---------------------------------------------------------------------- what it looks like


def rules(found: Suggestion, namespace: str = "dev") -> list[dict[str, Any]]:
    return [rule.document() for one in found.suggested() if one.namespace == namespace for rule in one.rules]


def test_verbs_resources_and_few_names_stand_in_one_rule() -> None:
    pods = "/api/v1/namespaces/dev/pods"
    found = suggestion(
        *(past(f"{verb} {pods}/{name}") for verb in ("GET", "DELETE") for name in ("a", "b")), past(f"GET {pods}/a/log")
    )
    assert rules(found) == [
        {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a", "b"], "verbs": ["delete", "get"]},
        {"apiGroups": [""], "resources": ["pods/log"], "resourceNames": ["a"], "verbs": ["get"]},
    ]
    (one,) = found.suggested()
    assert one.calls == (4, 1) and one.name == "suggested:group:l7gw:engineers"


def test_what_had_many_names_or_made_up_ones_is_about_all() -> None:
    many = suggestion(*(past(f"GET /api/v1/namespaces/dev/pods/{name}") for name in "abc"))
    made_up = suggestion(past("GET /api/v1/namespaces/dev/pods/web-7d9f8b6c5-x2x4z"))
    assert rules(many) == rules(made_up) == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]


def test_what_was_done_in_many_namespaces_is_given_in_the_cluster() -> None:
    here = [past(f"GET /api/v1/namespaces/n{number}/configmaps") for number in range(51)]
    assert {one.namespace for one in suggestion(*here[:50]).suggested()} == {f"n{number}" for number in range(50)}
    assert [one.namespace for one in suggestion(*here).suggested()] == [""]


def test_of_a_callers_groups_the_one_of_fewest_users_gets_the_right_unless_another_is_preferred() -> None:
    made = [
        past("GET /api/v1/namespaces/dev/pods", "ann", ("engineers", "sre")),
        past("GET /api/v1/namespaces/dev/services", "bob", ("engineers",)),
        past("GET /api/v1/namespaces/dev/services", "ann", ("engineers", "sre")),
    ]
    found = {one.subject.name: one.rules for one in suggestion(*made).suggested()}
    assert {name: [rule.resources for rule in of] for name, of in found.items()} == {
        "l7gw:engineers": [("services",)],  # ann has it by what bob needs
        "l7gw:sre": [("pods",)],
    }
    assert {one.subject.name for one in suggestion(*made, preferred=("l7gw:engineers",)).suggested()} == {"l7gw:engineers"}


def test_what_a_granted_group_allowed_is_given_to_that_group() -> None:
    grant = Granted("0" * 36, "oncall", 10**18)
    line = "DELETE /api/v1/namespaces/dev/pods/a"
    by_grant = suggestion(past(line, granted=(grant,), reason=f"rule r allows it by grant {grant.id}"))
    assert [one.subject.name for one in by_grant.suggested()] == ["l7gw:oncall"]
    beside = suggestion(past(line, granted=(grant,), reason="rule r allows it"))
    assert [one.subject.name for one in beside.suggested()] == ["l7gw:engineers"]


def test_a_cluster_that_is_told_nobody_gives_all_to_the_gateway() -> None:
    found = suggestion(past("GET /api/v1/namespaces/dev/pods", groups=()), how=reading("none"))
    assert [one.subject for one in found.suggested()] == [GATEWAY]


def test_what_others_of_the_subject_did_and_is_not_given_would_be_refused() -> None:
    found = suggestion(past("GET /api/v1/namespaces/dev/pods"))
    others = UsedRights(reading())
    for call in (
        past("GET /api/v1/namespaces/dev/pods", "bob"),
        past("DELETE /api/v1/namespaces/dev/pods/a", "bob"),
        past("GET /api/v1/secrets", "eve", ("auditors",)),
    ):
        others.take(call)
    assert [(need.right, used.count) for need, used in found.refuses(others)] == [(Right("delete", "", "pods", "dev", "a"), 1)]


def test_names_of_objects_are_paths_segments_and_differ() -> None:
    names = [Suggested(Subject("User", text), "", (), ()).name for text in ("a/b", "a-b", "a%b", "x" * 300, "x" * 301)]
    assert len(set(names)) == 5 and not any("/" in name or "%" in name or len(name) > 253 for name in names)
