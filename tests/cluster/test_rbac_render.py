"""The RBAC for the gateway names the user, the groups and the extras that this configuration and this policy need, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from l7gw.cluster.impersonation import impersonation
from l7gw.cluster.needs import needs
from l7gw.cluster.rbac_render import Names, Rendering, Unresolved
from l7gw.config.settings import Cluster, TokenFile
from l7gw.identity.principal import Principal
from l7gw.kube.existing_rbac import rules_in
from l7gw.kube.rbac import Right, Rule, Subject
from l7gw.policy.judge import Policy

GATEWAYS = Subject("Group", "l7gw-gateways")
PROD = Cluster("prod", "10.0.0.1", 6443, Path("/ca"), TokenFile(Path("/t")))
RULES = """
rules:
  - {name: engineers, groups: [engineers, "bot:agents"], effects: ["*"], verdict: allow}
  - {name: elsewhere, groups: [auditors], clusters: [stage], verdict: allow}
  - {name: as jane, groups: [engineers], effects: [impersonate], as: {users: [jane], groups: [devs], service-accounts: [dev/ci]}, verdict: allow}
"""
TEAMS = 'rules:\n  - {name: teams, groups: ["team-*"], effects: [read], verdict: allow}\n'


def rendering(tmp_path: Path, rules: str = RULES, cluster: Cluster = PROD, **more: Any) -> Rendering:
    path = tmp_path / "policy.yaml"
    path.write_text(rules)
    options: dict[str, Any] = {"given": Names(), "recorded": Names(), "holder": GATEWAYS, **more}
    return Rendering(cluster, Policy.load(path), **options)


def objects(found: Rendering) -> list[dict[str, Any]]:
    return [one for part in found.parts() for one in part.objects]


def rules_of(found: Rendering) -> list[Rule]:
    (made,) = [one for one in objects(found) if one["kind"] == "ClusterRole"]
    return [*rules_in(made)]


def may(found: Rendering, resource: str, name: str) -> bool:
    group = "authentication.k8s.io" if resource.startswith("userextras") or resource == "uids" else ""
    return any(rule.allows(Right("impersonate", group, resource, "", name)) for rule in rules_of(found))


@pytest.mark.parametrize("mode", ["groups", "user"])
def test_what_the_gateway_sends_for_a_caller_it_may_impersonate_and_nothing_beside(tmp_path: Path, mode: Any) -> None:
    cluster = replace(PROD, impersonate=mode)
    found = rendering(tmp_path, cluster=cluster, given=Names(users=frozenset(("ann",))))
    policy = Policy.load(tmp_path / "policy.yaml")
    going_up = policy.groups_going_up("prod", ())
    ann = Principal("ann", ("engineers", "auditors", "everybody"))
    resources = {"impersonate-user": "users", "impersonate-group": "groups"}
    for header, value in impersonation(ann, "session-1", mode, "l7gw:", going_up):
        extra = header.removeprefix("impersonate-extra-")
        assert may(found, resources.get(header, f"userextras/{extra}"), value), (header, value)
    for resource, name in (
        ("users", "ann"), ("users", "admin"), ("users", "system:admin"), ("users", "l7gw:eve"), ("groups", "system:masters"),
        ("groups", "engineers"), ("groups", "l7gw:auditors"), ("groups", "l7gw:everybody"), ("userextras/scopes", "x"), ("uids", "1"),
        ("serviceaccounts", "ci"), ("serviceaccounts", "default"),
    ):  # fmt: skip
        assert not may(found, resource, name), (resource, name)
    assert may(found, "users", "l7gw") is (mode == "groups")
    assert may(found, "users", "l7gw:ann") is (mode == "user")


@pytest.mark.parametrize("mode", ["groups", "user", "none"])
def test_what_clusters_test_asks_for_is_what_is_rendered(tmp_path: Path, mode: Any) -> None:
    cluster = replace(PROD, impersonate=mode)
    made = objects(rendering(tmp_path, cluster=cluster, given=Names(users=frozenset(("ann",)))))
    for need in needs(cluster, Policy.load(tmp_path / "policy.yaml"))[0]:
        resource = f"{need.resource}/{need.subresource}" if need.subresource else need.resource
        right = Right(need.verb, need.group, resource, need.namespace, need.name)
        places = [one for one in made if one["metadata"].get("namespace", "") in ("", need.namespace)]
        assert any(rule.allows(right) for one in places for rule in rules_in(one)), need


def test_everything_is_bound_to_the_one_group_and_to_nobody_else(tmp_path: Path) -> None:
    made = objects(rendering(tmp_path))
    bindings = [one for one in made if one["kind"].endswith("Binding")]
    assert [one["subjects"] for one in bindings] == [[GATEWAYS.document()]] * 2
    assert len(made) == 4


def test_whom_a_rule_lets_callers_act_as_may_be_impersonated_and_rbac_may_be_asked_about_them(tmp_path: Path) -> None:
    found = rendering(tmp_path)
    assert may(found, "users", "jane") and may(found, "groups", "devs") and not may(found, "users", "devs")
    review = Right("create", "authorization.k8s.io", "subjectaccessreviews")
    assert any(rule.allows(review) for rule in rules_of(found))
    (account,) = [one for one in objects(found) if one["kind"] == "Role"]
    assert account["metadata"]["namespace"] == "dev" and account["rules"][0]["resourceNames"] == ["ci"]
    without = rendering(tmp_path, TEAMS.replace("team-*", "engineers"))
    assert not any(rule.allows(review) for rule in rules_of(without))


def test_a_pattern_stands_for_the_names_that_were_stated_else_for_those_that_the_recordings_know(tmp_path: Path) -> None:
    recorded = Names(groups=frozenset(("team-a", "team-b", "other")))
    assert rendering(tmp_path, TEAMS, recorded=recorded).groups == ("team-a", "team-b")
    stated = Names(groups=frozenset(("team-c",)))
    assert rendering(tmp_path, TEAMS, recorded=recorded, given=stated).groups == ("team-c",)
    with pytest.raises(Unresolved, match=r"`groups` has the pattern team-\*") as caught:
        rendering(tmp_path, TEAMS)
    assert "--group" in caught.value.hint
    acting = 'rules: [{name: a, effects: [impersonate], as: {service-accounts: ["dev/*"]}, verdict: allow}]\n'
    with pytest.raises(Unresolved, match=r"`as: serviceaccounts` has the pattern dev/\*"):
        objects(rendering(tmp_path, acting))
    found = rendering(
        tmp_path, acting, given=Names(acted_as=frozenset((("serviceaccounts", "dev/ci"), ("serviceaccounts", "qa/ci"))))
    )
    assert [one["metadata"].get("namespace") for one in objects(found)] == [None, None, "dev", "dev"]


def test_what_a_pattern_stands_for_is_said_and_that_other_names_are_refused(tmp_path: Path) -> None:
    recorded, stated = Names(groups=frozenset(("team-a", "team-b"))), Names(groups=frozenset(("team-c",)))
    (said,) = [line for part in rendering(tmp_path, TEAMS, recorded=recorded).parts() for line in part.about if "team-*" in line]
    assert (
        "stands here for team-a, team-b, which the recordings named" in said
        and "refuses a call that goes up with any other" in said
    )
    lines = [line for part in rendering(tmp_path, TEAMS, recorded=recorded, given=stated).parts() for line in part.about]
    assert any("stands here for team-c, which the options named" in line for line in lines)
    exact = rendering(tmp_path, TEAMS.replace("team-*", "engineers"))
    assert not any("pattern" in line for part in exact.parts() for line in part.about)


def test_every_group_goes_up_where_the_configuration_says_so_and_those_that_are_known_are_named(tmp_path: Path) -> None:
    cluster = replace(PROD, groups=("*",))
    recorded = Names(groups=frozenset(("a", "b,c", "system:masters", "engineers")))
    assert rendering(tmp_path, cluster=cluster, recorded=recorded).groups == ("a", "bot:agents", "engineers")


def test_users_are_those_that_were_stated_that_rules_name_or_that_the_recordings_know(tmp_path: Path) -> None:
    cluster = replace(PROD, impersonate="user")
    named = 'rules: [{name: a, users: [bob, "svc-*"], effects: [read], verdict: allow}]\n'
    found = rendering(tmp_path, named, cluster, recorded=Names(users=frozenset(("ann",))))
    assert may(found, "users", "l7gw:ann") and may(found, "users", "l7gw:bob") and not may(found, "users", "l7gw:svc-*")
    only = rendering(tmp_path, named, cluster, given=Names(users=frozenset(("eve",))), recorded=Names(users=frozenset(("ann",))))
    assert may(only, "users", "l7gw:eve") and not may(only, "users", "l7gw:ann")
    with pytest.raises(Unresolved, match="which users come is not known") as caught:
        objects(rendering(tmp_path, TEAMS.replace("team-*", "t"), cluster))
    assert "cluster-admin" in caught.value.hint
    everybody = rendering(tmp_path, TEAMS.replace("team-*", "t"), cluster, also=["any-user"])
    assert may(everybody, "users", "admin")
    (first, *_) = everybody.parts()
    assert any("EVERY USER MAY BE IMPERSONATED" in line and "as good as cluster-admin" in line for line in first.rules)


@pytest.mark.parametrize("mode", ["groups", "none"])
def test_who_else_comes_to_a_cluster_may_be_read_where_that_is_wanted(tmp_path: Path, mode: Any) -> None:
    made = objects(rendering(tmp_path, TEAMS.replace("team-*", "t"), replace(PROD, impersonate=mode), also=["ways-round"]))
    (one,) = [one for one in made if one["kind"] == "Role"]
    assert one["metadata"]["namespace"] == "kube-system"
    assert [*rules_in(one)] == [Rule(("get",), ("",), ("configmaps",), ("aws-auth",))]


def test_roles_and_bindings_may_be_listed_where_that_is_wanted(tmp_path: Path) -> None:
    right = Right("list", "rbac.authorization.k8s.io", "rolebindings")
    for also in ((), ("reads-rbac",)):
        found = rendering(tmp_path, also=also)
        assert any(rule.allows(right) for rule in rules_of(found)) is bool(also)
    assert not any(rule.allows(Right("get", right.group, "roles", "dev", "x")) for rule in rules_of(found))


@pytest.mark.parametrize(
    ("holder", "cluster"),
    [
        (Subject("Group", "l7gw:engineers"), PROD),
        (Subject("Group", "engineers"), replace(PROD, prefix="")),
        (Subject("User", "l7gw"), PROD),
        (Subject("User", "ann"), replace(PROD, prefix="", impersonate="user")),
    ],
)  # fmt: skip
def test_a_caller_cannot_have_the_gateways_own_rights(tmp_path: Path, holder: Subject, cluster: Cluster) -> None:
    with pytest.raises(Unresolved, match="would get the gateway's own rights"):
        rendering(tmp_path, cluster=cluster, holder=holder, given=Names(users=frozenset(("ann",))))


def test_a_cluster_that_is_told_nobody_needs_no_impersonation(tmp_path: Path) -> None:
    found = rendering(tmp_path, cluster=replace(PROD, impersonate="none"))
    assert objects(found) == [] and found.hints() == ()
    assert "Nothing is impersonated" in " ".join(next(iter(found.parts())).about)


def test_hints_say_how_callers_come_to_rights(tmp_path: Path) -> None:
    hints = "\n".join(rendering(tmp_path).hints())
    assert "kubectl create rolebinding l7gw-view-engineers -n NAMESPACE --clusterrole=view --group=l7gw:engineers" in hints
    nobody = rendering(tmp_path, "rules: [{name: a, effects: [read], verdict: allow}]\n")
    assert "no rights here" in nobody.hints()[0]


BINDS = """
rules:
  - {name: debug, groups: [engineers], namespaces: [shop, cart], verdict: allow, bind: debugger}
grants:
  - {group: oncall, reviewers: {groups: [sre]}, bind: shop/inside, namespaces: [shop]}
  - {group: elsewhere, reviewers: {groups: [sre]}, clusters: [stage], bind: admin, namespaces: [shop]}
"""


def test_what_grants_and_rules_bind_the_gateway_may_bind_in_those_namespaces_and_nothing_else(tmp_path: Path) -> None:
    found = rendering(tmp_path, BINDS, replace(PROD, impersonate="user"), given=Names(users=frozenset(("ann",))))
    roles = {
        one["metadata"]["namespace"]: one["rules"]
        for one in objects(found)
        if one["metadata"]["name"] == "l7gw-binds" and "rules" in one
    }
    api = ["rbac.authorization.k8s.io"]
    makes = {"apiGroups": api, "resources": ["rolebindings"], "verbs": ["create", "delete", "list"]}
    cluster_role = {"apiGroups": api, "resources": ["clusterroles"], "resourceNames": ["debugger"], "verbs": ["bind"]}
    own_role = {"apiGroups": api, "resources": ["roles"], "resourceNames": ["inside"], "verbs": ["bind"]}
    assert roles == {"cart": [makes, cluster_role], "shop": [makes, cluster_role, own_role]}
    (about,) = [part.about for part in found.parts() if "bind in shop" in part.about[0]]
    assert "stolen credential: it binds ClusterRole debugger, Role inside" in about[0]
